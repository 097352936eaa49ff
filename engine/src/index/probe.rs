//! Conjunctions with a rare list: its documents are asked one by one.
//!
//! What the rarest list holds is read as it stands in the file, and each of the other lists is asked
//! for these documents only. A list of bits is asked where it stands. A list of differences has no
//! place to begin in its middle, so it is read once and kept as [`Sparse`]: by blocks of 256
//! documents the low bytes, an eighth of the bits or less for most lists.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::index::postings::{self, INLINE_MAX};

/// Where a conjunction reaches over `RARE` times the documents of its rarest list, or more, the
/// documents are asked one by one; below, words of 64 documents are quicker.
const RARE: u32 = 128;
/// Read behind the last number.
const PAD: usize = 8;

/// Whether a list is so short that its documents are asked one by one.
pub fn is_rare(frequency: u32, among: u32) -> bool {
    frequency <= INLINE_MAX || frequency <= among / RARE
}

/// A list of documents by blocks of 256; wiped on drop.
///
/// ```text
/// start u16 × (blocks + 1), little-endian │ low bytes, block after block │ 8 zeros
/// ```
pub struct Sparse {
    bytes: Zeroizing<Vec<u8>>,
    lows_at: usize,
}

impl Sparse {
    /// Whether a list can stand so.
    pub fn fits(frequency: u32) -> bool {
        u16::try_from(frequency).is_ok()
    }

    /// From a list of differences of `frequency` documents, all below `docs`.
    pub fn new(list: &[u8], frequency: u32, docs: u32) -> Result<Self> {
        let long = || Error::corrupt("a posting list is longer than its bytes");
        if !Self::fits(frequency) || frequency as usize > list.len() || frequency > docs {
            return Err(long());
        }
        let lows_at = 2 * (docs.div_ceil(256) as usize + 1);
        let mut bytes = Zeroizing::new(vec![0u8; lows_at + frequency as usize + PAD]);
        let (starts, lows) = bytes.split_at_mut(lows_at);
        let starts = starts.as_chunks_mut::<2>().0;
        let (mut n, mut block) = (0u16, 0usize);
        let mut r = Reader::new(list);
        postings::read_list(&mut r, frequency, docs, |doc| {
            let of = doc as usize / 256;
            while block < of {
                block += 1;
                starts[block] = n.to_le_bytes();
            }
            lows[usize::from(n)] = doc as u8;
            n += 1;
        })?;
        r.finish()?;
        for start in starts.iter_mut().skip(block + 1) {
            *start = n.to_le_bytes();
        }
        Ok(Self { bytes, lows_at })
    }

    /// Bytes that it takes.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the list has a document.
    pub fn has(&self, doc: u32) -> bool {
        let at = 2 * (doc as usize / 256);
        let (starts, lows) = self.bytes.split_at(self.lows_at);
        let Some([from, to]) = starts.get(at..at + 4).and_then(|two| two.as_chunks::<2>().0.first_chunk())
        else {
            return false;
        };
        let (mut from, to) = (usize::from(u16::from_le_bytes(*from)), usize::from(u16::from_le_bytes(*to)));
        // Eight at once: the lowest byte that becomes zero is where the number stands.
        const ONES: u64 = 0x0101_0101_0101_0101;
        let wanted = ONES * u64::from(doc as u8);
        while from < to {
            let Some(eight) = lows.get(from..).and_then(|rest| rest.first_chunk()) else { return false };
            let zero = u64::from_le_bytes(*eight) ^ wanted;
            let found = zero.wrapping_sub(ONES) & !zero & (ONES << 7);
            if found != 0 {
                return ((found.trailing_zeros() / 8) as usize) < to - from;
            }
            from += 8;
        }
        false
    }
}

/// Documents of a list of differences that lie in a range.
pub fn within(list: &[u8], frequency: u32, docs: u32, range: &Range<u32>) -> Result<Vec<u32>> {
    let mut found = Vec::with_capacity((frequency as usize).min(list.len()));
    let mut r = Reader::new(list);
    postings::read_list(&mut r, frequency, docs, |doc| {
        if range.contains(&doc) {
            found.push(doc);
        }
    })?;
    r.finish().map(|()| found)
}

/// Leaves those that `has` says yes to (`wanted`), or those that it says no to. No branch depends
/// on an answer.
pub fn sift(docs: &mut Vec<u32>, wanted: bool, has: impl Fn(u32) -> bool) {
    let mut left = 0;
    for nth in 0..docs.len() {
        let doc = docs[nth];
        docs[left] = doc;
        left += usize::from(has(doc) == wanted);
    }
    docs.truncate(left);
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
        fn has_what_the_list_has(docs in 1u32..70_000, list: BTreeSet<u16>, dense in 0u32..600, wanted: bool, from in 0u32..70_000, len in 0u32..70_000) {
            // Blocks with one number, with many, with none.
            let list: BTreeSet<u32> = list.into_iter().map(u32::from).chain(1_000..1_000 + dense).filter(|d| *d < docs).collect();
            let bytes = differences(&list);
            let sparse = Sparse::new(&bytes, list.len() as u32, docs).unwrap();
            let all: BTreeSet<u32> = (0..docs + 300).filter(|d| sparse.has(*d)).collect();
            prop_assert_eq!(&all, &list);
            let range = from..from.saturating_add(len);
            let mut found = within(&bytes, list.len() as u32, docs, &range).unwrap();
            prop_assert!(found.iter().copied().eq(list.iter().copied().filter(|d| range.contains(d))));
            let mut bits = vec![0u8; docs.div_ceil(8) as usize];
            list.iter().step_by(2).for_each(|d| bits[*d as usize / 8] |= 1 << (d % 8));
            let even: BTreeSet<u32> = list.iter().copied().step_by(2).collect();
            found.retain(|d| even.contains(d) == wanted);
            let mut sifted = within(&bytes, list.len() as u32, docs, &range).unwrap();
            sift_bits(&mut sifted, wanted, &bits).unwrap();
            prop_assert_eq!(sifted, found);
        }

        #[test]
        fn any_bytes_are_a_list_or_refused(bytes: Vec<u8>, frequency in 0u32..100, docs in 0u32..1000) {
            let range = docs / 3..docs;
            let _ = within(&bytes, frequency, docs, &range);
            if let Ok(sparse) = Sparse::new(&bytes, frequency, docs) {
                prop_assert_eq!((0..2 * docs).filter(|doc| sparse.has(*doc)).count(), frequency as usize);
            }
            let mut few: Vec<u32> = (0..docs).step_by(7).collect();
            let _ = sift_bits(&mut few, true, &bytes);
        }
    }
}
