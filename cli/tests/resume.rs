//! An import that was cut goes on where it stopped, and an erasure makes it forget where that was.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use std::fs;
use std::io::Write as _;

use escrowdb::record::jsonl;
use escrowdb::store::{EraseOptions, ImportProgress, Selector, Store};
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

#[test]
fn a_cut_import_goes_on_where_it_stopped() {
    let sandbox = Sandbox::new();
    let text: String = (0..LINES).map(|i| line(i) + "\n").collect();
    assert!(text.len() > 16 << 20, "smaller files are read again from the beginning");
    let file = sandbox.folder.join("chats.jsonl");
    fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
    let first: String = text.lines().take(BEFORE_THE_CUT).map(|l| format!("{l}\n")).collect();
    let noted = ImportProgress {
        digest: Sha256::digest(&text).into(),
        offset: first.len() as u64,
        lines: BEFORE_THE_CUT as u64,
        records: BEFORE_THE_CUT as u64,
    };
    let open = || Store::builder(sandbox.folder.join("s")).slot(sandbox.folder.join("s.slot"));
    {
        let store = open().create().unwrap();
        let records: Vec<_> = first.lines().map(|l| jsonl::parse(l.as_bytes(), false).unwrap()).collect();
        store.append(&records).unwrap();
        store.note_import(Some(&noted)).unwrap();
    }
    let done = sandbox.run("--json import chats.jsonl");
    assert_eq!(done.code, 0, "{}", done.err);
    let rest = LINES - BEFORE_THE_CUT;
    let answer = format!("{{\"imported\":{rest},\"duplicates\":{BEFORE_THE_CUT},\"rejected\":0}}\n");
    assert_eq!(done.out, answer);
    assert!(done.err.contains("behind line 25000"), "{}", done.err);
    let counted = sandbox.run("--json count *");
    assert_eq!(counted.out, format!("{{\"count\":{LINES}}}\n"));

    let store = open().open().unwrap();
    assert!(store.import_progress().unwrap().is_none(), "a finished import leaves no note");
    store.note_import(Some(&noted)).unwrap();
    store.erase(&Selector::Person("p7@example.org".into()), &EraseOptions::default()).unwrap();
    assert!(store.import_progress().unwrap().is_none(), "the digest is one of her words too");
}
