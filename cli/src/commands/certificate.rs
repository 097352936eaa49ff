//! `certificate`: that of an erasure which is done, once more.

use std::path::PathBuf;

use escrowdb::id::RequestId;

use crate::args::Global;
use crate::commands::{certified, evidence};
use crate::durable;
use crate::engine;
use crate::exit::Failure;
use crate::out::Out;
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the request, as its certificate says. `search kind:erased` lists all, as erased/REQUEST.
    #[arg(value_parser = certified::request_id)]
    request: RequestId,
    /// Prove it in this checkpoint of the log, which others may have signed too.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Write it to this file.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = args.output.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let at = args.checkpoint.as_deref().map(evidence::checkpoint).transpose()?;
    let store = engine::open(global)?;
    let text = store.certificate(args.request, at.as_ref())?.to_json();
    if let Some(place) = &place {
        durable::write(place, format!("{text}\n").as_bytes())?;
    }
    Ok(out.line(&text)?)
}
