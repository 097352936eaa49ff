//! What goes on beside a run of retention: appends, of whomever they are, and erasures that somebody asks for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Record, Selector, Store, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class as FileClass};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::recording_vfs::RecordingVfs;

use super::holds::dana;

const START: i64 = 1_767_225_600_000_000;
const DAY: i64 = Micros::DAY;

/// People who have an old message each and nothing else.
const PEOPLE: u64 = 150;

fn who(n: u64) -> String {
    format!("p{n}@example.org")
}

fn old(n: u64) -> Record {
    Record::new("c1", who(n), Micros(START), "the lamp").id(format!("old{n}")).tag("old")
}

fn new(n: u64, round: u64) -> Record {
    Record::new("c2", who(n), Micros(START + DAY), "a lamp again").id(format!("new{n}-{round}"))
}

/// A store in which everybody's old message is over.
fn over(disk: Arc<dyn Vfs>) -> Store {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let dates = Arc::clone(&clock) as Arc<dyn escrowdb::clock::Clock>;
    let store = Store::builder("/s").vfs(disk).clock(dates).background(false).create().unwrap();
    let class = Class {
        code: "old".into(),
        number: 1,
        title: "Old".into(),
        start: Start::Time,
        lock: None,
        maximum: Some("10d".into()),
        then: Then::Erase,
        ground: "a law".into(),
        selector: "tag:old".into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class))).unwrap();
    let first = store.append(&(0..PEOPLE).map(old).collect::<Vec<_>>()).unwrap();
    assert!(first.iter().all(|outcome| matches!(outcome, Outcome::Added(_))));
    store.roll().unwrap();
    clock.set(Micros(START + 20 * DAY));
    assert_eq!(store.retention(true).unwrap().classes[0].due, PEOPLE);
    store
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(Session::new()).count(query).unwrap()
}

/// Who writes while it is looked for who is left alone stays known, or is told to come again and is somebody new.
#[test]
fn nobody_who_writes_beside_a_run_is_forgotten() {
    let store = over(Arc::new(MemoryVfs::new()));
    let stop = AtomicBool::new(false);
    // He begins in the middle, so that some are alone when the run asks and some are not.
    let writing = || {
        let (mut acknowledged, mut refused) = (0, 0u64);
        for n in (0..PEOPLE).cycle().skip(PEOPLE as usize / 2) {
            if stop.load(Ordering::Acquire) {
                break;
            }
            match store.append(&[new(n, acknowledged)]).unwrap().remove(0) {
                Outcome::Added(_) => acknowledged += 1,
                Outcome::Rejected(e) if e.kind() == ErrorKind::Busy => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        (acknowledged, refused)
    };
    let (report, (acknowledged, refused)) = thread::scope(|scope| {
        let writing = scope.spawn(writing);
        let report = store.retention(false);
        stop.store(true, Ordering::Release);
        (report.unwrap(), writing.join().unwrap())
    });
    assert_eq!(report.certificates.len(), 1);
    let forgotten = report.certificates[0].people_forgotten;
    println!("{acknowledged} written, {refused} told to come again, {forgotten} forgotten");
    assert_eq!(count(&store, "tag:old"), 0);
    assert_eq!(count(&store, "conversation:c2"), acknowledged, "what was acknowledged is there");
    let of_the_known: u64 = (0..PEOPLE)
        .filter(|n| store.number_of(&who(*n)).is_ok())
        .map(|n| count(&store, &format!("author:{}", who(n))))
        .sum();
    assert_eq!(of_the_known, acknowledged, "nobody is shown as unknown who wrote");
    assert!(store.verify(&VerifyOptions::default()).unwrap().damage.is_empty());
}

/// It waits for the run, which hurries then, and comes to its end.
#[test]
fn an_erasure_that_is_asked_for_beside_a_run_comes_behind_it() {
    let disk = RecordingVfs::new();
    let store = over(Arc::new(disk.clone()));
    // Of the others something is being erased: to erase one of them answers *busy* meanwhile.
    let (her, him) = (PEOPLE, PEOPLE + 1);
    store.append(&[new(her, 0), new(him, 0)]).unwrap();
    let gate = disk.block(Aim::at(FileClass::Index, Call::Sync), 0);
    thread::scope(|scope| {
        let running = scope.spawn(|| store.retention(false));
        assert!(gate.reached(Duration::from_secs(20)), "the run writes an index");
        let erasing = scope.spawn(|| store.erase(&Selector::Person(who(her)), &EraseOptions::default()));
        gate.open();
        assert_eq!(running.join().unwrap().unwrap().certificates.len(), 1);
        assert_eq!(erasing.join().unwrap().unwrap().what, "person");
    });
    assert!(store.number_of(&who(her)).is_err());
    assert_eq!((count(&store, "tag:old"), count(&store, &format!("author:{}", who(him)))), (0, 1));
}
