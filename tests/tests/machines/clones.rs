//! Machines that were cloned, and generators that are no good. Two copies of one running store with
//! one stream of randomness go on with different texts: no key may seal two of them. A copy's slot
//! opens its own folder only. A generator that repeats itself gives ids that collide, which is an
//! error, but never a key that is used twice; one that fails costs the call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::crypto::Entropy;
use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Result};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::check::check;
use escrowdb_tests::crash::explore::is_full;
use escrowdb_tests::crash::ledger::{Facts, Target};
use escrowdb_tests::crash::world::{Setup, World, person};
use escrowdb_tests::entropy::{FailingEntropy, LoopedEntropy, SeededEntropy, StuckEntropy};
use escrowdb_tests::evidence::Evidence;
use escrowdb_tests::recording_vfs::{Op, RecordingVfs};
use escrowdb_tests::sealed::{Depth, hunt, windows};

const SLOT: &str = "/s.slot";

fn builder(disk: Arc<dyn Vfs>, entropy: &Arc<dyn Entropy>) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(disk)
        .entropy(Arc::clone(entropy))
        .clock(Arc::new(ManualClock::default()))
        .roll_records(1000)
        .background(false)
}

fn record(id: &str, who: &str, text: &str) -> Record {
    Record::new("c", who, Micros(7), text).id(id).tag("t")
}

fn erase(store: &Store, who: &str) -> Result<()> {
    let request = RequestId([who.as_bytes()[0]; 16]);
    let options = EraseOptions { reason: None, request: Some(request), ..EraseOptions::default() };
    store.erase(&Selector::Person(who.into()), &options).map(drop)
}

/// What a copy does after it was cloned.
type Way = fn(&Store) -> Result<()>;

/// Lengths, names and order differ or not; texts differ always.
const WAYS: &[(&str, Way)] = &[
    ("one text", |s| after(s, "anna", "the first text of all", "dora")),
    ("another text", |s| after(s, "anna", "the other text of all", "dora")),
    ("a longer text", |s| after(s, "anna", &"a long text ".repeat(60), "dora")),
    ("another person", |s| after(s, "ella", "the first text of all", "dora")),
    ("another erasure", |s| after(s, "anna", "the third text of all", "ben")),
    ("roll first", |s| {
        s.roll()?;
        after(s, "anna", "the fifth text of all", "dora")
    }),
    ("erase first", |s| {
        erase(s, "dora")?;
        after(s, "anna", "the sixth text of all", "ben")
    }),
    ("nothing but a roll", Store::roll),
];

fn after(store: &Store, who: &str, text: &str, gone: &str) -> Result<()> {
    store.append(&[record("m5", who, text), record("m6", "ben", text), record("m7", "new", text)])?;
    store.roll()?;
    store.append(&[record("m8", who, &text.to_uppercase())])?;
    match erase(store, gone) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    store.append(&[record("m9", "carl", &text.replace("of", "or"))])?;
    store.roll()
}

/// A life up to the cloning, then one way.
fn live(disk: &RecordingVfs, entropy: &Arc<dyn Entropy>, way: Way) -> Result<()> {
    let store = builder(Arc::new(disk.clone()), entropy).create()?;
    store.append(&[record("m0", "anna", "common"), record("m1", "ben", "common too")])?;
    store.append(&[record("m2", "dora", "more")])?;
    store.roll()?;
    store.append(&[record("m3", "anna", "in the journal"), record("m4", "dora", "there too")])?;
    disk.mark("cloned");
    way(&store)?;
    store.close()?;
    let store = builder(Arc::new(disk.clone()), entropy).open()?;
    store.append(&[record("m10", "ben", "after reopening")])?;
    store.close()
}

/// By commitment, which names a derived key: everything that was ever sealed under it, and where.
type Sealed = BTreeMap<[u8; 32], BTreeMap<Vec<u8>, String>>;

/// Adds everything a history sealed, bodies too (of one that was cut short they may not be found). Every root that ever stood in its slot is known.
fn note(all: &mut Sealed, ops: &[Op], cut: bool) -> usize {
    let evidence = Evidence::of_log(ops);
    let mut slots = BTreeSet::new();
    let mut roots = BTreeSet::new();
    for op in ops {
        match op {
            Op::Create { inode, path } if path == Path::new(SLOT) => drop(slots.insert(*inode)),
            Op::Write { inode, bytes, .. } if slots.contains(inode) => roots.extend(windows(bytes)),
            _ => {}
        }
    }
    let roots: Vec<_> = roots.into_iter().collect();
    let found = hunt(&evidence, &roots, &BTreeSet::new(), Depth::Formats);
    assert!(cut || !found.bodies.is_empty(), "bodies are found");
    let mut n = 0;
    let mut add = |place: String, commitment: [u8; 32], sealed: Vec<u8>| {
        n += 1;
        all.entry(commitment).or_default().entry(sealed).or_insert(place);
    };
    evidence.seals().for_each(|(place, commitment, sealed)| add(place, commitment, sealed));
    for (file, offset, len) in &found.bodies {
        let block = &evidence.bodies[file][*offset as usize..][..*len as usize];
        let (commitment, sealed) = block.split_first_chunk::<32>().unwrap();
        add(format!("body {file} at {offset}"), *commitment, sealed.to_vec());
    }
    n
}

#[track_caller]
fn assert_keys_seal_once(all: &Sealed, told: &str) {
    let twice: Vec<_> =
        all.values().filter(|s| s.len() > 1).map(|s| s.values().collect::<Vec<_>>()).collect();
    assert!(
        twice.is_empty(),
        "{told}: {} keys sealed two texts, as {:?}",
        twice.len(),
        &twice[..twice.len().min(5)]
    );
}

#[test]
fn copies_with_one_stream_of_randomness_never_seal_two_texts_under_one_key() {
    let mut all = Sealed::new();
    let mut sum = 0;
    for (name, way) in WAYS {
        let disk = RecordingVfs::new();
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(77));
        live(&disk, &entropy, *way).unwrap_or_else(|e| panic!("{name}: {e}"));
        sum += note(&mut all, &disk.log(), false);
    }
    println!("{} copies sealed {sum} objects under {} keys", WAYS.len(), all.len());
    // They were copies: what came before the cloning is the same.
    assert!(all.len() + 10 * (WAYS.len() - 1) < sum && all.len() > 100, "{} of {sum}", all.len());
    assert_keys_seal_once(&all, "copies");
}

/// The check finds a key that sealed two texts, or it proves nothing.
#[test]
fn a_key_that_sealed_two_texts_is_found() {
    let disk = RecordingVfs::new();
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(77));
    live(&disk, &entropy, WAYS[0].1).unwrap();
    let mut ops = disk.log();
    let mut all = Sealed::new();
    note(&mut all, &ops, false);
    assert_keys_seal_once(&all, "before");
    // The same page with another text: its commitment stays, its ciphertext does not.
    let (at, op) = ops
        .iter()
        .enumerate()
        .rev()
        .find(|(_, op)| matches!(op, Op::Write { bytes, .. } if bytes.starts_with(b"EDIX")))
        .unwrap();
    let Op::Write { inode, offset, bytes } = op.clone() else { unreachable!() };
    let mut bytes = bytes.to_vec();
    bytes[100] ^= 1;
    ops.insert(at, Op::Write { inode, offset, bytes: bytes.into() });
    note(&mut all, &ops, false);
    assert!(all.values().any(|s| s.len() > 1));
}

#[test]
fn the_slot_of_one_copy_does_not_open_the_other() {
    // One machine; each copy reads its own randomness from then on.
    let disk = MemoryVfs::new();
    let entropy = |seed| Arc::new(SeededEntropy::new(seed)) as Arc<dyn Entropy>;
    let store = builder(Arc::new(disk.clone()), &entropy(1)).create().unwrap();
    store.append(&[record("m0", "anna", "x"), record("m1", "ben", "y"), record("m2", "dora", "z")]).unwrap();
    store.roll().unwrap();
    store.close().unwrap();
    let before = disk.snapshot();
    let copy = |seed: u64, erases: bool| {
        let disk = MemoryVfs::from_files(before.clone());
        let store = builder(Arc::new(disk.clone()), &entropy(seed)).open().unwrap();
        store.append(&[record("m3", "ben", &format!("of copy {seed}"))]).unwrap();
        if erases {
            erase(&store, "dora").unwrap();
        }
        store.close().unwrap();
        disk.snapshot()
    };
    let (a, b, late) = (copy(2, true), copy(3, true), copy(4, false));
    let slot = PathBuf::from(SLOT);
    let mixed = |folder: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>| {
        let mut files = folder.clone();
        files.insert(slot.clone(), other[&slot].clone());
        let disk = MemoryVfs::from_files(files.clone());
        let opened = builder(Arc::new(disk.clone()), &entropy(5)).open();
        let kind = opened.err().map(|e| e.kind());
        assert!(
            kind.is_none() || disk.snapshot()[&slot] == files[&slot],
            "a slot that does not fit is left as it is"
        );
        kind
    };
    assert_eq!(mixed(&a, &a), None);
    for (folder, other) in [(&a, &b), (&b, &a), (&a, &late), (&late, &a), (&a, &before), (&before, &b)] {
        assert_eq!(mixed(folder, other), Some(ErrorKind::WrongKey));
    }
    // Files of the one copy among those of the other are refused, or not looked at.
    let (mut refused, mut left) = (0, 0);
    for (path, bytes) in b.iter().filter(|(path, _)| **path != slot) {
        let mut files = a.clone();
        files.insert(path.clone(), bytes.clone());
        let disk: Arc<dyn Vfs> = Arc::new(MemoryVfs::from_files(files));
        match builder(disk, &entropy(6)).open() {
            Err(e) => {
                assert!(
                    matches!(e.kind(), ErrorKind::WrongKey | ErrorKind::Corrupt),
                    "{}: {e}",
                    path.display()
                );
                refused += 1;
            }
            Ok(store) => {
                let reading = store.session(Session::new());
                assert!(reading.person("dora").is_err());
                // A journal under the key that both had is a history that could have been: who wrote
                // it can be told by an outside checkpoint only.
                let own = path.extension().is_none_or(|end| end != "jrn");
                let hits = reading.get("m3", None).unwrap();
                let texts: Vec<&str> = hits.iter().map(|h| h.body.as_str()).collect();
                let fits = texts == ["of copy 2"] || !own && texts == ["of copy 3"];
                assert!(fits, "{}: {texts:?}", path.display());
                left += 1;
            }
        }
    }
    println!("files of the other copy: {refused} refused, {left} not looked at or its own history");
    assert!(refused > 0 && left > 0, "{refused} refused, {left} opened");
}

/// Zeros, one byte for ever, or a few values in turn: the histories end with an error (two files
/// want one name) or go through; no key seals twice, and what was acknowledged is there.
#[test]
fn a_generator_that_repeats_itself_costs_no_key_its_single_use() {
    let sources: [(&str, Arc<dyn Entropy>); 6] = [
        ("zeros", Arc::new(StuckEntropy(0))),
        ("one byte", Arc::new(StuckEntropy(0x5a))),
        ("period 2", Arc::new(LoopedEntropy::new(1, 2))),
        ("period 7", Arc::new(LoopedEntropy::new(2, 7))),
        ("period 40", Arc::new(LoopedEntropy::new(3, 40))),
        ("period 150", Arc::new(LoopedEntropy::new(4, 150))),
    ];
    for (name, entropy) in sources {
        // One source in several machines: the worst there is.
        let mut all = Sealed::new();
        let mut ends = BTreeSet::new();
        for (_, way) in WAYS {
            let disk = RecordingVfs::new();
            let end = live(&disk, &entropy, *way);
            if let Err(e) = &end {
                // An id that collides is an error of the file system.
                assert!(
                    matches!(e.kind(), ErrorKind::Io | ErrorKind::Poisoned),
                    "{name}: {:?} {e}",
                    e.kind()
                );
            }
            let end = end.err();
            ends.insert(end.as_ref().map_or("went through".into(), ToString::to_string));
            let log = disk.log();
            if log.iter().any(|op| matches!(op, Op::Create { path, .. } if path == Path::new(SLOT))) {
                note(&mut all, &log, end.is_some());
            }
        }
        println!("{name}: {} keys, {ends:?}", all.len());
        assert_keys_seal_once(&all, name);
    }
}

/// The generator fails at one call, or from one on: the call fails that needed it, and that is all.
#[test]
fn a_generator_that_fails_loses_nothing() {
    let setup = Setup { seed: 41, pass_bytes: 1, ..Setup::default() };
    let run = |nth: u64, sticky: bool| {
        let disk = RecordingVfs::new();
        let entropy = Arc::new(FailingEntropy::new(41, nth, sticky));
        let open =
            || setup.builder(Arc::new(disk.clone()), 0).entropy(Arc::clone(&entropy) as Arc<dyn Entropy>);
        let facts = Facts::default();
        let mut failed = 0;
        if let Ok(store) = open().create() {
            let w = World { disk: disk.clone(), store, facts: facts.clone(), setup };
            let told = [
                w.try_append(&["x0 X", "y0 Y c2", "y1 Y"]).err(),
                w.try_append(&["x1 X c2", "z0 Z", "z1 Z c2"]).err(),
                w.erase(1, Target::Person(person("X"))).err(),
                w.try_append(&["y3 Y", "x3 X"]).err(),
                w.store.roll().err(),
                w.erase_conversation(2, "c2").err(),
            ];
            for e in told.into_iter().flatten() {
                failed += 1;
                assert!(
                    matches!(e.kind(), ErrorKind::Io | ErrorKind::Poisoned | ErrorKind::NotFound),
                    "call {nth}: {:?}: {e}",
                    e.kind()
                );
            }
            drop(w);
            let ops = disk.log();
            let ledger = facts.at(&ops, ops.len(), false);
            let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
            check(&vfs, &setup, &ledger, 7).unwrap_or_else(|v| panic!("call {nth}: {}: {}", v.check, v.what));
        }
        (entropy.calls(), failed)
    };
    let (calls, failed) = run(u64::MAX, false);
    assert!(calls > 100 && failed == 0, "{calls}");
    let step = if is_full() { 1 } else { 9 };
    let mut told = 0;
    for nth in (0..calls).step_by(step) {
        for sticky in [false, true] {
            told += usize::from(run(nth, sticky).1 > 0);
        }
    }
    println!("{calls} calls of the generator, {told} histories in which somebody was told");
    assert!(told > 5);
}
