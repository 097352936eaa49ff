//! `compact`: few segments out of many, and space of the erased given back.

use escrowdb::store::{CompactOptions, CompactReport};

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Value;
use crate::out::Out;
use crate::progress::Line;

pub(crate) fn run(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut progress = Line::new();
    let done = store.compact(&CompactOptions::new(), |report| progress.show(&shown(report)));
    progress.finish();
    let report = done?;
    store.close()?;
    Ok(out.fields(&[
        ("segments_before", Value::Number(report.segments_before)),
        ("segments_after", Value::Number(report.segments_after)),
        ("bytes_before", Value::Number(report.bytes_before)),
        ("bytes_after", Value::Number(report.bytes_after)),
        ("reclaimed", Value::Number(report.reclaimed())),
        ("bytes_written", Value::Number(report.bytes_written)),
        ("steps", Value::Number(report.steps)),
        ("damaged", Value::Number(report.damaged)),
    ])?)
}

fn shown(report: &CompactReport) -> String {
    format!("{} steps, {} MB written", report.steps, report.bytes_written / 1_000_000)
}
