//! Keys of acts that die while a store stays open: a thread that looks once an hour.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::crypto::stack::burn_work;
use crate::erase::expire;
use crate::ingest::Queue;
use crate::state::State;

/// How often it looks. Keys die on days, so an hour more is little.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

/// The thread. It ends when the store closes.
pub struct Keeper(Option<JoinHandle<()>>);

impl Keeper {
    /// Starts the thread, if the store is one that stays open: it compacts of its own accord.
    pub fn start(state: &Arc<State>) -> Self {
        if !state.settings.background || !state.settings.compaction {
            return Self(None);
        }
        let state = Arc::clone(state);
        let named = std::thread::Builder::new().name("escrowdb-keeper".into());
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
    // Groups are by queue, order is by the writer's lock: one of its own is as good.
    let queue = Queue::default();
    let mut looked = Instant::now();
    loop {
        let left = LOOK_EVERY.saturating_sub(looked.elapsed());
        if !state.wait_for_heavy_job(state.heavy_jobs_ended(), Some(left)) || state.is_poisoned() {
            return;
        }
        if looked.elapsed() >= LOOK_EVERY {
            // What fails, for want of room most of all, is tried again an hour later.
            let _ = expire::expire(state, &queue);
            burn_work();
            looked = Instant::now();
        }
    }
}
