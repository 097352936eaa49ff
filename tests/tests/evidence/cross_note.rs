//! Signed notes, checkpoints and keys of the log against somebody else's C2SP signed-note (the crate
//! `signed_note`): each side reads and verifies what the other one signed, and both refuse it with any
//! bit turned. Cosignatures are held against another program in `python/evidence.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::merkle::checkpoint::SignedCheckpoint;
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::merkle::note::Note;
use escrowdb::merkle::signer::{Signer, VerifierKey};
use escrowdb::store::Record;
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::rng::Rng;
use signed_note::{Note as TheirNote, StandardSigner, StandardVerifier, Verifier, VerifierList};

const NAMES: [&str; 3] = ["log.example/chats", "Größe—№1", "a"];

/// A key, as both sides have it.
struct Both {
    ours: Signer,
    theirs: StandardSigner,
}

impl Both {
    fn new(name: &str, seed: &[u8; 32]) -> Self {
        let ours = Signer::new(name, seed).unwrap();
        let id = u32::from_be_bytes(ours.verifier_key().id());
        let typed = Base64::encode_string(&[&[1][..], seed].concat());
        // It checks that the id is that of the key.
        let theirs = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{id:08x}+{typed}")).unwrap();
        Self { ours, theirs }
    }

    fn key(&self) -> VerifierKey {
        self.ours.verifier_key()
    }
}

/// The text of a note, if they believe it by these keys.
fn by_theirs(note: &[u8], keys: &[VerifierKey]) -> Option<Vec<u8>> {
    let known = keys.iter().map(|key| {
        let theirs = StandardVerifier::new(&key.to_string()).unwrap();
        assert_eq!((theirs.name(), theirs.key_id()), (key.name(), u32::from_be_bytes(key.id())));
        Box::new(theirs) as Box<dyn Verifier>
    });
    let read = TheirNote::from_bytes(note).ok()?;
    let (verified, _) = read.verify(&VerifierList::new(known.collect())).ok()?;
    assert!(!verified.is_empty());
    assert_eq!(read.to_bytes(), note, "it has one form");
    Some(read.text().to_vec())
}

/// The same by ours.
fn by_ours(note: &[u8], keys: &[VerifierKey]) -> Option<Vec<u8>> {
    let read = Note::parse(note).ok()?;
    read.verify(&keys.iter().collect::<Vec<_>>()).ok()?;
    assert_eq!(read.to_string().as_bytes(), note, "it has one form");
    Some(read.text().as_bytes().to_vec())
}

#[test]
fn each_side_believes_what_the_other_one_signs() {
    let mut rng = Rng::new(1);
    for round in 0..60 {
        let name = NAMES[rng.below(NAMES.len())];
        let (one, other) = (Both::new(name, &[round + 1; 32]), Both::new("other", &[round + 101; 32]));
        let text: String = (0..=rng.below(6)).map(|n| format!("{}\n", "wörd ".repeat(n))).collect();
        let ours = one.ours.sign(&text).unwrap().to_string();
        let mut theirs = TheirNote::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&one.theirs]).unwrap();
        assert_eq!(theirs.to_bytes(), ours.as_bytes(), "the same bytes");
        // With a second signature, of a key that is known or not.
        theirs.add_sigs(&[&other.theirs]).unwrap();
        for note in [ours.as_bytes(), &theirs.to_bytes()] {
            for keys in [vec![one.key()], vec![other.key(), one.key()], vec![other.key()]] {
                let believed = by_ours(note, &keys);
                assert_eq!(believed, by_theirs(note, &keys));
                assert_eq!(
                    believed.is_some(),
                    keys.len() > 1 || keys[0] == one.key() || note != ours.as_bytes()
                );
                assert!(believed.is_none_or(|read| read == text.as_bytes()));
            }
        }
    }
}

#[test]
fn checkpoints_of_a_store_are_notes_to_both() {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    for n in 0..20 {
        let head = store.checkpoint().unwrap();
        let text = head.to_string();
        let expected = format!("{}\n{}\n{}\n", key.name(), head.unverified().size, base64(&head));
        assert_eq!(by_theirs(text.as_bytes(), std::slice::from_ref(&key)), Some(expected.into_bytes()));
        // Lines of witnesses are there for those who know them.
        let witness = Cosigner::new("w.example", &[9; 32]).unwrap();
        let line = witness.cosign(&head, 1_700_000_000 + n).unwrap();
        let both = head.with(std::slice::from_ref(&line)).unwrap().to_string();
        let read = TheirNote::from_bytes(both.as_bytes()).unwrap();
        let known = StandardVerifier::new(&key.to_string()).unwrap();
        let (verified, unknown) = read.verify(&VerifierList::new(vec![Box::new(known)])).unwrap();
        assert_eq!((verified.len(), unknown.len()), (1, 1));
        let id = signed_note::key_id(line.name.as_str(), &typed(&witness.verifier_key()));
        assert_eq!((unknown[0].name(), unknown[0].id()), ("w.example", id));
        assert_eq!(unknown[0].signature(), line.bytes);
        let record = Record::new("c", format!("p{n}"), Micros(n as i64), "text").id(format!("m{n}"));
        store.append(&[record]).unwrap();
    }
}

fn base64(head: &SignedCheckpoint) -> String {
    Base64::encode_string(&head.unverified().root.0)
}

fn typed(key: &VerifierKey) -> Vec<u8> {
    [&[key.kind() as u8][..], key.public()].concat()
}

/// Both refuse the same, but for a control character in a name that nobody knows: there ours refuse more.
#[test]
fn no_bit_may_be_another_to_either() {
    let key = Both::new(NAMES[0], &[7; 32]);
    let other = Both::new("other", &[8; 32]);
    let mut both = TheirNote::new(b"log.example/chats\n1\nAAAA\n", &[]).unwrap();
    both.add_sigs(&[&key.theirs, &other.theirs]).unwrap();
    let keys = [key.key(), other.key()];
    let note = both.to_bytes();
    assert!(by_ours(&note, &keys).is_some() && by_theirs(&note, &keys).is_some());
    let (mut one_left, mut refused) = (0, 0);
    for bit in 0..note.len() * 8 {
        let mut bad = note.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // By a name or an id that nobody knows the other signature is left. In names of ours stands no DEL.
        let (believed, theirs) = (by_ours(&bad, &keys), by_theirs(&bad, &keys));
        if bad[bit / 8] == 0x7f && theirs.is_some() {
            assert_eq!(believed, None, "bit {bit}");
            refused += 1;
            continue;
        }
        assert_eq!(believed, theirs, "bit {bit}");
        one_left += usize::from(believed.is_some());
        assert_eq!(by_ours(&bad, &keys[..1]), by_theirs(&bad, &keys[..1]), "bit {bit}");
        assert!(believed.is_none_or(|text| text == both.text()), "bit {bit}");
    }
    assert!(one_left > 20 && refused < 5, "{one_left} and {refused}");
    for end in 0..note.len() {
        assert_eq!(by_ours(&note[..end], &keys), by_theirs(&note[..end], &keys), "the first {end} bytes");
    }
}

#[test]
fn no_bit_of_a_key_may_be_another_to_either() {
    let text = Both::new(NAMES[0], &[7; 32]).key().to_string();
    for bit in 0..text.len() * 8 {
        let mut bad = text.clone().into_bytes();
        bad[bit / 8] ^= 1 << (bit % 8);
        let Ok(bad) = String::from_utf8(bad) else { continue };
        let (ours, theirs) = (bad.parse::<VerifierKey>(), StandardVerifier::new(&bad));
        // They take the digits of an id in upper case too; that is one key, of two spellings.
        let spelled = bad.to_lowercase() == text.to_lowercase();
        assert!(ours.is_err() && (theirs.is_err() || spelled), "bit {bit}: {bad}");
    }
}
