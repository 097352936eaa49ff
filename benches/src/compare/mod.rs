//! EscrowDB beside SQLite and a hand-sealed redb: the same records, the same questions, one run.
//!
//! Loads come one after the other; everything short is asked in turn, round by round, so that a
//! busy machine is busy for all. Only ratios within one run mean anything.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Result;
use crate::compare::engines::{Engine, Opener};
use crate::compare::report::{Figure, Report, Row};
use crate::meter::{self, median};
use crate::table::number;
use crate::workload::{Shape, Workload};

pub mod engines;
pub mod ours;
pub mod queries;
pub mod report;
pub mod sealed_redb;
pub mod sealed_row;
pub mod singles;
pub mod sqlite;
pub mod words;

/// What to compare.
pub struct Options {
    /// Records to load.
    pub records: u64,
    /// Their shape.
    pub shape: Shape,
    /// Folder; made, and removed at the end.
    pub dir: PathBuf,
    /// Seed of the records.
    pub seed: u64,
    /// Loading with batches of 1,000 is timed for so long; the rest goes in in larger batches.
    pub patience: Duration,
    /// JSON Lines instead of a table.
    pub json: bool,
}

const BATCH: u64 = 1_000;
const LARGE_BATCH: u64 = 25_000;
const OPENINGS: usize = 7;

/// Ours, SQLite, redb: the order of all arrays.
const NAMES: [&str; 3] = ["escrowdb", "sqlite", "redb"];

/// Compares and answers the table.
pub fn run(options: &Options) -> Result<String> {
    std::fs::create_dir(&options.dir)?;
    let result = compare(options);
    std::fs::remove_dir_all(&options.dir)?;
    result
}

fn compare(options: &Options) -> Result<String> {
    let mut report = Report::default();
    let openers: [Opener; 3] = match options.shape {
        Shape::Local => {
            [|dir| ours::open(dir, escrowdb::store::Preset::Customer), sqlite::open, sealed_redb::open]
        }
        Shape::Zipf => {
            [|dir| ours::open(dir, escrowdb::store::Preset::Peer), sqlite::open, sealed_redb::open]
        }
    };
    let folders = NAMES.map(|name| options.dir.join(name));
    for folder in &folders {
        std::fs::create_dir(folder)?;
    }
    let mut workload = Workload::new(options.shape, options.records, options.seed);
    let mut loads = Vec::new();
    for (open, folder) in openers.iter().zip(&folders) {
        workload = Workload::new(options.shape, options.records, options.seed);
        loads.push(load(&mut *open(folder)?, &mut workload, options)?);
    }
    let rates = [loads.first(), loads.get(1), loads.get(2)].map(|r| r.copied().map(Figure::Rate));
    report.add(Row::new("durable batches of 1,000").figures(rates).ratio(
        rates[0],
        rates[1],
        "ours / SQLite",
    ))?;
    {
        let mut engines = open_all(&openers, &folders)?;
        singles::one_by_one(&mut engines, &options.dir, &mut workload, &mut report)?;
        for engine in &mut engines {
            engine.settle()?;
        }
    }
    files(&folders, options, &mut report)?;
    opening(&openers, &folders, &workload, &mut report)?;
    let mut engines = open_all(&openers, &folders)?;
    queries::questions(&mut engines, &workload, &mut report)?;
    queries::points(&mut engines, options.records, &mut report)?;
    erasing(&mut engines, &workload, &mut report)?;
    if options.json {
        return Ok(report.json());
    }
    let shape = if options.shape == Shape::Zipf { "zipf" } else { "local" };
    Ok(report.markdown(&format!("{} records, {shape}", number(options.records))))
}

type Engines = Vec<Box<dyn Engine>>;

fn open_all(openers: &[Opener], folders: &[PathBuf]) -> Result<Engines> {
    openers.iter().zip(folders).map(|(open, folder)| open(folder)).collect()
}

/// Loads the records; answers how many a second went in in batches of 1,000.
fn load(engine: &mut dyn Engine, workload: &mut Workload, options: &Options) -> Result<f64> {
    let (mut added, mut timed) = (0, 0);
    let mut spent = Duration::ZERO;
    while added < options.records {
        let patient = spent < options.patience;
        let batch = if patient { BATCH } else { LARGE_BATCH }.min(options.records - added);
        let records = workload.batch(batch as usize);
        let start = Instant::now();
        engine.append(&records)?;
        if patient {
            spent += start.elapsed();
            timed += batch;
        }
        added += batch;
    }
    engine.settle()?;
    Ok(timed as f64 / spent.as_secs_f64())
}

fn files(folders: &[PathBuf; 3], options: &Options, report: &mut Report) -> Result<()> {
    let mut sums = [None; 3];
    for (sum, folder) in sums.iter_mut().zip(folders) {
        let kinds = meter::bytes_by_kind(folder)?;
        let bytes = kinds.iter().map(|k| k.1).sum::<u64>();
        *sum = Some(Figure::PerRecord(bytes as f64 / options.records as f64));
    }
    report.add(Row::new("bytes a record").figures(sums).ratio(sums[0], sums[1], "ours / SQLite"))
}

fn opening(openers: &[Opener], folders: &[PathBuf], workload: &Workload, report: &mut Report) -> Result<()> {
    let question = queries::selective(workload);
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..OPENINGS {
        for (samples, (open, folder)) in samples.iter_mut().zip(openers.iter().zip(folders)) {
            let start = Instant::now();
            let mut engine = open(folder)?;
            engine.count(&question)?;
            samples.push(start.elapsed());
        }
    }
    let medians = samples.each_mut().map(|s| Some(Figure::Time(median(s))));
    report.add(Row::new("open after a clean close, and a first count").figures(medians).ratio(
        medians[1],
        medians[0],
        "SQLite / ours",
    ))
}

/// A small subject goes; then the peers rewrite their files, for until then the bytes stand there.
fn erasing(engines: &mut Engines, workload: &Workload, report: &mut Report) -> Result<()> {
    let mut samples = [const { Vec::new() }; 3];
    for nth in 0..3 {
        let who = workload.small_subject(600 + 2 * nth);
        let mut gone = Vec::new();
        for (samples, engine) in samples.iter_mut().zip(&mut *engines) {
            let start = Instant::now();
            gone.push(engine.erase(&who)?);
            samples.push(start.elapsed());
        }
        if gone.iter().any(|n| Some(n) != gone.get(1)) {
            return Err(format!("erased {gone:?} records").into());
        }
    }
    let deleted = samples.each_mut().map(|s| median(s));
    let figures = deleted.map(|d| Some(Figure::Time(d)));
    report.add(Row::new("erase a small subject; the peers only delete").figures(figures).ratio(
        figures[1],
        figures[0],
        "SQLite / ours",
    ))?;
    let mut whole = figures;
    for ((whole, deleted), engine) in whole.iter_mut().zip(deleted).zip(&mut *engines) {
        let start = Instant::now();
        engine.scrub()?;
        *whole = Some(Figure::Time(deleted + start.elapsed()));
    }
    report.add(
        Row::new("the same until the bytes are gone from the files (`VACUUM`, `compact`)")
            .figures(whole)
            .ratio(whole[1], whole[0], "SQLite / ours"),
    )
}
