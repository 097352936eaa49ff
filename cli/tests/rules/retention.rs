//! Classes and retention from the command line.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::{self, Sandbox};

#[test]
fn what_is_over_goes_and_the_certificate_says_so() {
    let sandbox = Sandbox::new();
    sandbox.run("init").ok();
    sandbox
        .args(
            &[
                "--store",
                "s",
                "class",
                "define",
                "chat",
                "--title",
                "Chats",
                "--selector",
                "kind:message",
                "--maximum",
                "180d",
                "--ground",
                "GDPR 5 (1) (e)",
                "--as",
                "dana",
            ],
            "",
        )
        .ok();
    sandbox.run_with("import -", support::SAMPLE).ok();
    let records = sandbox.count("kind:message");
    assert!(records > 0);
    let list = &sandbox.run("class list --json").ok().lines()[0];
    assert_eq!((list["code"].as_str(), list["maximum"].as_str()), (Some("chat"), Some("180d")));
    let would = sandbox.run("retention run --dry-run --json").ok().lines();
    let did = sandbox.run("retention run --certificate c.json --json").ok().lines();
    assert_eq!(would[0]["classes"], did[0]["classes"]);
    let due = did[0]["classes"][0]["due"].as_u64().unwrap();
    assert_eq!(sandbox.count("kind:message"), records - due);
    assert!(sandbox.has("c.json"));
    assert_eq!(did[0]["requests"].as_array().unwrap().len(), usize::from(due > 0));
    sandbox.run("class lengthen chat --lock 200d").exits(2);
    sandbox.run("class retire chat").ok();
    sandbox.run("class retire chat").exits(3);
}

#[test]
fn a_store_that_keeps_little_says_what() {
    let sandbox = Sandbox::new();
    sandbox.run("init --retention minimal").ok();
    let classes = sandbox.run("class list --json").ok().lines();
    let told: Vec<_> =
        classes.iter().map(|class| (class["code"].as_str(), class["maximum"].as_str())).collect();
    assert_eq!(told, [(Some("context"), Some("30d")), (Some("chat"), Some("180d"))]);
    assert_eq!(sandbox.run("audit level --json").ok().lines()[0]["keep_acts"], 2_192);
}

#[test]
fn what_users_took_back_goes_with_a_run() {
    let sandbox = Sandbox::with_sample();
    let line = r#"{"id":"d1","conversation":"c1","author":"anna@example.org","time":"2026-02-01T10:00:00Z","kind":"delete","target":"m1","body":""}"#;
    sandbox.run_with("import -", line).ok();
    let one = |line: &str| sandbox.run(&format!("--json {line}")).ok().lines().remove(0);
    // Where deletions hide, as they do unless somebody says otherwise, nothing is told and nothing goes.
    assert!(one("retention status")["taken_back"].is_null());
    sandbox.run("settings set --deletion erase").ok();
    let due = one("retention run --dry-run");
    assert_eq!(due["taken_back"], serde_json::json!({"due": 1, "held": 0, "locked": 0, "next": null}));
    assert!(
        sandbox.run("retention status").ok().out.contains("taken back by users: 1 due, 0 held, 0 locked")
    );
    sandbox.run("hold place h1 --subject anna@example.org --matter M --ground G --as dana").ok();
    assert_eq!(one("retention run")["taken_back"]["held"], 1);
    sandbox.run("hold release h1 --reason settled --as dana").ok();
    assert_eq!(sandbox.count("id:m1 version:all"), 1);
    let did = one("retention run --certificate c.json");
    assert_eq!((&did["taken_back"]["due"], did["requests"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!((sandbox.count("id:m1 version:all"), sandbox.count("kind:delete")), (0, 0));
    let key = one("key public")["key"].as_str().unwrap().to_owned();
    sandbox.args(&["verify-certificate", "c.json", "--key", &key], "").ok();
}

/// When a deletion of long ago came stays in the store: what is shown, exported and imported again is what was given.
#[test]
fn a_deletion_of_long_ago_waits_for_the_grace_and_is_given_on_as_it_came() {
    let sandbox = Sandbox::with_sample();
    let line = r#"{"id":"d1","conversation":"c1","author":"anna@example.org","time":"2020-02-01T10:00:00Z","kind":"delete","target":"m1","body":""}"#;
    for _ in 0..2 {
        sandbox.run_with("import -", line).ok();
        assert_eq!((sandbox.count("kind:delete"), sandbox.count("id:m1")), (1, 0));
    }
    sandbox.run("settings set --deletion erase --grace 30d").ok();
    let due = sandbox.run("--json retention run").ok().lines().remove(0);
    assert_eq!((&due["taken_back"]["due"], sandbox.count("id:m1 version:all")), (&0.into(), 1));
    assert!(due["taken_back"]["next"].is_string(), "{due}");

    sandbox.run("export --query kind:delete --output e").ok();
    let text = sandbox.read("e");
    assert!(text.contains("2020-02-01") && !text.contains("came"), "{text}");
    let key = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    sandbox.args(&["verify-export", "e", "--key", &key], "").ok();
    sandbox.args(&["--store", "t", "init"], "").ok();
    sandbox.args(&["--store", "t", "import", "e"], "").ok();
    sandbox.args(&["--store", "t", "export", "--query", "kind:delete", "--output", "again"], "").ok();
    assert_eq!(sandbox.read("again"), text);
}

#[test]
fn what_is_over_is_restricted_by_a_run() {
    let sandbox = Sandbox::new();
    sandbox.run("init").ok();
    sandbox
        .run("class define chat --title Chats --selector kind:message --maximum 180d --then restrict --ground G")
        .ok();
    let line = |id: &str, time: &str| {
        format!(r#"{{"id":"{id}","conversation":"c1","author":"anna","time":"{time}","body":"lamp {id}"}}"#)
            + "\n"
    };
    let lines = line("old", "2020-01-01T00:00:00Z") + &line("new", "2999-01-01T00:00:00Z");
    sandbox.run_with("import -", lines).ok();
    let one = |line: &str| sandbox.run(&format!("--json {line}")).ok().lines().remove(0);
    let would = one("retention run --dry-run");
    assert_eq!(sandbox.count("lamp"), 2);
    let did = one("retention run");
    assert_eq!((&did["classes"], &did["restricted"]), (&would["classes"], &would["restricted"]));
    assert_eq!((&did["restricted"], &did["requests"]), (&1.into(), &serde_json::json!([])));
    sandbox.run("get old").exits(3);
    sandbox.run("export --query lamp --output e --unsigned").ok();
    assert!(!sandbox.read("e").contains("old") && sandbox.read("e").contains("new"));
    assert_eq!((sandbox.count("lamp"), sandbox.run("--case X get old").code), (1, 3));
    sandbox.run("hold place h1 --conversation c2 --matter M --ground G --as dana").ok();
    assert_eq!(one("--case h1 get old")["id"], "old");
    let after = one("retention status");
    assert_eq!((&after["restricted"], &after["classes"][0]["restricted"]), (&0.into(), &1.into()));
    assert_eq!(after["classes"][0]["records"], 2);
    // Who is erased takes it along.
    sandbox.run("erase --record old --yes").ok();
    assert_eq!(one("retention status")["classes"][0]["records"], 1);
}

#[test]
fn what_is_due_for_review_is_listed_and_somebody_acts_on_it() {
    let sandbox = Sandbox::new();
    sandbox.run("init").ok();
    for (code, then) in [("letters", "review"), ("chat", "erase")] {
        let define =
            format!("class define {code} --title T --selector channel:{code} --maximum 30d --ground G");
        sandbox.run(&format!("{define} --then {then}")).ok();
    }
    let line = |id: &str, channel: &str, time: &str| {
        format!(
            r#"{{"id":"{id}","conversation":"c1","author":"anna","time":"{time}","channel":"{channel}","body":"lamp"}}"#
        ) + "\n"
    };
    let lines = [
        line("l1", "letters", "2020-01-01T00:00:00Z"),
        line("l2", "letters", "2019-01-01T00:00:00Z"),
        line("l3", "letters", "2999-01-01T00:00:00Z"),
        line("k1", "chat", "2020-01-01T00:00:00Z"),
    ];
    sandbox.run_with("import -", lines.concat()).ok();
    let due = |sandbox: &Sandbox| -> Vec<String> {
        let lines = sandbox.run("--json retention due").ok().lines();
        lines
            .iter()
            .map(|one| format!("{} {}", one["id"].as_str().unwrap(), one["since"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(due(&sandbox), ["l2 2019-01-31T00:00:00Z", "l1 2020-01-31T00:00:00Z"]);
    let text = sandbox.run("retention due --class letters").ok().out;
    assert!(text.ends_with("letters: 2 due for review\n") && !text.contains("lamp"), "{text}");
    sandbox.run("retention due --class chat").exits(3);
    // To look is an act.
    let acts = sandbox.run("--json audit kind:opened").ok().lines();
    assert!(acts.iter().any(|act| act["count"] == 2), "{acts:?}");
    sandbox.run("retention run").ok();
    assert_eq!((due(&sandbox).len(), sandbox.count("channel:letters")), (2, 3), "nobody acted");
    sandbox.run("erase --record l1 --yes").ok();
    sandbox
        .args(
            &[
                "--store",
                "s",
                "hold",
                "place",
                "look-1",
                "--query",
                "id:l2",
                "--matter",
                "M",
                "--ground",
                "G",
                "--review",
                "2999-01-01",
            ],
            "",
        )
        .ok();
    assert!(due(&sandbox).is_empty());
    assert_eq!(sandbox.run("retention due").ok().out, "");
    sandbox.run("hold release look-1 --reason looked").ok();
    assert_eq!(due(&sandbox), ["l2 2019-01-31T00:00:00Z"]);
}
