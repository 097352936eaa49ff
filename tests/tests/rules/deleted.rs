//! A user's deletion where the store is set to erase: it hides at once, and a run of retention takes what it hid and
//! whatever speaks of it, as far as no hold and no lock keeps it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::class::{Class, Event as ClassEvent, Start, Then};
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{CompactOptions, Outcome, Record, RetentionReport, Store, TakenBack};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;

use super::holds::{place, release};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
/// Every version of every kind that people write.
const ALL: &str =
    "version:all (kind:message OR kind:edit OR kind:delete OR kind:reaction OR kind:tag OR kind:join)";

struct Made {
    disk: MemoryVfs,
    clock: Arc<ManualClock>,
    store: Store,
}

fn on(day: i64) -> Micros {
    Micros(START + day * Micros::DAY)
}

fn open(disk: &MemoryVfs, clock: &Arc<ManualClock>, is_new: bool) -> Store {
    let builder = Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::clone(clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(if is_new { 1 } else { 2 })))
        .background(false);
    if is_new { builder.create().unwrap() } else { builder.open().unwrap() }
}

fn made(grace: Option<&str>) -> Made {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::new(on(0))));
    let store = open(&disk, &clock, true);
    let event = settings::Event {
        deletion: Some(settings::Deletion::Erase),
        grace: grace.map(str::to_owned),
        ..settings::Event::default()
    };
    store.change(&dana(), Event::Settings(event)).unwrap();
    Made { disk, clock, store }
}

impl Made {
    fn reopened(self) -> Self {
        let Self { disk, clock, store } = self;
        store.close().unwrap();
        let store = open(&disk, &clock, false);
        Self { disk, clock, store }
    }

    fn live_until(&self, day: i64) {
        self.clock.set(on(day));
        self.store.retention(true).unwrap();
    }
}

fn dana() -> Session {
    Session::new().actor("dana")
}

fn say(id: &str, author: &str) -> Record {
    Record::new("c", author, on(0), format!("words of {id}")).id(id)
}

fn about(kind: Kind, id: &str, author: &str, target: &str) -> Record {
    let body = if kind == Kind::Edit { format!("better {id}") } else { String::new() };
    let mut record = Record::new("c", author, on(1), body).id(id).kind(kind).target(target);
    record.subjects = Vec::new();
    record
}

fn append(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(Session::new()).count(query).unwrap()
}

fn taken(report: &RetentionReport) -> (u64, u64, u64) {
    let TakenBack { due, held, locked, .. } = report.taken_back.unwrap();
    (due, held, locked)
}

/// A run answers what a dry run said before it.
fn run(store: &Store) -> RetentionReport {
    let would = store.retention(true).unwrap();
    assert!(would.certificates.is_empty());
    let did = store.retention(false).unwrap();
    assert_eq!(did.taken_back, would.taken_back);
    assert_eq!(did.certificates.len(), usize::from(taken(&did).0 > 0));
    assert_eq!(taken(&store.retention(true).unwrap()).0, 0);
    did
}

fn hold(store: &Store, code: &str, scope: Scope) {
    place(store, code, Effect::Hold, scope);
}

/// A record with an edit, a reaction of somebody else, and a tag; one that stays has the same.
fn family(store: &Store) {
    append(
        store,
        &[
            say("gone", "anna"),
            say("stays", "anna"),
            about(Kind::Edit, "gone-e", "anna", "gone"),
            about(Kind::Edit, "stays-e", "anna", "stays"),
            about(Kind::Reaction, "gone-r", "ben", "gone"),
            about(Kind::Reaction, "stays-r", "ben", "stays"),
        ],
    );
    for id in ["gone", "stays"] {
        store.tag(&dana(), id, Some("c"), &[format!("of:{id}")], &[]).unwrap();
    }
}

#[test]
fn it_hides_at_once_and_goes_with_the_run_and_all_that_speaks_of_it() {
    for rolled in [false, true] {
        let made = made(None);
        family(&made.store);
        if rolled {
            made.store.roll().unwrap();
        }
        append(&made.store, &[about(Kind::Delete, "gone-d", "anna", "gone")]);
        let made = made.reopened();
        let store = &made.store;
        assert_eq!((count(store, "*"), count(store, "id:gone version:all"), count(store, ALL)), (1, 1, 9));
        if rolled {
            store.roll().unwrap();
            store.compact(&CompactOptions::default(), |_| ()).unwrap();
        }
        let did = run(store);
        assert_eq!(taken(&did), (1, 0, 0));
        assert_eq!(did.certificates[0].what, "class");
        let made = made.reopened();
        let store = &made.store;
        assert_eq!(
            (count(store, "*"), count(store, "id:gone version:all"), count(store, "tag:of:gone")),
            (1, 0, 0)
        );
        // With it went its edit, its deletion, its tag and the reaction of somebody else; nothing of the other.
        assert_eq!((count(store, ALL), count(store, "better"), count(store, "tag:of:stays")), (4, 1, 1));
        assert_eq!(store.retention(true).unwrap().taken_back, Some(TakenBack::default()));
    }
}

#[test]
fn a_deletion_of_an_edit_is_one_of_the_record_and_the_grace_is_kept() {
    let made = made(Some("7d"));
    let store = &made.store;
    family(store);
    append(store, &[about(Kind::Delete, "d", "anna", "gone-e")]);
    made.live_until(2);
    let did = run(store);
    assert_eq!((taken(&did), did.taken_back.unwrap().next), ((0, 0, 0), Some(on(8))));
    assert_eq!((count(store, "*"), count(store, "id:gone version:all")), (1, 1));
    made.live_until(8);
    let made = made.reopened();
    assert_eq!(taken(&run(&made.store)), (1, 0, 0));
    assert_eq!(count(&made.store, "gone version:all"), 0);
}

#[test]
fn where_deletions_hide_nothing_goes() {
    let made = made(None);
    let store = &made.store;
    family(store);
    append(store, &[about(Kind::Delete, "d", "anna", "gone")]);
    let hide = settings::Event { deletion: Some(settings::Deletion::Hide), ..settings::Event::default() };
    store.change(&dana(), Event::Settings(hide)).unwrap();
    let report = store.retention(false).unwrap();
    assert_eq!((report.taken_back, report.certificates.len()), (None, 0));
    assert_eq!(count(store, "id:gone version:all"), 1);
}

#[test]
fn what_is_held_is_not_taken_back_or_stays_hidden() {
    let made = made(None);
    let store = &made.store;
    family(store);
    append(store, &[about(Kind::Delete, "d", "anna", "gone")]);
    hold(store, "h1", Scope::Conversation("c".into()));
    // Of what is held already a deletion is refused.
    let refused = store.append(&[about(Kind::Delete, "d2", "anna", "stays")]).unwrap().remove(0);
    assert!(
        matches!(&refused, Outcome::Rejected(e) if e.kind() == escrowdb::ErrorKind::Refused),
        "{refused:?}"
    );
    // What was hidden before stays, and stays hidden.
    assert_eq!(taken(&run(store)), (0, 1, 0));
    assert_eq!((count(store, "*"), count(store, "id:gone version:all")), (1, 1));
    release(store, "h1");
    // A hold on who only reacted keeps his reaction, and nothing of hers.
    hold(store, "h2", Scope::Person(store.number_of("ben").unwrap().0));
    append(store, &[say("other", "ben")]);
    let made = made.reopened();
    let store = &made.store;
    assert_eq!(taken(&run(store)), (1, 0, 0));
    assert_eq!((count(store, "id:gone version:all"), count(store, "id:gone-r kind:reaction")), (0, 1));
    assert_eq!((count(store, "id:gone-e version:all"), count(store, "id:other")), (0, 1));
}

#[test]
fn what_is_locked_is_hidden_until_it_may_go() {
    let made = made(None);
    let store = &made.store;
    let law = Class {
        code: "law".into(),
        number: 1,
        title: "By law".into(),
        start: Start::Time,
        lock: Some("30d".into()),
        maximum: None,
        then: Then::Review,
        ground: "HGB 257".into(),
        selector: "author:anna".into(),
    };
    store.change(&dana(), Event::Class(ClassEvent::Define(law))).unwrap();
    append(store, &[say("locked", "anna"), say("free", "ben")]);
    let deletions = [about(Kind::Delete, "d1", "anna", "locked"), about(Kind::Delete, "d2", "ben", "free")];
    append(store, &deletions);
    store.roll().unwrap();
    made.live_until(20);
    assert_eq!(taken(&run(store)), (1, 0, 1));
    assert_eq!(
        (count(store, "*"), count(store, "id:locked version:all"), count(store, "id:free version:all")),
        (0, 1, 0)
    );
    made.live_until(40);
    let made = made.reopened();
    assert_eq!(taken(&run(&made.store)), (1, 0, 0));
    assert_eq!(count(&made.store, "id:locked version:all"), 0);
}

/// Anybody could import a deletion that says it was years ago, and the next run erased.
#[test]
fn a_deletion_takes_nothing_before_it_has_stood_here_for_the_grace_and_none_by_others_does() {
    for rolls in [false, true] {
        let made = made(Some("30d"));
        let store = &made.store;
        append(store, &[say("m1", "anna"), say("m2", "anna")]);
        made.live_until(40);
        let mut late = about(Kind::Delete, "d1", "anna", "m1");
        late.time = on(-2000);
        let deletions = [late, about(Kind::Delete, "d2", "mallory", "m2")];
        append(store, &deletions);
        if rolls {
            store.roll().unwrap();
        }
        // Given again they are what is there, though they came another day.
        let again = store.append(&deletions).unwrap();
        assert!(again.iter().all(|outcome| matches!(outcome, Outcome::Duplicate(_))), "{again:?}");
        assert_eq!((count(store, "*"), taken(&run(store))), (0, (0, 0, 0)));
        made.live_until(69);
        assert_eq!(taken(&run(store)), (0, 0, 0));
        made.live_until(71);
        assert_eq!(taken(&run(store)), (1, 0, 0));
        let left = ["id:m1 version:all", "id:m2 version:all"].map(|query| count(store, query));
        assert_eq!(left, [0, 1], "others hide, and no more");
    }
}

/// Whose record it is may take it back by another name.
#[test]
fn a_deletion_by_who_is_linked_to_the_author_is_hers() {
    let made = made(None);
    let store = &made.store;
    append(store, &[say("m1", "anna"), say("other", "anna-at-work")]);
    append(store, &[about(Kind::Delete, "d1", "anna-at-work", "m1")]);
    assert_eq!((taken(&run(store)), count(store, "id:m1 version:all")), ((0, 0, 0), 1));
    store.link("anna", "anna-at-work").unwrap();
    assert_eq!((taken(&run(store)), count(store, "id:m1 version:all")), ((1, 0, 0), 0));
}
