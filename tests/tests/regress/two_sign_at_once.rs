//! Two threads signed the log's head. Each noted in the key tree what it was going to sign; the slower one
//! put its shorter head over the longer one of the other, which was handed out already. With the end of the
//! journal cut, the same key would then have signed another history of that length. Two changes of the key at
//! once likewise: the second one overwrote what the first had announced.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::sync::Arc;
use std::thread;

use escrowdb::id::Micros;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::store::{Builder, Record, Store};
use escrowdb::vfs::MemoryVfs;

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).background(false).close_roll_records(u32::MAX)
}

fn record(thread: u64, i: u64) -> Record {
    Record::new("c", "anna", Micros(i as i64), "text").id(format!("m{thread}/{i}"))
}

#[test]
fn the_longest_head_stays_noted() {
    for round in 0..150 {
        let disk = MemoryVfs::new();
        let store = &builder(&disk).create().unwrap();
        store.append(&[record(9, 0)]).unwrap();
        store.checkpoint().unwrap();
        let begun = disk.snapshot();
        let longest = thread::scope(|scope| {
            let signers: Vec<_> = (0..8)
                .map(|thread| {
                    scope.spawn(move || {
                        let each = (0..4).map(|i| {
                            store.append(&[record(thread, i)]).unwrap();
                            store.checkpoint().unwrap().unverified().size
                        });
                        each.max().unwrap()
                    })
                })
                .collect();
            signers.into_iter().map(|signer| signer.join().unwrap()).max().unwrap()
        });
        // The journals as they were in the beginning, the key tree of today.
        let is_journal = |path: &Path| path.extension().is_some_and(|e| e == "jrn");
        let cut = disk.snapshot().into_iter().map(|(path, bytes)| {
            let before = begun.get(&path).filter(|_| is_journal(&path)).cloned();
            (path, before.unwrap_or(bytes))
        });
        let store = builder(&MemoryVfs::from_files(cut.collect::<std::collections::BTreeMap<_, _>>()));
        let damage = store.open().unwrap().verify(&Default::default()).unwrap().damage;
        let named = format!("to {} were signed", longest - 1);
        assert!(damage.iter().any(|what| what.contains(&named)), "round {round}: {longest} {damage:?}");
    }
}

#[test]
fn two_changes_of_the_key_are_one_behind_the_other() {
    for round in 0..10 {
        let store = &builder(&MemoryVfs::new()).create().unwrap();
        store.append(&[record(9, 0)]).unwrap();
        let first: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
        let notes = thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| store.rotate_log_key().unwrap()));
            both.map(|one| one.join().unwrap())
        });
        let mut believed = first.clone();
        let mut left: Vec<_> = notes.iter().collect();
        while let Some(at) = left.iter().position(|note| note.verify(&believed).is_ok()) {
            believed = left.remove(at).verify(&believed).unwrap().key.clone();
        }
        assert!(left.is_empty(), "round {round}: a note that nobody believes");
        let keys = store.log_keys().unwrap();
        assert_eq!((keys.len(), &keys[0].key, &keys[2].key), (3, &first, &believed), "round {round}");
    }
}
