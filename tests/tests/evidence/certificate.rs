//! Certificates of erasures: what they prove to somebody without a store, and that a repeated request gets
//! the same bytes, whatever happened since.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::sync::Arc;

use escrowdb::erase::certificate;
use escrowdb::id::{Handle, Micros, RequestId};
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::policy::Basis;
use escrowdb::session::Session;
use escrowdb::store::{Builder, CompactOptions, EraseOptions, Record, Selector, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::recording_vfs::RecordingVfs;

fn builder(disk: Arc<dyn Vfs>) -> Builder {
    Store::builder("/s").vfs(disk).background(false).origin("log.example/chats")
}

fn say(store: &Store, who: &str, from: i64, to: i64) {
    for n in from..to {
        let record = Record::new(format!("c{}", n % 3), who, Micros(n), format!("text {n}"));
        store.append(&[record.id(format!("{who}{n}"))]).unwrap();
    }
}

fn filled(disk: &MemoryVfs) -> Store {
    let store = builder(Arc::new(disk.clone())).create().unwrap();
    for who in ["anna", "bob", "carol"] {
        say(&store, who, 0, 6);
        store.roll().unwrap();
    }
    say(&store, "anna", 10, 13);
    store
}

fn key(store: &Store) -> VerifierKey {
    store.verifier_key().unwrap().parse().unwrap()
}

fn named(request: u8) -> EraseOptions {
    EraseOptions {
        request: Some(RequestId([request; 16])),
        reason: Some("she asked".into()),
        basis: Some(Basis::ConsentWithdrawn),
        ..EraseOptions::default()
    }
}

fn person(who: &str) -> Selector {
    Selector::Person(who.into())
}

fn selectors() -> [Selector; 3] {
    [
        person("anna"),
        Selector::Conversation("c1".into()),
        Selector::Record { id: "bob0".into(), conversation: None },
    ]
}

fn verifies(file: &str, key: &VerifierKey) -> bool {
    certificate::verify((file.to_owned() + "\n").as_bytes(), key).is_ok()
}

#[test]
fn an_erasure_of_each_sort_is_certified_to_whoever_has_the_key() {
    let disk = MemoryVfs::new();
    let store = filled(&disk);
    let key = key(&store);
    for (request, selector) in (1..).zip(selectors()) {
        let before = store.session(Session::new()).count("*").unwrap();
        let answer = store.erase(&selector, &named(request)).unwrap();
        let read = certificate::verify((answer.to_json() + "\n").as_bytes(), &key).unwrap();
        assert_eq!(read, answer);
        assert_eq!(read.basis, Some(Basis::ConsentWithdrawn));
        assert_eq!(read.reason.as_deref(), Some("she asked"));
        assert!(read.records_removed >= before - store.session(Session::new()).count("*").unwrap());
        for name in ["anna", "bob", "carol", "c1"] {
            assert!(!answer.to_json().contains(&format!("\"{name}\"")), "{name}");
        }
    }
    // The store itself finds nothing else to say.
    assert_eq!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage, Vec::<String>::new());
}

/// The handle is hers alone: it stood with her own record, which an export made before shows, and in the
/// certificate; nowhere else.
#[test]
fn the_handle_of_the_erased_is_the_one_her_record_told() {
    let disk = MemoryVfs::new();
    let store = filled(&disk);
    let reading = store.session(Session::new());
    let own = |number: u64| reading.prove(&format!("person/{number}"), None, None).unwrap();
    let records: Vec<_> = (1..=3).flat_map(own).collect();
    let told: Vec<(Vec<String>, Handle)> = records
        .iter()
        .map(|proof| escrowdb::record::Stored::decode(&proof.opening.canonical).unwrap().person.unwrap())
        .map(|person| (person.identifiers, person.handle))
        .collect();
    let answer = store.erase(&person("anna"), &named(1)).unwrap();
    let of_anna = told.iter().find(|(names, _)| names == &["anna"]).unwrap().1;
    assert_eq!(answer.handles, [of_anna]);
    assert_eq!(told.iter().map(|(_, handle)| handle).collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn a_repeated_request_gets_the_same_bytes_whatever_happened_since() {
    let disk = MemoryVfs::new();
    let store = filled(&disk);
    let key = key(&store);
    let first = store.erase(&person("anna"), &named(1)).unwrap();
    assert_eq!(store.erase(&person("anna"), &named(1)).unwrap(), first);
    say(&store, "bob", 20, 30);
    store.roll().unwrap();
    assert_eq!(store.erase(&person("anna"), &named(1)).unwrap(), first);
    store.erase(&person("carol"), &named(2)).unwrap();
    store.compact(&CompactOptions::new(), |_| ()).unwrap();
    assert_eq!(store.erase(&person("anna"), &named(1)).unwrap(), first);
    store.close().unwrap();
    let store = builder(Arc::new(disk)).open().unwrap();
    let again = store.erase(&person("anna"), &named(1)).unwrap();
    assert_eq!(again.to_json(), first.to_json());
    // Who doesn't know whom it was about gets it by the request; nobody keeps the reason.
    let by_request = store.certificate(RequestId([1; 16]), None).unwrap();
    assert!(verifies(&by_request.to_json(), &key));
    assert_eq!(by_request.reason, None);
    assert_eq!(store.certificate(RequestId([3; 16]), None).err().unwrap().kind(), ErrorKind::NotFound);
    // It can be proved in a later head of the log too, not in an earlier one.
    let later = store.checkpoint().unwrap();
    let in_later = store.certificate(RequestId([1; 16]), Some(&later)).unwrap();
    assert!(verifies(&in_later.to_json(), &key));
    assert!(in_later.to_json().contains(&later.to_string().lines().nth(2).unwrap().to_owned()));
}

#[test]
fn what_is_swapped_between_certificates_is_refused() {
    let disk = MemoryVfs::new();
    let store = filled(&disk);
    let key = key(&store);
    let [one, two] =
        [("anna", 1), ("bob", 2)].map(|(who, request)| store.erase(&person(who), &named(request)));
    let (one, two) = (one.unwrap(), two.unwrap());
    let (first, second) = (one.to_json(), two.to_json());
    assert!(verifies(&first, &key) && verifies(&second, &key));
    let parts =
        |json: &str| -> serde_json::Map<String, serde_json::Value> { serde_json::from_str(json).unwrap() };
    let (a, b) = (parts(&first), parts(&second));
    let mut swapped = 0;
    // Objects are printed in another order here; signature and proof cover them.
    for name in a.keys().filter(|name| a[*name] != b[*name] && !a[*name].is_object()) {
        let text = |part: &serde_json::Value| format!("\"{name}\":{part}");
        let other = first.replacen(&text(&a[name]), &text(&b[name]), 1);
        assert_ne!(other, first, "{name}");
        assert!(!verifies(&other, &key), "{name}");
        swapped += 1;
    }
    assert!(swapped > 4, "{swapped} parts differ");
    // Another store's, under its key and under ours.
    let foreign = filled(&MemoryVfs::new());
    let theirs = foreign.erase(&person("anna"), &named(1)).unwrap().to_json();
    assert!(!verifies(&theirs, &key));
    assert!(verifies(&theirs, &self::key(&foreign)));
}

/// Killed anywhere between the request and its answer, the request asked again is answered, twice with the
/// same bytes; and whoever had an answer gets that one.
#[test]
fn a_crash_before_the_answer_changes_no_certificate() {
    let memory = MemoryVfs::new();
    filled(&memory).close().unwrap();
    let recording = RecordingVfs::from_files(memory.snapshot());
    let store = builder(Arc::new(recording.clone())).open().unwrap();
    let from = recording.log_len();
    let answer = store.erase(&person("anna"), &named(1)).unwrap();
    let key = key(&store);
    let log = recording.log();
    let options =
        CrashOptions { points: from..log.len() + 1, exhaustive_max: 0, random: 1, torn: 0, seed: 11 };
    let (mut images, mut same) = (0, 0);
    for image in crashes(&log, options) {
        let what = &image.what;
        let store = builder(Arc::new(image.disk())).open().unwrap();
        let again = store.erase(&person("anna"), &named(1)).unwrap();
        assert!(verifies(&again.to_json(), &key), "{what}");
        say(&store, "bob", 40, 42);
        assert_eq!(store.erase(&person("anna"), &named(1)).unwrap().to_json(), again.to_json(), "{what}");
        if image.at == log.len() {
            assert_eq!(again.to_json(), answer.to_json(), "acknowledged, {what}");
            same += 1;
        }
        images += 1;
    }
    assert!(images > 20 && same > 0, "{images} images, {same} behind the answer");
}
