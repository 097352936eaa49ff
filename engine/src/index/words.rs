//! Words of bodies while they are collected: lists of documents, and the bodies as numbers of words.
//!
//! The second is one vector, written from front to back. A phrase is sought in it, and a roll makes
//! of it where each word stands; kept by word, positions would cost a cache miss each.

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::index::dense;
use crate::index::part::Field;
use crate::index::phrase::{EachWord, Pattern, Phrase, Wanted};
use crate::index::runs;
use crate::index::terms::{Terms, grow};
use crate::index::vocabulary::{Lookup, Vocabulary};
use crate::text::Analyser;

/// Words of documents, which are numbered from 0.
#[derive(Default)]
pub struct Words {
    words: Vocabulary,
    lookup: Lookup,
    analyser: Analyser,
    /// Numbers of words, document after document; with [`APART`] if one place is left free before it.
    stream: Zeroizing<Vec<u32>>,
    /// Where each document ends in it.
    ends: Vec<usize>,
}

/// A place is left free before the word.
const APART: u32 = 1 << 31;

impl Words {
    /// Adds the next document; answers about how many bytes that took.
    pub fn add(&mut self, doc: u32, body: &str) -> usize {
        let Self { words, lookup, analyser, stream, ends } = self;
        analyser.words(body, |word| lookup.push(word.value, word.position));
        let before = stream.len();
        let mut next = 0;
        grow(stream, lookup.len());
        let bytes = words.add(lookup, doc, |number, position| {
            stream.push(number | if position == next { 0 } else { APART });
            next = position + 1;
        });
        lookup.clear();
        ends.push(stream.len());
        size_of::<usize>() + bytes + (stream.len() - before) * size_of::<u32>()
    }

    /// Documents that have a word.
    pub fn docs_of(&self, word: &[u8]) -> Vec<u32> {
        self.words.number(word).map_or_else(Vec::new, |number| self.words.docs(number))
    }

    /// How many documents have a word.
    pub fn frequency(&self, word: &[u8]) -> u32 {
        self.words.number(word).map_or(0, |number| self.words.count(number))
    }

    /// The number of a word.
    pub fn number_of(&self, word: &[u8]) -> Option<u32> {
        self.words.number(word)
    }

    /// How many words a document has.
    pub fn count_in(&self, doc: u32) -> u32 {
        self.stream_of(doc).len() as u32
    }

    /// How many documents have words.
    pub fn docs_with_words(&self) -> u64 {
        let mut from = 0;
        self.ends.iter().filter(|end| std::mem::replace(&mut from, **end) < **end).count() as u64
    }

    /// Those of the documents `among` in which a phrase stands.
    pub fn phrase(&self, phrase: &Phrase, among: &RoaringBitmap) -> RoaringBitmap {
        let mut sets: Vec<(u32, Vec<u32>)> = Vec::with_capacity(phrase.words.len());
        let mut docs = among.clone();
        for word in &phrase.words {
            let mut numbers = match &word.what {
                Wanted::Word(term) => self.number_of(&term.value).into_iter().collect(),
                Wanted::Like(pattern) => self.numbers_like(pattern),
            };
            numbers.sort_unstable();
            if let [only] = numbers[..] {
                docs &= RoaringBitmap::from_sorted_iter(self.words.docs(only)).unwrap_or_default();
            }
            if numbers.is_empty() || docs.is_empty() {
                return RoaringBitmap::new();
            }
            sets.push((word.offset, numbers));
        }
        let Some(((first_offset, first), others)) = sets.split_first() else { return docs };
        let is_one = |word: u32, numbers: &[u32]| match numbers {
            [only] => *only == word,
            many => many.binary_search(&word).is_ok(),
        };
        // Most bodies hold all of the words; most words are none of them.
        let stands = |doc: &u32| {
            let mut places = self.places(*doc);
            while let Some((word, at)) = places.next() {
                if !is_one(word, first) {
                    continue;
                }
                let mut behind = places.clone();
                let mut stands = |(offset, numbers): &(u32, Vec<u32>)| {
                    let wanted = at.checked_add(offset - first_offset);
                    let there = behind.find(|(_, at)| wanted.is_some_and(|wanted| *at >= wanted));
                    there.is_some_and(|(word, at)| Some(at) == wanted && is_one(word, numbers))
                };
                if others.iter().all(&mut stands) {
                    return true;
                }
            }
            false
        };
        docs.iter().filter(stands).collect()
    }

    /// The documents of all words like one; tells `each` of these.
    pub fn like(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap> {
        let mut docs = dense::Words::none(self.ends.len() as u32);
        for number in self.numbers_like(pattern) {
            each(self.words.word(number))?;
            self.words.docs(number).into_iter().for_each(|doc| docs.insert(doc));
        }
        Ok(docs.into_docs())
    }

    fn numbers_like(&self, pattern: &Pattern) -> Vec<u32> {
        (0..self.words.len() as u32).filter(|number| pattern.matches(self.words.word(*number))).collect()
    }

    /// How many words all documents have together.
    pub fn count(&self) -> u64 {
        self.stream.len() as u64
    }

    /// The words of a document by their numbers, each with its position.
    pub fn places(&self, doc: u32) -> impl Iterator<Item = (u32, u32)> + Clone {
        let mut next = 0;
        self.stream_of(doc).iter().map(move |word| {
            let at = next + u32::from(word & APART != 0);
            next = at + 1;
            (word & !APART, at)
        })
    }

    fn stream_of(&self, doc: u32) -> &[u32] {
        let end = |doc: u32| self.ends.get(doc as usize).copied();
        let from = doc.checked_sub(1).map_or(Some(0), end);
        from.zip(end(doc)).and_then(|(from, end)| self.stream.get(from..end)).unwrap_or_default()
    }

    /// Appends all words in order to `terms`, with new numbers for documents; those without one go.
    pub(super) fn sorted(&self, terms: &mut Terms, number: impl Fn(u32) -> Option<u32>) -> Result<()> {
        let mut docs: Vec<(u32, u32)> =
            (0..self.ends.len() as u32).filter_map(|doc| Some((number(doc)?, doc))).collect();
        docs.sort_unstable();
        let mut sums = vec![Sum::default(); self.words.len()];
        for (new, doc) in &docs {
            for (word, at) in self.places(*doc) {
                let sum = sums.get_mut(word as usize).ok_or_else(missing)?;
                let value = sum.step(*new, at);
                sum.docs += u32::from(value.is_none());
                sum.runs += runs::len_of(value.unwrap_or(at)) as u32;
            }
        }
        // Where each word's part of the vectors begins.
        let order = self.words.in_order();
        let (mut docs_len, mut runs_len) = (0usize, 0usize);
        let mut ends = vec![Part::default(); sums.len()];
        for word in &order {
            let (part, sum) = (&mut ends[*word as usize], &sums[*word as usize]);
            *part = Part { docs: docs_len, runs: runs_len, ..Part::default() };
            docs_len += sum.docs as usize;
            runs_len += sum.runs as usize;
        }
        drop(sums);
        let mut all_docs = Zeroizing::new(vec![0u32; docs_len]);
        let mut all_runs = Zeroizing::new(vec![0u8; runs_len]);
        for (new, doc) in &docs {
            for (word, at) in self.places(*doc) {
                let part = ends.get_mut(word as usize).ok_or_else(missing)?;
                let value = match part.sum.step(*new, at) {
                    Some(difference) => {
                        let last = part.runs.checked_sub(1).and_then(|n| all_runs.get_mut(n));
                        let last = last.ok_or_else(missing)?;
                        *last = runs::reopen(*last);
                        difference
                    }
                    None => {
                        *all_docs.get_mut(part.docs).ok_or_else(missing)? = *new;
                        part.docs += 1;
                        at
                    }
                };
                part.runs += runs::put(all_runs.get_mut(part.runs..).ok_or_else(missing)?, value);
            }
        }
        terms.reserve_runs(runs_len);
        let (mut docs_at, mut runs_at) = (0, 0);
        for word in order {
            let part = ends[word as usize];
            let (docs, runs) = (all_docs.get(docs_at..part.docs), all_runs.get(runs_at..part.runs));
            let (docs, runs) = docs.zip(runs).ok_or_else(missing)?;
            terms.push_word(Field::Word, self.words.word(word), docs, runs);
            (docs_at, runs_at) = (part.docs, part.runs);
        }
        Ok(())
    }
}

/// What was seen of a word.
#[derive(Clone, Copy, Default)]
struct Sum {
    docs: u32,
    runs: u32,
    /// The last document, plus 1.
    last: u32,
    /// The position behind the last one in it.
    next: u32,
}

/// Where a word is written to.
#[derive(Clone, Copy, Default)]
struct Part {
    docs: usize,
    runs: usize,
    sum: Sum,
}

impl Sum {
    /// Notes a position; answers the distance to the one before it in the same document, less 1.
    fn step(&mut self, doc: u32, at: u32) -> Option<u32> {
        let before = (self.last == doc + 1).then(|| at - self.next);
        (self.last, self.next) = (doc + 1, at + 1);
        before
    }
}

fn missing() -> Error {
    Error::corrupt("a word of the live index has no number")
}
