//! The file of an index was away for a while: half a restore, a disk that was not mounted. The store opened
//! without it, which is allowed; but that day details of acts were due, so the opening ran a pass, and each
//! pass took along what could not be read, as an erasure must that somebody asks for. `verify`, run to see
//! what was wrong, so destroyed the keys of records of living people. `key rotate` did the same.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::clock::Clock;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, AuditRules, Builder, EraseOptions, Level, Order, Record, Selector, Store, VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

const DAY: i64 = 86_400_000_000;
const RECORDS: u64 = 50;

fn builder(disk: &MemoryVfs, clock: &Arc<ManualClock>) -> Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .audit(Level::All)
        .close_roll_records(0)
        .background(false)
}

/// A segment of records, and one with an act of the clock's first day, whose detail is kept for ten days.
fn store(disk: &MemoryVfs, clock: &Arc<ManualClock>) -> Vec<PathBuf> {
    let store = builder(disk, clock).create().unwrap();
    let record = |i| Record::new("c", format!("p{}", i % 5), Micros(i), "text").id(format!("m{i}"));
    store.append(&(0..RECORDS as i64).map(record).collect::<Vec<_>>()).unwrap();
    store.roll().unwrap();
    let is_index = |path: &PathBuf| path.extension().is_some_and(|e| e == "idx");
    let indexes: Vec<PathBuf> = disk.snapshot().into_keys().filter(is_index).collect();
    let rules = AuditRules::new(Level::All).keep_acts(365).keep_details(10);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    store.session(Session::new().actor("dana").purpose("a complaint")).count("text").unwrap();
    store.roll().unwrap();
    store.close().unwrap();
    indexes
}

/// How many of Dana's acts have details.
fn details(store: &Store) -> usize {
    let all = ActOptions::new().limit(usize::MAX).details(true);
    let found = store.session(Session::new().purpose("test")).acts("author:dana", &all).unwrap();
    found.iter().filter(|act| act.detail.is_some()).count()
}

/// The disk without these files, and the files.
fn away(disk: &MemoryVfs, paths: &[PathBuf]) -> MemoryVfs {
    let files = disk.snapshot().into_iter().filter(|(path, _)| !paths.contains(path));
    MemoryVfs::from_files(files.collect::<std::collections::BTreeMap<_, _>>())
}

/// The disk as it is, with these files as they were.
fn back(disk: &MemoryVfs, before: &MemoryVfs, paths: &[PathBuf]) -> MemoryVfs {
    let mut now = disk.snapshot();
    now.extend(before.snapshot().into_iter().filter(|(path, _)| paths.contains(path)));
    MemoryVfs::from_files(now)
}

#[test]
fn a_date_that_has_come_is_no_reason_to_give_records_up() {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::default()));
    let paths = store(&disk, &clock);
    let start = clock.now();
    let without = away(&disk, &paths);
    // Two looks, for a leap of the clock is believed on the second day.
    for day in [60, 61, 62] {
        clock.set(Micros(start.0 + day * DAY));
        let store = builder(&without, &clock).open().unwrap();
        assert_eq!(store.unreadable().len(), 1);
        assert_eq!(store.expire_acts().unwrap(), []);
        assert_eq!(details(&store), 1, "what is due stays");
        store.close().unwrap();
    }
    let disk = back(&without, &disk, &paths);
    let store = builder(&disk, &clock).open().unwrap();
    assert_eq!(store.unreadable(), []);
    assert_eq!(store.session(Session::new()).count("*").unwrap(), RECORDS);
    assert_eq!(details(&store), 0, "and goes as soon as all can be read");
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert!(report.damage.is_empty() && report.given_up.is_empty(), "{report:?}");
}

/// An expiry that was accepted, and cut before it was done, waits likewise; an erasure that somebody asks
/// for takes along what can't be read, and what waits.
#[test]
fn who_asks_for_an_erasure_takes_what_can_not_be_read() {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::default()));
    let paths = store(&disk, &clock);
    let without = away(&disk, &paths);
    clock.set(Micros(clock.now().0 + 60 * DAY));
    let store = builder(&without, &clock).open().unwrap();
    store.append(&[Record::new("d", "zoe", Micros(1), "later")]).unwrap();
    store.erase(&Selector::Person("zoe".into()), &EraseOptions::default()).unwrap();
    assert_eq!(store.unreadable(), []);
    assert_eq!(store.verify(&VerifyOptions::new()).unwrap().given_up.len(), 1);
}

#[test]
fn a_new_key_is_no_reason_to_give_records_up() {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::default()));
    let paths = store(&disk, &clock);
    let without = away(&disk, &paths);
    let store = builder(&without, &clock).open().unwrap();
    let refused = store.rotate_log_key().err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.hint_text().is_some_and(|hint| hint.contains("verify")), "{refused}");
    store.close().unwrap();
    let disk = back(&without, &disk, &paths);
    let store = builder(&disk, &clock).open().unwrap();
    store.rotate_log_key().unwrap();
    assert_eq!(store.session(Session::new()).count("*").unwrap(), RECORDS);
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert!(report.damage.is_empty() && report.given_up.is_empty(), "{report:?}");
}

/// The same with a file of bodies, where a segment has so many that a rewrite gathers them in one.
#[test]
fn a_date_gathers_no_bodies_of_which_some_are_away() {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::default()));
    let store = builder(&disk, &clock).create().unwrap();
    let rules = AuditRules::new(Level::All).keep_acts(365).keep_details(10);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    store.session(Session::new().actor("dana").purpose("a complaint")).count("text").unwrap();
    let record = |i| Record::new("c", format!("p{}", i % 2), Micros(i), "text").id(format!("m{i}"));
    store.append(&(0..80).map(record).collect::<Vec<_>>()).unwrap();
    store.roll().unwrap();
    let is_body = |path: &PathBuf| path.extension().is_some_and(|e| e == "seg");
    let first: Vec<PathBuf> = disk.snapshot().into_keys().filter(is_body).collect();
    assert_eq!(first.len(), 1);
    // Each of these erasures writes a block anew, in a file of its own.
    for i in 0..31 {
        let record = Selector::Record { id: format!("m{}", 2 * i), conversation: Some("c".into()) };
        store.erase(&record, &EraseOptions::default()).unwrap();
    }
    store.close().unwrap();
    assert!(disk.snapshot().into_keys().filter(is_body).count() >= 32);
    let without = away(&disk, &first);
    let start = clock.now();
    for day in [60, 61, 62] {
        clock.set(Micros(start.0 + day * DAY));
        builder(&without, &clock).open().unwrap().close().unwrap();
    }
    let store = builder(&back(&without, &disk, &first), &clock).open().unwrap();
    let mut alive = 0;
    let reading = store.session(Session::new());
    reading
        .search_each("author:p1", Order::Oldest, |hit| {
            alive += u64::from(hit.body == "text");
            true
        })
        .unwrap();
    assert_eq!(alive, 40);
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert!(report.damage.is_empty() && report.given_up.is_empty(), "{report:?}");
    assert_eq!(details(&store), 0, "what was due is gone all the same");
}
