//! What every engine under comparison must do, and the questions they are asked.

use std::collections::BTreeSet;
use std::path::Path;

use escrowdb::id::Micros;
use escrowdb::store::Record;

use crate::Result;

/// Tags that a record must and must not carry, and a span of time.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// All of these; the rarest first.
    pub all: Vec<String>,
    /// None of these.
    pub none: Vec<String>,
    /// From, and before.
    pub time: Option<(Micros, Micros)>,
}

/// An engine. Records are numbered in the order in which they were made: `m0`, `m1`, …
pub trait Engine {
    /// What it is called in the table.
    fn name(&self) -> &'static str;

    /// Adds records; they are on the disk when this returns.
    fn append(&mut self, records: &[Record]) -> Result<()>;

    /// Ends loading: what runs behind is waited for, statistics are gathered.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// How many records match.
    fn count(&mut self, question: &Question) -> Result<u64>;

    /// Collects a number for each match, whichever the engine knows a record by; answers how many.
    fn ids(&mut self, question: &Question) -> Result<u64>;

    /// Numbers of the matching records, to be compared among the engines. Not timed.
    fn numbers(&mut self, question: &Question) -> Result<BTreeSet<u64>>;

    /// Length of a record's text; it is read, opened and decoded whole.
    fn point(&mut self, number: u64) -> Result<Option<usize>>;

    /// Erases everything of one subject, durably, as the engine's own deletion does; answers how
    /// many records went.
    fn erase(&mut self, subject: &str) -> Result<u64>;

    /// Makes the erased bytes disappear from the files.
    fn scrub(&mut self) -> Result<()>;
}

/// Opens or makes an engine in a folder.
pub type Opener = fn(&Path) -> Result<Box<dyn Engine>>;

/// Number of a record of the workload.
pub fn number_of(id: &str) -> Result<u64> {
    Ok(id.strip_prefix('m').ok_or("an id of another workload")?.parse()?)
}
