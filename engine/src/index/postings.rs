//! A list of documents: varint differences, or one bit a document where the term is frequent.
//!
//! The choice follows the segment's size, not a fixed number: with a fixed threshold an AND over
//! many small segments becomes several times slower.

use roaring::RoaringBitmap;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};

/// Lists up to this many documents stand in the dictionary itself.
pub const INLINE_MAX: u32 = 32;

/// Whether a list of `frequency` among `docs` documents is a bitmap.
pub fn is_bitmap(frequency: u32, docs: u32) -> bool {
    frequency > INLINE_MAX && frequency >= docs.div_ceil(8)
}

/// Appends an ascending list.
pub fn encode(out: &mut Vec<u8>, list: &[u32], docs: u32) {
    if is_bitmap(list.len() as u32, docs) {
        let from = out.len();
        out.resize(from + (docs as usize).div_ceil(8), 0);
        for doc in list {
            out[from + *doc as usize / 8] |= 1 << (doc % 8);
        }
        return;
    }
    let mut next = 0;
    for doc in list {
        out.put_varint(u64::from(doc - next));
        next = doc + 1;
    }
}

/// Reads a list of `frequency` documents, all below `docs`; takes exactly its bytes.
pub fn decode(r: &mut Reader<'_>, frequency: u32, docs: u32) -> Result<RoaringBitmap> {
    if is_bitmap(frequency, docs) {
        let map = RoaringBitmap::from_lsb0_bytes(0, r.bytes((docs as usize).div_ceil(8))?);
        if map.len() != u64::from(frequency) || map.max().is_some_and(|m| m >= docs) {
            return Err(Error::corrupt("a posting bitmap does not fit its count"));
        }
        return Ok(map);
    }
    let list = decode_list(r, frequency, docs)?;
    RoaringBitmap::from_sorted_iter(list).map_err(|_| Error::corrupt("a posting list is not ascending"))
}

/// Of the ascending `docs` those that stand in the list in `bytes` (`wanted`), or those that
/// don't. The list is read as far as `docs` reaches and no bitmap of it is made.
pub fn sift(
    bytes: &[u8],
    frequency: u32,
    docs: u32,
    wanted: bool,
    of: &RoaringBitmap,
) -> Result<RoaringBitmap> {
    let mut left = Vec::with_capacity(of.len() as usize);
    if is_bitmap(frequency, docs) {
        for doc in of {
            let byte = bytes.get(doc as usize / 8).ok_or_else(beyond)?;
            if (byte >> (doc % 8) & 1 == 1) == wanted {
                left.push(doc);
            }
        }
    } else {
        sift_list(bytes, frequency, docs, of.iter(), |doc, found| {
            if found == wanted {
                left.push(doc);
            }
        })?;
    }
    RoaringBitmap::from_sorted_iter(left).map_err(|_| Error::corrupt("documents are not ascending"))
}

/// Says of each of the ascending `docs` whether it stands in a list of differences.
pub fn sift_list(
    bytes: &[u8],
    frequency: u32,
    docs: u32,
    of: impl Iterator<Item = u32>,
    mut each: impl FnMut(u32, bool),
) -> Result<()> {
    if frequency as usize > bytes.len() || frequency > docs {
        return Err(beyond());
    }
    let mut rest = bytes;
    let (mut unread, mut here, mut next) = (frequency, None, 0u64);
    for doc in of {
        while here.is_none_or(|h| h < u64::from(doc)) && unread > 0 {
            let at = difference(&mut rest)?.checked_add(next).filter(|at| *at < u64::from(docs));
            let at = at.ok_or_else(beyond)?;
            (here, next) = (Some(at), at + 1);
            unread -= 1;
        }
        each(doc, here == Some(u64::from(doc)));
    }
    Ok(())
}

/// Tells of each of the ascending `docs` that stands in a list which document of the list it is,
/// from 0: its place in `docs`, then that in the list.
pub fn ranks(
    bytes: &[u8],
    frequency: u32,
    docs: u32,
    of: &[u32],
    mut each: impl FnMut(usize, u32),
) -> Result<()> {
    if !is_bitmap(frequency, docs) {
        let (mut r, mut place, mut n) = (Reader::new(bytes), 0, 0);
        return read_list(&mut r, frequency, docs, |doc| {
            while of.get(n).is_some_and(|wanted| *wanted < doc) {
                n += 1;
            }
            if of.get(n) == Some(&doc) {
                each(n, place);
            }
            place += 1;
        });
    }
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut words =
        whole.iter().chain((!rest.is_empty()).then_some(&last)).map(|word| u64::from_le_bytes(*word));
    // The word of 64 documents that was read last, how many words were, and what stood before it.
    let (mut word, mut read, mut before) = (0u64, 0, 0u32);
    for (n, doc) in of.iter().enumerate() {
        while read <= doc / 64 {
            before += word.count_ones();
            word = words.next().ok_or_else(beyond)?;
            read += 1;
        }
        if word >> (doc % 64) & 1 == 1 {
            each(n, before + (word & ((1 << (doc % 64)) - 1)).count_ones());
        }
    }
    Ok(())
}

fn beyond() -> Error {
    Error::corrupt("a posting list is longer than its bytes")
}

/// One difference; most are small.
fn difference(bytes: &mut &[u8]) -> Result<u64> {
    if let [small @ 0..=0x7f, rest @ ..] = *bytes {
        *bytes = rest;
        return Ok(u64::from(*small));
    }
    let mut r = Reader::new(bytes);
    let value = r.varint()?;
    *bytes = r.tail();
    Ok(value)
}

/// Reads a list as numbers.
pub fn decode_vec(r: &mut Reader<'_>, frequency: u32, docs: u32) -> Result<Vec<u32>> {
    if is_bitmap(frequency, docs) {
        return Ok(decode(r, frequency, docs)?.into_iter().collect());
    }
    decode_list(r, frequency, docs)
}

/// Reads a list as numbers into `list`, which is emptied before.
pub fn decode_into(r: &mut Reader<'_>, frequency: u32, docs: u32, list: &mut Vec<u32>) -> Result<()> {
    list.clear();
    if is_bitmap(frequency, docs) {
        list.extend(decode(r, frequency, docs)?);
        return Ok(());
    }
    read_list(r, frequency, docs, |doc| list.push(doc))
}

/// Passes over a list of differences.
pub fn skip(r: &mut Reader<'_>, frequency: u32) -> Result<()> {
    r.skip_varints(frequency as usize)
}

fn decode_list(r: &mut Reader<'_>, frequency: u32, docs: u32) -> Result<Vec<u32>> {
    let mut list = Vec::with_capacity((frequency as usize).min(r.remaining()));
    read_list(r, frequency, docs, |doc| list.push(doc))?;
    Ok(list)
}

/// Calls `each` with the documents of a list of differences, in order.
pub(crate) fn read_list(
    r: &mut Reader<'_>,
    frequency: u32,
    docs: u32,
    mut each: impl FnMut(u32),
) -> Result<()> {
    if frequency as usize > r.remaining() || frequency > docs {
        return Err(Error::corrupt("a posting list is longer than its bytes"));
    }
    let mut next = 0u64;
    for _ in 0..frequency {
        let doc = r.varint()?.checked_add(next).filter(|d| *d < u64::from(docs));
        let doc = doc.ok_or_else(|| Error::corrupt("a posting is over the number of documents"))?;
        each(doc as u32);
        next = doc + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn round_trip(docs in 1u32..3000, share in 1u32..40, seed: u64) {
            let list: Vec<u32> = (0..docs)
                .filter(|d| (u64::from(*d) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 0xff < u64::from(share) * 6)
                .collect::<BTreeSet<_>>().into_iter().collect();
            let mut out = Vec::new();
            encode(&mut out, &list, docs);
            let mut r = Reader::new(&out);
            prop_assert_eq!(decode(&mut r, list.len() as u32, docs).unwrap(), list.iter().copied().collect::<RoaringBitmap>());
            r.finish().unwrap();
            prop_assert_eq!(decode_vec(&mut Reader::new(&out), list.len() as u32, docs).unwrap(), list.clone());
            let of: RoaringBitmap = (0..docs).filter(|d| (u64::from(*d) + seed) % 7 == 0).collect();
            let map: RoaringBitmap = list.iter().copied().collect();
            let sifted = |wanted| sift(&out, list.len() as u32, docs, wanted, &of).unwrap();
            prop_assert_eq!(sifted(true), &of & &map);
            prop_assert_eq!(sifted(false), &of - &map);
            let of: Vec<u32> = of.iter().collect();
            let mut ranked = Vec::new();
            ranks(&out, list.len() as u32, docs, &of, |n, rank| ranked.push((n, rank))).unwrap();
            let place = |doc: &u32| list.binary_search(doc).ok().map(|place| place as u32);
            let wanted: Vec<_> = of.iter().enumerate().filter_map(|(n, doc)| Some((n, place(doc)?))).collect();
            prop_assert_eq!(ranked, wanted);
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes: Vec<u8>, frequency in 0u32..100, docs in 0u32..1000) {
            if let Ok(map) = decode(&mut Reader::new(&bytes), frequency, docs) {
                prop_assert_eq!(map.len(), u64::from(frequency));
                prop_assert!(map.max().is_none_or(|m| m < docs));
            }
            let of: RoaringBitmap = (0..1000).step_by(3).collect();
            let _ = ranks(&bytes, frequency, docs, &of.iter().collect::<Vec<_>>(), |_, _| ());
            for wanted in [true, false] {
                if let Ok(left) = sift(&bytes, frequency, docs, wanted, &of) {
                    prop_assert!(left.is_subset(&of));
                }
            }
        }
    }
}
