//! Durable batches of 1,000 records, one caller.

use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::store::Outcome;

use crate::Result;
use crate::measure::store;
use crate::meter::{self, percentile};
use crate::table::{Table, bytes, number, rate, time};
use crate::workload::Workload;

const BATCH: u64 = 1_000;

/// Loads `records` and closes the store. Making the records and dropping them is not counted.
pub fn load(dir: &Path, workload: &mut Workload, records: u64, table: &mut Table) -> Result<()> {
    let store = store(dir).preset(workload.preset()).create()?;
    meter::reset_peak();
    let mut batches = Vec::new();
    let mut making = Duration::ZERO;
    let (mut own_cpu, mut added) = (Duration::ZERO, 0);
    let cpu = meter::process_cpu();
    while added < records {
        let before = meter::thread_cpu();
        let batch = workload.batch(BATCH.min(records - added) as usize);
        let made = meter::thread_cpu();
        making += made - before;
        let start = Instant::now();
        let outcomes = store.append(&batch)?;
        batches.push(start.elapsed());
        own_cpu += meter::thread_cpu() - made;
        if outcomes.iter().any(|o| !matches!(o, Outcome::Added(_))) {
            return Err("a record was not added".into());
        }
        added += batch.len() as u64;
        let before = meter::thread_cpu();
        drop(batch);
        making += meter::thread_cpu() - before;
    }
    let start = Instant::now();
    store.close()?;
    let closing = start.elapsed();
    let cpu = meter::process_cpu() - cpu - making;
    let peak = meter::peak();

    let sum: Duration = batches.iter().sum();
    table.row("batches of 1,000, durable and found", rate(added, sum))?;
    table.row("the same with the close, which rolls", rate(added, sum + closing))?;
    table.row("CPU a record, all threads", time(cpu / added as u32))?;
    table.row("CPU a record, appending thread", time(own_cpu / added as u32))?;
    let p50 = percentile(&mut batches, 0.5);
    table.row("acknowledged path, a record of the median batch", time(p50 / BATCH as u32))?;
    let (p99, p999) = (percentile(&mut batches, 0.99), percentile(&mut batches, 0.999));
    table.row("batch p50 / p99 / p99.9", format!("{} / {} / {}", time(p50), time(p99), time(p999)))?;
    table.row("close", time(closing))?;
    table.row("peak memory, loading", bytes(peak))?;
    let kinds = meter::bytes_by_kind(dir)?;
    let all = kinds.iter().map(|k| k.1).sum::<u64>();
    table.row("bytes a record", format!("{:.0}", all as f64 / added as f64))?;
    for (kind, sum) in kinds.iter().filter(|k| k.1 > added / 10) {
        table.row(format!("… {kind}"), format!("{:.1}", *sum as f64 / added as f64))?;
    }
    table.row("records", number(added))
}
