//! A caller gave two erasures one request id. The second was answered with the certificate of the
//! first, and nothing was erased. That was mended for a person and a conversation, and not for two
//! people: `bob` was told that he was erased, with the certificate of `anna`, and was still there.

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

/// A record by its id, in a conversation or in any.
fn one(id: &str, conversation: Option<&str>) -> Selector {
    Selector::Record { id: id.into(), conversation: conversation.map(str::to_owned) }
}

/// One store whose indexes fill a pass each, so that an erasure has several.
fn filled(pass_bytes: u64) -> Store {
    let store = Store::builder("/chats")
        .vfs(Arc::new(MemoryVfs::new()))
        .pass_bytes(pass_bytes)
        .background(false)
        .create()
        .unwrap();
    for part in 0..3 {
        let record = |c: &str, author: &str| {
            Record::new(c, author, Micros(part), "hello").id(format!("{c} {author} {part}"))
        };
        let records = [record("c1", "anna"), record("c2", "bob"), record("c3", "carol")];
        store.append(&records).unwrap();
        store.roll().unwrap();
    }
    store
        .append(&[
            Record::new("c2", "bob", Micros(9), "").id("m"),
            Record::new("c4", "dan", Micros(9), "").id("m"),
        ])
        .unwrap();
    store
}

#[test]
fn somebody_who_is_alive_is_not_who_was_erased() {
    let (anna, bob) = (Selector::Person("anna".into()), Selector::Person("bob".into()));
    let (c1, c2) = (Selector::Conversation("c1".into()), Selector::Conversation("c2".into()));
    let (m, n) = (one("c1 anna 0", Some("c1")), one("c2 bob 0", None));
    let unknown =
        [Selector::Person("nobody".into()), Selector::Conversation("nowhere".into()), one("nothing", None)];
    for pass_bytes in [1, 1 << 28] {
        for ((first, second), unknown) in [(&anna, &bob), (&c1, &c2), (&m, &n)].into_iter().zip(&unknown) {
            let store = filled(pass_bytes);
            let options = EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() };
            let certificate = store.erase(first, &options).unwrap();
            let all = store.session(Session::new()).count("*").unwrap();
            let other = store.erase(second, &options).err().unwrap();
            assert_eq!(other.kind(), ErrorKind::Invalid, "{}", first.what());
            // Nor does an id that stands for several records stand for the one that is gone.
            let several = store.erase(&one("m", None), &options).err().unwrap();
            assert_eq!(several.kind(), ErrorKind::Invalid);
            // The erased are unknown, so the unknown may be they.
            assert_eq!(store.erase(first, &options).unwrap(), certificate);
            assert_eq!(store.erase(unknown, &options).unwrap(), certificate);
            assert_eq!(store.session(Session::new()).count("*").unwrap(), all);
            // And the other goes under an id of his own.
            store.erase(second, &EraseOptions::default()).unwrap();
        }
    }
}

/// Who comes back is somebody else, who must not be told that he is gone.
#[test]
fn somebody_who_came_back_is_not_who_was_erased() {
    let store = filled(1 << 28);
    let options = EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() };
    let anna = Selector::Person("anna".into());
    store.erase(&anna, &options).unwrap();
    store.append(&[Record::new("c1", "anna", Micros(1), "again")]).unwrap();
    assert_eq!(store.erase(&anna, &options).err().unwrap().kind(), ErrorKind::Invalid);
    store.erase(&anna, &EraseOptions::default()).unwrap();
    assert!(store.erase(&anna, &options).is_ok());
}
