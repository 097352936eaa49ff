//! `get`: one record by its id.

use crate::args::Global;
use crate::commands::around;
use crate::engine;
use crate::exit::Failure;
use crate::out::{Out, note};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the record.
    id: String,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
    /// Show so many records before it and behind it in its conversation too; it is marked.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if let Some(context) = args.context {
        return around::run((&args.id, args.conversation.as_deref()), context, global, out);
    }
    let store = engine::open(global)?;
    let hits = engine::session(&store, global).get(&args.id, args.conversation.as_deref())?;
    if hits.is_empty() {
        return Err(Failure::not_found("no such record"));
    }
    for hit in &hits {
        if out.json() {
            out.line(&engine::stored_json(hit))?;
        } else {
            out.line(&engine::hit_full(hit))?;
        }
    }
    if hits.len() > 1 && !out.json() {
        note("the id is used in several conversations; --conversation chooses one");
    }
    Ok(())
}
