//! An agent was erased; her answers stay, with a blank author, because they are the customer's.
//! When the same export was imported again, each of these answers was rejected as a record with
//! other content. Once that was mended, the same id and body under any name counted as a duplicate,
//! also under that of somebody who is there and did not write it.

#![allow(clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Preset, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;

#[test]
fn what_an_erased_author_wrote_is_still_a_duplicate() {
    let store =
        Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).preset(Preset::Customer).create().unwrap();
    let record = |author: &str, at: i64| Record::new("c1", author, Micros(at), "hello").id(at.to_string());
    let import = [record("customer", 1), record("agent", 2)];
    store.append(&import).unwrap();
    store.erase(&Selector::Person("agent".into()), &EraseOptions::default()).unwrap();
    for outcome in store.append(&import).unwrap() {
        assert!(matches!(outcome, Outcome::Duplicate(_)), "{outcome:?}");
    }
    // Somebody who is known did not write it.
    match store.append(&[record("customer", 2)]).unwrap().pop().unwrap() {
        Outcome::Rejected(e) => assert!(e.to_string().ends_with("exists with other content"), "{e}"),
        outcome => panic!("{outcome:?}"),
    }
    let mut other = record("agent", 2);
    other.body = "changed".into();
    assert!(matches!(store.append(&[other]).unwrap()[0], Outcome::Rejected(_)));
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 2);
}
