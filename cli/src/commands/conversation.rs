//! `conversation`: everything that was said in one, oldest first.

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the conversation.
    conversation: String,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let hits = engine::session(&store, global).conversation(&args.conversation)?;
    if hits.is_empty() {
        return Err(Failure::not_found("no such conversation"));
    }
    for hit in &hits {
        if out.json() {
            out.line(&engine::stored_json(hit))?;
        } else {
            out.line(&engine::hit_full(hit))?;
        }
    }
    Ok(())
}
