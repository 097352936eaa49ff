//! Between the moment in which the old root is destroyed and the answer to the caller, the key
//! tree does not know the erased person any more, so an append in her name made a new person of
//! her. Her name is busy until the erasure is answered; after it, who comes is somebody new.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Record, Selector, Store};
use escrowdb::vfs::Vfs as _;
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

const ANNA: &str = "anna@example.org";

fn said(id: &str) -> Record {
    Record::new("c1", ANNA, Micros(1), "hello").id(id)
}

#[test]
fn a_name_is_busy_until_its_erasure_is_answered() {
    let disk = RecordingVfs::new();
    disk.create_dir("/store".as_ref()).unwrap();
    let store = Store::builder("/store").vfs(Arc::new(disk.clone())).create().unwrap();
    store.append(&[said("m1")]).unwrap();
    store.roll().unwrap();
    let before = store.session(Session::new()).person(ANNA).unwrap().number;

    let destroying = disk.block(Aim::at(Class::Slot, Call::Sync), 1);
    std::thread::scope(|threads| {
        let erasure =
            threads.spawn(|| store.erase(&Selector::Person(ANNA.into()), &EraseOptions::default()).unwrap());
        assert!(destroying.reached(Duration::from_secs(30)));
        // The next write to the key tree takes `pending` out, behind the `erased` record.
        let clearing = disk.block(Aim::at(Class::Keyring, Call::Write), 0);
        destroying.open();
        assert!(clearing.reached(Duration::from_secs(30)));
        let outcome = store.append(&[said("m2")]).unwrap().pop();
        let Some(Outcome::Rejected(refused)) = outcome else { panic!("her name was taken: {outcome:?}") };
        assert_eq!(refused.kind(), ErrorKind::Busy);
        clearing.open();
        erasure.join().unwrap();
    });
    assert!(matches!(store.append(&[said("m2")]).unwrap()[..], [Outcome::Added(_)]));
    let after = store.session(Session::new()).person(ANNA).unwrap().number;
    assert!(after > before, "who returns is somebody new");
}
