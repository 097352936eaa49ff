//! Retention: the first class that fits is fixed when a record comes in, its longest time ends it, and nothing
//! ends early: not by a clock, not past a lock, not past a hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::erase::certificate;
use escrowdb::id::Micros;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::record::{Kind, time};
use escrowdb::register::Event;
use escrowdb::register::class::{Class, Event as ClassEvent, Start, Then};
use escrowdb::register::hold::{self, Effect, Scope};
use escrowdb::session::Session;
use escrowdb::store::{
    Builder, ClassReport, CompactOptions, Outcome, Record, RetentionReport, SearchOptions, Store,
    VerifyOptions,
};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class as FileClass};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::recording_vfs::RecordingVfs;

use super::holds::place;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const DAY: i64 = Micros::DAY;

fn builder(disk: Arc<dyn Vfs>, clock: &Arc<ManualClock>, seed: u64) -> Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::clone(clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

fn dana() -> Session {
    Session::new().actor("dana")
}

fn on(day: i64) -> Micros {
    Micros(START + day * DAY)
}

fn at(text: &str) -> Micros {
    time::parse(text).unwrap()
}

struct Made {
    clock: Arc<ManualClock>,
    disk: MemoryVfs,
    store: Store,
}

fn empty() -> Made {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::new(Micros(START))));
    let store = builder(Arc::new(disk.clone()), &clock, 1).create().unwrap();
    Made { clock, disk, store }
}

impl Made {
    /// Lets the clock go on to a day, and the store look at it often enough to believe it.
    fn live_until(&self, day: i64) {
        let now = escrowdb::clock::Clock::now(&*self.clock);
        let first = (now.0 - START).div_euclid(DAY);
        for day in (first..day).step_by(20).skip(1).chain([day]) {
            self.clock.set(on(day));
            self.store.retention(true).unwrap();
        }
    }
}

fn class(code: &str, number: u32, selector: &str, lock: Option<&str>, maximum: Option<&str>) -> Class {
    Class {
        code: code.into(),
        number,
        title: code.into(),
        start: Start::Time,
        lock: lock.map(str::to_owned),
        maximum: maximum.map(str::to_owned),
        then: Then::Erase,
        ground: "GDPR 5 (1) (e)".into(),
        selector: selector.into(),
    }
}

fn define(store: &Store, class: Class) {
    store.change(&dana(), Event::Class(ClassEvent::Define(class))).unwrap();
}

fn message(id: &str, conversation: &str, author: &str, day: i64) -> Record {
    Record::new(conversation, author, on(day), format!("words of {id}")).id(id)
}

fn append(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn ids(store: &Store) -> Vec<String> {
    let found = store.session(Session::new()).search("*", &SearchOptions::new().limit(1000)).unwrap();
    let mut ids: Vec<_> = found.into_iter().map(|hit| hit.id).collect();
    ids.sort();
    ids
}

fn of<'r>(report: &'r RetentionReport, code: &str) -> &'r ClassReport {
    report.classes.iter().find(|class| class.code == code).unwrap()
}

/// A run answers what a dry run said before it.
fn run(store: &Store) -> RetentionReport {
    let would = store.retention(true).unwrap();
    assert!(would.certificates.is_empty());
    let did = store.retention(false).unwrap();
    assert_eq!((did.at, &did.classes), (would.at, &would.classes));
    let due: u64 = did.classes.iter().filter(|class| class.then == Then::Erase).map(|class| class.due).sum();
    assert_eq!(did.certificates.len(), usize::from(due > 0));
    let after = store.retention(true).unwrap();
    assert!(after.classes.iter().all(|class| class.then != Then::Erase || class.due == 0), "{after:?}");
    did
}

#[test]
fn the_first_class_that_fits_is_fixed_when_a_record_comes_in() {
    let Made { store, disk, clock } = empty();
    append(&store, &[message("m0", "c1", "anna", 0)]);
    define(&store, class("support", 1, "tag:support", None, Some("1y")));
    define(&store, class("chat", 2, "*", None, Some("30d")));
    append(&store, &[message("m1", "c1", "anna", 0).tag("support").participant("ben")]);
    append(&store, &[message("m2", "c1", "anna", 0)]);
    store.roll().unwrap();
    append(&store, &[message("m3", "c1", "ben", 0).tag("support")]);
    let counts = |store: &Store| [0, 1, 2, 3].map(|number| store.records_of_class(number).unwrap());
    // A join that a record makes is of its class; who is who, and what was defined, is of none.
    assert_eq!(counts(&store)[1..], [3, 1, 0]);
    let retire = Event::Class(ClassEvent::Retire { code: "support".into() });
    store.change(&dana(), retire).unwrap();
    append(&store, &[message("m4", "c1", "ben", 0).tag("support")]);
    assert_eq!(counts(&store)[1..], [3, 2, 0]);
    // What was there is the same, whatever is defined by now.
    let again = [message("m0", "c1", "anna", 0), message("m3", "c1", "ben", 0).tag("support")];
    for outcome in store.append(&again).unwrap() {
        assert!(matches!(outcome, Outcome::Duplicate(_)), "{outcome:?}");
    }
    let before = counts(&store);
    store.roll().unwrap();
    store.compact(&CompactOptions::default(), |_| ()).unwrap();
    assert_eq!(counts(&store), before);
    store.close().unwrap();
    let store = builder(Arc::new(disk), &clock, 2).open().unwrap();
    assert_eq!(counts(&store), before);
    assert!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
}

#[test]
fn what_is_over_goes_and_everything_else_stays() {
    let made = empty();
    let store = &made.store;
    define(store, class("context", 1, "kind:context", None, Some("30d")));
    define(store, class("chat", 2, "tag:chat", None, Some("60d")));
    define(store, Class { then: Then::Review, ..class("look", 3, "tag:look", None, Some("10d")) });
    let context = message("i1", "c1", "anna", 0).kind(Kind::Context);
    append(store, &[context, message("m1", "c1", "anna", 0).tag("chat"), message("m2", "c1", "ben", 0)]);
    store.roll().unwrap();
    append(store, &[message("m3", "c2", "kim", 0).tag("chat"), message("m4", "c2", "ben", 40).tag("chat")]);
    append(store, &[message("m5", "c3", "ben", 0).tag("look"), message("m6", "c3", "kim", 0)]);
    made.live_until(29);
    let report = run(store);
    assert_eq!((of(&report, "context").due, of(&report, "context").next), (0, Some(on(30))));
    assert_eq!(of(&report, "look").due, 1);
    made.live_until(30);
    assert_eq!(of(&run(store), "context").due, 1);
    made.live_until(60);
    let report = run(store);
    let [certificate] = report.certificates.as_slice() else { panic!("{report:?}") };
    assert_eq!((certificate.what, certificate.basis.map(|b| b.name())), ("class", Some("retention")));
    assert_eq!((of(&report, "chat").due, of(&report, "chat").next), (2, Some(on(100))));
    assert_eq!(ids(store), ["m2", "m4", "m5", "m6"]);
    // Nothing else told of Anna.
    assert_eq!(store.number_of("anna").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((certificate.people_forgotten, store.number_of("kim").is_ok()), (1, true));
    // With the key alone.
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    let file = certificate.to_json() + "\n";
    assert_eq!(&certificate::verify(file.as_bytes(), &key).unwrap(), certificate);
    assert!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
}

#[test]
fn afterwards_it_is_a_store_that_never_held_the_expired() {
    let history = |expired: bool| {
        let made = empty();
        define(&made.store, class("short", 1, "tag:short", None, Some("30d")));
        for n in 0..120 {
            let author = ["anna", "ben", "kim"][n % 3];
            let conversation = ["c1", "c2"][n % 2];
            let mut record = message(&format!("m{n}"), conversation, author, (n % 7) as i64);
            let short = n % 5 == 1;
            record = record.tag(if short { "short" } else { "long" });
            if expired || !short {
                append(&made.store, &[record]);
            }
            if n % 40 == 39 {
                made.store.roll().unwrap();
            }
        }
        made.live_until(37);
        made
    };
    let (with, without) = (history(true), history(false));
    assert_eq!(of(&run(&with.store), "short").due, 24);
    let answers = |store: &Store| {
        let reading = store.session(Session::new());
        let mut all = Vec::new();
        for query in [
            "*",
            "words",
            "m11",
            "m12",
            "tag:short",
            "tag:long",
            "subject:anna",
            "author:ben words",
            "conversation:c1",
            "after:2026-01-03 before:2026-01-05",
            "words -author:kim",
            "\"words of\"",
        ] {
            let found = reading.search(query, &SearchOptions::new().limit(1000)).unwrap();
            let hits: Vec<_> = found.iter().map(|hit| hit.id.clone()).collect();
            all.push((query, reading.count(query).unwrap(), hits));
        }
        all
    };
    assert_eq!(answers(&with.store), answers(&without.store));
    assert!(with.store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
}

#[test]
fn a_lock_that_was_lengthened_keeps_to_the_end_of_its_day() {
    let made = empty();
    define(&made.store, class("books", 1, "*", Some("10d"), Some("30d")));
    let noon = Record::new("c1", "anna", Micros(START + DAY / 2), "an invoice").id("m1");
    append(&made.store, &[noon]);
    let lengthen = ClassEvent::Lengthen { code: "books".into(), lock: "30d".into() };
    made.store.change(&dana(), Event::Class(lengthen)).unwrap();
    made.live_until(30);
    made.clock.set(Micros(START + 30 * DAY + DAY / 2));
    let report = run(&made.store);
    assert_eq!((of(&report, "books").due, of(&report, "books").locked), (0, 1));
    made.clock.set(Micros(on(31).0 - 1));
    assert_eq!(of(&run(&made.store), "books").locked, 1);
    made.clock.set(on(31));
    assert_eq!(of(&run(&made.store), "books").due, 1);
    assert_eq!(ids(&made.store), [] as [&str; 0]);
}

#[test]
fn holds_and_restrictions_keep_what_is_over() {
    let made = empty();
    let store = &made.store;
    define(store, class("chat", 1, "*", None, Some("30d")));
    append(store, &[message("m1", "c1", "anna", 0), message("m2", "c2", "ben", 0)]);
    store.roll().unwrap();
    append(store, &[message("m3", "c3", "kim", 0), message("m4", "c4", "eva", 0)]);
    place(store, "h1", Effect::Hold, Scope::Person(store.number_of("anna").unwrap().0));
    place(store, "h2", Effect::Hold, Scope::Conversation("c2".into()));
    place(store, "r1", Effect::Restrict, Scope::Person(store.number_of("eva").unwrap().0));
    made.live_until(40);
    let report = run(store);
    assert_eq!((of(&report, "chat").due, of(&report, "chat").held), (1, 3));
    let left = ids(store);
    assert!(left.contains(&"m1".to_owned()) && left.contains(&"m2".to_owned()), "{left:?}");
    assert!(!left.contains(&"m3".to_owned()));
    for code in ["h1", "h2", "r1"] {
        let release = hold::Event::Release { code: code.into(), reason: "settled".into() };
        store.change(&dana(), Event::Hold(release)).unwrap();
    }
    assert_eq!(of(&run(store), "chat").due, 3);
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 0);
}

#[test]
fn the_time_of_a_conversation_runs_from_its_end_or_from_an_event() {
    let made = empty();
    let store = &made.store;
    define(store, Class { start: Start::ConversationEnd, ..class("end", 1, "tag:end", None, Some("30d")) });
    define(store, Class { start: Start::Event, ..class("event", 2, "tag:event", None, Some("30d")) });
    append(store, &[message("m1", "c1", "anna", 0).tag("end"), message("m2", "c2", "anna", 0).tag("end")]);
    store.roll().unwrap();
    // Of no class, and its latest.
    append(store, &[message("m3", "c1", "ben", 20)]);
    append(store, &[message("m4", "c3", "ben", 0).tag("event"), message("m5", "c4", "ben", 0).tag("event")]);
    made.live_until(10);
    store.begin_class(&dana(), "event", "c3").unwrap();
    assert_eq!(store.begin_class(&dana(), "event", "c3").unwrap_err().kind(), ErrorKind::Refused);
    assert!(store.begin_class(&dana(), "end", "c3").is_err());
    append(store, &[message("m6", "c3", "ben", 15).tag("event")]);
    made.live_until(39);
    let report = run(store);
    assert_eq!((of(&report, "end").due, of(&report, "end").next), (1, Some(on(50))));
    assert_eq!((of(&report, "event").due, of(&report, "event").next), (0, Some(on(40))));
    made.live_until(40);
    assert_eq!(of(&run(store), "event").due, 1);
    assert_eq!(ids(store), ["m1", "m3", "m5", "m6"]);
    made.live_until(50);
    run(store);
    assert_eq!(ids(store), ["m3", "m5"]);
    // What no event began never ends.
    made.live_until(600);
    assert_eq!((of(&run(store), "event").due, of(&run(store), "event").next), (0, None));
}

#[test]
fn months_and_years_end_by_the_calendar() {
    for (start, span, last, first) in [
        ("2024-02-29T12:00:00Z", "1y", "2025-02-28T11:59:59Z", "2025-02-28T12:00:00Z"),
        ("2024-02-29T12:00:00Z", "4y", "2028-02-29T11:59:59Z", "2028-02-29T12:00:00Z"),
        ("2026-01-31T00:00:00Z", "1m", "2026-02-27T23:59:59Z", "2026-02-28T00:00:00Z"),
        ("2028-01-31T00:00:00Z", "1m", "2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z"),
        ("2027-12-31T23:00:00Z", "60d", "2028-02-29T22:59:59Z", "2028-02-29T23:00:00Z"),
    ] {
        for (now, due) in [(last, 0), (first, 1)] {
            // The first look is believed.
            let clock = Arc::new(ManualClock::new(at(now)));
            let store = builder(Arc::new(MemoryVfs::new()), &clock, 1).create().unwrap();
            define(&store, class("chat", 1, "*", None, Some(span)));
            append(&store, &[Record::new("c1", "anna", at(start), "hello").id("m1")]);
            assert_eq!(of(&run(&store), "chat").due, due, "{start} {span} {now}");
        }
    }
}

#[test]
fn no_clock_makes_anything_end_early() {
    let begin = || {
        let made = empty();
        define(&made.store, class("chat", 1, "*", None, Some("30d")));
        append(&made.store, &[message("m1", "c1", "anna", 0)]);
        made.store.retention(true).unwrap();
        made
    };
    let due = |made: &Made, at: Micros| {
        made.clock.set(at);
        of(&run(&made.store), "chat").due
    };
    // Ten years ahead for less than a day, and put right.
    let made = begin();
    assert_eq!(due(&made, on(3_650)), 0);
    assert_eq!(due(&made, Micros(on(3_651).0 - 1)), 0);
    assert_eq!(due(&made, on(1)), 0);
    assert_eq!(due(&made, on(29)), 0);
    assert_eq!(due(&made, on(30)), 1);
    // Ten years behind: nothing goes, however long that lasts, and what is due goes when it is put right.
    let made = begin();
    for day in 0..40 {
        assert_eq!(due(&made, on(day - 3_650)), 0, "day {day}");
    }
    assert_eq!(due(&made, on(30)), 1);
    // Behind for a moment, and put right for days: what the store believes is ten years ahead then.
    let made = begin();
    assert_eq!(
        (due(&made, on(-3_650)), due(&made, on(1)), due(&made, on(3)), due(&made, on(29))),
        (0, 0, 0, 0)
    );
    assert_eq!(due(&made, on(30)), 1);
    // Back and forth within a day.
    let made = begin();
    for hour in 0..48 {
        let leap = if hour % 2 == 0 { 3_650 } else { -3_650 };
        assert_eq!(due(&made, Micros(on(leap).0 + hour)), 0, "{hour}");
    }
    // An event that is told under a clock that is behind begins then and not before.
    let made = empty();
    define(&made.store, Class { start: Start::Event, ..class("end", 1, "*", None, Some("30d")) });
    append(&made.store, &[message("m1", "c1", "anna", 0)]);
    made.live_until(20);
    made.clock.set(on(-3_650));
    made.store.begin_class(&dana(), "end", "c1").unwrap();
    assert_eq!((due_of_end(&made, 20), due_of_end(&made, 21), due_of_end(&made, 49)), (0, 0, 0));
    assert_eq!(due_of_end(&made, 50), 1);
}

fn due_of_end(made: &Made, day: i64) -> u64 {
    made.clock.set(on(day));
    of(&run(&made.store), "end").due
}

/// A store in whose segments and journal half of the records are due.
fn due_store(disk: Arc<dyn Vfs>, clock: &Arc<ManualClock>) -> Store {
    let store = builder(disk, clock, 1).create().unwrap();
    define(&store, class("chat", 1, "tag:chat", None, Some("30d")));
    for (n, author) in ["anna", "ben", "kim", "eva"].into_iter().enumerate() {
        let old = message(&format!("old{n}"), "c1", author, -100).tag("chat");
        append(&store, &[old, message(&format!("new{n}"), "c1", "ben", 0).tag("chat")]);
        if n == 1 {
            store.roll().unwrap();
        }
    }
    store
}

const LEFT: [&str; 4] = ["new0", "new1", "new2", "new3"];

#[test]
fn a_run_that_was_killed_goes_on() {
    let (disk, clock) = (RecordingVfs::new(), Arc::new(ManualClock::new(Micros(START))));
    let store = due_store(Arc::new(disk.clone()), &clock);
    let from = disk.log_len();
    store.retention(false).unwrap();
    let to = disk.log_len();
    drop(store);
    let ops = disk.log();
    let options = CrashOptions { points: from..to + 1, exhaustive_max: 1, random: 1, torn: 0, seed: 5 };
    let (mut states, mut gone, mut whole) = (0, 0, 0);
    for image in crashes(&ops, options) {
        let store = builder(Arc::new(image.disk()), &clock, 100 + image.at as u64).open().unwrap();
        // What was announced is done by the opening; what was not is due.
        let report = store.retention(false).unwrap();
        match of(&report, "chat").due {
            4 => whole += 1,
            0 => gone += 1,
            n => panic!("{}: {n} are due", image.what),
        }
        assert_eq!(ids(&store), LEFT, "{}", image.what);
        assert_eq!(store.session(Session::new()).count("kind:erased").unwrap(), 1, "{}", image.what);
        assert!(
            store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty(),
            "{}",
            image.what
        );
        states += 1;
    }
    assert!(states > 50 && gone > 0 && whole > 0, "{states} {gone} {whole}");
}

#[test]
fn a_run_that_had_no_room_is_gone_on_with() {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::new(Micros(START))));
    let faulty = FaultyVfs::new(Arc::new(disk));
    let store = due_store(Arc::new(faulty.clone()), &clock);
    let aim = Aim::at(FileClass::Index, Call::Create);
    faulty.arm(Plan { aim, nth: 0, fault: Fault::NoSpace, sticky: true });
    assert_eq!(store.retention(false).unwrap_err().kind(), ErrorKind::NoSpace);
    // Meanwhile more is due.
    append(&store, &[message("late", "c2", "ben", -50).tag("chat")]);
    let would = store.retention(true).unwrap();
    assert_eq!(of(&would, "chat").due, 5);
    faulty.disarm();
    let did = store.retention(false).unwrap();
    assert_eq!(did.classes, would.classes);
    let removed = did.certificates.iter().map(|certificate| certificate.what).collect::<Vec<_>>();
    // What had not begun was chosen anew, with what came; three people are known from nothing else.
    assert_eq!((removed, did.certificates[0].records_removed), (vec!["class"], 8));
    assert_eq!(ids(&store), LEFT);
}

#[test]
fn a_mark_names_no_conversation() {
    let made = empty();
    define(&made.store, Class { start: Start::Event, ..class("end", 1, "*", None, Some("30d")) });
    made.store.begin_class(&dana(), "end", "Kim's divorce").unwrap();
    let found = made.store.session(dana()).search("kind:class", &SearchOptions::new()).unwrap();
    let marks = found.iter().filter_map(|hit| match Event::parse(Kind::Class, &hit.body) {
        Ok(Some(Event::Class(ClassEvent::Begin { mark, .. }))) => Some(mark),
        _ => None,
    });
    let marks: Vec<String> = marks.collect();
    assert!(marks.len() == 1 && marks[0].len() == 32 && !found[0].body.contains("Kim"));
}

/// What a class has looked at is listed with the instant from which it was due, for who may see it, and nothing of it
/// goes by itself.
#[test]
fn what_is_due_for_review_is_listed_until_somebody_acts() {
    let made = empty();
    let store = &made.store;
    let review = |code: &str, number, start| Class {
        start,
        then: Then::Review,
        ..class(code, number, &format!("tag:{code}"), None, Some("1m"))
    };
    define(store, review("own", 1, Start::Time));
    define(store, review("end", 2, Start::ConversationEnd));
    define(store, class("chat", 3, "*", None, Some("10d")));
    append(store, &[message("m1", "c1", "anna", 0).tag("own"), message("m2", "c1", "ben", 5).tag("own")]);
    append(store, &[message("e1", "c2", "anna", 0).tag("end")]);
    store.roll().unwrap();
    append(store, &[message("e2", "c2", "ben", 20).tag("end"), message("k1", "c1", "kim", 0)]);
    let due = |session: Session, code: Option<&str>| {
        let due = store.for_review(&session, code).unwrap();
        due.into_iter().map(|one| (one.class, one.id, (one.since.0 - START) / DAY)).collect::<Vec<_>>()
    };
    let of = |class: &str, id: &str, day| (class.to_owned(), id.to_owned(), day);
    made.live_until(30);
    assert_eq!(due(dana(), None), []);
    made.live_until(36);
    assert_eq!(due(dana(), None), [of("own", "m1", 31), of("own", "m2", 36)]);
    made.live_until(60);
    run(store);
    let all = [of("own", "m1", 31), of("own", "m2", 36), of("end", "e1", 51), of("end", "e2", 51)];
    assert_eq!(due(dana(), None), all);
    assert_eq!(due(dana(), Some("end")), all[2..]);
    for code in ["chat", "none"] {
        assert_eq!(store.for_review(&dana(), Some(code)).unwrap_err().kind(), ErrorKind::NotFound);
    }
    // A clock that is set back takes nothing off for good.
    made.clock.set(on(-3_650));
    assert_eq!(due(dana(), None), []);
    made.clock.set(on(60));
    assert_eq!(due(dana(), None), all);
    // What is held is not to be acted on; what is restricted is seen with a case.
    place(store, "h1", Effect::Hold, Scope::Person(store.number_of("ben").unwrap().0));
    assert_eq!(due(dana(), None), [all[0].clone(), all[2].clone()]);
    place(store, "r1", Effect::Restrict, Scope::Person(store.number_of("anna").unwrap().0));
    assert_eq!(due(dana(), None), []);
}

/// A tester gave a message ten days old, and what took it back or put it right by clocks that were a hundred days
/// behind. A run erased these alone, for their time was over: what was taken back was found again, the wrong wording
/// stood for the right one, and the tag that was taken came back. What speaks of a record stays as long as that.
#[test]
fn what_speaks_of_a_record_is_not_over_before_it() {
    let made = empty();
    define(&made.store, class("all", 1, "*", None, Some("30d")));
    made.live_until(200);
    let say = |id: &str, day: i64, body: &str| Record::new("c1", "anna", on(day), body).id(id);
    let about = |id: &str, kind, target: &str, body: &str| say(id, 100, body).kind(kind).target(target);
    let records = [
        say("m1", 190, "taken back"),
        about("d1", Kind::Delete, "m1", ""),
        say("m2", 190, "wrong").tag("x"),
        about("e2", Kind::Edit, "m2", "right"),
        about("r2", Kind::Reaction, "m2", "+"),
        about("t2", Kind::Tag, "m2", "").extra("removed", "[\"x\"]"),
        say("m3", 100, "old"),
        about("e3", Kind::Edit, "m3", "old too"),
    ];
    append(&made.store, &records);
    let look = || {
        let hits = made.store.session(dana()).search("* OR kind:reaction", &SearchOptions::new()).unwrap();
        let mut lines: Vec<_> = hits.into_iter().map(|hit| (hit.body, hit.tags)).collect();
        lines.sort();
        lines
    };
    let before = look();
    assert_eq!(before.len(), 3, "{before:?}");
    let dry = made.store.retention(true).unwrap();
    assert_eq!(dry.classes[0].due, 2);
    made.store.retention(false).unwrap();
    let after: Vec<_> = before.into_iter().filter(|(body, _)| body != "old too").collect();
    assert_eq!(look(), after);
    // They go with what they speak of.
    made.live_until(230);
    made.store.retention(false).unwrap();
    assert_eq!(look(), []);
    let all = "version:all (* OR kind:edit OR kind:delete OR kind:tag OR kind:reaction)";
    assert_eq!(made.store.session(dana()).count(all).unwrap(), 0);
}
