//! Words of a segment: where they stand, and those that are like one.

use std::ops::Range;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::Result;
use crate::index::dictionary::{Entry, key_of};
use crate::index::file::Section;
use crate::index::part::{Field, Part as _, Term};
use crate::index::phrase::{EachWord, Pattern, Phrase, PhraseWord, Places, Wanted, keep_starts};
use crate::index::postings;
use crate::index::reader::Segment;
use crate::index::runs::Runs;
use crate::index::sections::list_bytes;

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
        let mut docs = among.clone();
        for (word, listed, _) in &elements {
            match &word.what {
                Wanted::Word(term) => self.sift(term, true, &mut docs)?,
                Wanted::Like(_) => docs &= self.union(listed)?,
            }
            if docs.is_empty() {
                return Ok(docs);
            }
        }
        let mut found: Vec<u32> = docs.iter().collect();
        // Starts of the phrase in each, as far as the words so far allow.
        let mut starts: Option<Places> = None;
        let mut own = Zeroizing::new(Vec::new());
        for (word, listed, _) in &elements {
            let places = self.places_of(listed, &found)?;
            let mut left = Vec::with_capacity(found.len());
            let mut left_starts = Places::default();
            for (n, doc) in found.iter().enumerate() {
                own.clear();
                match &starts {
                    Some(starts) => {
                        own.extend_from_slice(starts.get(n));
                        keep_starts(&mut own, word.offset, places.get(n));
                    }
                    None => own.extend(places.get(n).iter().filter_map(|at| at.checked_sub(word.offset))),
                }
                if !own.is_empty() {
                    left.push(*doc);
                    left_starts.push(&own);
                }
            }
            (found, starts) = (left, Some(left_starts));
        }
        RoaringBitmap::from_sorted_iter(found)
            .map_err(|_| self.damage(Section::Postings, "documents are not ascending"))
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

    /// Adds the documents of all words like one, and tells `each` of these.
    pub(super) fn like_docs(
        &self,
        pattern: &Pattern,
        docs: &mut RoaringBitmap,
        each: &mut EachWord<'_>,
    ) -> Result<()> {
        let (dictionary, lists) = (self.sections.dictionary()?, self.sections.postings()?);
        let mut few = Vec::new();
        self.walk(pattern, |word, entry, _| {
            each(word)?;
            let mut r = Reader::new(list_bytes(&dictionary, &lists, &entry.list)?);
            if entry.frequency <= postings::INLINE_MAX {
                postings::read_list(&mut r, entry.frequency, self.doc_count(), |doc| few.push(doc))?;
            } else {
                *docs |= postings::decode(&mut r, entry.frequency, self.doc_count())?;
            }
            Ok(())
        })?;
        few.sort_unstable();
        docs.extend(few);
        Ok(())
    }

    /// Calls `each` for every word like one.
    fn walk(
        &self,
        pattern: &Pattern,
        mut each: impl FnMut(&[u8], Entry, Range<u64>) -> Result<()>,
    ) -> Result<()> {
        let dictionary = self.sections.dictionary()?;
        let walked =
            match pattern {
                Pattern::Prefix(_) => dictionary.walk(Field::Word, pattern, each),
                Pattern::Near(wanted) => {
                    let passed = self.sections.sketches()?.near(wanted);
                    dictionary.pick(&passed, |word, entry, runs| {
                        if pattern.matches(word) { each(word, entry, runs) } else { Ok(()) }
                    })
                }
            };
        walked.map_err(|e| self.sections.index.at(Section::Dictionary, e))
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
        let mut docs = RoaringBitmap::new();
        for Listed { entry, .. } in listed {
            let decode = |b: &[u8]| postings::decode(&mut Reader::new(b), entry.frequency, self.doc_count());
            docs |= self.sections.list(&entry.list, decode)?;
        }
        Ok(docs)
    }

    /// Positions of words in documents, all words of an element together.
    fn places_of(&self, listed: &[Listed], docs: &[u32]) -> Result<Places> {
        let mut places = Places::default();
        let mut read = Zeroizing::new(Vec::new());
        if let [one] = listed {
            let mut next = 0;
            self.each_run(one, docs, |n, runs| {
                (next..n).for_each(|_| places.push(&[]));
                next = n + 1;
                runs.read(&mut read)?;
                places.push(&read);
                Ok(())
            })?;
            (next..docs.len()).for_each(|_| places.push(&[]));
            return Ok(places);
        }
        let mut all: Vec<(usize, u32)> = Vec::new();
        for word in listed {
            self.each_run(word, docs, |n, runs| {
                runs.read(&mut read)?;
                all.extend(read.iter().map(|at| (n, *at)));
                Ok(())
            })?;
        }
        all.sort_unstable();
        let mut rest = &all[..];
        for n in 0..docs.len() {
            let (own, behind) = rest.split_at(rest.partition_point(|(of, _)| *of <= n));
            let own: Vec<u32> = own.iter().map(|(_, at)| *at).collect();
            places.push(&own);
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
        self.sections.runs(&word.runs, read).map_err(|e| self.sections.index.at(Section::Positions, e))
    }
}
