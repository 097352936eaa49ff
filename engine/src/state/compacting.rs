//! The right to compact: one at a time, paused while a roll runs, cancelled by an erasure.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::state::{Rolling, Rolls, State};

/// Who compacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The store of its own accord: gives way to everybody.
    Itself,
    /// Somebody who waits for it.
    Caller,
}

/// The right to compact; none while an erasure runs. Whoever holds it removes what it did not
/// publish before it is given back, on drop: an erasure waits for that.
pub struct Compacting(Arc<State>);

/// Tells whether a compaction is to stop.
#[derive(Clone)]
pub struct Cancelled(Arc<State>);

/// No compaction runs and none starts while this lives.
pub struct NoCompactions<'a>(&'a State);

impl State {
    /// The right to compact; `None` while a roll, an erasure or another compaction runs, or one of
    /// them waits.
    pub fn try_compacting(self: &Arc<Self>) -> Option<Compacting> {
        if self.view.read().frozen.is_some() {
            return None;
        }
        let mut rolls = self.rolls.lock();
        (!is_taken(&rolls)).then(|| self.take(&mut rolls, By::Itself))
    }

    /// The same for a caller, who waits for whatever else runs. A compaction that the store began
    /// of its own accord is cancelled.
    pub fn compacting(self: &Arc<Self>) -> Result<Compacting> {
        let _waits = self.waits();
        let mut rolls = self.rolls.lock();
        loop {
            self.check_writable()?;
            if !is_taken(&rolls) {
                return Ok(self.take(&mut rolls, By::Caller));
            }
            if rolls.compacting == Some(By::Itself) {
                self.compaction_cancelled.store(true, Ordering::Release);
            }
            self.rolls_changed.wait(&mut rolls);
        }
    }

    fn take(self: &Arc<Self>, rolls: &mut Rolls, by: By) -> Compacting {
        rolls.compacting = Some(by);
        self.compaction_cancelled.store(false, Ordering::Release);
        Compacting(Arc::clone(self))
    }

    /// Cancels a compaction in flight, waits until it has removed what it did not publish, and
    /// lets none start while the answer lives.
    pub fn forbid_compactions(&self) -> NoCompactions<'_> {
        let mut rolls = self.rolls.lock();
        rolls.compactions_forbidden += 1;
        self.end_compaction(&mut rolls);
        NoCompactions(self)
    }

    /// How many rolls, erasures, checks and compactions by callers have ended so far.
    pub fn heavy_jobs_ended(&self) -> u64 {
        self.rolls.lock().ended
    }

    /// Waits until more than `seen` have ended, or for `at_most`. False if the store closes.
    pub fn wait_for_heavy_job(&self, seen: u64, at_most: Option<Duration>) -> bool {
        // An end, for whatever else changes wakes this thread too.
        let end = at_most.and_then(|time| Instant::now().checked_add(time));
        let mut rolls = self.rolls.lock();
        while rolls.ended == seen && !self.is_closed() {
            match end {
                None => self.rolls_changed.wait(&mut rolls),
                Some(end) => {
                    if self.rolls_changed.wait_until(&mut rolls, end).timed_out() {
                        break;
                    }
                }
            }
        }
        !self.is_closed()
    }

    /// Cancels a compaction in flight and waits until it is over.
    pub(super) fn end_compaction(&self, rolls: &mut parking_lot::MutexGuard<'_, Rolls>) {
        self.compaction_cancelled.store(true, Ordering::Release);
        self.rolls_changed.notify_all();
        while rolls.compacting.is_some() {
            self.rolls_changed.wait(rolls);
        }
    }
}

fn is_taken(rolls: &Rolls) -> bool {
    rolls.running || rolls.forbidden || rolls.compacting.is_some() || rolls.compactions_forbidden > 0
}

impl Compacting {
    /// The open store.
    pub fn state(&self) -> &Arc<State> {
        &self.0
    }

    /// Whether an erasure, a caller or the end of the store wants this compaction to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.compaction_cancelled.load(Ordering::Acquire)
    }

    /// Whether the store began it of its own accord.
    pub fn is_own_accord(&self) -> bool {
        self.0.rolls.lock().compacting == Some(By::Itself)
    }

    /// Whether to stop, to be asked from wherever the right itself can't go.
    pub fn flag(&self) -> Cancelled {
        Cancelled(Arc::clone(&self.0))
    }

    /// To be asked between blocks: waits while a roll runs, and fails when it is time to stop.
    pub fn go_on(&self) -> Result<()> {
        let mut rolls = self.0.rolls.lock();
        while rolls.running && !self.is_cancelled() {
            self.0.rolls_changed.wait(&mut rolls);
        }
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// The right to publish: no roll runs meanwhile, for it counts segments too.
    pub fn publishing(&self) -> Result<Rolling> {
        let mut rolls = self.0.rolls.lock();
        loop {
            if rolls.forbidden || self.is_cancelled() {
                return Err(cancelled());
            }
            if !rolls.running {
                rolls.running = true;
                return Ok(Rolling(Arc::clone(&self.0)));
            }
            self.0.rolls_changed.wait(&mut rolls);
        }
    }
}

impl Cancelled {
    /// See [`Compacting::is_cancelled`].
    pub fn is_cancelled(&self) -> bool {
        self.0.compaction_cancelled.load(Ordering::Acquire)
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Busy, "the compaction gave way").hint("compact again later; nothing was changed")
}

impl Drop for Compacting {
    fn drop(&mut self) {
        self.0.end_roll(|rolls| {
            // What the store does of its own accord does not wake the thread that does it: after
            // trouble it would begin again at once, and not after its pause.
            rolls.ended += u64::from(rolls.compacting == Some(By::Caller));
            rolls.compacting = None;
        });
    }
}

impl Drop for NoCompactions<'_> {
    fn drop(&mut self) {
        self.0.end_roll(|rolls| {
            rolls.compactions_forbidden -= 1;
            rolls.ended += 1;
        });
    }
}
