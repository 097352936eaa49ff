//! Lists as one bit a document, and what many of them have in common.
//!
//! A conjunction of lists that are not rare costs the same however long they are: a word holds 64
//! documents, and no branch depends on a bit. Lists that stand as bits in the file are read there;
//! those that stand as differences are spread out once and kept, [`KEPT`] of them a segment.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::index::postings;

/// Lists that a segment keeps spread out: at most two bytes for each of its documents.
pub const KEPT: usize = 16;
/// More documents than this are handed over as bits.
const FEW: usize = 4096;

/// One bit a document; wiped on drop.
pub type Bits = Arc<Zeroizing<Vec<u8>>>;

/// The lists of one segment that were spread out last; the last one behind. They belong to one
/// index file under one key, and an index that is rewritten has a segment of its own.
#[derive(Default)]
pub struct Spread(Mutex<Vec<(u64, Bits)>>);

/// Documents in a range, from words of 64.
pub struct Words {
    first: usize,
    words: Vec<u64>,
}

impl Spread {
    /// The bits of the list at a place, made at first use.
    pub fn get(&self, place: u64, make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>>) -> Result<Bits> {
        {
            let mut kept = self.0.lock();
            if let Some(at) = kept.iter().position(|(p, _)| *p == place) {
                kept[at..].rotate_left(1);
                if let Some((_, bits)) = kept.last() {
                    return Ok(Arc::clone(bits));
                }
            }
        }
        let bits = Arc::new(make()?);
        let mut kept = self.0.lock();
        if kept.iter().all(|(p, _)| *p != place) {
            if kept.len() >= KEPT {
                kept.remove(0);
            }
            kept.push((place, Arc::clone(&bits)));
        }
        Ok(bits)
    }

    /// Forgets, and thereby wipes, all of them.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// Bytes that are kept at most, in a segment with so many documents.
    pub fn memory_max(docs: u32) -> usize {
        KEPT * (docs as usize).div_ceil(8)
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.0.lock().iter().map(|(_, bits)| bits.len()).sum()
    }
}

/// Spreads a list of differences out.
pub fn spread(bytes: &[u8], frequency: u32, docs: u32) -> Result<Zeroizing<Vec<u8>>> {
    let mut bits = Zeroizing::new(vec![0u8; (docs as usize).div_ceil(8)]);
    let mut r = Reader::new(bytes);
    postings::read_list(&mut r, frequency, docs, |doc| bits[doc as usize / 8] |= 1 << (doc % 8))?;
    r.finish().map(|()| bits)
}

impl Words {
    /// Every document of a range.
    pub fn all(range: Range<u32>) -> Self {
        let (from, to) = (range.start as usize, range.end.max(range.start) as usize);
        let first = from / 64;
        let mut words = vec![u64::MAX; to.div_ceil(64).saturating_sub(first)];
        if let Some(word) = words.first_mut() {
            *word &= u64::MAX << (from % 64);
        }
        if to % 64 != 0
            && let Some(word) = words.last_mut()
        {
            *word &= u64::MAX >> (64 - to % 64);
        }
        Self { first, words }
    }

    /// None of so many documents.
    pub fn none(docs: u32) -> Self {
        Self { first: 0, words: vec![0; (docs as usize).div_ceil(64)] }
    }

    /// Adds a document.
    pub fn insert(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut((doc as usize / 64).wrapping_sub(self.first)) {
            *word |= 1 << (doc % 64);
        }
    }

    /// Adds the documents of a list, which must be below `docs`.
    pub fn insert_list(&mut self, bytes: &[u8], frequency: u32, docs: u32) -> Result<()> {
        let mut r = Reader::new(bytes);
        if !postings::is_bitmap(frequency, docs) {
            postings::read_list(&mut r, frequency, docs, |doc| self.insert(doc))?;
            return r.finish();
        }
        for doc in postings::decode(&mut r, frequency, docs)? {
            self.insert(doc);
        }
        r.finish()
    }

    /// Leaves those that stand in `bits` (`wanted`), or those that don't.
    pub fn sift(&mut self, bits: &[u8], wanted: bool) -> Result<()> {
        let short = || Error::corrupt("a posting bitmap is shorter than its documents");
        let flip = if wanted { 0 } else { u64::MAX };
        let (whole, rest) = bits.get(self.first * 8..).ok_or_else(short)?.as_chunks::<8>();
        if self.words.len() > whole.len() + usize::from(!rest.is_empty()) {
            return Err(short());
        }
        for (word, bits) in self.words.iter_mut().zip(whole) {
            *word &= u64::from_le_bytes(*bits) ^ flip;
        }
        if let Some(word) = self.words.get_mut(whole.len()) {
            let mut last = [0u8; 8];
            last[..rest.len()].copy_from_slice(rest);
            *word &= u64::from_le_bytes(last) ^ flip;
        }
        Ok(())
    }

    /// The same by a list of differences that is too short to be spread out.
    pub fn sift_list(&mut self, bytes: &[u8], frequency: u32, docs: u32, wanted: bool) -> Result<()> {
        let mut kept = if wanted { vec![0u64; self.words.len()] } else { Vec::new() };
        let mut r = Reader::new(bytes);
        postings::read_list(&mut r, frequency, docs, |doc| {
            let Some(nth) = (doc as usize / 64).checked_sub(self.first) else { return };
            let bit = 1u64 << (doc % 64);
            if let Some(word) = kept.get_mut(nth) {
                *word |= bit;
            } else if let Some(word) = self.words.get_mut(nth).filter(|_| !wanted) {
                *word &= !bit;
            }
        })?;
        for (word, kept) in self.words.iter_mut().zip(&kept) {
            *word &= kept;
        }
        r.finish()
    }

    /// How many are left.
    pub fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends what is left, ascending.
    pub fn push_to(&self, docs: &mut Vec<u32>) {
        docs.reserve(self.len() as usize);
        for (nth, word) in self.words.iter().enumerate() {
            let (first, mut left) = (((self.first + nth) * 64) as u32, *word);
            while left != 0 {
                docs.push(first + left.trailing_zeros());
                left &= left - 1;
            }
        }
    }

    /// What is left.
    pub fn into_docs(self) -> RoaringBitmap {
        let mut few = Vec::new();
        for (nth, word) in self.words.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                few.push(((self.first + nth) * 64) as u32 + left.trailing_zeros());
                left &= left - 1;
            }
            if few.len() > FEW {
                let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
                return RoaringBitmap::from_lsb0_bytes((self.first * 64) as u32, &bytes);
            }
        }
        RoaringBitmap::from_sorted_iter(few).unwrap_or_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A posting list as the differences of its documents.
    pub(in crate::index) fn differences(list: &BTreeSet<u32>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut next = 0;
        for doc in list {
            crate::codec::Write::put_varint(&mut bytes, u64::from(doc - next));
            next = doc + 1;
        }
        bytes
    }

    fn bits(list: &BTreeSet<u32>, docs: u32) -> Zeroizing<Vec<u8>> {
        spread(&differences(list), list.len() as u32, docs).unwrap()
    }

    proptest! {
        #[test]
        fn sifts_as_sets_do(docs in 1u32..9000, step in 1u32..9, seed: u32, from in 0u32..9000, len in 0u32..9000, wanted: bool) {
            let range = from.min(docs)..from.saturating_add(len).min(docs);
            let range = range.start..range.end.max(range.start);
            let list: BTreeSet<u32> =
                (0..docs).filter(|d| (d ^ seed).wrapping_mul(0x9e37_79b9) >> 16 & 7 < step).collect();
            let mut words = Words::all(range.clone());
            words.sift(&bits(&list, docs), wanted).unwrap();
            let mut listed = Words::all(range.clone());
            let count = list.len() as u32;
            listed.sift_list(&differences(&list), count, docs, wanted).unwrap();
            prop_assert_eq!(&listed.words, &words.words);
            let expected: RoaringBitmap = range.filter(|d| list.contains(d) == wanted).collect();
            prop_assert_eq!(words.into_docs(), expected);
        }

        #[test]
        fn any_bytes_sift_or_fail(bytes: Vec<u8>, frequency in 0u32..100, docs in 0u32..1000) {
            let _ = spread(&bytes, frequency, docs);
            let _ = Words::all(docs / 2..docs).sift(&bytes, true);
            let _ = Words::all(docs / 2..docs).sift_list(&bytes, frequency, docs, frequency % 2 == 0);
        }
    }

    #[test]
    fn keeps_a_bounded_number_and_forgets_all() {
        let kept = Spread::default();
        for place in 0..100 {
            kept.get(place, || Ok(Zeroizing::new(vec![1; 128]))).unwrap();
            assert!(kept.bytes() <= KEPT * 128);
        }
        let held = kept.get(99, || Err(Error::corrupt("it was kept"))).unwrap();
        let weak = Arc::downgrade(&held);
        drop(held);
        kept.clear();
        assert_eq!(kept.bytes(), 0);
        // Nobody holds it any more, so it was wiped.
        assert!(weak.upgrade().is_none());
    }
}
