//! Parity: one lost page of a file at rest costs nothing.
//!
//! An immutable file of whole pages ends with one XOR page for each 32 pages of data, rounded up.
//! Page *i* belongs to group *i* mod *P*, so that a burst of lost neighbours falls into different
//! groups:
//!
//! ```text
//! data page   0   1   2   3   4   5 …  D-1 │ parity page 0   1   2  …  P-1        P = ⌈D / 32⌉
//! group       0   1   2   0   1   2 …      │             0   1   2             (here P is 3)
//! ```
//!
//! Parity proves nothing: whether what it gives back is right is told by the seals of the data.
//! It is made of ciphertext only, so it says nothing that the file doesn't say.

use std::sync::atomic::{AtomicU64, Ordering};

pub mod file;

pub use file::{Page, ParityFile};

/// Bytes of a page.
pub const PAGE_LEN: usize = 4096;
/// Pages of a group at most, its parity page not counted.
pub const PER_GROUP: u64 = 32;

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File, place, and what became of it.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a damaged place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing brings it back.
    Lost,
    /// It can be written back.
    Rescued,
    /// It was written back, and reads as it should.
    Repaired,
}

impl Fate {
    /// Of what can be had back: whether it was written.
    pub const fn of(written: bool) -> Self {
        if written { Self::Repaired } else { Self::Rescued }
    }
}

/// Parity pages of a file with so many pages of data.
pub const fn pages_for(data: u64) -> u64 {
    data.div_ceil(PER_GROUP)
}

/// Pages of data of a file with so many pages in all; `None` if no file has that many.
pub fn data_pages(all: u64) -> Option<u64> {
    let data = all - all.div_ceil(PER_GROUP + 1);
    (data > 0 && data + pages_for(data) == all).then_some(data)
}

/// XORs `bytes` into `sum`.
pub fn xor(sum: &mut [u8], bytes: &[u8]) {
    for (a, b) in sum.iter_mut().zip(bytes) {
        *a ^= b;
    }
}

/// Makes the parity pages of a file while it is written from front to end.
///
/// Groups are interleaved, so byte *b* of the file belongs to byte *b* mod (*P* · 4,096) of the
/// parity: it is one ring.
pub struct Encoder {
    ring: Vec<u8>,
    at: usize,
}

impl Encoder {
    /// For a file with so many pages of data.
    pub fn new(data: u64) -> Self {
        Self { ring: vec![0; pages_for(data) as usize * PAGE_LEN], at: 0 }
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.ring.is_empty() {
            let n = bytes.len().min(self.ring.len() - self.at);
            let (now, rest) = bytes.split_at(n);
            xor(&mut self.ring[self.at..], now);
            self.at = (self.at + n) % self.ring.len();
            bytes = rest;
        }
    }

    /// The parity pages. Bytes that are missing to a whole page count as zeros.
    pub fn finish(self) -> Vec<u8> {
        self.ring
    }
}

/// What reading has set right since the store was opened; shared by all its files.
#[derive(Debug, Default)]
pub struct Repairs {
    total: AtomicU64,
}

impl Repairs {
    /// One more.
    pub fn count(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_apart() {
        let mut before = 0;
        for data in 1..5000 {
            let all = data + pages_for(data);
            assert_eq!(data_pages(all), Some(data));
            for none in before + 1..all {
                assert_eq!(data_pages(none), None, "{none}");
            }
            before = all;
        }
        assert_eq!(data_pages(0), None);
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..PAGE_LEN * 70 - 100).map(|i| (i * 7 % 251) as u8).collect();
        let mut whole = Encoder::new(70);
        whole.update(&bytes);
        let whole = whole.finish();
        assert_eq!(whole.len(), 3 * PAGE_LEN);
        for piece in [1000, 4096, 12_288, 50_001] {
            let mut encoder = Encoder::new(70);
            bytes.chunks(piece).for_each(|part| encoder.update(part));
            assert_eq!(encoder.finish(), whole);
        }
        // By the definition: page i in group i mod P.
        let mut padded = bytes;
        padded.resize(PAGE_LEN * 70, 0);
        let mut sums = vec![vec![0; PAGE_LEN]; 3];
        for (i, page) in padded.chunks(PAGE_LEN).enumerate() {
            xor(&mut sums[i % 3], page);
        }
        assert_eq!(whole, sums.concat());
    }
}
