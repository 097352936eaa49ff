//! `facet`: how many records per value of a field.

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The query; `*` finds everything.
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// The field: tag, tag:KEY, author, subject, conversation, channel, kind.
    #[arg(long, value_name = "FIELD")]
    by: String,
    /// Say on standard error what the question cost: segments, pages, time.
    #[arg(long)]
    explain: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let values = engine::explained(args.explain, out.json(), &engine::session(&store, global), |reading| {
        Ok(reading.facet(&args.query, &args.by)?)
    })?;
    if out.json() {
        for (value, count) in &values {
            out.line(&Object::new().text("value", value).number("count", *count).finish())?;
        }
        return Ok(());
    }
    let rows: Vec<_> = values.iter().map(|(value, count)| vec![count.to_string(), clean(value)]).collect();
    Ok(out.table(&rows)?)
}
