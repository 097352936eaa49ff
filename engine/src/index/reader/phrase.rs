//! Words of a segment: where they stand, and those that are like one.

use std::ops::Range;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::index::dense::Words;
use crate::index::dictionary::{Entry, key_of};
use crate::index::file::Section;
use crate::index::part::{Asked, Conjunction, Field, Part as _, Term};
use crate::index::phrase::{EachWord, Pattern, Phrase, PhraseWord, Places, Wanted, keep_starts};
use crate::index::postings;
use crate::index::reader::Segment;
use crate::index::runs::Runs;
use crate::index::sections::{HeldRuns, list_bytes};
use crate::index::terms::grow;

/// Where an element of a phrase stands in documents, asked one after the other.
enum Stands {
    /// One word: its runs, read as far as they are asked for.
    One {
        /// The place of each document in the word's list.
        ranks: Vec<u32>,
        runs: HeldRuns,
        /// Bytes and runs that were read.
        at: usize,
        read: u32,
        own: Zeroizing<Vec<u32>>,
    },
    /// Any of several.
    Many(Places),
}

impl Stands {
    /// Positions in the `n`-th document; `n` ascends.
    fn get(&mut self, n: usize) -> Result<&[u32]> {
        match self {
            Self::Many(places) => Ok(places.get(n)),
            Self::One { ranks, runs, at, read, own } => {
                let Some(rank) = ranks.get(n) else { return Ok(&[]) };
                let bytes = runs.bytes().get(*at..).unwrap_or_default();
                let mut runs = Runs::new(bytes);
                runs.skip(rank.saturating_sub(*read) as usize)?;
                runs.read(own)?;
                *at += bytes.len() - runs.remaining();
                *read = rank + 1;
                Ok(own)
            }
        }
    }
}

/// A word, its documents, and where its positions stand.
struct Listed {
    entry: Entry,
    runs: Range<u64>,
}

impl Segment {
    /// Those of the documents `among` in which a phrase stands.
    pub(super) fn phrase_docs(&self, phrase: &Phrase, among: &RoaringBitmap) -> Result<RoaringBitmap> {
        let mut elements: Vec<(&PhraseWord, Vec<Listed>, u64)> = Vec::with_capacity(phrase.words.len());
        for word in &phrase.words {
            let listed = self.listed(&word.what)?;
            let bound = listed.iter().map(|l| u64::from(l.entry.frequency)).sum();
            if bound == 0 {
                return Ok(RoaringBitmap::new());
            }
            elements.push((word, listed, bound));
        }
        elements.sort_by_key(|(_, _, bound)| *bound);
        let docs = self.having_all(&elements, among)?;
        if docs.is_empty() {
            return Ok(RoaringBitmap::new());
        }
        let mut places = Vec::with_capacity(elements.len());
        for (word, listed, _) in &elements {
            places.push((word.offset, self.stands(listed, &docs)?));
        }
        let (mut found, mut starts) = (Vec::new(), Zeroizing::new(Vec::new()));
        for (n, doc) in docs.iter().enumerate() {
            if self.starts_in(&mut places, n, &mut starts)? {
                found.push(*doc);
            }
        }
        RoaringBitmap::from_sorted_iter(found)
            .map_err(|_| self.damage(Section::Postings, "documents are not ascending"))
    }

    /// Documents `among` others that have one word of each element, in whatever order.
    fn having_all(
        &self,
        elements: &[(&PhraseWord, Vec<Listed>, u64)],
        among: &RoaringBitmap,
    ) -> Result<Vec<u32>> {
        let (Some(first), Some(last)) = (among.min(), among.max()) else { return Ok(Vec::new()) };
        let exact = elements.iter().filter_map(|(word, ..)| match &word.what {
            Wanted::Word(term) => Some(Asked::new(term, true)),
            Wanted::Like(_) => None,
        });
        let exact = Conjunction::of_terms(exact.collect());
        let (range, mut docs) = (first..last.saturating_add(1), Vec::new());
        if exact.terms.is_empty() {
            docs.extend(among);
        } else {
            let is_whole = among.len() == u64::from(range.end - range.start);
            self.docs_having(&exact, range, &mut docs)?;
            docs.retain(|doc| is_whole || among.contains(*doc));
        }
        for (word, listed, _) in elements {
            if matches!(word.what, Wanted::Like(_)) && !docs.is_empty() {
                let like = self.union(listed)?;
                docs.retain(|doc| like.contains(*doc));
            }
        }
        Ok(docs)
    }

    /// Whether the phrase stands in the `n`-th document; `starts` is room for where it may begin.
    fn starts_in(
        &self,
        places: &mut [(u32, Stands)],
        n: usize,
        starts: &mut Zeroizing<Vec<u32>>,
    ) -> Result<bool> {
        starts.clear();
        for (i, (offset, stands)) in places.iter_mut().enumerate() {
            let at = stands.get(n).map_err(|e| self.sections.index.at(Section::Positions, e))?;
            if i == 0 {
                starts.extend(at.iter().filter_map(|at| at.checked_sub(*offset)));
            } else {
                keep_starts(starts, *offset, at);
            }
            if starts.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where an element stands in documents, all of which have it.
    fn stands(&self, listed: &[Listed], docs: &[u32]) -> Result<Stands> {
        let [one] = listed else { return Ok(Stands::Many(self.places_of(listed, docs)?)) };
        let mut ranks = Vec::with_capacity(docs.len());
        self.list(&one.entry, |bytes| {
            postings::ranks(bytes, one.entry.frequency, self.doc_count(), docs, |_, rank| ranks.push(rank))
        })?;
        if ranks.len() != docs.len() {
            return Err(self.damage(Section::Postings, "a list read twice is another one"));
        }
        let runs = self.sections.runs_held(&one.runs)?;
        Ok(Stands::One { ranks, runs, at: 0, read: 0, own: Zeroizing::default() })
    }

    /// How often a word stands in each of the ascending `docs`; 0 where it doesn't.
    pub(super) fn occurrences_of(&self, term: &Term, docs: &[u32]) -> Result<Vec<u32>> {
        let mut counts = vec![0; docs.len()];
        if let Some((entry, runs)) = self.sections.find_word(&key_of(term))? {
            self.each_run(&Listed { entry, runs }, docs, |n, runs| {
                if let Some(count) = counts.get_mut(n) {
                    *count = runs.count()?;
                }
                Ok(())
            })?;
        }
        Ok(counts)
    }

    /// Documents of all words like one; tells `each` of these.
    pub(super) fn like_docs(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap> {
        let (dictionary, lists) = (self.sections.dictionary()?, self.sections.postings()?);
        let mut docs = Words::none(self.doc_count());
        self.walk(pattern, |word, entry, _| {
            each(word)?;
            let list = list_bytes(&dictionary, &lists, &entry.list);
            list.and_then(|list| docs.insert_list(list, entry.frequency, self.doc_count()))
                .map_err(|e| self.sections.index.at(Section::Postings, e))
        })?;
        Ok(docs.into_docs())
    }

    /// Calls `each` for every word like one.
    fn walk(
        &self,
        pattern: &Pattern,
        mut each: impl FnMut(&[u8], Entry, Range<u64>) -> Result<()>,
    ) -> Result<()> {
        let dictionary = self.sections.dictionary()?;
        // What `each` says is not about the dictionary.
        let mut said = Ok(());
        let mut each = |word: &[u8], entry, runs| {
            said = if pattern.matches(word) { each(word, entry, runs) } else { Ok(()) };
            if said.is_ok() { Ok(()) } else { Err(Error::new(ErrorKind::Closed, "the walk was ended")) }
        };
        let walked = match pattern {
            Pattern::Prefix(_) => dictionary.walk(Field::Word, pattern, &mut each),
            Pattern::Near(wanted) => dictionary.pick(&self.sections.sketches()?.near(wanted), &mut each),
        };
        said.and(walked.map_err(|e| self.sections.index.at(Section::Dictionary, e)))
    }

    fn listed(&self, wanted: &Wanted) -> Result<Vec<Listed>> {
        let mut all = Vec::new();
        match wanted {
            Wanted::Word(term) => {
                let found = self.sections.find_word(&key_of(term))?;
                all.extend(found.map(|(entry, runs)| Listed { entry, runs }));
            }
            Wanted::Like(pattern) => self.walk(pattern, |_, entry, runs| {
                all.push(Listed { entry, runs });
                Ok(())
            })?,
        }
        Ok(all)
    }

    fn union(&self, listed: &[Listed]) -> Result<RoaringBitmap> {
        let mut docs = Words::none(self.doc_count());
        for Listed { entry, .. } in listed {
            self.list(entry, |bytes| docs.insert_list(bytes, entry.frequency, self.doc_count()))?;
        }
        Ok(docs.into_docs())
    }

    /// Positions of words in documents, all words of an element together.
    fn places_of(&self, listed: &[Listed], docs: &[u32]) -> Result<Places> {
        let mut places = Places::default();
        let mut read = Zeroizing::new(Vec::new());
        let mut all: Zeroizing<Vec<(usize, u32)>> = Zeroizing::default();
        for word in listed {
            self.each_run(word, docs, |n, runs| {
                runs.read(&mut read)?;
                grow(&mut all, read.len());
                all.extend(read.iter().map(|at| (n, *at)));
                Ok(())
            })?;
        }
        all.sort_unstable();
        let mut rest = &all[..];
        for n in 0..docs.len() {
            let (own, behind) = rest.split_at(rest.partition_point(|(of, _)| *of <= n));
            places.push(own.iter().map(|(_, at)| *at));
            rest = behind;
        }
        Ok(places)
    }

    /// Calls `each` with the number of every document that has the word, among the ascending `docs`,
    /// and with the runs from its own on.
    fn each_run(
        &self,
        word: &Listed,
        docs: &[u32],
        mut each: impl FnMut(usize, &mut Runs<'_>) -> Result<()>,
    ) -> Result<()> {
        let frequency = word.entry.frequency;
        let mut ranks: Vec<(usize, u32)> = Vec::with_capacity(docs.len().min(frequency as usize));
        let note = |n, rank| ranks.push((n, rank));
        let read = |bytes: &[u8]| postings::ranks(bytes, frequency, self.doc_count(), docs, note);
        self.list(&word.entry, read)?;
        let read = |bytes: &[u8]| {
            let (mut runs, mut read) = (Runs::new(bytes), 0);
            for (n, rank) in ranks {
                runs.skip((rank - read) as usize)?;
                each(n, &mut runs)?;
                read = rank + 1;
            }
            Ok(())
        };
        let runs = self.sections.runs_held(&word.runs)?;
        read(runs.bytes()).map_err(|e| self.sections.index.at(Section::Positions, e))
    }
}
