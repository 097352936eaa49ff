//! Small histories of append, roll, erase, close and reopen.

use std::thread;
use std::time::Duration;

use escrowdb::session::Session;
use escrowdb::store::{AuditRules, Level};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::crash::explore::Workload;
use escrowdb_tests::crash::world::{Setup, World};

/// Nothing runs beside anything.
pub(crate) const SEQUENTIAL: &[fn(u64) -> Workload] = &[
    first_erasure_right_after_init,
    person_in_segments_and_journal,
    person_in_the_journal_only,
    person_in_segments_only,
    whole_segments,
    conversation_and_record,
    author_only,
    in_passes,
    clean_close_and_reopen,
    thinned_segments_compacted,
    acts_and_what_is_signed,
];

/// Appends, rolls and erasures on several threads.
pub(crate) const CONCURRENT: &[fn(u64) -> Workload] = &[
    person_in_next_during_a_roll,
    two_erasures_queued,
    close_during_a_roll,
    erasure_during_a_compaction,
    stirred,
];

fn setup(seed: u64) -> Setup {
    Setup { seed, ..Setup::default() }
}

fn create(setup: Setup) -> (World, usize) {
    let world = World::create(setup);
    let from = world.disk.log_len();
    (world, from)
}

fn first_erasure_right_after_init(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["x0 X"]);
    w.erase_person(1, "X");
    w.append(&["x1 X", "y1 Y"]);
    Workload::end("first erasure right after init", w, true, from)
}

fn person_in_segments_and_journal(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append_each(&["y0 Y", "x0 X"]);
    w.append(&["y1 Y", "x1 X c2"]);
    w.append(&["x2 X", "z2 Z by Y", "y2 Y"]);
    w.erase_person(1, "X");
    w.append(&["x3 X", "y3 Y c2"]);
    w.append(&["z4 Z"]);
    Workload::end("a person in segments and in the journal", w, true, from)
}

fn person_in_the_journal_only(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["y0 Y", "z0 Z", "y1 Y"]);
    w.append(&["x0 X", "y2 Y c2"]);
    w.append(&["x1 X c2"]);
    w.erase_person(1, "X");
    w.append(&["y4 Y"]);
    Workload::end("a person in the journal only", w, true, from)
}

fn person_in_segments_only(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["x0 X", "y0 Y", "x1 X c2"]);
    w.append(&["y1 Y", "y2 Y c2"]);
    w.erase_person(1, "X");
    w.append(&["y3 Y"]);
    Workload::end("a person in segments only", w, true, from)
}

fn whole_segments(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["x0 X", "x1 X", "x2 X c2"]);
    w.append(&["y0 Y", "y1 Y", "y2 Y"]);
    w.append(&["x3 X", "x4 X", "x5 X", "x6 X c2"]);
    w.erase_person(1, "X");
    Workload::end("segments that die whole", w, true, from)
}

fn conversation_and_record(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    // Several records of one person share a block, which has to be formed anew.
    w.append(&["x0 X c1", "x1 X c2", "x2 X c1", "y0 Y c1", "y1 Y c2"]);
    w.append(&["x3 X c2", "y3 Y c1"]);
    w.erase_conversation(1, "c2").unwrap();
    w.append(&["y4 Y c2"]);
    w.erase_record(2, "x2").unwrap();
    w.erase_record(3, "y4").unwrap();
    Workload::end("a conversation and records", w, true, from)
}

fn author_only(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["y0 Y c1 by X", "y1 Y", "z1 Z c1 by X"]);
    w.append(&["y2 Y c1 by X", "y3 Y"]);
    w.erase_person(1, "X");
    w.append(&["y4 Y c1 by X"]);
    Workload::end("an author only", w, true, from)
}

fn in_passes(seed: u64) -> Workload {
    let (w, from) = create(Setup { pass_bytes: 1, ..setup(seed) });
    w.append(&["x0 X", "y0 Y", "x1 X"]);
    w.append(&["x2 X c2", "y2 Y", "y3 Y c2", "x3 X"]);
    w.append(&["x4 X", "y4 Y"]);
    w.erase_person(1, "X");
    w.append(&["x5 X"]);
    Workload::end("in several passes", w, true, from)
}

fn clean_close_and_reopen(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["y0 Y", "x0 X"]);
    let w = w.reopen(1);
    w.append(&["x1 X"]);
    w.erase_person(1, "X");
    let w = w.reopen(2);
    w.append(&["x2 X", "y2 Y", "y3 Y", "y4 Y"]);
    w.append(&["y5 Y"]);
    let w = w.reopen(3);
    w.erase_record(2, "y5").unwrap();
    Workload::end("clean close and reopen", w, true, from)
}

fn thinned_segments_compacted(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["x0 X", "y0 Y", "y1 Y c2", "z0 Z"]);
    w.append(&["x1 X", "y2 Y", "y3 Y c2", "z1 Z", "x2 X c2"]);
    w.erase_person(1, "X");
    w.erase_conversation(2, "c2").unwrap();
    assert!(w.compact() > 0);
    let w = w.reopen(1);
    w.append(&["y4 Y"]);
    Workload::end("thinned segments, compacted", w, true, from)
}

/// A store that keeps acts: details expire as it is opened, somebody goes of whom others tell, the log's key
/// is changed between heads that are signed.
fn acts_and_what_is_signed(seed: u64) -> Workload {
    let w = World::create(Setup { audit: Level::All, roll_records: 24, ..setup(seed) });
    let rules = AuditRules::new(Level::All).keep_acts(90).keep_details(5);
    w.store.set_audit_rules(&Session::new(), &rules).unwrap();
    w.append(&["x0 X", "y0 Y"]);
    w.look("first", Some("y0"));
    w.sign();
    let w = w.later(31);
    w.append(&["x1 X c2"]);
    w.look("about-x", Some("x0"));
    // All of this costs much to check, so what was before isn't crashed.
    let from = w.disk.log_len();
    w.look("lasting", None);
    // Details of January go in the opening.
    let w = w.later(10);
    w.erase_person(1, "X");
    w.sign();
    w.rotate();
    Workload::end("acts, and what is signed", w, true, from)
}

const LIMIT: Duration = Duration::from_secs(20);

fn person_in_next_during_a_roll(seed: u64) -> Workload {
    let (w, from) = create(Setup { background: true, ..setup(seed) });
    let gate = w.disk.block(Aim::at(Class::Index, Call::Sync), 0);
    w.append(&["y0 Y", "x0 X", "y1 Y"]);
    assert!(gate.reached(LIMIT), "a roll is under way");
    w.append(&["x1 X", "y2 Y"]);
    thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let erasure = s.spawn(|| w.erase_person(1, "X"));
        // E0 is an ordinary commit; the pass then waits for the roll.
        thread::sleep(Duration::from_millis(30));
        w.append(&["y3 Y c2"]);
        gate.open();
        w.append(&["z0 Z"]);
        erasure.join().unwrap();
    });
    w.append(&["x2 X"]);
    Workload::end("a person in the next journal during a roll", w, false, from)
}

fn two_erasures_queued(seed: u64) -> Workload {
    let (w, from) = create(setup(seed));
    w.append(&["x0 X", "y0 Y", "z0 Z"]);
    w.append(&["x1 X", "y1 Y", "z1 Z"]);
    let gate = w.disk.block(Aim::at(Class::Index, Call::Sync), 0);
    thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let first = s.spawn(|| w.erase_person(1, "X"));
        assert!(gate.reached(LIMIT), "the first erasure builds its index");
        let second = s.spawn(|| w.erase_record(2, "y0").unwrap());
        let third = s.spawn(|| w.erase_person(3, "Z"));
        thread::sleep(Duration::from_millis(30));
        gate.open();
        for thread in [first, second, third] {
            thread.join().unwrap();
        }
    });
    w.append(&["z2 Z"]);
    Workload::end("two erasures wait for a third", w, false, from)
}

fn close_during_a_roll(seed: u64) -> Workload {
    let (w, from) = create(Setup { background: true, ..setup(seed) });
    let gate = w.disk.block(Aim::at(Class::Keyring, Call::Sync), 0);
    w.append(&["y0 Y", "x0 X", "y1 Y"]);
    assert!(gate.reached(LIMIT), "a roll is under way");
    w.append(&["x1 X", "y2 Y"]);
    let World { disk, store, facts, setup } = w;
    thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let closing = s.spawn(|| store.close().unwrap());
        thread::sleep(Duration::from_millis(30));
        gate.open();
        closing.join().unwrap();
    });
    let w = World::open(disk, facts, setup, 1).unwrap();
    w.erase_person(1, "X");
    Workload::end("close during a roll", w, false, from)
}

fn erasure_during_a_compaction(seed: u64) -> Workload {
    let (w, from) = create(Setup { roll_records: 16, ..setup(seed) });
    for batch in [["x0 X", "y0 Y c2"], ["y1 Y", "x1 X c2"], ["z0 Z", "y2 Y"]] {
        w.append(&batch);
        w.store.roll().unwrap();
    }
    let gate = w.disk.block(Aim::at(Class::Index, Call::Write), 0);
    thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let compaction = s.spawn(|| w.compact());
        assert!(gate.reached(LIMIT), "a compaction is under way");
        let erasure = s.spawn(|| w.erase_person(1, "X"));
        thread::sleep(Duration::from_millis(30));
        w.append(&["y3 Y"]);
        gate.open();
        erasure.join().unwrap();
        assert_eq!(compaction.join().unwrap(), 0, "it gave way");
    });
    assert!(w.compact() > 0);
    w.append(&["x2 X"]);
    Workload::end("an erasure during a compaction", w, false, from)
}

fn stirred(seed: u64) -> Workload {
    let (w, from) = create(Setup { background: true, ..setup(seed) });
    w.disk.stir(seed, 30);
    thread::scope(|s| {
        s.spawn(|| w.append_each(&["y0 Y", "x0 X", "y1 Y c2", "x1 X c2", "y2 Y", "x2 X"]));
        s.spawn(|| w.append_each(&["z0 Z", "z1 Z c2", "v0 V", "z2 Z", "v1 V"]));
        s.spawn(|| {
            w.append(&["x3 X", "y3 Y"]);
            w.erase_person(1, "X");
            w.append(&["x4 X"]);
            let _ = w.erase_conversation(2, "c2");
        });
        s.spawn(|| {
            let _ = w.store.roll();
            w.append(&["w0 W"]);
            w.store.roll().unwrap();
        });
        s.spawn(|| {
            for _ in 0..4 {
                w.compact();
            }
        });
    });
    Workload::end("everything at once", w, false, from)
}
