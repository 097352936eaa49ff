//! What is kept of somebody who asked to be erased is restricted until a run of retention finds it free. Where she
//! was gone by then, by another way or by a kill between the two, nobody lifted the restriction: it stood for as long as there
//! was evidence about her, and its code was a case for whoever reads. And of one who was restricted twice the run
//! erased nobody a second time, with a certificate.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;

fn dana() -> Session {
    Session::new().actor("dana")
}

fn say(store: &Store, id: &str, body: &str) {
    store.append(&[Record::new("c1", "anna", Micros(0), body).id(id)]).unwrap();
}

fn erase(store: &Store) {
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
}

fn restrictions(store: &Store) -> (usize, usize) {
    let rules = store.registers();
    let of = rules.holds.iter().filter(|placed| placed.hold.effect == Effect::Restrict);
    let lifted: Vec<bool> = of.map(|placed| placed.released.is_some()).collect();
    (lifted.len(), lifted.iter().filter(|lifted| !**lifted).count())
}

/// Anna, of whom a hold keeps one record, and who was erased in part as often as asked.
fn made(times: usize) -> Store {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    say(&store, "held", "the lamp");
    let hold = Hold {
        code: "h".into(),
        effect: Effect::Hold,
        scope: Scope::Query { text: "lamp".into(), at: Micros(0) },
        matter: "Meyer v. Shop".into(),
        ground: "a claim".into(),
        review: None,
    };
    store.change(&dana(), Event::Hold(hold::Event::Place(hold))).unwrap();
    for nth in 0..times {
        say(&store, &format!("m{nth}"), "hello");
        erase(&store);
    }
    assert_eq!(restrictions(&store), (times, times));
    let release = hold::Event::Release { code: "h".into(), reason: "settled".into() };
    store.change(&dana(), Event::Hold(release)).unwrap();
    store
}

#[test]
fn who_was_restricted_twice_is_erased_once() {
    let store = made(2);
    assert_eq!(store.retention(false).unwrap().certificates.len(), 1);
    assert_eq!(restrictions(&store), (2, 0));
    assert_eq!(store.session(dana()).count("kind:erased").unwrap(), 3);
}

#[test]
fn who_is_gone_is_restricted_no_more() {
    let store = made(1);
    erase(&store);
    assert_eq!(restrictions(&store), (1, 1));
    assert!(store.retention(false).unwrap().certificates.is_empty());
    assert_eq!(restrictions(&store), (1, 0));
}
