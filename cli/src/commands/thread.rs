//! `thread`: a record, what it answers, and what answers it.

use crate::args::Global;
use crate::engine::{self, Threaded};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean, note};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the record, or of an edit of it.
    id: String,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let threads = engine::session(&store, global).threads(&args.id, args.conversation.as_deref())?;
    if threads.is_empty() {
        return Err(Failure::not_found("no such record"));
    }
    for (at, thread) in threads.iter().enumerate() {
        if at > 0 && !out.json() {
            out.line("")?;
        }
        for one in thread {
            out.line(&if out.json() { to_json(one) } else { to_text(one) })?;
        }
    }
    if threads.len() > 1 && !out.json() {
        note("the id is used in several conversations; --conversation chooses one");
    }
    Ok(())
}

fn to_json(one: &Threaded) -> String {
    let mut line = Object::new();
    line.number("depth", one.depth.into()).text("first_id", &one.first_id);
    if one.is_here {
        line.flag("here", true);
    }
    let mut reactions = Object::new();
    for (reaction, n) in &one.reactions {
        reactions.number(reaction, *n);
    }
    line.raw("reactions", &reactions.finish()).raw("record", &engine::stored_json(&one.hit));
    line.finish()
}

/// Lines of a text are indented further than the mark, so that none can pass for it.
fn to_text(one: &Threaded) -> String {
    let indent = "  ".repeat(one.depth.min(20) as usize);
    let mark = if one.is_here { '>' } else { ' ' };
    let mut text = format!("{mark} {}", engine::hit_full(&one.hit)).replace('\n', &format!("\n{indent}"));
    for (reaction, n) in &one.reactions {
        text.push_str(&format!("\n{indent}  {n} × {}", clean(reaction)));
    }
    format!("{indent}{text}")
}
