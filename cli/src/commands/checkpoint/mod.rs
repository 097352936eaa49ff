//! `checkpoint`: the signed head of the log, for keeping elsewhere.

use std::path::PathBuf;

use crate::args::Global;
use crate::commands::evidence;
use crate::durable;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write it to this file too, instead of showing it to people.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prove that it continues this earlier checkpoint: the proof stands before it, as witnesses
    /// take it (C2SP tlog-witness).
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = args.output.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let earlier = args.since.as_deref().map(evidence::checkpoint).transpose()?;
    let store = engine::open(global)?;
    let (checkpoint, text, from) = match &earlier {
        None => {
            let checkpoint = store.checkpoint()?;
            let text = checkpoint.to_string();
            (checkpoint, text, None)
        }
        Some(earlier) => {
            let advance = store.checkpoint_since(earlier)?;
            let (text, from) = (advance.to_string(), advance.from);
            (advance.checkpoint, text, Some(from))
        }
    };
    if let Some(place) = &place {
        durable::write(place, text.as_bytes())?;
    }
    let head = checkpoint.unverified();
    if out.json() {
        let mut line = Object::new();
        line.text("origin", &head.origin).number("size", head.size).text("root", &head.root.to_string());
        line.text("checkpoint", &checkpoint.to_string());
        if let Some(from) = from {
            line.number("since", from).text("proof", &text);
        }
        out.line(&line.finish())?;
    } else if let Some(place) = &place {
        out.line(&format!("{} positions in {}", head.size, place.path().display()))?;
    } else {
        out.bytes(text.as_bytes())?;
    }
    Ok(())
}
