//! `conversation`: what was said and done in one, oldest first: the kinds that `*` finds.

use crate::args::Global;
use crate::commands::around;
use crate::commands::export::is_known;
use crate::engine;
use crate::exit::Failure;
use crate::out::{Out, note};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the conversation.
    conversation: String,
    /// Show the record with this id, marked, and those around it only.
    #[arg(long, value_name = "ID")]
    around: Option<String>,
    /// So many records before it and behind it.
    #[arg(long, value_name = "N", default_value_t = CONTEXT, requires = "around")]
    context: usize,
}

/// Records shown on either side of one.
const CONTEXT: usize = 10;

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if let Some(id) = &args.around {
        return around::run((id, Some(&args.conversation)), args.context, global, out);
    }
    let store = engine::open(global)?;
    let reading = engine::session(&store, global);
    let name = &args.conversation;
    let (shown, _) = engine::walked(
        None,
        |hit| Ok(out.line(&if out.json() { engine::stored_json(&hit) } else { engine::hit_full(&hit) })?),
        |each| reading.conversation_each(name, each),
    )?;
    if shown > 0 {
        return Ok(());
    }
    if is_known(&reading, name)? {
        note("only records of other kinds: export --conversation writes them");
        return Ok(());
    }
    Err(Failure::not_found("no such conversation"))
}
