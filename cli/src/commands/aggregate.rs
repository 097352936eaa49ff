//! `aggregate`: tables of counts that tell of nobody and stay when the people counted are erased.

use clap::Subcommand;
use escrowdb::id::{Micros, Seq};
use escrowdb::policy::aggregate::Rules;
use escrowdb::register::aggregate::Aggregate;

use crate::args::Global;
use crate::commands::register;
use crate::engine;
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean, note};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count what a query finds and publish that, once: periods that are over, and no cell of few people.
    ///
    /// A table stays as it is when people who were counted in it are erased. So that no two can be subtracted
    /// then, a period is published once, whatever is counted.
    Publish(Publish),
    /// Show one.
    Show {
        /// Its name.
        name: String,
    },
    /// Show which there are.
    List,
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        !matches!(self, Self::Publish(_))
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Publish {
    /// A name for it, which is used once.
    name: String,
    /// What is counted. It names no person, no conversation and no record.
    #[arg(long, value_name = "Q", default_value = "*", allow_hyphen_values = true)]
    query: String,
    /// A field (tag, tag:KEY, channel, kind), and a period (hour, day, week, month, year): tag:dept,month.
    #[arg(long, value_name = "FIELD,PERIOD")]
    by: String,
    /// Fewest people behind a number that is shown.
    #[arg(long, value_name = "N", default_value_t = 10)]
    k: u64,
    /// What numbers are rounded to.
    #[arg(long, value_name = "N", default_value_t = 5)]
    round: u64,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Publish(args) => publish(args, global, out),
        Command::Show { name } => {
            let store = engine::open(global)?;
            let registers = store.registers();
            let found = registers.aggregates.get(name);
            let (of, at, seq) = found.ok_or_else(|| Failure::not_found("no such aggregate"))?;
            show(of, at, seq, out)
        }
        Command::List => list(global, out),
    }
}

fn publish(args: &Publish, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let rules = Rules::new(args.k, args.round)?;
    let store = engine::open(global)?;
    let reading = engine::session(&store, global);
    let done = reading.publish(&args.name, &args.query, &args.by, rules)?;
    let registers = store.registers();
    let at = registers.aggregates.get(&args.name).map(|(_, at, _)| at);
    store.close()?;
    show(&done.aggregate, at.unwrap_or_else(register::now), done.seq, out)?;
    if done.named > 0 {
        note(&format!("{} rows are left out, for their names are those of people", done.named));
    }
    if done.goes_on {
        note("periods that are not over are left out");
    }
    Ok(())
}

fn list(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut rows = Vec::new();
    for (of, at, seq) in store.registers().aggregates.iter() {
        if out.json() {
            out.line(&head(of, at, seq).finish())?;
            continue;
        }
        rows.push(vec![
            of.name.clone(),
            clean(&of.by.join(",")),
            register::when(Some(of.from)),
            register::when(Some(of.before)),
            of.k.to_string(),
            of.round.to_string(),
            register::when(Some(at)),
        ]);
    }
    register::table(out, &["name", "by", "from", "before", "k", "round", "published"], rows)
}

/// What stands before a table.
fn head(of: &Aggregate, at: Micros, seq: Seq) -> Object {
    let mut line = Object::new();
    line.text("name", &of.name).texts("by", &of.by).number("k", of.k).number("round", of.round);
    register::put_when(&mut line, "from", Some(of.from));
    register::put_when(&mut line, "before", Some(of.before));
    register::put_when(&mut line, "published", Some(at));
    line.number("seq", seq.0);
    line
}

fn show(of: &Aggregate, at: Micros, seq: Seq, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        return Ok(out.line(&json(of, head(of, at, seq)))?);
    }
    let mut heading = vec![clean(&of.by.join(", "))];
    heading.extend(of.periods.iter().cloned());
    heading.push("all".to_owned());
    let line = |name: &str, cells: &[Option<u64>], total: Option<u64>| {
        let cells = cells.iter().chain([&total]).map(|cell| cell.map_or("·".to_owned(), |n| n.to_string()));
        [clean(name)].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let mut table = vec![heading];
    table.extend(
        of.rows.iter().filter(|row| !row.name.is_empty()).map(|row| line(&row.name, &row.cells, row.total)),
    );
    table.push(line("all", &of.totals, of.total));
    out.table(&table)?;
    Ok(out.line(&format!(
        "records, to the nearest {}; · is not shown, for fewer than {} people, or others, could be found by it",
        of.round, of.k
    ))?)
}

fn json(of: &Aggregate, mut line: Object) -> String {
    let number = |n: &Option<u64>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
    let numbers = |all: &[Option<u64>]| array(&all.iter().map(number).collect::<Vec<_>>());
    let row = |row: &escrowdb::register::aggregate::Row| {
        let mut line = Object::new();
        line.text("name", &row.name).raw("cells", &numbers(&row.cells)).raw("total", &number(&row.total));
        line.finish()
    };
    line.texts("periods", &of.periods);
    line.raw("rows", &array(&of.rows.iter().map(row).collect::<Vec<_>>()));
    line.raw("totals", &numbers(&of.totals)).raw("total", &number(&of.total));
    line.finish()
}
