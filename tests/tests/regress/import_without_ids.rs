//! An export whose records have no ids was imported twice, and every record stood in the store
//! twice: each got an id that was drawn.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Order, Outcome, Preset, Record, Selector};
use escrowdb::vfs::MemoryVfs;

fn open(preset: Preset) -> Store {
    Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).preset(preset).create().unwrap()
}

/// Two that are equal, two that differ in their author only, one with subjects of its own.
fn import() -> Vec<Record> {
    let record = |author: &str, n| Record::new("c1", author, Micros(1), "yes").repeatable(n);
    vec![
        record("anna", 0),
        record("anna", 1),
        record("agent", 0),
        record("bob", 0).subject("carol").subject("anna"),
    ]
}

fn duplicates(store: &Store, records: &[Record]) -> usize {
    let outcomes = store.append(records).unwrap();
    outcomes.iter().filter(|o| matches!(o, Outcome::Duplicate(_))).count()
}

fn ids(store: &Store) -> Vec<String> {
    let mut ids = Vec::new();
    let reading = store.session(Session::new());
    reading
        .search_each("*", Order::Oldest, |hit| {
            ids.push(hit.id);
            true
        })
        .unwrap();
    ids
}

#[test]
fn a_record_without_id_that_is_given_again_is_a_duplicate() {
    for preset in [Preset::Peer, Preset::Customer] {
        let store = open(preset);
        let mut rehearsal = store.rehearsal();
        assert_eq!(rehearsal.append(&import()).unwrap().len(), 4);
        let again = rehearsal.append(&import()).unwrap();
        assert!(again.iter().all(|o| matches!(o, Outcome::Duplicate(_))), "{again:?}");
        drop(rehearsal);

        assert_eq!(duplicates(&store, &import()), 0);
        let first = ids(&store);
        assert_eq!(first.len(), 4);
        assert_eq!(duplicates(&store, &import()), 4, "from the journal");
        store.roll().unwrap();
        assert_eq!(duplicates(&store, &import()), 4, "from a segment");
        assert_eq!(ids(&store), first);
        // The same under an id that an export tells.
        let named = import()[0].clone().id(first[0].clone());
        assert_eq!(duplicates(&store, &[named]), 1);
        // Without the promise each is a record of its own.
        let mut plain = import();
        plain.iter_mut().for_each(|record| record.repeatable = None);
        assert_eq!(duplicates(&store, &plain), 0);

        // Who is erased and comes back is new, and so is what belongs to her.
        store.erase(&Selector::Person("carol".into()), &EraseOptions::default()).unwrap();
        assert_eq!(duplicates(&store, &import()), 3);
        assert_eq!(duplicates(&store, &import()), 4);
    }
}

/// The same key would make the same ids in every store.
#[test]
fn other_stores_make_other_ids() {
    let [a, b] = [Preset::Peer, Preset::Peer].map(open);
    assert_eq!((duplicates(&a, &import()), duplicates(&b, &import())), (0, 0));
    assert!(ids(&a).iter().all(|id| !ids(&b).contains(id)));
}

/// An erased author is unknown, and what the customer keeps is not doubled by her.
#[test]
fn what_an_erased_author_wrote_without_id_is_still_a_duplicate() {
    let store = open(Preset::Customer);
    let record = |author: &str, at| Record::new("c1", author, Micros(at), "hello").repeatable(0);
    let import = [record("customer", 1), record("agent", 2)];
    assert_eq!(duplicates(&store, &import), 0);
    store.erase(&Selector::Person("agent".into()), &EraseOptions::default()).unwrap();
    assert_eq!(duplicates(&store, &import), 2);
    assert_eq!(store.stats().unwrap().people, 1, "a duplicate makes nobody known");
}
