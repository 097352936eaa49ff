//! An erasure that is done in part restricts what is kept, under a code with the request's name, and a run of
//! retention erases whoever is restricted so once nothing keeps her. Anybody could place a restriction of such a
//! code: the next run erased its person whole, though nobody had asked for that, and nobody had agreed.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::session::Session;
use escrowdb::store::{Record, Store};
use escrowdb::vfs::MemoryVfs;

#[test]
fn codes_of_erasures_done_in_part_are_nobodys() {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    store.append(&[Record::new("c1", "anna", Micros(0), "hello")]).unwrap();
    let mallory = Session::new().actor("mallory");
    for effect in [Effect::Restrict, Effect::Hold] {
        let hold = Hold {
            code: format!("kept-{}", "ab".repeat(16)),
            effect,
            scope: Scope::Person(store.number_of("anna").unwrap().0),
            matter: "none".into(),
            ground: "none".into(),
            review: None,
        };
        let placed = store.change(&mallory, Event::Hold(hold::Event::Place(hold)));
        assert_eq!(placed.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let run = store.retention(false).unwrap();
    assert!(run.certificates.is_empty());
    assert_eq!(store.session(mallory).count("author:anna").unwrap(), 1);
}
