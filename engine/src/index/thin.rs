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
use crate::index::dictionary::{
    self, Dictionary, Encoder, Entry, KEY_MAX, OtherKinds, Part, RESTART, TermSections, list_bound,
};
use crate::index::filter::IdFilter;
use crate::index::lists::field_of;
use crate::index::part::Field;
use crate::index::phrase::Pattern;
use crate::index::postings;
use crate::index::sections::{IdTable, list_bytes};
use crate::index::shared::{self, Hands};
use crate::index::tables::ids_width;
use crate::index::terms::grow;

mod list;

use list::{Thinned, word};

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

/// Terms of a dictionary that are thinned in one piece: smaller ones aren't worth a thread.
const PIECE_MIN: usize = 4096;

/// The sections of terms that documents go from.
pub struct Whole<'a> {
    /// The dictionary.
    pub dictionary: &'a Dictionary,
    /// The long lists.
    pub lists: &'a [u8],
    /// The positions.
    pub positions: &'a [u8],
    /// New numbers of documents.
    pub numbers: &'a Numbers,
}

/// Some of the terms, block by block.
#[derive(Default)]
struct Piece {
    /// Blocks and terms in front of it, and how many of these terms stay.
    block: usize,
    first: usize,
    kept: usize,
    /// The last key in front of it, and the last of those that stay.
    before: Zeroizing<Vec<u8>>,
    kept_before: Zeroizing<Vec<u8>>,
    /// How many terms it has.
    len: usize,
}

/// What is left of a piece, and where the positions of its words stood.
type Left = (Part, Option<Range<u64>>);

impl Whole<'_> {
    /// The dictionary, the postings and the positions, without the terms that `keep` refuses and those
    /// that are left without documents.
    pub fn thinned(&self, hands: Hands, keep: impl Fn(Field, &[u8]) -> bool + Sync) -> Result<TermSections> {
        let pieces = (self.dictionary.len() as usize / PIECE_MIN).clamp(1, 4);
        // Pieces are cut for others to share them.
        self.in_pieces(if hands == Hands::One { 1 } else { pieces }, keep)
    }

    fn in_pieces(&self, number: usize, keep: impl Fn(Field, &[u8]) -> bool + Sync) -> Result<TermSections> {
        let pieces = self.pieces(number, &keep)?;
        let others = self.other_kinds()?;
        let mut left: Vec<Option<Left>> = pieces.iter().map(|_| None).collect();
        let hands = if pieces.len() > 1 { Hands::Two } else { Hands::One };
        shared::share(hands, pieces.iter().zip(&mut left).map(Ok), |(piece, left)| {
            *left = Some(self.piece(piece, &others, &keep)?);
            Ok(())
        })?;
        let mut parts = Vec::with_capacity(pieces.len());
        let mut placed = 0;
        for (part, runs) in left.into_iter().flatten() {
            if runs.as_ref().is_some_and(|runs| runs.start != placed) {
                return Err(Error::corrupt("positions of a word do not begin where those before it end"));
            }
            placed = runs.map_or(placed, |runs| runs.end);
            parts.push(part);
        }
        if placed != self.positions.len() as u64 {
            return Err(Error::corrupt("positions are left that no word has"));
        }
        Ok(dictionary::join(parts))
    }

    /// Cuts the terms. How the entries of a piece are written depends on which terms stay in front of
    /// it, so these are read once, without their positions and but for few without their documents.
    fn pieces(&self, number: usize, keep: impl Fn(Field, &[u8]) -> bool) -> Result<Vec<Piece>> {
        let all = self.dictionary.len() as usize;
        let blocks = all.div_ceil(RESTART).div_ceil(number).max(1);
        let len = |first: usize| (blocks * RESTART).min(all - first);
        let mut pieces = vec![Piece { len: len(0), ..Piece::default() }];
        let mut cursor = self.dictionary.cursor();
        let (mut kept, mut kept_before) = (0, Zeroizing::new(Vec::with_capacity(KEY_MAX)));
        for block in (blocks..all.div_ceil(RESTART)).step_by(blocks) {
            let first = block * RESTART;
            for _ in first - blocks * RESTART..first {
                let Some(entry) = cursor.advance()? else { break };
                let key = cursor.key();
                let (field, value) = field_and_value(key)?;
                if keep(field, value) && self.has_survivors(&entry)? {
                    kept += 1;
                    kept_before.clear();
                    kept_before.extend_from_slice(key);
                }
            }
            if self.dictionary.at_block(block)?.place() != cursor.place() {
                return Err(Error::corrupt("a restart of the dictionary is not where its term is"));
            }
            let before = Zeroizing::new(cursor.key().to_vec());
            pieces.push(Piece {
                block,
                first,
                kept,
                before,
                kept_before: kept_before.clone(),
                len: len(first),
            });
        }
        Ok(pieces)
    }

    /// Whether a term is left with documents.
    fn has_survivors(&self, entry: &Entry) -> Result<bool> {
        let Numbers { gone, alive, .. } = self.numbers;
        if entry.frequency as usize > gone.len() {
            return Ok(true);
        }
        let list = list_bytes(self.dictionary, self.lists, &entry.list)?;
        if postings::is_bitmap(entry.frequency, self.numbers.docs()) {
            return Ok(list.chunks(8).map(word).zip(alive).any(|(word, alive)| word & alive != 0));
        }
        let (mut r, mut next) = (Reader::new(list), 0u64);
        for _ in 0..entry.frequency {
            let doc = next.saturating_add(r.varint()?);
            if u32::try_from(doc).is_ok_and(|doc| self.numbers.get(doc).is_some()) {
                return Ok(true);
            }
            next = doc.saturating_add(1);
        }
        Ok(false)
    }

    fn other_kinds(&self) -> Result<OtherKinds> {
        let mut others = OtherKinds::default();
        self.dictionary.walk(Field::Kind, &Pattern::Prefix(Vec::new()), |value, entry, _| {
            if OtherKinds::is_one(Field::Kind, value) {
                let mut r = Reader::new(list_bytes(self.dictionary, self.lists, &entry.list)?);
                let docs = postings::decode_vec(&mut r, entry.frequency, self.numbers.docs())?;
                others.note(Field::Kind, value, &docs);
            }
            Ok(())
        })?;
        Ok(others)
    }

    fn piece(
        &self,
        piece: &Piece,
        others_of: &OtherKinds,
        keep: impl Fn(Field, &[u8]) -> bool,
    ) -> Result<Left> {
        let Self { dictionary, lists, positions, numbers } = self;
        let left = numbers.left;
        // The first piece is the one that the others are laid behind.
        let room = |of: usize| match piece.first {
            // What grows, grows by a little; vectors that are grown wipe what they leave.
            0 => of + of / 8 + 4096,
            _ => of / 2,
        };
        let (entries, long) = (room(dictionary.bytes_len()), room(lists.len()));
        let mut out = Encoder::behind(piece.kept, &piece.kept_before, entries, long);
        let mut runs_left = RunsLeft::of(positions, room(positions.len()));
        let mut placed: Option<Range<u64>> = None;
        let mut thinned = Thinned::default();
        let mut before = Zeroizing::new(Vec::with_capacity(KEY_MAX));
        before.extend_from_slice(&piece.before);
        let mut cursor = match piece.block {
            0 => dictionary.cursor(),
            block => dictionary.at_block(block)?,
        };
        for _ in 0..piece.len {
            let Some(entry) = cursor.advance()? else { break };
            let key = cursor.key();
            let (field, value) = field_and_value(key)?;
            if **before >= *key || entry.frequency == 0 {
                return Err(Error::corrupt("terms are not in order or empty"));
            }
            before.clear();
            before.extend_from_slice(key);
            let list = list_bytes(dictionary, lists, &entry.list)?;
            let frequency = thinned.read(list, entry.frequency, numbers)?;
            let runs = match entry.others {
                Some(others) => {
                    let place = cursor.runs();
                    thinned.read_runs(positions, &place)?;
                    placed = Some(placed.map_or(place.start, |placed| placed.start)..place.end);
                    let gone = others_of.count(thinned.gone.iter().map(|(_, doc)| *doc));
                    let left =
                        others.checked_sub(gone).filter(|left| *left <= frequency).ok_or_else(|| {
                            Error::corrupt("a word says wrongly how many of its documents are of other kinds")
                        })?;
                    Some((thinned.runs_len, left))
                }
                None => None,
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
        if piece.first + piece.len == dictionary.len() as usize {
            cursor.finish()?;
        }
        Ok((out.finish(runs_left.finish()), placed))
    }
}

fn field_and_value(key: &[u8]) -> Result<(Field, &[u8])> {
    let (number, value) = key.split_first().unwrap_or((&0, &[]));
    let field = field_of(*number)
        .ok_or_else(|| Error::newer(format!("field {number} of the dictionary is unknown")))?;
    Ok((field, value))
}

/// The positions that stay. Few words lose any, so what stays is copied over many words at once.
struct RunsLeft<'a> {
    all: &'a [u8],
    out: Zeroizing<Vec<u8>>,
    /// Not copied yet.
    next: Range<usize>,
}

impl<'a> RunsLeft<'a> {
    /// None of these so far, and room for `room` bytes.
    fn of(all: &'a [u8], room: usize) -> Self {
        Self { all, out: Zeroizing::new(Vec::with_capacity(room)), next: 0..0 }
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
        let part = self.all.get(self.next.clone()).unwrap_or_default();
        grow(&mut self.out, part.len());
        self.out.put_bytes(part);
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

    /// Places are written anew, so a wrong one would be made right by the way and never be seen again.
    #[test]
    fn wrong_places_are_refused_not_made_consistent() {
        let lists = (0..100).map(|value| ((6, value), BTreeSet::from([0, 1, 2]))).collect();
        let TermSections { dictionary, lists, positions } = dictionary::encode(&data_of(&lists), 10);
        let numbers = Numbers::without(10, &RoaringBitmap::from([1]));
        let thin = |dictionary: &[u8], positions: &[u8], pieces| {
            let dictionary = Dictionary::decode(Zeroizing::new(dictionary.to_vec())).unwrap();
            let whole = Whole { dictionary: &dictionary, lists: &lists, positions, numbers: &numbers };
            whole.in_pieces(pieces, |_, _| true).map(drop)
        };
        let more = [&positions[..], &[0x40]].concat();
        for pieces in 1..5 {
            thin(&dictionary, &positions, pieces).unwrap();
            assert!(thin(&dictionary, &more, pieces).is_err(), "{pieces} pieces");
        }
        // The second of two pieces begins at the fifth restart.
        let mut moved = dictionary.to_vec();
        moved[4 + 4 * 4] ^= 1;
        assert!(thin(&moved, &positions, 2).is_err());
    }

    proptest! {
        /// Long and short lists, bitmaps that become lists and lists that become bitmaps.
        #[test]
        fn thinned_terms_equal_encoded_ones(
            docs in 1u32..700,
            seeds in proptest::collection::btree_map((0u8..7, any::<u8>()), (any::<u64>(), 0u32..40), 0..120),
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
            let dictionary = Dictionary::decode(dictionary).unwrap();
            let whole = Whole { dictionary: &dictionary, lists: &postings, positions: &positions, numbers: &numbers };
            for pieces in 1..5 {
                let got = whole.in_pieces(pieces, |f, v| !refused(f, v)).unwrap();
                prop_assert!(got == dictionary::encode(&wanted, numbers.left));
            }
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
                let whole = Whole { dictionary: &dictionary, lists: &lists, positions: &lists, numbers: &numbers };
                for pieces in 1..4 {
                    let _ = whole.in_pieces(pieces, |_, _| true);
                }
            }
        }
    }
}
