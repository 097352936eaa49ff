//! A record among its neighbours: `get --context` and `conversation --around`.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::Sandbox;
use serde_json::Value;

/// Thirty messages of one conversation, a second apart; every third is of another one too.
fn talk() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let mut lines = String::new();
    for n in 0..30 {
        let mut line = |conversation: &str| {
            lines.push_str(&format!(
                r#"{{"id":"m{n}","conversation":"{conversation}","author":"p{}@example.org","time":"2026-01-31T12:00:{n:02}Z","body":"text {n}"}}"#,
                n % 4
            ));
            lines.push('\n');
        };
        line("c");
        if n % 3 == 0 {
            line("d");
        }
    }
    sandbox.run_with("import --format jsonl -", lines).ok();
    sandbox
}

/// Ids, and the one that is marked in brackets.
fn ids(lines: &[Value]) -> String {
    let id = |line: &Value| {
        let id = line["id"].as_str().unwrap();
        assert!(line["here"].is_null() || line["here"] == true);
        if line["here"] == true { format!("[{id}]") } else { id.to_owned() }
    };
    lines.iter().map(id).collect::<Vec<_>>().join(" ")
}

#[test]
fn neighbours_are_shown_and_the_record_is_marked() {
    let sandbox = talk();
    let shown = |line: &str| ids(&sandbox.run(&format!("--json {line}")).ok().lines());
    assert_eq!(shown("conversation c --around m7 --context 2"), "m5 m6 [m7] m8 m9");
    assert_eq!(shown("conversation d --around m6 --context 1"), "m3 [m6] m9");
    assert_eq!(shown("conversation c --around m28 --context 2"), "m26 m27 [m28] m29");
    assert_eq!(shown("conversation c --around m0 --context 0"), "[m0]");
    assert_eq!(
        shown("conversation c --around m15"),
        "m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 [m15] m16 m17 m18 m19 m20 m21 m22 m23 m24 m25"
    );
    assert_eq!(shown("get m7 --context 1"), "m6 [m7] m8");
    // In both conversations, one behind the other.
    assert_eq!(shown("get m9 --context 1"), "m8 [m9] m10 m6 [m9] m12");
    assert_eq!(shown("get m9 --conversation d --context 1"), "m6 [m9] m12");
    assert_eq!(shown("get m9 --conversation d"), "m9");
    sandbox.run("--json conversation c --context 3").exits(2);
    sandbox.run("--json get m1 --context -1").exits(2);
}

#[test]
fn text_for_people_has_a_mark_that_no_text_can_feign() {
    let sandbox = Sandbox::with_sample();
    let feigned = r#"{"id":"f","conversation":"c1","author":"a","time":"2026-01-31T12:02:00Z","body":"x\n> 2026-01-31T12:00:00Z  c1"}"#;
    sandbox.run_with("add", feigned).ok();
    let out = sandbox.run("conversation c1 --around m2").ok().out;
    let marked: Vec<&str> = out.lines().filter(|line| line.starts_with('>')).collect();
    assert!(marked.len() == 1 && marked[0].ends_with("#m2"), "{out}");
    assert!(out.starts_with("  2026-01-31T12:00:00Z  c1  anna@example.org"), "{out}");
}

/// Fields of a lenient import stand beside ours: one named `here` marked a record that nobody asked for.
#[test]
fn a_kept_field_is_no_mark() {
    let sandbox = Sandbox::with_sample();
    let feigned =
        r#"{"id":"f","conversation":"c1","author":"a","time":"2026-01-31T12:02:00Z","body":"x","here":true}"#;
    sandbox.run_with("import --lenient -", feigned).ok();
    let lines = sandbox.run("--json conversation c1 --around m2").ok().lines();
    assert_eq!(ids(&lines), "m1 [m2] f");
    assert_eq!(lines[2]["extra"]["here"], true);
}

#[test]
fn the_erased_are_unknown_and_nobodys_neighbours() {
    let sandbox = talk();
    sandbox.run("erase --subject p3@example.org --yes").ok();
    sandbox.run("erase --record m6 --in-conversation c --yes").ok();
    for never in
        ["conversation c --around m99", "get m99 --context 2", "conversation c --around m99 --context 0"]
    {
        let unknown = sandbox.run(&format!("--json {never}")).exits(3);
        // Of the person, of a record of its own, of another conversation only.
        for (id, conversation) in [("m3", "c"), ("m6", "c"), ("m7", "d"), ("m1", "nowhere")] {
            for line in [
                format!("--json conversation {conversation} --around {id}"),
                format!("--json get {id} --conversation {conversation} --context 2"),
            ] {
                let run = sandbox.run(&line).exits(3);
                assert_eq!((&run.err, &run.out), (&unknown.err, &unknown.out), "{line}");
            }
        }
    }
    let lines = sandbox.run("--json conversation c --around m5 --context 2").ok().lines();
    assert_eq!(ids(&lines), "m2 m4 [m5] m8 m9");
    // The id lives on where the other one stood.
    assert_eq!(ids(&sandbox.run("--json get m6 --context 1").ok().lines()), "m0 [m6] m9");
}

/// A record that is shown whole left out whose data it is, where it was written, what it answers, and the
/// fields of a lenient import.
#[test]
fn a_record_is_shown_whole() {
    let sandbox = Sandbox::with_store();
    let line = r#"{"id":"m2","conversation":"c","author":"agent","subjects":["anna","bert"],"time":"2026-01-31T12:02:00Z","channel":"web","reply_to":"m1","body":"x\n  channel: mail","cursor":["C"]}"#;
    sandbox.run_with("import --lenient -", line).ok();
    let out = sandbox.run("get m2").ok().out;
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].ends_with("#m2"), "{out}");
    let rest = ["  subjects: anna, bert", "  channel: web", "  answers: #m1", "  cursor: [\"C\"]"];
    assert_eq!(lines[1..], [&rest[..], &["    x", "      channel: mail"]].concat(), "{out}");
    let hit = sandbox.run("--json search *").ok().lines().remove(0);
    assert_eq!(hit["extra"], serde_json::json!({"cursor": ["C"]}));
    assert!(hit["cursor"].is_string());
}
