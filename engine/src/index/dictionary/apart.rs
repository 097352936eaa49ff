//! A term sought in a dictionary that is not open: only the pages that the search touches are.
//!
//! An erasure asks every segment for one or two terms. Of a full segment's dictionary of a hundred
//! pages a search touches ten.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::index::dictionary::{Cursor, KEY_MAX, RESTART, WordEntry};

/// Bytes read of a key at first: most are shorter.
const KEY_PART: usize = 64;

/// Pieces of a section, each read once.
pub struct Apart<R> {
    /// Reads some bytes of the section.
    read: R,
    /// Bytes of the section.
    len: usize,
    /// Bytes of a piece.
    piece: usize,
    pieces: HashMap<usize, Zeroizing<Vec<u8>>>,
}

impl<R: FnMut(usize, usize) -> Result<Zeroizing<Vec<u8>>>> Apart<R> {
    /// A section of `len` bytes of which `read` answers a part, by its start and its length. It is
    /// asked for pieces of `piece` bytes.
    pub fn new(len: usize, piece: usize, read: R) -> Self {
        Self { read, len, piece: piece.max(1), pieces: HashMap::new() }
    }

    /// The entry of a key and where its positions stand, as
    /// [`Dictionary::find_word`](super::Dictionary::find_word) answers it.
    pub fn find_word(&mut self, key: &[u8]) -> Result<Option<WordEntry>> {
        let count = self.u32_at(0)?;
        let restarts = (count as usize).div_ceil(RESTART);
        if restarts == 0 {
            return Ok(None);
        }
        let entries_at = 4 + 4 * restarts;
        let (mut low, mut high) = (0, restarts);
        while high - low > 1 {
            let mid = low + (high - low) / 2;
            if self.restart_key(entries_at, mid)?.as_slice() <= key { low = mid } else { high = mid }
        }
        let start = self.restart(entries_at, low)?;
        let end = if high == restarts { self.len } else { self.restart(entries_at, high)? };
        let bytes = self.bytes(start, end.saturating_sub(start))?;
        let left = (count - (low * RESTART) as u32).min(RESTART as u32);
        let (empty, read) = (Zeroizing::new(Vec::with_capacity(64)), 0);
        let cursor = Cursor { reader: Reader::new(&bytes), start, left, read, runs: 0..0, key: empty };
        cursor.find(key)
    }

    /// Where the entries from a restart on begin in the section.
    fn restart(&mut self, entries_at: usize, number: usize) -> Result<usize> {
        Ok(entries_at + self.u32_at(4 + 4 * number)? as usize)
    }

    fn restart_key(&mut self, entries_at: usize, number: usize) -> Result<Zeroizing<Vec<u8>>> {
        let start = self.restart(entries_at, number)?;
        let mut part = KEY_PART;
        loop {
            let bytes = self.bytes(start, part.min(self.len.saturating_sub(start)))?;
            let mut r = Reader::new(&bytes);
            if r.varint()? != 0 {
                return Err(Error::corrupt("a restart of the dictionary shares bytes"));
            }
            let len = r.count(KEY_MAX)?;
            if len <= r.remaining() || bytes.len() < part {
                return Ok(Zeroizing::new(r.bytes(len)?.to_vec()));
            }
            part = r.position() + len;
        }
    }

    fn u32_at(&mut self, at: usize) -> Result<u32> {
        Reader::new(&self.bytes(at, 4)?).u32()
    }

    /// Some bytes of the section, out of the pieces in which they stand.
    fn bytes(&mut self, from: usize, len: usize) -> Result<Zeroizing<Vec<u8>>> {
        let end = from.checked_add(len).filter(|end| *end <= self.len);
        let end = end.ok_or_else(|| Error::corrupt("the dictionary ends too early"))?;
        let mut out = Zeroizing::new(Vec::with_capacity(len));
        let mut at = from;
        while at < end {
            let number = at / self.piece;
            let first = number * self.piece;
            let piece = match self.pieces.entry(number) {
                std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert((self.read)(first, self.piece.min(self.len - first))?)
                }
            };
            let to = end.min(first + self.piece);
            let part = piece.get(at - first..to - first);
            out.extend_from_slice(part.ok_or_else(|| Error::corrupt("the dictionary ends too early"))?);
            at = to;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::dictionary::{Dictionary, encode};
    use crate::index::part::Field;
    use crate::index::terms::Terms;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn find(bytes: &[u8], piece: usize, key: &[u8]) -> (Result<Option<WordEntry>>, usize) {
        let mut read = 0;
        let found = Apart::new(bytes.len(), piece, |from, len| {
            read += len;
            Ok(Zeroizing::new(bytes[from..from + len].to_vec()))
        })
        .find_word(key);
        (found, read)
    }

    #[test]
    fn few_pieces_are_read() {
        let mut terms = Terms::default();
        for n in 0..40_000u32 {
            terms.push(Field::Subject, &u64::from(n * 3).to_be_bytes(), [n].into_iter());
        }
        let bytes = encode(&terms, 40_000).dictionary;
        let dictionary = Dictionary::decode(bytes.clone()).unwrap();
        for n in (0..120_000u64).step_by(977) {
            let key = [&[Field::Subject as u8][..], &n.to_be_bytes()].concat();
            let (found, read) = find(&bytes, 4040, &key);
            assert_eq!(found.unwrap(), dictionary.find_word(&key).unwrap());
            assert!(read <= 14 * 4040 && read * 4 < bytes.len(), "{read} of {}", bytes.len());
        }
    }

    proptest! {
        #[test]
        fn finds_what_the_open_one_finds(
            values in proptest::collection::btree_map(proptest::collection::vec(0u8..3, 0..90), 0u32..200, 0..80),
            others in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..9), 0..9),
            piece in 1usize..300,
        ) {
            let values: BTreeMap<Vec<u8>, u32> = values;
            let mut terms = Terms::default();
            for (value, n) in &values {
                terms.push(Field::Tag, value, 0..=*n);
            }
            let bytes = encode(&terms, 300).dictionary;
            let dictionary = Dictionary::decode(bytes.clone()).unwrap();
            for value in values.keys().chain(&others) {
                let key = [&[Field::Tag as u8][..], value].concat();
                prop_assert_eq!(find(&bytes, piece, &key).0.unwrap(), dictionary.find_word(&key).unwrap());
            }
        }

        #[test]
        fn any_bytes_are_searched_or_refused(bytes: Vec<u8>, key: Vec<u8>, piece in 1usize..40) {
            let _ = find(&bytes, piece, &key).0;
        }
    }
}
