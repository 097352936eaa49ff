//! The seeds of the fuzz targets, run as plain tests: they hold on every machine, with or
//! without a fuzzer, and so does each of their prefixes and single-bit neighbours.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "corpora/checks.rs"]
mod checks;
#[path = "corpora/printed.rs"]
mod printed;
#[path = "corpora/seeds.rs"]
mod seeds;

#[test]
fn every_seed_is_accepted_and_no_neighbour_panics() {
    for (target, check) in checks::ALL {
        let mut seeds = 0;
        for entry in fs::read_dir(fuzz().join("corpus").join(target)).unwrap() {
            let path = entry.unwrap().path();
            let seed = fs::read(&path).unwrap();
            assert!(check(&seed), "{} is refused", path.display());
            // Of a long seed a sample: each step is odd, so it meets every bit of a byte.
            let (ends, bits) = (seed.len() / 1000 + 1, (seed.len() * 8 / 4000) | 1);
            for end in (0..seed.len()).step_by(ends) {
                check(&seed[..end]);
            }
            for bit in (0..seed.len() * 8).step_by(bits) {
                let mut mutant = seed.clone();
                mutant[bit / 8] ^= 1 << (bit % 8);
                check(&mutant);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "{target} has no seed");
    }
}

#[test]
fn seeds_are_what_the_engine_writes() {
    for (target, name, bytes) in seeds::all() {
        let file = fuzz().join("corpus").join(target).join(name);
        if std::env::var_os("ESCROW_WRITE_SEEDS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        let stored = fs::read(&file).unwrap_or_default();
        assert!(stored == bytes, "{target}/{name} is written otherwise now: a change of the format");
    }
}

#[test]
fn every_check_has_its_target_and_every_target_its_check() {
    let checks: BTreeSet<String> = checks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let targets: BTreeSet<String> = fs::read_dir(fuzz().join("fuzz_targets"))
        .unwrap()
        .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(checks, targets);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &checks {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not built");
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}
