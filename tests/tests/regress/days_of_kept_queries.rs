//! A query with a time that counts from now was understood anew when an erasure judged it: from when its act was
//! written, not from when it was asked. Asked for before midnight with `on:today`, or for the last minutes
//! beside an erasure, and answered behind it, it seemed to have asked for something else than the record that
//! it had found, and stayed beside its count.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use escrowdb::clock::Clock;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, DetailField, EraseOptions, Exported, Level, Order, Period, Record, SearchOptions, Selector,
    Store,
};
use escrowdb::vfs::MemoryVfs;

/// A clock that goes on at each look.
struct Hurried {
    now: AtomicI64,
    step: AtomicI64,
}

impl Clock for Hurried {
    fn now(&self) -> Micros {
        Micros(self.now.fetch_add(self.step.load(Ordering::Relaxed), Ordering::Relaxed))
    }
}

const HOUR: i64 = 3_600_000_000;
/// Half past eleven in the evening of 2026-03-01.
const LATE: i64 = 1_772_407_800_000_000;

#[test]
fn a_query_means_the_day_on_which_it_was_asked() {
    for query in ["on:today conversation:c1 yes", "after:-1h conversation:c1 yes"] {
        let clock = Arc::new(Hurried { now: AtomicI64::new(LATE), step: AtomicI64::new(0) });
        let store = Store::builder("/s")
            .vfs(Arc::new(MemoryVfs::new()))
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .background(false)
            .audit(Level::All)
            .create()
            .unwrap();
        store.append(&[Record::new("c1", "anna", Micros(LATE - HOUR / 3), "yes").id("m1")]).unwrap();
        store.append(&[Record::new("c1", "bob", Micros(LATE - 40 * 24 * HOUR), "no").id("m2")]).unwrap();
        let dana = store.session(Session::new().actor("dana").purpose("a complaint"));
        let mut found = Vec::new();
        for way in 0..7 {
            clock.now.store(LATE, Ordering::Relaxed);
            clock.step.store(HOUR, Ordering::Relaxed);
            found.push(match way {
                0 => dana.count(query).unwrap() as usize,
                1 => dana.search(query, &SearchOptions::new()).unwrap().len(),
                2 => dana.facet(query, "author").unwrap().len(),
                3 => dana.histogram(query, Period::Day).unwrap().len(),
                4 => dana.seqs(query, Order::Newest).unwrap().len(),
                5 => dana.exporting(Exported::Query, query).unwrap().count(query).unwrap() as usize,
                _ => {
                    let mut hits = 0;
                    dana.search_each(query, Order::Oldest, |_| {
                        hits += 1;
                        true
                    })
                    .unwrap();
                    hits
                }
            });
            clock.step.store(0, Ordering::Relaxed);
        }
        assert_eq!(found, [1; 7], "{query}");
        let one = |id: &str| Selector::Record { id: id.into(), conversation: None };
        let left = || {
            let options = ActOptions::new().details(true).limit(100);
            let acts =
                store.session(Session::new().purpose("looking")).acts("author:dana", &options).unwrap();
            let query = |field| acts.iter().filter_map(|act| act.detail.as_ref()?.get(field)).count();
            (query(DetailField::Query), query(DetailField::Purpose))
        };
        // Of a record of another day nothing was told.
        store.erase(&one("m2"), &EraseOptions::default()).unwrap();
        assert_eq!(left(), (7, 7), "{query}");
        store.erase(&one("m1"), &EraseOptions::default()).unwrap();
        assert_eq!(left(), (0, 7), "{query}");
    }
}
