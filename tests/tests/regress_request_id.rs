//! A caller gave two erasures one request id. The second was answered with the certificate of the
//! first, and nothing was erased.

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;

#[test]
fn a_request_id_stands_for_one_erasure() {
    let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create().unwrap();
    let record = |c: &str, author: &str| Record::new(c, author, Micros(1), "hello");
    store.append(&[record("c1", "anna"), record("c2", "bob")]).unwrap();
    let options = EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() };
    let anna = Selector::Person("anna".into());
    let first = store.erase(&anna, &options).unwrap();
    assert_eq!(store.erase(&anna, &options).unwrap(), first, "repeated, it answers the same");
    let other = store.erase(&Selector::Conversation("c2".into()), &options).err().unwrap();
    assert_eq!(other.kind(), ErrorKind::Invalid);
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 1);
}
