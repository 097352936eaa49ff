//! Takes a file of JSON Lines into a new store: good lines go in, bad ones are named.
//!
//! Run it with `cargo run -p escrowdb --example import_file -- chats.jsonl`; without a file it
//! brings three lines of its own. It works in a temporary folder and removes it at the end.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;

use escrowdb::record::jsonl;
use escrowdb::session::Session;
use escrowdb::store::{Outcome, Record, Store};
use escrowdb::{Error, Result};

const SAMPLE: &str = r#"{"id":"m1","conversation":"c1","author":"anna@example.org","time":"2026-01-31T12:00:00Z","body":"Hello","tags":["dept:sales"]}
{"id":"m2","conversation":"c1","author":"anna@example.org","time":"2026-01-31T12:00:00","body":"This one has no time zone"}
{"id":"m3","conversation":"c1","author":"ben@example.org","time":"2026-01-31T12:01:00Z","body":"Hello Anna"}
"#;
/// Records that are appended together: they share one frame and one sync, and are there whole or
/// not at all after a crash.
const BATCH: usize = 1000;

fn main() -> Result<()> {
    let input: Box<dyn BufRead> = match std::env::args_os().nth(1) {
        Some(name) => Box::new(BufReader::new(File::open(name).map_err(|e| Error::io("open the file", e))?)),
        None => Box::new(Cursor::new(SAMPLE)),
    };
    let folder = std::env::temp_dir().join(format!("escrowdb-import-{}", std::process::id()));
    let result = import(&folder.join("chats"), input);
    // Only what this example made.
    let _ = std::fs::remove_dir_all(&folder);
    result
}

pub(crate) fn import(dir: &Path, input: Box<dyn BufRead>) -> Result<()> {
    let store = Store::builder(dir).create()?;
    let mut batch: Vec<(usize, Record)> = Vec::new();
    for (number, line) in (1..).zip(input.split(b'\n')) {
        let line = line.map_err(|e| Error::io("read the file", e))?;
        match jsonl::parse(&line, false) {
            _ if line.trim_ascii().is_empty() => {}
            Ok(record) => batch.push((number, record)),
            // The message names field and reason; it never repeats what was written there.
            Err(error) => println!("line {number}: {error}"),
        }
        if batch.len() >= BATCH {
            append(&store, &mut batch)?;
        }
    }
    append(&store, &mut batch)?;
    println!("{} records are in the store", store.session(Session::new()).count("*")?);
    store.close()
}

fn append(store: &Store, batch: &mut Vec<(usize, Record)>) -> Result<()> {
    let (numbers, records): (Vec<usize>, Vec<Record>) = batch.drain(..).unzip();
    for (number, outcome) in numbers.into_iter().zip(store.append(&records)?) {
        // A duplicate is no trouble: a file may be imported again after it was cut.
        if let Outcome::Rejected(error) = outcome {
            println!("line {number}: {error}");
        }
    }
    Ok(())
}
