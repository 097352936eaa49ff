//! `histogram`: how many records per period.

use clap::ValueEnum;
use escrowdb::record::time;

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The query; `*` finds everything.
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// Length of a period; weeks begin on Monday, all in UTC.
    #[arg(long, value_enum)]
    per: Period,
    /// Say on standard error what the question cost: segments, pages, time.
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let period = match args.per {
        Period::Hour => time::Period::Hour,
        Period::Day => time::Period::Day,
        Period::Week => time::Period::Week,
        Period::Month => time::Period::Month,
        Period::Year => time::Period::Year,
    };
    let store = engine::open(global)?;
    let periods = engine::explained(args.explain, out.json(), &engine::session(&store, global), |reading| {
        Ok(reading.histogram(&args.query, period)?)
    })?;
    if out.json() {
        for (from, count) in &periods {
            out.line(&Object::new().text("from", &time::format(*from)).number("count", *count).finish())?;
        }
        return Ok(());
    }
    let rows: Vec<_> =
        periods.iter().map(|(from, count)| vec![time::format(*from), count.to_string()]).collect();
    Ok(out.table(&rows)?)
}
