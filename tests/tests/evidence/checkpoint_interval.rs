//! Checkpoints at an interval, for a program that embeds the engine: each is handed out once, where the
//! log grew; the last one as the store closes; and whatever the sink does is its own affair.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use escrowdb::id::Micros;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::session::Session;
use escrowdb::store::{Against, Builder, EraseOptions, Level, Record, Selector, SignedCheckpoint};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Result, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};

type Handed = Result<SignedCheckpoint>;

/// So short that many pass in a test.
const SHORT: Duration = Duration::from_millis(5);
/// So long that none passes.
const LONG: Duration = Duration::from_secs(3_600);
/// What is to come comes in this time.
const SOON: Duration = Duration::from_secs(30);

fn builder(disk: Arc<dyn Vfs>, seed: u64) -> Builder {
    // The clock stands still: intervals are of the system's time.
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::new(ManualClock::default()))
        .entropy(Arc::new(SeededEntropy::new(seed)))
}

fn sink() -> (impl Fn(Handed) + Send + Sync + 'static, Receiver<Handed>) {
    let (sender, receiver) = channel();
    (move |handed| drop(sender.send(handed)), receiver)
}

fn say(store: &Store, n: i64) {
    store.append(&[Record::new("c", format!("p{}", n % 5), Micros(n), "text").id(format!("m{n}"))]).unwrap();
}

fn size(checkpoint: &SignedCheckpoint) -> u64 {
    checkpoint.unverified().size
}

fn next(handed: &Receiver<Handed>) -> SignedCheckpoint {
    handed.recv_timeout(SOON).unwrap().unwrap()
}

/// Nothing comes while many intervals pass.
fn nothing_more(handed: &Receiver<Handed>) {
    let more = handed.recv_timeout(40 * SHORT).map(|handed| handed.map(|c| size(&c)));
    assert_eq!(more.err(), Some(RecvTimeoutError::Timeout));
}

#[test]
fn a_head_is_signed_where_the_log_grew_and_nowhere_else() {
    let (sink, handed) = sink();
    let store = builder(Arc::new(MemoryVfs::new()), 1).checkpoint_every(SHORT, sink).create().unwrap();
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    // There is nothing in it.
    nothing_more(&handed);
    say(&store, 0);
    let first = next(&handed);
    assert_eq!(first.verify(&key).unwrap().size, 2);
    nothing_more(&handed);
    // Reading, rolling and signing by hand make it no longer.
    store.session(Session::new()).count("*").unwrap();
    store.roll().unwrap();
    store.checkpoint().unwrap();
    nothing_more(&handed);
    say(&store, 5);
    let second = next(&handed);
    assert_eq!(second.verify(&key).unwrap().size, 3);
    assert_eq!(store.verify_against(&first).unwrap(), Against::Continues { from: 2, to: 3 });
    store.close().unwrap();
    assert!(handed.recv().is_err(), "nothing grew before the close");
}

#[test]
fn closing_signs_a_last_one_and_waits_for_the_sink() {
    let disk = MemoryVfs::new();
    for opening in 0..3 {
        let (sink, handed) = sink();
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let slow = move |checkpoint| {
            std::thread::sleep(20 * SHORT);
            sink(checkpoint);
            told.store(true, Ordering::SeqCst);
        };
        let builder = builder(Arc::new(disk.clone()), opening as u64).checkpoint_every(LONG, slow);
        let store = if opening == 0 { builder.create() } else { builder.open() }.unwrap();
        let before = store.stats().unwrap().log_size;
        // The last opening appends nothing: what was handed out before is not known, so it is again.
        let records = if opening < 2 { 3 } else { 0 };
        (0..records).for_each(|n| say(&store, 100 * opening + n));
        let after = store.stats().unwrap().log_size;
        assert!(handed.try_recv().is_err());
        if opening == 1 {
            drop(store)
        } else {
            store.close().unwrap()
        }
        assert!(done.load(Ordering::SeqCst), "the close waited");
        let heads: Vec<u64> = handed.iter().map(|head| size(&head.unwrap())).collect();
        assert_eq!(heads, [after], "{before} positions before");
    }
}

/// Appends, acts, rolls, erasures and heads signed by hand, at once.
#[test]
fn no_two_heads_of_one_size_differ() {
    let (sink, handed) = sink();
    let disk = MemoryVfs::new();
    let store = builder(Arc::new(disk.clone()), 3)
        .roll_records(50)
        .audit(Level::Acts)
        .checkpoint_every(Duration::from_millis(1), sink)
        .create()
        .unwrap();
    let mut by_hand = Vec::new();
    for n in 0..400 {
        say(&store, n);
        match n % 40 {
            7 => by_hand.push(store.checkpoint().unwrap()),
            15 => store.roll().unwrap(),
            23 => drop(store.session(Session::new()).person("p1")),
            31 => {
                let one = Selector::Record { id: format!("m{}", n - 1), conversation: None };
                store.erase(&one, &EraseOptions::default()).unwrap();
            }
            _ => {}
        }
    }
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    store.close().unwrap();
    let handed: Vec<SignedCheckpoint> = handed.iter().map(Result::unwrap).collect();
    let sizes: Vec<u64> = handed.iter().map(size).collect();
    assert!(sizes.is_sorted_by(|a, b| a < b), "each is longer: {sizes:?}");
    assert!(sizes.len() > 3, "{sizes:?}");
    let store = builder(Arc::new(disk), 4).open().unwrap();
    let mut roots = BTreeMap::new();
    for head in handed.iter().chain(&by_hand) {
        let checkpoint = head.verify(&key).unwrap();
        assert_eq!(*roots.entry(checkpoint.size).or_insert(checkpoint.root), checkpoint.root);
        assert!(store.verify_against(head).unwrap().holds());
    }
    assert_eq!(store.stats().unwrap().log_size, *sizes.last().unwrap());
}

#[test]
fn a_sink_that_panics_costs_that_call_only() {
    let (sink, handed) = sink();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let panics = move |checkpoint: Handed| {
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("the sink fails, as this test wants it to");
        }
        sink(checkpoint);
    };
    let store = builder(Arc::new(MemoryVfs::new()), 5).checkpoint_every(SHORT, panics).create().unwrap();
    say(&store, 0);
    while calls.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    // It counts as handed out.
    nothing_more(&handed);
    say(&store, 5);
    assert_eq!(size(&next(&handed)), 3);
    store.roll().unwrap();
    store.close().unwrap();
}

#[test]
fn a_sink_may_call_the_store() {
    let (sink, handed) = sink();
    let open: Arc<OnceLock<Weak<Store>>> = Arc::default();
    let known = Arc::clone(&open);
    let calls = move |checkpoint: Handed| {
        if let (Ok(head), Some(store)) = (&checkpoint, known.get().and_then(Weak::upgrade)) {
            // Everything it has locks for.
            assert!(store.verify_against(head).unwrap().holds());
            store.tiles(0, head, &mut |_, _| Ok(())).unwrap();
            store.keep_cosigned(head).unwrap();
            store.checkpoint().unwrap();
            store.roll().unwrap();
            if size(head) < 4 {
                say(&store, 5 * size(head) as i64);
            }
        }
        sink(checkpoint);
    };
    let disk = MemoryVfs::new();
    let store = Arc::new(builder(Arc::new(disk), 6).checkpoint_every(SHORT, calls).create().unwrap());
    open.set(Arc::downgrade(&store)).unwrap();
    say(&store, 0);
    assert_eq!((size(&next(&handed)), size(&next(&handed)), size(&next(&handed))), (2, 3, 4));
    nothing_more(&handed);
    Arc::into_inner(store).unwrap().close().unwrap();
}

/// A sink that was about to call the store while its owner let it go is the one who closes it.
#[test]
fn a_sink_may_be_the_one_who_closes() {
    let (sink, handed) = sink();
    let disk = MemoryVfs::new();
    let owned: Arc<parking_lot::Mutex<Option<Store>>> = Arc::default();
    let theirs = Arc::clone(&owned);
    let closes = move |checkpoint: Handed| {
        let store = theirs.lock().take().unwrap();
        say(&store, 5);
        store.close().unwrap();
        sink(checkpoint);
    };
    let mut place = owned.lock();
    *place = Some(builder(Arc::new(disk.clone()), 7).checkpoint_every(SHORT, closes).create().unwrap());
    say(place.as_ref().unwrap(), 0);
    drop(place);
    let heads: Vec<u64> = handed.iter().map(|head| size(&head.unwrap())).collect();
    assert_eq!(heads, [2], "none behind the close");
    // It was closed as ever.
    let store = builder(Arc::new(disk), 8).open().unwrap();
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 2);
}

#[test]
fn trouble_is_told_until_it_is_over() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let (sink, handed) = sink();
    let store = builder(Arc::new(disk.clone()), 9).checkpoint_every(SHORT, sink).create().unwrap();
    say(&store, 0);
    assert_eq!(size(&next(&handed)), 2);
    // The journal has room; the commit that notes what is signed has none.
    let aim = Aim::at(Class::Keyring, Call::Write);
    disk.arm(Plan { aim, nth: 0, fault: Fault::NoSpace, sticky: true });
    say(&store, 5);
    for _ in 0..2 {
        let told = handed.recv_timeout(SOON).unwrap();
        assert_eq!(told.map(drop).map_err(|e| e.kind()), Err(ErrorKind::NoSpace));
    }
    disk.disarm();
    let mended = handed.iter().find_map(Result::ok).unwrap();
    assert_eq!(size(&mended), store.stats().unwrap().log_size);
    nothing_more(&handed);
    store.close().unwrap();
}

/// Also where the log didn't grow: nobody would know that nothing is signed any more.
#[test]
fn a_store_that_must_be_opened_again_is_told_once() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let (sink, handed) = sink();
    let store = builder(Arc::new(disk.clone()), 11).checkpoint_every(SHORT, sink).create().unwrap();
    say(&store, 0);
    assert_eq!(size(&next(&handed)), 2);
    let aim = Aim::at(Class::Journal, Call::Sync);
    disk.arm(Plan { aim, nth: 0, fault: Fault::Eio, sticky: true });
    store.append(&[Record::new("c", "p", Micros(9), "x")]).err().unwrap();
    let told: Vec<_> = handed.iter().map(|told| told.map(drop).map_err(|e| e.kind())).collect();
    assert_eq!(told, [Err(ErrorKind::Poisoned)]);
}

#[test]
fn a_store_without_threads_signs_nothing_by_itself() {
    let (sink, handed) = sink();
    let store = builder(Arc::new(MemoryVfs::new()), 10)
        .background(false)
        .checkpoint_every(Duration::ZERO, sink)
        .create()
        .unwrap();
    say(&store, 0);
    store.close().unwrap();
    assert!(handed.recv().is_err());
}
