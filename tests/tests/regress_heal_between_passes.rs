//! An erasure in several passes lost the index of a segment that still waited. It was built anew from
//! the bodies, and blocks of the person, whose key the first pass had destroyed, opened no more: they
//! were counted as lost, and told in the certificate and by every later check, though she had been
//! erased as she should.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs as _};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};

const PAGE: u64 = 4096;

fn indexes(disk: &MemoryVfs) -> BTreeSet<PathBuf> {
    disk.snapshot().into_keys().filter(|path| path.extension().is_some_and(|e| e == "idx")).collect()
}

#[test]
fn what_an_earlier_pass_has_erased_is_not_lost() {
    let memory = MemoryVfs::new();
    let disk = FaultyVfs::new(Arc::new(memory.clone()));
    let store = Store::builder("/chats")
        .vfs(Arc::new(disk.clone()))
        .background(false)
        .pass_bytes(1)
        .create()
        .unwrap();
    for at in 0..2 {
        let record = |author: &str| Record::new("c1", author, Micros(at), "hello");
        store.append(&[record("anna"), record("bob")]).unwrap();
        store.roll().unwrap();
    }
    let before = indexes(&memory);
    let request = EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() };
    disk.arm(Plan { aim: Aim::at(Class::Index, Call::Create), nth: 1, fault: Fault::NoSpace, sticky: true });
    let failed = store.erase(&Selector::Person("anna".into()), &request).err().unwrap();
    assert_eq!(failed.kind(), ErrorKind::NoSpace);
    disk.disarm();
    // The index that waits for the second pass keeps its first page and its block tables.
    let waits: Vec<PathBuf> = indexes(&memory).intersection(&before).cloned().collect();
    assert_eq!(waits.len(), 1);
    let file = memory.open(&waits[0]).unwrap();
    file.write_at(&vec![0; (file.len().unwrap() - 3 * PAGE) as usize], 3 * PAGE).unwrap();

    let certificate = store.erase(&Selector::Person("anna".into()), &request).unwrap();
    assert_eq!((certificate.records_removed, certificate.records_lost), (3, 0));
    assert_eq!(certificate.segments_rekeyed, 2);
    assert!(store.losses().unwrap().is_empty());
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 2);
    store.roll().unwrap();
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!((report.damage, report.given_up), (vec![], vec![]));
}
