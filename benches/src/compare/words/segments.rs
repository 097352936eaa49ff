//! Stores of ours with the same records in more and more segments.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::compare::report::{Figure, Goal};
use crate::compare::words::asking::{Open, refusal, timed};
use crate::compare::words::ours;
use crate::compare::words::peer::{Peer as _, Plan};
use crate::compare::words::questions::over_segments;
use crate::compare::words::sheet::{Cell, Line, OURS, Sheet};
use crate::table::{number, time};
use crate::workload::Workload;

/// So many segments.
pub const STEPS: [u64; 3] = [15, 150, 1_500];

/// The store of so many segments; made if an earlier run did not leave it.
pub fn store(dir: &Path, plan: &Plan, segments: u64) -> Result<Open> {
    let folder: PathBuf = dir.join(format!("segments-{segments}"));
    let done = dir.join(format!("segments-{segments}.json"));
    if !done.exists() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let mut workload = plan.workload();
        let mut store = ours::open_still(&folder, plan)?;
        for n in 0..segments {
            let mut left = plan.records * (n + 1) / segments - plan.records * n / segments;
            while left > 0 {
                let batch = workload.batch(left.min(1_000) as usize);
                store.append(&batch)?;
                left -= batch.len() as u64;
            }
            store.roll()?;
        }
        fs::write(done, "{}")?;
    }
    let store = ours::open_still(&folder, plan)?;
    Ok(Open { key: OURS, name: "EscrowDB", peer: Box::new(store) })
}

/// Rows of counts over them: time a segment.
pub fn rows(dir: &Path, plan: &Plan, workload: &Workload, sheet: &mut Sheet) -> Result<()> {
    let asked = over_segments(workload);
    let mut found: Vec<Vec<(u64, Cell)>> = asked.iter().map(|_| Vec::new()).collect();
    for segments in STEPS {
        let mut open = store(dir, plan, segments)?;
        for ((_, ask), found) in asked.iter().zip(&mut found) {
            let systems = std::slice::from_mut(&mut open);
            let cells = timed(systems, ask, None, |peer| peer.count(ask).map(Some));
            let cell = match cells {
                Ok(cells) => cells.into_iter().next().map(|c| c.1),
                Err(e) => Some(Cell::Note(refusal(&e))),
            };
            found.extend(cell.map(|cell| (segments, cell)));
        }
    }
    for ((what, _), found) in asked.iter().zip(found) {
        let mut each = Vec::new();
        let mut parts = Vec::new();
        for (segments, cell) in found {
            match cell {
                Cell::Figure(Figure::Time(took)) => {
                    each.push((segments, took.as_secs_f64() / segments as f64));
                    parts.push(format!("{} {}", number(segments), time(took)));
                }
                Cell::Figure(_) => {}
                Cell::Note(note) => parts.push(note),
            }
        }
        parts.dedup();
        let line = Line::new(format!("{what}: counts over 15, 150, 1,500 segments"));
        let text = match each.last() {
            Some((segments, last)) => {
                let last = time(Duration::from_secs_f64(*last));
                format!("{} ({last} each of {})", parts.join(", "), number(*segments))
            }
            None => parts.join(", "),
        };
        let line = line.cell(OURS, Cell::Note(text));
        // Over few segments the time is that of their many records.
        let judged = each.last().map(|e| e.1 * 1e6);
        let goal = Goal::AtMost { must: 10.0, aim: 3.0 };
        let phrase = *what == "phrase";
        sheet.add(if phrase { line } else { line.judged("a segment", judged, " µs", goal) })?;
    }
    Ok(())
}
