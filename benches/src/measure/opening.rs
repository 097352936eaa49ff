//! Opening: after a clean close, and after a kill with a full journal.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use escrowdb::session::Session;

use crate::measure::{Options, store};
use crate::meter::{self, median};
use crate::table::{Table, bytes, number, time};
use crate::workload::{Shape, Workload};
use crate::{Error, Result};

/// Records of a full journal: one more rolls it.
const JOURNAL: u64 = 65_000;

/// Opens a store that was closed, several times.
pub fn clean(dir: &Path, table: &mut Table) -> Result<()> {
    let (mut opening, mut reading) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let start = Instant::now();
        let store = store(dir).open()?;
        opening.push(start.elapsed());
        store.session(Session::new()).count("tag:dept:0")?;
        reading.push(start.elapsed());
        store.close()?;
    }
    table.row("open after a clean close", time(median(&mut opening)))?;
    table.row("… and the first count", time(median(&mut reading)))
}

/// Opens a store whose process ended with a full journal.
pub fn killed(dir: &Path, options: &Options, table: &mut Table) -> Result<()> {
    let shape = if options.shape == Shape::Zipf { "zipf" } else { "local" };
    let status = Command::new(std::env::current_exe()?)
        .args(["fill-and-die".as_ref(), dir.as_os_str(), shape.as_ref()])
        .args([options.records.to_string(), JOURNAL.to_string()])
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        return Err("the filling process should have died".into());
    }
    meter::reset_peak();
    let start = Instant::now();
    let store = store(dir).open()?;
    let opening = start.elapsed();
    table.row(format!("open after a kill, journal of {}", number(JOURNAL)), time(opening))?;
    table.row("peak memory, opening after a kill", bytes(meter::peak()))?;
    store.close()?;
    Ok(())
}

/// Appends `records` to the store and ends the process without closing anything.
///
/// # Errors
/// Whatever kept it from filling; otherwise it does not return.
pub fn fill_and_die(dir: &Path, shape: Shape, planned: u64, records: u64) -> Result<()> {
    let store = store(dir).open()?;
    let mut workload = Workload::new(shape, planned, 77);
    let had = store.stats()?.journal_records;
    for _ in 0..(records - had) / 1_000 {
        let mut batch = workload.batch(1_000);
        for record in &mut batch {
            record.id = record.id.take().map(|id| format!("k{id}"));
        }
        store.append(&batch)?;
    }
    if store.stats()?.journal_records == 0 {
        return Err(Error::from("the journal rolled"));
    }
    std::process::abort()
}
