//! One body block: records that share subjects, retention class and expiry month.
//!
//! ```text
//! records   varint count │ { varint seq │ salt 16 │ varint length │ canonical bytes } …
//! text      method u8 │ raw length u32 │ payload length u32 │ payload │ zeros up to 32·k bytes
//! on disk   seal 48 │ ciphertext of the text
//! ```
//!
//! Compression sees one group of subjects only, so a length never mixes two people's texts.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::crypto::{ALGORITHM, Label, OneTime, SEAL_LEN, Seal, derive};
use crate::error::{Error, Result};
use crate::id::{FileId, PersonNumber, Seq, StoreId};

/// Version of the body format.
pub const VERSION: u8 = 1;
/// A block is closed before its records grow over this many bytes.
pub const RAW_TARGET: usize = 8 * 1024;
/// No block holds more than this: one largest record and its frame.
pub const RAW_MAX: usize = 16 * 1024 * 1024;
/// Texts are padded to a multiple of this.
const PADDING: usize = 32;
/// Method, raw length, payload length.
const TEXT_HEADER_LEN: usize = 1 + 4 + 4;
/// An LZ4 sequence expands no byte to more than this (LZ4 block format, match lengths).
const EXPANSION_MAX: usize = 256;

/// What the index knows of a block.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockRef {
    /// Which body file of the segment.
    pub file: u8,
    /// Where the block begins in the file.
    pub offset: u64,
    /// Bytes on disk, seal included.
    pub len: u32,
    /// The second lock.
    pub r_block: Zeroizing<[u8; 16]>,
    /// Whose keys are the first lock, ascending.
    pub subjects: Vec<PersonNumber>,
    /// Retention class.
    pub class: u32,
    /// Reserved: month of expiry; 0 = none.
    pub expiry: u32,
}

/// Where a sealed block stands; all of it goes into the associated data.
#[derive(Clone, Copy)]
pub struct BlockPlace {
    /// The store.
    pub store: StoreId,
    /// The body file.
    pub file: FileId,
    /// Where the block begins.
    pub offset: u64,
}

/// One record of an open block.
pub struct BlockRecord<'a> {
    /// Log position.
    pub seq: Seq,
    /// Salt of the record's leaf.
    pub salt: [u8; 16],
    /// Canonical bytes.
    pub canonical: &'a [u8],
}

/// Collects the records of a block.
pub struct BlockBuilder {
    count: u16,
    records: Zeroizing<Vec<u8>>,
}

/// A block's records in clear; wiped on drop.
pub struct OpenBlock {
    raw: Zeroizing<Vec<u8>>,
    records: Vec<(Seq, usize, Range<usize>)>,
}

/// Turns raw records into padded texts; keeps the compressor's table between blocks.
#[derive(Default)]
pub struct Compressor {
    table: lz4_flex::block::CompressTable,
}

impl BlockBuilder {
    /// An empty block.
    pub fn new() -> Self {
        Self { count: 0, records: Zeroizing::default() }
    }

    /// Whether a record of `len` canonical bytes still goes in. An empty block takes any record.
    pub fn has_room(&self, len: usize) -> bool {
        self.count == 0 || (self.count < u16::MAX && self.records.len() + len + 40 <= RAW_TARGET)
    }

    /// Adds a record and answers its slot.
    pub fn add(&mut self, seq: Seq, salt: &[u8; 16], canonical: &[u8]) -> Result<u16> {
        if self.records.len() + canonical.len() > RAW_MAX - 64 {
            return Err(Error::invalid(format!("a record is over {RAW_MAX} bytes")));
        }
        self.reserve(canonical.len() + 40);
        self.records.put_varint(seq.0);
        self.records.put_bytes(salt);
        self.records.put_slice(canonical);
        let slot = self.count;
        self.count += 1;
        Ok(slot)
    }

    /// The records behind their count.
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        let mut raw = Zeroizing::new(Vec::with_capacity(self.records.len() + 3));
        raw.put_varint(u64::from(self.count));
        raw.put_bytes(&self.records);
        raw
    }

    /// Grows by hand, for a vector that grows by itself leaves its plaintext behind.
    fn reserve(&mut self, more: usize) {
        if self.records.capacity() - self.records.len() < more {
            let room = (self.records.len() + more).max(self.records.capacity() * 2);
            let mut wider = Zeroizing::new(Vec::with_capacity(room));
            wider.extend_from_slice(&self.records);
            self.records = wider;
        }
    }
}

impl Default for BlockBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor {
    /// The padded text of raw records.
    pub fn text(&mut self, raw: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let mut packed = Zeroizing::new(vec![0u8; lz4_flex::block::get_maximum_output_size(raw.len())]);
        // The kept table serves small blocks only: it would change its kind at a large one, and
        // with it the sizes of other people's blocks behind.
        let packed_len = if raw.len() < usize::from(u16::MAX) {
            lz4_flex::block::compress_into_with_table(raw, &mut packed, &mut self.table)
        } else {
            lz4_flex::block::compress_into(raw, &mut packed)
        }
        .map_err(|_| Error::invalid("a body block can't be compressed"))?;
        let (method, payload) =
            if packed_len < raw.len() { (Method::Lz4, &packed[..packed_len]) } else { (Method::Stored, raw) };
        let len = (TEXT_HEADER_LEN + payload.len()).next_multiple_of(PADDING);
        let mut text = Zeroizing::new(Vec::with_capacity(len));
        text.put_u8(method as u8);
        text.put_u32(len_u32(raw.len())?);
        text.put_u32(len_u32(payload.len())?);
        text.put_bytes(payload);
        text.resize(len, 0);
        Ok(text)
    }
}

impl OpenBlock {
    /// Reads a text; any bytes are fine.
    pub fn decode(text: &[u8]) -> Result<Self> {
        let mut r = Reader::new(text);
        let method = Method::try_from(r.u8()?)?;
        let raw_len = r.u32()? as usize;
        let payload_len = r.u32()? as usize;
        let payload = r.bytes(payload_len)?;
        if text.len() != (TEXT_HEADER_LEN + payload_len).next_multiple_of(PADDING)
            || r.tail().iter().any(|b| *b != 0)
        {
            return Err(Error::corrupt("padding of a body block is wrong"));
        }
        if raw_len > RAW_MAX || raw_len > payload_len.saturating_mul(EXPANSION_MAX) {
            return Err(Error::corrupt("length of a body block is over its limit"));
        }
        let mut raw = Zeroizing::new(vec![0u8; raw_len]);
        match method {
            Method::Stored if payload_len == raw_len => raw.copy_from_slice(payload),
            Method::Lz4 if lz4_flex::block::decompress_into(payload, &mut raw).ok() == Some(raw_len) => {}
            _ => return Err(Error::corrupt("payload of a body block does not fit its length")),
        }
        let records = Self::split(&raw)?;
        Ok(Self { raw, records })
    }

    /// Bytes that it takes in memory, about.
    pub fn memory(&self) -> usize {
        self.raw.len() + self.records.len() * size_of::<(Seq, usize, Range<usize>)>() + 128
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record of a slot.
    pub fn get(&self, slot: u16) -> Option<BlockRecord<'_>> {
        let (seq, salt_at, range) = self.records.get(usize::from(slot))?;
        let mut salt = [0; 16];
        salt.copy_from_slice(self.raw.get(*salt_at..*salt_at + 16)?);
        Some(BlockRecord { seq: *seq, salt, canonical: self.raw.get(range.clone())? })
    }

    /// The records in order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = BlockRecord<'_>> {
        (0..self.records.len()).filter_map(|slot| self.get(u16::try_from(slot).ok()?))
    }

    fn split(raw: &[u8]) -> Result<Vec<(Seq, usize, Range<usize>)>> {
        let mut r = Reader::new(raw);
        // A record takes 18 bytes at least.
        let count = r.count((raw.len() / 18).min(usize::from(u16::MAX)))?;
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let seq = Seq(r.varint()?);
            let salt_at = r.position();
            r.array::<16>()?;
            let len = r.slice()?.len();
            records.push((seq, salt_at, r.position() - len..r.position()));
        }
        r.finish()?;
        Ok(records)
    }
}

/// Seals a text in place.
pub fn seal(
    place: BlockPlace,
    subject_keys: &[&[u8; 32]],
    r_block: &[u8; 16],
    text: &mut [u8],
) -> Result<Seal> {
    key(place, subject_keys, r_block, text.len()).seal(text)
}

/// Opens a block in place: `bytes` are seal and ciphertext; answers the text.
pub fn open<'a>(
    place: BlockPlace,
    subject_keys: &[&[u8; 32]],
    r_block: &[u8; 16],
    bytes: &'a mut [u8],
) -> Result<&'a [u8]> {
    let Some((seal, text)) = bytes.split_first_chunk_mut::<SEAL_LEN>() else {
        return Err(Error::corrupt("a body block is shorter than its seal"));
    };
    key(place, subject_keys, r_block, text.len()).open(seal, text)?;
    Ok(text)
}

/// The one wrong bit of seal and text, if turning it makes the block open.
pub(super) fn wrong_bit(
    place: BlockPlace,
    subject_keys: &[&[u8; 32]],
    r_block: &[u8; 16],
    seal: &Seal,
    text: &[u8],
) -> Option<usize> {
    key(place, subject_keys, r_block, text.len()).wrong_bit(seal, text)
}

/// Both locks go in as secrets; place and padded length as associated data.
fn key(place: BlockPlace, subject_keys: &[&[u8; 32]], r_block: &[u8; 16], len: usize) -> OneTime {
    let mut secrets: Vec<&[u8]> = Vec::with_capacity(subject_keys.len() + 1);
    secrets.extend(subject_keys.iter().map(|k| k.as_slice()));
    secrets.push(r_block);
    let mut aad = Vec::with_capacity(64);
    aad.put_bytes(b"body");
    aad.put_u8(VERSION);
    aad.put_u8(ALGORITHM);
    aad.put_bytes(&place.store.0);
    aad.put_bytes(&place.file.0);
    aad.put_u64(place.offset);
    aad.put_u64(len as u64);
    derive(Label::Body, &secrets, &[], &aad)
}

fn len_u32(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::invalid("a body block is over 4 GiB"))
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Method {
    Stored = 0,
    Lz4 = 1,
}

impl TryFrom<u8> for Method {
    type Error = Error;

    fn try_from(v: u8) -> Result<Self> {
        match v {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Lz4),
            _ => Err(Error::newer(format!("compression method {v} of a body block is unknown"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(offset: u64) -> BlockPlace {
        BlockPlace { store: StoreId([1; 16]), file: FileId([2; 16]), offset }
    }

    fn block(records: &[(u64, Vec<u8>)]) -> Zeroizing<Vec<u8>> {
        let mut b = BlockBuilder::new();
        for (i, (seq, bytes)) in records.iter().enumerate() {
            assert_eq!(usize::from(b.add(Seq(*seq), &[i as u8; 16], bytes).unwrap()), i);
        }
        Compressor::default().text(&b.finish()).unwrap()
    }

    #[test]
    fn both_locks_and_the_place_are_needed() {
        let mut bytes = block(&[(7, b"hello hello hello hello".to_vec())]).to_vec();
        let len = bytes.len();
        assert_eq!(len % 32, 0);
        let seal = seal(place(8), &[&[3; 32], &[4; 32]], &[5; 16], &mut bytes).unwrap();
        let frame = [seal.as_slice(), &bytes].concat();
        let open_with = |p, keys: &[&[u8; 32]], r: &[u8; 16]| open(p, keys, r, &mut frame.clone()).is_ok();
        assert!(open_with(place(8), &[&[3; 32], &[4; 32]], &[5; 16]));
        assert!(!open_with(place(9), &[&[3; 32], &[4; 32]], &[5; 16]));
        assert!(!open_with(place(8), &[&[4; 32], &[3; 32]], &[5; 16]));
        assert!(!open_with(place(8), &[&[3; 32]], &[5; 16]));
        assert!(!open_with(place(8), &[&[3; 32], &[4; 32]], &[6; 16]));
        let mut other_file = place(8);
        other_file.file = FileId([9; 16]);
        assert!(!open_with(other_file, &[&[3; 32], &[4; 32]], &[5; 16]));
        assert!(open(place(8), &[&[3; 32], &[4; 32]], &[5; 16], &mut frame[..40].to_vec()).is_err());
    }

    #[test]
    fn a_bomb_is_refused_before_it_allocates() {
        let mut text = vec![1u8];
        text.put_u32(RAW_MAX as u32);
        text.put_u32(4);
        text.put_bytes(&[0; 4]);
        text.resize(32, 0);
        assert!(OpenBlock::decode(&text).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(records in proptest::collection::vec((any::<u64>(), proptest::collection::vec(0u8..4, 0..300)), 0..30)) {
            let open = OpenBlock::decode(&block(&records)).unwrap();
            prop_assert_eq!(open.len(), records.len());
            for (i, (seq, bytes)) in records.iter().enumerate() {
                let r = open.get(i as u16).unwrap();
                prop_assert_eq!(r.seq, Seq(*seq));
                prop_assert_eq!(r.salt, [i as u8; 16]);
                prop_assert_eq!(r.canonical, bytes);
            }
            prop_assert!(open.get(records.len() as u16).is_none());
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let _ = OpenBlock::decode(&bytes);
            let mut text = block(&[(1, bytes), (2, vec![0; 500])]).to_vec();
            let at = at.index(text.len());
            text[at] ^= 1 << bit;
            if let Ok(open) = OpenBlock::decode(&text) {
                for slot in 0..open.len() { let _ = open.get(slot as u16); }
            }
        }
    }
}
