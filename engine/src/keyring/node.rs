//! The text of a tree page: a sorted list of (key, value).
//!
//! ```text
//! level u8 (0 = leaf) ‖ count u16 ‖ count × { varint ‖ key ‖ varint ‖ value } ‖ zeros
//! ```
//!
//! In an inner page a value is a link: page number u32 ‖ page key 32, and the key is the first
//! key below that link, which is always the key of a living entry.

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::keyring::page::BODY_LEN;

/// Longest key of an entry.
pub const KEY_LEN_MAX: usize = 255;
/// Key and value of an entry together; two entries always fit a page.
pub const ENTRY_LEN_MAX: usize = 1800;

/// Bytes of a link: page number and key.
pub(super) const LINK_LEN: usize = 36;
/// Bytes before the first entry.
pub(super) const PREFIX_LEN: usize = 3;
/// Levels a tree may have; a million names need four.
pub(super) const LEVEL_MAX: u8 = 15;

const _: () = assert!(PREFIX_LEN + 2 * (ENTRY_LEN_MAX + 4) <= BODY_LEN);

/// A decoded page. Its text is wiped on drop.
pub struct Node {
    pub(super) level: u8,
    body: Zeroizing<Vec<u8>>,
    places: Vec<Place>,
    used: usize,
}

#[derive(Clone, Copy)]
struct Place {
    key_at: u16,
    key_len: u16,
    value_at: u16,
    value_len: u16,
}

impl Node {
    /// An empty leaf.
    pub(super) fn empty() -> Self {
        Builder::new(0).finish()
    }

    /// Reads the text of a page.
    pub fn decode(body: Zeroizing<Vec<u8>>) -> Result<Self> {
        let mut r = Reader::new(&body);
        let level = r.u8()?;
        if level > LEVEL_MAX || body.len() != BODY_LEN {
            return Err(Error::corrupt("page of an impossible level or length"));
        }
        let count = usize::from(r.u16()?);
        let mut places = Vec::with_capacity(count.min(BODY_LEN / 3));
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let key = r.slice()?;
            let key_at = r.position() - key.len();
            let value = r.slice()?;
            if last.is_some_and(|l| l >= key) {
                return Err(Error::corrupt("keys of a page are out of order"));
            }
            if level > 0 && value.len() != LINK_LEN {
                return Err(Error::corrupt("link of a wrong length"));
            }
            last = Some(key);
            places.push(Place {
                key_at: key_at as u16,
                key_len: key.len() as u16,
                value_at: (r.position() - value.len()) as u16,
                value_len: value.len() as u16,
            });
        }
        let used = r.position();
        if (level > 0 && count == 0) || r.tail().iter().any(|b| *b != 0) {
            return Err(Error::corrupt("inner page without links, or bytes behind the last entry"));
        }
        Ok(Self { level, body, places, used })
    }

    pub(super) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes the entries and the prefix take.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Whole text of the page, padded.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn key(&self, i: usize) -> &[u8] {
        let p = self.places[i];
        &self.body[usize::from(p.key_at)..][..usize::from(p.key_len)]
    }

    pub(super) fn value(&self, i: usize) -> &[u8] {
        let p = self.places[i];
        &self.body[usize::from(p.value_at)..][..usize::from(p.value_len)]
    }

    /// Link `i` of an inner page.
    pub(super) fn link(&self, i: usize) -> Result<(u32, &[u8; 32])> {
        let bad = || Error::corrupt("link of a wrong length");
        let (place, key) = self.value(i).split_first_chunk::<4>().ok_or_else(bad)?;
        Ok((u32::from_le_bytes(*place), key.try_into().map_err(|_| bad())?))
    }

    /// Place of `key`, or where it would stand.
    pub(super) fn find(&self, key: &[u8]) -> std::result::Result<usize, usize> {
        self.places
            .binary_search_by(|p| self.body[usize::from(p.key_at)..][..usize::from(p.key_len)].cmp(key))
    }

    /// The link below which `key` stands, if it stands anywhere.
    pub(super) fn link_for(&self, key: &[u8]) -> usize {
        match self.find(key) {
            Ok(i) => i,
            Err(i) => i.saturating_sub(1),
        }
    }

    /// Bytes of memory this page takes, for the cache's limit.
    pub(super) const fn memory(&self) -> usize {
        BODY_LEN + self.places.len() * size_of::<Place>() + 128
    }
}

/// Writes the text of one page.
pub(super) struct Builder {
    level: u8,
    body: Zeroizing<Vec<u8>>,
    places: Vec<Place>,
    at: usize,
}

impl Builder {
    pub(super) fn new(level: u8) -> Self {
        Self { level, body: Zeroizing::new(vec![0; BODY_LEN]), places: Vec::new(), at: PREFIX_LEN }
    }

    /// Appends an entry; the caller keeps the order and sees that it fits.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.len_prefix(key.len());
        let key_at = self.bytes(key);
        self.len_prefix(value.len());
        let value_at = self.bytes(value);
        self.places.push(Place {
            key_at,
            key_len: key.len() as u16,
            value_at,
            value_len: value.len() as u16,
        });
    }

    pub(super) fn finish(mut self) -> Node {
        self.body[0] = self.level;
        self.body[1..3].copy_from_slice(&(self.places.len() as u16).to_le_bytes());
        Node { level: self.level, body: self.body, places: self.places, used: self.at }
    }

    fn len_prefix(&mut self, len: usize) {
        if len < 0x80 {
            self.bytes(&[len as u8]);
        } else {
            self.bytes(&[len as u8 | 0x80, (len >> 7) as u8]);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> u16 {
        let at = self.at;
        self.body[at..at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        at as u16
    }
}

/// Bytes an entry takes in a page.
pub(super) const fn entry_len(key_len: usize, value_len: usize) -> usize {
    const fn prefix_len(len: usize) -> usize {
        if len < 0x80 { 1 } else { 2 }
    }
    prefix_len(key_len) + key_len + prefix_len(value_len) + value_len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_trip_and_order() {
        let mut b = Builder::new(0);
        b.push(b"a", &[1; 300]);
        b.push(b"b", b"");
        let n = b.finish();
        assert_eq!(n.used(), PREFIX_LEN + entry_len(1, 300) + entry_len(1, 0));
        let n = Node::decode(Zeroizing::new(n.body().to_vec())).unwrap();
        assert_eq!((n.len(), n.key(1), n.value(0)), (2, &b"b"[..], &[1u8; 300][..]));
        assert_eq!((n.find(b"b"), n.find(b"aa"), n.link_for(b"Z")), (Ok(1), Err(1), 0));

        let mut b = Builder::new(0);
        b.push(b"b", b"");
        b.push(b"a", b"");
        assert!(Node::decode(Zeroizing::new(b.finish().body().to_vec())).is_err());
        assert!(Node::decode(Zeroizing::new(vec![0; 10])).is_err());
        let mut tail = vec![0; BODY_LEN];
        tail[BODY_LEN - 1] = 1;
        assert!(Node::decode(Zeroizing::new(tail)).is_err());
    }

    proptest! {
        #[test]
        fn decode_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), level in 0u8..4) {
            bytes.resize(BODY_LEN, 0);
            bytes[0] = level;
            bytes[2] = 0;
            if let Ok(n) = Node::decode(Zeroizing::new(bytes)) {
                for i in 0..n.len() {
                    let _ = (n.key(i), n.value(i), n.link(i));
                }
            }
        }
    }
}
