//! Where a word stands in its documents: one *run* of positions for each document of its list.
//!
//! ```text
//! run      number …        the first position; then each one's distance to the one before it, less 1
//! number   { 1 │ seven bits } … { 0 │ last of its run │ six bits }      lowest bits first, shortest form
//! ```
//!
//! A run says nothing of the document it belongs to. So documents get new numbers, lists are merged
//! and thinned, and runs are copied as they are. A byte that ends a run is known by its two top bits
//! alone, so runs are passed over many bytes at a time.

use crate::codec::skip_marked;
use crate::error::{Error, Result};

/// Bytes that a number takes at most.
pub const NUMBER_MAX: usize = 5;

const MORE: u8 = 0x80;
const LAST: u8 = 0x40;

/// Bytes of a number.
pub const fn len_of(value: u32) -> usize {
    match value {
        0..0x40 => 1,
        0x40..0x2000 => 2,
        0x2000..0x10_0000 => 3,
        0x10_0000..0x800_0000 => 4,
        _ => 5,
    }
}

/// Writes a number that ends its run to the front of `out`, and answers how many bytes it took; 0 if
/// there is no room. [`reopen`] takes the end of the run back.
pub fn put(out: &mut [u8], mut value: u32) -> usize {
    let len = len_of(value);
    let Some((last, more)) = out.get_mut(..len).and_then(<[u8]>::split_last_mut) else { return 0 };
    for byte in more {
        *byte = MORE | (value & 0x7f) as u8;
        value >>= 7;
    }
    *last = LAST | value as u8;
    len
}

/// Makes of the last byte of a run one that more numbers follow.
pub const fn reopen(byte: u8) -> u8 {
    byte & !LAST
}

/// Reads runs one behind the other.
#[derive(Clone)]
pub struct Runs<'a> {
    rest: &'a [u8],
}

impl<'a> Runs<'a> {
    /// The runs in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Passes over `n` runs.
    pub fn skip(&mut self, mut n: usize) -> Result<()> {
        const STRIDE: usize = 32;
        // More than that many can't end in a stride.
        while n > STRIDE
            && let Some((stride, rest)) = self.rest.split_first_chunk::<STRIDE>()
        {
            n -= stride.iter().map(|byte| usize::from(ends_run(*byte))).sum::<usize>();
            self.rest = rest;
        }
        for _ in 0..skip_marked(&mut self.rest, n, ends_in) {
            self.bytes()?;
        }
        Ok(())
    }

    /// The bytes of the next run.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.rest.iter().position(|byte| ends_run(*byte)).ok_or_else(cut)? + 1;
        let (run, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(run)
    }

    /// The positions of the next run, ascending, into `positions`, which is emptied before.
    pub fn read(&mut self, positions: &mut Vec<u32>) -> Result<()> {
        positions.clear();
        // Most often one position, and a small one.
        if let Some((byte, rest)) = self.rest.split_first()
            && ends_run(*byte)
        {
            positions.push(u32::from(byte & 0x3f));
            self.rest = rest;
            return Ok(());
        }
        let mut next = 0u32;
        loop {
            let (value, last) = self.number()?;
            let at = next.checked_add(value).filter(|at| *at < u32::MAX).ok_or_else(cut)?;
            positions.push(at);
            if last {
                return Ok(());
            }
            next = at + 1;
        }
    }

    /// How many positions the next run has.
    pub fn count(&mut self) -> Result<u32> {
        let run = self.bytes()?;
        Ok(run.iter().filter(|byte| *byte & MORE == 0).count() as u32)
    }

    /// Bytes that were not read.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Fails unless everything was read.
    pub fn finish(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::corrupt("positions of no document")) }
    }

    fn number(&mut self) -> Result<(u32, bool)> {
        let (mut value, mut shift) = (0u32, 0u32);
        loop {
            let (byte, rest) = self.rest.split_first().ok_or_else(cut)?;
            self.rest = rest;
            let (bits, is_final) = if byte & MORE == 0 { (byte & 0x3f, true) } else { (byte & 0x7f, false) };
            let wide = u64::from(bits) << shift;
            value |= u32::try_from(wide).map_err(|_| cut())?;
            if is_final {
                if len_of(value) != shift as usize / 7 + 1 {
                    return Err(Error::corrupt("a position is not in its shortest form"));
                }
                return Ok((value, byte & LAST != 0));
            }
            shift += 7;
            if shift > 28 {
                return Err(cut());
            }
        }
    }
}

/// The lowest bit of each of eight bytes that ends a run.
const fn ends_in(eight: u64) -> u64 {
    eight >> 6 & !(eight >> 7) & 0x0101_0101_0101_0101
}

const fn ends_run(byte: u8) -> bool {
    byte & (MORE | LAST) == LAST
}

fn cut() -> Error {
    Error::corrupt("positions of a word are cut short or too great")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(all: &[Vec<u32>]) -> Vec<u8> {
        let mut out = Vec::new();
        for positions in all {
            let mut next = 0;
            for (i, at) in positions.iter().enumerate() {
                let mut bytes = [0; NUMBER_MAX];
                let len = put(&mut bytes, at - next);
                assert_eq!(len, len_of(at - next));
                if i > 0 {
                    let last = out.last_mut().unwrap();
                    *last = reopen(*last);
                }
                out.extend_from_slice(&bytes[..len]);
                next = at + 1;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn runs_read_back(all in proptest::collection::vec(
            proptest::collection::btree_set(prop_oneof![0u32..9, 0u32..300, 0u32..u32::MAX - 1], 1..9), 0..90),
            skipped in 0usize..90,
        ) {
            let all: Vec<Vec<u32>> = all.into_iter().map(|run| run.into_iter().collect()).collect();
            let bytes = encode(&all);
            let (mut read, mut counted, mut positions) = (Runs::new(&bytes), Runs::new(&bytes), Vec::new());
            for run in &all {
                read.read(&mut positions).unwrap();
                prop_assert_eq!(&positions, run);
                prop_assert_eq!(counted.count().unwrap() as usize, run.len());
            }
            read.finish().unwrap();
            let mut behind = Runs::new(&bytes);
            match all.get(skipped) {
                Some(run) => {
                    behind.skip(skipped).unwrap();
                    behind.read(&mut positions).unwrap();
                    prop_assert_eq!(&positions, run);
                }
                None => prop_assert_eq!(behind.skip(skipped).is_ok(), skipped == all.len()),
            }
        }

        #[test]
        fn any_bytes_read_or_fail(bytes: Vec<u8>, n in 0usize..40) {
            let mut runs = Runs::new(&bytes);
            let mut positions = Vec::new();
            while runs.read(&mut positions).is_ok() {
                prop_assert!(positions.is_sorted());
            }
            let _ = Runs::new(&bytes).skip(n);
            let _ = Runs::new(&bytes).count();
        }
    }
}
