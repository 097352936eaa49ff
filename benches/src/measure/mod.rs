//! One figure after the other, on one store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::store::{Builder, Store};

use crate::Result;
use crate::table::Table;
use crate::watch::Watch;
use crate::workload::{Shape, Workload};

pub mod auditing;
pub mod compacting;
pub mod erasing;
pub mod evidence;
pub mod loading;
pub mod opening;
pub mod reading;
pub mod ruling;
pub mod serving;
pub mod single;
pub mod witness;

/// What to measure.
pub struct Options {
    /// Records to load.
    pub records: u64,
    /// Their shape.
    pub shape: Shape,
    /// Folder of the store; made, and removed at the end.
    pub dir: PathBuf,
    /// Seed of the records.
    pub seed: u64,
    /// One group of figures instead of all: `load`, `singles` (behind a load), `queries`, `audit`,
    /// `erase`, `compact`, or `evidence`, `details`, `rules` or `server`, which are no part of all.
    pub only: Option<String>,
}

impl Options {
    fn wants(&self, group: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == group)
    }
}

/// Measures and answers the table.
pub fn run(options: &Options) -> Result<String> {
    std::fs::create_dir(&options.dir)?;
    let dir = options.dir.join("store");
    let result = measure(options, &dir);
    std::fs::remove_dir_all(&options.dir)?;
    result
}

fn measure(options: &Options, dir: &Path) -> Result<String> {
    let mut table = Table::default();
    let mut workload = Workload::new(options.shape, options.records, options.seed);
    let shape = if options.shape == Shape::Zipf { "zipf" } else { "local" };
    let heading = format!("{} records, {shape}", crate::table::number(options.records));
    if options.only.as_deref() == Some("evidence") {
        evidence::evidence(&options.dir, options, &mut table)?;
        return Ok(table.markdown(&heading));
    }
    if options.only.as_deref() == Some("details") {
        auditing::details(&options.dir, &mut table)?;
        return Ok(table.markdown("an erasure beside what was typed"));
    }
    if options.only.as_deref() == Some("rules") {
        ruling::rules(&options.dir, options.records, &mut table)?;
        return Ok(table.markdown(&heading));
    }
    if options.only.as_deref() == Some("server") {
        serving::server(&options.dir, options.records, &mut table)?;
        return Ok(table.markdown(&heading));
    }
    if options.wants("compact") {
        let mut workload = Workload::new(options.shape, options.records, options.seed);
        compacting::compact(&options.dir.join("small"), &mut workload, options.records, &mut table)?;
        if options.only.is_some() {
            return Ok(table.markdown(&heading));
        }
    }
    loading::load(dir, &mut workload, options.records, &mut table)?;
    if options.wants("load") {
        opening::clean(dir, &mut table)?;
    }
    if options.wants("load") || options.wants("singles") {
        single::one_by_one(dir, &options.dir, &mut workload, &mut table)?;
        single::together(dir, &mut workload, &mut table)?;
    }
    if options.wants("queries") {
        reading::queries(dir, &workload, options.records, &mut table)?;
    }
    if options.wants("load") {
        opening::killed(dir, options, &mut table)?;
    }
    if options.wants("audit") {
        auditing::audit(dir, &workload, options.records, &mut table)?;
    }
    if options.wants("erase") {
        erasing::erase(dir, &workload, &mut table)?;
    }
    Ok(table.markdown(&heading))
}

/// The store in `dir`, with its slot beside it.
pub fn store(dir: &Path) -> Builder {
    Store::builder(dir)
}

/// The same, over a watched file seam.
pub fn watched(dir: &Path, watch: &Watch) -> Builder {
    Store::builder(dir).vfs(Arc::new(watch.clone()))
}
