//! A store without the index of a segment: every command that answers says what its answer lacks,
//! and with which exit code.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;
use std::path::PathBuf;

use crate::support::Sandbox;

/// A store of two segments' worth of records in one segment, without its index, and four more in
/// the journal; answers where the index stood, and its bytes.
fn without_index() -> (Sandbox, PathBuf, Vec<u8>) {
    let sandbox = Sandbox::with_sample();
    sandbox.run("roll").ok();
    let late = r#"{"id":"n1","conversation":"c9","author":"zoe@example.org","time":"2026-03-01T00:00:00Z","body":"late"}"#;
    sandbox.run_with("import --format jsonl -", format!("{late}\n")).ok();
    let names = fs::read_dir(sandbox.folder.join("s")).unwrap().map(|entry| entry.unwrap().path());
    let path = names.into_iter().find(|path| path.extension().is_some_and(|e| e == "idx")).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    (sandbox, path, bytes)
}

#[test]
fn an_answer_that_lacks_something_says_so() {
    let (sandbox, path, bytes) = without_index();
    let count = sandbox.run("--json count *").exits(6);
    assert_eq!(count.lines()[0].to_string(), r#"{"count":1,"incomplete":true}"#);
    let error = count.error();
    assert_eq!(error["kind"], "corrupt");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("the answer is incomplete: segment 1: file "), "{message}");
    assert!(message.contains("records between positions 0 and "), "{message}");
    assert!(error["hint"].as_str().unwrap().contains("--accept-losses"));
    assert_eq!(sandbox.run("--json search *").exits(6).lines().len(), 1, "what is there is shown");
    for line in [
        "facet * --by author",
        "histogram * --per year",
        "conversation c9",
        "get n1",
        "subject show zoe@example.org",
        "stats",
        "export --query * --format jsonl --output out.jsonl",
        "erase --subject zoe@example.org --plan",
    ] {
        let run = sandbox.run(line).exits(6);
        assert!(run.err.contains("the answer is incomplete"), "{line}: {}", run.err);
        assert!(!run.out.is_empty() || line.starts_with("export"), "{line}");
    }
    // Not found where everything could be read is another answer.
    for line in ["get m1", "conversation c1", "erase --conversation c1 --yes"] {
        let run = sandbox.run(line).exits(6);
        assert!(run.err.contains("as far as the store can be read"), "{line}: {}", run.err);
    }
    assert!(sandbox.run("roll").ok().err.contains("a part of the store can't be read"));
    fs::write(&path, bytes).unwrap();
    assert_eq!(sandbox.count("*"), 5);
    sandbox.run("verify --read-data").ok();
}

#[test]
fn verify_names_it_and_gives_it_up_when_asked() {
    let (sandbox, ..) = without_index();
    let found = sandbox.run("--json verify --read-data --repair").exits(6);
    assert_eq!(found.lines()[0]["damage"].as_array().unwrap().len(), 1);
    sandbox.run("verify --accept-losses").exits(2);
    sandbox.run("verify --repair --accept-losses").ok();
    let after = sandbox.run("--json verify --read-data").ok();
    assert_eq!(after.lines()[0]["given_up"].as_array().unwrap().len(), 1);
    assert!(after.lines()[0]["records_lost"].as_u64().unwrap() > 4);
    assert_eq!(sandbox.count("*"), 1);
}

#[test]
fn an_erasure_goes_through_and_tells_what_it_gave_up() {
    let (sandbox, path, bytes) = without_index();
    let run = sandbox.run("--json erase --subject anna@example.org --yes").ok();
    let lost = run.lines()[0]["records_lost"].as_u64().unwrap();
    assert!(lost > 4, "{}", run.out);
    assert!(run.err.contains("found lost on the way"), "{}", run.err);
    fs::write(&path, bytes).unwrap();
    assert_eq!(sandbox.count("*"), 1);
    assert_eq!(sandbox.run("--json stats").ok().lines()[0]["lost"], lost);
    assert!(!path.exists(), "what comes back is nobody's");
}
