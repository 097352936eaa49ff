//! Seven ways in which an earlier text of the protocol lost something or kept something. Each
//! test opens with what went wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::session::Session;
use escrowdb::store::Outcome;
use escrowdb::vfs::Vfs;
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::crash::check::{self, check};
use escrowdb_tests::crash::ledger::{Facts, Ledger, Target};
use escrowdb_tests::crash::world::{DIR, SLOT, Setup, World, conversation, person, rec, record_id};
use escrowdb_tests::crash::{CrashOptions, Image, crashes};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::recording_vfs::{Op, RecordingVfs};

const LIMIT: Duration = Duration::from_secs(20);
/// Long enough for a thread to run into whatever holds it.
const MOMENT: Duration = Duration::from_millis(40);

fn setup(seed: u64) -> Setup {
    Setup { seed, ..Setup::default() }
}

/// What a power cut leaves that loses everything unsynced.
fn power_cut(ops: &[Op]) -> Image {
    let points = ops.len()..ops.len() + 1;
    let options = CrashOptions { points, exhaustive_max: 0, random: 0, torn: 0, seed: 1 };
    let mut all: Vec<_> = crashes(ops, options).collect();
    // The cache kept comes first; if nothing is unsynced there is no other.
    all.swap_remove(1.min(all.len() - 1))
}

fn assert_whole(disk: Arc<dyn Vfs>, setup: &Setup, ledger: &Ledger, told: &str) {
    check(&disk, setup, ledger, 5).unwrap_or_else(|v| panic!("{}: {} ({told})", v.check, v.what));
}

/// Opens the store on the disk once more and hunts for what was erased.
fn assert_nothing_opens(before: &[Op], disk: &RecordingVfs, setup: &Setup, ledger: &Ledger) {
    let opened = World::open(disk.clone(), Facts::default(), *setup, 6).unwrap();
    let done = check::done(&opened.store);
    drop(opened);
    assert!(!done.is_empty());
    check::nothing_opens(before, disk, ledger, &done).unwrap_or_else(|v| panic!("{}: {}", v.check, v.what));
}

/// *heal.* The process is killed between the writes of the new root to the slot and their sync:
/// the new root stands in the cache only. Recovery reads it there, serves, destroys the old root
/// and acknowledges appends; then the power goes, the slot's pages are lost, and with them the
/// store. Recovery first syncs what it trusts and rewrites both copies of slot record and HEAD.
#[test]
fn heal_a_slot_that_stands_in_the_cache_only() {
    let w = World::create(setup(1));
    w.append(&["x0 X", "y0 Y", "y1 Y c2"]);
    w.append(&["x1 X"]);
    let from = w.disk.log_len();
    w.erase_person(1, "X");
    let ops = w.disk.log();
    let mut unsynced_slots = 0;
    for at in from..=ops.len() {
        let ledger = w.facts.at(&ops, at, true);
        let killed = RecordingVfs::replay(&ops[..at]);
        let again = World::open(killed.clone(), w.facts.clone(), w.setup, 3).unwrap();
        let late = rec("late Y");
        assert!(matches!(again.store.append(&[late.record()]).unwrap()[..], [Outcome::Added(_)]));
        let image = power_cut(&killed.log());
        drop(again);
        let mut ledger = ledger;
        ledger.promise(late, at);
        assert_whole(Arc::new(image.disk()), &w.setup, &ledger, &format!("killed at {at}"));
        unsynced_slots += usize::from(matches!(&ops[at.min(ops.len() - 1)], Op::Sync { .. }));
    }
    assert!(unsynced_slots > 5, "kills right before a sync were among them");
}

/// *fresh.* A frame that names somebody is written and not synced when the power goes. Recovery
/// does not find it (or only a part), so no record of the store mentions the person. She is
/// erased later, and no frame of the journal mentions her, so the journal stays as it is: with its
/// key, which opens the dropped frame wherever its sectors still lie. After an unclean stop both
/// journals go under two fresh keys.
#[test]
fn fresh_keys_after_a_frame_was_dropped() {
    for known in [true, false] {
        let w = World::create(setup(2));
        if known {
            w.append(&["x0 X", "y0 Y", "z0 Z"]);
        }
        w.append(&["y1 Y"]);
        let gate = w.disk.block(Aim::at(Class::Journal, Call::Sync), 0);
        let before = thread::scope(|s| {
            // Let go on a panic too, or the scope waits for ever.
            let gate = gate;
            let append = s.spawn(|| w.append(&["x1 X"]));
            assert!(gate.reached(LIMIT));
            let ops = w.disk.log();
            gate.open();
            append.join().unwrap();
            ops
        });
        let disk = power_cut(&before).recording();
        let facts = Facts::default();
        let again = World::open(disk.clone(), facts.clone(), w.setup, 3).unwrap();
        if !known {
            again.append(&["x0 X"]);
        }
        again.erase_person(1, "X");
        drop(again);
        let mut ledger = facts.at(&disk.log(), disk.log_len(), true);
        // The dropped frame is hers too.
        ledger.note_dropped(rec("x1 X"));
        assert_nothing_opens(&before, &disk, &w.setup, &ledger);
    }
}

/// The same after a write of a frame failed and the store went on.
#[test]
fn fresh_keys_after_a_frame_failed() {
    let w = World::create(setup(3));
    w.append(&["x0 X", "y0 Y"]);
    w.disk.fail_sync(Class::Journal, 0);
    assert!(w.try_append(&["x1 X"]).is_err());
    assert_eq!(w.try_append(&["y1 Y"]).unwrap_err().kind(), ErrorKind::Poisoned);
    let World { disk, store, facts, setup } = w;
    drop(store);
    let w = World::open(disk, facts, setup, 1).unwrap();
    w.erase_person(1, "X");
    let ledger = w.ledger(true);
    let World { disk, store, setup, .. } = w;
    drop(store);
    assert_nothing_opens(&[], &disk, &setup, &ledger);
}

/// *noroll.* An erasure has frozen the journal that holds the person and builds it into a segment
/// without her. A roll starts (a caller's, a closing, a full journal), finds the frozen journal,
/// and publishes it whole: her records stand in a segment with a key again, and the erasure's tree
/// names other journals than it should. No roll starts from E1 to E9.
#[test]
fn noroll_while_an_erasure_runs() {
    for background in [true, false] {
        let w = World::create(Setup { background, roll_records: 6, ..setup(4) });
        w.append(&["x0 X", "y0 Y"]);
        assert_eq!(w.store.stats().unwrap().journal_records, 4, "a journal that is not full");
        let gate = w.disk.block(Aim::at(Class::Index, Call::Sync), 0);
        thread::scope(|s| {
            // Let go on a panic too, or the scope waits for ever.
            let gate = gate;
            let erasure = s.spawn(|| w.erase_person(1, "X"));
            assert!(gate.reached(LIMIT), "the frozen journal is being built");
            let roll = s.spawn(|| w.store.roll());
            let full = s.spawn(|| w.append_each(&["y1 Y", "y2 Y", "y3 Y", "y4 Y", "y5 Y", "y6 Y"]));
            let link = s.spawn(|| w.store.link(&person("Y"), &person("Y")));
            thread::sleep(MOMENT);
            gate.open();
            erasure.join().unwrap();
            full.join().unwrap();
            let _ = (roll.join().unwrap(), link.join().unwrap());
        });
        let ledger = w.ledger(false);
        check::whole(&w.store, &ledger).unwrap_or_else(|v| panic!("{}: {}", v.check, v.what));
        let World { disk, store, setup, .. } = w;
        drop(store);
        assert_nothing_opens(&[], &disk, &setup, &ledger);
        assert_whole(Arc::new(disk), &setup, &ledger, "afterwards");
    }
}

/// *busy.* While a person is being erased somebody asks to erase a record of hers. The request is
/// accepted and waits in the new key tree, with a selector that names her record: text of the
/// erased that opens after the acknowledgement. A selector for what is masked answers busy.
#[test]
fn busy_for_a_selector_that_names_the_erased() {
    let w = World::create(setup(5));
    w.append(&["x0 X c7", "y0 Y", "x1 X", "y1 Y c2"]);
    w.append(&["x2 X c7"]);
    let gate = w.disk.block(Aim::at(Class::Index, Call::Sync), 0);
    thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let erasure = s.spawn(|| w.erase_person(1, "X"));
        assert!(gate.reached(LIMIT));
        let targets = [
            Target::Person(person("X")),
            Target::Record(record_id("x0")),
            Target::Record(record_id("x2")),
            Target::Conversation(conversation("c7")),
            Target::Conversation(conversation("c1")),
        ];
        // On threads of their own: one that is accepted waits for the erasure, and so for the gate.
        let w = &w;
        let asked: Vec<_> = (10..).zip(targets).map(|(n, t)| s.spawn(move || w.erase(n, t))).collect();
        thread::sleep(MOMENT * 5);
        assert!(asked.iter().all(|a| a.is_finished()), "a selector was accepted");
        for answer in asked {
            let error = answer.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        }
        for text in ["x3 X", "y2 Y c1 by X"] {
            let answer = w.store.append(&[rec(text).record()]).unwrap();
            assert!(matches!(&answer[..], [Outcome::Rejected(e)] if e.kind() == ErrorKind::Busy), "{text}");
        }
        let searched = w.store.session(Session::new()).count("*").unwrap();
        assert_eq!(searched, 2, "searches don't see what is being erased");
        // What has nothing to do with her is accepted and waits.
        let other = s.spawn(|| w.erase_record(2, "y1").unwrap());
        thread::sleep(MOMENT);
        gate.open();
        erasure.join().unwrap();
        other.join().unwrap();
    });
    let mut ledger = w.ledger(false);
    ledger.erasures.retain(|e| e.erased.is_some());
    check::whole(&w.store, &ledger).unwrap_or_else(|v| panic!("{}: {}", v.check, v.what));
    let World { disk, store, setup, .. } = w;
    drop(store);
    assert_nothing_opens(&[], &disk, &setup, &ledger);
}

/// *drain.* A hold waits in the queue while the erasure asks for holds a last time; it is written
/// and acknowledged after that and before the old root is destroyed, and protects nothing. From
/// the last question to the end of E6 no append is written. (There are no holds yet: any append
/// stands for one.)
#[test]
fn drain_no_append_is_written_between_the_last_question_and_the_destruction() {
    for skip in 0..4 {
        let w = World::create(setup(6));
        w.append(&["x0 X", "y0 Y"]);
        // The slot is written four times: the new root twice, the old one's zeros twice.
        let gate = w.disk.block(Aim::at(Class::Slot, Call::Write), skip);
        thread::scope(|s| {
            // Let go on a panic too, or the scope waits for ever.
            let gate = gate;
            let erasure = s.spawn(|| w.erase_person(1, "X"));
            assert!(gate.reached(LIMIT));
            let append = s.spawn(|| w.append(&["y1 Y"]));
            thread::sleep(MOMENT);
            assert!(!append.is_finished());
            gate.open();
            erasure.join().unwrap();
            append.join().unwrap();
        });
        let ops = w.disk.log();
        let of = |class| {
            let created = ops.iter().filter_map(move |op| match op {
                Op::Create { inode, path } if Class::of(path) == class => Some(*inode),
                _ => None,
            });
            created.collect::<BTreeSet<_>>()
        };
        let (slots, journals) = (of(Class::Slot), of(Class::Journal));
        let writes_slot = |op: &Op| matches!(op, Op::Write { inode, .. } if slots.contains(inode));
        let first = ops.iter().rposition(writes_slot).unwrap();
        let begin = ops[..first].iter().enumerate().filter(|(_, op)| writes_slot(op)).nth_back(2).unwrap().0;
        let end = first
            + ops[first..]
                .iter()
                .position(|op| matches!(op, Op::Sync { inode } if slots.contains(inode)))
                .unwrap();
        let between = &ops[begin..=end];
        assert!(between.iter().filter(|op| writes_slot(op)).count() == 4);
        assert!(!between.iter().any(|op| matches!(op, Op::Write { inode, .. } if journals.contains(inode))));
        let ledger = w.ledger(false);
        check::whole(&w.store, &ledger).unwrap_or_else(|v| panic!("{}: {}", v.check, v.what));
    }
}

/// *abort.* A pass ends without erasing after it froze the journal (a hold was found, or what was
/// written does not read back). The frozen journal was neither rolled nor erased: its records were
/// gone at the next switch, or the switch found `next` in use for ever. The records stay readable
/// and safe, the request stays, and the next pass takes both along. (The policy allows everything
/// for now, so no hold can be found; a failing read-back takes the same way out.)
#[test]
fn abort_keeps_the_frozen_journal_and_the_request() {
    for class in [Class::Index, Class::Keyring, Class::Segment] {
        let disk = RecordingVfs::new();
        let faulty = FaultyVfs::new(Arc::new(disk.clone()));
        let setup = setup(7);
        let store = setup.builder(Arc::new(faulty.clone()), 0).create().unwrap();
        let w = World { disk: disk.clone(), store, facts: Facts::default(), setup };
        w.append(&["y0 Y", "x0 X", "y1 Y"]);
        w.append(&["x1 X", "y2 Y c2"]);
        let aim = Aim::at(class, Call::Evict);
        // Again and again: the first time the reserve is given up.
        faulty.arm(Plan { aim, nth: 0, fault: Fault::NoSpace, sticky: true });
        w.erase(1, Target::Person(person("X"))).unwrap_err();
        assert!(faulty.fired() > 0);
        faulty.disarm();
        went_on_after_an_aborted_pass(w, disk);
    }
}

/// The same where what was written is damaged before it is read back: nothing is destroyed.
#[test]
fn abort_when_a_new_file_does_not_read_back() {
    for class in [Class::Index, Class::Segment, Class::Keyring, Class::Head] {
        let w = World::create(setup(9));
        w.append(&["y0 Y", "x0 X", "y1 Y"]);
        w.append(&["x1 X", "y2 Y c2"]);
        let slot = Path::new(SLOT);
        let announced = w.disk.block(Aim::at(Class::Segment, Call::Create), 0);
        let gate = w.disk.block(Aim::at(Class::Keyring, Call::Evict), 0);
        let before = w.disk.snapshot();
        thread::scope(|s| {
            // Let go on a panic too, or the scope waits for ever.
            let (announced, gate) = (announced, gate);
            let erasure = s.spawn(|| w.erase(1, Target::Person(person("X"))).unwrap_err());
            assert!(announced.reached(LIMIT));
            let before = w.disk.snapshot();
            announced.open();
            assert!(gate.reached(LIMIT));
            damage_what_is_new(&w.disk, &before, class);
            gate.open();
            assert_eq!(erasure.join().unwrap().kind(), ErrorKind::Corrupt, "{class:?}");
        });
        assert_eq!(w.disk.snapshot()[slot], before[slot], "the slot was not touched");
        let disk = w.disk.clone();
        went_on_after_an_aborted_pass(w, disk);
    }
}

/// Zeroes every page that is new in files of a class.
fn damage_what_is_new(disk: &RecordingVfs, before: &BTreeMap<PathBuf, Vec<u8>>, class: Class) {
    let mut damaged = 0;
    for (path, bytes) in disk.snapshot() {
        if Class::of(&path) != class {
            continue;
        }
        let file = disk.open(&path).unwrap();
        let old = before.get(&path).map_or(&[][..], Vec::as_slice);
        for (i, page) in bytes.chunks(4096).enumerate() {
            if old.get(i * 4096..i * 4096 + page.len()) != Some(page) && page.iter().any(|b| *b != 0) {
                file.write_at(&vec![0; page.len()], i as u64 * 4096).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0, "{class:?}");
}

fn went_on_after_an_aborted_pass(w: World, disk: RecordingVfs) {
    let setup = w.setup;
    let reading = w.store.session(Session::new());
    assert_eq!(reading.count("*").unwrap(), 5, "nothing was erased");
    check::whole(&w.store, &w.ledger(false)).unwrap_or_else(|v| panic!("{}: {}", v.check, v.what));
    w.append(&["x2 X", "y3 Y"]);
    // The request is still there: the next erasure takes it along.
    w.erase_record(2, "y2").unwrap();
    let mut ledger = w.ledger(false);
    for e in &mut ledger.erasures {
        e.erased = e.erased.or(Some(disk.log_len()));
    }
    check::whole(&w.store, &ledger).unwrap_or_else(|v| panic!("{}: {}", v.check, v.what));
    drop(w);
    assert_nothing_opens(&[], &disk, &setup, &ledger);
}

/// *direct.* Both copies of the newest HEAD record are lost. The older record opens and its copies
/// agree; recovery took it for the newest, found that its tree names neither the newest segment
/// nor the newest journals, and unlinked them as strangers: acknowledged records of which a copy
/// of HEAD might have been restored. Strangers are unlinked only if the other record is the direct
/// predecessor.
#[test]
fn direct_strangers_stay_unless_the_newest_head_is_proved() {
    let w = World::create(setup(8));
    w.append(&["y0 Y", "z0 Z", "y1 Y"]);
    w.append(&["y2 Y"]);
    // A roll is published and the journal that it replaced is not unlinked yet.
    let gate = w.disk.block(Aim::at(Class::Journal, Call::Remove), 0);
    let files = thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let roll = s.spawn(|| w.store.roll().unwrap());
        assert!(gate.reached(LIMIT));
        let files = w.disk.snapshot();
        gate.open();
        roll.join().unwrap();
        files
    });
    let head = Path::new(DIR).join("HEAD");
    let sequence = |record: usize| {
        let page = &files[&head][record * 8192..];
        u64::from_le_bytes(*page[40..].first_chunk().unwrap())
    };
    let newest = usize::from(sequence(1) > sequence(0));
    assert_eq!(sequence(newest), sequence(1 - newest) + 1);
    let mut lost = files.clone();
    lost.get_mut(&head).unwrap()[newest * 8192..][..8192].fill(0);

    let disk = RecordingVfs::from_files(lost);
    let opened = World::open(disk.clone(), Facts::default(), w.setup, 3);
    let after: BTreeSet<PathBuf> = disk.snapshot().into_keys().collect();
    drop(opened);
    // The journals of the older tree were rolled anew and may go; they are those that the open
    // state was built from.
    let whole = RecordingVfs::from_files(files.clone());
    drop(World::open(whole.clone(), Facts::default(), w.setup, 4).unwrap());
    let ours = |p: &&PathBuf| matches!(Class::of(p), Class::Index | Class::Segment);
    for file in files.keys().filter(ours) {
        assert!(after.contains(file), "{} was unlinked", file.display());
    }
    let journals = |all: &BTreeSet<PathBuf>| {
        files.keys().filter(|p| Class::of(p) == Class::Journal && all.contains(*p)).count()
    };
    assert!(journals(&after) >= 1, "the newest journal, which the older tree does not name, stays");
}
