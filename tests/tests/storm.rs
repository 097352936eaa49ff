//! Threads: appends, reads, rolls and erasures at once. No acknowledged record is lost, none of
//! the erased is seen after the acknowledgement, nobody waits for a reader.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use escrowdb::id::{Micros, Seq};
use escrowdb::query::reading::SearchOptions;
use escrowdb::record::Record;
use escrowdb::session::Session;
use escrowdb::store::{Certificate, EraseOptions, Order, Outcome, Preset, Selector, VerifyOptions};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;
use parking_lot::Mutex;

const SOON: Duration = Duration::from_secs(60);

fn person(name: &str) -> Selector {
    Selector::Person(name.to_owned())
}

fn record(conversation: &str, who: &str, id: impl Into<String>) -> Record {
    Record::new(conversation, who, Micros(1), "some words").id(id)
}

fn erase(store: &Store, name: &str) -> escrowdb::Result<Certificate> {
    store.erase(&person(name), &EraseOptions::default())
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(Session::new()).count(query).unwrap()
}

/// Log position of the act of an erasure.
fn position_of(store: &Store, certificate: &Certificate) -> Seq {
    let query = format!("kind:erased id:erased/{}", certificate.request);
    let hits = store.session(Session::new()).search(&query, &SearchOptions::new()).unwrap();
    hits[0].seq
}

/// Counts a thread out, also when it fails.
struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Sixty-four callers write for people who stay and for people who are erased meanwhile, also
/// for those who come back at once; others read all the time; rolls run in the background.
#[test]
fn appends_reads_rolls_and_erasures_at_once() {
    const CALLERS: usize = 64;
    const DOOMED: usize = 8;
    let erasures = if std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full") { 500 } else { 12 };
    let disk = RecordingVfs::new();
    disk.stir(1, 5);
    let builder = |disk: RecordingVfs| Store::builder("/s").vfs(Arc::new(disk)).roll_records(150);
    let store = builder(disk.clone()).create().unwrap();
    let acknowledged = Mutex::new(BTreeSet::new());
    let refused = AtomicUsize::new(0);
    let running = AtomicUsize::new(CALLERS);
    let erased = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (store, acknowledged, refused) = (&store, &acknowledged, &refused);
            let (running, erased) = (&running, &erased);
            scope.spawn(move || {
                let _leaves = Leaves(running);
                for round in 0.. {
                    if erased.lock().len() >= erasures {
                        break;
                    }
                    let id = format!("{caller}-{round}");
                    let batch = [
                        record("stay", &format!("stays{}", caller % 5), &id),
                        record("go", &format!("goes{}", (caller + round) % DOOMED), &id),
                    ];
                    for (record, outcome) in batch.iter().zip(store.append(&batch).unwrap()) {
                        match outcome {
                            Outcome::Added(seq) => {
                                acknowledged.lock().insert((seq, record.author.clone(), id.clone()));
                            }
                            Outcome::Rejected(e) if e.kind() == ErrorKind::Busy => {
                                assert!(record.author.starts_with("goes"));
                                refused.fetch_add(1, Ordering::Relaxed);
                                thread::yield_now();
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
        for eraser in 0..2 {
            let (store, running, erased) = (&store, &running, &erased);
            scope.spawn(move || {
                let mut turn = eraser;
                while running.load(Ordering::Acquire) > 0 {
                    let name = format!("goes{}", turn % DOOMED);
                    turn += 1;
                    match erase(store, &name) {
                        Ok(certificate) => {
                            let act = position_of(store, &certificate);
                            let reading = store.session(Session::new());
                            let options = SearchOptions::new().limit(1_000);
                            for hit in reading.search(&format!("subject:{name}"), &options).unwrap() {
                                assert!(hit.seq > act, "{} of {name} is older than {act}", hit.seq);
                            }
                            erased.lock().push((name, act));
                        }
                        // The other one is at it, or there is nobody of this name now.
                        Err(e) => assert!(matches!(e.kind(), ErrorKind::Busy | ErrorKind::NotFound), "{e}"),
                    }
                }
            });
        }
        for _ in 0..2 {
            let (store, running, acknowledged) = (&store, &running, &acknowledged);
            scope.spawn(move || {
                let reading = store.session(Session::new());
                while running.load(Ordering::Acquire) > 0 {
                    let before = acknowledged.lock().iter().filter(|a| a.1.starts_with("stays")).count();
                    let stays = reading.count("conversation:stay").unwrap();
                    assert!(stays >= before as u64, "{stays} of {before}: acknowledged means found");
                    let mut seen = BTreeSet::new();
                    let walk = reading.search_each("*", Order::Oldest, |hit| seen.insert(hit.seq));
                    assert!(walk.is_ok() || walk.unwrap_err().kind() == ErrorKind::Revoked);
                }
            });
        }
    });
    assert!(refused.into_inner() > 0, "nobody wrote for somebody who was being erased");
    let erased = erased.into_inner();
    assert!(erased.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() >= DOOMED / 2);
    let acknowledged = acknowledged.into_inner();
    let want: BTreeSet<Seq> = acknowledged
        .iter()
        .filter(|(seq, name, _)| !erased.iter().any(|(gone, act)| gone == name && seq < act))
        .map(|(seq, ..)| *seq)
        .collect();
    let found = |store: &Store| {
        let mut seen = BTreeSet::new();
        let each = |hit: escrowdb::store::Hit| seen.insert(hit.seq);
        store.session(Session::new()).search_each("*", Order::Oldest, each).unwrap();
        seen
    };
    assert!(found(&store) == want);
    // The process dies here: all of it comes back.
    let disk = MemoryVfs::from_files(disk.snapshot());
    drop(store);
    let store = Store::builder("/s").vfs(Arc::new(disk)).open().unwrap();
    assert!(found(&store) == want);
    let damage = store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage;
    assert_eq!(damage, Vec::<String>::new());
}

/// Several callers erase the same person at once: one does it, the others hear that it is being
/// done or that there is nobody any more, or share its pass.
#[test]
fn the_same_person_from_many_callers() {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).roll_records(50).create().unwrap();
    for round in 0..5 {
        for i in 0..60 {
            store
                .append(&[
                    record("c", "anna", format!("a{round}-{i}")),
                    record("c", "bob", format!("b{round}-{i}")),
                ])
                .unwrap();
        }
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match erase(&store, "anna") {
                    Ok(_) => drop(done.fetch_add(1, Ordering::Relaxed)),
                    Err(e) => assert!(matches!(e.kind(), ErrorKind::Busy | ErrorKind::NotFound), "{e}"),
                });
            }
        });
        assert!(done.load(Ordering::Relaxed) >= 1);
        assert_eq!(count(&store, "subject:anna"), 0);
        assert_eq!(count(&store, "*"), 60 * (round + 1));
    }
}

/// A queue that is full says so instead of letting memory grow.
#[test]
fn a_full_queue_answers_busy() {
    let disk = RecordingVfs::new();
    let store = Store::builder("/s").vfs(Arc::new(disk.clone())).queue_bytes(2_000).create().unwrap();
    store.append(&[record("c", "anna", "m0")]).unwrap();
    let big = |id: &str| Record::new("c", "anna", Micros(1), "x".repeat(1_500)).id(id);
    // One frame stands before its sync; its bytes wait.
    let gate = disk.block(Aim::at(Class::Journal, Call::Sync), 0);
    thread::scope(|scope| {
        let gate = gate; // A failed assertion lets the held call go.
        let first = scope.spawn(|| store.append(&[big("m1")]).unwrap().len());
        assert!(gate.reached(SOON));
        let refused = store.try_append(&[big("m2")]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy);
        // A patient caller waits.
        let second = scope.spawn(|| store.append(&[big("m3")]).unwrap().len());
        thread::sleep(Duration::from_millis(30));
        assert!(!second.is_finished());
        assert_eq!(count(&store, "*"), 1);
        gate.open();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 1));
    });
    assert!(matches!(store.try_append(&[big("m2")]).unwrap()[..], [Outcome::Added(_)]));
    assert_eq!(count(&store, "*"), 4);
    // A batch over the limit goes when nothing else waits.
    let huge = Record::new("c", "anna", Micros(1), "x".repeat(50_000)).id("m4");
    assert!(matches!(store.try_append(&[huge]).unwrap()[..], [Outcome::Added(_)]));
}

/// A reader who takes his time holds up nobody, and is told that what he walks over has changed.
#[test]
fn a_slow_reader_is_revoked_and_blocks_nothing() {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).create().unwrap();
    for i in 0..30 {
        store.append(&[record("c", ["anna", "bob"][i % 2], format!("m{i}"))]).unwrap();
        if i == 20 {
            store.roll().unwrap();
        }
    }
    let (begun, wait) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let reader = scope.spawn({
            let store = &store;
            move || {
                let mut seen = 0;
                let walk = store.session(Session::new()).search_each("*", Order::Oldest, |_| {
                    seen += 1;
                    if seen == 3 {
                        begun.send(()).unwrap();
                        gone.recv().unwrap();
                    }
                    true
                });
                (seen, walk.unwrap_err().kind())
            }
        });
        wait.recv_timeout(SOON).unwrap();
        // Ends while the reader stands in his callback.
        erase(&store, "anna").unwrap();
        assert_eq!(count(&store, "*"), 15);
        store.append(&[record("c", "carl", "m99")]).unwrap();
        go.send(()).unwrap();
        assert_eq!(reader.join().unwrap(), (3, ErrorKind::Revoked));
    });
    // The cursor of a page goes on behind the erasure.
    let reading = store.session(Session::new());
    let page = reading.search("*", &SearchOptions::new().limit(4).order(Order::Oldest)).unwrap();
    erase(&store, "carl").unwrap();
    let options = SearchOptions::new().limit(100).order(Order::Oldest).cursor(&page[3].cursor);
    assert_eq!(reading.search("*", &options).unwrap().len(), 11);
}

/// While an erasure is under way the erased are already invisible, and records for them are
/// turned away; everybody else reads and writes as usual.
#[test]
fn an_erasure_under_way_hides_and_admits_others() {
    let disk = RecordingVfs::new();
    let store = Store::builder("/s").vfs(Arc::new(disk.clone())).create().unwrap();
    store.append(&[record("c", "anna", "m1"), record("c", "bob", "m2")]).unwrap();
    store.roll().unwrap();
    let gate = disk.block(Aim::at(Class::Index, Call::Create), 0);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let gate = gate;
        let eraser = scope.spawn(|| {
            erase(&store, "anna").unwrap();
            ended.store(true, Ordering::Release);
        });
        assert!(gate.reached(SOON));
        assert_eq!(count(&store, "subject:anna"), 0);
        assert_eq!(count(&store, "*"), 1);
        assert!(store.session(Session::new()).get("m1", None).unwrap().is_empty());
        for (who, id) in [("anna", "m3"), ("anna", "m1")] {
            let outcome = store.append(&[record("c", who, id)]).unwrap();
            assert!(matches!(&outcome[..], [Outcome::Rejected(e)] if e.kind() == ErrorKind::Busy));
        }
        let named = record("c", "bob", "m3").subject("bob").subject("anna");
        let took_part = record("c", "bob", "m4").participant("anna");
        for record in [named, took_part] {
            let outcome = store.append(&[record]).unwrap();
            assert!(matches!(&outcome[..], [Outcome::Rejected(e)] if e.kind() == ErrorKind::Busy));
        }
        assert!(matches!(store.append(&[record("c", "bob", "m5")]).unwrap()[..], [Outcome::Added(_)]));
        assert_eq!(erase(&store, "anna").unwrap_err().kind(), ErrorKind::Busy);
        let one = Selector::Record { id: "m1".into(), conversation: None };
        assert_eq!(store.erase(&one, &EraseOptions::default()).unwrap_err().kind(), ErrorKind::Busy);
        assert!(!ended.load(Ordering::Acquire));
        gate.open();
        eraser.join().unwrap();
    });
    assert_eq!(count(&store, "*"), 2);
    assert!(matches!(store.append(&[record("c", "anna", "m1")]).unwrap()[..], [Outcome::Added(_)]));
}

/// With the preset `customer` a record that names no subject belongs to the customer of its
/// conversation. An agent's answer to a customer who is being erased at this moment must be
/// turned away: sealed for somebody without a key, it would stop the next roll for good.
#[test]
fn an_answer_to_a_customer_who_is_being_erased_is_turned_away() {
    let disk = RecordingVfs::new();
    let builder = || Store::builder("/s").vfs(Arc::new(disk.clone())).preset(Preset::Customer);
    let store = builder().create().unwrap();
    store.append(&[record("c", "anna", "m1"), record("c", "agent", "m2")]).unwrap();
    store.roll().unwrap();
    let gate = disk.block(Aim::at(Class::Index, Call::Create), 0);
    thread::scope(|scope| {
        let gate = gate;
        let eraser = scope.spawn(|| erase(&store, "anna").map(drop));
        assert!(gate.reached(SOON));
        let outcome = store.append(&[record("c", "agent", "m3")]).unwrap();
        assert!(matches!(&outcome[..], [Outcome::Rejected(e)] if e.kind() == ErrorKind::Busy), "{outcome:?}");
        gate.open();
        eraser.join().unwrap().unwrap();
    });
    // Then the conversation is nobody's: it is the agent's own.
    store.append(&[record("c", "agent", "m3")]).unwrap();
    store.roll().unwrap();
    assert_eq!(count(&store, "subject:agent"), 1);
    store.close().unwrap();
    assert_eq!(count(&builder().open().unwrap(), "*"), 1);
}
