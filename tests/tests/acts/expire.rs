//! Acts and their details die on their date, by the way of every erasure: not before because a clock
//! was set forward for an hour, and not never because it was set back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::path::Path;
use std::sync::Arc;

use escrowdb::id::{Micros, PersonNumber};
use escrowdb::keyring::entry::Person;
use escrowdb::keyring::{FileSlot, Keyring, Slot, catalog};
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, AuditRules, Builder, Level, Record, SearchOptions, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::recording_vfs::RecordingVfs;

const DAY: i64 = 86_400_000_000;
/// The clock starts on the first of January: acts of that day are of a month that ends 31 days later.
const MONTH: i64 = 31;

fn builder(disk: Arc<dyn Vfs>, clock: &Arc<ManualClock>, seed: u64) -> Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::clone(clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .audit(Level::All)
        .background(false)
}

/// A store with an act of today, which is kept for a year, and its detail, which is for ten days.
fn told(disk: Arc<dyn Vfs>, clock: &Arc<ManualClock>) -> Store {
    let store = builder(disk, clock, 1).create().unwrap();
    let record = Record::new("c1", "anna", Micros(0), "My lamp flickers").id("m1");
    store.append(&[record]).unwrap();
    let rules = AuditRules::new(Level::All).keep_acts(365).keep_details(10);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    let reading = store.session(Session::new().actor("dana").purpose("a complaint"));
    assert_eq!(reading.count("lamp").unwrap(), 1);
    store
}

/// How many acts of Dana's there are, and how many of them have details.
fn kept(store: &Store) -> (usize, usize) {
    let all = ActOptions::new().limit(usize::MAX).details(true);
    let found = store.session(Session::new().purpose("test")).acts("author:dana", &all).unwrap();
    (found.len(), found.iter().filter(|act| act.detail.is_some()).count())
}

struct Turned {
    disk: MemoryVfs,
    clock: Arc<ManualClock>,
    seed: u64,
    start: Micros,
}

impl Turned {
    fn new() -> Self {
        let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::default()));
        told(Arc::new(disk.clone()), &clock).close().unwrap();
        let start = escrowdb::clock::Clock::now(&*clock);
        Self { disk, clock, seed: 1, start }
    }

    /// Opens the store when the clock says so many days from the start. Answers what is kept.
    fn on(&mut self, day: i64) -> (usize, usize) {
        self.clock.set(Micros(self.start.0 + day * DAY));
        self.seed += 1;
        let store = builder(Arc::new(self.disk.clone()), &self.clock, self.seed).open().unwrap();
        let kept = kept(&store);
        let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert!(report.damage.is_empty(), "{:?}", report.damage);
        store.close().unwrap();
        kept
    }
}

#[test]
fn each_class_goes_on_its_date() {
    let mut store = Turned::new();
    assert_eq!(store.on(0), (1, 1));
    // A look more than a month later is believed a day later.
    assert_eq!(store.on(MONTH + 11), (1, 1));
    assert_eq!(store.on(MONTH + 12), (1, 0));
}

#[test]
fn a_store_that_is_used_forgets_on_the_day() {
    let mut store = Turned::new();
    for day in (0..MONTH + 10).step_by(5) {
        assert_eq!(store.on(day), (1, 1), "day {day}");
    }
    assert_eq!(store.on(MONTH + 9), (1, 1));
    assert_eq!(store.on(MONTH + 10), (1, 0));
    for day in (MONTH + 11..MONTH + 365).step_by(20) {
        assert_eq!(store.on(day), (1, 0), "day {day}");
    }
    assert_eq!(store.on(MONTH + 364), (1, 0));
    // Nothing but her acts told of Dana: with the last of them she is unknown.
    assert_eq!(store.on(MONTH + 365), (0, 0));
}

#[test]
fn clocks() {
    // Set forward by ten years for less than a day, and put right.
    let mut store = Turned::new();
    assert_eq!(store.on(3_650), (1, 1));
    assert_eq!(store.on(1), (1, 1));
    assert_eq!(store.on(20), (1, 1));
    // Left so: the next day it is believed.
    let mut store = Turned::new();
    assert_eq!(store.on(3_650), (1, 1));
    assert_eq!(store.on(3_651), (0, 0));
    // Set back by twenty years: time goes on from there.
    let mut store = Turned::new();
    for day in 0..MONTH + 10 {
        assert_eq!(store.on(day - 7_300), (1, 1), "day {day}");
    }
    assert_eq!(store.on(MONTH + 10 - 7_300), (1, 0));
}

/// Numbers of those who stand for a period in the key tree of a closed store, and of the periods.
fn periods_of(disk: &MemoryVfs) -> (Vec<PersonNumber>, Vec<PersonNumber>) {
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let slot = FileSlot::new(Arc::clone(&vfs), "/s.slot").load().unwrap().unwrap();
    let entropy = Arc::new(SeededEntropy::new(99));
    let tree =
        Keyring::open(vfs, Path::new("/s"), entropy, slot.store, &slot.root, slot.epoch).unwrap().tree();
    let is_period = |number: &PersonNumber| {
        catalog::person(&tree, *number).unwrap().is_some_and(|person| person.state == Person::AUDIT)
    };
    let persons = (0..50).map(PersonNumber).filter(is_period).collect();
    let mut periods: Vec<_> =
        catalog::audit_periods(&tree).unwrap().into_iter().map(|(number, _)| number).collect();
    periods.sort_unstable();
    (persons, periods)
}

/// With its date a period leaves the key tree, and the keys of its person with it: what somebody kept of the
/// folder opens with nothing.
#[test]
fn keys_of_a_period_die_on_its_date() {
    let mut store = Turned::new();
    assert_eq!(store.on(0), (1, 1));
    let (persons, periods) = periods_of(&store.disk);
    assert_eq!((persons.len(), &persons), (2, &periods));
    assert_eq!(store.on(20), (1, 1));
    assert_eq!(store.on(MONTH + 11), (1, 0));
    let (left, periods) = periods_of(&store.disk);
    assert_eq!(left, periods);
    // Acts of January live on; of its details nobody is left.
    assert_eq!(persons.iter().filter(|number| left.contains(number)).count(), 1);
}

/// What is left of a period is the record of its erasure: which class, how many records.
#[test]
fn counts_are_left_of_a_period() {
    let clock = Arc::new(ManualClock::default());
    let store = told(Arc::new(MemoryVfs::new()), &clock);
    store.roll().unwrap();
    assert_eq!(store.expire_acts().unwrap(), []);
    for _ in 0..3 {
        clock.advance(20 * DAY);
        store.session(Session::new()).count("lamp").unwrap();
    }
    let gone = store.expire_acts().unwrap();
    assert_eq!(gone.len(), 1);
    let certificate = &gone[0];
    // January's: what Dana asked for and for what, and the first of the three. The rule's act has none.
    assert_eq!((certificate.what, certificate.records_removed), ("details", 3));
    assert_eq!((certificate.content_keys_destroyed, certificate.people_forgotten), (1, 0));
    assert!(certificate.handles.is_empty());
    let erased = store.session(Session::new()).search("kind:erased", &SearchOptions::new()).unwrap();
    assert_eq!(erased.len(), 1);
    assert!(!certificate.to_json().contains("dana"));
}

/// An erasure of a period is killed anywhere, whatever the disk kept of it: the store opens, holds what
/// it held, and the period is gone after the next opening.
#[test]
fn killed_in_the_middle() {
    let (disk, clock) = (RecordingVfs::new(), Arc::new(ManualClock::default()));
    let store = told(Arc::new(disk.clone()), &clock);
    store.roll().unwrap();
    store.session(Session::new().actor("dana")).get("m1", None).unwrap();
    clock.advance(25 * DAY);
    store.session(Session::new().actor("dana")).get("m1", None).unwrap();
    clock.advance(20 * DAY);
    let from = disk.log_len();
    assert_eq!(store.expire_acts().unwrap().len(), 1);
    let to = disk.log_len();
    let ops = disk.log();
    let options = CrashOptions { points: from..to + 1, exhaustive_max: 3, random: 4, torn: 1, seed: 5 };
    let mut states = 0;
    for image in crashes(&ops, options) {
        let opened = builder(Arc::new(image.disk()), &clock, 100 + image.at as u64).open().unwrap();
        assert_eq!(kept(&opened), (3, 0), "{}", image.what);
        let reading = opened.session(Session::new());
        assert_eq!(reading.count("lamp").unwrap(), 1);
        assert_eq!(reading.get("m1", None).unwrap().len(), 1);
        // Once, whether it was killed or not.
        assert_eq!(reading.count("kind:erased").unwrap(), 1, "{}", image.what);
        let report = opened.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert!(report.damage.is_empty(), "{}: {:?}", image.what, report.damage);
        states += 1;
    }
    assert!(states > 100, "{states}");
}

/// A full disk once put an expiry off until somebody erased something or opened the store anew: the hourly
/// look passed over what waited.
#[test]
fn an_expiry_that_found_no_room_is_tried_again() {
    let (disk, clock) = (FaultyVfs::new(Arc::new(MemoryVfs::new())), Arc::new(ManualClock::default()));
    let store = told(Arc::new(disk.clone()), &clock);
    let start = escrowdb::clock::Clock::now(&*clock);
    for day in (0..MONTH + 10).step_by(5) {
        clock.set(Micros(start.0 + day * DAY));
        assert_eq!(store.expire_acts().unwrap(), []);
    }
    store.roll().unwrap();
    clock.set(Micros(start.0 + (MONTH + 10) * DAY));
    let aim = Aim::at(Class::Index, Call::Create);
    disk.arm(Plan { aim, nth: 0, fault: Fault::NoSpace, sticky: true });
    assert_eq!(store.expire_acts().err().unwrap().kind(), ErrorKind::NoSpace);
    assert_eq!(store.expire_acts().err().unwrap().kind(), ErrorKind::NoSpace);
    assert_eq!(kept(&store), (1, 1));
    disk.disarm();
    assert_eq!(store.expire_acts().unwrap().len(), 1);
    assert_eq!(kept(&store), (1, 0));
}
