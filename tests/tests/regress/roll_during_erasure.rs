//! A program called `roll` while an erasure was building. The erasure had frozen the journal to
//! roll it without the erased; nothing kept the other roll from taking the same frozen journal,
//! publishing it whole and moving the journals on, so that the erasure then retired the journal
//! that was being written, with acknowledged records in it. The same door stood open to an append
//! that waited for room and to `link`.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Record, Selector, Store, VerifyOptions};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

#[test]
fn a_roll_waits_for_the_erasure_that_runs() {
    let disk = RecordingVfs::new();
    let open = || Store::builder("/chats").vfs(Arc::new(disk.clone())).background(false);
    let store = open().create().unwrap();
    let record = |author: &str, at| Record::new("c1", author, Micros(at), "hello");
    store.append(&[record("anna", 1), record("bob", 2)]).unwrap();

    let gate = disk.block(Aim::at(Class::Index, Call::Create), 0);
    thread::scope(|s| {
        let erasing = s.spawn(|| store.erase(&Selector::Person("anna".into()), &EraseOptions::default()));
        assert!(gate.reached(Duration::from_secs(20)), "the erasure builds an index");
        // Acknowledged while the erasure stands still.
        assert!(matches!(store.append(&[record("bob", 3)]).unwrap()[0], Outcome::Added(_)));
        let rolling = s.spawn(|| store.roll());
        thread::sleep(Duration::from_millis(200));
        assert!(!rolling.is_finished(), "the roll waits");
        gate.open();
        assert!(erasing.join().unwrap().unwrap().records_removed >= 2);
        rolling.join().unwrap().unwrap();
    });

    let check = |store: &Store| {
        let reading = store.session(Session::new());
        assert_eq!(reading.count("author:bob").unwrap(), 2);
        assert_eq!(reading.count("*").unwrap(), 2);
        let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert_eq!(report.damage, Vec::<String>::new());
    };
    check(&store);
    store.close().unwrap();
    check(&open().open().unwrap());
}
