//! `carol` was known from one conversation only. It was erased, and she was still there: her name,
//! her keys, and one more in the number of people. A store that never held that conversation would
//! not know her.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Level, Record, Selector};
use escrowdb::vfs::MemoryVfs;

const NAMES: [&str; 7] = ["anna", "carol", "guest", "agent", "linked", "friend", "late"];

fn filled(disk: &MemoryVfs, rolls: bool, pass_bytes: u64) -> Store {
    let store = Store::builder("/chats")
        .vfs(Arc::new(disk.clone()))
        .pass_bytes(pass_bytes)
        .background(false)
        .create()
        .unwrap();
    let record = |c: &str, author: &str| Record::new(c, author, Micros(1), "hello");
    // Who they are stands in other segments than what they said.
    for batch in [
        vec![record("p", "anna"), record("p", "friend")],
        vec![record("q", "carol").participant("guest").id("m1")],
        vec![record("q", "agent").subject("carol"), record("q", "anna"), record("q", "linked")],
        vec![record("q", "carol"), record("p", "late").id("m2")],
    ] {
        store.append(&batch).unwrap();
        if rolls {
            store.roll().unwrap();
        }
    }
    store.link("linked", "friend").unwrap();
    store
}

fn known(store: &Store) -> Vec<&'static str> {
    let reading = store.session(Session::new());
    NAMES.into_iter().filter(|name| reading.person(name).is_ok()).collect()
}

#[test]
fn nobody_is_known_from_what_is_erased_only() {
    let cases = [
        (Selector::Conversation("q".into()), vec!["anna", "linked", "friend", "late"], 3, 3),
        (Selector::Record { id: "m2".into(), conversation: None }, NAMES[..6].to_vec(), 1, 1),
        (
            Selector::Record { id: "m1".into(), conversation: None },
            vec!["anna", "carol", "agent", "linked", "friend", "late"],
            1,
            1,
        ),
        (Selector::Person("carol".into()), vec!["anna", "linked", "friend", "late"], 2, 3),
    ];
    for (rolls, pass_bytes) in [(false, 1 << 28), (true, 1 << 28), (true, 1)] {
        for (selector, left, forgotten, people) in &cases {
            let disk = MemoryVfs::new();
            let store = filled(&disk, rolls, pass_bytes);
            assert_eq!(known(&store), NAMES);
            let plan = store.plan(selector).unwrap();
            let certificate = store.erase(selector, &EraseOptions::default()).unwrap();
            assert_eq!(known(&store), *left, "{}", selector.what());
            assert_eq!(certificate.people_forgotten, *forgotten);
            assert_eq!((plan.people, plan.records), (*people, certificate.records_removed));
            assert_eq!(store.stats().unwrap().people, left.len() as u64);
            let reading = store.session(Session::new());
            assert_eq!(reading.count("kind:person").unwrap(), left.len() as u64);
            store.close().unwrap();
            let store = Store::builder("/chats").vfs(Arc::new(disk)).background(false).open().unwrap();
            assert_eq!(known(&store), *left);
            // Who comes back is new.
            store.append(&[Record::new("n", "carol", Micros(9), "again")]).unwrap();
            assert!(known(&store).contains(&"carol"));
            store.roll().unwrap();
            assert!(known(&store).contains(&"carol"));
        }
    }
}

/// An agent of whom nothing told but Anna's records planned her erasure in a store that keeps acts. The plan
/// said that he would be forgotten too; but it left an act of his, and he was not.
#[test]
fn whoever_plans_is_not_forgotten() {
    let store = Store::builder("/chats")
        .vfs(Arc::new(MemoryVfs::new()))
        .audit(Level::Acts)
        .background(false)
        .create()
        .unwrap();
    store.append(&[Record::new("c", "agent", Micros(1), "hello").subject("anna")]).unwrap();
    let anna = Selector::Person("anna".into());
    let plan = store.plan_as(&Session::new().actor("agent"), &anna).unwrap();
    // Her record, who she is, and the detail of the plan.
    assert_eq!((plan.records, plan.people, plan.details), (2, 1, 1));
    let certificate = store.erase(&anna, &EraseOptions::default()).unwrap();
    assert_eq!((certificate.records_removed, certificate.people_forgotten), (3, 0));
    assert!(store.session(Session::new()).person("agent").is_ok());
}
