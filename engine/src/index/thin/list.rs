//! One term's documents and positions without those that go.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::index::postings;
use crate::index::runs::Runs;
use crate::index::terms::grow;
use crate::index::thin::{Numbers, runs_of};

/// A list without the documents that go.
#[derive(Default)]
pub(super) struct Thinned {
    /// As differences, encoded …
    bytes: Zeroizing<Vec<u8>>,
    /// … or as numbers …
    list: Zeroizing<Vec<u32>>,
    /// … or as bits.
    bits: Zeroizing<Vec<u64>>,
    form: Form,
    /// The documents that go, each with its place in the list before it.
    pub(super) gone: Vec<(u32, u32)>,
    /// Where the positions stand that stay, and their length together.
    pub(super) kept: Vec<Range<usize>>,
    pub(super) runs_len: usize,
}

#[derive(Clone, Copy, Default)]
enum Form {
    #[default]
    Bytes,
    List,
    Bits,
}

impl Thinned {
    /// Reads the list of `frequency` documents and answers how many are left.
    pub(super) fn read(&mut self, bytes: &[u8], frequency: u32, numbers: &Numbers) -> Result<u32> {
        self.bytes.clear();
        self.list.clear();
        self.bits.clear();
        self.gone.clear();
        if !postings::is_bitmap(frequency, numbers.docs()) {
            // Fewer documents may make bits of a list that has lost none.
            if !postings::is_bitmap(frequency, numbers.left) {
                self.form = Form::Bytes;
                return thin_list(bytes, frequency, numbers, &mut self.bytes, &mut self.gone);
            }
            self.form = Form::List;
            grow(&mut self.list, frequency.min(numbers.left) as usize);
            let (mut r, mut place) = (Reader::new(bytes), 0);
            postings::read_list(&mut r, frequency, numbers.docs(), |doc| {
                match numbers.get(doc) {
                    Some(doc) => self.list.push(doc),
                    None => self.gone.push((place, doc)),
                }
                place += 1;
            })?;
            r.finish()?;
            return Ok(self.list.len() as u32);
        }
        if bytes.len() != numbers.new.len().div_ceil(8) {
            return Err(Error::corrupt("length of a posting bitmap is wrong"));
        }
        let words = || bytes.chunks(8).map(word).zip(&numbers.alive);
        let mut left = 0;
        let mut all = 0;
        for ((word, alive), first) in words().zip((0u32..).step_by(64)) {
            let mut gone = word & !alive;
            while gone != 0 {
                let bit = gone.trailing_zeros();
                self.gone.push((all + (word & ((1 << bit) - 1)).count_ones(), first + bit));
                gone &= gone - 1;
            }
            all += word.count_ones();
            left += (word & alive).count_ones();
        }
        let last = numbers.docs() % 64;
        let beyond = last > 0 && bytes.chunks(8).next_back().map_or(0, word) >> last != 0;
        if all != frequency || beyond {
            return Err(Error::corrupt("a posting bitmap does not fit its count"));
        }
        if postings::is_bitmap(left, numbers.left) {
            self.form = Form::Bits;
            grow(&mut self.bits, numbers.alive.len());
            squeeze(words(), &mut self.bits);
        } else {
            self.form = Form::List;
            grow(&mut self.list, left as usize);
            for ((word, alive), first) in words().zip((0u32..).step_by(64)) {
                let mut rest = word & alive;
                while rest != 0 {
                    self.list.extend(numbers.get(first + rest.trailing_zeros()));
                    rest &= rest - 1;
                }
            }
        }
        Ok(left)
    }

    /// Finds what stays of a word's positions, whose list was read before.
    pub(super) fn read_runs(&mut self, positions: &[u8], place: &Range<u64>) -> Result<()> {
        self.kept.clear();
        self.runs_len = 0;
        let bytes = runs_of(positions, place)?;
        let first = place.start as usize;
        let Self { gone, kept, runs_len, .. } = self;
        let mut keep = |from: usize, to: usize| {
            if from < to {
                *runs_len += to - from;
                kept.push(first + from..first + to);
            }
        };
        let (mut runs, mut from, mut read) = (Runs::new(bytes), 0, 0);
        for (place, _) in gone.iter() {
            runs.skip((place - read) as usize)?;
            let end = bytes.len() - runs.remaining();
            runs.bytes()?;
            read = place + 1;
            keep(from, end);
            from = bytes.len() - runs.remaining();
        }
        keep(from, bytes.len());
        Ok(())
    }

    /// Writes the list that was read, for `docs` documents.
    pub(super) fn write(&self, out: &mut Vec<u8>, docs: u32) {
        match self.form {
            Form::Bytes => return out.put_bytes(&self.bytes),
            Form::List => return postings::encode(out, &self.list, docs),
            Form::Bits => {}
        }
        let mut left = (docs as usize).div_ceil(8);
        for word in self.bits.iter() {
            let bytes = word.to_le_bytes();
            let part = &bytes[..left.min(8)];
            out.put_bytes(part);
            left -= part.len();
        }
    }
}

/// Appends a list of differences without the documents that go, and answers how many are left. A
/// difference changes only where somebody went between two documents; what lies between such places
/// is copied as it stands. Those that go are noted in `places`, each with its place in the list before it.
fn thin_list(
    bytes: &[u8],
    frequency: u32,
    numbers: &Numbers,
    out: &mut Zeroizing<Vec<u8>>,
    places: &mut Vec<(u32, u32)>,
) -> Result<u32> {
    let (docs, gone) = (numbers.docs(), numbers.gone.as_slice());
    if frequency as usize > bytes.len() || frequency > docs {
        return Err(Error::corrupt("a posting list is longer than its bytes"));
    }
    // A difference is at most as long as before, but for one behind documents that went.
    grow(out, bytes.len() + 5 * gone.len().min(frequency as usize));
    // Documents below `next` are read; `before` of those that go stand below it.
    let (mut next, mut before, mut left) = (0u64, 0usize, 0u32);
    // The next number that the new list could name, unless it follows from what is copied.
    let mut broken: Option<u64> = None;
    let mut r = Reader::new(bytes);
    let mut copied = 0;
    // Up to here nothing changes.
    let bound = |before: usize| gone.get(before).map_or(docs, |doc| *doc);
    let mut limit = u64::from(bound(before));
    let mut place = 0;
    while place < frequency {
        if broken.is_none() {
            // Behind the last that goes nothing changes at all, so nothing is read.
            if before == gone.len() {
                left += frequency - place;
                out.put_bytes(&bytes[copied..]);
                return fits(left, numbers);
            }
            // Nearly all of a list stays as it is.
            let same =
                unchanged(bytes.get(r.position()..).unwrap_or_default(), next, limit, frequency - place);
            r.bytes(same.bytes)?;
            (next, left, place) = (same.next, left + same.docs, place + same.docs);
            if place == frequency {
                break;
            }
        }
        let from = r.position();
        let gap = r.varint()?;
        let doc = next.checked_add(gap).filter(|doc| *doc < u64::from(docs));
        let doc = doc.ok_or_else(|| Error::corrupt("a posting is over the number of documents"))?;
        if doc < limit && broken.is_none() {
            left += 1;
        } else {
            out.put_bytes(&bytes[copied..from]);
            copied = r.position();
            let free = broken.unwrap_or(next - before as u64);
            while gone.get(before).is_some_and(|gone| u64::from(*gone) < doc) {
                before += 1;
            }
            broken = if gone.get(before).is_some_and(|gone| u64::from(*gone) == doc) {
                before += 1;
                places.push((place, doc as u32));
                Some(free)
            } else {
                out.put_varint(doc - before as u64 - free);
                left += 1;
                None
            };
            limit = u64::from(bound(before));
        }
        next = doc + 1;
        place += 1;
    }
    r.finish()?;
    out.put_bytes(&bytes[copied..]);
    fits(left, numbers)
}

/// A list that has no more documents than are left.
fn fits(left: u32, numbers: &Numbers) -> Result<u32> {
    let fits = left <= numbers.left;
    fits.then_some(left).ok_or_else(|| Error::corrupt("a posting list has more documents than there are"))
}

/// The leading part of a list that no document goes from.
struct Unchanged {
    bytes: usize,
    docs: u32,
    next: u64,
}

/// Differences of one byte and of two, as many as lead from `next` to documents below `limit`, `docs`
/// at most; what is longer or wrong is left to who reads it one by one. How long a difference is can't
/// be guessed, so several are read without a branch for each.
fn unchanged(bytes: &[u8], mut next: u64, limit: u64, docs: u32) -> Unchanged {
    let (mut rest, mut left) = (bytes, docs);
    while let Some(eight) = rest.first_chunk() {
        let group = Group::read(u64::from_le_bytes(*eight));
        if group.docs > left || group.docs == 0 || next + group.passed > limit {
            break;
        }
        (next, left, rest) =
            (next + group.passed, left - group.docs, rest.get(group.bytes..).unwrap_or_default());
    }
    while left > 0 {
        let (passed, len) = match *rest {
            [a @ 0..=0x7f, ..] => (u64::from(a) + 1, 1),
            [a, b @ 1..=0x7f, ..] => (u64::from(a & 0x7f) + (u64::from(b) << 7) + 1, 2),
            _ => break,
        };
        if next + passed > limit {
            break;
        }
        (next, left, rest) = (next + passed, left - 1, rest.get(len..).unwrap_or_default());
    }
    Unchanged { bytes: bytes.len() - rest.len(), docs: docs - left, next }
}

/// Some differences that stand one behind the other.
struct Group {
    docs: u32,
    bytes: usize,
    /// How far they lead.
    passed: u64,
}

impl Group {
    /// Reads those at the beginning of eight bytes: all eight if each has one byte, else four of one
    /// or two; none if there are others.
    const fn read(eight: u64) -> Self {
        /// The lowest bit of each pair of bytes; what says that a byte is not its number's last one.
        const ONE: u64 = 0x0001_0001_0001_0001;
        const MORE: u64 = 0x8080_8080_8080_8080;
        if eight & MORE == 0 {
            // Four sums below 2^8 each, all of them in the highest place.
            let sums = (eight & (0xff * ONE)) + (eight >> 8 & (0xff * ONE));
            return Self { docs: 8, bytes: 8, passed: (sums.wrapping_mul(ONE) >> 48) + 8 };
        }
        let (mut rest, mut bytes, mut passed, mut others, mut n) = (eight, 0, 4, 0, 0);
        while n < 4 {
            let two = rest >> 7 & 1;
            let high = (rest >> 8 & 0xff) * two;
            // Longer than two, or not the shortest form.
            others |= (high & 0x80) | (two & (high == 0) as u64);
            passed += (rest & 0x7f) + ((high & 0x7f) << 7);
            // Four of them take eight bytes at most: not shifted out at once.
            rest = rest >> 8 >> (8 * two);
            bytes += 1 + two as usize;
            n += 1;
        }
        let docs = if others == 0 { 4 } else { 0 };
        Self { docs, bytes, passed }
    }
}

/// Up to eight bytes as a word, lowest bit first.
pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut wide = [0u8; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

/// Appends the bits of the words at the places that are set in the second of each pair.
fn squeeze<'a>(words: impl Iterator<Item = (u64, &'a u64)>, out: &mut Vec<u64>) {
    let (mut gathered, mut have) = (0u64, 0u32);
    for (word, alive) in words {
        let (bits, n) = extract(word, *alive);
        gathered |= bits << have;
        if have + n >= 64 {
            out.push(gathered);
            gathered = bits.checked_shr(64 - have).unwrap_or(0);
            have = have + n - 64;
        } else {
            have += n;
        }
    }
    if have > 0 {
        out.push(gathered);
    }
}

/// The bits of `word` at the places set in `alive`, moved together, and how many there are.
fn extract(mut word: u64, alive: u64) -> (u64, u32) {
    let mut gone = !alive;
    while gone != 0 {
        // From the highest, so that those below keep their places.
        let low = (1u64 << (63 - gone.leading_zeros())) - 1;
        word = word & low | word >> 1 & !low;
        gone &= low;
    }
    (word, alive.count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_move_together(word: u64, alive: u64) {
            let wanted = (0..64).filter(|i| alive >> i & 1 == 1).enumerate()
                .fold(0u64, |all, (n, i)| all | (word >> i & 1) << n);
            prop_assert_eq!(extract(word, alive), (wanted, alive.count_ones()));
        }

        #[test]
        fn what_is_unchanged_is_passed_over(
            gaps in proptest::collection::vec(prop_oneof![0u64..3, 0u64..128, 128u64..16_384, 0u64..40_000], 0..60),
            same in 0usize..60, more in 0u64..20_000, docs in 0u32..60, next in 0u64..9,
        ) {
            let gaps: Vec<u64> = gaps.into_iter().flat_map(|gap| [gap].repeat(1 + same % 9)).collect();
            let mut bytes = Vec::new();
            gaps.iter().for_each(|gap| bytes.put_varint(*gap));
            let limit = next + gaps.iter().take(same).map(|gap| gap + 1).sum::<u64>() + more;
            let got = unchanged(&bytes, next, limit, docs);
            let (mut wanted, mut len) = ((next, 0), 0);
            for gap in gaps.iter().take(docs as usize) {
                if *gap >= 1 << 14 || wanted.0 + gap + 1 > limit {
                    break;
                }
                wanted = (wanted.0 + gap + 1, wanted.1 + 1);
                len += 1 + usize::from(*gap > 127);
            }
            prop_assert_eq!((got.next, got.docs, got.bytes), (wanted.0, wanted.1, len));
        }
    }
}
