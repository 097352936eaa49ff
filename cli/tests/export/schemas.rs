//! The published schemas: every line that is exported is one, what is none is refused, and what was exported
//! comes out of an empty store the same.

use std::path::PathBuf;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// A query for every kind that people make.
pub(crate) const EVERY: &str = "* OR kind:edit OR kind:delete OR kind:reaction OR kind:join OR kind:leave OR kind:system OR kind:context";
/// Lines of a set of real chats that are looked at.
const OF_A_SET: usize = 400;

pub(crate) fn schema(name: &str) -> Validator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/schema").join(name);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

pub(crate) fn is(schema: &Validator, file: &str) -> usize {
    for line in file.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        if let Err(e) = schema.validate(&value) {
            panic!("{e} at {}: {line}", e.instance_path());
        }
    }
    file.lines().count()
}

/// One record of every kind that people make, with everything that a record may hold.
pub(crate) fn every_kind() -> String {
    let mut lines = String::new();
    let mut add = |n: usize, kind: &str, more: Value| {
        let mut record = json!({
            "id": format!("k{n}"), "conversation": format!("talk {}", n % 3), "author": format!("p{}@example.org", n % 4),
            "subjects": [format!("p{}@example.org", n % 4), "Zoë"], "time": format!("2026-04-01T10:00:{n:02}.{n:03}Z"),
            "kind": kind, "body": format!("Grüße {n}\n\t\u{1}\"\\ 👩‍👩‍👧 东京 \u{2028}"),
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        lines += &(record.to_string() + "\n");
    };
    add(0, "message", json!({"channel": "web", "tags": ["dept:sales", "vip", "a:b:c"], "reply_to": "k9"}));
    add(1, "edit", json!({"target": "k0", "body": "better"}));
    add(2, "delete", json!({"target": "k0", "body": ""}));
    // Of what is there, and so of the same people.
    let subjects = ["p0@example.org", "Zoë"];
    add(3, "reaction", json!({"target": "k0", "body": "👍🏽", "reply_to": "k0", "subjects": subjects}));
    add(4, "join", json!({"body": "", "subjects": ["p0@example.org"]}));
    add(5, "leave", json!({"body": "bye"}));
    add(6, "file", json!({"body": "invoice.pdf", "size": 1234, "sha": {"a": [1, 2.5e3, null, "\u{e9}"]}}));
    add(7, "call", json!({"seconds": 61.50, "tags": ["missed"]}));
    add(8, "action", json!({"channel": "#irc"}));
    add(9, "system", json!({"time": "0001-01-01T00:00:00Z"}));
    add(10, "context", json!({"time": "9999-12-31T23:59:59.999999Z", "body": "203.0.113.7"}));
    add(11, "message", json!({"participants": ["p1@example.org", "eve"], "subjects": ["eve"]}));
    // Of a kind that is about nothing it is a field like any other.
    add(12, "message", json!({"mood": "good", "time": "2026-04-01T12:00:00+02:00"}));
    lines
}

/// Exports, imports into an empty store and exports again: line by line the same records. Two things are the
/// store's own: the ids of joins that it made, and the order of subjects, which is that of its numbers.
fn comes_back(sandbox: &Sandbox, store: &str) -> String {
    let export = |store: &str, to: &str| {
        sandbox.args(&["--store", store, "export", "--query", EVERY, "--output", to], "").ok();
        sandbox.read(to)
    };
    let first = export(store, "first");
    sandbox.args(&["--store", "again", "init"], "").ok();
    let told = sandbox.args(&["--store", "again", "--json", "import", "--lenient", "-"], &first).ok().lines();
    assert_eq!((&told[0]["duplicates"], &told[0]["rejected"]), (&json!(0), &json!(0)));
    let second = export("again", "second");
    let plain = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line["id"].as_str().unwrap().starts_with("join/") {
            line["id"] = json!("join/");
        }
        line["subjects"].as_array_mut().unwrap().sort_by_key(Value::to_string);
        line
    };
    let mut same = 0;
    for (a, b) in first.lines().zip(second.lines()) {
        same += usize::from(a == b);
        // Nothing that is only of one subject differs in a byte.
        let one = plain(a);
        if a != b && (one["subjects"].as_array().unwrap().len() > 1 || one["id"] == "join/") {
            assert_eq!(one, plain(b));
        } else {
            assert_eq!(a, b);
        }
    }
    assert!(same > 0 && first.lines().count() == second.lines().count());
    first
}

#[test]
fn records_of_every_kind_are_of_the_schema_and_come_back() {
    let sandbox = Sandbox::with_store();
    let lines = every_kind();
    sandbox.run_with("import --lenient -", &lines).ok();
    let record = schema("record.schema.json");
    let file = comes_back(&sandbox, "s");
    assert_eq!(is(&record, &file), lines.lines().count() + 2, "two participants joined");
    for kind in ["edit", "delete", "reaction", "join", "leave", "file", "call", "action", "system", "context"]
    {
        assert!(file.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
    }
    // Acts and people's own records are records too, and an erased author is null.
    sandbox.run("erase --subject p1@example.org --yes").ok();
    let everything = format!("{EVERY} OR kind:person OR kind:erased");
    sandbox.args(&["--store", "s", "export", "--output", "all", "--query", &everything], "").ok();
    let all = sandbox.read("all");
    is(&record, &all);
    assert!(
        all.contains("\"kind\":\"erased\"")
            && all.contains("\"kind\":\"person\"")
            && all.contains("\"author\":null")
    );
    sandbox
        .args(&["--store", "s", "export", "--format", "vcon", "--output", "v", "--query", &everything], "")
        .ok();
    is(&schema("vcon.schema.json"), &sandbox.read("v"));
}

#[test]
fn what_is_no_record_is_refused() {
    let record = schema("record.schema.json");
    let good = json!({
        "id": "m1", "conversation": "c", "author": "anna", "subjects": ["anna"], "time": "2026-01-31T12:00:00.250Z",
        "channel": "", "kind": "message", "tags": ["a:b"], "body": "", "reply_to": null, "mood": {"any": 1},
    });
    record.validate(&good).unwrap();
    for name in
        ["id", "conversation", "author", "subjects", "time", "channel", "kind", "tags", "body", "reply_to"]
    {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert!(!record.is_valid(&bad), "without {name}");
    }
    for (name, value) in [
        ("id", json!("")),
        ("id", json!(7)),
        ("id", json!("x".repeat(513))),
        ("id", json!("a\u{0}")),
        ("conversation", json!(null)),
        ("author", json!("")),
        ("subjects", json!([null])),
        ("subjects", json!("anna")),
        ("time", json!("2026-01-31T12:00:00")),
        ("time", json!("2026-01-31T12:00:00.25Z")),
        ("time", json!("2026-01-31T12:00:00+01:00")),
        ("time", json!("2026-13-31T12:00:00Z")),
        ("kind", json!("note")),
        ("tags", json!([""])),
        ("tags", json!(vec!["t"; 65])),
        ("body", json!(null)),
        ("reply_to", json!("")),
        ("participants", json!(["eve"])),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(!record.is_valid(&bad), "{name}: {}", bad[name]);
    }
    // A target is a name where it is one; of other kinds it is a field of the importer's own.
    for (kind, target, is) in
        [("edit", json!("m0"), true), ("edit", json!(7), false), ("message", json!(7), true)]
    {
        let mut one = good.clone();
        (one["kind"], one["target"]) = (json!(kind), target);
        assert_eq!(record.is_valid(&one), is, "{one}");
    }
    for bad in [json!([]), json!("x"), json!({})] {
        assert!(!record.is_valid(&bad));
    }
}

/// What the demo brings.
#[test]
fn the_sample_is_of_the_schemas_and_comes_back() {
    let sandbox = Sandbox::new();
    sandbox.args(&["demo", "--dir", "d"], "").ok();
    let file = comes_back(&sandbox, "d/store");
    assert!(is(&schema("record.schema.json"), &file) > 200);
    is(&schema("record.schema.json"), &sandbox.read("d/marie.jsonl"));
    sandbox
        .args(&["--store", "d/store", "export", "--query", "*", "--format", "vcon", "--output", "v"], "")
        .ok();
    assert!(is(&schema("vcon.schema.json"), &sandbox.read("v")) > 20);
}

#[test]
fn real_chats_are_of_the_schemas_and_come_back() {
    let Some(folder) = std::env::var_os("ESCROW_CHATS").map(PathBuf::from) else {
        eprintln!("left out: ESCROW_CHATS names no folder with real chats");
        return;
    };
    let sandbox = Sandbox::with_store();
    let mut sets = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines: String = text.lines().take(OF_A_SET).map(|line| format!("{line}\n")).collect();
        sandbox.run_with("import --lenient -", lines).ok();
        sets += 1;
    }
    let file = comes_back(&sandbox, "s");
    assert!(sets > 0 && is(&schema("record.schema.json"), &file) > sets);
    sandbox.run("export --query * --format vcon --output v").ok();
    is(&schema("vcon.schema.json"), &sandbox.read("v"));
}
