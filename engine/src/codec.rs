//! Bounded reader and writer of bytes. Integers are little-endian; varints are LEB128, at most
//! ten bytes, shortest form only. A length is checked against what is left before it allocates.

use crate::error::{Error, Result};

/// Appends integers and byte strings to a buffer.
pub trait Write {
    /// One byte.
    fn put_u8(&mut self, v: u8);
    /// Two bytes, little-endian.
    fn put_u16(&mut self, v: u16);
    /// Four bytes, little-endian.
    fn put_u32(&mut self, v: u32);
    /// Eight bytes, little-endian.
    fn put_u64(&mut self, v: u64);
    /// LEB128, shortest form.
    fn put_varint(&mut self, v: u64);
    /// The bytes as they are.
    fn put_bytes(&mut self, v: &[u8]);
    /// Varint length, then the bytes.
    fn put_slice(&mut self, v: &[u8]) {
        self.put_varint(v.len() as u64);
        self.put_bytes(v);
    }
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, v: u8) {
        self.push(v);
    }
    fn put_u16(&mut self, v: u16) {
        self.extend_from_slice(&v.to_le_bytes());
    }
    fn put_u32(&mut self, v: u32) {
        self.extend_from_slice(&v.to_le_bytes());
    }
    fn put_u64(&mut self, v: u64) {
        self.extend_from_slice(&v.to_le_bytes());
    }
    fn put_varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.push(v as u8);
    }
    fn put_bytes(&mut self, v: &[u8]) {
        self.extend_from_slice(v);
    }
}

/// Maps a signed number to an unsigned one with small magnitudes first.
pub const fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

/// Inverse of [`zigzag`].
pub const fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// Reads from a byte string; every read is bounded by what is left.
///
/// ```
/// use escrowdb::codec::{Reader, Write};
/// let mut b = Vec::new();
/// b.put_varint(300);
/// b.put_slice(b"abc");
/// let mut r = Reader::new(&b);
/// assert_eq!(r.varint()?, 300);
/// assert_eq!(r.slice()?, b"abc");
/// r.finish()?;
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len() }
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(n) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.short(n)),
        }
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(self.short(N)),
        }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A LEB128 number in its shortest form.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        // Most are one byte, most others are two.
        match self.rest {
            [b @ 0..=0x7f, tail @ ..] => {
                self.rest = tail;
                Ok(u64::from(*b))
            }
            [low, high @ 1..=0x7f, tail @ ..] => {
                self.rest = tail;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            [low, middle @ 0x80..=0xff, high @ 1..=0x7f, tail @ ..] => {
                self.rest = tail;
                let [low, middle] = [low, middle].map(|byte| u64::from(byte & 0x7f));
                Ok(low | middle << 7 | u64::from(*high) << 14)
            }
            _ => self.long_varint(),
        }
    }

    /// Passes over `n` varints without looking at their numbers.
    pub fn skip_varints(&mut self, n: usize) -> Result<()> {
        let n = skip_marked(&mut self.rest, n, |eight| !eight & 0x8080_8080_8080_8080);
        let mut left = n;
        let ends = |byte: &u8| {
            left -= usize::from(byte & 0x80 == 0);
            left == 0
        };
        let len = if n == 0 { Some(0) } else { self.rest.iter().position(ends).map(|last| last + 1) };
        self.bytes(len.unwrap_or(self.rest.len().saturating_add(1))).map(drop)
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut v = 0u64;
        for shift in (0..70).step_by(7) {
            let b = self.u8()?;
            let part = u64::from(b & 0x7f);
            if shift == 63 && part > 1 {
                return Err(self.bad("a varint over 64 bits"));
            }
            v |= part << shift;
            if b & 0x80 == 0 {
                if b == 0 && shift > 0 {
                    return Err(self.bad("a varint that is not in its shortest form"));
                }
                return Ok(v);
            }
        }
        Err(self.bad("a varint over ten bytes"))
    }

    /// A varint that must fit `usize` and be at most `max`.
    pub fn count(&mut self, max: usize) -> Result<usize> {
        let v = self.varint()?;
        match usize::try_from(v) {
            Ok(n) if n <= max => Ok(n),
            _ => Err(self.bad("a count over its limit")),
        }
    }

    /// Varint length, then as many bytes.
    pub fn slice(&mut self) -> Result<&'a [u8]> {
        let n = self.count(self.rest.len())?;
        self.bytes(n)
    }

    /// All that is left.
    pub fn tail(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Fails if bytes are left.
    pub fn finish(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(format!("{} bytes too many at offset {}", self.rest.len(), self.position())))
    }

    fn short(&self, wanted: usize) -> Error {
        Error::corrupt(format!(
            "{wanted} bytes wanted at offset {}, {} left",
            self.position(),
            self.rest.len()
        ))
    }

    fn bad(&self, what: &str) -> Error {
        Error::corrupt(format!("{what} before offset {}", self.position()))
    }
}

/// Passes over bytes up to and with the `n`-th that is marked, eight at a time, as long as there are
/// eight; answers how many are left to pass. Of eight bytes `marks` sets one bit, the same, in each
/// that is marked.
pub(crate) fn skip_marked(bytes: &mut &[u8], mut n: usize, marks: impl Fn(u64) -> u64) -> usize {
    while n > 0
        && let Some((eight, rest)) = bytes.split_first_chunk()
    {
        let mut marked = marks(u64::from_le_bytes(*eight));
        let count = marked.count_ones() as usize;
        if count >= n {
            for _ in 1..n {
                marked &= marked - 1;
            }
            *bytes = bytes.get(marked.trailing_zeros() as usize / 8 + 1..).unwrap_or_default();
            return 0;
        }
        n -= count;
        *bytes = rest;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_not_shortest() {
        assert!(Reader::new(&[0x80, 0x00]).varint().is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        assert!(Reader::new(&[]).varint().is_err());
    }

    #[test]
    fn a_length_is_checked_before_it_allocates() {
        let mut b = Vec::new();
        b.put_varint(u64::MAX);
        assert!(Reader::new(&b).slice().is_err());
    }

    proptest! {
        #[test]
        fn varint_round_trip(v: u64) {
            let mut b = Vec::new();
            b.put_varint(v);
            let mut r = Reader::new(&b);
            let mut skipped = r.clone();
            prop_assert!(skipped.skip_varints(1).is_ok() && skipped.finish().is_ok());
            prop_assert!(r.clone().skip_varints(0).is_ok() && r.clone().skip_varints(2).is_err());
            prop_assert_eq!(r.varint().unwrap(), v);
            prop_assert!(r.finish().is_ok());
        }

        #[test]
        fn zigzag_round_trip(v: i64) {
            prop_assert_eq!(unzigzag(zigzag(v)), v);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            while r.remaining() > 0 {
                if r.varint().is_err() && r.u8().is_err() { break; }
                let _ = r.clone().slice();
            }
        }
    }
}
