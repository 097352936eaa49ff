//! The shapes other programs rely on.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::Sandbox;
use serde_json::{Value, json};

#[test]
fn counts_facets_and_histograms() {
    let sandbox = Sandbox::with_sample();
    assert_eq!(sandbox.run("--json count *").ok().lines(), [json!({"count": 4})]);
    assert_eq!(sandbox.count("tag:dept:sales"), 3);
    assert_eq!(sandbox.count("kind:reaction"), 1);
    let mut facet = sandbox.run("--json facet * --by conversation").ok().lines();
    facet.sort_by_key(|v| v["value"].as_str().unwrap().to_owned());
    assert_eq!(
        facet,
        [
            json!({"value": "c1", "count": 2}),
            json!({"value": "c2", "count": 1}),
            json!({"value": "c3", "count": 1})
        ]
    );
    assert_eq!(
        sandbox.run("--json histogram * --per month").ok().lines(),
        [
            json!({"from": "2026-01-01T00:00:00Z", "count": 2}),
            json!({"from": "2026-02-01T00:00:00Z", "count": 2})
        ]
    );
}

#[test]
fn hits_have_their_fields_in_order() {
    let sandbox = Sandbox::with_sample();
    let run = sandbox.run("--json search author:anna@example.org").ok();
    let hit = &run.lines()[0];
    assert_eq!(hit["id"], "m1");
    assert_eq!(hit["conversation"], "c1");
    assert_eq!(hit["author"], "anna@example.org");
    assert_eq!(hit["subjects"], json!(["anna@example.org"]));
    assert_eq!(hit["time"], "2026-01-31T12:00:00Z");
    assert_eq!(hit["channel"], "web");
    assert_eq!(hit["kind"], "message");
    assert_eq!(hit["tags"], json!(["dept:sales", "lang:de"]));
    assert_eq!(hit["body"], "Hallo, meine Lampe flackert");
    assert!(hit["seq"].is_u64() && hit["cursor"].is_string());
    let places: Vec<usize> =
        ["seq", "id", "conversation", "author", "subjects", "time", "channel", "kind", "tags", "body"]
            .iter()
            .map(|name| run.out.find(&format!("\"{name}\":")).unwrap())
            .collect();
    assert!(places.is_sorted());
}

#[test]
fn order_limit_and_cursor_page_through_everything_once() {
    let sandbox = Sandbox::with_sample();
    let ids = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&sandbox.run("--json search *").ok().lines()), ["m4", "m3", "m2", "m1"]);
    assert_eq!(ids(&sandbox.run("--json search * --order oldest").ok().lines()), ["m1", "m2", "m3", "m4"]);
    let first = sandbox.run("--json search * --limit 3").ok().lines();
    assert_eq!(ids(&first), ["m4", "m3", "m2"]);
    let cursor = first[2]["cursor"].as_str().unwrap();
    let rest =
        sandbox.args(&["--store", "s", "--json", "search", "*", "--limit", "3", "--cursor", cursor], "").ok();
    assert_eq!(ids(&rest.lines()), ["m1"]);
}

#[test]
fn times_and_empty_texts_come_back() {
    let sandbox = Sandbox::with_sample();
    let hit = &sandbox.run("--json get m4").ok().lines()[0];
    assert_eq!(hit["time"], "2026-02-03T10:00:00.250Z");
    assert_eq!(hit["body"], "");
    assert_eq!(sandbox.run("--json get m3").ok().lines()[0]["time"], "2026-02-01T08:00:00Z");
    assert_eq!(sandbox.run("--json get m2").ok().lines()[0]["reply_to"], "m1");
}

#[test]
fn conversations_read_from_the_beginning() {
    let sandbox = Sandbox::with_sample();
    let lines = sandbox.run("--json conversation c1").ok().lines();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&json!("m1"), &json!("m2")));
}

#[test]
fn people_and_links() {
    let sandbox = Sandbox::with_sample();
    let person = &sandbox.run("--json subject show anna@example.org").ok().lines()[0];
    assert_eq!(person["identifiers"], json!(["anna@example.org"]));
    assert_eq!(person["records"], 2);
    assert_eq!(person["first"], "2026-01-31T12:00:00Z");
    assert_eq!(person["last"], "2026-01-31T12:01:00Z");
    assert_eq!(person["handle"].as_str().unwrap().len(), 32);
    assert_eq!(person["linked"], json!([]));
    sandbox.run("--json subject link anna@example.org bob@example.org").ok();
    let person = &sandbox.run("--json subject show bob@example.org").ok().lines()[0];
    assert_eq!(person["linked"], json!(["anna@example.org"]));
    let text = sandbox.run("subject show anna@example.org").ok().out;
    assert!(text.contains("bob@example.org"), "{text}");
    // Only who is known can be linked.
    sandbox.run("--json subject link anna@example.org carl@example.org").exits(3);
    // Linked people go together.
    sandbox.run("erase --subject anna@example.org --yes").ok();
    sandbox.run("subject show bob@example.org").exits(3);
}

#[test]
fn plans_of_erasures() {
    let sandbox = Sandbox::with_sample();
    let plan = &sandbox.run("--json erase --record m3 --plan").ok().lines()[0];
    let mut members: Vec<_> = plan.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let all = ["details", "journal", "mention_total", "mentions", "others_affected", "people", "records"];
    assert_eq!(members, [&all[..], &["segments", "what"]].concat());
    assert_eq!(
        (&plan["what"], &plan["details"], &plan["mentions"]),
        (&json!("record"), &json!(1), &json!([]))
    );
    assert!(plan["journal"].is_boolean());
}

#[test]
fn added_records_are_found_at_once() {
    let sandbox = Sandbox::with_store();
    let record = r#"{"id":"x","conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","body":"b"}"#;
    let first = sandbox.run_with("--json add", record).ok();
    assert_eq!(first.lines()[0]["duplicate"], false);
    assert!(first.lines()[0]["seq"].is_u64());
    assert_eq!(sandbox.run_with("--json add", record).ok().lines()[0]["duplicate"], true);
    assert_eq!(sandbox.count("*"), 1);
    let run = sandbox.run_with("--json add", record.replace("\"b\"", "\"other\"")).exits(1);
    assert_eq!(run.error()["kind"], "rejected");
    let run = sandbox.run_with("--json add", "{\"conversation\":\"c\"}").exits(1);
    assert_eq!(run.error()["kind"], "rejected");
    sandbox.run_with("add", "").exits(1);
}

#[test]
fn reports_are_objects() {
    let sandbox = Sandbox::with_sample();
    let key = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    // Name, key id, key; base64 has the separator among its digits, so only the first two count.
    let parts: Vec<&str> = key.splitn(3, '+').collect();
    assert!(parts.len() == 3 && parts[1].len() == 8 && parts[2].len() == 44, "{key}");
    assert_eq!(sandbox.run("key public").ok().out.trim_end(), key);
    for line in ["stats", "key status", "verify", "verify --read-data"] {
        let run = sandbox.run(&format!("--json {line}")).ok();
        assert_eq!(run.lines().len(), 1, "{line}");
        assert!(run.lines()[0].is_object(), "{line}");
        assert_ne!(sandbox.run(line).ok().out, "", "{line}");
    }
    let report = sandbox.run("--json verify --read-data").ok().lines()[0].clone();
    assert_eq!(
        (&report["ok"], &report["damage"], &report["repairable"]),
        (&json!(true), &json!([]), &json!(0))
    );
}

/// The names of an object's members, sorted.
fn members(line: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// What the store shows of its log, and what is checked of that without it.
#[test]
fn evidence_has_its_members() {
    let sandbox = Sandbox::with_sample();
    let one = |line: &str| {
        let mut lines = sandbox.run(&format!("--json {line}")).ok().lines();
        assert_eq!(lines.len(), 1, "{line}");
        lines.remove(0)
    };
    let has = |line: &str, wanted: &str| {
        let told = one(line);
        assert_eq!(members(&told).join(" "), wanted, "{line}");
        told
    };
    let key = has("key public", "key")["key"].as_str().unwrap().to_owned();
    let with = |line: &str| format!("{line} --key {key}");
    has("checkpoint --output kept", "checkpoint cosigned origin root size");
    has("checkpoint --since kept --output steps", "checkpoint cosigned origin proof root since size");
    has("checkpoint --tiles web", "checkpoint cosigned origin root size tiles");
    has("proof m1 --output p", "id proof seq size");
    has("export --conversation c1 --output e", "bytes count disclosure file proof_bytes sha256 signed size");
    let certificate = has(
        "erase --subject anna@example.org --yes --certificate c",
        "approvers backups basis committed destroyed destroyed_not_later_than does_not_prove epoch erased handles \
         keys_destroyed origin people_forgotten proof reason records_lost records_removed request residual_until \
         retained_as_evidence segments_rekeyed signature signed slot_file_system slot_grade type",
    );
    let request = certificate["request"].as_str().unwrap();
    assert_eq!(members(&one(&format!("certificate {request}"))), members(&certificate));
    has(&with("verify-checkpoint steps --since kept"), "continues cosigned ok origin root size");
    let proof = has(&with("verify-proof p"), "cosigned leaf ok origin record root seq size");
    assert_eq!(
        members(&proof["record"]).join(" "),
        "author body channel conversation id kind reply_to subjects tags time"
    );
    has(
        &with("verify-export e"),
        "complete cosigned count faults first format lines named ok origin people proved root size unknown",
    );
    has(
        &with("verify-certificate c"),
        "committed cosigned destroyed does_not_prove erased handles ok origin people_forgotten records_lost \
         records_removed request residual_until",
    );
    assert_eq!(
        one("verify --against kept").as_object().unwrap().get("continues"),
        Some(&json!(true)),
        "only with --against"
    );
    let change = has("key rotate --output change", "change key");
    assert_eq!(change["change"], sandbox.read("change"));
    let learned = has(&with("verify-key change"), "continues key ok root size");
    assert_eq!(learned["key"], change["key"]);
    let keys = sandbox.run("--json key history").ok().lines();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|line| members(line) == ["from", "key", "since"]));
    assert_eq!(
        (&keys[0]["key"], &keys[0]["since"], &keys[1]["key"]),
        (&json!(key), &Value::Null, &change["key"])
    );
    // Where something is wrong the same object tells it.
    sandbox.write("e", "no line\n");
    let run = sandbox.args(&["--json", "verify-export", "e", "--key", &key], "").exits(6);
    let fault = &run.lines()[0]["first"][0];
    assert_eq!(members(fault).join(" "), "exported_line fault line seq");
}

#[test]
fn acts_have_their_members() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("get m1 --as dana --purpose review").ok();
    sandbox.run("audit level all --as dana").ok();
    let shapes = |line: &str| -> Vec<String> {
        let lines = sandbox.run(&format!("--json {line}")).ok().lines();
        lines.iter().map(|line| members(line).join(" ")).collect()
    };
    let told = "actor actor_number count id kind people seq time what";
    assert_eq!(shapes("audit kind:opened"), [told]);
    assert_eq!(
        shapes("audit kind:opened --details --purpose review")[0],
        "actor actor_number count detail id kind people seq time what"
    );
    assert_eq!(
        shapes("audit kind:import"),
        ["actor actor_number count duplicates id kind people rejected seq time what"]
    );
    assert_eq!(
        shapes("audit kind:rule"),
        ["actor actor_number count id keep_acts keep_details kind level people seq time what"]
    );
    assert_eq!(shapes("audit level"), ["keep_acts keep_details level"]);
    assert_eq!(shapes("audit expire"), [] as [&str; 0]);
}

#[test]
fn witnesses_have_their_members() {
    let sandbox = Sandbox::with_sample();
    let key = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    let witness = |args: &[&str], stdin: &str| {
        let mut lines = sandbox.args(&[&["--json", "witness"], args].concat(), stdin).ok().lines();
        assert_eq!(lines.len(), 1, "{args:?}");
        lines.remove(0)
    };
    let made = witness(&["init", "--dir", "w", "--name", "w.example"], "");
    assert_eq!(members(&made), ["key"]);
    let added = witness(&["add-log", "--dir", "w", &key], "");
    assert_eq!((members(&added).join(" "), &added["new"]), ("new origin".into(), &json!(true)));
    assert_eq!(witness(&["add-log", "--dir", "w", &key], "")["new"], false);
    let shown = witness(&["show", "--dir", "w"], "");
    assert_eq!(members(&shown).join(" "), "checkpoint log size time witness");
    assert_eq!(
        (&shown["size"], &shown["time"], &shown["checkpoint"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let head = sandbox.run("checkpoint").ok().out;
    let signed = witness(&["sign", "--dir", "w"], &format!("old 0\n\n{head}"));
    assert_eq!(members(&signed), ["cosignatures"]);
    let shown = witness(&["show", "--dir", "w"], "");
    assert!(shown["time"].is_string() && shown["checkpoint"].as_str().unwrap().starts_with(&head));
}

#[test]
fn text_for_people_carries_no_escapes() {
    let sandbox = Sandbox::with_store();
    let record = r#"{"id":"x","conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","body":"\u001b[2Jhello\u202eworld"}"#;
    sandbox.run_with("add", record).ok();
    for line in ["search *", "get x", "conversation c"] {
        let out = sandbox.run(line).ok().out;
        assert!(out.contains("hello") && !out.contains(['\u{1b}', '\u{202e}']), "{out:?}");
    }
}
