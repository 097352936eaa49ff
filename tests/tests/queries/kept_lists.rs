//! A segment keeps lists of documents that queries spread out. What is kept must answer as a scan
//! does, for any mix of terms and times, and must know nothing of a person once she is erased.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::{Micros, Seq};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Order, Record, Selector};
use escrowdb::vfs::MemoryVfs;

const RECORDS: u64 = 13_000;
const ROLL: u32 = 6_000;
/// One in so many carries the tag `t:` with this number: bits and differences, common and rare; of the
/// rare one list long enough to stand apart from the dictionary, and one inside it.
const SHARES: [u64; 8] = [1, 2, 3, 11, 40, 97, 150, 2_500];
const GONE: u64 = 3;

fn carries(n: u64, share: u64) -> bool {
    (n ^ share << 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20 & 0xffff_ffff <= u64::from(u32::MAX) / share
}

/// Days from 2000 on, 1,000 records each: a span of time cuts through segments.
fn time(n: u64) -> Micros {
    Micros(946_684_800_000_000 + (n * 86_400_000) as i64)
}

fn record(n: u64) -> Record {
    let (who, text) = (format!("p{}", n % 7), format!("text {n}"));
    let record = Record::new(format!("c{}", n % 7), who, time(n), text).id(format!("m{n}"));
    SHARES.iter().filter(|s| carries(n, **s)).fold(record, |r, share| r.tag(format!("t:{share}")))
}

fn builder(disk: &MemoryVfs, index_bytes: usize) -> escrowdb::store::Builder {
    let builder = Store::builder("/s").vfs(Arc::new(disk.clone())).index_bytes(index_bytes);
    builder.roll_records(ROLL).compaction(false).background(false)
}

/// Every query of up to three terms, with and without a span of time, against a scan; `seqs` says
/// where record `n` stands.
fn check(store: &Store, seqs: &[Seq], lives: &dyn Fn(u64) -> bool) {
    let reading = store.session(Session::new());
    let mut asked = 0;
    for (i, a) in SHARES.iter().enumerate() {
        for (j, b) in SHARES.iter().enumerate() {
            let c = SHARES[(i * 3 + j) % SHARES.len()];
            for (negated, spanned) in [(false, false), (true, false), (false, true), (true, true)] {
                let sign = if negated { "-" } else { "" };
                let span = if spanned { "after:2000-01-03 before:2000-01-08" } else { "" };
                let query = format!("tag:t:{a} {sign}tag:t:{b} tag:t:{c} {span}");
                let fits = |n: u64| {
                    carries(n, *a)
                        && carries(n, *b) != negated
                        && carries(n, c)
                        && (!spanned || (time(2_000)..time(7_000)).contains(&time(n)))
                };
                let expected: Vec<Seq> =
                    (0..RECORDS).filter(|n| lives(*n) && fits(*n)).map(|n| seqs[n as usize]).collect();
                assert_eq!(reading.seqs(&query, Order::Oldest).unwrap(), expected, "{query}");
                assert_eq!(reading.count(&query).unwrap(), expected.len() as u64, "{query}");
                asked += usize::from(!expected.is_empty());
            }
        }
    }
    assert!(asked > 90, "only {asked} queries find anything");
}

#[test]
fn kept_lists_answer_as_a_scan_and_forget_the_erased() {
    kept_within(usize::MAX);
}

/// Room for about one segment of three: what a query opens pushes out what the query before it, or
/// it itself, has opened.
#[test]
fn lists_that_are_let_go_of_are_read_again() {
    kept_within(350_000);
}

fn kept_within(index_bytes: usize) {
    let disk = MemoryVfs::new();
    let store = builder(&disk, index_bytes).create().unwrap();
    let mut seqs = Vec::new();
    for from in (0..RECORDS).step_by(500) {
        let records: Vec<_> = (from..from + 500).map(record).collect();
        for outcome in store.append(&records).unwrap() {
            let escrowdb::store::Outcome::Added(seq) = outcome else { panic!("a record was not added") };
            seqs.push(seq);
        }
    }
    // Twice: what the first round spread out, the second finds.
    check(&store, &seqs, &|_| true);
    check(&store, &seqs, &|_| true);
    store.erase(&Selector::Person(format!("p{GONE}")), &EraseOptions::default()).unwrap();
    let lives = |n: u64| n % 7 != GONE;
    check(&store, &seqs, &lives);
    check(&store, &seqs, &lives);
    store.close().unwrap();
    let store = builder(&disk, index_bytes).open().unwrap();
    assert!(store.stats().unwrap().segments > 1);
    check(&store, &seqs, &lives);
}
