//! Records that an erasure on its way takes besides what it was asked for.

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::id::Seq;
use crate::keyring::entry::{Entry, Value, done};

/// Version of one that means the record of its key alone.
const ALONE: u8 = 1;
/// Version of one with a bitmap.
const BITMAP: u8 = 2;
/// Longest bitmap, bytes: positions of 4,096 records. Erasures may take a search of every second along, and
/// an entry each would make the key tree large when there is least room.
const BITMAP_LEN_MAX: usize = 512;

/// Positions of some records; the first stands in the key. Bit *n* of the bitmap, the lowest of a byte first,
/// is the position *n* behind it. There is a last byte that isn't 0, and the first bit is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Further(Vec<u8>);

impl Further {
    /// As many of `seqs`, which ascend, as fit in one entry, and how many those are.
    pub fn of(seqs: &[Seq]) -> (Self, usize) {
        let mut bitmap = Vec::new();
        let first = seqs.first().copied().unwrap_or_default();
        let mut taken = 0;
        for seq in seqs {
            let n = usize::try_from(seq.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
            if n / 8 >= BITMAP_LEN_MAX {
                break;
            }
            if bitmap.len() <= n / 8 {
                bitmap.resize(n / 8 + 1, 0);
            }
            if let Some(byte) = bitmap.get_mut(n / 8) {
                *byte |= 1 << (n % 8);
            }
            taken += 1;
        }
        (Self(bitmap), taken)
    }

    /// The positions, ascending, if the first is that of its key.
    pub fn seqs(&self, first: Seq) -> impl Iterator<Item = Seq> {
        let bits = (0u64..).zip(&self.0).flat_map(|(at, byte)| {
            (0..8u64).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| 8 * at + bit)
        });
        bits.filter_map(move |n| first.0.checked_add(n).map(Seq))
    }
}

impl Entry for Further {
    fn encode(&self) -> Result<Value> {
        let mut out = Value::new(Vec::with_capacity(1 + BITMAP_LEN_MAX));
        match &*self.0 {
            [1] => out.put_u8(ALONE),
            bitmap => {
                out.put_u8(BITMAP);
                out.put_bytes(bitmap);
            }
        }
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = Reader::new(value);
        let bitmap = match r.u8()? {
            ALONE => vec![1],
            BITMAP => r.bytes(r.remaining())?.to_vec(),
            _ => return Err(Error::newer("an entry of further records has an unknown version")),
        };
        r.finish()?;
        let whole = bitmap.len() <= BITMAP_LEN_MAX
            && bitmap.first().is_some_and(|byte| byte & 1 == 1)
            && bitmap.last().is_some_and(|byte| *byte != 0);
        if whole { Ok(Self(bitmap)) } else { Err(Error::corrupt("a mark of further records is malformed")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries for positions, and the positions that they say.
    fn there_and_back(seqs: &[u64]) -> (usize, Vec<u64>) {
        let seqs: Vec<_> = seqs.iter().copied().map(Seq).collect();
        let (mut left, mut entries, mut read) = (&*seqs, 0, Vec::new());
        while let Some(first) = left.first() {
            let (further, taken) = Further::of(left);
            let value = further.encode().unwrap();
            let decoded = Further::decode(&value).unwrap();
            assert_eq!(decoded, further);
            read.extend(decoded.seqs(*first).map(|seq| seq.0));
            entries += 1;
            left = &left[taken..];
        }
        (entries, read)
    }

    #[test]
    fn every_position_is_there_again_in_few_entries() {
        for (step, entries) in [(1, 3), (2, 5), (4_095, 5_000), (4_096, 10_000), (1 << 40, 10_000)] {
            let seqs: Vec<u64> = (0..10_000).map(|n| 7 + n * step).collect();
            assert_eq!(there_and_back(&seqs), (entries, seqs), "{step}");
        }
        assert_eq!(there_and_back(&[u64::MAX - 1, u64::MAX]), (1, vec![u64::MAX - 1, u64::MAX]));
        assert_eq!(there_and_back(&[3]), (1, vec![3]));
    }

    #[test]
    fn what_nobody_writes_is_refused() {
        assert_eq!(Further::decode(&[1]).unwrap().seqs(Seq(9)).collect::<Vec<_>>(), [Seq(9)]);
        let too_long = [&[2, 1][..], &[1; BITMAP_LEN_MAX]].concat();
        for bad in [&[][..], &[0], &[3, 1], &[1, 0], &[2], &[2, 0], &[2, 2], &[2, 1, 0], &too_long] {
            assert!(Further::decode(bad).is_err(), "{bad:?}");
        }
        // One past the last position there is.
        assert_eq!(Further::decode(&[2, 3]).unwrap().seqs(Seq(u64::MAX)).count(), 1);
    }
}
