//! What stands around a record, for `get --context` and `conversation --around`.

use crate::args::Global;
use crate::engine::{self, Around};
use crate::exit::Failure;
use crate::out::{Out, note};

/// Prints the records with an id, in one conversation or in any, each among its neighbours.
pub(crate) fn run(
    (id, conversation): (&str, Option<&str>),
    context: usize,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let found = engine::session(&store, global).around(id, conversation, context)?;
    if found.is_empty() {
        return Err(Failure::not_found("no such record"));
    }
    for (at, around) in found.iter().enumerate() {
        if at > 0 && !out.json() {
            out.line("")?;
        }
        print(around, out)?;
    }
    if found.len() > 1 && !out.json() {
        note("the id is used in several conversations; --conversation chooses one");
    }
    Ok(())
}

fn print(around: &Around, out: &mut Out) -> Result<(), Failure> {
    for hit in around.all() {
        let here = around.is_here(hit);
        if out.json() {
            out.line(&engine::placed_json(hit, here))?;
        } else {
            // Lines of a text are indented further, so that none can pass for this mark.
            out.line(&format!("{} {}", if here { '>' } else { ' ' }, engine::hit_full(hit)))?;
        }
    }
    Ok(())
}
