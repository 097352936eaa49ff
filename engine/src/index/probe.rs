//! Conjunctions with a rare list: its documents are asked one by one.
//!
//! What the rarest list holds is read as it stands in the file, and each of the other lists is asked
//! for these documents only. A list of bits is asked where it stands. A list of differences has no
//! place to begin in its middle, so it is read once and kept as [`Sparse`]: bits without the bytes
//! that have none, a third of all of them for most lists. A list that is rare itself
//! is kept as plain numbers: nothing has to be read of it but what is compared.

use std::cell::Cell;

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::index::postings::{self, INLINE_MAX};

/// Where a conjunction reaches over `RARE` times the documents of its rarest list, or more, the
/// documents are asked one by one; below, words of 64 documents are quicker.
const RARE: u32 = 128;

/// Whether a list is so short that its documents are asked one by one.
pub fn is_rare(frequency: u32, among: u32) -> bool {
    frequency <= INLINE_MAX || frequency <= among / RARE
}

/// A list that conjunctions asked, as they ask it; wiped on drop.
pub enum List {
    /// A rare one: its documents, ascending.
    Docs(Zeroizing<Vec<u32>>),
    /// One that is not rare.
    Sparse(Sparse),
}

impl List {
    /// Whether a list of so many among `docs` documents can stand so.
    pub fn fits(frequency: u32, docs: u32) -> bool {
        is_rare(frequency, docs) || Sparse::fits(frequency)
    }

    /// From a list of differences of `frequency` documents, all below `docs`.
    pub fn new(list: &[u8], frequency: u32, docs: u32) -> Result<Self> {
        if is_rare(frequency, docs) {
            docs_of(list, frequency, docs).map(Self::Docs)
        } else {
            Sparse::new(list, frequency, docs).map(Self::Sparse)
        }
    }

    /// Bytes that it takes.
    pub fn bytes_len(&self) -> usize {
        match self {
            Self::Docs(docs) => size_of_val(docs.as_slice()),
            Self::Sparse(sparse) => sparse.bytes_len(),
        }
    }

    /// Leaves in the ascending `docs` those that stand in the list (`wanted`), or those that don't.
    pub fn sift(&self, docs: &mut Vec<u32>, wanted: bool) {
        match self {
            Self::Docs(list) => sift_docs(docs, wanted, list),
            Self::Sparse(list) => list.sift(docs, wanted),
        }
    }
}

/// A list as bits of which the bytes without any are left out; wiped on drop.
///
/// ```text
/// which bytes have bits, one bit each │ how many of them stand before, u16 each 64 │ these bytes
/// ```
///
/// Most documents that are asked are not in the list, and the first part says so of most of these:
/// an eighth of the bits, read in order.
pub struct Sparse {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the second part begins, and the third.
    sums_at: usize,
    bits_at: usize,
}

impl Sparse {
    /// Whether a list can stand so.
    pub fn fits(frequency: u32) -> bool {
        u16::try_from(frequency).is_ok()
    }

    /// From a list of differences of `frequency` documents, all below `docs`.
    pub fn new(list: &[u8], frequency: u32, docs: u32) -> Result<Self> {
        if !Self::fits(frequency) || frequency as usize > list.len() || frequency > docs {
            return Err(Error::corrupt("a posting list is longer than its bytes"));
        }
        let words = docs.div_ceil(8 * 64) as usize;
        let (sums_at, bits_at) = (8 * words, 10 * words);
        let mut bytes = Zeroizing::new(vec![0u8; bits_at + frequency as usize]);
        let (first, rest) = bytes.split_at_mut(sums_at);
        let (sums, bits) = rest.split_at_mut(2 * words);
        let (mut n, mut last) = (0, None);
        let mut r = Reader::new(list);
        postings::read_list(&mut r, frequency, docs, |doc| {
            let nth = doc as usize / 8;
            if last != Some(nth) {
                first[nth / 8] |= 1 << (nth % 8);
                (n, last) = (n + 1, Some(nth));
            }
            bits[n - 1] |= 1 << (doc % 8);
        })?;
        r.finish()?;
        bytes_before(first, sums);
        let mut sparse = Self { bytes, sums_at, bits_at };
        sparse.bytes.truncate(bits_at + n);
        Ok(sparse)
    }

    /// Bytes that it takes.
    pub fn bytes_len(&self) -> usize {
        self.bytes.capacity()
    }

    /// Leaves in the ascending `docs` those that stand in the list (`wanted`), or those that don't.
    pub fn sift(&self, docs: &mut Vec<u32>, wanted: bool) {
        let (first, _) = self.bytes.split_at(self.sums_at);
        let near = |doc: u32| first.get(doc as usize / 64).is_some_and(|b| b >> (doc / 8 % 8) & 1 == 1);
        if wanted {
            sift(docs, true, near);
            sift(docs, true, |doc| self.has(doc));
        } else {
            sift(docs, false, |doc| near(doc) && self.has(doc));
        }
    }

    /// Whether the list has a document.
    pub fn has(&self, doc: u32) -> bool {
        let (first, rest) = self.bytes.split_at(self.sums_at);
        let (sums, bits) = rest.split_at(self.bits_at - self.sums_at);
        let (at, nth) = (doc as usize / (8 * 64), doc / 8 % 64);
        let (Some(word), Some(sum)) = (first.as_chunks().0.get(at), sums.as_chunks().0.get(at)) else {
            return false;
        };
        let word = u64::from_le_bytes(*word);
        let before = u32::from(u16::from_le_bytes(*sum)) + (word & ((1 << nth) - 1)).count_ones();
        // Where the byte was left out, the one behind it stands there.
        word >> nth & 1 == 1 && bits.get(before as usize).is_some_and(|b| b >> (doc % 8) & 1 == 1)
    }
}

/// How many bits are set before each word of 64.
fn bytes_before(words: &[u8], sums: &mut [u8]) {
    let mut sum = 0u16;
    for (word, place) in words.as_chunks().0.iter().zip(sums.as_chunks_mut().0) {
        *place = sum.to_le_bytes();
        sum = sum.wrapping_add(u64::from_le_bytes(*word).count_ones() as u16);
    }
}

/// Documents of a list of differences.
fn docs_of(list: &[u8], frequency: u32, docs: u32) -> Result<Zeroizing<Vec<u32>>> {
    let mut found = Zeroizing::new(Vec::with_capacity((frequency as usize).min(list.len())));
    let mut r = Reader::new(list);
    postings::read_list(&mut r, frequency, docs, |doc| found.push(doc))?;
    r.finish().map(|()| found)
}

/// Leaves those that `has` says yes to (`wanted`), or those that it says no to. No branch depends
/// on an answer.
pub fn sift(docs: &mut Vec<u32>, wanted: bool, mut has: impl FnMut(u32) -> bool) {
    let all = Cell::from_mut(docs.as_mut_slice()).as_slice_of_cells();
    let mut left = 0;
    for doc in all {
        all[left].set(doc.get());
        left += usize::from(has(doc.get()) == wanted);
    }
    docs.truncate(left);
}

/// The same by another ascending list, in strides that double.
pub fn sift_docs(docs: &mut Vec<u32>, wanted: bool, list: &[u32]) {
    let mut rest = list;
    sift(docs, wanted, |doc| {
        let mut stride = 1;
        while rest.get(stride).is_some_and(|d| *d < doc) {
            rest = rest.get(stride..).unwrap_or_default();
            stride *= 2;
        }
        let near = rest.get(..=stride).unwrap_or(rest);
        let below = near.iter().take_while(|d| **d < doc).count();
        rest = rest.get(below..).unwrap_or_default();
        rest.first() == Some(&doc)
    });
}

/// The same by a list of bits.
pub fn sift_bits(docs: &mut Vec<u32>, wanted: bool, bits: &[u8]) -> Result<()> {
    if docs.last().is_some_and(|last| *last as usize / 8 >= bits.len()) {
        return Err(Error::corrupt("a posting bitmap is shorter than its documents"));
    }
    sift(docs, wanted, |doc| bits.get(doc as usize / 8).is_some_and(|byte| byte >> (doc % 8) & 1 == 1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::dense::tests::differences;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn has_what_the_list_has(docs in 1u32..70_000, list: BTreeSet<u16>, dense in 0u32..600, wanted: bool, from in 0u32..70_000) {
            // Bytes with one bit, with many, with none.
            let list: BTreeSet<u32> = list.into_iter().map(u32::from).chain(1_000..1_000 + dense).filter(|d| *d < docs).collect();
            let bytes = differences(&list);
            let sparse = Sparse::new(&bytes, list.len() as u32, docs).unwrap();
            let all: BTreeSet<u32> = (0..docs + 1_000).filter(|d| sparse.has(*d)).collect();
            prop_assert_eq!(&all, &list);
            // Either form of a list, asked by every document and by some.
            for kept in [List::Sparse(sparse), List::Docs(Zeroizing::new(list.iter().copied().collect()))] {
                for step in [1, 3, 1_000] {
                    let asked: Vec<u32> = (from % 3..docs + 1_000).step_by(step).collect();
                    let mut sifted = asked.clone();
                    kept.sift(&mut sifted, wanted);
                    let truth: Vec<u32> = asked.into_iter().filter(|d| list.contains(d) == wanted).collect();
                    prop_assert_eq!(sifted, truth);
                }
            }
            let mut found = docs_of(&bytes, list.len() as u32, docs).unwrap();
            prop_assert!(found.iter().copied().eq(list.iter().copied()));
            let mut bits = vec![0u8; docs.div_ceil(8) as usize];
            list.iter().step_by(2).for_each(|d| bits[*d as usize / 8] |= 1 << (d % 8));
            let even: BTreeSet<u32> = list.iter().copied().step_by(2).collect();
            found.retain(|d| even.contains(d) == wanted);
            let mut sifted = docs_of(&bytes, list.len() as u32, docs).unwrap();
            sift_bits(&mut sifted, wanted, &bits).unwrap();
            prop_assert_eq!(sifted, found);
        }

        #[test]
        fn any_bytes_are_a_list_or_refused(bytes: Vec<u8>, frequency in 0u32..100, docs in 0u32..1000) {
            let _ = docs_of(&bytes, frequency, docs);
            if let Ok(sparse) = Sparse::new(&bytes, frequency, docs) {
                prop_assert_eq!((0..2 * docs).filter(|doc| sparse.has(*doc)).count(), frequency as usize);
            }
            let mut few: Vec<u32> = (0..docs).step_by(7).collect();
            let _ = sift_bits(&mut few, true, &bytes);
        }
    }
}
