//! Good lines go in, bad ones are named by number and reason, never by content.

use crate::support::{SAMPLE, Sandbox};
use serde_json::json;

fn line(id: &str, body: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"conversation\":\"c\",\"author\":\"a\",\"time\":\"2026-01-01T00:00:00Z\",\"body\":\"{body}\"}}\n"
    )
}

#[test]
fn a_repeated_import_changes_nothing() {
    let sandbox = Sandbox::with_store();
    sandbox.write("in.jsonl", SAMPLE);
    let first = sandbox.run("--json import --format jsonl in.jsonl").ok();
    assert_eq!(first.lines(), [json!({"imported": 4, "duplicates": 0, "rejected": 0})]);
    let again = sandbox.run("--json import --format auto in.jsonl").ok();
    assert_eq!(again.lines(), [json!({"imported": 0, "duplicates": 4, "rejected": 0})]);
    assert_eq!(sandbox.count("*"), 4);
}

#[test]
fn rejects_fail_unless_they_have_a_file() {
    let sandbox = Sandbox::with_store();
    let secret = "geheimes Wort";
    let input = [
        line("m1", "good"),
        format!("{{\"conversation\":\"c\",\"nonsense\":\"{secret}\"}}\n"),
        "\n".to_owned(),
        format!("{secret}\n"),
        line("m2", "good"),
        line("m1", "other content"),
        line("m3", "last, without an end of line").trim_end().to_owned(),
    ]
    .concat();
    sandbox.write("in.jsonl", &input);
    let run = sandbox.run("--json import --format jsonl in.jsonl").exits(1);
    assert_eq!(run.lines(), [json!({"imported": 3, "duplicates": 0, "rejected": 3})]);
    assert_eq!(run.error()["kind"], "rejected");
    assert!(!run.err.contains(secret) && run.err.contains("line 2"), "{}", run.err);

    let run = sandbox.run("--json import --format jsonl in.jsonl --rejects bad.jsonl").ok();
    assert_eq!(run.lines(), [json!({"imported": 0, "duplicates": 3, "rejected": 3})]);
    let bad = sandbox.read("bad.jsonl");
    let lines: Vec<serde_json::Value> = bad.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    // A batch is answered as a whole, so the order of the reports is not that of the lines.
    let mut numbers: Vec<u64> = lines.iter().map(|l| l["line"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 4, 6]);
    assert!(lines.iter().all(|l| !l["reason"].as_str().unwrap().is_empty()));
    assert!(!bad.contains(secret));
}

#[test]
fn a_line_without_end_is_not_held() {
    let sandbox = Sandbox::with_store();
    let mut input = line("m1", "before").into_bytes();
    input.extend(std::iter::repeat_n(b'x', 9 << 20));
    input.extend(b"\n");
    input.extend(line("m2", "after").into_bytes());
    let run = sandbox.run_with("--json import --format jsonl - --rejects bad.jsonl", &input).ok();
    assert_eq!(run.lines(), [json!({"imported": 2, "duplicates": 0, "rejected": 1})]);
    assert_eq!(sandbox.read("bad.jsonl").lines().count(), 1);
    assert!(sandbox.read("bad.jsonl").contains("\"line\":2"));
}

#[test]
fn lenient_imports_keep_unknown_fields() {
    let sandbox = Sandbox::with_store();
    let input = line("m1", "b").replace("}\n", ",\"mood\":{\"a\":[1,2]}}\n");
    sandbox.run_with("import --format jsonl -", &input).exits(1);
    sandbox.run_with("import --format jsonl --lenient -", &input).ok();
    sandbox.run("export --query * --format jsonl --output out.jsonl").ok();
    let record: serde_json::Value = serde_json::from_str(&sandbox.read("out.jsonl")).unwrap();
    assert_eq!(record["mood"], json!({"a": [1, 2]}));
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = Sandbox::with_sample();
    let input = [line("n1", "new"), line("n1", "new"), "bad\n".to_owned(), SAMPLE.to_owned()].concat();
    let run = sandbox.run_with("--json import --format jsonl --dry-run - --rejects bad.jsonl", &input).ok();
    let counts = &run.lines()[0];
    assert_eq!(
        (&counts["imported"], &counts["duplicates"], &counts["rejected"]),
        (&json!(1), &json!(5), &json!(1))
    );
    assert_eq!(sandbox.count("*"), 4);
}

#[test]
fn auto_reads_what_it_knows_and_refuses_the_rest() {
    let sandbox = Sandbox::with_store();
    sandbox.run_with("import -", format!("\u{feff}{}", line("m1", "b").replace('\n', "\r\n"))).ok();
    sandbox.run_with("import -", "").ok();
    sandbox.run_with("import -", "[{\"a\":1}]").exits(2);
    sandbox.run_with("import missing.jsonl", "").exits(1);
    sandbox.write("in.jsonl", line("m2", "b"));
    sandbox.run("import in.jsonl --rejects in.jsonl").exits(2);
    assert_eq!(sandbox.read("in.jsonl"), line("m2", "b"));
    assert_eq!(sandbox.count("*"), 1);
}

#[test]
fn large_inputs_go_in_by_batches() {
    let sandbox = Sandbox::with_store();
    let input: String = (0..2500).map(|n| line(&format!("m{n}"), "text")).collect();
    let run = sandbox.run_with("--json import --format jsonl -", &input).ok();
    assert_eq!(run.lines(), [json!({"imported": 2500, "duplicates": 0, "rejected": 0})]);
    assert_eq!(sandbox.run("--json search *").ok().lines().len(), 2500);
}

/// A bad first line refused the whole file where the format was to be found: nothing went in. It is a
/// line like the others, whatever stands in it.
#[test]
fn a_bad_first_line_is_one_bad_line() {
    let record = SAMPLE.lines().next().unwrap();
    let mark = "\u{feff}";
    for first in [
        "not a record".to_owned(),
        format!("{mark}{mark}{record}"),
        "\0".to_owned(),
        record[60..].to_owned(),
        format!("[{record}]"),
        format!("{mark}[]"),
        "\"{\"".to_owned(),
        "id,conversation,author".to_owned(),
    ] {
        for format in ["auto", "jsonl"] {
            let sandbox = Sandbox::with_store();
            sandbox.write("in.jsonl", format!("{first}\n{SAMPLE}"));
            let line = format!("--json import --format {format} --rejects r in.jsonl");
            let counts = &sandbox.run(&line).ok().lines()[0];
            assert_eq!((&counts["imported"], &counts["rejected"]), (&json!(4), &json!(1)), "{first:?}");
            assert!(sandbox.read("r").starts_with("{\"line\":1,"), "{first:?}");
        }
    }
}

/// What is one array would be a list of bad lines.
#[test]
fn an_array_is_refused_as_a_whole() {
    let sandbox = Sandbox::with_store();
    let items = SAMPLE.trim_end().replace('\n', ",\n");
    for text in [
        format!("[{items}]"),
        format!("[\n{items}\n]\n"),
        format!("\u{feff} [ {items}\n]"),
        "[{}]\n".to_owned(),
    ] {
        for file in ["in.json", "-"] {
            sandbox.write("in.json", &text);
            let run = sandbox.run_with(&format!("--json import {file}"), &text).exits(2);
            assert_eq!(run.error()["message"], "the input is a JSON array, not JSON Lines");
            assert_eq!(sandbox.count("*"), 0);
        }
    }
}

/// Fields kept by `--lenient` under the names of our own doubled these in `get` and `conversation`: an
/// input could forge the position of a record. They stand apart there, and an export carries them as
/// they were.
#[test]
fn kept_fields_forge_no_position() {
    let sandbox = Sandbox::with_store();
    let record = SAMPLE.lines().next().unwrap();
    let kept = r#""seq":77,"mood":"good","cursor":"x","extra":{"seq":1}"#;
    let line = format!("{},{kept}}}\n", &record[..record.len() - 1]);
    sandbox.run_with("import --lenient -", &line).ok();
    for verb in ["get m1", "conversation c1"] {
        let run = sandbox.run(&format!("--json {verb}")).ok();
        let expected = r#""mood":"good","extra":{"seq":77,"cursor":"x","extra":{"seq":1}}}"#;
        assert!(run.out.starts_with("{\"seq\":1,"), "{}", run.out);
        assert!(run.out.ends_with(&format!("{expected}\n")), "{}", run.out);
    }
    sandbox.run("export --query * --output o").ok();
    assert_eq!(sandbox.read("o"), line);
    let copy = Sandbox::with_store();
    copy.run_with("import --lenient -", sandbox.read("o")).ok();
    copy.run("export --query * --output o").ok();
    assert_eq!(copy.read("o"), line);
}

/// Records without ids doubled with every repeated import, and after one that was mended or killed. They
/// are found again, and equal ones in one file are as many as they are.
#[test]
fn records_without_ids_are_found_again() {
    let sandbox = Sandbox::with_store();
    let line = |body: &str| line("x", body).replace("\"id\":\"x\",", "");
    let (a, b) = (line("a"), line("b"));
    assert!(!a.contains("\"id\""));
    let input = [&a, &b, &a, "bad\n", &a].map(|l| l.to_owned()).concat();
    sandbox.write("in", &input);
    let counts =
        |flags: &str| sandbox.run(&format!("--json import in --rejects r{flags}")).ok().lines().remove(0);
    assert_eq!(counts(" --dry-run")["imported"], 4);
    assert_eq!(counts(""), json!({"imported": 4, "duplicates": 0, "rejected": 1}));
    assert_eq!(counts(""), json!({"imported": 0, "duplicates": 4, "rejected": 1}));
    // One of the equal ones was the bad line.
    sandbox.write("in", input.replace("bad\n", &a));
    assert_eq!(counts(" --dry-run")["imported"], 1);
    assert_eq!(counts(""), json!({"imported": 1, "duplicates": 4, "rejected": 0}));
    assert_eq!(sandbox.count("*"), 5);
}
