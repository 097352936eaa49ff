//! Attacks on the log that only a checkpoint kept elsewhere shows, and what it says of each: a folder
//! put back under the same root, another history grown from there, a journal of which the end was cut.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::erase::certificate;
use escrowdb::id::{Micros, Seq};
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::session::Session;
use escrowdb::store::{
    Against, Builder, Certificate, Durability, EraseOptions, Record, Selector, SignedCheckpoint,
    VerifyOptions,
};
use escrowdb::vfs::{MemoryVfs, Vfs as _};
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).background(false)
}

fn put_back(disk: &MemoryVfs) -> MemoryVfs {
    MemoryVfs::from_files(disk.snapshot())
}

fn say(store: &Store, from: i64, to: i64) {
    for n in from..to {
        store
            .append(&[Record::new("c", "anna", Micros(n), format!("text {n}")).id(format!("m{n}"))])
            .unwrap();
    }
}

fn is_sound(store: &Store) {
    assert_eq!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage, Vec::<String>::new());
}

/// Ten records, of them a copy; then ten more, and a head that somebody keeps.
fn copied(rolled: bool) -> (MemoryVfs, MemoryVfs, SignedCheckpoint) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    say(&store, 0, 10);
    if rolled {
        store.roll().unwrap();
    }
    let copy = put_back(&disk);
    say(&store, 10, 20);
    let kept = store.checkpoint().unwrap();
    store.close().unwrap();
    (disk, copy, kept)
}

#[test]
fn a_folder_put_back_under_the_same_root_is_sound_and_shorter() {
    for rolled in [false, true] {
        let (disk, copy, kept) = copied(rolled);
        // Anna's own record, and twenty of hers.
        let whole = builder(&disk).open().unwrap();
        assert_eq!(whole.verify_against(&kept).unwrap(), Against::Continues { from: 21, to: 21 });
        let store = builder(&copy).open().unwrap();
        // It is a good store: nothing in it says that there was more.
        is_sound(&store);
        let found = store.verify_against(&kept).unwrap();
        assert_eq!(found, Against::Missing { first: Seq(11), last: Seq(20) });
        assert!(found.to_string().contains("positions 11 to 20 are missing"), "{found}");
        assert_eq!(store.checkpoint_since(&kept).err().unwrap().kind(), ErrorKind::Corrupt);
        let reading = store.session(Session::new());
        assert_eq!(reading.prove("m1", None, Some(&kept)).err().unwrap().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn another_history_grown_from_there_has_another_beginning() {
    for (rolled, to) in [(false, 10), (true, 10), (true, 30)] {
        let (_, copy, kept) = copied(rolled);
        let store = builder(&copy).open().unwrap();
        // As many as there were, or more.
        for n in 0..to {
            store.append(&[Record::new("c", "anna", Micros(n), "other").id(format!("x{n}"))]).unwrap();
        }
        is_sound(&store);
        let found = store.verify_against(&kept).unwrap();
        assert_eq!(found, Against::Differs { size: 21, losses: Vec::new() });
        assert!(store.checkpoint_since(&kept).is_err());
        assert!(store.session(Session::new()).prove("m1", None, Some(&kept)).is_err());
        // Both heads are signed by one key: two texts that prove it.
        if to == 10 {
            let (ours, theirs) = (store.checkpoint().unwrap(), kept.unverified());
            assert_eq!(ours.unverified().size, theirs.size);
            assert_ne!(ours.unverified().root, theirs.root);
        }
    }
}

#[test]
fn behind_an_erasure_it_does_not_open() {
    let (disk, copy, kept) = copied(true);
    let store = builder(&disk).open().unwrap();
    store.append(&[Record::new("c", "bob", Micros(0), "")]).unwrap();
    store.erase(&Selector::Person("bob".into()), &EraseOptions::default()).unwrap();
    assert!(store.verify_against(&kept).unwrap().holds());
    store.close().unwrap();
    let slot = PathBuf::from("/s.slot");
    let mut files = copy.snapshot();
    files.insert(slot.clone(), disk.snapshot().remove(&slot).unwrap());
    let opened = builder(&MemoryVfs::from_files(files)).open();
    assert_eq!(opened.err().unwrap().kind(), ErrorKind::WrongKey);
}

/// The end of a journal can't be told from frames that were never finished; a checkpoint can.
#[test]
fn a_journal_that_was_cut_is_named_by_its_positions() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    say(&store, 0, 12);
    let kept = store.checkpoint().unwrap();
    let image = disk.snapshot();
    drop(store);
    let journal = |(path, bytes): (&PathBuf, &Vec<u8>)| {
        (path.extension()? == "jrn" && bytes.starts_with(b"EJF1")).then(|| path.clone())
    };
    let path = image.iter().find_map(journal).unwrap();
    let frames: Vec<usize> =
        (0..image[&path].len()).step_by(16).filter(|at| image[&path][*at..].starts_with(b"EJF1")).collect();
    // The mark of the opening, and twelve batches; the first holds Anna's own record too.
    assert_eq!(frames.len(), 13);
    for (batches, at) in (0..12).zip(&frames[1..]) {
        let mut files = image.clone();
        files.get_mut(&path).unwrap()[*at..].fill(0);
        let store = builder(&MemoryVfs::from_files(files)).open().unwrap();
        let first = if batches == 0 { 0 } else { batches + 1 };
        // What was signed the store knows by itself, too.
        let damage = store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage;
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert!(damage[0].contains(&format!("positions {first} to 12 were signed")), "{damage:?}");
        let found = store.verify_against(&kept).unwrap();
        assert_eq!(found, Against::Missing { first: Seq(first), last: Seq(12) }, "{batches} batches left");
    }
}

/// A frame in the middle is damage, and who gives it up gives up its leaf: the log says so.
#[test]
fn a_frame_that_was_given_up_is_named_as_the_reason() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    say(&store, 0, 12);
    let kept = store.checkpoint().unwrap();
    let mut files = disk.snapshot();
    drop(store);
    let (_, bytes) = files.iter_mut().find(|(p, b)| p.ends_with("jrn") || b.starts_with(b"EJF1")).unwrap();
    let third = (16..bytes.len()).step_by(16).filter(|at| bytes[*at..].starts_with(b"EJF1")).nth(3).unwrap();
    bytes[third + 100..third + 140].fill(0x5a);
    let disk = MemoryVfs::from_files(files);
    assert_eq!(builder(&disk).open().err().unwrap().kind(), ErrorKind::Corrupt);
    let store = builder(&disk).accept_losses(true).open().unwrap();
    let Against::Differs { size: 13, losses } = store.verify_against(&kept).unwrap() else {
        unreachable!("a leaf is gone")
    };
    assert_eq!((losses.len(), losses[0].number), (1, 1));
    begins_a_new_history(&store);
    let next = store.checkpoint().unwrap();
    say(&store, 20, 25);
    assert!(store.verify_against(&next).unwrap().holds());
}

/// Hashes of the erased are lost: the log has another root than it had. Until somebody has noted that
/// loss nothing is signed over it.
#[test]
fn nothing_is_signed_over_a_loss_that_nobody_has_noted() {
    let (store, kept, _) = without_hashes_of_the_erased();
    assert_eq!(store.checkpoint().err().unwrap().kind(), ErrorKind::Corrupt);
    assert_eq!(store.verify_against(&kept).err().unwrap().kind(), ErrorKind::Corrupt);
    assert!(store.session(Session::new()).prove("m1", None, None).is_err());
    store.verify(&VerifyOptions::new().repair(true).accept_losses(true)).unwrap();
    let Against::Differs { losses, .. } = store.verify_against(&kept).unwrap() else {
        unreachable!("the root is another one")
    };
    assert_eq!(losses.len(), 1);
    begins_a_new_history(&store);
    is_sound(&store);
}

/// A roll notes by itself what was lost of the log. An honest store convicted itself so: the next checkpoint
/// of the same key had another root, and the same certificate came with two histories.
#[test]
fn a_loss_that_a_roll_noted_is_not_signed_over() {
    let (store, kept, erased) = without_hashes_of_the_erased();
    assert!(store.checkpoint().is_err());
    say(&store, 20, 30);
    store.roll().unwrap();
    assert!(store.certificate(erased.request, None).is_err());
    begins_a_new_history(&store);
    let again = store.certificate(erased.request, None).unwrap();
    let old: VerifierKey = store.log_keys().unwrap()[0].key.clone();
    assert!(certificate::verify((again.to_json() + "\n").as_bytes(), &old).is_err());
    assert!(!store.verify_against(&kept).unwrap().holds());
}

/// A store that lost the hashes of its log; what Bob's leaves were nothing gives again. With the head that was
/// signed before, and the certificate of Bob's erasure.
fn without_hashes_of_the_erased() -> (Store, SignedCheckpoint, Certificate) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    say(&store, 0, 12);
    store.append(&[Record::new("c", "bob", Micros(0), "")]).unwrap();
    store.roll().unwrap();
    let erased = store.erase(&Selector::Person("bob".into()), &EraseOptions::default()).unwrap();
    store.roll().unwrap();
    let kept = store.checkpoint().unwrap();
    store.close().unwrap();
    let disk = MemoryVfs::from_files(disk.snapshot());
    for path in disk.snapshot().into_keys().filter(|path| path.starts_with("/s/log")) {
        disk.remove(&path).unwrap();
    }
    (builder(&disk).open().unwrap(), kept, erased)
}

/// Nothing is signed by the key that signed what is lost; another one of another name begins anew.
fn begins_a_new_history(store: &Store) {
    let refused = store.checkpoint().err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.hint_text().is_some_and(|hint| hint.contains("escrow key rotate")), "{refused}");
    let old: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    let change = store.rotate_log_key().unwrap();
    assert!(!change.verify(&old).unwrap().continues());
    assert!(store.checkpoint().unwrap().verify(&old).is_err());
}

#[test]
fn checkpoints_of_others_say_nothing() {
    let (disk, _, kept) = copied(true);
    let store = builder(&disk).open().unwrap();
    let other = |origin: &str| {
        let disk = MemoryVfs::new();
        let store = builder(&disk).origin(origin).create().unwrap();
        say(&store, 0, 20);
        store.checkpoint().unwrap()
    };
    // Another log, and one that calls itself by our name.
    for foreign in [other("other.example"), other(&kept.unverified().origin)] {
        assert_eq!(store.verify_against(&foreign).err().unwrap().kind(), ErrorKind::Corrupt);
        assert!(store.checkpoint_since(&foreign).is_err());
        assert!(store.session(Session::new()).prove("m1", None, Some(&foreign)).is_err());
    }
}

/// What is signed must outlive a power cut, also where appends don't wait for the disk.
#[test]
fn nothing_is_signed_that_is_not_durable() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let builder = Store::builder("/s").vfs(Arc::new(disk.clone())).background(false);
    let store = builder.durability(Durability::Written).create().unwrap();
    say(&store, 0, 3);
    disk.arm(Plan { aim: Aim::at(Class::Journal, Call::Sync), nth: 0, fault: Fault::Eio, sticky: false });
    assert_eq!(store.checkpoint().err().unwrap().kind(), ErrorKind::Io, "the journal was not synced");
    disk.disarm();
    assert_eq!(store.checkpoint().err().unwrap().kind(), ErrorKind::Poisoned);
}

/// An origin that can't be the name of a key, of a store that was made by a program: the log takes the
/// name that it would have had without one.
#[test]
fn a_log_without_a_good_name_signs_by_the_number_of_its_store() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).origin("two words").create().unwrap();
    say(&store, 0, 1);
    let kept = store.checkpoint().unwrap();
    kept.verify(&store.verifier_key().unwrap().parse::<VerifierKey>().unwrap()).unwrap();
    assert_eq!(kept.unverified().origin, format!("escrowdb.local/{}", store.id()));
    assert!(store.verify_against(&kept).unwrap().holds());
}
