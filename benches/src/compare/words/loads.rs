//! Rows of loading: records a second, processor time, memory; and what a second processor gives.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::compare::report::{Figure, Goal};
use crate::compare::words::child::{self, Loaded, Way};
use crate::compare::words::peer::{Plan, System};
use crate::compare::words::sheet::{Cell, Line, OURS, Sheet};
use crate::table::time;

/// Pairs of loads on one processor and on all.
const PAIRS: usize = 3;

/// Loads a system, or takes what an earlier run left in the folder.
pub fn load(system: &System, dir: &Path, plan: &Plan) -> Result<Loaded> {
    let done = dir.join(format!("{}.json", system.key));
    if let Ok(text) = fs::read_to_string(&done) {
        return Loaded::from_json(&serde_json::from_str(&text)?);
    }
    let folder = dir.join(system.key);
    if folder.exists() {
        // An earlier run ended while it loaded.
        fs::remove_dir_all(&folder)?;
    }
    let loaded = child::load(system, &folder, plan, Way::Streamed)?;
    fs::write(done, loaded.to_json().to_string())?;
    Ok(loaded)
}

/// Rows of what loading took.
pub fn rows(loads: &[(&'static str, Loaded)], records: u64, sheet: &mut Sheet) -> Result<()> {
    let rate = |d: Duration| Cell::Figure(Figure::Rate(records as f64 / d.as_secs_f64().max(1e-9)));
    let cells =
        |f: &dyn Fn(&Loaded) -> Cell| loads.iter().map(|(key, load)| (*key, f(load))).collect::<Vec<_>>();
    sheet.add(
        Line::new("durable batches of 1,000, whole load")
            .more_is_better()
            .cells(cells(&|l| rate(l.acknowledged)))
            .times_better("sqlcipher", 8.0, 15.0)
            .times_better("sqlite", 6.0, 10.0)
            .times_better("tantivy", 5.0, 5.0),
    )?;
    sheet.add(
        Line::new("… until nothing runs behind any more").more_is_better().cells(cells(&|l| rate(l.settled))),
    )?;
    sheet.add(
        Line::new("… processor time a record, all threads")
            .cells(cells(&|l| Cell::Figure(Figure::Time(l.cpu.div_f64(records.max(1) as f64))))),
    )
}

/// Rows of the most memory held while loading.
pub fn memory(loads: &[(&'static str, Loaded)], sheet: &mut Sheet) -> Result<()> {
    let cells = |f: &dyn Fn(&Loaded) -> u64| {
        loads.iter().map(|(key, load)| (*key, Cell::Figure(Figure::Bytes(f(load))))).collect::<Vec<_>>()
    };
    sheet
        .add(Line::new("peak memory over the load").cells(cells(&|l| l.peak)).part_of("sqlite", 1.2, 0.8))?;
    sheet.add(Line::new("… without pages of mapped files").cells(cells(&|l| l.own)))
}

/// What a second processor gives us: pairs of loads, one on one processor and one on all, of records that are in
/// memory already.
pub fn cores(ours: &System, dir: &Path, plan: &Plan, sheet: &mut Sheet) -> Result<()> {
    let folder = dir.join("cores");
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let mut pair = Vec::new();
        for cores in [1, 0] {
            let loaded = child::load(ours, &folder, plan, Way::Ready { cores })?;
            fs::remove_dir_all(&folder)?;
            pair.push(loaded.settled.as_secs_f64());
        }
        pairs.push((pair[0] / pair[1].max(1e-9), pair[0], pair[1]));
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (gain, one, all) = pairs[PAIRS / 2];
    let all_gains: Vec<String> = pairs.iter().map(|pair| format!("{:.2}", pair.0)).collect();
    let [one, all] = [one, all].map(|s| time(Duration::from_secs_f64(s)));
    let text = format!("{gain:.2}× ({one} against {all}; pairs {})", all_gains.join(", "));
    sheet.add(
        Line::new("second processor, whole load until nothing runs behind")
            .cell(OURS, Cell::Note(text))
            .judged("", Some(gain), "×", Goal::AtLeast { must: 1.2, aim: 1.6 }),
    )
}
