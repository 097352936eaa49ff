//! `count`: how many records a query finds.

use crate::args::Global;
use crate::engine;
use crate::exit::{Failure, unreadable};
use crate::json::Object;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The query; `*` finds everything.
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// Say on standard error what the question cost: segments, pages, time.
    #[arg(long)]
    explain: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let count = engine::explained(args.explain, out.json(), &engine::session(&store, global), |reading| {
        Ok(reading.count(&args.query)?)
    })?;
    let mut line = Object::new();
    line.number("count", count);
    if unreadable().is_some() {
        line.flag("incomplete", true);
    }
    let text = if out.json() { line.finish() } else { count.to_string() };
    Ok(out.line(&text)?)
}
