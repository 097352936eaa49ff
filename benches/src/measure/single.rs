//! Records one by one: against the device's own pace, and many callers against one.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::measure::store;
use crate::meter::median;
use crate::table::{Table, rate, time};
use crate::workload::Workload;

const SINGLES: usize = 500;
const CALLERS: usize = 64;
const EACH: usize = 60;

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

/// 64 callers that append single records, against one.
pub fn together(dir: &Path, workload: &mut Workload, table: &mut Table) -> Result<()> {
    let store = store(dir).open()?;
    let records = workload.batch(EACH * 4);
    let start = Instant::now();
    for record in &records {
        store.append(std::slice::from_ref(record))?;
    }
    let one = start.elapsed();
    let shares: Vec<_> = (0..CALLERS).map(|_| workload.batch(EACH)).collect();
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let callers: Vec<_> = shares
            .iter()
            .map(|share| {
                let store = &store;
                scope.spawn(move || -> Result<()> {
                    for record in share {
                        store.append(std::slice::from_ref(record))?;
                    }
                    Ok(())
                })
            })
            .collect();
        for caller in callers {
            caller.join().map_err(|_| "a caller panicked")??;
        }
        Ok(())
    })?;
    let many = start.elapsed();
    let per = |n: usize, d: Duration| n as f64 / d.as_secs_f64();
    let ratio = per(CALLERS * EACH, many) / per(records.len(), one);
    table.row("one caller, single appends", rate(records.len() as u64, one))?;
    table.row(
        "64 callers, single appends",
        format!("{} (ratio {ratio:.1})", rate((CALLERS * EACH) as u64, many)),
    )?;
    store.close()?;
    Ok(())
}
