//! On a full disk nobody could be erased: the request, the new indexes or the act found no room.
//! Now room is kept for it, given up when it is needed, and kept again afterwards.

use std::path::Path;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store, VerifyOptions};
use escrowdb::vfs::Vfs;
use escrowdb_tests::quota::QuotaVfs;

fn record(author: &str, at: i64) -> Record {
    Record::new("c1", author, Micros(at), "hello ".repeat(100))
}

fn open(disk: &QuotaVfs) -> Store {
    Store::builder("/chats").vfs(Arc::new(disk.clone())).background(false).open().unwrap()
}

/// Three segments and a journal, in each anna and bob, and no byte free.
fn full(disk: &QuotaVfs) -> Store {
    let store = Store::builder("/chats").vfs(Arc::new(disk.clone())).background(false).create().unwrap();
    for round in 0..4 {
        let records: Vec<_> = (0..200).flat_map(|i| [record("anna", i), record("bob", i)]).collect();
        store.append(&records).unwrap();
        if round < 3 {
            store.roll().unwrap();
        }
    }
    disk.leave(0);
    store
}

fn check(store: &Store) {
    let reading = store.session(Session::new());
    assert_eq!(reading.count("author:bob").unwrap(), 800);
    assert_eq!(reading.count("*").unwrap(), 800);
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}

#[test]
fn a_full_disk_keeps_nobody_from_being_forgotten() {
    let disk = QuotaVfs::new();
    let store = full(&disk);
    // An append that needs room is refused and breaks nothing.
    let many: Vec<_> = (0..8_000).map(|i| record("bob", i)).collect();
    assert_eq!(store.append(&many).err().unwrap().kind(), ErrorKind::NoSpace);
    let anna = Selector::Person("anna".into());
    let certificate = store.erase(&anna, &EraseOptions::default()).unwrap();
    assert_eq!(certificate.records_removed, 801);
    check(&store);
    disk.unlimited();
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).err().unwrap();
    store.roll().unwrap();
    assert!(disk.exists(Path::new("/chats/RESERVE")).unwrap(), "room is kept again");
    check(&store);
    store.close().unwrap();
    check(&open(&disk));
}

#[test]
fn a_store_that_was_killed_on_a_full_disk_opens() {
    let disk = QuotaVfs::new();
    let store = full(&disk);
    std::mem::forget(store);
    let copy = QuotaVfs::of(&disk);
    let store = open(&copy);
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 1600);
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    check(&store);
}
