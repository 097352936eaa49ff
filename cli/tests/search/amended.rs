//! Corrections, late tags, threads and versions, from the command line.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::Sandbox;

const TALK: &str = r#"{"id":"m1","conversation":"c","author":"anna@example.org","time":"2026-01-31T12:00:00Z","tags":["open"],"body":"I owe 500"}
{"id":"m2","conversation":"c","author":"ben@example.org","time":"2026-01-31T12:00:01Z","body":"really?","reply_to":"m1"}
{"id":"r1","conversation":"c","author":"ben@example.org","time":"2026-01-31T12:00:02Z","kind":"reaction","target":"m1","body":"+1"}
{"id":"m3","conversation":"c","author":"ben@example.org","time":"2026-01-31T12:00:03Z","body":"taken back"}
{"id":"d3","conversation":"c","author":"ben@example.org","time":"2026-01-31T12:00:04Z","kind":"delete","target":"m3","body":""}
{"id":"t1","conversation":"c","author":"ben@example.org","time":"2026-01-31T12:00:05Z","kind":"tag","target":"m2","tags":["doubt"],"removed":["open"],"body":""}
"#;

fn talk() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.run_with("import --format jsonl -", TALK).ok();
    sandbox
}

#[test]
fn a_correction_takes_the_place_of_the_old_wording() {
    let sandbox = talk();
    let seq = sandbox
        .run_with("--json --as dana correct m1 --body-file - --reason typo", "I owe 50\n")
        .ok()
        .lines();
    assert!(seq[0]["seq"].as_u64().unwrap() > 0);
    assert_eq!((sandbox.count("500"), sandbox.count("50"), sandbox.count("version:all 500")), (0, 1, 1));
    let hit = &sandbox.run("--json search 50").ok().lines()[0];
    assert_eq!(
        (&hit["body"], &hit["target"], &hit["extra"]["reason"]),
        (&"I owe 50".into(), &"m1".into(), &"typo".into())
    );
    assert_eq!(hit["tags"][0], "open");
    // What was written is still there by its id, and can be proved.
    assert_eq!(sandbox.run("--json get m1").ok().lines()[0]["body"], "I owe 500");
    sandbox.run("proof m1").ok();
    sandbox.run_with("correct m1 --body-file -", "x").exits(2);
    sandbox.run_with("--as dana correct m9 --body-file -", "x").exits(3);
    sandbox.run("--as dana correct m1 --body-file missing").exits(1);
    sandbox.run("--as dana correct m1").exits(2);
}

#[test]
fn tags_come_and_go() {
    let sandbox = talk();
    assert_eq!((sandbox.count("tag:doubt"), sandbox.count("tag:open")), (1, 1));
    sandbox.run("--as dana tag add m1 vip dept:sales").ok();
    sandbox.run("--as dana tag remove m1 open").ok();
    assert_eq!((sandbox.count("tag:vip tag:dept:sales"), sandbox.count("tag:open")), (1, 0));
    let shown = sandbox.run("--json tag show m1").ok().lines();
    assert_eq!((&shown[0]["tags"][1], &shown[1]["removed"][0]), (&"dept:sales".into(), &"open".into()));
    assert_eq!(shown[0]["author"], "dana");
    assert!(sandbox.run("tag show m3").ok().out.is_empty());
    sandbox.run("tag show m9").exits(3);
    sandbox.run("--as dana tag add m9 x").exits(3);
    sandbox.run("tag add m1 x").exits(2);
    sandbox.run("--as dana tag add m1").exits(2);
    // Elsewhere the field belongs to nobody.
    let line = r#"{"conversation":"c","author":"a","time":"2026-01-31T12:00:00Z","body":"","removed":["x"]}"#;
    sandbox.run_with("add", line).exits(1);
}

#[test]
fn a_thread_shows_what_answers_what() {
    let sandbox = talk();
    let lines = sandbox.run("--json thread m2").ok().lines();
    let shown: Vec<_> = lines.iter().map(|l| (l["depth"].as_u64().unwrap(), &l["record"]["id"])).collect();
    assert_eq!(shown, [(0, &"m1".into()), (1, &"m2".into())]);
    assert_eq!((&lines[0]["reactions"]["+1"], &lines[1]["here"]), (&1.into(), &true.into()));
    assert!(sandbox.run("thread m2").ok().out.contains("1 × +1"));
    sandbox.run("thread m9").exits(3);
}

/// An export of a conversation holds what was edited away or taken back; taken in again it reads the same.
#[test]
fn an_export_comes_back_as_it_was() {
    let sandbox = talk();
    sandbox.run_with("--as dana correct m1 --body-file - --reason typo", "I owe 50").ok();
    sandbox.run("--as dana tag add m1 vip").ok();
    sandbox.run("export --conversation c --format jsonl --output out.jsonl").ok();
    let written = sandbox.read("out.jsonl");
    assert!(written.contains("I owe 500") && written.contains("taken back"));
    let other = Sandbox::with_store();
    other.run_with("import --format jsonl -", &written).ok();
    for query in ["*", "version:first *", "version:all *", "tag:vip", "tag:open", "50"] {
        assert_eq!(other.count(query), sandbox.count(query), "{query}");
    }
    other.run("export --conversation c --format jsonl --output out.jsonl").ok();
    assert_eq!(other.read("out.jsonl"), written);
}

#[test]
fn a_person_has_several_names_and_links_come_and_go() {
    let sandbox = talk();
    sandbox.run("subject add-identifier anna@example.org anna2").ok();
    assert_eq!(sandbox.count("author:anna2"), 1);
    let line =
        r#"{"id":"m9","conversation":"c","author":"anna2","time":"2026-01-31T12:00:00Z","body":"me too"}"#;
    sandbox.run_with("add", line).ok();
    assert_eq!(sandbox.count("subject:anna@example.org"), 2);
    let person = &sandbox.run("--json subject show anna2").ok().lines()[0];
    assert_eq!(person["identifiers"][1], "anna2");
    // Once more changes nothing; what is another's is refused, and nobody unknown is given one.
    sandbox.run("subject add-identifier anna2 anna2").ok();
    sandbox.run("subject add-identifier anna2 ben@example.org").exits(2);
    sandbox.run("subject add-identifier carl anna3").exits(3);
    sandbox.run("subject unlink anna2 ben@example.org").exits(2);
    sandbox.run("subject link anna2 ben@example.org").ok();
    sandbox.run("subject unlink ben@example.org anna@example.org").ok();
    sandbox.run("erase --subject anna2 --yes").ok();
    sandbox.run("subject show anna@example.org").exits(3);
    sandbox.run("subject show anna2").exits(3);
    sandbox.run("subject show ben@example.org").ok();
}
