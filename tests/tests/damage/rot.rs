//! Bits that turn and pages that are lost in a store at rest. Whatever happens to one place of one
//! file, no answer is ever another one without an error, nothing erased comes back, nothing panics.
//!
//! A thousand cases in every run; with `ESCROW_TEST=full` every page and every bit (every 16th
//! where a bit is found again by trying them all, which takes long).

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use escrowdb_tests::crash::explore::is_full;
use escrowdb_tests::rng::Rng;
use escrowdb_tests::rot::campaign::Table;
use escrowdb_tests::rot::damage::{Damage, bits, pages, twins};
use escrowdb_tests::rot::verdict::Truth;

/// Files of which one wrong bit or one lost page costs nothing: all there are.
const COSTS_NOTHING: &[&str] =
    &["slot", "HEAD", "keyring", "index", "segment", "journal", "log", "parity", "LOCK", "RESERVE", "other"];

fn held(table: &Table) {
    println!("{table}");
    for row in table.rows.values().filter_map(|r| r.example.as_ref()) {
        println!("- {row}");
    }
    assert!(table.broken.is_empty(), "{} wrong: {}", table.broken_count, table.broken.join("\n"));
    let cost: Vec<String> = table.cost(COSTS_NOTHING).collect();
    assert!(cost.is_empty(), "cost something: {}", cost.join("\n"));
}

fn alone(all: Vec<Damage>) -> Vec<Vec<Damage>> {
    all.into_iter().map(|d| vec![d]).collect()
}

#[test]
fn any_one_bit() {
    let truth = Truth::new();
    let cases = alone(bits(&truth.files, if is_full() { 1 } else { 997 }, if is_full() { 16 } else { 1999 }));
    assert!(cases.len() > 500, "{} cases", cases.len());
    let (verify, erase) = if is_full() { (8, 32) } else { (2, 4) };
    // In slices, so that a long run tells how far it is and what it saw.
    let slices = cases.len().div_ceil(50_000);
    for slice in 0..slices {
        let part: Vec<_> = cases.iter().skip(slice).step_by(slices).cloned().collect();
        println!("slice {slice} of {slices}");
        held(&Table::run(&truth, &part, verify, erase, 16));
    }
}

#[test]
fn any_one_page() {
    let truth = Truth::new();
    let pages = pages(&truth.files, if is_full() { 1 } else { 8 });
    let cases = alone(pages);
    assert!(cases.len() > 80, "{} cases", cases.len());
    let (erase, hunt) = if is_full() { (1, 1) } else { (1, 8) };
    held(&Table::run(&truth, &cases, 1, erase, hunt));
}

#[test]
fn any_two_places() {
    let truth = Truth::new();
    let (bits, pages) = (bits(&truth.files, 7, 7), pages(&truth.files, 8));
    let mut rng = Rng::new(5);
    let cases: Vec<Vec<Damage>> = (0..if is_full() { 4_000 } else { 100 })
        .map(|i| {
            let first = if i % 2 == 0 { rng.pick(&bits) } else { rng.pick(&pages) };
            vec![first.clone(), rng.pick(&bits).clone()]
        })
        .collect();
    let table = Table::run(&truth, &cases, 2, 4, 16);
    println!("{} cases, {} wrong", table.cases(), table.broken_count);
    assert!(table.broken.is_empty(), "{} wrong: {}", table.broken_count, table.broken.join("\n"));
}

/// What stands twice is lost twice: the store may stop, or lose by name; it never answers from an
/// older state as if nothing had been.
#[test]
fn both_copies_of_anything() {
    let truth = Truth::new();
    let cases = twins(&truth.files);
    assert!(cases.len() > 10, "{} cases", cases.len());
    let table = Table::run(&truth, &cases, 1, 1, 1);
    println!("{table}");
    assert!(table.broken.is_empty(), "{} wrong: {}", table.broken_count, table.broken.join("\n"));
}
