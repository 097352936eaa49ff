//! Writing a dictionary: a term after the other, or parts of it beside each other.
//!
//! Entries say where long lists and positions stand, and that nobody knows of a part before those in
//! front of it are done. So a part leaves holes, and they are filled when the parts are joined.

use zeroize::Zeroizing;

use crate::codec::Write;
use crate::index::dictionary::{KEY_MAX, OtherKinds, RESTART, TermSections};
use crate::index::part::Field;
use crate::index::postings::{self, INLINE_MAX};
use crate::index::terms::{Terms, grow};

/// Bytes that a varint takes at most.
const VARINT_MAX: usize = 10;

/// The sections of sorted terms.
pub fn encode(terms: &Terms, docs: u32) -> TermSections {
    let runs = terms.iter().map(|t| t.runs.len()).sum();
    let mut positions = Zeroizing::new(Vec::with_capacity(runs));
    let mut others = OtherKinds::default();
    let mut out = Encoder::with_capacity(entries_bound(terms), postings_bound(terms, docs));
    for term in terms.iter() {
        let room = list_bound(term.docs.len(), docs);
        let put = |out: &mut Vec<u8>| postings::encode(out, term.docs, docs);
        let runs = if term.field.has_positions() {
            Some((term.runs.len(), others.count(term.docs.iter().copied())))
        } else {
            others.note(term.field, term.value, term.docs);
            None
        };
        out.push(term.field, term.value, term.docs.len() as u32, (room, put), runs);
        positions.put_bytes(term.runs);
    }
    join(vec![out.finish(positions)])
}

/// Writes the sections, or a part of them.
pub struct Encoder {
    entries: Zeroizing<Vec<u8>>,
    holes: Vec<Hole>,
    lists: Zeroizing<Vec<u8>>,
    /// Bytes of the positions so far.
    placed: usize,
    /// Where entries stand that share nothing.
    restarts: Vec<u32>,
    /// Value of the last term, and its field.
    before: Zeroizing<Vec<u8>>,
    field: u8,
    /// Terms in front of this part.
    first: usize,
    count: usize,
}

/// Where an entry will say at which byte of a section something begins.
struct Hole {
    /// Byte of the entries in front of which it stands.
    at: u32,
    section: Section,
    /// Byte in what this part adds to the section.
    place: u64,
}

#[derive(Clone, Copy)]
enum Section {
    Lists,
    Positions,
}

/// A part of the sections.
pub struct Part {
    entries: Zeroizing<Vec<u8>>,
    holes: Vec<Hole>,
    restarts: Vec<u32>,
    count: usize,
    lists: Zeroizing<Vec<u8>>,
    positions: Zeroizing<Vec<u8>>,
}

impl Encoder {
    /// No terms, with room for so many bytes of entries and of long lists.
    pub fn with_capacity(entries: usize, lists: usize) -> Self {
        Self {
            entries: Zeroizing::new(Vec::with_capacity(entries)),
            holes: Vec::new(),
            lists: Zeroizing::new(Vec::with_capacity(lists)),
            placed: 0,
            restarts: Vec::new(),
            before: Zeroizing::new(Vec::with_capacity(KEY_MAX)),
            field: 0,
            first: 0,
            count: 0,
        }
    }

    /// The same for a part with so many `terms` in front of it, the last of which has this key.
    pub fn behind(terms: usize, key: &[u8], entries: usize, lists: usize) -> Self {
        let mut out = Self { first: terms, ..Self::with_capacity(entries, lists) };
        if let Some((field, value)) = key.split_first() {
            out.follow(*field, value);
        }
        out
    }

    /// Adds the next term. `put` writes its list, which takes at most `room` bytes. Of a word, whose
    /// positions the caller lays behind those of the word before, it is told how many bytes these take,
    /// and how many of its documents are of other than default kinds.
    pub fn push(
        &mut self,
        field: Field,
        value: &[u8],
        frequency: u32,
        (room, put): (usize, impl FnOnce(&mut Vec<u8>)),
        runs: Option<(usize, u32)>,
    ) {
        let number = field as u8;
        grow(&mut self.entries, value.len() + 68 + if frequency <= INLINE_MAX { room } else { 0 });
        let restart = (self.first + self.count).is_multiple_of(RESTART);
        if restart {
            self.restarts.push(self.entries.len() as u32);
        }
        let shared = if restart || self.field != number {
            0
        } else {
            1 + self.before.iter().zip(value).take_while(|(a, b)| a == b).count()
        };
        self.entries.put_varint(shared as u64);
        if shared == 0 {
            self.entries.put_varint(1 + value.len() as u64);
            self.entries.put_u8(number);
            self.entries.put_bytes(value);
        } else {
            self.entries.put_slice(&value[shared - 1..]);
        }
        self.entries.put_varint(u64::from(frequency));
        if frequency <= INLINE_MAX {
            put(&mut self.entries);
        } else {
            grow(&mut self.lists, room);
            let from = self.lists.len();
            put(&mut self.lists);
            self.hole(Section::Lists, from);
            self.entries.put_varint((self.lists.len() - from) as u64);
        }
        if let Some((len, others)) = runs {
            if restart {
                self.hole(Section::Positions, self.placed);
            }
            self.placed += len;
            self.entries.put_varint(2 * len as u64 + u64::from(others > 0));
            if others > 0 {
                self.entries.put_varint(u64::from(others));
            }
        }
        self.follow(number, value);
        self.count += 1;
    }

    fn hole(&mut self, section: Section, place: usize) {
        self.holes.push(Hole { at: self.entries.len() as u32, section, place: place as u64 });
    }

    /// The next term comes behind this one.
    fn follow(&mut self, field: u8, value: &[u8]) {
        grow(&mut self.before, value.len());
        self.before.clear();
        self.before.extend_from_slice(value);
        self.field = field;
    }

    /// What was written; `positions` are those of the words that were added.
    pub fn finish(self, positions: Zeroizing<Vec<u8>>) -> Part {
        let Self { entries, holes, lists, restarts, count, .. } = self;
        Part { entries, holes, restarts, count, lists, positions }
    }
}

/// The sections, from all their parts.
pub fn join(parts: Vec<Part>) -> TermSections {
    let sum = |of: fn(&Part) -> usize| parts.iter().map(of).sum::<usize>();
    let entries_at = 4 + 4 * sum(|part| part.restarts.len());
    let room = entries_at + sum(|part| part.entries.len() + VARINT_MAX * part.holes.len());
    let (lists, positions) = (sum(|part| part.lists.len()), sum(|part| part.positions.len()));
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    out.put_u32(sum(|part| part.count) as u32);
    out.resize(entries_at, 0);
    let mut restarts = Vec::new();
    let mut all = TermSections::default();
    for mut part in parts {
        let Part { entries, holes, .. } = &part;
        let mut unplaced = part.restarts.iter().peekable();
        let mut from = 0;
        let end = Hole { at: entries.len() as u32, section: Section::Lists, place: 0 };
        for (hole, is_hole) in holes.iter().map(|hole| (hole, true)).chain([(&end, false)]) {
            while let Some(restart) = unplaced.next_if(|restart| **restart < hole.at) {
                restarts.push((out.len() - entries_at + *restart as usize - from) as u32);
            }
            out.put_bytes(entries.get(from..hole.at as usize).unwrap_or_default());
            from = hole.at as usize;
            if is_hole {
                let before = match hole.section {
                    Section::Lists => all.lists.len(),
                    Section::Positions => all.positions.len(),
                };
                out.put_varint(before as u64 + hole.place);
            }
        }
        append(&mut all.lists, &mut part.lists, lists);
        append(&mut all.positions, &mut part.positions, positions);
    }
    let table = out.get_mut(4..entries_at).unwrap_or_default();
    for (place, restart) in table.as_chunks_mut().0.iter_mut().zip(restarts) {
        *place = restart.to_le_bytes();
    }
    all.dictionary = out;
    all
}

/// Lays `part` behind `all`, of `len` bytes in the end; the first is taken as it is.
fn append(all: &mut Zeroizing<Vec<u8>>, part: &mut Zeroizing<Vec<u8>>, len: usize) {
    if all.is_empty() {
        std::mem::swap(all, part);
    } else if !part.is_empty() {
        let more = len - all.len();
        grow(all, more);
        all.extend_from_slice(part);
    }
}

/// Bytes that a list takes at most.
pub fn list_bound(len: usize, docs: u32) -> usize {
    if postings::is_bitmap(len as u32, docs) { (docs as usize).div_ceil(8) } else { 5 * len }
}

/// Reserved at once: a vector that grows leaves its plaintext behind.
fn entries_bound(terms: &Terms) -> usize {
    terms.iter().map(|t| t.value.len() + 68 + 5 * t.docs.len().min(INLINE_MAX as usize)).sum()
}

fn postings_bound(terms: &Terms, docs: u32) -> usize {
    let long = terms.iter().map(|t| t.docs.len()).filter(|n| *n as u32 > INLINE_MAX);
    long.map(|n| list_bound(n, docs)).sum()
}
