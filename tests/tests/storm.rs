//! Threads: appends, reads, rolls and erasures at once. No acknowledged record is lost, none of
//! the erased is seen after the acknowledgement, nobody waits for a reader.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use escrowdb::id::{Micros, Seq};
use escrowdb::record::Record;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Certificate, EraseOptions, Level, Order, Outcome, Preset, SearchOptions, Selector,
    VerifyOptions,
};
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

/// Counts a thread out; one that fails ends the others.
struct Leaves<'a>(&'a AtomicUsize, &'a AtomicBool);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
        if thread::panicking() {
            self.1.store(true, Ordering::Release);
        }
    }
}

/// Something that began and ended at these ticks of a common counter.
struct Span {
    name: String,
    seq: Seq,
    began: u64,
    ended: u64,
}

/// Sixty-four callers write for people who stay and for people who are erased meanwhile and come
/// back at once; others read all the time; rolls run in the background. What was acknowledged
/// before an erasure began is gone when it ends; what was written after it ended stays; what was
/// written meanwhile may be one or the other.
#[test]
fn appends_reads_rolls_and_erasures_at_once() {
    at_once(Level::Off);
}

/// The same in a store that keeps acts: what was shown was told of before, and still is at the end.
#[test]
fn appends_reads_rolls_and_erasures_at_once_with_acts() {
    at_once(Level::All);
}

fn at_once(level: Level) {
    const CALLERS: usize = 64;
    const DOOMED: usize = 8;
    let erasures = if std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full") { 100 } else { 6 };
    let disk = RecordingVfs::new();
    disk.stir(1, 5);
    let builder = Store::builder("/s").vfs(Arc::new(disk.clone())).roll_records(150);
    let store = builder.audit(level).create().unwrap();
    // Looks that began, and those that were shown.
    let (began_looks, shown) = (AtomicU64::new(0), AtomicU64::new(0));
    let ticks = AtomicU64::new(0);
    let tick = || ticks.fetch_add(1, Ordering::SeqCst);
    let (acknowledged, erased) = (Mutex::new(Vec::<Span>::new()), Mutex::new(Vec::<Span>::new()));
    let (running, others, failed) = (AtomicUsize::new(CALLERS), AtomicUsize::new(4), AtomicBool::new(false));
    let find = |query: &str| {
        let mut seen = BTreeSet::new();
        let reading = store.session(Session::new().actor("reader").purpose("round"));
        began_looks.fetch_add(1, Ordering::SeqCst);
        match reading.search_each(query, Order::Oldest, |hit| seen.insert(hit.seq)) {
            Ok(()) => {
                shown.fetch_add(1, Ordering::SeqCst);
                Some(seen)
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Revoked);
                None
            }
        }
    };
    let of = |name: &str| {
        let all = acknowledged.lock();
        all.iter().filter(|a| a.name == name).map(|a| a.seq).collect::<BTreeSet<Seq>>()
    };
    let write = |caller: usize, round: usize| {
        let id = format!("{caller}-{round}");
        let batch = [
            record("stay", &format!("stays{}", caller % 5), &id),
            record("go", &format!("goes{}", (caller + round) % DOOMED), &id),
        ];
        let began = tick();
        for (record, outcome) in batch.iter().zip(store.append(&batch).unwrap()) {
            match outcome {
                Outcome::Added(seq) => {
                    let span = Span { name: record.author.clone(), seq, began, ended: tick() };
                    acknowledged.lock().push(span);
                }
                Outcome::Rejected(e) if e.kind() == ErrorKind::Busy => {
                    assert!(record.author.starts_with("goes"));
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let forget = |name: &str| {
        let (before, began) = (of(name), tick());
        match erase(&store, name) {
            Ok(_) => {
                let span = Span { name: name.to_owned(), seq: Seq(0), began, ended: tick() };
                if let Some(seen) = find(&format!("subject:{name}")) {
                    assert!(seen.is_disjoint(&before), "{name} is still there");
                }
                erased.lock().push(span);
            }
            // The other one is at it, or there is nobody of this name now.
            Err(e) => assert!(matches!(e.kind(), ErrorKind::Busy | ErrorKind::NotFound), "{e}"),
        }
    };
    let read = || {
        let before: BTreeSet<Seq> = (0..5).flat_map(|n| of(&format!("stays{n}"))).collect();
        if let Some(seen) = find("conversation:stay") {
            assert!(seen.is_superset(&before), "acknowledged means found");
        }
    };
    thread::scope(|scope| {
        let (write, forget, read) = (&write, &forget, &read);
        let (running, others, failed, erased) = (&running, &others, &failed, &erased);
        let enough = move || erased.lock().len() >= erasures || failed.load(Ordering::Acquire);
        for caller in 0..CALLERS {
            scope.spawn(move || {
                let _leaves = Leaves(running, failed);
                (0..).take_while(|_| !enough()).for_each(|round| write(caller, round));
            });
        }
        for other in 0..4 {
            scope.spawn(move || {
                let _leaves = Leaves(others, failed);
                for turn in (other..).take_while(|_| running.load(Ordering::Acquire) > 0) {
                    if other < 2 { forget(&format!("goes{}", turn % DOOMED)) } else { read() }
                }
            });
        }
    });
    let (acknowledged, erased) = (acknowledged.into_inner(), erased.into_inner());
    let found = |store: &Store| {
        let mut seen = BTreeSet::new();
        let each = |hit: escrowdb::store::Hit| seen.insert(hit.seq);
        store.session(Session::new()).search_each("*", Order::Oldest, each).unwrap();
        seen
    };
    // Acts of the reader.
    let acts = |store: &Store| {
        let all = ActOptions::new().limit(usize::MAX).details(true);
        let acts = store.session(Session::new().purpose("count")).acts("author:reader", &all).unwrap();
        acts.iter().map(|act| (act.seq, act.act.as_ref().map(|act| act.count))).collect::<BTreeMap<_, _>>()
    };
    let told = acts(&store);
    if level == Level::All {
        let looks = shown.load(Ordering::SeqCst)..=began_looks.load(Ordering::SeqCst);
        assert!(looks.contains(&(told.len() as u64)), "{} acts of {looks:?} looks", told.len());
        assert!(!told.is_empty());
    } else {
        assert!(told.is_empty());
    }
    let left = found(&store);
    for a in &acknowledged {
        let mut erasures = erased.iter().filter(|e| e.name == a.name);
        let is_gone = erasures.clone().any(|e| a.ended < e.began);
        let stays = erasures.all(|e| e.ended < a.began);
        assert!(!is_gone || !left.contains(&a.seq), "{} of {} is there", a.seq, a.name);
        assert!(!stays || left.contains(&a.seq), "{} of {} is lost", a.seq, a.name);
    }
    let known: BTreeSet<Seq> = acknowledged.iter().map(|a| a.seq).collect();
    assert!(left.is_subset(&known) && known.len() == acknowledged.len());
    // The process dies here: all of it comes back.
    let disk = MemoryVfs::from_files(disk.snapshot());
    drop(store);
    let store = Store::builder("/s").vfs(Arc::new(disk)).open().unwrap();
    assert!(found(&store) == left);
    assert_eq!(acts(&store), told);
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
    // The agent is known from elsewhere, or he would be forgotten with her.
    let elsewhere = record("d", "agent", "m0");
    store.append(&[record("c", "anna", "m1"), record("c", "agent", "m2"), elsewhere]).unwrap();
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
    assert_eq!(count(&store, "subject:agent"), 2);
    store.close().unwrap();
    assert_eq!(count(&builder().open().unwrap(), "*"), 2);
}
