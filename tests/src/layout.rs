//! Insides of opened objects, read from the format's description and not by the engine.

use std::collections::BTreeMap;

use crate::evidence::PAGE;

/// An entry of a block table.
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) r_block: [u8; 16],
    pub(crate) subjects: Vec<u64>,
}

/// The block tables (section 1, and its copy 2) of an index file from its opened pages.
pub(crate) fn blocks_of(pages: &BTreeMap<u64, &[u8]>) -> Vec<Block> {
    let tables = sections(pages, &[1, 2]).into_iter();
    tables.flat_map(|text| blocks(&text).unwrap_or_default()).collect()
}

/// The words in the dictionary (section 3) of an index file from its opened pages, as far as it can
/// be read.
pub(crate) fn words_of(pages: &BTreeMap<u64, &[u8]>) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for text in sections(pages, &[3]) {
        let _ = each_term(&text, |field, value| {
            if field == WORD {
                words.push(value.to_vec());
            }
        });
    }
    words
}

/// Number of the field of words.
const WORD: u8 = 7;
/// Longer lists of documents stand apart.
const INLINE_MAX: u64 = 32;
/// Terms from one restart to the next.
const RESTART: usize = 16;

/// count u32, an offset u32 for each restart, then per term: bytes shared with the one before, the
/// rest of it, number of documents, their list or its place; of a word how long its positions are,
/// doubled, with a bit that says whether one more number follows, and at a restart before that where they
/// begin.
fn each_term(text: &[u8], mut each: impl FnMut(u8, &[u8])) -> Option<()> {
    let (count, rest) = text.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    let mut rest = rest.get(4 * count.div_ceil(RESTART)..)?;
    let mut term: Vec<u8> = Vec::new();
    for n in 0..count {
        term.truncate(usize::try_from(varint(&mut rest)?).ok()?);
        term.extend_from_slice(slice(&mut rest)?);
        let (field, value) = term.split_first()?;
        each(*field, value);
        let documents = varint(&mut rest)?;
        let mut numbers = if documents <= INLINE_MAX { documents } else { 2 };
        if *field == WORD {
            numbers += if n.is_multiple_of(RESTART) { 2 } else { 1 };
        }
        let mut last = 0;
        for _ in 0..numbers {
            last = varint(&mut rest)?;
        }
        // How many documents of other kinds have the word, if any do.
        if *field == WORD && last % 2 == 1 {
            varint(&mut rest)?;
        }
    }
    Some(())
}

/// Those sections with these numbers of which every page was opened.
fn sections(pages: &BTreeMap<u64, &[u8]>, wanted: &[u8]) -> Vec<Vec<u8>> {
    let Some(front) = pages.get(&0) else { return Vec::new() };
    let mut out = Vec::new();
    let sections = u16::from_le_bytes([front[40], front[41]]);
    for at in (0..usize::from(sections)).map(|i| 42 + i * 17) {
        let Some(entry) = front.get(at..at + 17) else { break };
        let number = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap()) as usize;
        let (from, len) = (number(1), number(9));
        let text_len = PAGE - 56;
        if !wanted.contains(&entry[0]) || len > 1 << 30 {
            continue;
        }
        let text: Option<Vec<u8>> = (from..from.saturating_add(len))
            .map(|i| pages.get(&((i / text_len) as u64)).map(|p| p[i % text_len]))
            .collect();
        out.extend(text);
    }
    out
}

/// count u32, then per block: file u8, offset, length, r_block 16, class, expiry, subjects by gaps.
fn blocks(text: &[u8]) -> Option<Vec<Block>> {
    let (count, mut rest) = text.split_first_chunk::<4>()?;
    let mut out = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        rest = rest.get(1..)?;
        let (offset, len) = (varint(&mut rest)?, varint(&mut rest)?);
        let (r_block, tail) = rest.split_first_chunk::<16>()?;
        rest = tail;
        varint(&mut rest)?;
        varint(&mut rest)?;
        let mut number = 0u64;
        let mut subjects = Vec::new();
        for _ in 0..varint(&mut rest)? {
            number = number.wrapping_add(varint(&mut rest)?);
            subjects.push(number);
        }
        out.push(Block { offset, len: len as u32, r_block: *r_block, subjects });
    }
    Some(out)
}

/// method u8 (1 = LZ4), raw length u32, payload length u32, payload; as it is if it is not that.
pub(crate) fn unpack(text: &[u8]) -> Vec<u8> {
    let unpacked = || {
        let number = |at: usize| Some(u32::from_le_bytes(text.get(at..at + 4)?.try_into().ok()?) as usize);
        let payload = text.get(9..9 + number(5)?)?;
        match text.first()? {
            0 => Some(payload.to_vec()),
            1 => lz4_flex::block::decompress(payload, number(1)?.min(1 << 26)).ok(),
            _ => None,
        }
    };
    unpacked().unwrap_or_else(|| text.to_vec())
}

/// LEB128.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Bytes behind their length.
pub(crate) fn slice<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}
