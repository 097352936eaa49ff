//! The forensic test with compactions: what a compaction leaves behind dies with the next erasure,
//! and a compaction that an erasure cancels leaves nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::keyring::{FileSlot, Keyring, Slot, catalog};
use escrowdb::store::{CompactOptions, EraseOptions, Selector};
use escrowdb::vfs::Vfs;
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::recording_vfs::{Op, RecordingVfs};
use escrowdb_tests::rng::Rng;
use escrowdb_tests::sealed::world::{DIR, Options, SLOT, World, full};

use crate::{WAIT, person};

/// Three people in two conversations, in many small segments.
fn scattered(options: Options) -> (World, [String; 3], [String; 2]) {
    let mut w = World::new(options);
    let people = [w.person(), w.person(), w.person()];
    let conversations = [w.word(), w.word()];
    for i in 0..12 {
        w.say(&people[i % 3], &[], &conversations[i / 3 % 2]);
        if i % 2 == 1 {
            w.roll();
        }
    }
    (w, people, conversations)
}

fn compact(w: &World) -> u64 {
    w.store().compact(&CompactOptions::new(), |_| ()).unwrap().steps
}

/// Index and body files that the key tree does not name.
fn strangers(disk: &RecordingVfs) -> BTreeSet<String> {
    let vfs: Arc<dyn Vfs> = Arc::new(RecordingVfs::from_files(disk.snapshot()));
    let record = FileSlot::new(Arc::clone(&vfs), SLOT).load().unwrap().unwrap();
    let entropy = Arc::new(SeededEntropy::new(99));
    let keyring =
        Keyring::open(vfs, Path::new(DIR), entropy, record.store, &record.root, record.epoch).unwrap();
    let named: BTreeSet<String> = catalog::segments(&keyring.tree())
        .unwrap()
        .iter()
        .flat_map(|(_, s)| s.file_names())
        .map(|p| p.to_string_lossy().into_owned())
        .collect();
    let names = disk.snapshot().into_keys().filter_map(|p| Some(p.file_name()?.to_str()?.to_owned()));
    names.filter(|n| (n.ends_with(".idx") || n.ends_with(".seg")) && !named.contains(n)).collect()
}

#[test]
fn what_was_compacted_before() {
    let (mut w, [anna, bert, _], [c, d]) = scattered(Options::default());
    assert!(compact(&w) > 0);
    assert_eq!(strangers(&w.disk), BTreeSet::new());
    // The old indexes still open with the slot: only an erasing commit ends that.
    w.erase(&person(&anna));
    w.say(&bert, &[], &c);
    w.roll();
    compact(&w);
    w.erase(&Selector::Conversation(d));
    compact(&w);
    w.verdict().assert_clean("compacted after an erasure");
    w.reopen();
    w.verdict().assert_clean("reopened");
    assert_eq!(strangers(&w.disk), BTreeSet::new());
}

/// Dead blocks in a file that others use, given back: what is written anew is what lives.
#[test]
fn what_was_thinned_before() {
    let (mut w, [anna, bert, carl], [c, _]) = scattered(Options { roll_records: 64, ..Options::default() });
    compact(&w);
    w.erase(&person(&anna));
    let record = w.records().iter().find(|r| r.author == bert).unwrap().id.clone().unwrap();
    w.erase(&Selector::Record { id: record, conversation: None });
    assert!(compact(&w) > 0, "a thinned file is due");
    w.verdict().assert_clean("thinned files written anew");
    w.say(&carl, &[], &c);
    w.erase(&person(&bert));
}

/// The compaction stands still in the middle when the erasure comes. Answers the files that it had
/// begun.
fn erased_while_compacting(seed: u64, (class, call): (Class, Call), removes: bool) -> (World, Vec<String>) {
    let (mut w, [anna, ..], [c, _]) = scattered(Options { seed, ..Options::default() });
    let faulty = FaultyVfs::new(Arc::new(w.disk.clone()));
    w.seam = Some(Arc::new(faulty.clone()));
    w.reopen();
    w.control();
    // A conversation leaves the people and their keys.
    let selector = if seed.is_multiple_of(2) { Selector::Conversation(c) } else { person(&anna) };
    w.note_numbers(&selector);
    let gate = w.disk.block(Aim::at(class, call), 0);
    let from = w.disk.log_len();
    let (store, disk) = (w.store(), &w.disk);
    let made = std::thread::scope(|scope| {
        let gate = gate;
        let compacting = scope.spawn(|| store.compact(&CompactOptions::new(), |_| ()));
        assert!(gate.reached(WAIT), "a compaction is under way");
        let made = created(&disk.log()[from..]);
        if !removes {
            // Not the parity of the journal, which must go before the journal is written again.
            for class in [Class::Segment, Class::Index] {
                let aim = Aim::at(class, Call::Remove);
                faulty.arm(Plan { aim, nth: 0, fault: Fault::Eio, sticky: true });
            }
        }
        let erasing = scope.spawn(|| store.erase(&selector, &EraseOptions::default()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!erasing.is_finished(), "it waits until the compaction has ended");
        gate.open();
        let told = compacting.join().unwrap().unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Busy, "{told}");
        assert!(erasing.join().unwrap().unwrap().records_removed >= 5);
        made
    });
    faulty.disarm();
    assert!(!made.is_empty(), "the compaction had begun to write");
    w.bury(&selector);
    w.acknowledged();
    (w, made)
}

fn created(ops: &[Op]) -> Vec<String> {
    let name = |op: &Op| match op {
        Op::Create { path, .. } => Some(path.file_name()?.to_string_lossy().into_owned()),
        _ => None,
    };
    ops.iter().filter_map(name).collect()
}

fn is_there(w: &World, name: &String) -> bool {
    w.disk.snapshot().contains_key(&Path::new(DIR).join(name))
}

#[test]
fn while_a_compaction_runs() {
    for (seed, call) in [
        (1, (Class::Segment, Call::Write)),
        (2, (Class::Segment, Call::Sync)),
        (3, (Class::Index, Call::Write)),
        (4, (Class::Index, Call::Sync)),
        (5, (Class::Index, Call::Sync)),
        (6, (Class::Index, Call::Write)),
    ] {
        let (mut w, made) = erased_while_compacting(seed, call, true);
        w.verdict().assert_clean("a compaction was cancelled");
        assert!(made.iter().all(|name| !is_there(&w, name)), "{call:?}");
        assert_eq!(strangers(&w.disk), BTreeSet::new(), "{call:?}");
        assert!(compact(&w) > 0, "it is done later");
        w.verdict().assert_clean("compacted later");
        w.reopen();
        w.verdict().assert_clean("reopened");
    }
}

#[test]
fn random_histories() {
    for seed in 0..if full() { 100 } else { 6 } {
        let mut rng = Rng::new(seed);
        let options = Options {
            seed,
            roll_records: *rng.pick(&[3, 5, 9, 1_000]),
            pass_bytes: *rng.pick(&[1, 30_000, 1 << 20]),
            ..Options::default()
        };
        let mut w = World::new(options);
        let people: Vec<String> = (0..4).map(|_| w.person()).collect();
        let conversations: Vec<String> = (0..3).map(|_| w.word()).collect();
        for _ in 0..30 {
            match rng.below(12) {
                0 => w.roll(),
                1 => w.reopen(),
                2 => w.kill(),
                3 | 4 => {
                    compact(&w);
                }
                5 => {
                    let (known, records) = (w.known(), w.records());
                    let selector = match rng.below(3) {
                        0 if !known.is_empty() => person(rng.pick::<String>(&known)),
                        1 if !records.is_empty() => {
                            Selector::Conversation(rng.pick(&records).conversation.clone())
                        }
                        _ if !records.is_empty() => Selector::Record {
                            id: rng.pick(&records).id.clone().unwrap(),
                            conversation: None,
                        },
                        _ => continue,
                    };
                    w.erase(&selector);
                }
                _ => {
                    let (a, b) = (rng.pick(&people).clone(), rng.pick(&people).clone());
                    let c = rng.pick(&conversations).clone();
                    match rng.below(4) {
                        0 => w.say(&a, &[&b], &c),
                        1 if a != b => w.say(&a, &[&a, &b], &c),
                        _ => w.say(&a, &[], &c),
                    };
                }
            }
        }
        compact(&w);
        if let Some(last) = w.known().first() {
            w.erase(&person(last));
        }
        assert_eq!(strangers(&w.disk), BTreeSet::new());
    }
}

/// The mutant that keeps the files of a cancelled compaction, made by a disk that removes nothing:
/// the check tells, and yet nothing of them opens, for their keys stood in memory only.
#[test]
fn kept_files_of_a_cancelled_compaction_are_found() {
    let (w, made) = erased_while_compacting(1, (Class::Index, Call::Sync), false);
    assert!(made.len() >= 2 && made.iter().all(|name| is_there(&w, name)));
    assert!(made.iter().all(|name| strangers(&w.disk).contains(name)));
    w.verdict().assert_clean("files that nobody names open with nothing");
}
