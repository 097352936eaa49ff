//! An import that was cut goes on where it stopped, and an erasure makes it forget where that was.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use std::fs;

use escrowdb::record::{Record, jsonl};
use escrowdb::store::{Builder, EraseOptions, ImportProgress, Selector, Store};
use sha2::{Digest as _, Sha256};
use support::Sandbox;

const LINES: usize = 60_000;
const BEFORE_THE_CUT: usize = 25_000;

fn line(i: usize) -> String {
    let (person, filling) = (i % 50, "x".repeat(250));
    format!(
        r#"{{"id":"m{i}","conversation":"c{}","author":"p{person}@example.org","time":"2026-01-01T00:00:00Z","body":"{filling} {i}"}}"#,
        i / 20
    )
}

/// Imports a file of these lines of which the first were imported before and noted; what it answered.
fn resumed(sandbox: &Sandbox, line: impl Fn(usize) -> String, first_of: impl Fn(Record) -> Record) -> String {
    let text: String = (0..LINES).map(|i| line(i) + "\n").collect();
    assert!(text.len() > 16 << 20, "smaller files are read again from the beginning");
    fs::write(sandbox.folder.join("chats.jsonl"), &text).unwrap();
    let first: String = text.lines().take(BEFORE_THE_CUT).map(|l| format!("{l}\n")).collect();
    let store = open(sandbox).create().unwrap();
    let records: Vec<_> =
        first.lines().map(|l| first_of(jsonl::parse(l.as_bytes(), false).unwrap())).collect();
    store.append(&records).unwrap();
    store.note_import(Some(&noted(&text, &first))).unwrap();
    store.close().unwrap();
    let done = sandbox.run("--json import chats.jsonl").ok();
    assert!(done.err.contains("behind line 25000"), "{}", done.err);
    assert_eq!(sandbox.count("*"), LINES as u64);
    done.out
}

fn noted(text: &str, first: &str) -> ImportProgress {
    ImportProgress {
        digest: Sha256::digest(text).into(),
        offset: first.len() as u64,
        lines: BEFORE_THE_CUT as u64,
        records: BEFORE_THE_CUT as u64,
    }
}

fn open(sandbox: &Sandbox) -> Builder {
    Store::builder(sandbox.folder.join("s")).slot(sandbox.folder.join("s.slot"))
}

fn answer() -> String {
    let rest = LINES - BEFORE_THE_CUT;
    format!("{{\"imported\":{rest},\"duplicates\":{BEFORE_THE_CUT},\"rejected\":0}}\n")
}

/// Every line stands twice, without an id: the second of two must not count as the first again
/// because the first stands before the cut.
#[test]
fn lines_before_the_cut_are_counted_where_ids_are_missing() {
    let sandbox = Sandbox::new();
    let without_id =
        |i: usize| line(i % (LINES / 2)).replacen(&format!(r#""id":"m{}","#, i % (LINES / 2)), "", 1);
    assert_eq!(resumed(&sandbox, without_id, |record| record.repeatable(0)), answer());
    assert_eq!(sandbox.run("--json import chats.jsonl").ok().lines()[0]["duplicates"], LINES);
}

#[test]
fn a_cut_import_goes_on_where_it_stopped() {
    let sandbox = Sandbox::new();
    assert_eq!(resumed(&sandbox, line, |record| record), answer());
    let text = sandbox.read("chats.jsonl");
    let first: String = text.lines().take(BEFORE_THE_CUT).map(|l| format!("{l}\n")).collect();
    let noted = noted(&text, &first);

    let store = open(&sandbox).open().unwrap();
    assert!(store.import_progress().unwrap().is_none(), "a finished import leaves no note");
    store.note_import(Some(&noted)).unwrap();
    store.erase(&Selector::Person("p7@example.org".into()), &EraseOptions::default()).unwrap();
    assert!(store.import_progress().unwrap().is_none(), "the digest is one of her words too");
}
