//! A column: one number a document, at a fixed width above a base, so any one is read at once.
//!
//! ```text
//! base u64 │ width u8 (1 to 8) │ n × width bytes, little-endian, each the number minus the base
//! ```

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::crypto::stack::wipe;
use crate::error::{Error, Result};

/// Bytes before the numbers.
pub const HEADER_LEN: usize = 9;

/// A column in memory; wiped on drop.
pub struct Column {
    base: u64,
    width: usize,
    bytes: Zeroizing<Vec<u8>>,
}

/// Bytes that hold every number up to `max`; at least 1, so that a count is bounded by a length.
pub fn width_of(max: u64) -> usize {
    (8 - max.leading_zeros() as usize / 8).max(1)
}

/// Appends the column of `values`, all of them from `base` to `max` in wrapping order.
pub fn encode(out: &mut Vec<u8>, base: u64, max: u64, values: impl Iterator<Item = u64>) {
    let width = width_of(max.wrapping_sub(base));
    out.put_u64(base);
    out.put_u8(width as u8);
    match width {
        1 => put::<1>(out, base, values),
        2 => put::<2>(out, base, values),
        3 => put::<3>(out, base, values),
        4 => put::<4>(out, base, values),
        5 => put::<5>(out, base, values),
        6 => put::<6>(out, base, values),
        7 => put::<7>(out, base, values),
        _ => put::<8>(out, base, values),
    }
}

/// One loop a width: with a width of its own each time, a number costs ten times as much.
fn put<const W: usize>(out: &mut Vec<u8>, base: u64, values: impl Iterator<Item = u64>) {
    for v in values {
        if let Some(bytes) = v.wrapping_sub(base).to_le_bytes().first_chunk::<W>() {
            out.put_bytes(bytes);
        }
    }
}

fn take<const W: usize>(bytes: &[u8], base: u64) -> Zeroizing<Vec<u64>> {
    let number = |bytes: &[u8; W]| {
        let mut wide = [0u8; 8];
        if let Some(low) = wide.first_chunk_mut::<W>() {
            *low = *bytes;
        }
        u64::from_le_bytes(wide).wrapping_add(base)
    };
    Zeroizing::new(bytes.as_chunks::<W>().0.iter().map(number).collect())
}

impl Drop for Column {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl Column {
    /// Reads a column of `n` numbers.
    pub fn decode(r: &mut Reader<'_>, n: u32) -> Result<Self> {
        let base = r.u64()?;
        let width = usize::from(r.u8()?);
        if !(1..=8).contains(&width) {
            return Err(Error::corrupt(format!("width {width} of a column")));
        }
        let len =
            (n as usize).checked_mul(width).ok_or_else(|| Error::corrupt("length of a column overflows"))?;
        Ok(Self { base, width, bytes: Zeroizing::new(r.bytes(len)?.to_vec()) })
    }

    /// How many numbers.
    pub fn len(&self) -> u32 {
        (self.bytes.len() / self.width) as u32
    }

    /// Bytes that it takes.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of a document.
    pub fn get(&self, doc: u32) -> Option<u64> {
        let at = (doc as usize).checked_mul(self.width)?;
        // One read of eight bytes, and the neighbours' cut off; near the end byte by byte.
        if let Some(wide) = self.bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let mask = u64::MAX >> (64 - 8 * self.width);
            return Some((u64::from_le_bytes(*wide) & mask).wrapping_add(self.base));
        }
        let bytes = self.bytes.get(at..at.checked_add(self.width)?)?;
        let mut wide = [0u8; 8];
        wide[..self.width].copy_from_slice(bytes);
        Some(u64::from_le_bytes(wide).wrapping_add(self.base))
    }

    /// Appends the numbers of some documents; those beyond the end are left out.
    pub fn gather<T>(&self, docs: &[u32], out: &mut Vec<T>, of: impl Fn(u64) -> T) {
        out.reserve(docs.len());
        let mask = u64::MAX >> (64 - 8 * self.width);
        for doc in docs {
            let at = *doc as usize * self.width;
            match self.bytes.get(at..).and_then(|rest| rest.first_chunk()) {
                Some(wide) => out.push(of((u64::from_le_bytes(*wide) & mask).wrapping_add(self.base))),
                None => out.extend(self.get(*doc).map(&of)),
            }
        }
    }

    /// All numbers in order, at once.
    pub fn to_vec(&self) -> Zeroizing<Vec<u64>> {
        let (bytes, base) = (self.bytes.as_slice(), self.base);
        match self.width {
            1 => take::<1>(bytes, base),
            2 => take::<2>(bytes, base),
            3 => take::<3>(bytes, base),
            4 => take::<4>(bytes, base),
            5 => take::<5>(bytes, base),
            6 => take::<6>(bytes, base),
            7 => take::<7>(bytes, base),
            _ => take::<8>(bytes, base),
        }
    }

    /// All numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len()).filter_map(|doc| self.get(doc))
    }

    /// How many leading numbers satisfy `before`, which holds for a prefix only.
    pub fn partition_point(&self, mut before: impl FnMut(u32, u64) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let mid = low + (high - low) / 2;
            if self.get(mid).is_some_and(|v| before(mid, v)) { low = mid + 1 } else { high = mid }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(mut values: Vec<i64>, width in 0u32..64) {
            values.iter_mut().for_each(|v| *v >>= width);
            let base = values.iter().min().copied().unwrap_or(0) as u64;
            let max = values.iter().max().copied().unwrap_or(0) as u64;
            let mut out = Vec::new();
            encode(&mut out, base, max, values.iter().map(|v| *v as u64));
            let mut r = Reader::new(&out);
            let column = Column::decode(&mut r, values.len() as u32).unwrap();
            r.finish().unwrap();
            prop_assert_eq!(column.len() as usize, values.len());
            prop_assert!(column.iter().eq(values.iter().map(|v| *v as u64)));
            prop_assert!(column.to_vec().iter().copied().eq(column.iter()));
            prop_assert_eq!(column.get(column.len()), None);
            let (docs, mut gathered) = ((0..column.len() + 2).step_by(3).collect::<Vec<_>>(), vec![7]);
            column.gather(&docs, &mut gathered, |v| v);
            prop_assert!(gathered.iter().skip(1).copied().eq(docs.iter().filter_map(|doc| column.get(*doc))));
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes: Vec<u8>, n: u32) {
            if let Ok(column) = Column::decode(&mut Reader::new(&bytes), n) {
                prop_assert_eq!(column.iter().count(), n as usize);
            }
        }
    }
}
