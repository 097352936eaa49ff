//! The same question to every system, timed.

use std::time::{Duration, Instant};

use crate::Result;
use crate::compare::report::Figure;
use crate::compare::words::peer::{Ask, Peer};
use crate::compare::words::sheet::{Cell, Line, OURS};
use crate::meter::median;

/// Rounds; in each every system is asked in its turn, so that a busy machine is busy for all.
const ROUNDS: usize = 3;
/// Runs behind each other in a round, after one that warms and isn't counted.
const RUNS: usize = 5;
/// One run a round where one takes longer than this.
const LONG: Duration = Duration::from_millis(500);

/// A system that was opened.
pub struct Open {
    /// Its key.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// It.
    pub peer: Box<dyn Peer>,
}

/// Checks that every system that can answer finds the same records; answers how many. What we refuse is no
/// fault here: the row says it.
pub fn agreed(systems: &mut [Open], ask: &Ask) -> Result<u64> {
    let mut first: Option<(&str, Vec<u64>)> = None;
    for system in systems {
        if !system.peer.can(ask) {
            continue;
        }
        let mut found = match system.peer.numbers(ask) {
            Ok(found) => found,
            Err(_) if system.key == OURS => continue,
            Err(e) => return Err(format!("{}: {e}", system.name).into()),
        };
        found.sort_unstable();
        match &first {
            None => first = Some((system.name, found)),
            Some((_, first)) if *first == found => {}
            Some((name, first)) => {
                let (one, other) = (first.len(), found.len());
                return Err(format!("{name} finds {one} records, {} {other}: {ask:?}", system.name).into());
            }
        }
    }
    Ok(first.map_or(0, |(_, found)| found.len() as u64))
}

/// Medians of each system's runs. `run` answers how many it found, which must be `hits`, or `None` if the
/// system can't.
pub fn timed(
    systems: &mut [Open],
    ask: &Ask,
    hits: Option<u64>,
    mut run: impl FnMut(&mut dyn Peer) -> Result<Option<u64>>,
) -> Result<Vec<(&'static str, Cell)>> {
    let mut samples: Vec<Result<Vec<Duration>>> = systems.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (system, samples) in systems.iter_mut().zip(&mut samples) {
            let Ok(so_far) = samples else { continue };
            if let Err(e) = round(system, ask, hits, so_far, &mut run) {
                *samples = Err(e);
            }
        }
    }
    let mut cells = Vec::new();
    for (system, samples) in systems.iter().zip(samples) {
        let cell = match samples {
            Ok(samples) if samples.is_empty() => Cell::Note("–".into()),
            Ok(mut samples) => Cell::Figure(Figure::Time(median(&mut samples))),
            // What we can't do yet is said, and the others go on.
            Err(e) if system.key == OURS => Cell::Note(refusal(&e)),
            Err(e) => return Err(format!("{}: {e}", system.name).into()),
        };
        cells.push((system.key, cell));
    }
    Ok(cells)
}

fn round(
    system: &mut Open,
    ask: &Ask,
    hits: Option<u64>,
    samples: &mut Vec<Duration>,
    run: &mut impl FnMut(&mut dyn Peer) -> Result<Option<u64>>,
) -> Result<()> {
    if !system.peer.can(ask) {
        return Ok(());
    }
    let mut runs = 1 + RUNS;
    let mut nth = 0;
    while nth < runs {
        let start = Instant::now();
        let found = run(&mut *system.peer)?;
        let took = start.elapsed();
        let Some(found) = found else { return Ok(()) };
        if hits.is_some_and(|hits| hits != found) {
            return Err(format!("{found} hits: wrong").into());
        }
        if nth > 0 {
            samples.push(took);
        } else if took > LONG {
            runs = 2;
        }
        nth += 1;
    }
    Ok(())
}

/// Two rows, of counts and of ids.
pub fn counts_and_ids(systems: &mut [Open], what: &str, ask: &Ask) -> Result<[Line; 2]> {
    let hits = agreed(systems, ask)?;
    let counts = timed(systems, ask, Some(hits), |peer| peer.count(ask).map(Some))?;
    let ids = timed(systems, ask, Some(hits), |peer| peer.ids(ask).map(Some))?;
    let line = |way: &str, cells| Line::new(format!("{what}: {way}")).hits(hits).cells(cells);
    Ok([line("counts", counts), line("ids", ids)])
}

/// Why we have no figure.
pub fn refusal(e: &crate::Error) -> String {
    let e = e.to_string();
    if e.contains("not there yet") { e } else { format!("not there yet: {e}") }
}
