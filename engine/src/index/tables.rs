//! Sections of an index about its blocks and documents: the block table, times, log positions,
//! places, and the table of ids. What reads the columns back is `sections.rs`.

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::id::PersonNumber;
use crate::index::column;
use crate::index::data::DocEntry;
use crate::index::filter::IdFilter;
use crate::segment::BlockRef;

/// Bytes of a block in the table, at least.
const BLOCK_LEN_MIN: usize = 22;

/// count u32 │ { file u8 │ varint offset │ varint length │ r_block 16 │ varint class │ varint expiry
/// │ varint subjects │ varint differences … } …
pub fn encode_blocks(blocks: &[BlockRef]) -> Zeroizing<Vec<u8>> {
    let bound = blocks.iter().map(|b| 52 + 10 * b.subjects.len()).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(4 + bound));
    out.put_u32(blocks.len() as u32);
    for block in blocks {
        out.put_u8(block.file);
        out.put_varint(block.offset);
        out.put_varint(u64::from(block.len));
        out.put_bytes(&*block.r_block);
        out.put_varint(u64::from(block.class));
        out.put_varint(u64::from(block.expiry));
        out.put_varint(block.subjects.len() as u64);
        let mut before = 0;
        for person in &block.subjects {
            out.put_varint(person.0.wrapping_sub(before));
            before = person.0;
        }
    }
    out
}

/// Reads a block table.
pub fn decode_blocks(bytes: &[u8]) -> Result<Vec<BlockRef>> {
    let mut r = Reader::new(bytes);
    let blocks = read_blocks(&mut r)?;
    r.finish()?;
    Ok(blocks)
}

/// Reads a block table and leaves what stands behind it.
pub fn read_blocks(r: &mut Reader<'_>) -> Result<Vec<BlockRef>> {
    let count = r.u32()? as usize;
    if count > r.remaining() / BLOCK_LEN_MIN {
        return Err(Error::corrupt("more blocks than bytes"));
    }
    let mut blocks = Vec::with_capacity(count);
    for _ in 0..count {
        let file = r.u8()?;
        let offset = r.varint()?;
        let len = r.count(u32::MAX as usize)? as u32;
        let r_block = Zeroizing::new(r.array()?);
        let class = r.count(u32::MAX as usize)? as u32;
        let expiry = r.count(u32::MAX as usize)? as u32;
        let mut subjects = Vec::with_capacity(r.clone().count(r.remaining())?);
        let mut before = 0u64;
        for _ in 0..r.count(r.remaining())? {
            before = before.wrapping_add(r.varint()?);
            subjects.push(PersonNumber(before));
        }
        blocks.push(BlockRef { file, offset, len, r_block, subjects, class, expiry });
    }
    Ok(blocks)
}

/// Classes of the blocks in a block table.
pub fn decode_classes(bytes: &[u8]) -> Result<Zeroizing<Vec<u32>>> {
    let mut r = Reader::new(bytes);
    let count = r.u32()? as usize;
    if count > r.remaining() / BLOCK_LEN_MIN {
        return Err(Error::corrupt("more blocks than bytes"));
    }
    let mut classes = Zeroizing::new(Vec::with_capacity(count));
    for _ in 0..count {
        r.u8()?;
        r.varint()?;
        r.count(u32::MAX as usize)?;
        r.bytes(16)?;
        classes.push(r.count(u32::MAX as usize)? as u32);
        r.count(u32::MAX as usize)?;
        for _ in 0..r.count(r.remaining())? {
            r.varint()?;
        }
    }
    r.finish()?;
    Ok(classes)
}

/// A column of event times.
pub fn encode_times(docs: &[DocEntry]) -> Zeroizing<Vec<u8>> {
    let times = || docs.iter().map(|d| d.time.0);
    let (min, max) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut out = Zeroizing::new(Vec::with_capacity(column::HEADER_LEN + 8 * docs.len()));
    column::encode(&mut out, min as u64, max as u64, times().map(|t| t as u64));
    out
}

/// A column of numbers of words.
pub fn encode_lengths(docs: &[DocEntry]) -> Zeroizing<Vec<u8>> {
    let lengths = || docs.iter().map(|d| u64::from(d.words));
    let (min, max) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let mut out = Zeroizing::new(Vec::with_capacity(column::HEADER_LEN + 8 * docs.len()));
    column::encode(&mut out, min, max, lengths());
    out
}

/// A column of log positions.
pub fn encode_seqs(docs: &[DocEntry]) -> Zeroizing<Vec<u8>> {
    let seqs = || docs.iter().map(|d| d.seq.0);
    let (min, max) = (seqs().min().unwrap_or(0), seqs().max().unwrap_or(0));
    let mut out = Zeroizing::new(Vec::with_capacity(column::HEADER_LEN + 8 * docs.len()));
    column::encode(&mut out, min, max, seqs());
    out
}

/// A column of blocks, then a column of slots.
pub fn encode_locations(docs: &[DocEntry]) -> Zeroizing<Vec<u8>> {
    let blocks = || docs.iter().map(|d| u64::from(d.at.block));
    let slots = || docs.iter().map(|d| u64::from(d.at.slot));
    let mut out = Zeroizing::new(Vec::with_capacity(2 * column::HEADER_LEN + 6 * docs.len()));
    column::encode(&mut out, 0, blocks().max().unwrap_or(0), blocks());
    column::encode(&mut out, 0, slots().max().unwrap_or(0), slots());
    out
}

/// { id hash u32 │ conversation hash u32 │ document } sorted; the document as wide as the last needs.
pub fn encode_ids(docs: &[DocEntry]) -> (Zeroizing<Vec<u8>>, IdFilter) {
    let ids = docs.iter().zip(0..).map(|(d, n)| (d.id_hash, d.conv_hash, n));
    let mut ids: Zeroizing<Vec<(u32, u32, u32)>> = Zeroizing::new(ids.collect());
    ids.sort_unstable();
    let width = ids_width(docs.len() as u32);
    let mut out = Zeroizing::new(Vec::with_capacity(ids.len() * (8 + width)));
    for (id, conversation, doc) in ids.iter() {
        out.put_u32(*id);
        out.put_u32(*conversation);
        out.put_bytes(&doc.to_le_bytes()[..width]);
    }
    let filter = IdFilter::build(ids.len(), ids.iter().map(|(id, conversation, _)| (*id, *conversation)));
    (out, filter)
}

/// Bytes of a document number in the table of ids.
pub fn ids_width(docs: u32) -> usize {
    column::width_of(u64::from(docs.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_blocks_or_neither_is_read() {
        let block = |n: u32| BlockRef {
            file: n as u8,
            offset: u64::from(n) * 8192,
            len: n * 300,
            r_block: Zeroizing::new([n as u8; 16]),
            subjects: (0..u64::from(n % 4)).map(|i| PersonNumber(i * 1000 + 7)).collect(),
            class: n * n * 77,
            expiry: n % 3 * 70_000,
        };
        let blocks: Vec<_> = (0..40).map(block).collect();
        let bytes = encode_blocks(&blocks);
        let classes: Vec<u32> = blocks.iter().map(|block| block.class).collect();
        assert_eq!(**decode_classes(&bytes).unwrap(), classes);
        for len in 0..bytes.len() {
            assert!(decode_classes(&bytes[..len]).is_err() && decode_blocks(&bytes[..len]).is_err(), "{len}");
        }
        let mut wrong = bytes.to_vec();
        for at in 0..wrong.len() {
            wrong[at] ^= 0x80;
            let read = decode_blocks(&wrong).map(|blocks| blocks.iter().map(|b| b.class).collect::<Vec<_>>());
            assert_eq!(decode_classes(&wrong).ok().map(|classes| classes.to_vec()), read.ok(), "{at}");
            wrong[at] ^= 0x80;
        }
    }
}
