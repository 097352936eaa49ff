//! `anna` wrote a record that named two participants. After her erasure their joins still told that
//! there was something in that conversation at the very moment of her record, and who took part:
//! the partners of the erased survived. The same after the erasure of the one record. And a record
//! that took the id of a join in advance swallowed it without a word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::record::time::Period;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Hit, Order, Outcome, Record, Selector};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Store};

fn open() -> Store {
    Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap()
}

/// Two records of two people that name the same participants.
fn filled(roll: bool) -> Store {
    let store = open();
    let record = |author: &str, at, id: &str| {
        Record::new("c1", author, Micros(at), "hello").id(id).participant("bob").participant("carol")
    };
    store.append(&[record("anna", 5, "a"), record("bob", 7, "b"), record("carol", 9, "c")]).unwrap();
    if roll {
        store.roll().unwrap();
    }
    store
}

fn joins(store: &Store) -> Vec<Hit> {
    let mut joins = Vec::new();
    let reading = store.session(Session::new());
    reading
        .search_each("kind:join", Order::Oldest, |hit| {
            joins.push(hit);
            true
        })
        .unwrap();
    joins
}

fn told(store: &Store) -> Vec<(i64, Option<String>, Vec<String>)> {
    joins(store).into_iter().map(|j| (j.time.0, j.author, j.subjects)).collect()
}

#[test]
fn joins_go_with_the_record_that_named_them() {
    let others = |at: &[i64]| -> Vec<(i64, Option<String>, Vec<String>)> {
        let all = [
            (5, "bob", vec!["anna", "bob"]),
            (5, "carol", vec!["anna", "carol"]),
            (7, "bob", vec!["bob"]),
            (7, "carol", vec!["bob", "carol"]),
            (9, "bob", vec!["bob", "carol"]),
            (9, "carol", vec!["carol"]),
        ];
        let text = |s: &str| s.to_owned();
        let all = all.into_iter().filter(|(time, _, _)| at.contains(time));
        all.map(|(t, who, whose)| (t, Some(text(who)), whose.into_iter().map(text).collect())).collect()
    };
    for roll in [false, true] {
        let one = Selector::Record { id: "a".into(), conversation: None };
        for selector in [Selector::Person("anna".into()), one] {
            let store = filled(roll);
            assert_eq!(told(&store), others(&[5, 7, 9]));
            // Her record, two joins, and the record that says who she is: nothing else tells of her.
            let removed = 4;
            assert_eq!(store.plan(&selector).unwrap().records, removed);
            let certificate = store.erase(&selector, &EraseOptions::default()).unwrap();
            assert_eq!(certificate.records_removed, removed);
            assert_eq!(told(&store), others(&[7, 9]));
            let bars = store.session(Session::new()).histogram("kind:join", Period::Hour).unwrap();
            assert_eq!(bars.iter().map(|(_, n)| n).sum::<u64>(), 4);
            store.roll().unwrap();
            assert_eq!(told(&store), others(&[7, 9]));
        }
    }
}

/// One record with several subjects: the join is all of theirs.
#[test]
fn a_join_has_all_subjects_of_the_record() {
    let store = open();
    let record = Record::new("c1", "agent", Micros(5), "").subject("anna").subject("dan").participant("bob");
    store.append(&[record]).unwrap();
    assert_eq!(joins(&store)[0].subjects, ["anna", "dan", "bob"]);
    store.erase(&Selector::Person("dan".into()), &EraseOptions::default()).unwrap();
    assert!(joins(&store).is_empty());
}

/// What an export holds is what an import takes: the id is made anew, here and elsewhere.
#[test]
fn an_exported_join_is_a_duplicate_at_home_and_once_elsewhere() {
    let store = filled(true);
    let exported: Vec<Record> = joins(&store)
        .into_iter()
        .map(|hit| {
            let mut record = Record::new(hit.conversation, hit.author.unwrap(), hit.time, hit.body)
                .id(hit.id)
                .channel(hit.channel)
                .kind(hit.kind);
            record.subjects = hit.subjects;
            record
        })
        .collect();
    let added = |store: &Store| {
        let outcomes = store.append(&exported).unwrap();
        assert!(
            outcomes.iter().all(|o| matches!(o, Outcome::Added(_) | Outcome::Duplicate(_))),
            "{outcomes:?}"
        );
        outcomes.iter().filter(|o| matches!(o, Outcome::Added(_))).count()
    };
    assert_eq!(added(&store), 0);
    let other = open();
    // Numbers differ there, and somebody joined at another time.
    let later = |who: &str| Record::new("c1", who, Micros(99), "").id(who).participant("carol");
    other.append(&[later("zoe"), later("bob")]).unwrap();
    let mut rehearsal = other.rehearsal();
    let would = rehearsal.append(&exported).unwrap();
    let again = rehearsal.append(&exported).unwrap();
    assert_eq!(would.iter().filter(|o| matches!(o, Outcome::Added(_))).count(), 5);
    assert!(again.iter().all(|o| matches!(o, Outcome::Duplicate(_))), "{again:?}");
    drop(rehearsal);
    assert_eq!(added(&other), 5);
    assert_eq!(added(&other), 0);
    let ids = |store: &Store| joins(store).into_iter().map(|j| j.id).collect::<Vec<_>>();
    assert!(ids(&store).iter().all(|id| !ids(&other).contains(id)), "ids say nothing elsewhere");
    // Records that name them again add nothing.
    other.append(&[Record::new("c1", "anna", Micros(200), "").id("n").participant("bob")]).unwrap();
    assert_eq!(joins(&other).len(), 7);
}

#[test]
fn ids_of_joins_are_kept_for_joins() {
    let store = open();
    let squat = |n: u64| Record::new("c1", "mallory", Micros(1), "").id(format!("join/{n}"));
    for n in 0..9 {
        match store.append(&[squat(n)]).unwrap().pop().unwrap() {
            Outcome::Rejected(e) => {
                assert_eq!(
                    (e.kind(), e.to_string()),
                    (ErrorKind::Invalid, "id: join/ begins ids of joins only".into())
                );
            }
            other => panic!("{other:?}"),
        }
    }
    // One that says it is a join is that of the person who writes it.
    store.append(&[squat(2).kind(Kind::Join), squat(3).kind(Kind::Join)]).unwrap();
    store.append(&[Record::new("c1", "mallory", Micros(2), "").id("m").participant("anna")]).unwrap();
    assert_eq!(
        joins(&store).iter().map(|j| j.author.clone().unwrap()).collect::<Vec<_>>(),
        ["mallory", "anna"]
    );
    // Two that say different things are not taken for one.
    let tagged = squat(2).kind(Kind::Join).tag("t");
    assert!(matches!(store.append(&[tagged]).unwrap()[0], Outcome::Rejected(_)));
}
