//! Who may open what: locks, slots, folders and versions. Whatever is refused leaves everything
//! as it was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Builder, EraseOptions, Outcome, Record, Selector};
use escrowdb::vfs::{DiskVfs, MemoryVfs, Vfs};
use escrowdb::{Error, ErrorKind, Store};
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::recording_vfs::RecordingVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn at(disk: &MemoryVfs, dir: &str) -> Builder {
    Store::builder(dir).vfs(Arc::new(disk.clone()))
}

/// One record rolled, one in the journal, one person erased.
fn fill(store: &Store) {
    let record = |id: &str, who: &str| Record::new("c", who, Micros(1), "text").id(id);
    let add = |r: Record| assert!(matches!(store.append(&[r]).unwrap()[..], [Outcome::Added(_)]));
    add(record("m1", "anna"));
    add(record("m2", "bob"));
    store.roll().unwrap();
    store.erase(&Selector::Person("bob".into()), &EraseOptions::default()).unwrap();
    add(record("m3", "anna"));
}

fn filled(disk: &MemoryVfs, dir: &str) {
    let store = at(disk, dir).create().unwrap();
    fill(&store);
    store.close().unwrap();
}

fn assert_whole(disk: &MemoryVfs, dir: &str) {
    let store = at(disk, dir).open().unwrap();
    assert_eq!(store.session(Session::new()).count("author:anna").unwrap(), 2);
    store.close().unwrap();
}

fn refusal(result: escrowdb::Result<Store>) -> Error {
    result.err().expect("must be refused")
}

/// The lock's file may be made by a look; nothing else may change.
fn but_locks(disk: &MemoryVfs) -> Files {
    disk.snapshot().into_iter().filter(|(path, _)| !path.ends_with("LOCK")).collect()
}

#[test]
fn one_owner_at_a_time() {
    let disk = MemoryVfs::new();
    filled(&disk, "/s");
    let store = at(&disk, "/s").open().unwrap();
    assert_eq!(refusal(at(&disk, "/s").open()).kind(), ErrorKind::Locked);
    assert_eq!(refusal(at(&disk, "/s").open()).kind(), ErrorKind::Locked);
    // A refused opening doesn't take the lock away from its owner, who goes on.
    fill_more(&store);
    drop(store);
    assert_whole_plus_one(&disk);
}

fn fill_more(store: &Store) {
    let record = Record::new("c", "carl", Micros(2), "more").id("m9");
    assert!(matches!(store.append(&[record]).unwrap()[..], [Outcome::Added(_)]));
}

fn assert_whole_plus_one(disk: &MemoryVfs) {
    let store = at(disk, "/s").open().unwrap();
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 3);
}

#[test]
fn one_owner_at_a_time_on_a_real_disk() {
    let folder = scratch("lock");
    let builder = || Store::builder(folder.join("s")).vfs(Arc::new(DiskVfs));
    let store = builder().create().unwrap();
    fill(&store);
    assert_eq!(refusal(builder().open()).kind(), ErrorKind::Locked);
    let other = std::thread::spawn({
        let folder = folder.clone();
        move || refusal(Store::builder(folder.join("s")).open()).kind()
    });
    assert_eq!(other.join().unwrap(), ErrorKind::Locked);
    store.close().unwrap();
    let store = builder().open().unwrap();
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 2);
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_wrong_key_destroys_nothing() {
    let disk = MemoryVfs::new();
    filled(&disk, "/a");
    filled(&disk, "/b");
    // A store that was created twice in one place: same name, other key.
    let old_slot = disk.snapshot()[Path::new("/a.slot")].clone();
    let zeroed = vec![0; old_slot.len()];
    let with = |files: Files, slot: &str| {
        let disk = MemoryVfs::from_files(files.clone());
        let kind = refusal(at(&disk, "/a").slot(slot).open()).kind();
        assert!(but_locks(&disk) == files, "something changed under {slot}");
        assert_whole(&disk, "/a");
        assert_whole(&disk, "/b");
        kind
    };
    let files = but_locks(&disk);
    assert_eq!(with(files.clone(), "/none.slot"), ErrorKind::WrongKey);
    assert_eq!(with(files.clone(), "/b.slot"), ErrorKind::WrongKey);
    let mut more = files.clone();
    more.insert("/zero.slot".into(), zeroed);
    assert_eq!(with(more, "/zero.slot"), ErrorKind::WrongKey);
    let mut more = files.clone();
    more.insert("/empty.slot".into(), Vec::new());
    assert_eq!(with(more, "/empty.slot"), ErrorKind::WrongKey);
    let mut more = files;
    more.insert("/text.slot".into(), b"not a slot at all".to_vec());
    assert_eq!(with(more, "/text.slot"), ErrorKind::WrongKey);
}

#[test]
fn a_slot_of_an_earlier_epoch_opens_nothing() {
    let disk = MemoryVfs::new();
    let store = at(&disk, "/a").create().unwrap();
    let before = disk.snapshot()[Path::new("/a.slot")].clone();
    fill(&store);
    store.close().unwrap();
    let mut files = but_locks(&disk);
    files.insert("/old.slot".into(), before);
    let disk = MemoryVfs::from_files(files.clone());
    assert_eq!(refusal(at(&disk, "/a").slot("/old.slot").open()).kind(), ErrorKind::WrongKey);
    assert!(but_locks(&disk) == files);
    assert_whole(&disk, "/a");
}

#[test]
fn the_slot_never_lies_in_the_folder() {
    for slot in ["/d/s/slot", "/d/s/deep/slot", "/d/./s/slot", "/d/x/../s/slot"] {
        let disk = MemoryVfs::new();
        disk.create_dir(Path::new("/d/s/deep")).unwrap();
        assert_eq!(refusal(at(&disk, "/d/s").slot(slot).create()).kind(), ErrorKind::Invalid, "{slot}");
        assert!(disk.snapshot().is_empty(), "{slot}");
    }
    // Beside it, with a similar name, or by a detour: all outside.
    for slot in ["/d/s.slot", "/d/s2", "/d/s/../slot"] {
        let disk = MemoryVfs::new();
        disk.create_dir(Path::new("/d")).unwrap();
        assert!(at(&disk, "/d/s").slot(slot).create().is_ok(), "{slot}");
    }
}

/// A slot path that reaches the folder by a relative way or by a symbolic link lies in it all the
/// same: a copy of the folder would carry the root key.
#[cfg(unix)]
#[test]
fn the_slot_never_lies_in_the_folder_by_a_link() {
    let folder = scratch("slot");
    std::fs::create_dir(folder.join("s")).unwrap();
    std::os::unix::fs::symlink(folder.join("s"), folder.join("link")).unwrap();
    let slot = folder.join("link/slot");
    let refused = refusal(Store::builder(folder.join("s")).slot(&slot).create());
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let refused = refusal(Store::builder(folder.join("link")).slot(folder.join("s/slot")).create());
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(!slot.exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_existing_slot_is_never_overwritten() {
    let disk = MemoryVfs::new();
    filled(&disk, "/a");
    let files = but_locks(&disk);
    assert_eq!(refusal(at(&disk, "/b").slot("/a.slot").create()).kind(), ErrorKind::Invalid);
    assert!(but_locks(&disk) == files);
    assert_whole(&disk, "/a");
}

#[test]
fn a_store_is_made_in_an_empty_folder_only() {
    let disk = MemoryVfs::new();
    filled(&disk, "/a");
    let files = but_locks(&disk);
    // A store: with its slot, and with another one.
    assert_eq!(refusal(at(&disk, "/a").create()).kind(), ErrorKind::Unsupported);
    assert_eq!(refusal(at(&disk, "/a").slot("/new.slot").create()).kind(), ErrorKind::Unsupported);
    assert!(but_locks(&disk) == files);
    assert_whole(&disk, "/a");
    // Foreign files, also such as have names of ours among them.
    let foreign: [&[&str]; 5] = [
        &["photo.jpg"],
        &["HEAD"],
        &["INIT", "photo.jpg"],
        &["INIT", "log/2026.txt"],
        &["INIT", "log/level-0", "log/notes"],
    ];
    for names in foreign {
        let files: Files = names.iter().map(|n| (Path::new("/f").join(n), b"mine".to_vec())).collect();
        let disk = MemoryVfs::from_files(files.clone());
        assert_eq!(refusal(at(&disk, "/f").create()).kind(), ErrorKind::Unsupported, "{names:?}");
        assert!(disk.snapshot() == files, "{names:?}");
    }
    let disk = MemoryVfs::new();
    disk.create_dir(Path::new("/empty")).unwrap();
    assert!(at(&disk, "/empty").create().is_ok());
}

#[test]
fn no_store_is_opened_where_there_is_none() {
    let disk = MemoryVfs::new();
    assert_eq!(refusal(at(&disk, "/none").open()).kind(), ErrorKind::Unsupported);
    disk.create_dir(Path::new("/empty")).unwrap();
    assert_eq!(refusal(at(&disk, "/empty").open()).kind(), ErrorKind::Unsupported);
    assert!(disk.snapshot().is_empty(), "a look leaves nothing behind");
    let files: Files = [("/f/photo.jpg".into(), b"mine".to_vec())].into();
    let disk = MemoryVfs::from_files(files.clone());
    assert_eq!(refusal(at(&disk, "/f").open()).kind(), ErrorKind::Unsupported);
    assert!(disk.snapshot() == files);
}

/// Whatever a power cut during `create` leaves is finished by the next one, or is a store already.
#[test]
fn an_interrupted_init_is_continued() {
    let disk = RecordingVfs::new();
    drop(Store::builder("/s").vfs(Arc::new(disk.clone())).create().unwrap());
    let mut states = 0;
    for state in crashes(&disk.log(), CrashOptions::default()) {
        let disk = state.disk();
        let store = match at(&disk, "/s").create() {
            Ok(store) => store,
            Err(e) => {
                // Nothing was left to do: it is a store.
                assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
                at(&disk, "/s").open().unwrap()
            }
        };
        fill(&store);
        store.close().unwrap();
        assert_whole(&disk, "/s");
        let names = disk.list(Path::new("/s")).unwrap();
        assert!(!names.iter().any(|n| n == "INIT"), "{names:?}");
        states += 1;
    }
    assert!(states > 20, "{states}");
}

/// A store of a later version is refused by every file that carries one, and left alone.
#[test]
fn later_versions_are_refused() {
    let disk = MemoryVfs::new();
    filled(&disk, "/s");
    let files = but_locks(&disk);
    // Where the version stands, and how far the next one is.
    let places: [(&str, usize, usize); 6] = [
        ("s.slot", 8, 4096),
        ("HEAD", 8, 4096),
        ("keyring", 3, 4096),
        (".idx", 4, 4096),
        (".seg", 4, usize::MAX),
        (".jrn", 4, usize::MAX),
    ];
    for (name, first, step) in places {
        let mut later = files.clone();
        if name == ".jrn" {
            // As below: with parity of this version the byte is set right.
            later.retain(|path, _| path.extension().is_none_or(|e| e != "par"));
        }
        let mut changed = 0;
        for (path, bytes) in &mut later {
            if !path.to_string_lossy().contains(name) || bytes.iter().all(|b| *b == 0) {
                continue;
            }
            for page in bytes.chunks_mut(step).filter(|p| p.iter().any(|b| *b != 0)) {
                // An empty journal has no frame.
                if page[..2] != [0, 0] {
                    // Two bits away from the version of today: one wrong bit would be set right.
                    page[first] = if name == ".idx" { 4 } else { 2 };
                    changed += 1;
                }
            }
            if name == ".seg" {
                // A program of that version would have written parity that fits.
                let pages = bytes.len() / 4096;
                bytes[(pages - pages.div_ceil(33)) * 4096 + first] ^= 1 ^ 2;
            }
        }
        assert!(changed > 0, "{name}");
        let disk = MemoryVfs::from_files(later.clone());
        let refused = refusal(at(&disk, "/s").open());
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{name}: {refused}");
        assert!(but_locks(&disk) == later, "{name}: something changed");
    }
    assert_whole(&disk, "/s");
}

/// An empty folder for one test.
fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("escrow-access-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
