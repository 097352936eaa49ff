//! Acts from the command line: what is recorded, who sees it, what is changed.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use crate::support::Sandbox;
use escrowdb::clock::{Clock, SystemClock};
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{AuditRules, Level, Store};
use serde_json::{Value, json};

fn audit(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let args = [&["--store", "s", "--json", "audit", "--order", "oldest"], args].concat();
    sandbox.args(&args, "").ok().lines()
}

/// The fields of an act but for those that are drawn or stamped.
fn told(act: &Value) -> Value {
    let mut act = act.clone();
    for name in ["seq", "id", "time", "actor_number"] {
        assert!(act.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    act
}

#[test]
fn what_is_done_is_recorded_at_once() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("get m1 --as dana --purpose complaint --case 2026-17").ok();
    sandbox.run("conversation c1 --as dana").ok();
    sandbox.run("subject show anna@example.org").ok();
    sandbox.run("export --conversation c1 --output c1.jsonl --as eve").ok();
    sandbox.run("count * --as eve").ok();
    sandbox.run("search * --as eve").ok();
    sandbox.run("get nobody --as eve").exits(3);
    sandbox.run("erase --subject anna@example.org --plan").ok();
    let acts: Vec<Value> = audit(&sandbox, &["*"]).iter().map(told).collect();
    assert_eq!(acts[0]["kind"], "import");
    assert_eq!(acts[0]["duplicates"], 0);
    let short: Vec<(&str, &str, Option<&str>)> = acts[1..]
        .iter()
        .map(|act| (act["kind"].as_str().unwrap(), act["what"].as_str().unwrap(), act["actor"].as_str()))
        .collect();
    assert_eq!(
        short,
        [
            ("opened", "record", Some("dana")),
            ("opened", "conversation", Some("dana")),
            ("opened", "person", None),
            ("exported", "conversation", Some("eve")),
            ("disclosure", "disclosure", Some("eve")),
            ("opened", "plan", None),
        ]
    );
    assert_eq!(
        acts[1],
        json!({
            "kind": "opened", "what": "record", "actor": "dana", "count": 1,
            "people": [{"number": 1, "name": "anna@example.org"}],
        })
    );
    assert_eq!(audit(&sandbox, &["author:dana kind:opened"]).len(), 2);
    assert_eq!(audit(&sandbox, &["author:dana", "--limit", "1"]).len(), 1);
    let text = sandbox.run("audit author:dana --order oldest").ok().out;
    assert!(text.lines().next().unwrap().ends_with("dana  opened record: 1  of anna@example.org"), "{text}");
}

#[test]
fn details_are_for_a_purpose() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("get m1 --as dana --purpose complaint").ok();
    assert_eq!(sandbox.run("--json audit * --details").exits(2).error()["kind"], "invalid");
    assert_eq!(sandbox.run("--json audit lamp").exits(2).error()["kind"], "invalid");
    let acts = audit(&sandbox, &["complaint", "--details", "--purpose", "review"]);
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0]["detail"], json!({"record": "m1", "purpose": "complaint"}));
    let text = sandbox.run("audit complaint --details --purpose review").ok().out;
    assert!(text.contains("\n    record: m1\n    purpose: complaint\n"), "{text}");
    // Who looked is in it too.
    assert_eq!(audit(&sandbox, &["review", "--details", "--purpose", "review"]).len(), 2);
    for query in ["kind:detail", "complaint"] {
        assert_eq!(sandbox.count(query), 0, "{query}");
    }
}

#[test]
fn what_is_recorded_can_be_changed_and_that_is_an_act() {
    let sandbox = Sandbox::with_sample();
    let level = |line: &str| sandbox.run(&format!("--json audit level{line}")).ok().lines().remove(0);
    assert_eq!(level(""), json!({"level": "acts", "keep_acts": 1096, "keep_details": 90}));
    let all = json!({"level": "all", "keep_acts": 1096, "keep_details": 30});
    assert_eq!(level(" all --keep-details 30 --as dana"), all);
    assert_eq!(level(""), all);
    sandbox.run("count tag:dept:sales --as eve").ok();
    let acts = audit(&sandbox, &["kind:rule OR kind:searched"]);
    assert_eq!(acts.iter().map(|act| act["actor"].as_str()).collect::<Vec<_>>(), [Some("dana"), Some("eve")]);
    assert_eq!((&acts[0]["level"], &acts[0]["keep_details"]), (&json!("all"), &json!(30)));
    assert_eq!(sandbox.run("--json audit level off").exits(2).error()["kind"], "usage");
    assert_eq!(sandbox.run("--json audit level --keep-acts 0").exits(2).error()["kind"], "invalid");
    assert_eq!(sandbox.run("--json audit").exits(2).error()["kind"], "usage");
    assert_eq!(sandbox.run("--json audit expire").ok().lines(), [] as [Value; 0]);
}

#[test]
fn a_store_of_an_older_format_records_nothing() {
    let sandbox = Sandbox::with_format_1();
    let before = sandbox.run("--json stats").ok().lines()[0]["log_size"].clone();
    sandbox.run("get m-5-5").ok();
    assert_eq!(sandbox.run("--json stats").ok().lines()[0]["log_size"], before);
    assert_eq!(sandbox.run("--json audit level all").exits(1).error()["kind"], "unsupported");
    sandbox.run("upgrade").ok();
    sandbox.run("get m-5-5").ok();
    assert_eq!(audit(&sandbox, &["kind:opened"]).len(), 1);
}

#[test]
fn a_shell_records_its_lines() {
    let sandbox = Sandbox::with_sample();
    sandbox.run_with("shell --as dana", "get m1\naudit author:dana\n").ok();
    assert_eq!(audit(&sandbox, &["author:dana"]).len(), 1);
}

/// A clock so many days behind.
struct Behind(i64);

impl Clock for Behind {
    fn now(&self) -> Micros {
        Micros(SystemClock.now().0 - self.0 * Micros::DAY)
    }
}

/// Details die on their date by the way of every erasure, so there is a certificate of it, which anybody can check.
#[test]
fn what_expired_has_a_certificate() {
    let sandbox = Sandbox::new();
    let path = sandbox.folder.join("s");
    let of = |days| Store::builder(&path).clock(Arc::new(Behind(days))).background(false);
    let store = of(90).audit(Level::Acts).create().unwrap();
    let rules = AuditRules::new(Level::All).keep_acts(365).keep_details(1);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    store.session(Session::new().actor("dana").purpose("a complaint")).count("lamp").unwrap();
    store.close().unwrap();
    // A clock that went on by more is not believed at once.
    for days in [70, 50, 30] {
        of(days).open().unwrap().close().unwrap();
    }
    let gone = sandbox.run("--json search kind:erased").ok().lines();
    assert_eq!(gone.len(), 1);
    let request = gone[0]["id"].as_str().unwrap().strip_prefix("erased/").unwrap();
    let text = sandbox.run(&format!("certificate {request}")).ok().out;
    std::fs::write(sandbox.folder.join("c.json"), &text).unwrap();
    let key = sandbox.run("--json key public").ok().lines().remove(0);
    let args = ["--json", "verify-certificate", "c.json", "--key", key["key"].as_str().unwrap()];
    let seen = sandbox.args(&args, "").ok().lines().remove(0);
    assert_eq!(seen["records_removed"], 2);
    assert!(text.contains("\"details\"") && !text.contains("dana") && !text.contains("complaint"), "{text}");
    std::fs::write(sandbox.folder.join("c.json"), text.replace("\"details\"", "\"acts\"")).unwrap();
    sandbox.args(&args, "").exits(6);
}
