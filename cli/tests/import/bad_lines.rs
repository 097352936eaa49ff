//! What a line must not be: each is refused by line, field and reason, nothing of it is echoed,
//! and the good lines around it go in.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::Sandbox;
use serde_json::{Value, json};

/// Stands in every bad line; no answer may show it.
const SECRET: &str = "geheim7";

fn good(id: &str) -> Vec<u8> {
    with(&[("id", json!(id))])
}

/// A good record with some fields set otherwise.
fn with(fields: &[(&str, Value)]) -> Vec<u8> {
    let mut record = json!({
        "conversation": "c", "author": "a", "time": "2026-01-01T00:00:00Z", "body": SECRET,
    });
    for (name, value) in fields {
        record[name] = value.clone();
    }
    record.to_string().into_bytes()
}

fn one(name: &str, value: impl Into<Value>) -> Vec<u8> {
    with(&[(name, value.into())])
}

fn without(field: &str) -> Vec<u8> {
    let mut record: Value = serde_json::from_slice(&good("m")).unwrap();
    record.as_object_mut().unwrap().remove(field);
    record.to_string().into_bytes()
}

/// A good record with raw bytes before its end.
fn ending(raw: &[u8]) -> Vec<u8> {
    let record = with(&[]);
    [&record[..record.len() - 1], raw, b"}"].concat()
}

fn many(n: usize) -> Value {
    (0..n).map(|i| format!("p{i}")).collect()
}

/// Bad lines and what is said of them, as it begins.
fn bad() -> Vec<(Vec<u8>, &'static str)> {
    let raw = |text: &str| text.replace('§', SECRET).into_bytes();
    vec![
        // No JSON, or no object.
        (raw("§"), "not a JSON object"),
        (raw(r#""§""#), "not a JSON object"),
        (raw(r#"[{"body":"§"}]"#), "not a JSON object"),
        (raw(r#"{"body":"§""#), "not valid JSON at or after byte 18: it ends too early"),
        (raw(r#"{"body":"§"#), "not valid JSON at or after byte 8: it ends too early"),
        (raw("{'body':'§'}"), "not valid JSON at or after byte 1"),
        ([with(&[]), raw(" {\"§\":1}")].concat(), "not valid JSON at or after byte"),
        (raw("{\"body\":\"§\t\"}"), "not valid JSON at or after byte 8: a control character must be escaped"),
        (raw("{\"body\":\"§\0\"}"), "not valid JSON at or after byte 8: a control character must be escaped"),
        (raw(r#"{"body":"§\x"}"#), "not valid JSON at or after byte 8: an unknown escape"),
        (vec![0; 64], "not a JSON object"),
        // Bytes and characters.
        ([&b"{\"body\":\""[..], b"\xff\"}"].concat(), "not UTF-8 after byte 9"),
        ("{\"body\":\"§\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(), "not UTF-8 after byte 18"),
        (ending(br#","id":"\ud800""#), "not valid JSON at or after byte 85: an escape that is half"),
        (ending(br#","id":"\udc00x""#), "not valid JSON at or after byte 85: an escape that is half"),
        (
            [&b"\xef\xbb\xbf"[..], &with(&[])].concat(),
            "not a JSON object: a byte order mark may stand before",
        ),
        // Fields.
        (without("conversation"), "missing field \"conversation\""),
        (without("author"), "missing field \"author\""),
        (without("time"), "missing field \"time\""),
        (without("body"), "missing field \"body\""),
        (ending(br#","body":"other""#), "doubled field \"body\""),
        (ending(br#","tags":[],"tags":[]"#), "doubled field \"tags\""),
        (ending(br#","b\u006fdy":"other""#), "doubled field \"body\""),
        (one("mood", SECRET), "unknown field \"mood\""),
        (one(&format!("{SECRET} {SECRET}"), 1), "unknown field (its name is not shown)"),
        (one("body", 7), "body: expected a string, found a number"),
        (one("body", Value::Null), "body: expected a string, found null"),
        (one("author", json!([SECRET])), "author: expected a string, found an array"),
        (one("conversation", json!({SECRET: 1})), "conversation: expected a string, found an object"),
        (one("id", true), "id: expected a string or null, found a boolean"),
        (one("tags", SECRET), "tags: expected an array of strings or null, found a string"),
        (one("tags", json!([SECRET, 1])), "tags: expected only strings in the array, found a number"),
        (one("subjects", json!({})), "subjects: expected an array of strings or null, found an object"),
        (one("kind", SECRET), "kind: unknown"),
        (one("kind", "opened"), "kind: opened is written by the store only"),
        // Times.
        (one("time", 1_767_225_600), "time: expected a string, found a number"),
        (one("time", "2026-01-01T00:00:00"), "time: the zone is missing"),
        (one("time", "2026-01-01"), "time: not an RFC 3339 time"),
        (one("time", "2026-01-01 00:00:00 Z"), "time: not an RFC 3339 time"),
        (one("time", "2026-01-01T00:00:60Z"), "time: leap seconds (:60) are not accepted"),
        (one("time", "2026-02-29T00:00:00Z"), "time: no such day in the calendar"),
        (one("time", "2026-01-01T24:00:00Z"), "time: no such time of day"),
        (one("time", "2026-01-01T00:00:00.1234567Z"), "time: finer than microseconds"),
        (one("time", "0000-12-31T00:00:00Z"), "time: outside the years 0001 to 9999"),
        (["\x0c", "\x0b"].concat().into_bytes(), "not a JSON object"),
        (one("time", "0001-01-01T00:00:00+00:01"), "time: outside the years 0001 to 9999"),
        (one("time", "9999-12-31T23:59:59-00:01"), "time: outside the years 0001 to 9999"),
        (one("time", "10000-01-01T00:00:00Z"), "time: not an RFC 3339 time"),
        // Limits.
        (one("body", "x".repeat((1 << 20) + 1)), "body: longer than 1048576 bytes"),
        (one("id", "x".repeat(513)), "id: longer than 512 bytes"),
        (one("conversation", "x".repeat(513)), "conversation: longer than 512 bytes"),
        (one("author", "x".repeat(513)), "author: longer than 512 bytes"),
        (one("channel", "x".repeat(513)), "channel: longer than 512 bytes"),
        (one("reply_to", "x".repeat(513)), "reply_to: longer than 512 bytes"),
        (one("tags", many(65)), "tags: more than 64"),
        (one("tags", json!(["x".repeat(257)])), "tags: longer than 256 bytes"),
        (one("subjects", many(17)), "subjects: more than 16"),
        (one("participants", many(65)), "participants: more than 64"),
        (one("id", ""), "id: must not be empty"),
        (one("author", ""), "author: must not be empty"),
        (one("conversation", ""), "conversation: must not be empty"),
        (one("tags", json!([""])), "tags: must not be empty"),
        (one("author", "a\0"), "author: must not hold a NUL character"),
        (one("id", "a\0"), "id: must not hold a NUL character"),
        (vec![b'x'; (8 << 20) + 1], "the line is longer than 8 MiB"),
    ]
}

#[test]
fn bad_lines_are_named_and_good_ones_go_in() {
    let sandbox = Sandbox::with_store();
    let bad = bad();
    let mut input = [&b"\xef\xbb\xbf"[..], &good("first"), b"\r\n\r\n"].concat();
    for (n, (line, _)) in bad.iter().enumerate() {
        input.extend_from_slice(line);
        // Both ends of a line, each before a good one too.
        input.extend_from_slice(if n % 2 == 0 { b"\n" } else { b"\r\n" });
    }
    input.extend(good("last"));
    sandbox.write("in.jsonl", &input);
    let run = sandbox.run("--json import in.jsonl --rejects bad.jsonl").ok();
    assert_eq!(run.lines(), [json!({"imported": 2, "duplicates": 0, "rejected": bad.len()})]);
    let rejects = sandbox.read("bad.jsonl");
    assert!(!rejects.contains(SECRET) && !run.err.contains(SECRET), "{rejects}{}", run.err);
    let mut rejects: Vec<Value> = rejects.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    rejects.sort_by_key(|r| r["line"].as_u64());
    for (n, (reject, (_, reason))) in rejects.iter().zip(&bad).enumerate() {
        assert_eq!(reject["line"], n + 3, "{reason}");
        let said = reject["reason"].as_str().unwrap();
        assert!(said.starts_with(reason), "line {}: {said:?}, not {reason:?}", n + 3);
    }
    assert_eq!(sandbox.count("*"), 2);
    // What is named a time says how to write one.
    let hinted = |start: &str| {
        rejects.iter().any(|r| r["reason"].as_str().unwrap().starts_with(start) && r["hint"].is_string())
    };
    assert!(["time: the zone", "time: not an", "kind: unknown", "unknown field"].into_iter().all(hinted));
}

/// The same lines one at a time: one record from stdin, exit 1, and nothing changed.
#[test]
fn one_bad_record_is_refused_alone() {
    let sandbox = Sandbox::with_store();
    for (line, reason) in bad() {
        let run = sandbox.run_with("--json add", &line).exits(1);
        assert_eq!((run.out.as_str(), &run.error()["kind"]), ("", &json!("rejected")), "{reason}");
        assert!(!run.err.contains(SECRET), "{}", run.err);
    }
    assert_eq!(sandbox.run("--json stats").ok().lines()[0]["log_size"], 0);
}

#[test]
fn lenient_imports_bound_what_they_keep() {
    let sandbox = Sandbox::with_store();
    let deep = |n: usize| ending(format!(",\"x\":{}{}", "[".repeat(n), "]".repeat(n)).as_bytes());
    let input = [
        deep(100),
        deep(100_000),
        ending(b",\"x\":1e999999999"),
        ending(format!(",\"x\":{}", "9".repeat(100_000)).as_bytes()),
        ending(b",\"x\":123456789012345678901234567890"),
        one(&"n".repeat(257), 1),
        one("x", "y".repeat(256 << 10)),
        ending((0..65).map(|i| format!(",\"x{i}\":1")).collect::<String>().as_bytes()),
    ];
    let run = sandbox.run_with("--json import --lenient - --rejects bad.jsonl", input.join(&b"\n"[..])).ok();
    assert_eq!(run.lines(), [json!({"imported": 2, "duplicates": 0, "rejected": 6})]);
    let rejects = sandbox.read("bad.jsonl");
    for reason in [
        "nested deeper than 127 levels",
        "a number out of range",
        "extra: longer than 256 bytes",
        "extra: longer than 262144 bytes",
        "extra: more than 64",
    ] {
        assert!(rejects.contains(reason), "{reason}: {rejects}");
    }
    // Digits beyond a double's are kept as they were written.
    sandbox.run("export --query * --output out.jsonl").ok();
    assert!(sandbox.read("out.jsonl").contains("\"x\":123456789012345678901234567890"));
}

#[test]
fn limits_are_inclusive() {
    let sandbox = Sandbox::with_store();
    let long = "x".repeat(512);
    let body: String = "\u{1}\0\"ü".chars().cycle().take(1 << 19).collect();
    let body = &body[..body.floor_char_boundary(1 << 20)];
    let record = json!({
        "id": long, "conversation": long, "author": long, "channel": long, "reply_to": long,
        "time": "9999-12-31T23:59:59.999999Z", "body": body, "subjects": many(16),
        "participants": many(64), "tags": (0..64).map(|i| format!("{i:0256}")).collect::<Vec<_>>(),
    });
    let first = with(&[("time", json!("0001-01-01T00:00:00Z")), ("id", json!("0"))]);
    let input = [first, record.to_string().into_bytes()].join(&b"\n"[..]);
    let run = sandbox.run_with("--json import -", input).ok();
    assert_eq!(run.lines(), [json!({"imported": 2, "duplicates": 0, "rejected": 0})]);
    sandbox.run("export --query * --output out.jsonl").ok();
    let out = sandbox.read("out.jsonl");
    let back: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    for field in ["id", "conversation", "author", "channel", "reply_to", "time", "body", "tags"] {
        assert_eq!(back[field], record[field], "{field}");
    }
    assert_eq!(back["subjects"].as_array().unwrap().len(), 16);
    assert_eq!(sandbox.count("kind:join"), 64);
}

/// A person has at most 16 identifiers.
#[test]
fn the_seventeenth_identifier_is_refused() {
    let sandbox = Sandbox::with_store();
    let input: Vec<Vec<u8>> = (0..17).map(|i| one("author", format!("a{i}"))).collect();
    sandbox.run_with("import -", input.join(&b"\n"[..])).ok();
    for i in 1..16 {
        sandbox.run(&format!("subject link a0 a{i}")).ok();
    }
    let run = sandbox.run("--json subject link a0 a16").exits(2);
    assert!(run.error()["message"].as_str().unwrap().contains("16"), "{}", run.err);
}
