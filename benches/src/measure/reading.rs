//! Queries, names and point reads.

use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::record::time as clock;
use escrowdb::session::Session;
use escrowdb::store::{Order, Reading, SearchOptions};

use crate::Result;
use crate::measure::store;
use crate::meter::{self, median};
use crate::table::{Table, bytes, number, time};
use crate::workload::{Random, Workload};

/// Time spent on repeats of one query at most.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Measures queries over the store.
pub fn queries(dir: &Path, workload: &Workload, records: u64, table: &mut Table) -> Result<()> {
    let store = store(dir).open()?;
    meter::reset_peak();
    let reading = store.session(Session::new());
    let tag = |rank| format!("tag:{}", workload.tag(rank));
    let (from, before) = workload.percent();
    let percent = format!("{} after:{} before:{}", tag(0), clock::format(from), clock::format(before));
    let named = [
        ("tag, frequent", tag(0)),
        ("tag, rare", tag(400)),
        ("AND of three, frequent", format!("{} {} {}", tag(0), tag(1), tag(2))),
        ("AND of three, selective", format!("{} {} {}", tag(0), tag(30), tag(200))),
        ("AND NOT", format!("{} -{}", tag(3), tag(0))),
        ("tag and 1 % of the time", percent),
    ];
    for (name, query) in &named {
        let start = Instant::now();
        let hits = reading.count(query)?;
        let first = start.elapsed();
        let count = repeat(|| reading.count(query).map(drop))?;
        let newest = repeat(|| reading.search(query, &SearchOptions::new().limit(20)).map(drop))?;
        let start = Instant::now();
        let mut walked = 0;
        reading.search_each(query, Order::Newest, |_| {
            walked += 1;
            true
        })?;
        let all = start.elapsed();
        if walked != hits {
            return Err(format!("{name}: {walked} hits walked, {hits} counted").into());
        }
        table.row(
            format!("{name} ({} hits): first count / count / newest 20 / all records opened", number(hits)),
            format!("{} / {} / {} / {}", time(first), time(count), time(newest), time(all)),
        )?;
    }
    names(&reading, workload, table)?;
    points(&reading, workload, records, table)?;
    table.row("peak memory, reading", bytes(meter::peak()))?;
    store.close()?;
    Ok(())
}

fn names(reading: &Reading, workload: &Workload, table: &mut Table) -> Result<()> {
    let mut cold = Vec::new();
    let mut warm = Vec::new();
    for nth in 0..500 {
        // Every second one of them is unknown: also that is looked up.
        let query = match nth % 2 {
            0 => format!("subject:{}", workload.small_subject(nth)),
            _ => format!("subject:nobody{nth}"),
        };
        let start = Instant::now();
        reading.count(&query)?;
        cold.push(start.elapsed());
        let start = Instant::now();
        reading.count(&query)?;
        warm.push(start.elapsed());
    }
    let both = format!("{} / {}", time(median(&mut cold)), time(median(&mut warm)));
    table.row("count by a name: looked up / known", both)
}

fn points(reading: &Reading, workload: &Workload, records: u64, table: &mut Table) -> Result<()> {
    let mut random = Random::new(5);
    let picks: Vec<String> = (0..1_000).map(|_| workload.id_of(random.below(records))).collect();
    let mut rounds = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        for id in &picks {
            if reading.get(id, None)?.len() != 1 {
                return Err("a point read found another number of records".into());
            }
        }
        rounds.push(start.elapsed() / 1_000);
    }
    let first = rounds.first().copied().unwrap_or_default();
    let both = format!("{} / {}", time(first), time(median(rounds.get_mut(1..).unwrap_or_default())));
    table.row("point read by id, of 1,000: first round / later", both)
}

/// Median time of a query, of 3 to 15 repeats.
fn repeat(mut f: impl FnMut() -> escrowdb::Result<()>) -> Result<Duration> {
    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.len() < 3 || (samples.len() < 15 && start.elapsed() < PATIENCE) {
        let one = Instant::now();
        f()?;
        samples.push(one.elapsed());
    }
    Ok(median(&mut samples))
}
