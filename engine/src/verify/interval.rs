//! Checkpoints of the store's own accord: a thread that looks at an interval whether the log grew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::state::{State, beside_erasures};

/// The shortest interval.
const SHORTEST: Duration = Duration::from_millis(1);

/// Who is handed the checkpoints.
pub type Sink = Arc<dyn Fn(Result<SignedCheckpoint>) + Send + Sync>;

/// The thread. It ends when the store closes.
#[derive(Default)]
pub struct Publisher(Option<(JoinHandle<()>, Arc<Signal>)>);

/// Says that it is to end.
#[derive(Default)]
struct Signal {
    ending: Mutex<bool>,
    changed: Condvar,
}

impl Publisher {
    /// Starts the thread, if the store is one that has threads. If the system gives none, `sink` is told
    /// so at once.
    pub fn start(state: &Arc<State>, interval: Duration, sink: Sink) -> Self {
        if !state.settings.background {
            return Self(None);
        }
        let signal = Arc::new(Signal::default());
        let heads = Heads { state: Arc::clone(state), sink: Arc::clone(&sink), last: None };
        let heard = Arc::clone(&signal);
        let named = std::thread::Builder::new().name("escrowdb-checkpoint".into());
        match named.spawn(move || run(heads, interval.max(SHORTEST), &heard)) {
            Ok(thread) => Self(Some((thread, signal))),
            Err(e) => {
                hand(&sink, Err(Error::io("start the thread that signs checkpoints", e)));
                Self(None)
            }
        }
    }

    /// Has a last one signed, if the log grew, and waits until it was handed out. The store must not be
    /// closing yet: signing may need a commit.
    pub fn end(self) {
        let Some((thread, signal)) = self.0 else { return };
        *signal.ending.lock() = true;
        signal.changed.notify_all();
        // Who drops the store in the sink is that thread.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

fn run(mut heads: Heads, interval: Duration, signal: &Signal) {
    loop {
        let ending = {
            let mut ending = signal.ending.lock();
            if !*ending {
                signal.changed.wait_for(&mut ending, interval);
            }
            *ending
        };
        // Closed behind its back: by the sink.
        if heads.state.is_closed() {
            return;
        }
        let poisoned = heads.state.is_poisoned();
        heads.look();
        // It signs nothing any more, and was told.
        if ending || poisoned {
            return;
        }
    }
}

/// What is signed, and who is handed it.
struct Heads {
    state: Arc<State>,
    sink: Sink,
    /// Positions of the last one that was handed out.
    last: Option<u64>,
}

impl Heads {
    /// Signs the head and hands it out, if the log has grown since the last. Hands out why nothing is signed
    /// any more, if that is so.
    fn look(&mut self) {
        let size = self.state.writer.lock().next_seq.0;
        if size <= self.last.unwrap_or_default() && !self.state.is_poisoned() {
            return;
        }
        let signed = beside_erasures(|| self.state.tree_to_sign()?.sign());
        if let Ok(checkpoint) = &signed {
            self.last = Some(checkpoint.unverified().size);
        }
        hand(&self.sink, signed);
    }
}

/// A panic of the sink is its own: no lock is held, and nothing of the store is half changed.
fn hand(sink: &Sink, signed: Result<SignedCheckpoint>) {
    let _ = catch_unwind(AssertUnwindSafe(|| sink(signed)));
}
