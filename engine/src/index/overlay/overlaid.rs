//! A part as the overlay shows it: terms that came or went later are there or not. What is unseen and
//! what is found unasked differs with the versions that a query wants, so that is for who evaluates it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{Micros, Seq};
use crate::index::overlay::Overlay;
use crate::index::part::{Conjunction, Field, IdQuery, Part, SortKey, Term};
use crate::index::phrase::{EachWord, Pattern, Phrase};
use crate::merkle::text::Opening;
use crate::record::Stored;
use crate::record::stored::RELEASED;

/// A part of which something is said later.
pub struct Overlaid<'a> {
    part: &'a dyn Part,
    overlay: Arc<Overlay>,
}

impl<'a> Overlaid<'a> {
    /// Sees `part` through `overlay`.
    pub const fn new(part: &'a dyn Part, overlay: Arc<Overlay>) -> Self {
        Self { part, overlay }
    }

    fn is_changed(&self, term: &Term) -> bool {
        self.overlay.terms.contains_key(term)
    }
}

impl Part for Overlaid<'_> {
    fn overlay(&self) -> Option<&Overlay> {
        Some(&self.overlay)
    }

    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        let docs = self.part.postings(term)?;
        Ok(match self.overlay.terms.get(term) {
            Some([there, gone]) => (docs | there) - gone,
            None => docs,
        })
    }

    fn frequency(&self, term: &Term) -> Result<u64> {
        if self.is_changed(term) { Ok(self.postings(term)?.len()) } else { self.part.frequency(term) }
    }

    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        let changed = || self.overlay.terms.keys().filter(|term| term.field == field);
        if changed().next().is_none() {
            return self.part.terms(field);
        }
        let mut all: BTreeMap<_, _> = self.part.terms(field)?.into_iter().collect();
        for term in changed() {
            match self.frequency(term)? {
                0 => all.remove(&term.value),
                n => all.insert(term.value.clone(), u32::try_from(n).unwrap_or(u32::MAX)),
            };
        }
        Ok(all.into_iter().collect())
    }

    fn sift(&self, term: &Term, wanted: bool, docs: &mut RoaringBitmap) -> Result<()> {
        if !self.is_changed(term) {
            return self.part.sift(term, wanted, docs);
        }
        let of_term = self.postings(term)?;
        if wanted {
            *docs &= of_term
        } else {
            *docs -= of_term
        }
        Ok(())
    }

    fn common(&self, of: &Conjunction) -> Result<Option<RoaringBitmap>> {
        if of.terms.iter().any(|asked| self.is_changed(&asked.term)) {
            return Ok(None);
        }
        self.part.common(of)
    }

    // Asked as a whole it would have to know which versions are wanted: `conjunction` and
    // `conjunction_count` are left at their defaults, which answer nothing.

    fn doc_count(&self) -> u32 {
        self.part.doc_count()
    }

    fn first_seq(&self) -> Option<Seq> {
        self.part.first_seq()
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        self.part.time_span()
    }

    fn class_docs(&self, class: u32) -> Result<RoaringBitmap> {
        self.part.class_docs(class)
    }

    fn quarantined(&self) -> Result<RoaringBitmap> {
        let mut docs = self.part.quarantined()?;
        let released = Term { field: Field::Tag, value: RELEASED.into() };
        if let (false, Some([there, _])) = (docs.is_empty(), self.overlay.terms.get(&released)) {
            docs -= there;
        }
        Ok(docs)
    }

    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        self.part.in_time(from, before)
    }

    fn id_candidates(&self, wanted: &IdQuery<'_>) -> Result<Vec<u32>> {
        self.part.id_candidates(wanted)
    }

    fn key(&self, doc: u32) -> Result<SortKey> {
        self.part.key(doc)
    }

    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        self.part.doc_of(seq)
    }

    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        self.part.newest(docs, k, below)
    }

    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        self.part.oldest(docs, k, above)
    }

    fn record(&self, doc: u32) -> Result<Stored> {
        self.part.record(doc)
    }

    fn opening(&self, doc: u32) -> Result<Opening> {
        self.part.opening(doc)
    }

    fn has_words(&self) -> bool {
        self.part.has_words()
    }

    fn check_words(&self) -> Result<()> {
        self.part.check_words()
    }

    fn phrase(&self, phrase: &Phrase, among: &RoaringBitmap) -> Result<RoaringBitmap> {
        self.part.phrase(phrase, among)
    }

    fn like(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap> {
        self.part.like(pattern, each)
    }

    fn occurrences(&self, term: &Term, docs: &[u32]) -> Result<Vec<u32>> {
        self.part.occurrences(term, docs)
    }

    fn words_in(&self, doc: u32) -> Result<u32> {
        self.part.words_in(doc)
    }

    fn word_totals(&self) -> Result<(u64, u64)> {
        self.part.word_totals()
    }

    fn is_in_order(&self) -> bool {
        self.part.is_in_order()
    }

    fn visit(&self) {
        self.part.visit();
    }

    fn default_docs(&self) -> Result<u64> {
        self.part.default_docs()
    }

    fn time_range(&self, from: Micros, before: Micros) -> Result<Option<Range<u32>>> {
        self.part.time_range(from, before)
    }

    fn keys(&self, docs: &[u32], keys: &mut Vec<SortKey>) -> Result<()> {
        self.part.keys(docs, keys)
    }

    fn sift_default(&self, docs: &mut RoaringBitmap) -> Result<()> {
        self.part.sift_default(docs)
    }

    fn seqs_of(&self, docs: &[u32], seqs: &mut Vec<Seq>) -> Result<()> {
        self.part.seqs_of(docs, seqs)
    }

    fn seqs(&self, docs: &RoaringBitmap) -> Result<Vec<Seq>> {
        self.part.seqs(docs)
    }
}
