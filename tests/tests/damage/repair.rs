//! Damage at rest: repaired by `verify` with `repair`, and no reason to keep what is to be erased.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::erase::Selector;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, GivenUpBy, Record, Share, Store, VerifyOptions};
use escrowdb::vfs::MemoryVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

const PAGE: usize = 4096;

fn builder(disk: &MemoryVfs) -> escrowdb::store::Builder {
    Store::builder("/s").slot("/s.slot").vfs(Arc::new(disk.clone())).background(false)
}

/// A closed store with a segment of some pages and a journal.
fn files() -> Files {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let record = |i: u32| {
        let who = format!("p{}@example.org", i % 40);
        let body = format!("message {i} {}", i.wrapping_mul(2_654_435_761)).repeat(4);
        Record::new(format!("c{}", i % 40), who, Micros(i64::from(i) * 1_000_000), body)
            .id(format!("m{i}"))
            .tag(format!("number:{}", i % 7))
    };
    let all: Vec<_> = (0..1500).map(record).collect();
    store.append(&all).unwrap();
    store.roll().unwrap();
    store.append(&(1500..1520).map(record).collect::<Vec<_>>()).unwrap();
    store.close().unwrap();
    disk.snapshot()
}

fn named(files: &Files, end: &str) -> PathBuf {
    files.keys().find(|p| p.to_string_lossy().ends_with(end)).unwrap().clone()
}

fn lose(files: &Files, path: &Path, pages: &[usize]) -> MemoryVfs {
    let mut files = files.clone();
    let bytes = files.get_mut(path).unwrap();
    for page in pages {
        let end = bytes.len().min((page + 1) * PAGE);
        bytes[page * PAGE..end].fill(0);
    }
    MemoryVfs::from_files(files)
}

fn all() -> VerifyOptions {
    VerifyOptions::new().read_data(true)
}

fn count(store: &Store) -> u64 {
    store.session(Session::default()).count("*").unwrap()
}

#[test]
fn every_lost_page_at_rest_is_reported_and_repaired() {
    let files = files();
    let ends = [".idx", ".seg", "level-0", "parity-0", "HEAD", "keyring.a", "keyring.b"];
    for end in ends {
        let path = named(&files, end);
        let pages = files[&path].len().div_ceil(PAGE);
        for page in (0..pages).step_by(1 + pages / 12) {
            let disk = lose(&files, &path, &[page]);
            if disk.snapshot()[&path] == files[&path] {
                continue;
            }
            let store = builder(&disk).open().unwrap();
            assert_eq!(count(&store), 1520, "{end} {page}");
            let found = store.verify(&all().repair(true)).unwrap();
            assert_eq!(found.damage, Vec::<String>::new(), "{end} {page}");
            assert_eq!(store.verify(&all()).unwrap().damage, Vec::<String>::new(), "{end} {page}");
            drop(store);
            if [".idx", ".seg", "level-0", "parity-0"].contains(&end) {
                assert!(disk.snapshot()[&path] == files[&path], "{end} {page}: the same bytes");
            }
        }
    }
}

#[test]
fn damage_is_named_until_it_is_repaired_and_shares_are_all() {
    let files = files();
    let path = named(&files, ".seg");
    let disk = lose(&files, &path, &[3]);
    let store = builder(&disk).open().unwrap();
    let found = store.verify(&all()).unwrap();
    assert!(!found.damage.is_empty() && found.damage.iter().all(|d| d.contains("can be repaired")));
    assert_eq!(found.repairable, found.damage.len() as u64);
    let shares = (1..=5).map(|n| store.verify(&all().share(Share::new(n, 5).unwrap())).unwrap().damage);
    let mut parts: Vec<String> = shares.flatten().collect();
    parts.sort();
    let mut whole = found.damage;
    whole.sort();
    assert_eq!(parts, whole);
    assert!(store.stats().unwrap().repaired > 0);
}

/// A share that doesn't hold the damaged block saw parity that doesn't fit, called it wrong, and
/// wrote it anew from the damaged data: the next share found a block that nothing brought back.
/// Parity is judged only where all the data of the file is right.
#[test]
fn repairing_by_shares_brings_back_what_repairing_at_once_does() {
    let files = files();
    for end in [".idx", ".seg"] {
        let path = named(&files, end);
        for page in 0..(files[&path].len() / PAGE).min(12) {
            let disk = lose(&files, &path, &[page]);
            let store = builder(&disk).open().unwrap();
            for n in 1..=5 {
                let found = store.verify(&all().repair(true).share(Share::new(n, 5).unwrap())).unwrap();
                assert_eq!(found.damage, Vec::<String>::new(), "{end} {page} {n}");
            }
            drop(store);
            assert!(disk.snapshot()[&path] == files[&path], "{end} {page}: the same bytes");
        }
    }
}

/// Two pages of one group: parity brings neither back.
fn beyond_rescue(files: &Files, end: &str, first: usize) -> (MemoryVfs, PathBuf) {
    let path = named(files, end);
    let pages = files[&path].len() / PAGE;
    let groups = pages.div_ceil(33);
    (lose(files, &path, &[first, first + groups]), path)
}

#[test]
fn postings_are_built_anew_from_bodies() {
    let files = files();
    let pages = files[&named(&files, ".idx")].len() / PAGE;
    let (disk, _) = beyond_rescue(&files, ".idx", pages - 4);
    let store = builder(&disk).open().unwrap();
    let found = store.verify(&all()).unwrap();
    assert!(
        found.damage.iter().any(|d| d.contains(".idx page") && d.ends_with("lost")),
        "{:?}",
        found.damage
    );
    let found = store.verify(&all().repair(true)).unwrap();
    assert_eq!(found.damage, Vec::<String>::new());
    assert_eq!(count(&store), 1520);
    assert_eq!(store.verify(&all()).unwrap().damage, Vec::<String>::new());
}

#[test]
fn damage_blocks_no_erasure() {
    let files = files();
    let (idx, seg) = (named(&files, ".idx"), named(&files, ".seg"));
    let [idx_pages, seg_pages] = [&idx, &seg].map(|p| files[p].len() / PAGE);
    let mut cases = Vec::new();
    for (end, pages) in [(".idx", idx_pages), (".seg", seg_pages)] {
        let groups = pages.div_ceil(33);
        for first in (0..pages.saturating_sub(2 * groups)).step_by(3) {
            cases.push((end, first));
        }
    }
    for (end, first) in cases {
        let (disk, _) = beyond_rescue(&files, end, first);
        let store = match builder(&disk).open() {
            Ok(store) => store,
            Err(e) => {
                // Page 0 of an index says where everything is.
                assert!(end == ".idx" && first == 0 && e.kind() == ErrorKind::Corrupt, "{end} {first}: {e}");
                continue;
            }
        };
        store
            .erase(&Selector::Person("p7@example.org".into()), &EraseOptions::default())
            .unwrap_or_else(|e| panic!("{end} {first}: {e}"));
        for query in ["author:p7@example.org", "conversation:c7"] {
            match store.session(Session::default()).count(query) {
                Ok(n) => assert_eq!(n, 0, "{end} {first} {query}"),
                Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt),
            }
        }
        let epoch = store.key_status().epoch;
        assert_eq!(epoch.0, 2, "the root was replaced");
        drop(store);
        let store = builder(&disk).open().unwrap();
        let found = store.verify(&all()).unwrap();
        assert!(found.damage.iter().all(|d| d.contains("lost") || d.contains(".seg")), "{:?}", found.damage);
    }
}

/// Whoever should have survived an erasure stood in a block that nothing brings back: a segment of
/// no records was published, with an empty body file.
#[test]
fn a_segment_without_survivors_that_open_goes_whole() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    for i in 0..3 {
        let record = Record::new(format!("c{i}"), "anna@example.org", Micros(i), "hello");
        store.append(&[record.id(format!("m{i}"))]).unwrap();
    }
    store.roll().unwrap();
    store.close().unwrap();
    let mut files = disk.snapshot();
    let path = named(&files, ".seg");
    let bytes = files.get_mut(&path).unwrap();
    bytes[60..400].fill(0);
    bytes[PAGE..].fill(1);
    let disk = MemoryVfs::from_files(files);
    let store = builder(&disk).open().unwrap();
    assert_eq!(store.losses().unwrap(), []);
    let erased = store.erase(&Selector::Conversation("c1".into()), &EraseOptions::default()).unwrap();
    assert_eq!(count(&store), 0);
    // Told, not swallowed, and not as if somebody had asked for it.
    assert_eq!((erased.records_removed, erased.records_lost), (1, 3));
    let losses = store.losses().unwrap();
    assert_eq!(
        losses.iter().map(|l| (l.number, l.by)).collect::<Vec<_>>(),
        [(3, GivenUpBy::Erasure(erased.request))]
    );
    assert_eq!(store.stats().unwrap().segments, 0);
    assert!(disk.snapshot().keys().all(|path| path.extension().is_none_or(|e| e != "seg" && e != "idx")));
    store.close().unwrap();
    let store = builder(&disk).open().unwrap();
    let report = store.verify(&all()).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    // Every later check names it.
    assert_eq!(report.given_up, losses.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!((report.records_lost, store.stats().unwrap().lost), (3, 3));
    store.append(&[Record::new("c", "anna@example.org", Micros(9), "again")]).unwrap();
    assert_eq!(count(&store), 1);
}

/// The header of a body file had one wrong bit, and parity was damaged too. Neither costs anything
/// alone; the repair wrote what parity said over the whole first page, blocks that were right
/// included, and called it repaired.
#[test]
fn a_header_is_mended_without_the_blocks_behind_it() {
    let mut files = files();
    let path = named(&files, ".seg");
    let whole = files[&path].clone();
    let bytes = files.get_mut(&path).unwrap();
    bytes[3] ^= 1;
    let parity = bytes.len() - PAGE;
    bytes[parity + 100] ^= 0x5a;
    let disk = MemoryVfs::from_files(files);
    let store = builder(&disk).open().unwrap();
    let found = store.verify(&all().repair(true)).unwrap();
    assert_eq!(found.damage, Vec::<String>::new());
    assert_eq!(found.repaired.len(), 2, "{}", found.repaired.join("\n"));
    assert!(disk.snapshot()[&path] == whole);
}
