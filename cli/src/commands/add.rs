//! `add`: one record from stdin.

use std::io::Read as _;

use escrowdb::record::jsonl;

use crate::args::Global;
use crate::commands::lines::LINE_LEN_MAX;
use crate::engine::{self, Outcome};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

pub(crate) fn run(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let mut text = Vec::new();
    let limit = LINE_LEN_MAX as u64 + 1;
    std::io::stdin().lock().take(limit).read_to_end(&mut text).map_err(|e| Failure::io("read stdin", e))?;
    if text.len() > LINE_LEN_MAX {
        return Err(Failure::rejected("the record is longer than 8 MiB"));
    }
    let record = jsonl::parse(text.trim_ascii(), false).map_err(rejected)?;
    let store = engine::open(global)?;
    let outcome = store.append(&[record])?.pop();
    store.close()?;
    let quarantined = matches!(outcome, Some(Outcome::Quarantined(_)));
    let (seq, duplicate) = match outcome {
        Some(Outcome::Added(seq) | Outcome::Quarantined(seq)) => (seq, false),
        Some(Outcome::Duplicate(seq)) => (seq, true),
        Some(Outcome::Rejected(error)) => return Err(rejected(error)),
        None => return Err(Failure::failed("the store gave no answer for the record")),
    };
    if out.json() {
        let mut line = Object::new();
        line.number("seq", seq.0).flag("duplicate", duplicate);
        if quarantined {
            line.flag("quarantined", true);
        }
        out.line(&line.finish())?;
    } else if duplicate {
        out.line(&format!("already there, at position {seq}"))?;
    } else if quarantined {
        out.line(&format!("in quarantine, at position {seq}: nobody finds it until it is released"))?;
    } else {
        out.line(&format!("added at position {seq}"))?;
    }
    Ok(())
}

/// A malformed record is rejected like a line of an import; rules and busy targets keep their
/// own exit codes.
fn rejected(error: escrowdb::Error) -> Failure {
    if error.kind() != escrowdb::ErrorKind::Invalid {
        return error.into();
    }
    let failure = Failure::rejected(error.to_string());
    match error.hint_text() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
