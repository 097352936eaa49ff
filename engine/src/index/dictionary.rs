//! The dictionary of terms: sorted, front-coded, with a restart each 16 terms.
//!
//! ```text
//! count u32 │ restart offsets u32 × ⌈count / 16⌉, from the first entry │ entries
//! entry     varint bytes shared with the term before │ varint length │ suffix │ varint documents
//!           │ up to 32 documents: the list itself; else varint offset, varint length in postings
//!           │ of a word: at a restart varint offset in positions │ varint 2 × length there, plus 1 if
//!           │ some of its documents are of other than default kinds: then varint how many
//! ```
//!
//! A key is the field's number, then the value. At a restart nothing is shared. Positions stand in
//! the order of the words, so only a restart says where they begin.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::crypto::stack::wipe;
use crate::error::{Error, Result};
use crate::index::part::{Field, Term};
use crate::index::phrase::Pattern;
use crate::index::postings::{self, INLINE_MAX};

mod apart;
mod encoder;
mod others;

pub use apart::Apart;
pub use encoder::{Encoder, Part, encode, join, list_bound};
pub use others::OtherKinds;

/// Terms from one restart to the next.
pub const RESTART: usize = 16;
/// Longer keys are damage: the longest value is a text of 512 bytes.
pub const KEY_MAX: usize = 4096;

/// A dictionary in memory; wiped on drop.
pub struct Dictionary {
    bytes: Zeroizing<Vec<u8>>,
    count: u32,
    entries_at: usize,
}

/// A term's documents: how many, and where their list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of documents.
    pub frequency: u32,
    /// How many of them are of other than default kinds; known of words only.
    pub others: Option<u32>,
    /// Where the list stands.
    pub list: ListPlace,
}

/// An entry, and where the positions of its word stand; an empty place if it is no word.
pub type WordEntry = (Entry, Range<u64>);

/// Where a list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListPlace {
    /// In the dictionary.
    Inline(Range<usize>),
    /// In the postings section.
    Apart(Range<u64>),
}

/// Walks entries in order.
pub struct Cursor<'a> {
    reader: Reader<'a>,
    start: usize,
    left: u32,
    /// Entries read since the restart.
    read: usize,
    /// Where the positions of the last entry stand.
    runs: Range<u64>,
    key: Zeroizing<Vec<u8>>,
}

/// The sections that terms stand in.
#[derive(Default, PartialEq, Eq)]
pub struct TermSections {
    /// The dictionary.
    pub dictionary: Zeroizing<Vec<u8>>,
    /// Long lists.
    pub lists: Zeroizing<Vec<u8>>,
    /// Positions of words.
    pub positions: Zeroizing<Vec<u8>>,
}

/// Key of a term.
pub fn key_of(term: &Term) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(1 + term.value.len()));
    key.push(term.field as u8);
    key.extend_from_slice(&term.value);
    key
}

impl Dictionary {
    /// Takes the bytes of the section; entries are checked when they are read.
    pub fn decode(bytes: Zeroizing<Vec<u8>>) -> Result<Self> {
        let mut r = Reader::new(&bytes);
        let count = r.u32()?;
        r.bytes((count as usize).div_ceil(RESTART) * 4)?;
        let entries_at = r.position();
        Ok(Self { bytes, count, entries_at })
    }

    /// How many terms.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the section.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a list that stands in the dictionary.
    pub fn inline(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The entry of a key.
    pub fn find(&self, key: &[u8]) -> Result<Option<Entry>> {
        Ok(self.find_word(key)?.map(|(entry, _)| entry))
    }

    /// The entry of a key, and where its positions stand.
    pub fn find_word(&self, key: &[u8]) -> Result<Option<WordEntry>> {
        self.seek(key)?.find(key)
    }

    /// A cursor before the first entry.
    pub fn cursor(&self) -> Cursor<'_> {
        self.at_restart(0, 0)
    }

    /// A cursor before the first entry of a block of [`RESTART`] terms.
    pub fn at_block(&self, block: usize) -> Result<Cursor<'_>> {
        Ok(self.at_restart(block, self.restart(block)?))
    }

    /// A cursor at the last restart whose key is not above `key`; walk on from there.
    pub fn seek(&self, key: &[u8]) -> Result<Cursor<'_>> {
        Ok(self.seek_numbered(key)?.0)
    }

    /// The same, and the number of the entry that comes next.
    pub fn seek_numbered(&self, key: &[u8]) -> Result<(Cursor<'_>, u32)> {
        let block = self.block_of(key)?;
        let offset = if self.count == 0 { 0 } else { self.restart(block)? };
        Ok((self.at_restart(block, offset), (block * RESTART) as u32))
    }

    /// Calls `each` with the value, and what is said of it, of the entries with these numbers, which
    /// ascend.
    pub fn pick(
        &self,
        mut numbers: &[u32],
        mut each: impl FnMut(&[u8], Entry, Range<u64>) -> Result<()>,
    ) -> Result<()> {
        while let Some(first) = numbers.first() {
            let block = *first as usize / RESTART;
            let mut cursor = self.at_block(block)?;
            for number in (block * RESTART) as u32..((block + 1) * RESTART) as u32 {
                let Some(entry) = cursor.advance()? else { return Ok(()) };
                if numbers.first() == Some(&number) {
                    numbers = numbers.get(1..).unwrap_or_default();
                    each(cursor.key().get(1..).unwrap_or_default(), entry, cursor.runs())?;
                }
                if numbers.first().is_none_or(|next| *next as usize / RESTART != block) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The last restart whose key is not above `key`; the first if there is none.
    fn block_of(&self, key: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (0, (self.count as usize).div_ceil(RESTART));
        while high.saturating_sub(low) > 1 {
            let mid = low + (high - low) / 2;
            if self.restart_key(mid)? <= key { low = mid } else { high = mid }
        }
        Ok(low)
    }

    /// Calls `each` with every entry of a field whose value is one of a pattern. Of sixteen terms
    /// together it is known what all begin with, so most of them are passed over unread.
    pub fn walk(
        &self,
        field: Field,
        pattern: &Pattern,
        mut each: impl FnMut(&[u8], Entry, Range<u64>) -> Result<()>,
    ) -> Result<()> {
        let mut stem = Zeroizing::new(vec![field as u8]);
        stem.extend_from_slice(pattern.stem());
        let restarts = (self.count as usize).div_ceil(RESTART);
        let mut block = self.block_of(&stem)?;
        while block < restarts {
            let key = self.restart_key(block)?;
            let next = if block + 1 < restarts { Some(self.restart_key(block + 1)?) } else { None };
            if key > &stem[..] && !key.starts_with(&stem) {
                break;
            }
            let shared = next.map_or(0, |next| key.iter().zip(next).take_while(|(a, b)| a == b).count());
            let may = match key.get(..shared).and_then(<[u8]>::split_first) {
                Some((number, start)) => *number == field as u8 && pattern.may_begin(start),
                None => true,
            };
            if may {
                let mut cursor = self.at_block(block)?;
                for _ in 0..RESTART {
                    let Some(entry) = cursor.advance()? else { break };
                    match cursor.key().split_first() {
                        Some((number, value)) if *number == field as u8 && pattern.matches(value) => {
                            each(value, entry, cursor.runs())?;
                        }
                        _ => {}
                    }
                }
            }
            block += 1;
        }
        Ok(())
    }

    fn at_restart(&self, number: usize, offset: usize) -> Cursor<'_> {
        let start = self.entries_at.saturating_add(offset).min(self.bytes.len());
        let left = self.count.saturating_sub((number * RESTART) as u32);
        let key = Zeroizing::new(Vec::with_capacity(64));
        Cursor { reader: Reader::new(&self.bytes[start..]), start, left, read: 0, runs: 0..0, key }
    }

    fn restart(&self, number: usize) -> Result<usize> {
        let mut r = Reader::new(&self.bytes[..self.entries_at]);
        r.bytes(4 + 4 * number)?;
        Ok(r.u32()? as usize)
    }

    fn restart_key(&self, number: usize) -> Result<&[u8]> {
        let start = self.entries_at.saturating_add(self.restart(number)?).min(self.bytes.len());
        let mut r = Reader::new(&self.bytes[start..]);
        if r.varint()? != 0 {
            return Err(Error::corrupt("a restart of the dictionary shares bytes"));
        }
        r.slice()
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl Cursor<'_> {
    /// Entries left, or fewer: never more than the bytes left could hold.
    pub fn bound(&self) -> usize {
        (self.left as usize).min(self.reader.remaining() / 3)
    }

    /// Key of the entry that `advance` answered last.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The next entry; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Entry>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let is_restart = self.read.is_multiple_of(RESTART);
        self.read += 1;
        let shared = self.reader.count(self.key.len())?;
        let suffix = self.reader.slice()?;
        if shared + suffix.len() > KEY_MAX || shared + suffix.len() == 0 {
            return Err(Error::corrupt("length of a term is over its limit"));
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        let frequency = self.reader.count(u32::MAX as usize)? as u32;
        let list = if frequency <= INLINE_MAX {
            let from = self.place();
            postings::skip(&mut self.reader, frequency)?;
            ListPlace::Inline(from..self.place())
        } else {
            let from = self.reader.varint()?;
            let len = self.reader.varint()?;
            let to =
                from.checked_add(len).ok_or_else(|| Error::corrupt("place of a posting list overflows"))?;
            ListPlace::Apart(from..to)
        };
        let others = self.read_runs(is_restart, frequency)?;
        Ok(Some(Entry { frequency, others, list }))
    }

    /// Where the positions of the entry stand that `advance` answered last; empty if it is no word.
    pub fn runs(&self) -> Range<u64> {
        self.runs.clone()
    }

    /// Byte of the section that is read next.
    pub const fn place(&self) -> usize {
        self.start + self.reader.position()
    }

    /// Walks on to a key that is not behind.
    fn find(mut self, key: &[u8]) -> Result<Option<WordEntry>> {
        while let Some(entry) = self.advance()? {
            match self.key().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some((entry, self.runs()))),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// What stands of a word behind its list: where its positions are, and how many documents of
    /// other than default kinds have it.
    fn read_runs(&mut self, is_restart: bool, frequency: u32) -> Result<Option<u32>> {
        if self.key.first() != Some(&(Field::Word as u8)) {
            self.runs = 0..0;
            return Ok(None);
        }
        let from = if is_restart { self.reader.varint()? } else { self.runs.end };
        // Of the first entry that is read nobody knows what stands before it.
        if self.read > 1 && from != self.runs.end {
            return Err(Error::corrupt("positions of a word do not begin where those before it end"));
        }
        let len = self.reader.varint()?;
        let to = from.checked_add(len / 2);
        let to = to.ok_or_else(|| Error::corrupt("place of a word's positions overflows"))?;
        self.runs = from..to;
        if len % 2 == 0 {
            return Ok(Some(0));
        }
        match self.reader.count(frequency as usize)? {
            0 => Err(Error::corrupt("a word says that it has documents of other kinds, and none")),
            others => Ok(Some(others as u32)),
        }
    }

    /// Fails unless every byte of the section was read.
    pub fn finish(&self) -> Result<()> {
        if self.left > 0 {
            return Err(Error::corrupt("terms are left in the dictionary"));
        }
        self.reader.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::runs;
    use crate::index::terms::Terms;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sample(values: BTreeMap<Vec<u8>, u8>, docs: u32) -> Vec<(Term, Vec<u32>)> {
        let list = |n: u8| (0..docs.min(u32::from(n) + 1)).collect::<Vec<_>>();
        [Field::Tag, Field::Channel, Field::Word]
            .into_iter()
            .flat_map(|field| values.iter().map(move |(v, n)| (Term { field, value: v.clone() }, list(*n))))
            .collect()
    }

    fn encode_sample(sample: &[(Term, Vec<u32>)], docs: u32) -> TermSections {
        let mut terms = Terms::default();
        for (term, list) in sample {
            if term.field.has_positions() {
                terms.push_word(term.field, &term.value, list, &runs_of(list));
            } else {
                terms.push(term.field, &term.value, list.iter().copied());
            }
        }
        encode(&terms, docs)
    }

    /// Each document has the word at the place of its number.
    fn runs_of(list: &[u32]) -> Vec<u8> {
        let run = |doc: &u32| {
            let mut bytes = [0; runs::NUMBER_MAX];
            let len = runs::put(&mut bytes, *doc);
            bytes[..len].to_vec()
        };
        list.iter().flat_map(run).collect()
    }

    proptest! {
        #[test]
        fn finds_what_is_there(values in proptest::collection::btree_map(proptest::collection::vec(0u8..3, 0..8), any::<u8>(), 0..80)) {
            let docs = 300;
            let terms = sample(values, docs);
            let TermSections { dictionary, lists, positions } = encode_sample(&terms, docs);
            let dictionary = Dictionary::decode(dictionary).unwrap();
            let mut cursor = dictionary.cursor();
            for (term, list) in &terms {
                let entry = cursor.advance().unwrap().unwrap();
                prop_assert_eq!(cursor.key(), &key_of(term)[..]);
                prop_assert_eq!(dictionary.find(&key_of(term)).unwrap(), Some(entry.clone()));
                let bytes = match &entry.list {
                    ListPlace::Inline(range) => dictionary.inline(range),
                    ListPlace::Apart(range) => &lists[range.start as usize..range.end as usize],
                };
                prop_assert_eq!(&postings::decode_vec(&mut Reader::new(bytes), entry.frequency, docs).unwrap(), list);
                let runs = if term.field == Field::Word { runs_of(list) } else { Vec::new() };
                prop_assert_eq!(&positions[cursor.runs().start as usize..cursor.runs().end as usize], &runs[..]);
                prop_assert_eq!(dictionary.find_word(&key_of(term)).unwrap().unwrap().1, cursor.runs());
                let mut more = key_of(term);
                more.push(9);
                prop_assert_eq!(dictionary.find(&more).unwrap(), None);
            }
            prop_assert!(cursor.advance().unwrap().is_none());
            cursor.finish().unwrap();
            prop_assert_eq!(dictionary.find(&[]).unwrap(), None);
            for pattern in [Pattern::Prefix(vec![1]), Pattern::Prefix(vec![2, 0]), Pattern::near("\u{1}\u{0}\u{2}"), Pattern::near("")] {
                for field in [Field::Tag, Field::Channel, Field::Word, Field::Kind] {
                    let mut walked = Vec::new();
                    dictionary.walk(field, &pattern, |value, entry, _| {
                        walked.push((value.to_vec(), entry.frequency as usize));
                        Ok(())
                    }).unwrap();
                    let wanted: Vec<_> = terms.iter().filter(|(t, _)| t.field == field && pattern.matches(&t.value))
                        .map(|(t, list)| (t.value.clone(), list.len())).collect();
                    prop_assert_eq!(walked, wanted);
                }
            }
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes: Vec<u8>, key: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let values = (0..40u8).map(|i| (vec![i / 8, i % 8], i * 6)).collect();
            let mut good = encode_sample(&sample(values, 300), 300).dictionary.to_vec();
            let at = at.index(good.len());
            good[at] ^= 1 << bit;
            for bytes in [bytes, good] {
                if let Ok(d) = Dictionary::decode(Zeroizing::new(bytes)) {
                    let _ = d.find(&key);
                    let _ = d.walk(Field::Word, &Pattern::near("ab"), |_, _, _| Ok(()));
                    let _ = d.pick(&[0, 3, 3, 40, 2, u32::MAX], |_, _, _| Ok(()));
                    let _ = crate::index::sketches::Sketches::new(&d).map(|sketches| sketches.near(&['a']));
                    let mut c = d.cursor();
                    while let Ok(Some(e)) = c.advance() {
                        if let ListPlace::Inline(range) = e.list { let _ = d.inline(&range); }
                    }
                }
            }
        }
    }
}
