//! An erasure in several passes met a full disk in its second pass. The first had destroyed the
//! person's key; after the failure nothing was masked any more, so that searches found records
//! that no key opens, and failed.

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, SearchOptions, Selector, Store, VerifyOptions};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};

#[test]
fn what_is_half_erased_stays_out_of_sight() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
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
    let request = EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() };
    disk.arm(Plan { aim: Aim::at(Class::Index, Call::Create), nth: 1, fault: Fault::NoSpace, sticky: true });
    let failed = store.erase(&Selector::Person("anna".into()), &request).err().unwrap();
    assert_eq!(failed.kind(), ErrorKind::NoSpace);

    let reading = store.session(Session::new());
    assert_eq!(reading.search("*", &SearchOptions::new()).unwrap().len(), 2);
    assert_eq!(reading.count("*").unwrap(), 2);

    disk.disarm();
    let certificate = store.erase(&Selector::Person("anna".into()), &request).unwrap();
    assert_eq!((certificate.records_removed, certificate.segments_rekeyed), (3, 2));
    assert_eq!(reading.search("*", &SearchOptions::new()).unwrap().len(), 2);
    store.roll().unwrap();
    assert_eq!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage, Vec::<String>::new());
}
