//! `tag`: tags that a record gets later, or loses.

use clap::Subcommand;
use escrowdb::record::Kind;

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give a record tags. `--as` names who does.
    Add(Args),
    /// Take tags from a record. `--as` names who does.
    Remove(Args),
    /// Show which tags a record got later and lost, by whom.
    Show {
        /// Id of the record.
        id: String,
        /// The conversation it stands in, if the id is used in several.
        #[arg(long, value_name = "C")]
        conversation: Option<String>,
    },
}

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the record.
    id: String,
    /// The tags.
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Add(args) => change(args, (&args.tags, &[]), global, out),
        Command::Remove(args) => change(args, (&[], &args.tags), global, out),
        Command::Show { id, conversation } => show(id, conversation.as_deref(), global, out),
    }
}

fn change(
    args: &Args,
    (add, remove): (&[String], &[String]),
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let session = engine::as_named(global);
    let seq = store.tag(&session, &args.id, args.conversation.as_deref(), add, remove)?;
    store.close()?;
    said(seq.0, out)
}

/// Says where a record was put.
pub(crate) fn said(seq: u64, out: &mut Out) -> Result<(), Failure> {
    let line = if out.json() {
        Object::new().number("seq", seq).finish()
    } else {
        format!("noted at position {seq}")
    };
    Ok(out.line(&line)?)
}

fn show(id: &str, conversation: Option<&str>, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let reading = engine::session(&store, global);
    if reading.get(id, conversation)?.is_empty() {
        return Err(Failure::not_found("no such record"));
    }
    for hit in reading.said_of(id, conversation)?.iter().filter(|hit| hit.kind == Kind::Tag) {
        out.line(&if out.json() { engine::stored_json(hit) } else { engine::hit_full(hit) })?;
    }
    Ok(())
}
