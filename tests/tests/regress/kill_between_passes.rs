//! A person stood in two segments that an earlier erasure had written anew. Her erasure took two
//! passes, and the process was killed between them: her key was gone, one segment still waited. The
//! next opening reads whatever an erasure may have written last, met her block there, could not
//! open it, and refused the store as damaged, now and for ever. Found by killing a process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::crash::check::check;
use escrowdb_tests::crash::world::{Setup, World};

#[test]
fn a_store_killed_between_two_passes_opens() {
    let w = World::create(Setup { seed: 51, pass_bytes: 1, ..Setup::default() });
    // Each batch fills a segment, and the records that stay share blocks with one that goes.
    w.append(&["x0 X c1", "x1 X c2", "y0 Y c1", "y1 Y c2"]);
    w.append(&["x2 X c1", "x3 X c2", "y2 Y c1", "y3 Y c2"]);
    w.erase_conversation(1, "c2").unwrap();
    let mut opened = 0;
    // Before each index that the passes write.
    for skip in 0..4 {
        let disk = MemoryVfs::from_files(w.disk.snapshot());
        let recorded = escrowdb_tests::recording_vfs::RecordingVfs::from_files(disk.snapshot());
        let again = World::open(recorded, w.facts.clone(), w.setup, 60 + skip).unwrap();
        let gate = again.disk.block(Aim::at(Class::Index, Call::Create), skip);
        let ledger = w.ledger(true);
        let state = thread::scope(|s| {
            // Let go on a panic too, or the scope waits for ever.
            let gate = gate;
            let erasure = s.spawn(|| again.erase_person(2, "X"));
            let state = gate.reached(Duration::from_secs(1)).then(|| again.disk.snapshot());
            gate.open();
            erasure.join().unwrap();
            state
        });
        let Some(files) = state else { break };
        let mut ledger = ledger;
        ledger.erasures.extend(again.ledger(false).erasures.into_iter().filter(|e| e.request.0[0] == 2).map(
            |e| {
                // After everything else, and not answered.
                escrowdb_tests::crash::ledger::Erasure {
                    asked: usize::MAX / 4,
                    accepted: None,
                    erased: None,
                    ..e
                }
            },
        ));
        let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::from_files(files));
        check(&vfs, &w.setup, &ledger, 70 + skip)
            .unwrap_or_else(|v| panic!("at index {skip}: {}: {}", v.check, v.what));
        opened += 1;
    }
    assert!(opened >= 2, "{opened}");
}
