//! Many small segments: what they cost, how long it takes to make few of them, and what appends
//! and erasures feel of it. On a store of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::store::{CompactOptions, EraseOptions, Selector, Space, Store};
use escrowdb::{Error, ErrorKind};

use crate::Result;
use crate::measure::store;
use crate::meter::{self, percentile};
use crate::table::{Table, bytes, number, rate, time};
use crate::workload::Workload;

/// Small segments to begin with.
const SEGMENTS: u64 = 200;
/// Records in one append while compaction runs.
const BATCH: usize = 50;
/// Appends at least, for there to be a 99.9th of a hundred.
const APPENDS_MIN: usize = 3_000;
/// Erasures while a compaction runs.
const ERASURES: usize = 5;

/// Loads `records` as small segments and compacts them, in the background and by hand.
pub fn compact(dir: &Path, workload: &mut Workload, records: u64, table: &mut Table) -> Result<()> {
    let quiet = store(dir).preset(workload.preset()).compaction(false).create()?;
    for n in 0..SEGMENTS {
        let until = records * (n + 1) / SEGMENTS;
        let mut left = until - records * n / SEGMENTS;
        while left > 0 {
            let batch = workload.batch(left.min(1_000) as usize);
            quiet.append(&batch)?;
            left -= batch.len() as u64;
        }
        quiet.roll()?;
    }
    let victims = victims(&quiet, 2 * ERASURES)?;
    let before = quiet.stats()?;
    table.row("compaction: small segments", number(before.segments))?;
    parts(&before.space, before.log_size, "before", table)?;
    let (idle, _) = erasures(&quiet, &victims[..victims.len() / 2])?;
    table.row("erasing a customer of small segments, nothing else running", time(idle))?;
    quiet.close()?;

    by_itself(dir, workload, records, table)?;
    by_hand(dir, &victims[victims.len() / 2..], table)
}

/// Appends beside the rolls that they cause and the compaction that follows.
fn by_itself(dir: &Path, workload: &mut Workload, records: u64, table: &mut Table) -> Result<()> {
    let store = store(dir).preset(workload.preset()).roll_records(32_768).open()?;
    let mut appends = Vec::new();
    let began = Instant::now();
    let mut least = store.stats()?.segments;
    // As long as it takes until few segments are left, and two rolls at least.
    let enough = |n: usize, segments: u64| n >= APPENDS_MIN && segments <= records / 32_768 + 12;
    while !enough(appends.len(), least) && began.elapsed() < Duration::from_secs(180) {
        for _ in 0..100 {
            let batch = workload.batch(BATCH);
            let start = Instant::now();
            store.append(&batch)?;
            appends.push(start.elapsed());
        }
        least = least.min(store.stats()?.segments);
    }
    let sum: Duration = appends.iter().sum();
    let mut at = |share| time(percentile(&mut appends, share));
    let spread = format!("{} / {} / {} / {}", at(0.5), at(0.99), at(0.999), at(1.0));
    table.row("append p50 / p99 / p99.9 / longest beside rolls and compaction", spread)?;
    table.row("… appends of 50", number(appends.len() as u64))?;
    table.row("… records a second", rate((appends.len() * BATCH) as u64, sum))?;
    table.row("… segments, least while it ran", number(least))?;
    Ok(store.close()?)
}

/// The rest by hand, with erasures in between.
fn by_hand(dir: &Path, victims: &[String], table: &mut Table) -> Result<()> {
    let store = store(dir).compaction(false).open()?;
    let mut waits = Vec::new();
    let mut gave_way = Vec::new();
    for victim in victims {
        let waited = std::thread::scope(|scope| {
            let compacting = scope.spawn(|| (store.compact(&CompactOptions::new(), |_| ()), Instant::now()));
            std::thread::sleep(Duration::from_millis(60));
            let start = Instant::now();
            let erased = store.erase(&Selector::Person(victim.clone()), &EraseOptions::default());
            let waited = start.elapsed();
            let gave_way = match compacting.join() {
                Ok((Err(e), ended)) if e.kind() == ErrorKind::Busy => Some(ended - start),
                Ok((other, _)) => other.map(|_| None)?,
                Err(_) => return Err(Error::invalid("the compaction panicked")),
            };
            erased.map(|_| (waited, gave_way))
        })?;
        waits.push(waited.0);
        gave_way.extend(waited.1);
    }
    let met = gave_way.len();
    if met > 0 {
        let longest = gave_way.iter().max().copied().unwrap_or_default();
        let told = format!("{} / {}", time(meter::median(&mut gave_way)), time(longest));
        table.row(
            "a compaction has given way to an erasure (announcing it included), median / longest",
            told,
        )?;
        let told = format!("erasing a customer while a compaction runs (median; {met} cancelled)");
        table.row(told, time(meter::median(&mut waits)))?;
    }
    let before = meter::own_peak(|| ()).1;
    meter::reset_peak();
    let cpu = meter::process_cpu();
    let start = Instant::now();
    let (report, own) = meter::own_peak(|| store.compact(&CompactOptions::new(), |_| ()));
    let report = report?;
    let took = start.elapsed();
    let cpu = meter::process_cpu() - cpu;
    table.row("compaction by hand", time(took))?;
    table.row("… CPU", time(cpu))?;
    table.row("… peak memory, with pages of mapped files", bytes(meter::peak()))?;
    table.row("… peak memory of its own; before it", format!("{}; {}", bytes(own), bytes(before)))?;
    table.row("… steps, segments", {
        format!("{}, {} to {}", report.steps, report.segments_before, report.segments_after)
    })?;
    table.row("… written", bytes(report.bytes_written))?;
    table.row("… given back", bytes(report.reclaimed()))?;
    let after = store.stats()?;
    parts(&after.space, after.log_size, "after", table)?;
    Ok(store.close()?)
}

/// Erases them one by one; answers the median and all.
fn erasures(store: &Store, people: &[String]) -> Result<(Duration, Vec<Duration>)> {
    let mut all = Vec::new();
    for name in people {
        let start = Instant::now();
        store.erase(&Selector::Person(name.clone()), &EraseOptions::default())?;
        all.push(start.elapsed());
    }
    Ok((meter::median(&mut all), all))
}

/// Some people who are subjects.
fn victims(store: &Store, n: usize) -> Result<Vec<String>> {
    let reading = store.session(escrowdb::session::Session::new());
    let people = reading.facet("*", "subject")?;
    // Not the most frequent ones: customers as most are.
    Ok(people.iter().rev().step_by((people.len() / (n + 1)).max(1)).take(n).map(|(p, _)| p.clone()).collect())
}

fn parts(space: &Space, records: u64, when: &str, table: &mut Table) -> Result<()> {
    let each = |n: u64| format!("{:.1}", n as f64 / records.max(1) as f64);
    table.row(format!("bytes a record {when} compaction"), each(space.total()))?;
    for (name, n) in [
        ("bodies", space.bodies),
        ("salts", space.salts),
        ("index", space.index),
        ("leaves", space.leaves),
        ("keys", space.keys),
        ("parity", space.parity),
        ("padding", space.padding),
        ("dead", space.dead),
        ("journals", space.journals),
        ("reserve", space.reserve),
    ] {
        table.row(format!("… {name}"), each(n))?;
    }
    Ok(())
}
