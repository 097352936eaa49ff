//! Batches that wait are written as one frame. What they would take was counted from what they say,
//! though people who are named, and their joins, are records of their own: a batch of a megabyte
//! became a frame of seventy, too long to be sealed, and everybody who happened to wait beside it
//! was told that his batch is invalid.

use std::io;
use std::sync::Arc;
use std::thread;

use escrowdb::crypto::{Entropy, OsEntropy};
use escrowdb::error::Result;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Outcome, Record, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{Error, ErrorKind};
use parking_lot::{Condvar, Mutex};

const QUEUE_BYTES: usize = 4 << 20;

/// Randomness that waits while it is held: whoever writes stands still, and others queue.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    held: bool,
    reached: bool,
}

impl Held {
    fn set(&self, held: bool) {
        *self.0.0.lock() = State { held, reached: false };
        self.0.1.notify_all();
    }

    fn is_reached(&self) -> bool {
        self.0.0.lock().reached
    }
}

impl Entropy for Held {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.0.lock();
        state.reached = true;
        self.0.1.wait_while(&mut state, |state| state.held);
        OsEntropy.fill(out)
    }
}

fn small(at: i64) -> Vec<Record> {
    vec![Record::new("c", "anna", Micros(at), "hello").id(at.to_string())]
}

/// Records of conversations of their own, with 64 joins of a kilobyte each.
fn large(name: &str, count: usize) -> Vec<Record> {
    let record = |i: usize| {
        let record = Record::new(format!("{name}{i:0>500}"), "anna", Micros(1), "hello").id("i");
        (0..64).fold(record.channel("k".repeat(512)), |record, p| record.participant(p.to_string()))
    };
    (0..count).map(record).collect()
}

/// Bytes that wait to be written: a batch over the limit is told when it is refused.
fn waiting(store: &Store, over: &[Record]) -> u64 {
    let Err(e) = store.try_append(over) else { return 0 };
    assert_eq!(e.kind(), ErrorKind::Busy);
    e.to_string().split(' ').find_map(|word| word.parse().ok()).unwrap()
}

/// Appends batches in this order, all of them while the first is being written.
fn together(batches: Vec<Vec<Record>>) -> (Store, Vec<Result<Vec<Outcome>>>) {
    let held = Held::default();
    let store = Store::builder("/chats")
        .vfs(Arc::new(MemoryVfs::new()))
        .entropy(Arc::new(held.clone()))
        .background(false)
        .queue_bytes(QUEUE_BYTES)
        .create()
        .unwrap();
    store.append(&small(0)).unwrap();
    let over = vec![Record::new("c", "anna", Micros(0), "x".repeat(1 << 20)); QUEUE_BYTES >> 20];
    held.set(true);
    let answers = thread::scope(|scope| {
        let (store, mut callers, mut bytes) = (&store, Vec::new(), 0);
        for batch in batches {
            callers.push(scope.spawn(move || store.append(&batch)));
            while !held.is_reached() || waiting(store, &over) == bytes {
                thread::yield_now();
            }
            bytes = waiting(store, &over);
        }
        held.set(false);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    (store, answers)
}

fn all_added(answer: &Result<Vec<Outcome>>) -> bool {
    answer.as_ref().is_ok_and(|outcomes| outcomes.iter().all(|o| matches!(o, Outcome::Added(_))))
}

#[test]
fn large_batches_do_not_fail_those_who_wait_beside_them() {
    let (store, answers) = together(vec![small(1), small(2), large("a", 520), large("b", 520), small(3)]);
    for (i, answer) in answers.iter().enumerate() {
        assert!(all_added(answer), "{i}: {:?}", answer.as_ref().err());
    }
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 4 + 2 * 520);
    let again = store.append(&[small(1), small(2), small(3)].concat()).unwrap();
    assert!(again.iter().all(|o| matches!(o, Outcome::Duplicate(_))));
}

#[test]
fn a_batch_that_fits_no_frame_fails_alone() {
    let (store, answers) = together(vec![small(1), small(2), large("a", 1000), small(3)]);
    assert_eq!(answers[2].as_ref().err().map(Error::kind), Some(ErrorKind::Invalid));
    for i in [0, 1, 3] {
        assert!(all_added(&answers[i]), "{i}: {:?}", answers[i].as_ref().err());
    }
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 4);
    // Nothing of it is left behind: neither people nor joins.
    assert_eq!(store.stats().unwrap().people, 1);
}
