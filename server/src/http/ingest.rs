//! Records come in: a batch is one JSON object a line.

use axum::http::StatusCode;
use escrowdb::record::jsonl;
use escrowdb::store::{Outcome, Record};
use sha2::{Digest as _, Sha256};

use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::{Object, array};

/// Lines of a batch at most.
const LINES_MAX: usize = 100_000;

/// Appends a batch. A line that is no record refuses all of it, before anything is written; with `lenient` fields are taken
/// as an import with `--lenient` takes them.
///
/// `Idempotency-Key` gives each record without an id one that is made of the key and its line: who repeats a batch, also
/// after the server was killed, finds its records to be duplicates and adds none twice.
pub(super) fn append(call: Call) -> Result<Reply, Problem> {
    let lenient = call.asked("lenient").is_some_and(|value| value != "false");
    let key = call.header("idempotency-key")?.map(str::to_owned);
    let (mut records, mut wrong) = (Vec::new(), Vec::new());
    for (n, line) in call.body.split(|b| *b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if records.len() + wrong.len() == LINES_MAX {
            return Err(Problem::invalid(format!("a batch has at most {LINES_MAX} lines")));
        }
        match jsonl::parse(line, lenient) {
            Ok(record) => records.push(with_id(record, key.as_deref(), n)),
            Err(error) => {
                let mut object = Object::new();
                wrong.push(object.number("line", n as u64 + 1).text("error", &error.to_string()).finish());
            }
        }
    }
    if !wrong.is_empty() {
        let mut object = Object::new();
        object.number("added", 0).raw("rejected", &array(&wrong));
        return Ok(Reply::Json(StatusCode::BAD_REQUEST, object.finish()));
    }
    let outcomes = call.store.try_append(&records)?;
    let lines: Vec<_> = outcomes.iter().map(outcome).collect();
    let mut object = Object::new();
    let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|of| is(of)).count() as u64;
    object
        .number("added", count(|of| matches!(of, Outcome::Added(_))))
        .number("quarantined", count(|of| matches!(of, Outcome::Quarantined(_))))
        .number("duplicates", count(|of| matches!(of, Outcome::Duplicate(_))))
        .number("rejected", count(|of| matches!(of, Outcome::Rejected(_))))
        .raw("outcomes", &array(&lines));
    Ok(Reply::json(object.finish()))
}

fn with_id(record: Record, key: Option<&str>, line: usize) -> Record {
    let Some(key) = key.filter(|_| record.id.as_deref().is_none_or(str::is_empty)) else { return record };
    let hash = Sha256::new()
        .chain_update(b"escrowd idempotency\0")
        .chain_update(key.as_bytes())
        .chain_update([0])
        .chain_update((line as u64).to_be_bytes())
        .finalize();
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    record.id(format!("key-{digits}"))
}

fn outcome(of: &Outcome) -> String {
    let mut object = Object::new();
    match of {
        Outcome::Added(seq) => object.text("outcome", "added").number("seq", seq.0),
        Outcome::Quarantined(seq) => object.text("outcome", "quarantined").number("seq", seq.0),
        Outcome::Duplicate(seq) => object.text("outcome", "duplicate").number("seq", seq.0),
        Outcome::Rejected(error) => object.text("outcome", "rejected").text("error", &error.to_string()),
    };
    object.finish()
}
