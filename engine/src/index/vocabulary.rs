//! Words by number, each with its documents, while they are collected.
//!
//! Whoever adds a word waits for memory, not for the processor: the table is looked up at a place that
//! is never cached, then the word, then the end of its list. So all of a word stands in one line of 64
//! bytes, short lists and short words too; longer lists hang behind it in pieces that double. And the
//! words of a document are looked up in stages, each for all of them, so that the waits overlap.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use zeroize::{Zeroize, Zeroizing};

use crate::index::texts::{Place, Texts};

/// Words, numbered from 0 in the order in which they came.
#[derive(Default)]
pub(super) struct Vocabulary {
    /// The upper half of a hash and a number plus 1; 0 is free. As long as a power of two.
    slots: Zeroizing<Vec<u64>>,
    /// Full but for the last, so that none ever moves.
    lines: Vec<Vec<Line>>,
    len: u32,
    /// Words that are too long for their line.
    texts: Texts,
    /// Documents of longer lists.
    pieces: Vec<Zeroizing<Vec<u32>>>,
    hasher: DefaultHashBuilder,
}

/// A word.
#[repr(align(64))]
struct Line {
    hash: u64,
    /// Documents.
    count: u32,
    last: u32,
    first: [u32; INLINE],
    /// Where the documents behind the first ones begin, and where the next one goes.
    head: u32,
    tail: u32,
    /// Room left at the tail.
    left: u16,
    len: u8,
    text: [u8; TEXT_MAX],
}

const _: () = assert!(size_of::<Line>() == 64);

/// Words of a document, looked up together.
#[derive(Default)]
pub(super) struct Lookup {
    bytes: Zeroizing<Vec<u8>>,
    words: Vec<Sought>,
}

/// A word that is looked up.
#[derive(Clone, Copy)]
struct Sought {
    end: u32,
    position: u32,
    hash: u64,
    /// Number of the word that may be it, plus 1.
    found: u32,
}

/// Words of a lookup for which room is kept: those of some hundred pages of text.
const LOOKUP_MAX: usize = 1 << 15;
/// Documents that stand in a line itself.
const INLINE: usize = 4;
/// Bytes of a word that stand in its line; longer ones are marked so.
const TEXT_MAX: usize = 21;
const LONG: u8 = u8::MAX;
/// Lines of a block.
const BLOCK: u32 = 1024;
/// Documents of the first piece of a list; each is twice as long as the one before it, up to the most.
const CHUNK_MIN: u32 = 8;
const CHUNK_MAX: u32 = 1024;
/// Documents of a piece of memory.
const PIECE: u32 = 1 << 16;

impl Lookup {
    /// No words. What a very long document took is given back.
    pub(super) fn clear(&mut self) {
        if self.words.capacity() > LOOKUP_MAX || self.bytes.capacity() > LOOKUP_MAX * 16 {
            *self = Self::default();
        }
        self.bytes.clear();
        self.words.clear();
    }

    /// Bytes that it keeps.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.words.capacity() * size_of::<Sought>()
    }

    /// How many words.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Adds a word.
    pub(super) fn push(&mut self, word: &[u8], position: u32) {
        super::terms::grow(&mut self.bytes, word.len());
        self.bytes.extend_from_slice(word);
        self.words.push(Sought { end: self.bytes.len() as u32, position, hash: 0, found: 0 });
    }
}

impl Vocabulary {
    /// Adds a document to the words of a lookup; calls `each` with the number and the position of
    /// each. Answers about how many bytes that took.
    pub(super) fn add(&mut self, of: &mut Lookup, doc: u32, mut each: impl FnMut(u32, u32)) -> usize {
        self.reserve(0);
        let (mut from, mask) = (0, self.slots.len() - 1);
        for word in &mut of.words {
            let bytes = of.bytes.get(from..word.end as usize).unwrap_or_default();
            word.hash = self.hasher.hash_one(bytes);
            from = word.end as usize;
        }
        // Loads that don't wait for one another.
        for word in &mut of.words {
            let slot = self.slots.get(word.hash as usize & mask).copied().unwrap_or(0);
            word.found = if slot >> 32 == word.hash >> 32 { slot as u32 } else { 0 };
        }
        let mut touched = 0u64;
        for word in &of.words {
            if let Some(line) = word.found.checked_sub(1).and_then(|n| self.line(n)) {
                touched ^= line.hash;
            }
        }
        std::hint::black_box(touched);
        let (mut from, mut bytes) = (0, 0);
        for word in &of.words {
            let text = of.bytes.get(from..word.end as usize).unwrap_or_default();
            from = word.end as usize;
            let guess = word.found.checked_sub(1).filter(|n| self.is(*n, word.hash, text));
            let number = match guess.or_else(|| self.find(word.hash, text)) {
                Some(number) => number,
                None => {
                    // Two to four places of the table are kept for each.
                    bytes += size_of::<Line>() + 24 + if text.len() > TEXT_MAX { text.len() } else { 0 };
                    self.insert(word.hash, text)
                }
            };
            bytes += self.push(number, doc);
            each(number, word.position);
        }
        bytes
    }

    /// How many words.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// The number of a word.
    pub(super) fn number(&self, word: &[u8]) -> Option<u32> {
        self.find(self.hasher.hash_one(word), word)
    }

    /// A word by its number.
    pub(super) fn word(&self, number: u32) -> &[u8] {
        self.line(number).map_or(&[], |line| self.text(line))
    }

    /// How many documents a word has.
    pub(super) fn count(&self, number: u32) -> u32 {
        self.line(number).map_or(0, |line| line.count)
    }

    /// Documents of a word, ascending.
    pub(super) fn docs(&self, number: u32) -> Vec<u32> {
        let Some(line) = self.line(number) else { return Vec::new() };
        let count = line.count as usize;
        let mut docs = Vec::with_capacity(count);
        docs.extend_from_slice(line.first.get(..count.min(INLINE)).unwrap_or_default());
        let (mut at, mut size) = (line.head, CHUNK_MIN);
        while docs.len() < count {
            let take = (count - docs.len()).min(size as usize);
            let (piece, from) = (self.pieces.get((at / PIECE) as usize), (at % PIECE) as usize);
            let part = piece.and_then(|p| p.get(from..from + take));
            docs.extend_from_slice(part.unwrap_or_default());
            if docs.len() < count {
                let next = piece.and_then(|p| p.get(from + size as usize));
                let Some(next) = next else { break };
                at = *next;
                size = (size * 2).min(CHUNK_MAX);
            }
        }
        docs
    }

    /// Numbers of all words, ascending by word.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut sorted: Vec<(u64, &[u8], u32)> = (0..self.len)
            .map(|n| {
                let word = self.word(n);
                (beginning(word), word, n)
            })
            .collect();
        sorted.sort_unstable();
        sorted.into_iter().map(|(_, _, n)| n).collect()
    }

    fn line(&self, number: u32) -> Option<&Line> {
        self.lines.get((number / BLOCK) as usize)?.get((number % BLOCK) as usize)
    }

    fn line_mut(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.get_mut((number / BLOCK) as usize)?.get_mut((number % BLOCK) as usize)
    }

    fn text<'a>(&'a self, line: &'a Line) -> &'a [u8] {
        if line.len != LONG {
            return line.text.get(..usize::from(line.len)).unwrap_or_default();
        }
        self.texts.get(line.place())
    }

    fn is(&self, number: u32, hash: u64, word: &[u8]) -> bool {
        self.line(number).is_some_and(|line| line.hash == hash && self.text(line) == word)
    }

    fn find(&self, hash: u64, word: &[u8]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            let number = (slot as u32).checked_sub(1)?;
            if slot >> 32 == hash >> 32 && self.is(number, hash, word) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Room for so many words more: half of the slots stay free. Words come one by one, for many of a
    /// document may be the same.
    fn reserve(&mut self, more: usize) {
        let wanted = ((self.len as usize + more) * 2).next_power_of_two().max(1024);
        if wanted <= self.slots.len() {
            return;
        }
        self.slots = Zeroizing::new(vec![0; wanted]);
        for number in 0..self.len {
            let hash = self.line(number).map_or(0, |line| line.hash);
            self.place(hash, number);
        }
    }

    fn place(&mut self, hash: u64, number: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots.get(at).is_some_and(|slot| *slot != 0) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = hash >> 32 << 32 | u64::from(number + 1);
        }
    }

    fn insert(&mut self, hash: u64, word: &[u8]) -> u32 {
        self.reserve(1);
        if self.len.is_multiple_of(BLOCK) {
            self.lines.push(Vec::with_capacity(BLOCK as usize));
        }
        let number = self.len;
        let Self { lines, texts, .. } = self;
        if let Some(block) = lines.last_mut() {
            // Filled where it stands: one that is moved there leaves its word on the stack.
            block.push(Line::EMPTY);
            if let Some(line) = block.last_mut() {
                line.hash = hash;
                match line.text.get_mut(..word.len()) {
                    Some(text) => {
                        text.copy_from_slice(word);
                        line.len = word.len() as u8;
                    }
                    None => line.set_place(texts.add(word)),
                }
            }
        }
        self.len += 1;
        self.place(hash, number);
        number
    }

    /// Adds a document that is not below the last one; answers how many bytes that took.
    fn push(&mut self, number: u32, doc: u32) -> usize {
        let Some(line) = self.line_mut(number) else { return 0 };
        if line.count > 0 && line.last == doc {
            return 0;
        }
        let count = line.count;
        (line.last, line.count) = (doc, count + 1);
        if let Some(place) = line.first.get_mut(count as usize) {
            *place = doc;
            return 0;
        }
        if line.left > 0 {
            let at = line.tail;
            line.tail += 1;
            line.left -= 1;
            self.write(at, doc);
            return 0;
        }
        let (end, behind) = (line.tail, count - INLINE as u32);
        let size = size_behind(behind);
        let at = self.allot(size + 1);
        if behind > 0 {
            self.write(end, at);
        }
        self.write(at, doc);
        if let Some(line) = self.line_mut(number) {
            if behind == 0 {
                line.head = at;
            }
            (line.tail, line.left) = (at + 1, size as u16 - 1);
        }
        (size as usize + 1) * size_of::<u32>()
    }

    /// So many places, one behind the other.
    fn allot(&mut self, places: u32) -> u32 {
        let room = self.pieces.last().map_or(0, |piece| PIECE as usize - piece.len());
        if room < places as usize {
            self.pieces.push(Zeroizing::new(Vec::with_capacity(PIECE as usize)));
        }
        let number = self.pieces.len().saturating_sub(1);
        let Some(piece) = self.pieces.last_mut() else { return 0 };
        let from = piece.len();
        piece.resize(from + places as usize, 0);
        number as u32 * PIECE + from as u32
    }

    fn write(&mut self, at: u32, value: u32) {
        let piece = self.pieces.get_mut((at / PIECE) as usize);
        if let Some(place) = piece.and_then(|p| p.get_mut((at % PIECE) as usize)) {
            *place = value;
        }
    }
}

/// The length of the piece that begins with the document behind so many in pieces.
const fn size_behind(behind: u32) -> u32 {
    // Pieces before it hold 8, 24, 56, … documents, then 1,024 more each.
    let doubled = behind / CHUNK_MIN + 1;
    let size = CHUNK_MIN * doubled.next_power_of_two();
    if size < CHUNK_MAX { size } else { CHUNK_MAX }
}

/// The first bytes as a number that is ordered as they are.
fn beginning(word: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = word.len().min(8);
    bytes[..len].copy_from_slice(&word[..len]);
    u64::from_be_bytes(bytes)
}

impl Line {
    /// Without a word; marked as if it had a long one.
    const EMPTY: Self = Self {
        hash: 0,
        count: 0,
        last: 0,
        first: [0; INLINE],
        head: 0,
        tail: 0,
        left: 0,
        len: LONG,
        text: [0; TEXT_MAX],
    };

    fn place(&self) -> Place {
        let number = |at: usize| {
            let bytes = self.text.get(at..at + 4).and_then(|b| b.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        Place { piece: number(0), at: number(4), len: number(8) }
    }

    fn set_place(&mut self, place: Place) {
        for (part, number) in self.text.chunks_exact_mut(4).zip([place.piece, place.at, place.len]) {
            part.copy_from_slice(&number.to_le_bytes());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hash.zeroize();
        self.text.zeroize();
        self.first.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn pieces_double_and_then_stay() {
        let mut behind = 0;
        for size in [8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024] {
            assert_eq!(size_behind(behind), size);
            behind += size;
        }
    }

    #[test]
    fn a_long_list_reads_back() {
        let (mut words, mut lookup) = (Vocabulary::default(), Lookup::default());
        for doc in 0..300_000 {
            lookup.clear();
            lookup.push(b"a", 0);
            if doc % 3 == 0 {
                lookup.push(b"a word that is too long for its line", 1);
            }
            words.add(&mut lookup, doc, |_, _| ());
        }
        assert!(words.docs(0).into_iter().eq(0..300_000));
        assert!(words.docs(1).into_iter().eq((0..300_000).step_by(3)));
    }

    /// A body of one word a million times took a place of the table for each time, eight megabytes for one
    /// word, and the room in which they were looked up stayed, twelve more; nobody counted either.
    #[test]
    fn a_word_that_is_said_often_takes_room_once() {
        let (mut words, mut lookup) = (Vocabulary::default(), Lookup::default());
        (0..1 << 20).for_each(|at| lookup.push(b"a", at));
        words.add(&mut lookup, 0, |_, _| {});
        assert_eq!((words.len(), words.slots.len()), (1, 1024));
        lookup.clear();
        assert!(lookup.memory() < 1 << 20, "{} bytes", lookup.memory());
    }

    proptest! {
        #[test]
        fn words_read_back(docs in proptest::collection::vec(proptest::collection::vec("[a-c]{0,2}|[a-b]{20,23}", 0..12), 0..120)) {
            let (mut words, mut lookup) = (Vocabulary::default(), Lookup::default());
            let mut wanted: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for (doc, own) in docs.iter().enumerate() {
                lookup.clear();
                for (at, word) in own.iter().enumerate() {
                    lookup.push(word.as_bytes(), at as u32);
                    let list = wanted.entry(word.clone()).or_default();
                    if list.last() != Some(&(doc as u32)) {
                        list.push(doc as u32);
                    }
                }
                let mut told = Vec::new();
                words.add(&mut lookup, doc as u32, |number, at| told.push((number, at)));
                prop_assert!(told.iter().map(|(_, at)| *at).eq(0..own.len() as u32));
                prop_assert!(told.iter().zip(own).all(|((n, _), word)| words.word(*n) == word.as_bytes()));
            }
            let sorted: Vec<_> = words.in_order().into_iter()
                .map(|n| (String::from_utf8(words.word(n).to_vec()).unwrap(), words.docs(n))).collect();
            prop_assert_eq!(sorted, wanted.clone().into_iter().collect::<Vec<_>>());
            for (word, list) in &wanted {
                let number = words.number(word.as_bytes()).unwrap();
                prop_assert_eq!(words.count(number) as usize, list.len());
            }
            prop_assert_eq!(words.number(b"none"), None);
        }
    }
}
