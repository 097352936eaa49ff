//! Hashes of ids, and the filter that says which segments can't hold an id.
//!
//! The filter is the split-block Bloom filter of the Parquet specification (blocks of eight
//! 32-bit words, one bit in each), at 16 bits a key. It is a function of its keys, lies inside the
//! sealed index and spans one segment only.

use zeroize::Zeroizing;

use crate::crypto::stack::burn_hash;
use crate::error::{Error, Result};

const WORDS: usize = 8;
const BLOCK_LEN: usize = WORDS * 4;
const BITS_PER_KEY: usize = 16;

/// Odd constants of the Parquet specification (BloomFilter.md).
const SALT: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// First four bytes of the BLAKE3 hash of a text. It leaves the end of the text on the stack: see
/// `crypto::stack::burn_hash`.
pub fn text_hash(text: &str) -> u32 {
    let [a, b, c, d, ..] = *blake3::hash(text.as_bytes()).as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The identity of a record, hashed: what filters and tables of ids hold of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdHash {
    /// Hash of the id.
    pub id: u32,
    /// Hash of the conversation.
    pub conversation: u32,
}

impl IdHash {
    /// Hashes an identity.
    pub fn of(id: &str, conversation: &str) -> Self {
        let hashed = Self { id: text_hash(id), conversation: text_hash(conversation) };
        burn_hash();
        hashed
    }

    /// How filters are asked for it.
    pub fn probe(self) -> Probe {
        let h = mix(self.id, self.conversation);
        Probe { place: h >> 32, bits: SALT.map(|s| 1 << ((h as u32).wrapping_mul(s) >> 27)) }
    }
}

/// An identity as filters are asked for it: mixed once, however many are asked.
#[derive(Clone, Copy)]
pub struct Probe {
    /// Says which block, in parts of 2^32.
    place: u64,
    /// One bit in each word of the block.
    bits: [u32; WORDS],
}

impl Probe {
    /// Which of `blocks` blocks.
    const fn block(&self, blocks: usize) -> usize {
        ((self.place * blocks as u64) >> 32) as usize
    }
}

/// A filter over pairs of id hash and conversation hash.
pub struct IdFilter(Zeroizing<Vec<u8>>);

impl IdFilter {
    /// A filter of `keys`.
    pub fn build(count: usize, keys: impl Iterator<Item = (u32, u32)>) -> Self {
        let blocks = (count * BITS_PER_KEY).div_ceil(BLOCK_LEN * 8).max(1);
        let mut filter = Self(Zeroizing::new(vec![0; blocks * BLOCK_LEN]));
        for (id, conversation) in keys {
            let probe = IdHash { id, conversation }.probe();
            let at = probe.block(blocks) * BLOCK_LEN;
            let block = filter.0[at..at + BLOCK_LEN].as_chunks_mut::<4>().0;
            for (word, bit) in block.iter_mut().zip(probe.bits) {
                *word = (u32::from_le_bytes(*word) | bit).to_le_bytes();
            }
        }
        filter
    }

    /// Reads the bytes of a filter.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK_LEN) {
            return Err(Error::corrupt("length of the id filter is no multiple of its block"));
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, out of a filter that is not asked any more.
    pub(super) fn take_bytes(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.0)
    }

    /// Whether the pair may be there; never wrong when it says no.
    pub fn may_contain(&self, id: u32, conversation: u32) -> bool {
        self.may_hold(&IdHash { id, conversation }.probe())
    }

    /// The same for a probe that was made before.
    pub fn may_hold(&self, probe: &Probe) -> bool {
        // Without a branch a word: each would be guessed before its cache line has come, and half
        // of the guesses would be wrong. So the lines of many filters come side by side.
        let block = self.block(probe.block(self.blocks()));
        let missing = |missing, (word, bit): (&[u8; 4], &u32)| missing | (bit & !u32::from_le_bytes(*word));
        block.as_chunks::<4>().0.iter().zip(&probe.bits).fold(0, missing) == 0
    }

    /// How many blocks it has.
    fn blocks(&self) -> usize {
        self.0.len() / BLOCK_LEN
    }

    /// The bytes of a block.
    fn block(&self, number: usize) -> &[u8; BLOCK_LEN] {
        const NONE: &[u8; BLOCK_LEN] = &[0; BLOCK_LEN];
        self.0.get(number * BLOCK_LEN..).and_then(|rest| rest.first_chunk()).unwrap_or(NONE)
    }
}

/// The finaliser of SplitMix64: a bijection, so two pairs collide only if they are equal. Without
/// it all records of one conversation would set the same bits.
fn mix(id: u32, conversation: u32) -> u64 {
    let mut z = u64::from(id) << 32 | u64::from(conversation);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_false_no_and_few_false_yes() {
        let keys: Vec<_> = (0..10_000u32).map(|i| (text_hash(&i.to_string()), i % 3)).collect();
        let filter = IdFilter::build(keys.len(), keys.iter().copied());
        assert!(keys.iter().all(|(a, b)| filter.may_contain(*a, *b)));
        let wrong = (0..10_000u32).filter(|i| filter.may_contain(text_hash(&format!("x{i}")), 0)).count();
        assert!(wrong < 50, "{wrong} of 10,000");
        assert!(IdFilter::decode(&filter.as_bytes()[1..]).is_err());
        assert!(IdFilter::decode(&[]).is_err());
        assert_eq!(IdFilter::decode(filter.as_bytes()).unwrap().as_bytes(), filter.as_bytes());
    }
}
