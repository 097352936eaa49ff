//! Exports as vCons.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::schemas::{EVERY, every_kind};
use crate::support::Sandbox;

fn vcons(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_conversation_is_a_vcon() {
    let sandbox = Sandbox::with_sample();
    let told = sandbox.run("--json export --query * --format vcon --output e").ok().lines().remove(0);
    assert_eq!(told["count"], 4);
    let vcons = vcons(&sandbox.read("e"));
    let names: Vec<_> = vcons.iter().map(|v| v["subject"].as_str().unwrap()).collect();
    assert_eq!(names, ["c1", "c2", "c3"], "in the order of their first record");
    let first = &vcons[0];
    assert_eq!((&first["vcon"], &first["extensions"]), (&json!("0.4.0"), &json!(["escrowdb"])));
    assert_eq!(
        first["parties"],
        json!([
            {"name": "anna@example.org", "validation": "none", "mailto": "anna@example.org"},
            {"name": "kim@shop.example", "validation": "none", "mailto": "kim@shop.example"},
        ])
    );
    assert_eq!(
        first["dialog"][1],
        json!({
            "type": "text", "start": "2026-01-31T12:01:00Z", "parties": 1, "mediatype": "text/plain",
            "body": "Das tut mir leid", "encoding": "none", "application": "web", "message_id": "m2",
            "escrowdb": {"kind": "message", "subjects": [0], "tags": ["dept:sales", "lang:de"], "reply_to": "m1"},
        })
    );
    // Who was erased leaves a placeholder.
    sandbox.run("erase --subject kim@shop.example --yes").ok();
    sandbox.run("export --conversation c1 --format vcon --output e").ok();
    assert_eq!(self::vcons(&sandbox.read("e"))[0]["parties"][1], json!({}));
}

/// Everything that JSON Lines say of a record a vCon says too.
#[test]
fn nothing_of_a_record_is_lost() {
    let sandbox = Sandbox::with_store();
    sandbox.run_with("import --lenient -", every_kind()).ok();
    for (format, file) in [("jsonl", "a"), ("vcon", "b")] {
        sandbox
            .args(&["--store", "s", "export", "--query", EVERY, "--format", format, "--output", file], "")
            .ok();
    }
    let mut wanted = BTreeMap::new();
    for line in vcons(&sandbox.read("a")) {
        wanted.insert((line["conversation"].to_string(), line["id"].to_string()), line);
    }
    let mut seen = 0;
    for vcon in vcons(&sandbox.read("b")) {
        let conversation = vcon["escrowdb"]["conversation"].clone();
        let name = |index: &Value| vcon["parties"][index.as_u64().unwrap() as usize]["name"].clone();
        for dialog in vcon["dialog"].as_array().unwrap() {
            let own = &dialog["escrowdb"];
            let subjects: Vec<Value> = own["subjects"].as_array().unwrap().iter().map(name).collect();
            let mut record = json!({
                "id": dialog["message_id"], "conversation": conversation, "author": name(&dialog["parties"]),
                "subjects": subjects, "time": dialog["start"], "kind": own["kind"], "tags": own["tags"],
                "channel": dialog.get("application").unwrap_or(&json!("")), "body": dialog["body"],
                "reply_to": own["reply_to"],
            });
            let object = record.as_object_mut().unwrap();
            object.extend(own.get("target").map(|target| ("target".to_owned(), target.clone())));
            object.extend(
                own.get("extra")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), v.clone())),
            );
            let event = dialog.get("party_history").map(|history| history[0]["event"].as_str().unwrap());
            let of = match own["kind"].as_str().unwrap() {
                "join" => Some("join"),
                "leave" => Some("drop"),
                _ => None,
            };
            assert_eq!(event, of);
            assert_eq!(
                wanted.remove(&(conversation.to_string(), dialog["message_id"].to_string())).unwrap(),
                record
            );
            seen += 1;
        }
    }
    assert!(wanted.is_empty() && seen > 12, "{wanted:?}");
}

/// Two exports of the same have other uuids: what was exported can't be tried out by them.
#[test]
fn a_uuid_is_of_one_export() {
    let sandbox = Sandbox::with_sample();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        sandbox.run("export --query * --format vcon --output e").ok();
        for vcon in vcons(&sandbox.read("e")) {
            assert!(seen.insert(vcon["uuid"].as_str().unwrap()[14..].to_owned()), "{}", vcon["uuid"]);
        }
    }
}
