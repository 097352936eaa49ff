//! `proof`: a record with what proves that it stands in the log, for whoever has no store.

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
    /// Id of the record. Acts and people have records too: erased/REQUEST, person/NUMBER.
    id: String,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
    /// Prove it in this checkpoint of the log, which others may have signed too, instead of a new one.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Write the proof to this file. It holds the record, in clear.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = args.output.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let at = args.checkpoint.as_deref().map(evidence::checkpoint).transpose()?;
    let store = engine::open(global)?;
    let reading = engine::session(&store, global);
    let proofs = reading.prove(&args.id, args.conversation.as_deref(), at.as_ref())?;
    let proof = match proofs.as_slice() {
        [] => return Err(Failure::not_found("no such record")),
        [one] => one,
        _ => {
            return Err(Failure::usage("the id is used in several conversations")
                .hint("--conversation C chooses one"));
        }
    };
    let text = proof.to_text();
    if let Some(place) = &place {
        durable::write(place, text.as_bytes())?;
    }
    let (seq, size) = (proof.inclusion.index.0, proof.inclusion.size);
    if out.json() {
        let mut line = Object::new();
        line.number("seq", seq).text("id", &args.id).number("size", size).text("proof", &text);
        out.line(&line.finish())?;
    } else if let Some(place) = &place {
        out.line(&format!("position {seq} of {size}, proved in {}", place.path().display()))?;
    } else {
        out.bytes(text.as_bytes())?;
    }
    Ok(())
}
