//! Compaction: many small segments become few, what the erased left behind is given back, and
//! segments that overlap in time are laid one behind the other.
//!
//! A *step* takes a few segments, merges them by time into segments of at most as many records as
//! a roll makes, and publishes them by one ordinary commit: inputs leave and outputs come in the
//! same moment. Then the old files are unlinked. A crash in between leaves files that the key
//! tree doesn't name; the next opening removes them.
//!
//! ```text
//! survey.rs  how full segments are, and how much of their files is dead
//! policy.rs  which segments to take next (pure)
//! merge.rs   documents and terms of several indexes in one order (pure)
//! bodies.rs  which blocks stay where they are, and the new file for the others
//! step.rs    build, read back, publish, unlink
//! pace.rs    a file system that rests between pieces and stops when it is told to
//! rest.rs    how long it rests while appends run
//! space.rs    where the bytes of a store go
//! background.rs  the thread that does what is due of the store's own accord
//! ```
//!
//! What does not happen here: no leaf of the log moves, no record changes, nothing is derived
//! that spans segments, no key but K_index and the blocks' secrets is made or dies. The old K_index
//! is what every ordinary commit leaves: readable to whoever has the slot and an old copy of the
//! folder, until the next erasing commit.

pub mod background;
pub mod bodies;
pub mod merge;
pub mod policy;
pub mod space;
pub mod step;
pub mod survey;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::catalog;
use crate::state::State;
use crate::state::compacting::Compacting;

pub use background::Background;
pub use policy::{Limits, Policy};
pub use space::Space;

/// How to compact.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CompactOptions {
    /// When a step is worth it.
    pub policy: Policy,
}

impl CompactOptions {
    /// Everything that gives back space or makes fewer segments.
    pub const fn new() -> Self {
        Self { policy: Policy::THOROUGH }
    }

    /// Only what the store would do of its own accord.
    #[must_use]
    pub const fn due(mut self) -> Self {
        self.policy = Policy::BACKGROUND;
        self
    }
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Steps that were published.
    pub steps: u64,
    /// Segments before.
    pub segments_before: u64,
    /// Segments after.
    pub segments_after: u64,
    /// Bytes of index and body files before.
    pub bytes_before: u64,
    /// Bytes of index and body files after.
    pub bytes_after: u64,
    /// Bytes of new files that were written.
    pub bytes_written: u64,
    /// Segments that were left alone because they are damaged.
    pub damaged: u64,
}

impl CompactReport {
    /// Bytes given back to the file system.
    pub const fn reclaimed(&self) -> u64 {
        self.bytes_before.saturating_sub(self.bytes_after)
    }
}

/// Runs steps until none is due. `each` is called after every step with what is done so far.
///
/// # Errors
/// *Busy* if an erasure cancelled it: what was published stays, the rest is done by the next one.
pub fn compact(
    state: &Arc<State>,
    options: &CompactOptions,
    mut each: impl FnMut(&CompactReport),
) -> Result<CompactReport> {
    let right = state.compacting()?;
    let mut work = Work::new(&right, options.policy)?;
    while work.step()? {
        each(&work.report);
    }
    work.finish()
}

/// Steps under one right to compact.
struct Work<'a> {
    right: &'a Compacting,
    limits: Limits,
    policy: Policy,
    survey: survey::Survey,
    report: CompactReport,
}

impl<'a> Work<'a> {
    fn new(right: &'a Compacting, policy: Policy) -> Result<Self> {
        let mut work = Self::with(right, policy, survey::Survey::default());
        (work.report.segments_before, work.report.bytes_before) = survey::size(right.state())?;
        Ok(work)
    }

    fn with(right: &'a Compacting, policy: Policy, survey: survey::Survey) -> Self {
        let settings = &right.state().settings;
        let limits = Limits::new(settings.roll_records, settings.roll_bytes);
        Self { right, limits, policy, survey, report: CompactReport::default() }
    }

    /// Does what is due next. False if nothing is.
    fn step(&mut self) -> Result<bool> {
        let state = self.right.state();
        self.right.go_on()?;
        state.check_writable()?;
        if !catalog::pending(&state.view.read().tree)?.is_empty() {
            // What is erased in part has no keys any more, and none of it may be written again.
            return Err(Error::new(ErrorKind::Busy, "an erasure waits").hint("compact when it has ended"));
        }
        let facts = self.survey.look(state)?;
        let Some(chosen) = self.policy.choose(&facts, &self.limits) else { return Ok(false) };
        let inputs: Vec<_> = facts.iter().filter(|f| chosen.segments.contains(&f.id)).collect();
        match step::run(self.right, &inputs, chosen.outputs_max, &self.limits, &self.policy) {
            Ok(Some(written)) => {
                self.report.steps += 1;
                self.report.bytes_written += written;
                Ok(true)
            }
            Ok(None) => {
                self.survey.settle(&chosen.segments);
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::Corrupt && !state.is_poisoned() => {
                // What can't be read is left as it is, for `verify` to name.
                self.report.damaged += self.survey.avoid_damaged(state, &chosen.segments)?;
                Ok(true)
            }
            Err(e) => Err(e),
        }
    }

    fn finish(mut self) -> Result<CompactReport> {
        (self.report.segments_after, self.report.bytes_after) = survey::size(self.right.state())?;
        Ok(self.report)
    }
}
