//! The acknowledged path where every record is asked of many segments whether it is there already.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use escrowdb::Store;
use escrowdb::store::Outcome;

use crate::Result;
use crate::compare::report::{Figure, Goal, Report, Row};
use crate::measure::store;
use crate::meter::{self, median, percentile};
use crate::table::number;
use crate::workload::{Shape, Workload};

/// What to measure.
pub struct Options {
    /// Segments.
    pub segments: u64,
    /// Records of each; fewer than a journal rolls at are rolled by closing the store.
    pub each: u64,
    /// Folder; made, and removed at the end.
    pub dir: PathBuf,
    /// JSON Lines instead of a table.
    pub json: bool,
}

const BATCH: usize = 1_000;
const BATCHES: usize = 50;
const LARGE_BATCH: u64 = 8_192;
/// A journal rolls at so many records.
const ROLL: u64 = 65_536;

/// Measures and answers the table.
pub fn run(options: &Options) -> Result<String> {
    std::fs::create_dir(&options.dir)?;
    let result = measure(options);
    std::fs::remove_dir_all(&options.dir)?;
    result
}

fn measure(options: &Options) -> Result<String> {
    let planned = options.segments * options.each + 3 * (BATCH * BATCHES) as u64;
    let mut workload = Workload::new(Shape::Local, planned, 42);
    let mut report = Report::default();

    let empty = store(&options.dir.join("empty")).preset(workload.preset()).create()?;
    let bare = paced(&empty, &mut workload)?;
    empty.close()?;

    let dir = options.dir.join("full");
    let mut full = store(&dir).preset(workload.preset()).create()?;
    let mut added = 0;
    while added < options.segments * options.each {
        let n = LARGE_BATCH.min(options.each - added % options.each);
        full.append(&workload.batch(n as usize))?;
        added += n;
        if options.each < ROLL && added.is_multiple_of(options.each) {
            full.close()?;
            full = store(&dir).open()?;
        }
    }
    full.close()?;
    let mut opening = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        let opened = store(&dir).open()?;
        opening.push(start.elapsed());
        opened.close()?;
    }
    let full = store(&dir).open()?;
    let segments = full.stats()?.segments;
    // Filters over many segments are made behind the first batches.
    let first = paced(&full, &mut workload)?;
    let many = paced(&full, &mut workload)?;
    full.close()?;

    let goal = Goal::AtMost { must: 4.0, aim: 2.5 };
    let opened = format!("{segments} segments, the first {BATCHES} batches after opening");
    let later = format!("{segments} segments, the {BATCHES} after them");
    for (what, paced) in [("no segment", bare), (&*opened, first), (&*later, many)] {
        report.add(
            Row::new(format!("acknowledged path, {what}: a record of the median batch"))
                .figures([Some(Figure::Time(paced.median)), None, None])
                .judged(paced.median.as_secs_f64() * 1e6, " µs")
                .goal(goal),
        )?;
        report.add(Row::new("… processor time of the appending thread, a record").figures([
            Some(Figure::Time(paced.cpu)),
            None,
            None,
        ]))?;
        report.add(Row::new("… the slowest batch").figures([Some(Figure::Time(paced.worst)), None, None]))?;
    }
    report.add(Row::new(format!("open after a clean close, {segments} segments")).figures([
        Some(Figure::Time(median(&mut opening))),
        None,
        None,
    ]))?;
    if options.json {
        return Ok(report.json());
    }
    Ok(report.plain(&format!("{} records in {segments} segments", number(added))))
}

struct Paced {
    median: Duration,
    cpu: Duration,
    worst: Duration,
}

/// Batches of 1,000 that do not fill a journal, so no roll runs beside.
fn paced(store: &Store, workload: &mut Workload) -> Result<Paced> {
    let (mut samples, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let batch = workload.batch(BATCH);
        let (start, used) = (Instant::now(), meter::thread_cpu());
        let outcomes = store.append(&batch)?;
        samples.push(start.elapsed() / BATCH as u32);
        cpu.push((meter::thread_cpu() - used) / BATCH as u32);
        if outcomes.iter().any(|o| !matches!(o, Outcome::Added(_))) {
            return Err("a record was not added".into());
        }
    }
    let worst = percentile(&mut samples, 1.0) * BATCH as u32;
    Ok(Paced { median: median(&mut samples), cpu: median(&mut cpu), worst })
}
