//! A class that restricts: what is over is kept, and seen by who holds a case; from the run on, whatever becomes of
//! files, of the clock, and of the conversation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::export::Snapshot;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::session::Session;
use escrowdb::store::{
    ClassReport, CompactOptions, EraseOptions, Outcome, Record, RetentionReport, SearchOptions, Selector,
    Store, VerifyOptions,
};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::recording_vfs::RecordingVfs;
use escrowdb_tests::rng::Rng;

use super::holds::place;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const DAY: i64 = Micros::DAY;

fn on(day: i64) -> Micros {
    Micros(START + day * DAY)
}

fn dana() -> Session {
    Session::new().actor("dana")
}

fn builder(disk: Arc<dyn Vfs>, clock: &Arc<ManualClock>, seed: u64) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::clone(clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

struct Made {
    disk: MemoryVfs,
    clock: Arc<ManualClock>,
    store: Store,
}

impl Made {
    fn live_until(&self, day: i64) {
        let now = escrowdb::clock::Clock::now(&*self.clock);
        let first = (now.0 - START).div_euclid(DAY);
        for day in (first..day).step_by(20).skip(1).chain([day]) {
            self.clock.set(on(day));
            self.store.retention(true).unwrap();
        }
    }

    fn reopened(self) -> Self {
        let Self { disk, clock, store } = self;
        store.close().unwrap();
        let store = builder(Arc::new(disk.clone()), &clock, 9).open().unwrap();
        Self { disk, clock, store }
    }
}

/// A store with a class that restricts after 30 days, and a matter by which a case is held.
fn made(start: Start) -> Made {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::new(on(0))));
    let store = builder(Arc::new(disk.clone()), &clock, 1).create().unwrap();
    define(&store, start);
    place(&store, "h1", Effect::Hold, Scope::Conversation("elsewhere".into()));
    Made { disk, clock, store }
}

fn define(store: &Store, start: Start) {
    let class = Class {
        code: "chat".into(),
        number: 1,
        title: "Chat".into(),
        start,
        lock: None,
        maximum: Some("30d".into()),
        then: Then::Restrict,
        ground: "GDPR 18".into(),
        selector: "tag:chat".into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class))).unwrap();
}

fn say(id: &str, who: &str, conversation: &str, day: i64) -> Record {
    Record::new(conversation, who, on(day), format!("words of {id}")).id(id).tag("chat")
}

fn about(kind: Kind, id: &str, target: &str, day: i64) -> Record {
    Record::new("c1", "anna", on(day), format!("words of {id}")).id(id).kind(kind).target(target)
}

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn found(store: &Store, session: Session, query: &str) -> Vec<String> {
    let hits = store.session(session.clone()).search(query, &SearchOptions::new().limit(1000)).unwrap();
    assert_eq!(store.session(session).count(query).unwrap(), hits.len() as u64, "{query}");
    let mut ids: Vec<_> = hits.into_iter().map(|hit| hit.id).collect();
    ids.sort();
    ids
}

fn seen(store: &Store) -> Vec<String> {
    found(store, Session::new(), "*")
}

fn with_case(store: &Store) -> Vec<String> {
    found(store, Session::new().case("h1"), "*")
}

fn of(report: &RetentionReport) -> &ClassReport {
    report.classes.iter().find(|class| class.code == "chat").unwrap()
}

/// A run does what a dry run says, and nothing is left to do.
fn run(store: &Store) -> u64 {
    let would = store.retention(true).unwrap();
    let before = seen(store);
    let did = store.retention(false).unwrap();
    assert_eq!((&did.classes, did.restricted), (&would.classes, would.restricted));
    assert_eq!((of(&did).due, of(&did).held, of(&did).locked), (did.restricted, 0, 0));
    assert!(did.certificates.is_empty(), "nothing is erased");
    let after = store.retention(true).unwrap();
    assert_eq!((of(&after).due, of(&after).restricted), (0, of(&would).restricted + would.restricted));
    assert_eq!(of(&after).records, of(&would).records);
    if did.restricted == 0 {
        assert_eq!(seen(store), before);
    }
    did.restricted
}

#[test]
fn what_is_over_is_seen_with_a_case_only_whatever_becomes_of_its_files() {
    let mut made = made(Start::Time);
    add(&made.store, &[say("m1", "anna", "c1", 0), say("m2", "ben", "c1", 1)]);
    made.store.roll().unwrap();
    add(&made.store, &[say("m3", "anna", "c1", 2), say("m4", "ben", "c1", 40)]);
    made.live_until(29);
    assert_eq!((run(&made.store), seen(&made.store).len()), (0, 4));
    made.live_until(31);
    let would = made.store.retention(true).unwrap();
    assert_eq!((of(&would).due, of(&would).next), (2, Some(on(32))));
    assert_eq!(seen(&made.store).len(), 4, "a dry run changes nothing");
    assert_eq!(run(&made.store), 2);
    made.live_until(32);
    assert_eq!(run(&made.store), 1);
    for step in 0..6 {
        let store = &made.store;
        assert_eq!((seen(store), with_case(store).len()), (vec!["m4".to_owned()], 4), "{step}");
        let reading = store.session(Session::new());
        for query in ["m1", "version:all *", "id:m1", "author:anna", "conversation:c1", "before:2026-01-20"] {
            assert!(found(store, Session::new(), query).iter().all(|id| id == "m4"), "{query}");
        }
        assert!(reading.get("m1", Some("c1")).unwrap().is_empty());
        assert_eq!(reading.conversation("c1").unwrap().len(), 1);
        assert_eq!(reading.facet("*", "author").unwrap(), [("ben".to_owned(), 1)]);
        let mut exported = Vec::new();
        let snapshot = Snapshot::take(&reading).unwrap();
        snapshot
            .each_proved("*", |one| {
                exported.push(one.hit.id);
                true
            })
            .unwrap();
        assert_eq!(exported, ["m4"]);
        assert_eq!(run(store), 0);
        match step {
            0 => made = made.reopened(),
            1 => made.store.roll().unwrap(),
            2 => {
                for n in 0..4 {
                    add(&made.store, &[say(&format!("x{n}"), "kim", "c9", 0).kind(Kind::System)]);
                    made.store.roll().unwrap();
                }
                made.store.compact(&CompactOptions::default(), |_| ()).unwrap();
            }
            // Ten years back, and ten ahead for an hour: neither shows nor hides anything.
            3 => made.clock.set(on(-3_650)),
            4 => made.clock.set(on(3_650)),
            _ => {}
        }
    }
    assert!(made.store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
    // What comes in late is over as it comes.
    made.clock.set(on(33));
    add(&made.store, &[say("m0", "anna", "c1", 0), say("m5", "anna", "c1", 33)]);
    assert_eq!(seen(&made.store), ["m4", "m5"]);
    // A case that there is not shows nothing.
    assert_eq!(found(&made.store, Session::new().case("h2"), "*").len(), 2);
}

/// What others answered with a sign was found without a case.
#[test]
fn reactions_go_with_their_record() {
    let made = made(Start::Time);
    let store = &made.store;
    add(store, &[say("m1", "anna", "c1", 0), about(Kind::Reaction, "early", "m1", 25)]);
    add(store, &[about(Kind::Edit, "e1", "m1", 25), about(Kind::Reaction, "of edit", "e1", 25)]);
    store.roll().unwrap();
    add(store, &[say("m2", "anna", "c1", 20), about(Kind::Reaction, "other", "m2", 25)]);
    made.live_until(31);
    assert_eq!(run(store), 1);
    let signs = |session: Session| found(store, session, "kind:reaction");
    let case = || Session::new().case("h1");
    for _ in 0..2 {
        assert_eq!(signs(Session::new()), ["other"]);
        assert_eq!(signs(case()).len(), 3);
        store.roll().unwrap();
    }
    add(store, &[about(Kind::Reaction, "late", "m1", 31), about(Kind::Reaction, "late of edit", "e1", 31)]);
    for _ in 0..2 {
        assert_eq!(signs(Session::new()), ["other"]);
        assert_eq!(signs(case()).len(), 5);
        assert!(store.session(Session::new()).get("late", None).unwrap().is_empty());
        store.roll().unwrap();
    }
}

/// One that came before its record had no class of it, and was found without a case.
#[test]
fn a_reaction_that_came_before_its_record_goes_with_it() {
    for rolls in [0, 1, 2, 3] {
        let made = made(Start::Time);
        let store = &made.store;
        let settle = |when: u8| {
            if rolls & when > 0 {
                store.roll().unwrap()
            }
        };
        add(store, &[about(Kind::Reaction, "early", "m1", 0), about(Kind::Reaction, "of edit", "e1", 0)]);
        add(store, &[about(Kind::Reaction, "of nothing", "none", 0)]);
        settle(1);
        add(store, &[say("m1", "anna", "c1", 0), about(Kind::Edit, "e1", "m1", 25)]);
        add(store, &[say("other", "anna", "c1", 20), about(Kind::Reaction, "of other", "other", 20)]);
        settle(2);
        made.live_until(31);
        assert_eq!(run(store), 1);
        let signs = |session: Session| found(store, session, "kind:reaction");
        for _ in 0..2 {
            assert_eq!(signs(Session::new()), ["of nothing", "of other"]);
            assert_eq!(signs(Session::new().case("h1")).len(), 4);
            store.roll().unwrap();
        }
    }
}

#[test]
fn later_wordings_go_with_their_record() {
    let made = made(Start::Time);
    let store = &made.store;
    add(store, &[say("m1", "anna", "c1", 0), say("m2", "anna", "c1", 20)]);
    // One comes before its record.
    add(store, &[about(Kind::Edit, "e0", "m0", 25), about(Kind::Edit, "e1", "m1", 25)]);
    store.roll().unwrap();
    add(store, &[about(Kind::Edit, "e2", "m2", 26), about(Kind::Edit, "e3", "e1", 27)]);
    made.live_until(30);
    assert_eq!(run(store), 1);
    assert_eq!(found(store, Session::new(), "version:all conversation:c1"), ["e2", "m2"]);
    assert_eq!(seen(store), ["e2"]);
    add(store, &[say("m0", "anna", "c1", 0), about(Kind::Edit, "e4", "m1", 30)]);
    assert_eq!(seen(store), ["e2"]);
    assert_eq!(with_case(store), ["e0", "e2", "e4"]);
    store.roll().unwrap();
    assert_eq!(seen(store), ["e2"]);
}

#[test]
fn a_conversation_that_goes_on_opens_nothing_again() {
    let made = made(Start::ConversationEnd);
    let store = &made.store;
    add(store, &[say("m1", "anna", "c1", 0), say("m2", "ben", "c1", 10), say("n1", "ben", "c2", 0)]);
    store.roll().unwrap();
    made.live_until(30);
    assert_eq!((run(store), seen(store)), (1, vec!["m1".to_owned(), "m2".into()]));
    made.live_until(40);
    assert_eq!((run(store), seen(store).len()), (2, 0));
    add(store, &[say("m3", "ben", "c1", 41), say("n2", "ben", "c2", 41)]);
    assert_eq!(seen(store), ["m3", "n2"]);
    assert_eq!((run(store), seen(store).len()), (0, 2));
    // Who takes the last of it takes nothing from what was said of the rest.
    let last = Selector::Record { id: "m2".into(), conversation: None };
    store.erase(&last, &EraseOptions::default()).unwrap();
    assert_eq!((seen(store), with_case(store).len()), (vec!["m3".to_owned(), "n2".into()], 4));
    made.live_until(71);
    assert_eq!((run(store), seen(store).len(), with_case(store).len()), (2, 0, 4));
}

#[test]
fn the_time_of_an_event_restricts_too() {
    let made = made(Start::Event);
    let store = &made.store;
    add(store, &[say("m1", "anna", "c1", 0), say("n1", "ben", "c2", 0)]);
    made.live_until(10);
    store.begin_class(&dana(), "chat", "c1").unwrap();
    add(store, &[say("m2", "anna", "c1", 15)]);
    made.live_until(39);
    assert_eq!(run(store), 0);
    made.live_until(40);
    assert_eq!((run(store), seen(store)), (1, vec!["m2".to_owned(), "n1".into()]));
    made.live_until(45);
    assert_eq!((run(store), seen(store)), (1, vec!["n1".to_owned()]));
}

#[test]
fn what_is_restricted_goes_with_who_asks_and_is_held_as_ever() {
    let made = made(Start::Time);
    let store = &made.store;
    add(store, &[say("m1", "anna", "c1", 0), say("m2", "ben", "c2", 0)]);
    place(store, "h2", Effect::Hold, Scope::Person(store.number_of("ben").unwrap().0));
    made.live_until(30);
    // A hold keeps it, and keeps it from nobody's eyes.
    assert_eq!((run(store), seen(store).len()), (2, 0));
    let refused = store.erase(&Selector::Person("ben".into()), &EraseOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(with_case(store), ["m2"]);
    // Nothing but a class that restricts is restricted by its register.
    let event = |code: &str, over| {
        let over = vec![over];
        store.change(&dana(), Event::Class(class::Event::Restrict { code: code.into(), over }))
    };
    let everywhere = class::Over { mark: None, before: on(1) };
    assert_eq!(event("other", everywhere.clone()).unwrap_err().kind(), ErrorKind::NotFound);
    let marked = class::Over { mark: Some("0".repeat(32)), ..everywhere };
    assert_eq!(event("chat", marked).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_run_that_was_killed_restricts_all_or_nothing() {
    let (disk, clock) = (RecordingVfs::new(), Arc::new(ManualClock::new(on(0))));
    let store = builder(Arc::new(disk.clone()), &clock, 1).create().unwrap();
    define(&store, Start::Time);
    place(&store, "h1", Effect::Hold, Scope::Conversation("elsewhere".into()));
    add(&store, &[say("m1", "anna", "c1", -40), say("m2", "ben", "c1", 0)]);
    store.roll().unwrap();
    add(&store, &[say("m3", "anna", "c1", -35)]);
    let from = disk.log_len();
    assert_eq!(store.retention(false).unwrap().restricted, 2);
    let to = disk.log_len();
    drop(store);
    let options = CrashOptions { points: from..to + 1, exhaustive_max: 2, random: 2, torn: 1, seed: 5 };
    let (mut before, mut after) = (0, 0);
    for image in crashes(&disk.log(), options) {
        let store = builder(Arc::new(image.disk()), &clock, 100 + image.at as u64).open().unwrap();
        match seen(&store).len() {
            3 => before += 1,
            1 => after += 1,
            n => panic!("{}: {n} are seen", image.what),
        }
        store.retention(false).unwrap();
        assert_eq!((seen(&store), with_case(&store).len()), (vec!["m2".to_owned()], 3), "{}", image.what);
    }
    assert!(before > 0 && after > 0, "{before} {after}");
}

/// Against a list in memory: a record is hidden if a run that restricted something came when its time was over, and so
/// are its wordings.
#[test]
fn random_histories_hide_what_a_list_says() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let made = made(Start::Time);
        let store = &made.store;
        // Day, and which record it is a wording of.
        let mut list: Vec<(i64, usize)> = Vec::new();
        let (mut day, mut ran) = (0, i64::MIN);
        for step in 0..60 {
            match rng.below(8) {
                0..=3 => {
                    let at = day - rng.below(40) as i64;
                    add(store, &[say(&format!("m{}", list.len()), "anna", "c1", at)]);
                    list.push((at, list.len()));
                }
                4 if !list.is_empty() => {
                    let root = list[rng.below(list.len())].1;
                    add(store, &[about(Kind::Edit, &format!("m{}", list.len()), &format!("m{root}"), day)]);
                    list.push((day, root));
                }
                5 => store.roll().unwrap(),
                6 => {
                    day += 3;
                    made.clock.set(on(day));
                }
                // What a run found nothing of it says nothing of.
                _ if store.retention(false).unwrap().restricted > 0 => ran = day,
                _ => {}
            }
            let hidden = |at: i64| ran != i64::MIN && at + 30 <= ran;
            let is_hidden = |(at, root): (i64, usize)| hidden(at) || hidden(list[root].0);
            let mut wanted: Vec<String> =
                (0..list.len()).filter(|n| !is_hidden(list[*n])).map(|n| format!("m{n}")).collect();
            wanted.sort();
            assert_eq!(found(store, Session::new(), "version:all *"), wanted, "seed {seed}, step {step}");
        }
    }
}
