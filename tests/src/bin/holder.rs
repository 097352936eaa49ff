//! A process that holds a store, for the scan of its memory: it does what the lines on its input
//! say, one by one, and keeps nothing of them itself.
//!
//! `+{…}` appends a record, `roll` rolls, `-name` erases a person, `?name` looks her up and reads
//! all her records, `=query` counts what a query finds. Each is answered by `ok` or `failed` on a line.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test")]

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};

use escrowdb::record::jsonl;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Period, Record, Selector, Store};

fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let store = Store::builder(dir).background(false).create().unwrap();
    // Standard input without the library's buffer, which would keep what went through it.
    let mut input = File::open("/dev/stdin").unwrap();
    let mut line = Vec::with_capacity(64 * 1024);
    let mut byte = [0];
    while input.read(&mut byte).unwrap() == 1 {
        if byte[0] != b'\n' {
            assert!(line.len() < line.capacity(), "a line that grows would leave copies");
            line.push(byte[0]);
            continue;
        }
        let done = act(&store, &line);
        line.fill(0);
        black_box(&line);
        line.clear();
        println!("{}", if done { "ok" } else { "failed" });
        std::io::stdout().flush().unwrap();
    }
}

fn act(store: &Store, line: &[u8]) -> bool {
    let text = || String::from_utf8(line[1..].to_vec()).unwrap();
    match line[0] {
        b'+' => {
            let record = jsonl::parse(&line[1..], false).unwrap();
            let done = store.append(std::slice::from_ref(&record)).is_ok();
            forget_record(record);
            done
        }
        b'=' => {
            let query = text();
            let reading = store.session(Session::new());
            let found = (
                reading.count(&query),
                reading.histogram(&query, Period::Day),
                reading.facet(&query, "kind"),
            );
            forget(query);
            matches!(found, (Ok(_), Ok(_), Ok(_)))
        }
        b'r' => store.roll().is_ok(),
        b'-' => {
            let selector = Selector::Person(text());
            let done = store.erase(&selector, &EraseOptions::default()).is_ok();
            if let Selector::Person(name) = selector {
                forget(name);
            }
            done
        }
        _ => {
            let name = text();
            let hits = store.session(Session::new()).records_of(&name);
            let done = hits.as_ref().is_ok_and(|h| !h.is_empty());
            for hit in hits.into_iter().flatten() {
                hit.author.into_iter().chain(hit.subjects).chain(hit.tags).for_each(forget);
                [hit.id, hit.conversation, hit.body, hit.cursor].into_iter().for_each(forget);
            }
            forget(name);
            done
        }
    }
}

fn forget(text: String) {
    let mut bytes = text.into_bytes();
    bytes.fill(0);
    black_box(&bytes);
}

fn forget_record(record: Record) {
    forget(record.body);
    forget(record.conversation);
    forget(record.author);
    record.id.into_iter().chain(record.subjects).chain(record.tags).for_each(forget);
}
