//! Compaction of the store's own accord: a thread that looks after every roll, erasure and
//! opening whether a step is due, and runs it slowly.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::compact::policy::{Limits, Policy};
use crate::compact::{Work, survey::Survey};
use crate::crypto::stack::burn_work;
use crate::error::{ErrorKind, Result};
use crate::state::State;

/// After trouble, a full disk most of all, it is tried again so much later.
const RETRY: Duration = Duration::from_secs(30);

/// The first look comes so long after opening, if nothing has ended before.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// The thread. It ends when the store closes.
pub struct Background(Option<JoinHandle<()>>);

impl Background {
    /// Starts the thread, if the store is to have one.
    pub fn start(state: &Arc<State>) -> Self {
        if !state.settings.background || !state.settings.compaction {
            return Self(None);
        }
        let state = Arc::clone(state);
        let named = std::thread::Builder::new().name("escrowdb-compact".into());
        Self(named.spawn(move || run(&state)).ok())
    }

    /// Waits for the thread's end. The store must be closing.
    pub fn join(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

fn run(state: &Arc<State>) {
    let mut survey = Survey::default();
    // A look reads the block table of every segment: not while a program starts.
    if !state.wait_for_heavy_job(state.heavy_jobs_ended(), Some(FIRST_LOOK)) {
        return;
    }
    loop {
        // What ends from here on is looked at again.
        let seen = state.heavy_jobs_ended();
        let retry = match run_due(state, &mut survey) {
            Ok(()) => None,
            Err(_) => Some(RETRY),
        };
        if !state.wait_for_heavy_job(seen, retry) || state.is_poisoned() {
            return;
        }
    }
}

/// Runs steps until none is due or something else is to run.
fn run_due(state: &Arc<State>, survey: &mut Survey) -> Result<()> {
    let limits = Limits::new(state.settings.roll_records, state.settings.roll_bytes);
    while Policy::BACKGROUND.choose(&survey.look(state)?, &limits).is_some() {
        // Whatever keeps it from starting ends some time, and wakes this thread.
        let Some(right) = state.try_compacting() else { return Ok(()) };
        let mut work = Work::with(&right, Policy::BACKGROUND, std::mem::take(survey));
        let done = work.step();
        burn_work();
        *survey = work.survey;
        match done {
            // A roll that ended meanwhile woke nobody: it is looked at again.
            Ok(_) => {}
            // It gave way; it goes on when that has ended.
            Err(e) if e.kind() == ErrorKind::Busy => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
