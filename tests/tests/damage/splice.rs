//! Whole files put where others belong: of another segment, of another store with the same records, of the
//! same store some time before. Each is refused or named, and no answer is ever another one without an error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Builder, Order, Record, Store, VerifyOptions};
use escrowdb::vfs::MemoryVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

const SEGMENTS: i64 = 3;
const A_SEGMENT: i64 = 300;
const IN_JOURNAL: i64 = 10;

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s").slot("/s.slot").vfs(Arc::new(disk.clone())).background(false).origin("one.example")
}

fn records(from: i64, to: i64) -> Vec<Record> {
    (from..to)
        .map(|i| Record::new("c", format!("p{}", i % 7), Micros(i), format!("text {i}")).id(format!("m{i}")))
        .collect()
}

/// A closed store of three segments of equal length and a journal, and the files of an earlier moment.
fn store() -> (Files, Files) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let mut before = Files::new();
    for n in 0..SEGMENTS {
        store.append(&records(n * A_SEGMENT, (n + 1) * A_SEGMENT)).unwrap();
        store.roll().unwrap();
        if n == 1 {
            before = disk.snapshot();
        }
    }
    store.append(&records(SEGMENTS * A_SEGMENT, SEGMENTS * A_SEGMENT + IN_JOURNAL)).unwrap();
    store.close().unwrap();
    (disk.snapshot(), before)
}

fn ending(files: &Files, end: &str) -> Vec<PathBuf> {
    files.keys().filter(|path| path.to_string_lossy().ends_with(end)).cloned().collect()
}

/// Every record that is shown, or the error.
fn shown(store: &Store) -> escrowdb::Result<Vec<(u64, String)>> {
    let mut all = Vec::new();
    store.session(Session::new()).search_each("*", Order::Oldest, |hit| {
        all.push((hit.seq.0, hit.body.to_string()));
        true
    })?;
    Ok(all)
}

/// Opens what was put together: it is refused, or named, or had back from what stands twice; and nothing
/// false is ever shown.
fn is_seen(files: Files, truth: &[(u64, String)], what: &str) {
    let Ok(store) = builder(&MemoryVfs::from_files(files)).open() else { return };
    let answer = shown(&store);
    let report = store.verify(&VerifyOptions::new().read_data(true));
    let is_named = !store.unreadable().is_empty()
        || report.as_ref().map_or(true, |r| !r.damage.is_empty() || r.repairable > 0);
    let Ok(answer) = answer else {
        assert!(is_named, "{what}: an error without a word of verify");
        return;
    };
    if is_named {
        let false_one = answer.iter().find(|record| !truth.contains(record));
        assert!(false_one.is_none(), "{what}: {false_one:?} is shown");
        assert!(
            answer.len() == truth.len() || !store.unreadable().is_empty(),
            "{what}: less is shown, unsaid"
        );
    } else {
        assert!(answer == truth, "{what}: {} records are shown, and nobody sees it", answer.len());
    }
}

/// The same where nothing stands twice.
fn is_named(files: Files, truth: &[(u64, String)], what: &str) {
    is_seen(files.clone(), truth, what);
    let Ok(store) = builder(&MemoryVfs::from_files(files)).open() else { return };
    // What an opening reads it has mended by now, and counts.
    let mended = store.stats().unwrap().repaired > 0;
    let report = store.verify(&VerifyOptions::new().read_data(true));
    let named = report.map_or(true, |report| !report.damage.is_empty() || report.repairable > 0);
    assert!(named || mended, "{what}: verify says nothing");
}

fn truth(files: &Files) -> Vec<(u64, String)> {
    shown(&builder(&MemoryVfs::from_files(files.clone())).open().unwrap()).unwrap()
}

#[test]
fn files_of_two_segments_change_places() {
    let (files, _) = store();
    let truth = truth(&files);
    for end in [".idx", ".seg"] {
        let all = ending(&files, end);
        assert_eq!(all.len(), SEGMENTS as usize, "{end}");
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let mut spliced = files.clone();
            spliced.insert(all[a].clone(), files[&all[b]].clone());
            is_seen(spliced.clone(), &truth, &format!("{end} {b} over {a}"));
            spliced.insert(all[b].clone(), files[&all[a]].clone());
            is_seen(spliced, &truth, &format!("{end} {a} and {b} changed"));
        }
    }
    // Both files of a segment together.
    let (idx, seg) = (ending(&files, ".idx"), ending(&files, ".seg"));
    for (i, s) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        let mut spliced = files.clone();
        spliced.insert(idx[2].clone(), files[&idx[i]].clone());
        spliced.insert(seg[2].clone(), files[&seg[s]].clone());
        is_seen(spliced, &truth, &format!("index {i} and bodies {s}"));
    }
}

#[test]
fn journals_change_places() {
    let (files, _) = store();
    let truth = truth(&files);
    let all = ending(&files, ".jrn");
    let [a, b] = &all[..] else { panic!("{} journals", all.len()) };
    let mut spliced = files.clone();
    spliced.insert(a.clone(), files[b].clone());
    spliced.insert(b.clone(), files[a].clone());
    is_seen(spliced, &truth, "journals");
}

/// A store with the same records, of the same name, made the same way: nothing of it opens here.
#[test]
fn files_of_another_store() {
    let ((files, _), (others, _)) = (store(), store());
    let truth = truth(&files);
    for end in [".idx", ".seg", ".jrn"] {
        for (own, other) in ending(&files, end).into_iter().zip(ending(&others, end)) {
            let mut spliced = files.clone();
            spliced.insert(own, others[&other].clone());
            is_seen(spliced, &truth, &format!("{end} of another store"));
        }
    }
    let log = |n: &str| Path::new("/s/log").join(n);
    for together in [
        vec![PathBuf::from("/s/HEAD")],
        vec![PathBuf::from("/s/keyring.a"), PathBuf::from("/s/keyring.b")],
        vec![PathBuf::from("/s/HEAD"), PathBuf::from("/s/keyring.a"), PathBuf::from("/s/keyring.b")],
        vec![PathBuf::from("/s.slot")],
        vec![log("level-0")],
        vec![log("level-0"), log("level-1"), log("parity-0"), log("parity-1")],
    ] {
        let mut spliced = files.clone();
        for path in &together {
            spliced.insert(path.clone(), others[path].clone());
        }
        is_seen(spliced, &truth, &format!("{together:?} of another store"));
    }
    // One copy of the key tree is mended from the other one, and said.
    for copy in ["/s/keyring.a", "/s/keyring.b"] {
        let mut spliced = files.clone();
        spliced.insert(PathBuf::from(copy), others[Path::new(copy)].clone());
        is_seen(spliced, &truth, copy);
    }
}

/// Single files of the same store, as they were before.
#[test]
fn files_of_an_earlier_moment() {
    let (files, before) = store();
    let truth = truth(&files);
    for path in ["/s/keyring.a", "/s/keyring.b", "/s/log/level-0"] {
        let path = PathBuf::from(path);
        assert_ne!(files[&path], before[&path], "{path:?}");
        let mut spliced = files.clone();
        spliced.insert(path.clone(), before[&path].clone());
        is_seen(spliced, &truth, &format!("{path:?} of before"));
    }
}

/// Hashes of the log, and the tiles that are made of them: moved, doubled, put in another order.
#[test]
fn hashes_of_the_log_are_moved() {
    let (files, _) = store();
    let truth = truth(&files);
    let level = Path::new("/s/log/level-0").to_owned();
    const HASH: usize = 32;
    for (from, to, len) in
        [(0, 1, 1), (0, 256, 256), (256, 0, 256), (100, 300, 5), (767, 768, 1), (0, 512, 100)]
    {
        let mut spliced = files.clone();
        let bytes = spliced.get_mut(&level).unwrap();
        let part = files[&level][from * HASH..(from + len) * HASH].to_vec();
        bytes[to * HASH..(to + len) * HASH].copy_from_slice(&part);
        is_named(spliced, &truth, &format!("{len} hashes at {from} to {to}"));
    }
    let mut spliced = files.clone();
    let bytes = spliced.get_mut(&level).unwrap();
    let (a, b) = bytes.split_at_mut(256 * HASH);
    a.swap_with_slice(&mut b[..256 * HASH]);
    is_named(spliced, &truth, "two tiles changed");
}
