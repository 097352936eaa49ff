//! Before anything goes an erasure reads what was typed of acts, all of it, from the disk. It did that
//! under the lock under which appends publish: nobody searched, appended or was answered meanwhile, for
//! minutes where much is kept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, EraseOptions, Level, Outcome, Record, Selector, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn while_details_are_read_searches_and_appends_go_on() {
    let disk = RecordingVfs::new();
    let store = Store::builder("/chats").vfs(Arc::new(disk.clone())).background(false).audit(Level::All);
    let store = store.create().unwrap();
    let record = |author: &str, at| Record::new("c1", author, Micros(at), "hello").id(format!("m{at}"));
    store.append(&[record("bob", 1)]).unwrap();
    store.session(Session::new().purpose("anna's complaint")).get("m1", None).unwrap();
    store.session(Session::new().purpose("a lamp")).get("m1", None).unwrap();
    store.roll().unwrap();
    // Hers stands in the journal: of the segment nothing but details is read.
    store.append(&[Record::new("c2", "anna", Micros(2), "hello")]).unwrap();

    let gate = disk.block(Aim::at(Class::Segment, Call::Read), 0);
    thread::scope(|s| {
        let erasing = s.spawn(|| store.erase(&Selector::Person("anna".into()), &EraseOptions::default()));
        assert!(gate.reached(SOON), "the erasure reads bodies");
        let (tell, told) = channel();
        let store = &store;
        s.spawn(move || {
            assert!(matches!(store.append(&[record("bob", 3)]).unwrap()[0], Outcome::Added(_)));
            // An act is recorded, and answers come.
            assert_eq!(store.session(Session::new()).count("author:bob").unwrap(), 2);
            tell.send(()).unwrap();
        });
        let answered = told.recv_timeout(SOON);
        gate.open();
        answered.expect("an append and a search beside it");
        erasing.join().unwrap().unwrap();
    });
    let options = ActOptions::new().details(true);
    let acts = store.session(Session::new().purpose("looking")).acts("kind:opened", &options).unwrap();
    let purposes: Vec<_> = acts
        .iter()
        .filter_map(|act| act.detail.as_ref()?.get(escrowdb::store::DetailField::Purpose))
        .collect();
    assert_eq!(purposes, ["a lamp"]);
}
