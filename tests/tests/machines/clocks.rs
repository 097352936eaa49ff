//! Clocks that are wrong: ten years ahead or behind, going backwards, standing still, at the ends
//! of what a number holds. They stamp acts; they order nothing, expire nothing and open nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{
    Certificate, EraseOptions, Order, Period, Record, SearchOptions, Selector, Store, VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Result};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;

const NOW: i64 = 1_767_225_600_000_000;
const YEAR: i64 = 31_557_600_000_000;

/// What a clock says at opening, appends, erasures and queries, one after the other, again and again.
const CLOCKS: &[(&str, &[i64])] = &[
    ("right", &[NOW, NOW + 1_000_000, NOW + 2_000_000]),
    ("standing still", &[NOW]),
    ("ten years ahead", &[NOW + 10 * YEAR]),
    ("ten years behind", &[NOW - 10 * YEAR]),
    ("forth and back by ten years", &[NOW, NOW + 10 * YEAR, NOW - 10 * YEAR]),
    ("going backwards", &[NOW, NOW - YEAR, NOW - 2 * YEAR, NOW - 3 * YEAR, NOW - 4 * YEAR, NOW - 5 * YEAR]),
    ("at the epoch", &[0]),
    ("before the epoch", &[-1, -YEAR]),
    ("in the year 1", &[Micros::MIN.0]),
    ("at the end of the year 9999", &[Micros::MAX.0]),
    ("beyond all years", &[i64::MAX, i64::MIN, i64::MIN + 1, i64::MAX - 1]),
];

struct Turned {
    clock: Arc<ManualClock>,
    says: &'static [i64],
    turn: usize,
}

impl Turned {
    fn turn(&mut self) -> Micros {
        let now = Micros(self.says[self.turn % self.says.len()]);
        self.turn += 1;
        self.clock.set(now);
        now
    }
}

fn record(id: &str, who: &str, at: i64) -> Record {
    Record::new("c1", who, Micros(at), format!("words of {id}")).id(id).tag("t")
}

fn open(disk: &MemoryVfs, clock: &Turned, create: bool) -> Result<Store> {
    let builder = Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::clone(&clock.clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(clock.turn as u64)))
        .roll_records(6)
        .background(false);
    if create { builder.create() } else { builder.open() }
}

/// Everything about messages; what acts and people's own records are stamped with is left out.
fn told(store: &Store) -> Vec<String> {
    let reading = store.session(Session::new());
    let mut out = Vec::new();
    for order in [Order::Oldest, Order::Newest] {
        for hit in reading.search("*", &SearchOptions::new().limit(100).order(order)).unwrap() {
            out.push(format!("{} {} {:?} {:?} {}", hit.seq, hit.id, hit.time, hit.author, hit.body));
        }
    }
    for query in ["*", "tag:t", "after:2020-01-01", "before:2020-01-01", "kind:person", "kind:erased"] {
        out.push(format!("{query} {}", reading.count(query).unwrap()));
    }
    out.push(format!("{:?}", reading.histogram("*", Period::Year).unwrap()));
    out.push(format!("{:?}", reading.facet("*", "author").unwrap()));
    out
}

fn erase(store: &Store, selector: Selector, request: u8) -> Certificate {
    let options = EraseOptions {
        reason: Some("asked".into()),
        request: Some(RequestId([request; 16])),
        ..EraseOptions::default()
    };
    store.erase(&selector, &options).unwrap()
}

/// The whole life under a clock.
fn live(says: &'static [i64]) -> Vec<String> {
    let disk = MemoryVfs::new();
    let mut clock = Turned { clock: Arc::new(ManualClock::default()), says, turn: 0 };
    clock.turn();
    let store = open(&disk, &clock, true).unwrap();
    // Times out of order, and equal ones: seq decides.
    for (n, id) in ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"].iter().enumerate() {
        clock.turn();
        let at = NOW + [5, 3, 3, 9, -YEAR, YEAR, 3, 5][n];
        store.append(&[record(id, if n % 2 == 0 { "anna" } else { "ben" }, at)]).unwrap();
    }
    clock.turn();
    store.close().unwrap();
    clock.turn();
    let store = open(&disk, &clock, false).unwrap();
    let now = clock.turn();
    let certificate = erase(&store, Selector::Record { id: "m2".into(), conversation: None }, 1);
    // What the clock said, no more: committed and destroyed at this moment, as far as years go.
    let said = now.clamp(Micros::MIN, Micros::MAX);
    assert_eq!((certificate.committed, certificate.destroyed), (said, said));
    assert!(!certificate.destroyed_not_later_than);
    clock.turn();
    assert_eq!(erase(&store, Selector::Record { id: "m2".into(), conversation: None }, 1).committed, said);
    store.append(&[record("m8", "carl", NOW + 3), record("m9", "anna", NOW)]).unwrap();
    clock.turn();
    erase(&store, Selector::Person("ben".into()), 2);
    // The process dies, and the clock is another one.
    let disk = MemoryVfs::from_files(disk.snapshot());
    drop(store);
    clock.turn();
    let store = open(&disk, &clock, false).unwrap();
    clock.turn();
    assert_eq!(
        store.session(Session::new()).person("ben").err().map(|e| e.kind()),
        Some(ErrorKind::NotFound)
    );
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    told(&store)
}

#[test]
fn answers_are_the_same_under_every_clock() {
    let right = live(CLOCKS[0].1);
    let oldest: Vec<&str> = right[..5].iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(oldest, ["m4", "m9", "m6", "m8", "m0"], "by event time, then by position");
    for (name, says) in &CLOCKS[1..] {
        assert_eq!(live(says), right, "a clock {name}");
    }
}

/// A query that says *ago* is answered, or refused, whatever the clock says.
#[test]
fn relative_dates_at_the_ends_of_time() {
    let disk = MemoryVfs::new();
    let clock = Turned { clock: Arc::new(ManualClock::default()), says: &[NOW], turn: 0 };
    let store = open(&disk, &clock, true).unwrap();
    store.append(&[record("m0", "anna", Micros::MIN.0), record("m1", "anna", Micros::MAX.0)]).unwrap();
    store.append(&[record("m2", "anna", NOW)]).unwrap();
    let ends = [i64::MIN, i64::MIN + 1, Micros::MIN.0, Micros::MIN.0 - 1, Micros::MIN.0 + 1];
    let more = [-1, 0, 1, NOW, Micros::MAX.0, Micros::MAX.0 - 1, Micros::MAX.0 + 1, i64::MAX - 1, i64::MAX];
    for now in ends.into_iter().chain(more) {
        clock.clock.set(Micros(now));
        let reading = store.session(Session::new());
        for date in [
            "now",
            "today",
            "yesterday",
            "-0h",
            "-1h",
            "-999999h",
            "-1d",
            "-999999d",
            "-999999w",
            "-1m",
            "-999999m",
            "-1y",
            "-9999y",
            "-999999y",
            "0001",
            "9999",
            "0001-01-01",
            "9999-12-31",
            "9999-12",
        ] {
            for field in ["after", "before", "on"] {
                let query = format!("{field}:{date}");
                match reading.count(&query) {
                    Ok(n) => assert!(n <= 3, "{query} at {now}"),
                    Err(e) => assert_eq!(e.kind(), ErrorKind::Invalid, "{query} at {now}: {e}"),
                }
            }
        }
        // Whoever was there before now and whoever comes from now on are all.
        let of = |query: &str| reading.count(query).unwrap();
        assert_eq!(of("before:now") + of("after:now"), 3, "at {now}");
        assert_eq!(of("after:0001-01-01"), 3);
    }
}
