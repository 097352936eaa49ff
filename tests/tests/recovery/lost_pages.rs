//! Pages that are lost while nobody looks. One lost page of slot, HEAD or keyring costs nothing;
//! where both copies are lost the store may stop, but it destroys and unlinks nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::store::VerifyOptions;
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::crash::check::check;
use escrowdb_tests::crash::ledger::Ledger;
use escrowdb_tests::crash::world::{DIR, SLOT, Setup, World};

const PAGE: usize = 4096;
const LIMIT: Duration = Duration::from_secs(20);

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn lived_in(close: bool) -> (Files, Ledger, Setup) {
    let w = World::create(Setup { seed: 21, ..Setup::default() });
    w.append(&["x0 X", "y0 Y", "z0 Z c2"]);
    w.append(&["x1 X c2", "y1 Y"]);
    w.erase_person(1, "X");
    w.append(&["y2 Y", "z2 Z"]);
    // More people than stand on one page of the key tree.
    let many: Vec<String> = (0..40).map(|i| format!("p{i} P{i} c3")).collect();
    w.append(&many.iter().map(String::as_str).collect::<Vec<_>>());
    w.append(&["v0 V"]);
    let ledger = w.ledger(true);
    let World { disk, store, setup, .. } = w;
    let files = if close {
        store.close().unwrap();
        disk.snapshot()
    } else {
        let files = disk.snapshot();
        drop(store);
        files
    };
    (files, ledger, setup)
}

/// The disk in the middle of an erasure, before the first call that `aim` hits.
fn held(aim: Aim, skip: u64) -> (Files, Ledger, Setup) {
    let w = World::create(Setup { seed: 22, ..Setup::default() });
    // The records that stay share blocks with those that go.
    w.append(&["x0 X", "y0 Y c1", "y1 Y c2", "z0 Z c2", "z1 Z c1"]);
    w.append(&["x1 X c2", "y2 Y"]);
    let gate = w.disk.block(aim, skip);
    let (files, ledger) = thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let erasure = s.spawn(|| w.erase_conversation(1, "c2").unwrap());
        assert!(gate.reached(LIMIT));
        let state = (w.disk.snapshot(), w.ledger(true));
        gate.open();
        erasure.join().unwrap();
        state
    });
    (files, ledger, w.setup)
}

/// After the commit point and before the destruction: both roots are in the slot.
fn between_commit_and_destruction() -> (Files, Ledger, Setup) {
    held(Aim::at(Class::Slot, Call::Write), 2)
}

fn losing(files: &Files, pages: &[(&Path, usize)]) -> MemoryVfs {
    let mut files = files.clone();
    for (path, page) in pages {
        let bytes = files.get_mut(*path).unwrap();
        let end = bytes.len().min((page + 1) * PAGE);
        bytes[page * PAGE..end].fill(0);
    }
    MemoryVfs::from_files(files)
}

fn pages(files: &Files, wanted: impl Fn(Class) -> bool) -> Vec<(&Path, usize)> {
    let wanted = files.iter().filter(|(p, _)| wanted(Class::of(p)));
    wanted.flat_map(|(p, bytes)| (0..bytes.len().div_ceil(PAGE)).map(move |i| (p.as_path(), i))).collect()
}

#[test]
fn any_one_lost_page_of_slot_head_and_keyring_costs_nothing() {
    let states = [lived_in(true), lived_in(false), between_commit_and_destruction()];
    for (n, (files, ledger, setup)) in states.iter().enumerate() {
        let all = pages(files, |c| matches!(c, Class::Slot | Class::Head | Class::Keyring));
        assert!(all.len() >= 20, "{} pages", all.len());
        for (path, page) in all {
            let disk: Arc<dyn Vfs> = Arc::new(losing(files, &[(path, page)]));
            // A lost copy of a page is mended when it is met, or reported.
            let name = path.file_name().unwrap().to_string_lossy();
            let ledger = Ledger { damaged: Some(format!("{name} page {page}")), ..ledger.clone() };
            check(&disk, setup, &ledger, 1000 + page as u64).unwrap_or_else(|v| {
                panic!("state {n}, {} page {page}: {}: {}", path.display(), v.check, v.what)
            });
        }
    }
}

/// A page of HEAD is lost, the store is opened and closed cleanly without a commit, and then the
/// other copy is lost: opening has to mend the first, or the two losses are one double loss.
#[test]
fn opening_mends_a_lost_page_of_head() {
    let (files, ledger, setup) = lived_in(true);
    let head = Path::new(DIR).join("HEAD");
    for page in 0..4 {
        let disk = losing(&files, &[(&head, page)]);
        drop(setup.builder(Arc::new(disk.clone()), 8).open().unwrap());
        let disk: Arc<dyn Vfs> = Arc::new(losing(&disk.snapshot(), &[(&head, page ^ 1)]));
        check(&disk, &setup, &ledger, 1000)
            .unwrap_or_else(|v| panic!("page {page}: {}: {}", v.check, v.what));
    }
}

#[test]
fn a_double_loss_destroys_and_unlinks_nothing() {
    let states = [lived_in(true), lived_in(false), between_commit_and_destruction()];
    let (mut stopped, mut opened) = (0, 0);
    for (files, _, setup) in &states {
        let in_dir = |name: &str| Path::new(DIR).join(name);
        let (a, b, head) = (in_dir("keyring.a"), in_dir("keyring.b"), in_dir("HEAD"));
        let slot = Path::new(SLOT);
        let mut losses: Vec<Vec<(&Path, usize)>> = Vec::new();
        losses.extend((0..files[&a].len() / PAGE).map(|i| vec![(a.as_path(), i), (b.as_path(), i)]));
        losses.extend([0, 2].map(|i| vec![(head.as_path(), i), (head.as_path(), i + 1)]));
        losses.extend([0, 2].map(|i| vec![(slot, i), (slot, i + 1)]));
        for loss in losses {
            let disk = losing(files, &loss);
            let before = disk.snapshot();
            let result = setup.builder(Arc::new(disk.clone()), 9).open();
            let after = disk.snapshot();
            let told = || format!("{} page {}", loss[0].0.display(), loss[0].1);
            match result {
                Err(e) => {
                    stopped += 1;
                    assert!(matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::WrongKey), "{} {e}", told());
                    assert_eq!(before[slot], after[slot], "{}", told());
                    let names = |files: &Files| files.keys().cloned().collect::<BTreeSet<_>>();
                    assert_eq!(names(&before), names(&after), "{}", told());
                }
                Ok(_) => opened += 1,
            }
        }
    }
    assert!(stopped > 5 && opened > 5, "{stopped} stopped, {opened} opened");
}

/// A new index or a re-formed body file is damaged after the new root was committed and before
/// the old one was destroyed. The old root still opens the old files, so recovery reads everything
/// the new root must open before it destroys the old one: it opens whole or stops and keeps both.
#[test]
fn a_damaged_new_file_keeps_the_old_root() {
    let (files, ledger, setup) = between_commit_and_destruction();
    let (before, ..) = held(Aim::at(Class::Index, Call::Create), 0);
    let fresh = |p: &Path| !before.contains_key(p) || Class::of(p) == Class::Keyring;
    let mut stopped = BTreeSet::new();
    let wanted = |c| matches!(c, Class::Index | Class::Segment | Class::Keyring);
    // One page, which parity or the other copy brings back, and two of one file, which nothing does.
    let one: Vec<_> = pages(&files, wanted).into_iter().filter(|(p, _)| fresh(p)).collect();
    let two = one.windows(2).filter(|w| w[0].0 == w[1].0).map(<[_]>::to_vec);
    for lost in one.iter().map(|place| vec![*place]).chain(two) {
        let ((path, page), several) = (lost[0], lost.len() > 1);
        let disk = losing(&files, &lost);
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let opened = setup.builder(Arc::clone(&vfs), 9).open();
        let told = || format!("{} page {page}", path.display());
        match opened {
            Ok(store) => {
                let report = store.verify(&VerifyOptions::new().read_data(true).repair(true)).unwrap();
                assert!(report.damage.is_empty(), "{}: {:?}", told(), report.damage);
                drop(store);
                check(&vfs, &setup, &ledger, 3)
                    .unwrap_or_else(|v| panic!("{}: {}: {}", told(), v.check, v.what));
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Corrupt, "{}: {e}", told());
                assert!(several, "{}: {e}", told());
                assert_eq!(disk.snapshot()[Path::new(SLOT)], files[Path::new(SLOT)], "{}", told());
                let kept = files.keys().all(|p| disk.snapshot().contains_key(p));
                assert!(kept, "{}", told());
                stopped.insert(Class::of(path));
            }
        }
    }
    assert_eq!(stopped, BTreeSet::from([Class::Index, Class::Segment]));
}
