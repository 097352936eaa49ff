//! `search`: the records a query finds.

use clap::ValueEnum;

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::out::{Out, note};

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// The query; `*` finds everything.
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// At most so many hits. Default: 50 for people, all with --json.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<u64>,
    /// By time of the event, or by how well the words fit.
    #[arg(long, value_enum, default_value_t = Order::Newest)]
    order: Order,
    /// Go on after the hit that carried this cursor.
    #[arg(long, value_name = "C")]
    cursor: Option<String>,
    /// Show the part of each text in which the words of the query stand.
    #[arg(long)]
    snippet: bool,
    /// Say on standard error what the search cost: segments, pages, time.
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
    /// Best first, by the words of the query.
    Relevance,
}

fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a whole number, 1 or more".to_owned())
}

impl Args {
    /// The hit behind which it begins.
    pub(crate) const fn cursor(&self) -> Option<&String> {
        self.cursor.as_ref()
    }

    /// The same search behind a hit of it.
    pub(crate) fn behind(&self, cursor: String) -> Self {
        Self { cursor: Some(cursor), ..self.clone() }
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let mut last = None;
    let more = page(args, LIMIT_TEXT, global, out, &mut last)?;
    if let Some(cursor) = last.filter(|_| more && !out.json()) {
        out.flush()?;
        note(&format!("more: --cursor {cursor}"));
    }
    Ok(())
}

/// Prints the hits, for people at most `limit_text` if they don't say how many; puts the cursor of the
/// last one that was printed into `last`, also if it fails behind that. Returns whether more exist.
pub(crate) fn page(
    args: &Args,
    limit_text: u64,
    global: &Global,
    out: &mut Out,
    last: &mut Option<String>,
) -> Result<bool, Failure> {
    let order = match args.order {
        Order::Newest => engine::Order::Newest,
        Order::Oldest => engine::Order::Oldest,
        Order::Relevance => engine::Order::Relevance,
    };
    let json = out.json();
    let limit = args.limit.or(if json { None } else { Some(limit_text) });
    let store = engine::open(global)?;
    let reading = engine::session(&store, global);
    let mut options = engine::SearchOptions::new().order(order).snippets(args.snippet);
    options.cursor.clone_from(&args.cursor);
    let (found, more) = engine::explained(args.explain, json, &reading, |reading| {
        engine::each_hit(reading, &args.query, (options, limit), |hit| {
            out.line(&if json { engine::hit_json(&hit) } else { engine::hit_text(&hit) })?;
            *last = Some(hit.cursor);
            Ok(())
        })
    })?;
    if !json && found == 0 {
        note("nothing found");
    }
    Ok(more)
}

/// Hits shown to people who don't say how many.
const LIMIT_TEXT: u64 = 50;
