//! Records sealed by hand, and the keys under which a key-value store finds them.

use std::collections::HashMap;

use aes_gcm_siv::aead::{Aead as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit as _, Nonce};
use escrowdb::store::Record;

use crate::Result;

const MASTER: [u8; 32] = [0x5a; 32];
/// Bytes of a keyed hash.
pub const HASH: usize = 8;
const NONCE: usize = 12;

/// The fields of a record, as text between lengths.
pub struct Row {
    /// Event time.
    pub time: i64,
    /// Tags.
    pub tags: Vec<String>,
    /// Body.
    pub body: String,
}

/// Ciphers of subjects, as a program that reads much would keep them.
#[derive(Default)]
pub struct Ciphers(HashMap<[u8; HASH], Aes256GcmSiv>);

impl Ciphers {
    fn of(&mut self, subject: [u8; HASH]) -> &Aes256GcmSiv {
        let new = || Aes256GcmSiv::new(blake3::keyed_hash(&MASTER, &subject).as_bytes().into());
        self.0.entry(subject).or_insert_with(new)
    }

    /// A row: hash of the subject, nonce, sealed record.
    pub fn seal(&mut self, number: u64, subject: [u8; HASH], plain: &[u8]) -> Result<Vec<u8>> {
        let place = number.to_be_bytes();
        // Numbers never repeat, so they are sound nonces.
        let mut nonce = [0; NONCE];
        nonce[..8].copy_from_slice(&place);
        let payload = Payload { msg: plain, aad: &place };
        let sealed = self.of(subject).encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| "a record can't be sealed")?;
        Ok([subject.as_slice(), &nonce, &sealed].concat())
    }

    /// The record in a row.
    pub fn open(&mut self, number: u64, row: &[u8]) -> Result<Row> {
        let (subject, rest) = row.split_first_chunk::<HASH>().ok_or("a short record")?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or("a short record")?;
        let payload = Payload { msg: sealed, aad: &number.to_be_bytes() };
        let opened = self.of(*subject).decrypt(&Nonce::from(*nonce), payload);
        decode(&opened.map_err(|_| "a record does not authenticate")?)
    }
}

/// Keyed hash of a text.
pub fn hash(text: &str) -> [u8; HASH] {
    let mut short = [0; HASH];
    short.copy_from_slice(&blake3::keyed_hash(&MASTER, text.as_bytes()).as_bytes()[..HASH]);
    short
}

/// Key of a tag at a time.
pub fn tag_key(tag: &[u8; HASH], time: i64, number: u64) -> Vec<u8> {
    [tag.as_slice(), &time.to_be_bytes(), &number.to_be_bytes()].concat()
}

/// Key of a subject, or of a word.
pub fn subject_key(subject: &[u8; HASH], number: u64) -> Vec<u8> {
    [subject.as_slice(), &number.to_be_bytes()].concat()
}

/// The number in the last eight bytes of a key.
pub fn last_number(key: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(*key.last_chunk().ok_or("a short key")?))
}

fn put(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

fn take(bytes: &mut &[u8]) -> Result<String> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or("a short record")?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or("a short record")?;
    *bytes = rest;
    Ok(String::from_utf8(text.to_vec())?)
}

/// A record as bytes.
pub fn encode(record: &Record) -> Vec<u8> {
    let mut out = record.time.0.to_le_bytes().to_vec();
    for text in [&record.conversation, &record.author, &record.channel] {
        put(text.as_bytes(), &mut out);
    }
    put(record.tags.join(" ").as_bytes(), &mut out);
    put(record.body.as_bytes(), &mut out);
    out
}

/// The fields that questions need.
pub fn decode(bytes: &[u8]) -> Result<Row> {
    let (time, mut rest) = bytes.split_first_chunk().ok_or("a short record")?;
    for _ in ["conversation", "author", "channel"] {
        take(&mut rest)?;
    }
    let tags = take(&mut rest)?.split(' ').map(str::to_owned).collect();
    Ok(Row { time: i64::from_le_bytes(*time), tags, body: take(&mut rest)? })
}

/// Those of `a` that are in `b`, or that are not; both ascend.
pub fn merged(a: &[u64], b: &[u64], wanted: bool) -> Vec<u64> {
    let mut at = 0;
    let mut keep = |n: &u64| {
        while b.get(at).is_some_and(|m| m < n) {
            at += 1;
        }
        (b.get(at) == Some(n)) == wanted
    };
    a.iter().copied().filter(|n| keep(n)).collect()
}
