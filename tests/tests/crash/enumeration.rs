//! Power cuts and kills at every point of small histories: whatever the disk kept, the store
//! opens, holds what it acknowledged exactly once, and what was erased stays erased.
//!
//! A few thousand states in every run; with `ESCROW_TEST=full` more than a hundred thousand, and
//! the figures are printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use std::thread;
use std::time::Instant;

use escrowdb_tests::call::{Call, Class};
use escrowdb_tests::crash::explore::{Effort, Figures, Workload, is_full, sites};
use parking_lot::Mutex;

use crate::workloads;

/// As many workloads at a time as there are cores.
fn run(workloads: &[fn(u64) -> Workload]) -> Figures {
    let left = Mutex::new(workloads.iter().enumerate());
    let figures = Mutex::new(Figures::default());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some((i, workload)) = left.lock().next() else { break };
                    let start = Instant::now();
                    let work = workload(100 + i as u64);
                    let mut own = Figures::default();
                    work.explore(Effort::chosen(), &mut own);
                    println!("{}: {} states in {:?}", work.name, own.states.len(), start.elapsed());
                    figures.lock().add(own);
                }
            });
        }
    });
    let figures = figures.into_inner();
    println!("{} workloads: {figures}", workloads.len());
    assert!(figures.violations.is_empty(), "{}", figures.violations.join("\n"));
    figures
}

/// A site that is not in this list is new and needs a workload that hits it.
const SITES: &[(Class, Call)] = &[
    (Class::Journal, Call::Create),
    (Class::Journal, Call::Allocate),
    (Class::Journal, Call::Write),
    (Class::Journal, Call::Sync),
    (Class::Journal, Call::Remove),
    (Class::Segment, Call::Create),
    (Class::Segment, Call::Write),
    (Class::Segment, Call::Sync),
    (Class::Segment, Call::Remove),
    (Class::Index, Call::Create),
    (Class::Index, Call::Write),
    (Class::Index, Call::Sync),
    (Class::Index, Call::Remove),
    (Class::Keyring, Call::Create),
    (Class::Keyring, Call::Allocate),
    (Class::Keyring, Call::Write),
    (Class::Keyring, Call::Sync),
    (Class::Head, Call::Create),
    (Class::Head, Call::Allocate),
    (Class::Head, Call::Write),
    (Class::Head, Call::Sync),
    (Class::Slot, Call::Create),
    (Class::Slot, Call::Allocate),
    (Class::Slot, Call::Write),
    (Class::Slot, Call::Sync),
    (Class::Log, Call::CreateDir),
    (Class::Log, Call::Create),
    (Class::Log, Call::Write),
    (Class::Log, Call::Sync),
    (Class::Log, Call::SyncDir),
    // A head that a witness cosigned.
    (Class::Log, Call::Rename),
    // The store's folder and the folder above, and the mark of an unfinished `init`.
    (Class::Other, Call::CreateDir),
    (Class::Other, Call::Create),
    (Class::Other, Call::Allocate),
    (Class::Other, Call::Sync),
    (Class::Other, Call::SyncDir),
    (Class::Other, Call::Remove),
];

#[test]
fn one_after_the_other() {
    let figures = run(workloads::SEQUENTIAL);
    let wanted = if is_full() { 70_000 } else { 1_000 };
    assert!(figures.states.len() >= wanted, "{figures}");
    assert_eq!(sites(&figures.counts), SITES.iter().copied().collect(), "sites that change the disk");
}

#[test]
fn side_by_side() {
    let figures = run(workloads::CONCURRENT);
    let wanted = if is_full() { 30_000 } else { 1_000 };
    assert!(figures.states.len() >= wanted, "{figures}");
}
