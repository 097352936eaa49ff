//! Calls that fail. A failed sync ends all writing until the store is opened again; any other
//! failed call is an error and no more: nothing acknowledged is lost, and an erasure that was
//! accepted is completed later.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::vfs::Vfs;
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::crash::check::{self, Violation, check};
use escrowdb_tests::crash::explore::is_full;
use escrowdb_tests::crash::ledger::{Facts, Ledger, Target};
use escrowdb_tests::crash::world::{Setup, World, person};
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::failing::{Effort, Table, histories};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::recording_vfs::{Op, RecordingVfs};

fn setup() -> Setup {
    // Every erasure takes two passes where two segments are touched.
    Setup { seed: 31, pass_bytes: 1, ..Setup::default() }
}

/// Appends, rolls and erases; goes on after errors. Answers how often something failed.
fn live(w: &World) -> usize {
    let mut failed = 0;
    let mut note = |e: Option<escrowdb::Error>| failed += usize::from(e.is_some());
    note(w.try_append(&["x0 X", "y0 Y c2", "y1 Y"]).err());
    note(w.try_append(&["x1 X c2", "z0 Z", "z1 Z c2"]).err());
    note(w.try_append(&["x2 X", "y2 Y"]).err());
    note(w.erase(1, Target::Person(person("X"))).err());
    note(w.try_append(&["y3 Y", "x3 X"]).err());
    note(w.erase_conversation(2, "c2").err());
    note(w.store.roll().err());
    note(w.try_append(&["y4 Y"]).err());
    failed
}

fn told(v: Violation, what: &str) -> String {
    format!("{}: {} ({what})", v.check, v.what)
}

/// The classes of files that are synced.
const SYNCED: [Class; 7] =
    [Class::Journal, Class::Segment, Class::Index, Class::Keyring, Class::Head, Class::Slot, Class::Log];

#[test]
fn a_failed_sync_poisons_the_store_until_it_is_opened_again() {
    let mut hit = 0;
    for class in SYNCED {
        for skip in 0.. {
            let w = World::create(setup());
            w.disk.fail_sync(class, skip);
            let failed = live(&w);
            let ops = w.disk.log();
            if !ops.iter().any(|op| matches!(op, Op::SyncFailed { .. })) {
                assert_eq!(failed, 0);
                break;
            }
            hit += 1;
            let what = format!("sync {skip} of {class:?}");
            assert!(failed > 0, "{what}: nobody was told");
            let append = w.try_append(&["y9 Y"]).unwrap_err();
            assert_eq!(append.kind(), ErrorKind::Poisoned, "{what}");
            let erase = w.erase_record(9, "y0").unwrap_err();
            assert_eq!(erase.kind(), ErrorKind::Poisoned, "{what}");
            let ledger = w.ledger(false);
            let World { disk, store, setup, .. } = w;
            drop(store);
            // What the failed sync covered may never come to the disk; or it stands in the cache
            // and the process starts again.
            let ops = disk.log();
            let points = ops.len()..ops.len() + 1;
            let options = CrashOptions { points, exhaustive_max: 2, random: 2, torn: 0, seed: 1 };
            for image in crashes(&ops, options) {
                let vfs: Arc<dyn Vfs> = Arc::new(image.disk());
                check(&vfs, &setup, &ledger, 1000 + skip)
                    .unwrap_or_else(|v| panic!("{}", told(v, &format!("{what}, {}", image.what))));
            }
        }
    }
    assert!(hit > 60, "{hit} syncs");
}

/// A workload on a disk of which one call fails.
fn with_fault(aim: Aim, nth: u64, fault: Fault) -> Result<bool, String> {
    let disk = RecordingVfs::new();
    let faulty = FaultyVfs::new(Arc::new(disk.clone()));
    let setup = setup();
    let store = setup.builder(Arc::new(faulty.clone()), 0).create().map_err(|e| e.to_string())?;
    let w = World { disk: disk.clone(), store, facts: Facts::default(), setup };
    faulty.arm(Plan { aim, nth, fault, sticky: false });
    let what = format!("{fault:?} at call {nth}");
    check::guarded(|| {
        live(&w);
        Ok(())
    })
    .map_err(|v| told(v, &what))?;
    let fired = faulty.fired() > 0;
    faulty.disarm();
    let ledger = w.ledger(false);
    // Unless it is poisoned the open store goes on as if nothing had been.
    let poisoned = w.try_append(&["y5 Y"]).is_err_and(|e| e.kind() == ErrorKind::Poisoned);
    if !poisoned {
        let ledger = Ledger { running: true, ..w.ledger(false) };
        check::whole(&w.store, &ledger).map_err(|v| told(v, &what))?;
    }
    let ledger = if poisoned { ledger } else { w.ledger(false) };
    drop(w);
    let vfs: Arc<dyn Vfs> = Arc::new(disk);
    check(&vfs, &setup, &ledger, 1000 + nth)
        .map_err(|v| told(v, &format!("{what}, poisoned: {poisoned}")))?;
    Ok(fired)
}

/// The disk was full at the write of the new root to the slot: one of its copies stood there. The
/// store gave up its reserve and ran the pass once more, whose HEAD record replaced the only one
/// that the new root opens: after reopening nothing opened, for good. A pass that failed behind
/// the commit point poisons the store and is not repeated.
#[test]
fn a_full_disk_at_the_commit_point_is_not_tried_again() {
    for call in [Call::Write, Call::Sync] {
        for nth in 0..4 {
            with_fault(Aim::at(Class::Slot, call), nth, Fault::NoSpace).unwrap();
        }
    }
}

/// In each of some histories (append and erase, close, open after all sorts of stops, verify) each
/// call fails once, in each way; and from each call on the device is gone, or full.
#[test]
fn any_one_call_may_fail() {
    let table = Table::run(&histories(), if is_full() { Effort::Every } else { Effort::Sites });
    println!("{table}");
    let some: Vec<_> = table.broken.iter().map(String::as_str).collect();
    assert!(some.is_empty(), "{} broken promises:\n{}", table.broken_count, some.join("\n"));
    assert!(table.cases() > 200);
}
