//! Somebody's erasure was done in part, for a hold kept some. Whoever was linked to her then went with the rest of it,
//! and so did what she wrote later.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

const START: i64 = 1_767_225_600_000_000;

fn dana() -> Session {
    Session::new().actor("dana")
}

fn place(store: &Store, code: &str, effect: Effect, scope: Scope) {
    let hold =
        Hold { code: code.into(), effect, scope, matter: "M".into(), ground: "G".into(), review: None };
    store.change(&dana(), Event::Hold(hold::Event::Place(hold))).unwrap();
}

fn add(store: &Store, id: &str, conversation: &str, who: &str) {
    let record = Record::new(conversation, who, Micros(START), "hello").id(id);
    assert!(matches!(store.append(&[record]).unwrap()[..], [Outcome::Added(_)]));
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(dana()).count(query).unwrap()
}

/// quin is erased but for what a hold keeps, which is lifted if `lifts`.
fn store() -> Store {
    let clock = Arc::new(ManualClock::new(Micros(START + 1)));
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).clock(clock).create().unwrap();
    for (id, conversation, who) in [("h1", "c1", "quin"), ("q1", "c2", "quin"), ("b1", "c3", "bob")] {
        add(&store, id, conversation, who);
    }
    place(&store, "k1", Effect::Hold, Scope::Conversation("c1".into()));
    let certificate = store.erase(&Selector::Person("quin".into()), &EraseOptions::default()).unwrap();
    assert_eq!(certificate.kept.unwrap().records, 1);
    store
}

fn lift(store: &Store) {
    let (code, reason) = ("k1".to_owned(), "settled".to_owned());
    store.change(&dana(), Event::Hold(hold::Event::Release { code, reason })).unwrap();
}

#[test]
fn nobody_is_linked_to_who_waits() {
    let store = store();
    assert_eq!(store.link("quin", "bob").unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(store.link("bob", "quin").unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(count(&store, "*"), 1, "what is his is seen");
    lift(&store);
    let report = store.retention(false).unwrap();
    assert_eq!((report.deferred, report.certificates.len(), count(&store, "author:bob")), (1, 1, 1));
    assert!(store.number_of("quin").is_err());
}

#[test]
fn what_came_later_stays_and_so_does_she() {
    let store = store();
    add(&store, "n1", "c7", "quin");
    lift(&store);
    let report = store.retention(false).unwrap();
    assert_eq!((report.deferred, report.certificates.len()), (1, 1));
    assert_eq!((count(&store, "author:quin"), count(&store, "id:n1")), (1, 1));
    assert_eq!(count(&store, "version:all id:h1"), 0);
    store.link("quin", "bob").unwrap();
    assert_eq!(store.retention(false).unwrap().deferred, 0);
}
