//! Change of the log's key: who believes the old key learns the new one, the old seed is gone from whatever
//! anybody kept, a crash leaves one of both, and no key ever signs two histories.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::merkle::checkpoint::SignedCheckpoint;
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::merkle::policy::Policy;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::session::Session;
use escrowdb::store::{Against, Builder, EraseOptions, Record, Selector, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::recording_vfs::RecordingVfs;

fn builder(disk: Arc<dyn Vfs>) -> Builder {
    Store::builder("/s").vfs(disk).background(false).origin("log.example/chats")
}

fn say(store: &Store, who: &str, from: i64, to: i64) {
    for n in from..to {
        let record = Record::new("c", who, Micros(n), format!("text {n}"));
        store.append(&[record.id(format!("{who}{n}"))]).unwrap();
    }
}

fn key(store: &Store) -> VerifierKey {
    store.verifier_key().unwrap().parse().unwrap()
}

fn is_sound(store: &Store) {
    assert_eq!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage, Vec::<String>::new());
}

#[test]
fn who_believes_the_first_key_gets_to_the_last_one() {
    let disk = MemoryVfs::new();
    let store = builder(Arc::new(disk.clone())).create().unwrap();
    say(&store, "anna", 0, 5);
    store.roll().unwrap();
    say(&store, "bob", 0, 5);
    let first = key(&store);
    let mut believed = first.clone();
    let mut kept = vec![store.checkpoint().unwrap()];
    for round in 0..3 {
        let change = store.rotate_log_key().unwrap();
        believed = change.verify(&believed).unwrap().key.clone();
        assert_eq!(believed, key(&store));
        assert!(change.verify(&believed).is_err(), "it is the old key that says it");
        say(&store, "carol", round * 3, round * 3 + 3);
        kept.push(store.checkpoint().unwrap());
    }
    let keys = store.log_keys().unwrap();
    assert_eq!((keys.len(), &keys[0].key, &keys[3].key), (4, &first, &believed));
    // All of them are heads of one log; under its own key each, and no other.
    let all = Policy::of_keys(keys.iter().map(|report| report.key.clone()).collect());
    for (n, head) in kept.iter().enumerate() {
        assert!(store.verify_against(head).unwrap().holds());
        assert!(store.checkpoint_since(head).unwrap().verify(head, &all).is_ok());
        for (k, report) in keys.iter().enumerate() {
            assert_eq!(head.verify(&report.key).is_ok(), k == n, "head {n}, key {k}");
        }
    }
    // The changes stand in the log, and are proved like any record.
    let reading = store.session(Session::new());
    let acts = reading.count("kind:rule").unwrap();
    assert_eq!(acts, 3);
    is_sound(&store);
    store.close().unwrap();
    let store = builder(Arc::new(disk)).open().unwrap();
    assert_eq!(store.log_keys().unwrap(), keys);
    is_sound(&store);
}

/// What witnesses signed of a head under the old key is found behind a change too: who had forgotten it would
/// not see that a witness was put back.
#[test]
fn heads_that_others_signed_are_found_behind_a_change() {
    let store = builder(Arc::new(MemoryVfs::new())).create().unwrap();
    say(&store, "anna", 0, 5);
    let witness = Cosigner::new("witness.example", &[9; 32]).unwrap();
    let head = store.checkpoint().unwrap();
    let head = head.with(&[witness.cosign(&head, 1_700_000_000).unwrap()]).unwrap();
    store.keep_cosigned(&head).unwrap();
    store.rotate_log_key().unwrap();
    assert_eq!(store.cosigned().unwrap(), [head]);
    // Of another log nothing is believed, wherever it stands.
    let other = builder(Arc::new(MemoryVfs::new())).create().unwrap();
    say(&other, "anna", 0, 5);
    assert!(store.keep_cosigned(&other.checkpoint().unwrap()).is_err());
}

/// A rotation takes the way of an erasure: an old copy of the folder is worth nothing with today's slot.
#[test]
fn the_old_seed_opens_nowhere_any_more() {
    let disk = MemoryVfs::new();
    let store = builder(Arc::new(disk.clone())).create().unwrap();
    say(&store, "anna", 0, 5);
    let old_files = disk.snapshot();
    let epoch = store.key_status().epoch;
    store.rotate_log_key().unwrap();
    assert!(store.key_status().epoch > epoch);
    say(&store, "anna", 5, 9);
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 9);
    drop(store);
    // The folder as it was, with the slot of today.
    let mut mixed: Vec<_> = old_files.into_iter().filter(|(path, _)| !path.ends_with("s.slot")).collect();
    let today = disk.snapshot().into_iter().find(|(path, _)| path.ends_with("s.slot")).unwrap();
    mixed.push(today);
    let opened = builder(Arc::new(MemoryVfs::from_files(mixed))).open();
    assert_eq!(opened.err().unwrap().kind(), ErrorKind::WrongKey);
}

/// Killed anywhere, the store has the old key or the new one, never none; a change that was begun is ended
/// by the opening, and stands in the log once.
#[test]
fn a_change_that_is_killed_is_done_or_not_begun() {
    let memory = MemoryVfs::new();
    let store = builder(Arc::new(memory.clone())).create().unwrap();
    say(&store, "anna", 0, 4);
    store.roll().unwrap();
    say(&store, "anna", 4, 8);
    let (old, kept) = (key(&store), store.checkpoint().unwrap());
    store.close().unwrap();
    let recording = RecordingVfs::from_files(memory.snapshot());
    let store = builder(Arc::new(recording.clone())).open().unwrap();
    let from = recording.log_len();
    let change = store.rotate_log_key().unwrap();
    let log = recording.log();
    let options =
        CrashOptions { points: from..log.len() + 1, exhaustive_max: 0, random: 1, torn: 0, seed: 3 };
    let (mut before, mut after) = (0, 0);
    for image in crashes(&log, options) {
        let what = &image.what;
        let store = builder(Arc::new(image.disk())).open().unwrap();
        let now = key(&store);
        let acts = store.session(Session::new()).count("kind:rule").unwrap();
        if now == old {
            before += 1;
            assert_eq!(acts, 0, "{what}");
            assert!(image.at < log.len(), "acknowledged, {what}");
        } else {
            after += 1;
            assert_eq!(acts, 1, "{what}");
            assert_eq!(now, change.verify(&old).unwrap().key, "{what}");
        }
        assert!(store.verify_against(&kept).unwrap().holds(), "{what}");
        let again = store.rotate_log_key().unwrap();
        assert_eq!(again.verify(&now).unwrap().key, key(&store), "{what}");
        is_sound(&store);
    }
    assert!(before > 2 && after > 10, "{before} before, {after} after");
}

#[test]
fn erasures_and_changes_go_on_side_by_side() {
    let store = builder(Arc::new(MemoryVfs::new())).create().unwrap();
    for who in ["anna", "bob"] {
        say(&store, who, 0, 5);
        store.roll().unwrap();
    }
    let first = key(&store);
    let erase = |who: &str| store.erase(&Selector::Person(who.into()), &EraseOptions::default()).unwrap();
    let verifies = |certificate: &escrowdb::store::Certificate, key: &VerifierKey| {
        let file = certificate.to_json() + "\n";
        escrowdb::erase::certificate::verify(file.as_bytes(), key).is_ok()
    };
    let anna = erase("anna");
    store.rotate_log_key().unwrap();
    let bob = erase("bob");
    assert!(verifies(&anna, &first) && verifies(&bob, &key(&store)) && !verifies(&bob, &first));
    // Printed again it is signed by the key of today.
    let again = store.certificate(anna.request, None).unwrap();
    assert!(verifies(&again, &key(&store)));
    is_sound(&store);
}

/// A head was signed over records of a journal; then the journal's end is lost. The store opens, for it
/// can't know more of a journal than what stands there. But its key has signed what is gone: it must not
/// sign another history, and a new one begins under a new name.
#[test]
fn a_key_that_signed_what_is_lost_signs_nothing_else() {
    let disk = MemoryVfs::new();
    let store = builder(Arc::new(disk.clone())).create().unwrap();
    say(&store, "anna", 0, 5);
    let copy = disk.snapshot();
    say(&store, "anna", 5, 10);
    let kept = store.checkpoint().unwrap();
    let (old, size) = (key(&store), kept.unverified().size);
    // The journal as it was before; the key tree of today. Closing would roll the journal.
    let now = disk.snapshot();
    drop(store);
    let is_journal = |path: &std::path::Path| path.extension().is_some_and(|e| e == "jrn");
    let cut: Vec<_> = now
        .into_iter()
        .map(|(path, bytes)| {
            let before = copy.get(&path).filter(|_| is_journal(&path));
            (path.clone(), before.cloned().unwrap_or(bytes))
        })
        .collect();
    let store = builder(Arc::new(MemoryVfs::from_files(cut))).open().unwrap();
    let against = store.verify_against(&kept).unwrap();
    assert!(matches!(against, Against::Missing { .. }), "{against}");
    let refused = store.checkpoint().err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.hint_text().is_some_and(|hint| hint.contains("escrow key rotate")), "{refused}");
    // With as many others in their place, or more.
    say(&store, "mallory", 0, 20);
    assert_eq!(store.checkpoint().err().unwrap().kind(), ErrorKind::Corrupt);
    assert!(store.session(Session::new()).prove("anna1", None, None).is_err());
    // An erasure is done all the same; only its certificate has to wait.
    let certificate = store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(certificate.evidence, None);
    let damage = store.verify(&VerifyOptions::new()).unwrap().damage;
    assert!(damage.iter().any(|what| what.contains("signed")), "{damage:?}");
    let change = store.rotate_log_key().unwrap();
    let change = change.verify(&old).unwrap();
    assert!(!change.continues());
    assert_eq!(change.key.name(), "log.example/chats/2");
    let head: SignedCheckpoint = store.checkpoint().unwrap();
    assert!(head.verify(&old).is_err() && head.verify(&key(&store)).is_ok());
    assert!(head.unverified().size > size);
    assert!(store.certificate(certificate.request, None).unwrap().evidence.is_some());
    // What the old key signed is still told apart from this.
    assert!(!store.verify_against(&kept).unwrap().holds());
    is_sound(&store);
}

#[test]
fn a_store_of_an_older_format_says_what_to_do() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v2");
    let folder = std::env::temp_dir().join(format!("escrowdb-rotation-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("store/log")).unwrap();
    for part in ["", "store", "store/log"] {
        for entry in std::fs::read_dir(fixture.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, folder.join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let store = Store::builder(folder.join("store")).open().unwrap();
    let refused = store.rotate_log_key().err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(store.checkpoint().is_ok());
    store.upgrade(|_| ()).unwrap();
    let old = key(&store);
    assert!(store.rotate_log_key().unwrap().verify(&old).is_ok());
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
