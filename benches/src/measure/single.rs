//! Records one by one: against the device's own pace, and many callers against one.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::store::{Record, Store};

use crate::Result;
use crate::measure::store;
use crate::meter::median;
use crate::table::{Table, rate, time};
use crate::workload::Workload;

const SINGLES: usize = 500;
const CALLERS: usize = 64;
const EACH: usize = 60;
const ROUNDS: usize = 9;

/// Durable appends of one record, each beside a bare append of 256 bytes and fdatasync.
pub fn one_by_one(dir: &Path, beside: &Path, workload: &mut Workload, table: &mut Table) -> Result<()> {
    let store = store(dir).open()?;
    let bare = OpenOptions::new().write(true).create_new(true).open(beside.join("bare"))?;
    let block = [7u8; 256];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for i in 0..SINGLES {
        let record = workload.batch(1);
        let start = Instant::now();
        store.append(&record)?;
        ours.push(start.elapsed());
        let start = Instant::now();
        bare.write_all_at(&block, (i * block.len()) as u64)?;
        bare.sync_data()?;
        theirs.push(start.elapsed());
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    table.row("single append, p50", time(ours))?;
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9);
    table.row("bare append and fdatasync, p50", format!("{} (ratio {ratio:.2})", time(theirs)))?;
    store.close()?;
    Ok(())
}

/// 64 callers that append single records, against one: medians of rounds in which both take turns.
pub fn together(dir: &Path, workload: &mut Workload, table: &mut Table) -> Result<()> {
    let store = store(dir).open()?;
    let (mut ones, mut manys, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = alone(&store, &workload.batch(EACH * 4))?;
        let shares: Vec<_> = (0..CALLERS).map(|_| workload.batch(EACH)).collect();
        let many = beside_each_other(&store, &shares)?;
        ratios.push(one.as_secs_f64() / many.as_secs_f64().max(1e-9));
        ones.push(one);
        manys.push(many);
    }
    ratios.sort_by(f64::total_cmp);
    let [least, middle, most] =
        [0, ROUNDS / 2, ROUNDS - 1].map(|at| ratios.get(at).copied().unwrap_or_default());
    table.row(format!("one caller, single appends, median of {ROUNDS}"), rate(1, median(&mut ones)))?;
    table.row(
        format!("{CALLERS} callers, single appends, median of {ROUNDS}"),
        format!("{} (ratio {middle:.1}, from {least:.1} to {most:.1})", rate(1, median(&mut manys))),
    )?;
    store.close()?;
    Ok(())
}

/// Time a record of one caller.
fn alone(store: &Store, records: &[Record]) -> Result<Duration> {
    let start = Instant::now();
    for record in records {
        store.append(std::slice::from_ref(record))?;
    }
    Ok(start.elapsed() / records.len() as u32)
}

/// Time a record of as many callers as there are shares.
fn beside_each_other(store: &Store, shares: &[Vec<Record>]) -> Result<Duration> {
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let callers: Vec<_> = shares.iter().map(|share| scope.spawn(|| alone(store, share))).collect();
        for caller in callers {
            caller.join().map_err(|_| "a caller panicked")??;
        }
        Ok(())
    })?;
    Ok(start.elapsed() / (CALLERS * EACH) as u32)
}
