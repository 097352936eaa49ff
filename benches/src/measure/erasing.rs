//! Erasures by step. Borders between steps are read off the files that end them: HEAD and slot.

use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::Store;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Selector};

use crate::Result;
use crate::measure::watched;
use crate::meter;
use crate::table::{Table, bytes, number, time};
use crate::watch::{Event, Notes, Op, Watch};
use crate::workload::Workload;

/// Erases small subjects, one record, then whoever wrote most.
pub fn erase(dir: &Path, workload: &Workload, table: &mut Table) -> Result<()> {
    let watch = Watch::new();
    let notes = watch.notes();
    let store = watched(dir, &watch).open()?;
    meter::reset_peak();
    for nth in 0..3 {
        let who = workload.small_subject(600 + 2 * nth);
        let name = format!("erase of a small subject, {}", nth + 1);
        one(&store, &notes, &name, &Selector::Person(who), table)?;
    }
    let record = Selector::Record { id: workload.id_of(4_321), conversation: None };
    one(&store, &notes, "erase of one record", &record, table)?;
    let largest = Selector::Person(workload.largest_author());
    one(&store, &notes, "erase of the largest author", &largest, table)?;
    table.row("peak memory, erasing", bytes(meter::peak()))?;
    store.close()?;
    Ok(())
}

fn one(store: &Store, notes: &Notes, name: &str, who: &Selector, table: &mut Table) -> Result<()> {
    notes.take();
    let cpu = meter::process_cpu();
    let start = Instant::now();
    let from = notes.now();
    let certificate = store.erase(who, &EraseOptions::default())?;
    let whole = start.elapsed();
    let cpu = meter::process_cpu() - cpu;
    let until = notes.now();
    let read = notes.bytes_read();
    let events = notes.take();
    let written = events.iter().map(|e| e.bytes).sum();
    let segments = certificate.segments_rekeyed;
    let each = whole / segments.max(1) as u32;
    table.row(
        format!("{name}: records / segments / journals"),
        format!(
            "{} / {segments} / {}",
            number(certificate.records_removed),
            certificate.journal_keys_destroyed
        ),
    )?;
    table.row("… whole / a segment / CPU", format!("{} / {} / {}", time(whole), time(each), time(cpu)))?;
    table.row(
        "… written / read / files",
        format!("{} / {} / {}", bytes(written), bytes(read), created(&events)),
    )?;
    let steps: Vec<String> =
        steps(&events, from, until).into_iter().map(|(step, d)| format!("{step} {}", time(d))).collect();
    table.row("… steps", steps.join(", "))?;
    let start = Instant::now();
    store.session(Session::new()).count("tag:dept:0")?;
    table.row("… first count afterwards", time(start.elapsed()))
}

fn created(events: &[Event]) -> usize {
    events.iter().filter(|e| e.op == Op::Create).count()
}

/// Names and lengths of the steps of a single pass.
fn steps(events: &[Event], from: Duration, until: Duration) -> Vec<(&'static str, Duration)> {
    let ends = |op: Op, kind: &str| {
        let kind = kind.to_owned();
        events.iter().filter(move |e| e.op == op && e.kind == kind).map(|e| e.to)
    };
    let heads: Vec<Duration> = ends(Op::Sync, "HEAD").collect();
    let slots: Vec<Duration> = ends(Op::Sync, "slot").collect();
    let (Some(announced), Some(built), Some(staged), Some(destroyed)) =
        (heads.first(), heads.get(1), slots.first(), slots.last())
    else {
        return Vec::new();
    };
    let files = events
        .iter()
        .filter(|e| {
            e.op == Op::Sync && matches!(e.kind, "indexes" | "bodies" | "log" | "folder") && e.to < *built
        })
        .map(|e| e.to)
        .max()
        .unwrap_or(*announced);
    let record = ends(Op::Sync, "journals").find(|t| t > destroyed).unwrap_or(until);
    let staging = events.iter().filter(|e| e.kind == "slot").map(|e| e.from).min().unwrap_or(*staged);
    vec![
        ("announce", *announced - from),
        ("build", files.saturating_sub(*announced)),
        ("tree", built.saturating_sub(files)),
        ("read back", staging.saturating_sub(*built)),
        ("stage", staged.saturating_sub(staging)),
        ("destroy", destroyed.saturating_sub(*staged)),
        ("wipe and record", record.saturating_sub(*destroyed)),
        ("clear", until.saturating_sub(record)),
    ]
}
