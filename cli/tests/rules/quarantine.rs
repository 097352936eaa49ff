//! The gate in its third mode, from the command line.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::consents;
use crate::support::Sandbox;

fn one(sandbox: &Sandbox, line: &str) -> Value {
    let mut lines = sandbox.run(&format!("--json {line}")).ok().lines();
    assert_eq!(lines.len(), 1, "{line}");
    lines.remove(0)
}

fn line(id: &str, who: &str) -> String {
    format!(
        r#"{{"id":"{id}","conversation":"q","author":"{who}","time":"2026-03-01T10:00:00Z","channel":"mail","body":"quiet {id}"}}"#
    ) + "\n"
}

#[test]
fn what_has_no_consent_is_taken_and_released_once_there_is_one() {
    let sandbox = consents::sandbox();
    sandbox.run("gate set --mode quarantine").ok();
    sandbox.run("gate rule add --when channel:mail --for offers").ok();
    let before = sandbox.count("*");
    let lines = line("q1", "anna@example.org") + &line("q2", "bob@example.org");
    let told = sandbox.run_with("--json import -", &lines).ok().lines().remove(0);
    assert_eq!(told, json!({"imported": 0, "duplicates": 0, "rejected": 0, "quarantined": 2}));
    let added = sandbox.run_with("--json add", line("q3", "bob@example.org")).ok().lines().remove(0);
    assert_eq!(added["quarantined"], true);
    assert_eq!(
        (sandbox.count("*"), sandbox.count("quiet"), sandbox.count("version:all conversation:q")),
        (before, 0, 0)
    );
    sandbox.run("get q1").exits(3);
    sandbox.run("conversation q").exits(3);
    sandbox.run("export --conversation q --output e").exits(3);
    sandbox.run("export --subject bob@example.org --others included --output e").ok();
    assert!(!sandbox.read("e").contains("quiet"));
    let list = sandbox.run("--json gate quarantine list").ok().lines();
    let all: Vec<_> = list.iter().map(|one| json!([one["id"], one["missing"], one["subjects"]])).collect();
    assert_eq!(
        Value::from(all),
        json!([
            ["q1", ["offers"], ["anna@example.org"]],
            ["q2", ["offers"], ["bob@example.org"]],
            ["q3", ["offers"], ["bob@example.org"]],
        ])
    );
    assert!(sandbox.run("gate quarantine list").ok().out.contains("q1"));
    assert!(!sandbox.run("gate quarantine list").ok().out.contains("quiet"));
    assert_eq!(sandbox.run("--json --as dana gate release q1").exits(7).error()["kind"], "refused");
    sandbox.run("consent give bob@example.org --for offers").ok();
    sandbox.run("--as dana gate release q2 --conversation q").ok();
    assert_eq!(
        one(&sandbox, "--as dana gate release --subject bob@example.org"),
        json!({"released": 1, "left": 0})
    );
    assert_eq!(one(&sandbox, "--as dana gate release --all"), json!({"released": 0, "left": 1}));
    assert_eq!((sandbox.count("quiet"), sandbox.count("*")), (2, before + 2));
    sandbox.run("--as dana gate release q2").exits(3);
    sandbox.run("gate release").exits(2);
    sandbox.run("settings set --quarantine 1d").ok();
    let run = one(&sandbox, "retention run --dry-run");
    assert_eq!((&run["quarantine"]["records"], &run["quarantine"]["due"]), (&json!(1), &json!(0)));
    assert!(sandbox.run("retention status").ok().out.contains("in quarantine: 1, 0 due"));
    sandbox.run("erase --subject anna@example.org --yes").ok();
    assert!(sandbox.run("--json gate quarantine list").ok().lines().is_empty());
}

#[test]
fn a_purpose_that_was_retired_is_named_whichever_way_records_come() {
    let sandbox = consents::sandbox();
    sandbox.run("consent give anna@example.org --for offers").ok();
    sandbox.run("gate set --mode refuse").ok();
    sandbox.run("gate rule add --when channel:mail --for offers").ok();
    sandbox.run("purpose retire offers").ok();
    let lines = line("q1", "anna@example.org");
    let run = sandbox.run_with("--json import - --rejects r", &lines).ok();
    assert_eq!(run.lines()[0], json!({"imported": 0, "duplicates": 0, "rejected": 1}));
    let why = sandbox.read("r");
    assert!(why.contains("there is no consent for: offers"), "{why}");
    assert!(sandbox.run_with("add", &lines).exits(7).err.contains("there is no consent for: offers"));
    let rehearsed = sandbox.run_with("--json import - --dry-run --rejects r2", &lines).ok();
    assert_eq!((rehearsed.lines()[0]["rejected"].clone(), sandbox.read("r2")), (json!(1), why));
    sandbox.run("gate set --mode quarantine").ok();
    let run = sandbox.run_with("--json import -", &lines).ok();
    assert_eq!(run.lines()[0]["quarantined"], 1);
    assert_eq!(one(&sandbox, "gate quarantine list")["missing"], json!(["offers"]));
    let refused = sandbox.run("--as dana gate release q1").exits(7);
    assert!(refused.err.contains("there is no consent for: offers"), "{}", refused.err);
    sandbox.run("gate rule add --when * --for unheard-of").exits(3);
}
