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
use crate::index::IdHash;
use crate::record::Stored;

/// Encodes entries with consecutive positions.
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

/// Decodes what [`encode`] wrote.
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
    fn round_trip() {
        let entries = [entry(7, "a"), entry(8, "b")];
        let got = decode(&encode(&entries)).unwrap();
        assert_eq!(got.len(), 2);
        assert!(got[1].seq == Seq(8) && got[1].stored.body == "b" && got[1].salt == [3; 16]);
        assert!(decode(&encode(&entries)[..20]).is_err());
        assert!(decode(&[0, 200, 1]).is_err());
    }
}
