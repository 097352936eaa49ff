//! Works on a store until it is killed: `killed DIR ROUND SEED`.

#![allow(clippy::unwrap_used, reason = "a helper of a test")]

use std::path::PathBuf;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap());
    let mut number = || args.next().unwrap().parse().unwrap();
    let (round, seed) = (number(), number());
    escrowdb_tests::killed::work::run(&dir, round, seed);
}
