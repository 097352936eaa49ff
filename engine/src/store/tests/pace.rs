//! Who gives way to whom: what runs in the background to appends, until somebody waits for it.

use std::thread;

use super::*;
use crate::erase::pace::Pace;
use crate::index::Hands;
use crate::keyring::pending::{Target, Waiting};
use crate::state::rest::Rests;

/// With a record, for nobody knows at the first look whether appends run.
fn begun(roll_records: u32) -> Store {
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).compaction(false).background(false);
    let store = builder.roll_records(roll_records).create().unwrap();
    store.append(&[record(0)]).unwrap();
    store
}

/// What `look` answers while `waiter` waits for the pass.
fn waited_for<T>(store: &Store, waiter: impl FnOnce() + Send, look: impl FnOnce() -> T) -> T {
    let right = store.state.pass();
    thread::scope(|scope| {
        let waiter = scope.spawn(waiter);
        while !store.state.is_waited_for() && !waiter.is_finished() {
            thread::yield_now();
        }
        let seen = look();
        drop(right);
        waiter.join().unwrap();
        seen
    })
}

#[test]
fn work_that_keeps_others_from_rolling_gives_way_until_somebody_waits() {
    let store = begun(1000);
    let (whole, short) = (Rests::whole(&store.state), Rests::short(&store.state));
    assert_eq!((whole.gives_way(), short.gives_way()), (false, false), "nothing came");
    let look = |n| {
        store.append(&[record(n)]).unwrap();
        (whole.gives_way(), short.gives_way())
    };
    assert_eq!(look(1), (true, true));
    assert_eq!(waited_for(&store, || drop(store.state.pass()), || look(2)), (false, true));
    assert_eq!(look(3), (true, true));
    store.state.start_closing();
    assert_eq!((whole.gives_way(), short.gives_way()), (false, true), "the store closes");
}

#[test]
fn work_that_keeps_much_from_being_rolled_gives_way_no_longer() {
    let store = begun(10);
    let whole = Rests::whole(&store.state);
    whole.gives_way();
    let look = |n| {
        store.append(&[record(n)]).unwrap();
        whole.gives_way()
    };
    let seen: Vec<_> = {
        let _pass = store.state.forbid_rolls();
        (1..100).map(look).collect()
    };
    let given_way = seen.iter().take_while(|gives_way| **gives_way).count();
    // Each brings the record along that says who its author is.
    assert!((20..80).contains(&given_way), "{given_way}");
    assert!(seen.iter().skip(given_way).all(|gives_way| !gives_way), "{seen:?}");
    store.roll().unwrap();
    assert!(look(100), "all is rolled");
}

#[test]
fn a_pass_that_nobody_asked_for_works_with_one_hand_until_somebody_waits() {
    let store = begun(1000);
    let waiting = |target| Waiting::new(target, Micros(0));
    let of_class = waiting(Target::Records { of: Target::CLASS, seqs: Vec::new() });
    let of_a_person = waiting(Target::Persons(Vec::new()));
    let pace = |batch: &[&Waiting]| Pace::of(&store.state, batch.iter().copied());
    let paces = [pace(&[&of_class]), pace(&[&of_class, &of_a_person]), pace(&[])];
    let (one, two) = (Hands::One, Hands::Two);
    let hands = || paces.each_ref().map(Pace::hands);
    assert_eq!(hands(), [two, two, two], "nothing came");
    let look = |n| {
        store.append(&[record(n)]).unwrap();
        hands()
    };
    assert_eq!(look(1), [one, two, two]);
    assert_eq!(waited_for(&store, || drop(store.state.pass()), || look(2)), [two, two, two]);
    assert_eq!(look(3), [one, two, two]);
}

#[test]
fn an_erasure_that_is_asked_for_counts_as_one_who_waits() {
    let store = begun(1000);
    let erase = || {
        let her = Selector::Person("p0@example.org".into());
        store.erase(&her, &EraseOptions::default()).unwrap();
    };
    assert!(waited_for(&store, erase, || store.state.is_waited_for()));
    assert!(!store.state.is_waited_for(), "nobody is left");
}
