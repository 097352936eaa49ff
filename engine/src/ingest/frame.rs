//! The payload of a frame of records.
//!
//! ```text
//! batch  = first-seq(varint) count(varint) *( salt(16) canonical(slice) )
//! ```
//! Record `i` has the log position `first-seq + i`.

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::id::Seq;
pub use crate::index::Entry;
use crate::index::terms::grow;
use crate::index::{Held, IdHash};
use crate::journal;
use crate::merkle::commitment::SALT_LEN;
use crate::record::{Stored, StoredRef};

/// Bytes of a payload's head at most.
const HEAD_LEN_MAX: usize = 20;

/// Collects the records of a payload. What grows is wiped.
#[derive(Default)]
pub struct Records {
    bytes: Zeroizing<Vec<u8>>,
    one: Zeroizing<Vec<u8>>,
    count: u64,
}

impl Records {
    /// Adds a record with an empty salt, and answers where it lies behind the payload's head.
    pub fn add(&mut self, record: &StoredRef<'_>) -> Result<Held> {
        let bound = record.encoded_len_max();
        grow(&mut self.one, bound);
        record.encode_into(&mut self.one);
        grow(&mut self.bytes, SALT_LEN + 10 + self.one.len());
        let salt = self.bytes.len();
        self.bytes.put_bytes(&[0; SALT_LEN]);
        self.bytes.put_slice(&self.one);
        let place = |at: usize| u32::try_from(at).map_err(|_| Error::invalid("a frame is over 4 GiB"));
        let (from, to) = (self.bytes.len() - self.one.len(), self.bytes.len());
        let held = Held { bytes: 0, salt: place(salt)?, from: place(from)?, to: place(to)? };
        self.one.fill(0);
        self.one.clear();
        self.count += 1;
        Ok(held)
    }

    /// An error once the records are too many for one frame.
    pub fn check_len(&self) -> Result<()> {
        journal::check_batch_len(HEAD_LEN_MAX + self.bytes.len())
    }

    /// The records so far, without their head.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payload, exactly as long as it must be, and how long its head is. The salts of the
    /// records are still empty.
    pub fn finish(self, first: Seq) -> (Zeroizing<Vec<u8>>, u32) {
        let mut head = Vec::with_capacity(HEAD_LEN_MAX);
        head.put_varint(first.0);
        head.put_varint(self.count);
        let mut payload = Zeroizing::new(Vec::with_capacity(head.len() + self.bytes.len()));
        payload.put_bytes(&head);
        payload.put_bytes(&self.bytes);
        (payload, head.len() as u32)
    }
}

/// Entries with consecutive positions as [`Records`] collects them, with their salts: what a test
/// compares a payload with.
pub fn encode(entries: &[Entry]) -> Zeroizing<Vec<u8>> {
    let size = entries.iter().map(|e| e.canonical.len() + 20).sum::<usize>() + 20;
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.put_varint(entries.first().map_or(0, |e| e.seq.0));
    out.put_varint(entries.len() as u64);
    for e in entries {
        out.put_bytes(&e.salt);
        out.put_slice(&e.canonical);
    }
    out
}

/// Decodes a payload.
pub fn decode(payload: &[u8]) -> Result<Vec<Entry>> {
    let mut r = Reader::new(payload);
    let first = r.varint()?;
    let count = r.count(payload.len() / 17)?;
    let mut entries = Vec::with_capacity(count);
    for i in 0..count as u64 {
        let seq = Seq(first.checked_add(i).ok_or_else(|| Error::corrupt("a log position over 64 bits"))?);
        let salt = r.array()?;
        let canonical = r.slice()?.to_vec();
        let stored = Stored::decode(&canonical)?;
        let identity = IdHash::of(&stored.id, &stored.conversation);
        entries.push(Entry { seq, salt, canonical, stored, identity });
    }
    r.finish()?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, body: &str) -> Entry {
        let stored = Stored { id: "i".into(), body: body.into(), ..Stored::default() };
        let identity = IdHash::of(&stored.id, &stored.conversation);
        Entry { seq: Seq(seq), salt: [3; 16], canonical: stored.encode(), stored, identity }
    }

    #[test]
    fn collected_records_are_the_encoding() {
        let entries = [entry(7, "a"), entry(8, &"b".repeat(3000)), entry(9, "")];
        let mut records = Records::default();
        let places: Vec<Held> = entries.iter().map(|e| records.add(&e.stored.borrowed()).unwrap()).collect();
        let (mut payload, head) = records.finish(Seq(7));
        for (e, held) in entries.iter().zip(places) {
            let place = |at: u32| (head + at) as usize;
            payload[place(held.salt)..place(held.salt) + SALT_LEN].copy_from_slice(&e.salt);
            assert_eq!(payload[place(held.from)..place(held.to)], e.canonical);
        }
        assert_eq!(payload, encode(&entries));
        assert_eq!(payload.capacity(), payload.len());
    }

    #[test]
    fn round_trip() {
        let entries = [entry(7, "a"), entry(8, "b")];
        let got = decode(&encode(&entries)).unwrap();
        assert_eq!(got.len(), 2);
        assert!(got[1].seq == Seq(8) && got[1].stored.body == "b" && got[1].salt == [3; 16]);
        assert!(decode(&encode(&entries)[..20]).is_err());
        assert!(decode(&[0, 200, 1]).is_err());
    }
}
