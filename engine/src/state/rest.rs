//! How work in the background gives way: it goes in slices and rests between them while appends run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::id::Seq;
use crate::index::Part as _;
use crate::state::State;

/// Work without a rest.
const SLICE: Duration = Duration::from_millis(4);
/// Nobody sleeps longer without looking up.
const NAP: Duration = Duration::from_millis(20);
/// Bytes written a second while appends run.
const RATE: u64 = 32 << 20;
/// So long after the last append nobody is in a hurry any more.
const QUIET: Duration = Duration::from_millis(200);
/// So many times the records of a journal, or its bytes, may stand unrolled: they are in memory, and who keeps them from
/// being rolled gives way no longer then.
const RECORDS: u64 = 8;
const BYTES: u64 = 2;

/// Rests of one piece of work.
pub struct Rests {
    state: Arc<State>,
    /// Whether a rest is as long as the work before it, however long that was.
    whole: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    slice_began: Instant,
    last_seq: Seq,
    last_append: Option<Instant>,
}

impl Rests {
    /// Begins to work. No rest is longer than 20 ms: an erasure waits for it.
    pub fn short(state: &Arc<State>) -> Self {
        Self::new(state, false)
    }

    /// Begins to work that keeps others from rolling. A rest is as long as the work before it, until somebody waits for it
    /// to end, or much stands unrolled: then it rests no longer.
    pub fn whole(state: &Arc<State>) -> Self {
        Self::new(state, true)
    }

    fn new(state: &Arc<State>, whole: bool) -> Self {
        let inner = Inner { slice_began: Instant::now(), last_seq: Seq(0), last_append: None };
        Self { state: Arc::clone(state), whole, inner: Mutex::new(inner) }
    }

    /// Called between blocks, and before so many bytes are written: rests if a slice is over.
    pub fn rest(&self, bytes: usize) {
        let mut inner = self.inner.lock();
        let worked = inner.slice_began.elapsed();
        if worked < SLICE && bytes == 0 {
            return;
        }
        let for_bytes = Duration::from_micros(bytes as u64 * 1_000_000 / RATE);
        let mut left = worked.max(for_bytes);
        while !left.is_zero() && inner.appends_run(&self.state) && !(self.whole && self.is_waited_for()) {
            std::thread::sleep(left.min(NAP));
            left = if self.whole { left.saturating_sub(NAP) } else { Duration::ZERO };
        }
        inner.slice_began = Instant::now();
    }

    /// Whether it still gives way: appends run, and nobody waits.
    pub fn gives_way(&self) -> bool {
        self.inner.lock().appends_run(&self.state) && !(self.whole && self.is_waited_for())
    }

    fn is_waited_for(&self) -> bool {
        let settings = &self.state.settings;
        self.state.is_waited_for()
            || self.state.view.try_read().is_some_and(|view| {
                u64::from(view.live.doc_count()) >= RECORDS * u64::from(settings.roll_records)
                    || view.live.bytes() as u64 >= BYTES * settings.roll_bytes
            })
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
