//! Single records, each durable, in turn: ours, the peers', and a bare append of the device.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use crate::Result;
use crate::compare::engines::Engine;
use crate::compare::report::{Figure, Goal, Report, Row};
use crate::meter::median;
use crate::workload::Workload;

const SINGLES: usize = 300;

/// Appends records one by one to every engine, and as many bytes to a bare file.
pub fn one_by_one(
    engines: &mut [Box<dyn Engine>],
    beside: &Path,
    workload: &mut Workload,
    report: &mut Report,
) -> Result<()> {
    let bare = OpenOptions::new().write(true).create_new(true).open(beside.join("bare"))?;
    let block = [7u8; 256];
    let mut samples = [const { Vec::new() }; 3];
    let mut device = Vec::new();
    for i in 0..SINGLES {
        let record = workload.batch(1);
        for (samples, engine) in samples.iter_mut().zip(&mut *engines) {
            let start = Instant::now();
            engine.append(&record)?;
            samples.push(start.elapsed());
        }
        let start = Instant::now();
        bare.write_all_at(&block, (i * block.len()) as u64)?;
        bare.sync_data()?;
        device.push(start.elapsed());
    }
    let medians = samples.each_mut().map(|s| Some(Figure::Time(median(s))));
    let device = Some(Figure::Time(median(&mut device)));
    let mut row = Row::new("single durable append, p50")
        .figures(medians)
        .ratio(medians[0], device, "ours / device")
        .goal(Goal::AtMost { must: 2.0, aim: 1.3 });
    row.bare = device;
    report.add(row)
}
