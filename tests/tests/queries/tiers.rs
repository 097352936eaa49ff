//! Sixteen segments share one filter in memory that says whether a record may stand in them. It
//! must never hide a record that is there, nor remember one that is gone.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::store::{EraseOptions, Outcome, Record, Selector};
use escrowdb::vfs::MemoryVfs;

const SEGMENTS: u64 = 40;
const EACH: u64 = 20;

fn record(n: u64) -> Record {
    let author = format!("p{}", n % 7);
    Record::new(format!("c{}", n % 5), author, Micros(n as i64), format!("text {n}")).id(format!("m{n}"))
}

fn builder(disk: &MemoryVfs, background: bool) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .roll_records(EACH as u32)
        .compaction(false)
        .background(background)
}

fn outcome(store: &Store, n: u64) -> Outcome {
    store.append(&[record(n)]).unwrap().remove(0)
}

fn fill(store: &Store) {
    for batch in 0..SEGMENTS {
        let records: Vec<_> = (batch * EACH..(batch + 1) * EACH).map(record).collect();
        let outcomes = store.append(&records).unwrap();
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Added(_))));
    }
}

fn run(background: bool) {
    let disk = MemoryVfs::new();
    let store = builder(&disk, background).create().unwrap();
    fill(&store);
    let check = |store: &Store, known: &dyn Fn(u64) -> bool| {
        for n in 0..SEGMENTS * EACH {
            let duplicate = matches!(outcome(store, n), Outcome::Duplicate(_));
            assert_eq!(duplicate, known(n), "record {n}");
        }
    };
    check(&store, &|_| true);
    store.close().unwrap();
    let store = builder(&disk, background).open().unwrap();
    let segments = store.stats().unwrap().segments;
    // Rolls behind the appends make fewer and larger ones.
    assert!(segments >= 16, "{segments} segments make no tier");
    check(&store, &|_| true);
    store.erase(&Selector::Person("p3".into()), &EraseOptions::default()).unwrap();
    // Whoever returns is somebody new, and so is what she wrote.
    check(&store, &|n| n % 7 != 3);
    check(&store, &|_| true);
}

#[test]
fn duplicates_are_found_behind_tiers_and_the_erased_are_not() {
    run(false);
    run(true);
}
