//! A store that does not wait for the disk (`Durability::Written`) erased somebody. The record of the
//! act stood in the cache only when the request, which could have written it again, was durably
//! taken out: a power cut lost the certificate. Now the journal is synced between the two.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{Durability, EraseOptions, Record, Selector};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};

#[test]
fn the_act_is_durable_before_the_request_goes() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let open = || {
        Store::builder("/chats").vfs(Arc::new(disk.clone())).durability(Durability::Written).background(false)
    };
    let store = open().create().unwrap();
    store
        .append(&[Record::new("c1", "anna", Micros(1), "hello"), Record::new("c2", "bob", Micros(1), "")])
        .unwrap();
    store.roll().unwrap();
    // No frame mentions her, so nothing else syncs the journal: without a sync of it, no fault.
    let options = EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() };
    disk.arm(Plan { aim: Aim::at(Class::Journal, Call::Sync), nth: 0, fault: Fault::Eio, sticky: false });
    let anna = Selector::Person("anna".into());
    assert!(store.erase(&anna, &options).is_err(), "the act was not synced");
    disk.disarm();
    drop(store);
    // The request is still there, and answers.
    let store = open().open().unwrap();
    store.erase(&anna, &options).unwrap();
    assert_eq!(store.session(Session::new()).count("kind:erased").unwrap(), 1);
}
