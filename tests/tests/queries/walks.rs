//! Walks over the hits of a query: one question from the first hit to the last.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Hit, Order, Record, SearchOptions, Selector};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Store};

/// More than are opened at once.
const MANY: i64 = 1_300;

fn store() -> Store {
    Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).compaction(false).create().unwrap()
}

/// Records with bodies made of their numbers.
fn record(n: i64, body: &str) -> Record {
    Record::new("c1", if n % 2 == 0 { "anna" } else { "bert" }, Micros(n), body).id(format!("m{n}"))
}

fn filled(body: impl Fn(i64) -> String) -> Store {
    let store = store();
    let records: Vec<Record> = (0..MANY).map(|n| record(n, &body(n))).collect();
    store.append(&records).unwrap();
    store
}

/// A time limit was one for each page of a walk, and no clock was asked while records were opened: a
/// question that was given a second went on for as long as there were pages.
#[test]
fn a_deadline_ends_a_walk_in_the_middle() {
    let store = filled(|n| format!("lamp {n}"));
    let limit = Duration::from_secs(2);
    for order in [Order::Newest, Order::Relevance] {
        for shared in [true, false] {
            let reading = store.session(Session::new());
            let reading = match Instant::now().checked_add(limit) {
                Some(end) if shared => reading.deadline(end),
                _ => reading.time_limit(limit),
            };
            let mut seen = 0;
            let options = SearchOptions::new().order(order).limit(usize::MAX);
            let ended = reading.search_with("lamp", &options, |_| {
                if seen == 0 {
                    std::thread::sleep(limit);
                }
                seen += 1;
                true
            });
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Invalid);
            assert!(seen > 0 && seen < MANY, "{seen}");
            // An end of all questions holds for the next one too, a limit of each begins anew.
            assert_eq!(reading.count("lamp").is_err(), shared);
            assert_eq!(reading.get("m1", None).is_err(), shared);
            assert_eq!(reading.conversation("c1").is_err(), shared);
        }
    }
}

/// What stands elsewhere behind a page is found there; what a page of its own would show, a walk shows.
#[test]
fn a_walk_meets_every_hit_though_the_store_moves() {
    let body = |n: i64| format!("{} {}", "lamp ".repeat(1 + n as usize % 7), n);
    let store = filled(body);
    let reading = store.session(Session::new());
    for (query, order) in [
        ("lamp", Order::Newest),
        ("\"lamp lamp\" OR 1", Order::Oldest),
        ("lam* -author:nobody", Order::Newest),
        ("lamp", Order::Relevance),
    ] {
        let options = SearchOptions::new().order(order);
        let paged = reading.search(query, &options.clone().limit(usize::MAX)).unwrap();
        let mut walked: Vec<Hit> = Vec::new();
        let walk = |hit: Hit| {
            // Between pages: from the journal into segments, and more records.
            if walked.len().is_multiple_of(300) {
                store.append(&[record(MANY + walked.len() as i64, "another")]).ok();
                store.roll().unwrap();
            }
            walked.push(hit);
            true
        };
        reading.search_with(query, &options.limit(usize::MAX), walk).unwrap();
        let seqs =
            |hits: &[Hit]| hits.iter().map(|hit| (hit.seq, hit.score.map(f64::to_bits))).collect::<Vec<_>>();
        assert!(seqs(&walked) == seqs(&paged) && paged.len() > 1000, "{query}");
        // Each has a cursor behind which a page begins.
        let behind = SearchOptions::new().order(order).limit(3).cursor(&walked[600].cursor);
        if order != Order::Relevance {
            assert_eq!(seqs(&reading.search(query, &behind).unwrap()), seqs(&walked[601..604]), "{query}");
        }
    }
    let mut first = Vec::new();
    let one = SearchOptions::new().limit(7).cursors(false);
    reading
        .search_with("lamp", &one, |hit| {
            first.push(hit);
            true
        })
        .unwrap();
    assert!(first.len() == 7 && first.iter().all(|hit| hit.cursor.is_empty()));
}

/// A beginning may stand for 20,000 words. Each page of a walk counted anew, so a walk answered what a
/// count of the same query refused.
#[test]
fn a_walk_has_one_limit_for_all_its_pages() {
    let store = filled(|n| (0..16).map(|i| format!("w{} ", n * 16 + i)).collect());
    let reading = store.session(Session::new());
    let mut seen = 0;
    let ended = reading.search_each("w*", Order::Oldest, |_| {
        seen += 1;
        true
    });
    assert!(reading.count("w*").is_err() && ended.is_err() && seen < MANY);
}

#[test]
fn an_erasure_ends_a_walk() {
    for order in [Order::Oldest, Order::Relevance] {
        let store = filled(|n| format!("lamp {n}"));
        let mut seen = Vec::new();
        let ended = store.session(Session::new()).search_each("lamp", order, |hit| {
            if seen.is_empty() {
                store.erase(&Selector::Person("bert".into()), &EraseOptions::default()).unwrap();
            }
            seen.push(hit);
            true
        });
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Revoked);
        assert_eq!(seen.len(), 1);
    }
}
