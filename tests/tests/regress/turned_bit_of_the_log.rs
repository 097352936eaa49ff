//! One bit turned in a page of the log that no opening reads. Parity had it; nobody asked. The head that was
//! signed before no longer came out, so nothing was signed any more, and the error led to `key rotate`, which
//! begins another history for good. `tiles` handed the wrong hashes out, under a right head.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::session::Session;
use escrowdb::store::{Builder, EraseOptions, Record, Selector, SignedCheckpoint, Store, VerifyOptions};
use escrowdb::vfs::MemoryVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).background(false).origin("log.example/chats")
}

fn records(from: i64, to: i64) -> Vec<Record> {
    (from..to)
        .map(|i| Record::new("c", format!("p{}", i % 9), Micros(i), "text").id(format!("m{i}")))
        .collect()
}

/// A store of 1,500 leaves and more, of which the first three and 700 were signed; and these heads.
fn store() -> (Files, Vec<SignedCheckpoint>) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let mut heads = Vec::new();
    for (from, to) in [(0, 3), (3, 700), (700, 1500)] {
        store.append(&records(from, to)).unwrap();
        heads.push(store.checkpoint().unwrap());
    }
    store.roll().unwrap();
    store.append(&records(1500, 1510)).unwrap();
    store.close().unwrap();
    (disk.snapshot(), heads)
}

fn key(store: &Store) -> VerifierKey {
    store.verifier_key().unwrap().parse().unwrap()
}

fn tiles(store: &Store, head: &SignedCheckpoint) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    store
        .tiles(0, head, &mut |tile, bytes| {
            all.push((tile.to_string(), bytes.to_vec()));
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn what_parity_gives_back_is_signed_on_proved_and_published() {
    let (files, heads) = store();
    let level = |n: u32| Path::new("/s/log").join(format!("level-{n}"));
    let good = {
        let store = builder(&MemoryVfs::from_files(files.clone())).open().unwrap();
        tiles(&store, &heads[2])
    };
    // Leaves of the first heads, of tiles in the middle, and parents.
    let places = [(0, 5), (0, 64 + 3), (0, 32 * 300), (0, 32 * 690 + 31), (0, 32 * 1100), (1, 7), (1, 40)];
    for (n, byte) in places {
        let mut turned = files.clone();
        turned.get_mut(&level(n)).unwrap()[byte] ^= 0x10;
        for question in 0..6 {
            let store = builder(&MemoryVfs::from_files(turned.clone())).open().unwrap();
            let what = format!("bit of level {n} byte {byte}, question {question}");
            match question {
                0 => drop(store.checkpoint().unwrap_or_else(|e| panic!("{what}: {e}"))),
                1 => {
                    for head in &heads {
                        assert!(store.verify_against(head).unwrap().holds(), "{what}");
                        let advance = store.checkpoint_since(head).unwrap();
                        advance.verify(head, &key(&store)).unwrap();
                    }
                }
                2 => {
                    let certificate =
                        store.erase(&Selector::Person("p3".into()), &EraseOptions::default()).unwrap();
                    assert!(certificate.evidence.is_some(), "{what}");
                }
                3 => assert_eq!(tiles(&store, &heads[2]), good, "{what}"),
                4 => {
                    let reading = store.session(Session::new());
                    for id in ["m1", "m300", "m690", "m1100", "m1505"] {
                        assert_eq!(reading.prove(id, None, None).unwrap().len(), 1, "{what} {id}");
                    }
                }
                _ => {
                    store.rotate_log_key().unwrap();
                    let key = store.verifier_key().unwrap();
                    assert!(key.starts_with("log.example/chats+"), "{what}: no other history begins");
                }
            }
        }
    }
}

/// A log that was signed over its first leaves and grew, of which two pages of hashes were lost, and the head.
/// Perhaps somebody of these leaves was erased before.
fn lost(erased: bool) -> (MemoryVfs, SignedCheckpoint) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    store.append(&records(0, 3)).unwrap();
    let head = store.checkpoint().unwrap();
    if erased {
        store.erase(&Selector::Person("p1".into()), &EraseOptions::default()).unwrap();
    }
    store.append(&records(3, 1500)).unwrap();
    store.roll().unwrap();
    store.close().unwrap();
    let mut files = disk.snapshot();
    files.get_mut(Path::new("/s/log/level-0")).unwrap()[..8192].fill(0);
    (MemoryVfs::from_files(files), head)
}

/// What parity doesn't give back is called damage of hashes, and nobody is led to another history.
#[test]
fn what_is_lost_is_named_and_begins_no_history() {
    let (disk, head) = lost(true);
    let store = builder(&disk).open().unwrap();
    let refused = [
        ("checkpoint", store.checkpoint().err()),
        ("verify", store.verify_against(&head).err()),
        ("rotate", store.rotate_log_key().err()),
        ("tiles", store.tiles(0, &head, &mut |_, _| Ok(())).err()),
    ];
    for (what, refused) in refused {
        let refused = refused.unwrap_or_else(|| panic!("{what} is refused"));
        assert!(refused.to_string().contains("hashes of the log are damaged"), "{what}: {refused}");
    }
}

/// Once nothing led out of that: no opening looks inside the log, and so none computed it again.
#[test]
fn the_records_that_live_give_their_hashes_again() {
    let (disk, head) = lost(false);
    let store = builder(&disk).open().unwrap();
    let report = store.verify(&VerifyOptions::new().repair(true)).unwrap();
    assert!(report.damage.is_empty() && !report.repaired.is_empty(), "{report:?}");
    let key = key(&store);
    store.checkpoint_since(&head).unwrap().verify(&head, &key).unwrap();
    store.close().unwrap();
    let store = builder(&disk).open().unwrap();
    assert!(store.verify_against(&head).unwrap().holds());
    assert!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
}

#[test]
fn what_nothing_gives_again_is_given_up_by_decision_and_another_history_begins() {
    let (disk, head) = lost(true);
    let store = builder(&disk).open().unwrap();
    let report = store.verify(&VerifyOptions::new().repair(true)).unwrap();
    assert!(!report.damage.is_empty(), "{report:?}");
    assert!(store.checkpoint().is_err(), "nobody has decided yet");
    let report = store.verify(&VerifyOptions::new().repair(true).accept_losses(true)).unwrap();
    assert!(!report.given_up.is_empty(), "{report:?}");
    assert!(!store.verify_against(&head).unwrap().holds());
    store.rotate_log_key().unwrap();
    let head = store.checkpoint().unwrap();
    assert_eq!(head.unverified().origin, "log.example/chats/2");
    store.close().unwrap();
    let store = builder(&disk).open().unwrap();
    assert!(store.verify_against(&head).unwrap().holds());
    assert!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
}
