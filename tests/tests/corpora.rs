//! The seeds of the fuzz targets, run as plain tests: they hold on every machine, with or
//! without a fuzzer, and so does each of their prefixes and single-bit neighbours.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;
use std::path::Path;

use escrowdb::record::Stored;
use printed::printed;

#[path = "corpora/printed.rs"]
mod printed;

#[test]
fn record_cbor() {
    each_mutant("record_cbor", |bytes| match Stored::decode(bytes) {
        Ok(record) => {
            assert_eq!(record.encode(), bytes);
            true
        }
        Err(_) => false,
    });
}

#[test]
fn json_line() {
    each_mutant("json_line", |line| match printed(line) {
        Some(once) => {
            assert_eq!(printed(once.as_bytes()), Some(once));
            true
        }
        None => false,
    });
}

/// `check` says whether the bytes were accepted: every seed must be, its mutants may be.
fn each_mutant(target: &str, check: impl Fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let seed = fs::read(&path).unwrap();
        assert!(check(&seed), "{} is refused", path.display());
        for end in 0..seed.len() {
            check(&seed[..end]);
        }
        for bit in 0..seed.len() * 8 {
            let mut mutant = seed.clone();
            mutant[bit / 8] ^= 1 << (bit % 8);
            check(&mutant);
        }
    }
}
