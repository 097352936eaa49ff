//! Rows of erasures: the same person everywhere, until her bytes are gone from the files.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::compare::report::{Figure, Goal};
use crate::compare::words::copies::Copy;
use crate::compare::words::peer::{Peer, Plan, System};
use crate::compare::words::sheet::{Cell, Line, OURS, Sheet};
use crate::meter::median;
use crate::workload::Workload;

/// People erased from a peer, one after the other.
const PEOPLE: u64 = 3;
/// One only where that takes longer.
const LONG: Duration = Duration::from_secs(20);
/// From ours.
const OUR_PEOPLE: u64 = 9;

/// What erasing took, person by person.
#[derive(Default)]
struct Times {
    deleted: Vec<Duration>,
    gone: Vec<Duration>,
    a_segment: Vec<Duration>,
    records: Vec<u64>,
}

/// All rows.
pub fn rows(systems: &[System], dir: &Path, plan: &Plan, sheet: &mut Sheet) -> Result<()> {
    let mut workload = plan.workload();
    // Who is a customer, and who wrote most, is known behind the last record.
    (0..plan.records).for_each(|_| drop(workload.record()));
    let mut all = Vec::new();
    let mut largest = None;
    for system in systems {
        let copy = Copy::of(&dir.join(system.key))?;
        let mut peer = (system.open)(&copy.dir, plan)?;
        let people = if system.key == OURS { OUR_PEOPLE } else { PEOPLE };
        let times = one_by_one(&mut *peer, &workload, people)?;
        if system.key == OURS {
            largest = Some(largest_author(&mut *peer, &workload)?);
        }
        drop(peer);
        let last = whom(&workload, times.records.len() as u64 - 1);
        if copy.holds(last.as_bytes())? {
            sheet.note(format!("{}: whom it erased stands in clear in its files still", system.name))?;
        }
        all.push((system.key, times));
    }
    let hits = all.first().and_then(|(_, times)| times.records.first().copied()).unwrap_or_default();
    if all.iter().any(|(_, times)| times.records.first() != Some(&hits)) {
        return Err("not all erased the same records".into());
    }
    let cells = |of: fn(&Times) -> &[Duration]| {
        let cell = |times| Cell::Figure(Figure::Time(median(&mut of(times).to_vec())));
        all.iter().map(|(key, times)| (*key, cell(times))).collect::<Vec<_>>()
    };
    let line = Line::new("erase a small subject; the peers only delete").hits(hits);
    sheet.add(line.cells(cells(|times| &times.deleted)))?;
    let gone = cells(|times| &times.gone);
    let line = Line::new("the same until the bytes are gone (delete, then rewrite)").hits(hits);
    sheet.add(against_all(line.cells(gone.clone())))?;
    let ours = gone.into_iter().filter(|cell| cell.0 == OURS);
    let line = Line::new("the same, FTS5 with `secure-delete` instead").hits(hits).cells(ours);
    let theirs = at_once(systems, dir, plan, &workload, sheet)?;
    sheet.add(against_all(line.cells(theirs)))?;

    let goal = Goal::AtMost { must: 60.0, aim: 25.0 };
    let a_segment = all.into_iter().find(|one| one.0 == OURS).map(|one| one.1.a_segment);
    a_segment_row("… a touched segment", a_segment, goal, sheet)?;
    let goal = Goal::AtMost { must: 120.0, aim: 50.0 };
    a_segment_row("erase the largest author, a touched segment", largest.map(|d| vec![d]), goal, sheet)
}

/// Judged against every peer that has a figure.
fn against_all(mut line: Line) -> Line {
    for key in line.keys() {
        if key != OURS {
            line = line.times_better(key, 50.0, 200.0);
        }
    }
    line
}

fn a_segment_row(what: &str, samples: Option<Vec<Duration>>, goal: Goal, sheet: &mut Sheet) -> Result<()> {
    let Some(mut samples) = samples.filter(|samples| !samples.is_empty()) else { return Ok(()) };
    let line = Line::new(what).cell(OURS, Cell::Figure(Figure::Time(median(&mut samples))));
    let value = line.milliseconds();
    sheet.add(line.judged("", value, " ms", goal))
}

/// The nth person: a customer of the middle of the year, or an author who wrote little.
fn whom(workload: &Workload, nth: u64) -> String {
    workload.small_subject(1 + 2 * nth)
}

fn one_by_one(peer: &mut dyn Peer, workload: &Workload, people: u64) -> Result<Times> {
    let mut times = Times::default();
    for nth in 0..people {
        let start = Instant::now();
        let erased = peer.erase(&whom(workload, nth))?;
        let deleted = start.elapsed();
        peer.scrub()?;
        let gone = start.elapsed();
        times.records.push(erased.records);
        times.deleted.push(deleted);
        times.gone.push(gone);
        if erased.segments > 0 {
            times.a_segment.push(gone / erased.segments as u32);
        }
        if gone > LONG {
            break;
        }
    }
    Ok(times)
}

fn largest_author(peer: &mut dyn Peer, workload: &Workload) -> Result<Duration> {
    let start = Instant::now();
    let erased = peer.erase(&workload.largest_author())?;
    Ok(start.elapsed() / erased.segments.max(1) as u32)
}

/// Those that have a way to erase without rewriting everything.
fn at_once(
    systems: &[System],
    dir: &Path,
    plan: &Plan,
    workload: &Workload,
    sheet: &mut Sheet,
) -> Result<Vec<(&'static str, Cell)>> {
    let mut cells = Vec::new();
    for system in systems.iter().filter(|system| system.key.starts_with("sql")) {
        let copy = Copy::of(&dir.join(system.key))?;
        let mut peer = (system.open)(&copy.dir, plan)?;
        let mut samples = Vec::new();
        for nth in 0..PEOPLE {
            let start = Instant::now();
            if peer.erase_at_once(&whom(workload, nth))?.is_some() {
                samples.push(start.elapsed());
            }
        }
        drop(peer);
        if copy.holds(whom(workload, PEOPLE - 1).as_bytes())? {
            sheet.note(format!("{}: `secure-delete` left the erased in clear", system.name))?;
        }
        cells.push((system.key, Cell::Figure(Figure::Time(median(&mut samples)))));
    }
    Ok(cells)
}
