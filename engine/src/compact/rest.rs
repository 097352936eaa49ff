//! How a compaction in the background gives way: it works in slices and rests between them while
//! appends run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::id::Seq;
use crate::state::State;

/// Work without a rest.
const SLICE: Duration = Duration::from_millis(4);
/// A rest is as long as the work before it, but no longer than this: an erasure waits for it.
const REST_MAX: Duration = Duration::from_millis(20);
/// Bytes written a second while appends run.
const RATE: u64 = 32 << 20;
/// So long after the last append nobody is in a hurry any more.
const QUIET: Duration = Duration::from_millis(200);

/// Rests of one step.
pub struct Rests {
    state: Arc<State>,
    inner: Mutex<Inner>,
}

struct Inner {
    slice_began: Instant,
    last_seq: Seq,
    last_append: Option<Instant>,
}

impl Rests {
    /// Begins to work.
    pub fn new(state: &Arc<State>) -> Self {
        let inner = Inner { slice_began: Instant::now(), last_seq: Seq(0), last_append: None };
        Self { state: Arc::clone(state), inner: Mutex::new(inner) }
    }

    /// Called between blocks, and before so many bytes are written: rests if a slice is over.
    pub fn rest(&self, bytes: usize) {
        let mut inner = self.inner.lock();
        let worked = inner.slice_began.elapsed();
        if worked < SLICE && bytes == 0 {
            return;
        }
        if inner.appends_run(&self.state) {
            let for_bytes = Duration::from_micros(bytes as u64 * 1_000_000 / RATE);
            std::thread::sleep(worked.max(for_bytes).min(REST_MAX));
        }
        inner.slice_began = Instant::now();
    }
}

impl Inner {
    fn appends_run(&mut self, state: &State) -> bool {
        let now = Instant::now();
        // Whoever holds the lock writes a frame.
        let seq = state.writer.try_lock().map(|writer| writer.next_seq);
        if seq != Some(self.last_seq) {
            let is_first_look = self.last_append.is_none() && self.last_seq == Seq(0);
            self.last_seq = seq.unwrap_or(self.last_seq);
            if !is_first_look || seq.is_none() {
                self.last_append = Some(now);
            }
        }
        self.last_append.is_some_and(|at| now - at < QUIET)
    }
}
