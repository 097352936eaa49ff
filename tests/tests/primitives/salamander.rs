//! AES-256-GCM-SIV does not commit to its key: whoever knows two keys can make one frame that
//! opens under both, with two texts. The log is evidence and its operator may be the adversary,
//! so every seal carries a commitment to its key. Here such frames are made; the AEAD alone
//! takes them under both keys, the engine takes them under one.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use escrowdb::crypto::kdf::expand;
use escrowdb::crypto::{Keys, Label, OneTime, SEAL_LEN, Seal, derive};
use escrowdb::id::{FileId, StoreId};
use escrowdb::journal::{Journal, path};
use escrowdb::vfs::{MemoryVfs, Vfs};
use forge::{BLOCK, Lock, forge};

mod field;
mod forge;

const APPROVED: &[u8] = b"Pay Alice 10 EUR. Approved by A.";
const DENIED: &[u8] = b"I never approved anything. Bob lied.";

#[test]
fn the_aead_alone_takes_one_frame_under_two_keys() {
    let locks = [Lock { key: [1; 32], nonce: [7; 12] }, Lock { key: [2; 32], nonce: [7; 12] }];
    let (cipher, tag) = forge(&locks, b"", 8, [APPROVED, DENIED], [0, 3]);
    assert_eq!(&raw_open(&locks[0], b"", &cipher, &tag).unwrap()[..APPROVED.len()], APPROVED);
    assert_eq!(&raw_open(&locks[1], b"", &cipher, &tag).unwrap()[3 * BLOCK..][..DENIED.len()], DENIED);
    assert_eq!(raw_open(&Lock { key: [3; 32], nonce: [7; 12] }, b"", &cipher, &tag), None);
}

#[test]
fn a_seal_opens_under_the_key_it_commits_to_only() {
    let (salt, aad) = (b"sixteen byte sal", b"frame 1 of file 2");
    let secrets = [[1u8; 32], [2; 32]];
    let one_time = |i: usize| derive(Label::JournalFrame, &[&secrets[i]], salt, aad);
    let keys = [0, 1].map(|i| parts(Label::JournalFrame, &secrets[i], salt, aad));
    let (cipher, tag) = forge(&[keys[0].0, keys[1].0], aad, 8, [APPROVED, DENIED], [0, 3]);

    // The control: without the commitments the engine's own keys would open it, both of them.
    for key in &keys {
        assert!(raw_open(&key.0, aad, &cipher, &tag).is_some());
    }
    for (committed, other) in [(0, 1), (1, 0)] {
        let seal: Seal = [&keys[committed].1[..], &tag].concat().try_into().unwrap();
        assert!(opens(one_time(committed), &seal, &cipher));
        assert!(!opens(one_time(other), &seal, &cipher));
        assert!(one_time(committed).fits(&seal) && !one_time(other).fits(&seal));
    }
    // Nor does a commitment that is neither's, or a mixture of both.
    let mut mixed = keys[0].1;
    mixed[16..].copy_from_slice(&keys[1].1[16..]);
    for commitment in [[0; 32], mixed] {
        let seal: Seal = [&commitment[..], &tag].concat().try_into().unwrap();
        assert!(!opens(one_time(0), &seal, &cipher) && !opens(one_time(1), &seal, &cipher));
    }
}

#[test]
fn a_journal_frame_says_one_thing_only() {
    const STORE: StoreId = StoreId([4; 16]);
    const FILE: FileId = FileId([5; 16]);
    const TEXT_LEN: usize = 256;
    let dir = Path::new("/store");
    let (salt, secrets) = ([6u8; 16], [[1u8; 32], [2; 32]]);
    let header = [b"EJF1", &[1, 1, 0, 0][..], &(TEXT_LEN as u32).to_le_bytes(), &[0; 4]].concat();
    let aad = [&header[..], &STORE.0, &FILE.0, &0u64.to_le_bytes(), &[0; SEAL_LEN]].concat();
    let keys = secrets.map(|s| parts(Label::JournalFrame, &s, &salt, &aad));
    // A text says its length and its kind; the first of the two begins the frame.
    let text = |said: &[u8]| [&(said.len() as u32 + 1).to_le_bytes()[..], &[1], said].concat();
    let replayed = |frame: &[u8], i: usize| {
        let vfs = MemoryVfs::new();
        vfs.create_dir(dir).unwrap();
        let file = vfs.create(&path(dir, FILE)).unwrap();
        file.write_at(frame, 0).unwrap();
        file.sync().unwrap();
        let key = Keys::new().insert(&secrets[i]).unwrap();
        let replay = Journal::replay(&vfs, dir, STORE, FILE, key).unwrap();
        (replay.frames.iter().map(|f| f.payload.to_vec()).collect::<Vec<_>>(), replay.torn)
    };
    for (committed, other) in [(0, 1), (1, 0)] {
        let said = [APPROVED, DENIED][committed];
        let denied = [APPROVED, DENIED][other];
        let locks = [keys[committed].0, keys[other].0];
        let (cipher, tag) = forge(&locks, &aad, TEXT_LEN / BLOCK, [&text(said), denied], [0, 6]);
        assert!(locks.iter().all(|lock| raw_open(lock, &aad, &cipher, &tag).is_some()));

        let frame = [&header[..], &salt, &keys[committed].1, &tag, &cipher].concat();
        assert_eq!(replayed(&frame, committed), (vec![said.to_vec()], false));
        assert_eq!(replayed(&frame, other), (vec![], true));
    }
}

fn opens(key: OneTime, seal: &Seal, cipher: &[u8]) -> bool {
    key.open(seal, &mut cipher.to_vec()).is_ok()
}

/// What the engine derives: 32 bytes of key, 12 of nonce, 32 of commitment.
fn parts(label: Label, secret: &[u8], salt: &[u8], aad: &[u8]) -> (Lock, [u8; 32]) {
    let mut out = [0; 76];
    expand(label, &[secret, salt, aad], &mut out);
    let lock = Lock { key: out[..32].try_into().unwrap(), nonce: out[32..44].try_into().unwrap() };
    (lock, out[44..].try_into().unwrap())
}

fn raw_open(lock: &Lock, aad: &[u8], cipher: &[u8], tag: &[u8; BLOCK]) -> Option<Vec<u8>> {
    let mut text = cipher.to_vec();
    Aes256GcmSiv::new(&lock.key.into())
        .decrypt_inout_detached(&Nonce::from(lock.nonce), aad, text.as_mut_slice().into(), &Tag::from(*tag))
        .ok()
        .map(|()| text)
}
