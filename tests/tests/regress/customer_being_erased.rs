//! In a store of the preset `customer` an agent answered in a conversation whose customer was
//! being erased. The answer names no subject, so it got the customer's number, after the erasure
//! had made sure that no frame mentions her. Her key died, and the journal could never be rolled
//! again.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Preset, Record, Selector, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

#[test]
fn an_answer_to_somebody_who_is_being_erased_is_busy() {
    let disk = RecordingVfs::new();
    let store = Store::builder("/chats")
        .vfs(Arc::new(disk.clone()))
        .preset(Preset::Customer)
        .background(false)
        .create()
        .unwrap();
    let record = |author: &str, at| Record::new("c1", author, Micros(at), "hello");
    // The agent is known from elsewhere, or he would be forgotten with the customer.
    let elsewhere = Record::new("c2", "agent", Micros(0), "hello");
    store.append(&[record("customer", 1), record("agent", 2), elsewhere]).unwrap();
    store.roll().unwrap();

    let gate = disk.block(Aim::at(Class::Keyring, Call::Sync), 2);
    thread::scope(|s| {
        let erasing = s.spawn(|| store.erase(&Selector::Person("customer".into()), &EraseOptions::default()));
        assert!(gate.reached(Duration::from_secs(20)), "the erasure writes its key tree");
        let outcome = store.append(&[record("agent", 3)]).unwrap().remove(0);
        gate.open();
        let Outcome::Rejected(e) = outcome else { panic!("{outcome:?}") };
        assert_eq!(e.kind(), ErrorKind::Busy);
        erasing.join().unwrap().unwrap();
    });
    assert!(matches!(store.append(&[record("agent", 4)]).unwrap()[0], Outcome::Added(_)));
    store.roll().unwrap();
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 2);
}
