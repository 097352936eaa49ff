//! Sections of an index without some documents and terms, made from the sections' bytes.
//!
//! An erasure of one customer leaves nearly all of an index as it is, but for the numbers of
//! documents. So lists are read and written one after the other, bitmaps are squeezed a word at a
//! time, and the table of ids, whose order stays, is passed over once. What comes out is what
//! [`IndexData`](crate::index::IndexData) would be encoded to: the tests compare both.

use std::ops::Range;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::index::dictionary::{Dictionary, Encoder, OtherKinds, TermSections, list_bound};
use crate::index::filter::IdFilter;
use crate::index::lists::field_of;
use crate::index::part::Field;
use crate::index::postings;
use crate::index::runs::Runs;
use crate::index::sections::{IdTable, list_bytes};
use crate::index::tables::ids_width;
use crate::index::terms::grow;

/// New numbers of documents when some go.
pub struct Numbers {
    new: Vec<u32>,
    /// One bit a document: it stays.
    alive: Vec<u64>,
    /// Those that go, ascending.
    gone: Vec<u32>,
    left: u32,
}

/// Stands for "gone".
const GONE: u32 = u32::MAX;

impl Numbers {
    /// The numbers of `docs` documents without those `removed`.
    pub fn without(docs: u32, removed: &RoaringBitmap) -> Self {
        let mut alive = vec![u64::MAX; (docs as usize).div_ceil(64)];
        if let Some(last) = alive.last_mut()
            && !docs.is_multiple_of(64)
        {
            *last = (1 << (docs % 64)) - 1;
        }
        let gone: Vec<u32> = removed.iter().filter(|doc| *doc < docs).collect();
        for doc in &gone {
            alive[*doc as usize / 64] &= !(1 << (doc % 64));
        }
        let mut left = 0;
        let mut new = Vec::with_capacity(docs as usize);
        for (word, first) in alive.iter().zip((0..docs).step_by(64)) {
            for bit in 0..(docs - first).min(64) {
                let stays = word >> bit & 1 == 1;
                new.push(if stays { left } else { GONE });
                left += u32::from(stays);
            }
        }
        Self { new, alive, gone, left }
    }

    /// How many documents there were.
    fn docs(&self) -> u32 {
        self.new.len() as u32
    }

    fn get(&self, doc: u32) -> Option<u32> {
        self.new.get(doc as usize).copied().filter(|n| *n != GONE)
    }
}

/// The table of ids and the filter over them.
pub fn ids(table: &IdTable, numbers: &Numbers) -> Result<(Zeroizing<Vec<u8>>, IdFilter)> {
    let width = ids_width(numbers.left);
    let mut out = Zeroizing::new(Vec::with_capacity(numbers.left as usize * (8 + width)));
    let mut keys = Zeroizing::new(Vec::with_capacity(numbers.left as usize));
    let mut seen = vec![0u64; numbers.alive.len()];
    let mut before = None;
    for entry in table.iter() {
        if before.replace(entry) >= Some(entry) {
            return Err(Error::corrupt("ids are not in order"));
        }
        let (id, conversation, doc) = entry;
        let number = numbers.new.get(doc as usize).zip(seen.get_mut(doc as usize / 64));
        let (number, seen) = number.ok_or_else(|| Error::corrupt("an id of no document"))?;
        if *seen >> (doc % 64) & 1 == 1 {
            return Err(Error::corrupt("two ids of one document"));
        }
        *seen |= 1 << (doc % 64);
        if *number != GONE {
            out.put_u32(id);
            out.put_u32(conversation);
            out.put_bytes(&number.to_le_bytes()[..width]);
            keys.push((id, conversation));
        }
    }
    if keys.len() != numbers.left as usize {
        return Err(Error::corrupt("a document has no id"));
    }
    let filter = IdFilter::build(keys.len(), keys.iter().copied());
    Ok((out, filter))
}

/// The dictionary, the postings and the positions, without the terms that `keep` refuses and those
/// that are left without documents.
pub fn terms(
    dictionary: &Dictionary,
    lists: &[u8],
    positions: &[u8],
    numbers: &Numbers,
    keep: impl Fn(Field, &[u8]) -> bool,
) -> Result<TermSections> {
    let left = numbers.left;
    // What grows, grows by a little; vectors that are grown wipe what they leave.
    let roomy = |len: usize| len + len / 8 + 4096;
    let mut out = Encoder::with_capacity(roomy(dictionary.bytes_len()), roomy(lists.len()));
    let mut runs_left = RunsLeft::of(positions);
    let mut thinned = Thinned::default();
    let mut before = Zeroizing::new(Vec::with_capacity(1024));
    let mut other_kinds = OtherKinds::default();
    let mut cursor = dictionary.cursor();
    while let Some(entry) = cursor.advance()? {
        let key = cursor.key();
        let (number, value) = key.split_first().unwrap_or((&0, &[]));
        let field = field_of(*number)
            .ok_or_else(|| Error::newer(format!("field {number} of the dictionary is unknown")))?;
        if **before >= *key || entry.frequency == 0 {
            return Err(Error::corrupt("terms are not in order or empty"));
        }
        before.clear();
        before.extend_from_slice(key);
        let list = list_bytes(dictionary, lists, &entry.list)?;
        let frequency = thinned.read(list, entry.frequency, numbers)?;
        let runs = match entry.others {
            Some(others) => {
                thinned.read_runs(positions, &cursor.runs())?;
                let gone = other_kinds.count(thinned.gone.iter().map(|(_, doc)| *doc));
                let left = others.checked_sub(gone).filter(|left| *left <= frequency).ok_or_else(|| {
                    Error::corrupt("a word says wrongly how many of its documents are of other kinds")
                })?;
                Some((thinned.runs_len, left))
            }
            None => {
                if OtherKinds::is_one(field, value) {
                    let mut r = Reader::new(list);
                    let docs = postings::decode_vec(&mut r, entry.frequency, numbers.docs())?;
                    other_kinds.note(field, value, &docs);
                }
                None
            }
        };
        if frequency > 0 && keep(field, value) {
            let room = list_bound(frequency as usize, left);
            let put = |out: &mut Vec<u8>| thinned.write(out, left);
            out.push(field, value, frequency, (room, put), runs);
            if runs.is_some() {
                thinned.kept.iter().for_each(|part| runs_left.add(part));
            }
        }
    }
    cursor.finish()?;
    if cursor.runs().end != positions.len() as u64 {
        return Err(Error::corrupt("positions are left that no word has"));
    }
    Ok(out.finish(runs_left.finish()))
}

/// The positions that stay. Few words lose any, so what stays is copied over many words at once.
struct RunsLeft<'a> {
    all: &'a [u8],
    out: Zeroizing<Vec<u8>>,
    /// Not copied yet.
    next: Range<usize>,
}

impl<'a> RunsLeft<'a> {
    /// None of these so far.
    fn of(all: &'a [u8]) -> Self {
        Self { all, out: Zeroizing::new(Vec::with_capacity(all.len())), next: 0..0 }
    }

    /// Adds the bytes at a place behind those that were added.
    fn add(&mut self, part: &Range<usize>) {
        if self.next.end != part.start {
            self.copy();
            self.next.start = part.start;
        }
        self.next.end = part.end;
    }

    fn copy(&mut self) {
        self.out.put_bytes(self.all.get(self.next.clone()).unwrap_or_default());
    }

    fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.copy();
        self.out
    }
}

/// The bytes of a word's positions.
pub fn runs_of<'a>(positions: &'a [u8], place: &Range<u64>) -> Result<&'a [u8]> {
    let range = usize::try_from(place.start).ok().zip(usize::try_from(place.end).ok());
    range
        .and_then(|(from, to)| positions.get(from..to))
        .ok_or_else(|| Error::corrupt("positions of a word lie outside of their section"))
}

/// A list without the documents that go.
#[derive(Default)]
struct Thinned {
    /// As differences, encoded …
    bytes: Zeroizing<Vec<u8>>,
    /// … or as numbers …
    list: Zeroizing<Vec<u32>>,
    /// … or as bits.
    bits: Zeroizing<Vec<u64>>,
    form: Form,
    /// The documents that go, each with its place in the list before it.
    gone: Vec<(u32, u32)>,
    /// Where the positions stand that stay, and their length together.
    kept: Vec<Range<usize>>,
    runs_len: usize,
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
    fn read(&mut self, bytes: &[u8], frequency: u32, numbers: &Numbers) -> Result<u32> {
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
    fn read_runs(&mut self, positions: &[u8], place: &Range<u64>) -> Result<()> {
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
    fn write(&self, out: &mut Vec<u8>, docs: u32) {
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
fn word(bytes: &[u8]) -> u64 {
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
    use crate::index::terms::Terms;
    use crate::index::{dictionary, runs};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn data_of(lists: &BTreeMap<(u8, u8), BTreeSet<u32>>) -> Terms {
        let mut terms = Terms::default();
        for ((field, value), docs) in lists {
            let field = field_of(field % 7 + 1).unwrap();
            if field.has_positions() {
                let docs: Vec<u32> = docs.iter().copied().collect();
                terms.push_word(
                    field,
                    &[b'v', *value],
                    &docs,
                    &docs.iter().flat_map(|d| run_of(*d)).collect::<Vec<_>>(),
                );
            } else {
                terms.push(field, &[b'v', *value], docs.iter().copied());
            }
        }
        terms
    }

    /// A word twice in a document, at places that its number gives.
    fn run_of(doc: u32) -> Vec<u8> {
        let mut bytes = [0; 2 * runs::NUMBER_MAX];
        let len = runs::put(&mut bytes, doc * 7);
        bytes[len - 1] = runs::reopen(bytes[len - 1]);
        let more = runs::put(&mut bytes[len..], doc % 5);
        bytes[..len + more].to_vec()
    }

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

        /// Long and short lists, bitmaps that become lists and lists that become bitmaps.
        #[test]
        fn thinned_terms_equal_encoded_ones(
            docs in 1u32..700,
            seeds in proptest::collection::btree_map((0u8..7, any::<u8>()), (any::<u64>(), 0u32..40), 0..40),
            gone in proptest::collection::vec(any::<u16>(), 0..60),
            most: bool,
        ) {
            let mut removed: RoaringBitmap = gone.iter().map(|g| u32::from(*g) % docs).collect();
            if most {
                removed = (0..docs).filter(|d| !removed.contains(*d)).collect();
            }
            let lists: BTreeMap<_, BTreeSet<u32>> = seeds.into_iter().map(|(key, (seed, share))| {
                let is_in = |d: &u32| (u64::from(*d) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 <= u64::from(share);
                (key, (0..docs).filter(is_in).collect())
            }).collect();
            let terms = data_of(&lists);
            let TermSections { dictionary, lists: postings, positions } = dictionary::encode(&terms, docs);
            let numbers = Numbers::without(docs, &removed);
            let refused = |field: Field, value: &[u8]| field == Field::Author && value.ends_with(&[7]);
            let mut wanted = terms.clone();
            wanted.renumber(|doc| numbers.get(doc), |field, value| !refused(field, value)).unwrap();
            let got = super::terms(&Dictionary::decode(dictionary).unwrap(), &postings, &positions, &numbers, |f, v| !refused(f, v)).unwrap();
            prop_assert!(got == dictionary::encode(&wanted, numbers.left));
        }

        #[test]
        fn any_bytes_are_thinned_or_refused(
            bytes: Vec<u8>, lists: Vec<u8>, frequency in 0u32..100, docs in 0u32..300, gone: Vec<bool>,
        ) {
            let removed = gone.iter().zip(0..docs).filter(|(g, _)| **g).map(|(_, d)| d).collect();
            let numbers = Numbers::without(docs, &removed);
            if let Ok(left) = Thinned::default().read(&bytes, frequency, &numbers) {
                prop_assert!(left <= numbers.left && left <= frequency);
            }
            if let Ok(dictionary) = Dictionary::decode(Zeroizing::new(bytes)) {
                let _ = terms(&dictionary, &lists, &lists, &numbers, |_, _| true);
            }
        }
    }
}
