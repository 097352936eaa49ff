//! The lock of a class ran for each wording by itself: a record whose own shortest time was over was erased though
//! an edit of it was bound by law for months, and the edit was left as one of nothing, which no query finds.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

const START: i64 = 1_767_225_600_000_000;
const DAY: i64 = Micros::DAY;

/// A record of two months ago that is kept for a month, and an edit of it of yesterday.
fn store(rolled: bool) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).clock(clock.clone()).background(false);
    let store = builder.create().unwrap();
    let law = Class {
        code: "law".into(),
        number: 1,
        title: "By law".into(),
        start: Start::Time,
        lock: Some("30d".into()),
        maximum: Some("40d".into()),
        then: Then::Erase,
        ground: "a law".into(),
        selector: "*".into(),
    };
    let erases = settings::Event { deletion: Some(settings::Deletion::Erase), ..Default::default() };
    let events = vec![Event::Class(class::Event::Define(law)), Event::Settings(erases)];
    store.change_all(&Session::new().actor("dana"), events).unwrap();
    let say = |id: &str, days: i64| Record::new("c1", "anna", Micros(START - days * DAY), "a lamp").id(id);
    store.append(&[say("m1", 60)]).unwrap();
    if rolled {
        store.roll().unwrap();
    }
    let about = |id: &str, kind: Kind, days: i64| say(id, days).kind(kind).target("m1");
    store.append(&[about("e1", Kind::Edit, 1), about("r1", Kind::Reaction, 50)]).unwrap();
    (store, clock)
}

#[test]
fn a_lock_that_binds_one_wording_binds_all() {
    for rolled in [false, true] {
        let (store, clock) = store(rolled);
        let all = "version:all (kind:message OR kind:edit OR kind:reaction)";
        let count = || store.session(Session::new()).count(all).unwrap();
        let one = |id: &str| Selector::Record { id: id.into(), conversation: None };
        let others = [Selector::Person("anna".into()), Selector::Conversation("c1".into())];
        for selector in [one("m1"), one("e1"), one("r1")].into_iter().chain(others) {
            let refused = store.erase(&selector, &EraseOptions::default()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
            // The day on which the lock of the edit is over.
            assert_eq!(refused.to_string(), "kept by law until 2026-01-31T00:00:00Z");
        }
        let report = store.retention(false).unwrap();
        assert_eq!((report.classes[0].due, report.classes[0].locked), (0, 2));
        store
            .append(&[Record::new("c1", "anna", Micros(START), "").id("d1").kind(Kind::Delete).target("m1")])
            .unwrap();
        let report = store.retention(false).unwrap();
        assert_eq!(report.taken_back.map(|found| (found.due, found.locked)), Some((0, 1)));
        assert_eq!(count(), 3);
        clock.advance(31 * DAY);
        store.retention(true).unwrap();
        store.erase(&one("m1"), &EraseOptions::default()).unwrap();
        assert_eq!(count(), 0);
    }
}
