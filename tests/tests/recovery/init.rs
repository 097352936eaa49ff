//! A crash while a store is made leaves a store or something that the next `init` clears away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::session::Session;
use escrowdb::store::Outcome;
use escrowdb_tests::crash::explore::is_full;
use escrowdb_tests::crash::world::{Setup, World, rec};
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::recording_vfs::RecordingVfs;

fn options(from: usize) -> CrashOptions {
    let random = if is_full() { 40 } else { 3 };
    CrashOptions { points: from..usize::MAX, exhaustive_max: 4, random, torn: 1, seed: 1 }
}

/// The slot's record was written in part, or its file was there and empty, when the power went:
/// `open` found no key and `init` refused a slot that exists, for ever.
#[test]
fn init_is_finished_or_begun_again_after_a_crash() {
    let setup = Setup::default();
    let made = World::create(setup);
    let ops = made.disk.log();
    drop(made);
    let (mut opened, mut made) = (0, 0);
    for image in crashes(&ops, options(0)) {
        let disk = Arc::new(image.disk());
        let told = || format!("after {}: {}", image.at, image.what);
        let store = match setup.builder(disk.clone(), 1).open() {
            Ok(store) => {
                opened += 1;
                store
            }
            Err(first) => {
                made += 1;
                let again = setup.builder(disk.clone(), 2).create();
                again.unwrap_or_else(|e| panic!("{} neither opens ({first}) nor is made anew: {e}", told()))
            }
        };
        let outcome = store.append(&[rec("y0 Y").record()]).unwrap();
        assert!(matches!(outcome[..], [Outcome::Added(_)]), "{}", told());
        drop(store);
        let store = setup.builder(disk, 3).open().unwrap_or_else(|e| panic!("{}: {e}", told()));
        assert_eq!(store.session(Session::new()).count("*").unwrap(), 1, "{}", told());
    }
    assert!(opened > 10 && made > 50, "{opened} opened, {made} made anew");
}

/// `init` is killed after it wrote the slot and before it synced the folder the slot lies in. The
/// store opens, acknowledges records, and then the power goes: the slot's name was never durable,
/// and the only root key is lost. Opening makes the slot's name durable too.
#[test]
fn what_a_killed_init_left_in_the_cache_is_made_durable_by_opening() {
    let setup = Setup::default();
    let made = World::create(setup);
    let ops = made.disk.log();
    drop(made);
    let mut tried = 0;
    for at in 0..=ops.len() {
        let killed = RecordingVfs::replay(&ops[..at]);
        let vfs = Arc::new(killed.clone());
        let Ok(store) = setup.builder(vfs, 1).open() else { continue };
        tried += 1;
        store.append(&[rec("y0 Y").record()]).unwrap();
        let after = killed.log();
        drop(store);
        for image in crashes(&after, options(after.len())) {
            let told = || format!("killed at {at}, then {}", image.what);
            let store = setup.builder(Arc::new(image.disk()), 3).open();
            let store = store.unwrap_or_else(|e| panic!("{}: {e}", told()));
            assert_eq!(store.session(Session::new()).count("*").unwrap(), 1, "{}", told());
        }
    }
    assert!(tried > 5, "{tried} kills left a store that opens");
}
