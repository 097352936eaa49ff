//! Conjunctions of terms in a segment: by words of 64 documents, or from a rare list's documents.

use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::index::dense::{self, Words};
use crate::index::dictionary::{Entry, ListPlace};
use crate::index::file::Section;
use crate::index::known::{Looked, hash_of};
use crate::index::part::{Conjunction, Part as _, Term};
use crate::index::postings;
use crate::index::probe::{self, List};
use crate::index::reader::Segment;

/// A term of a conjunction, and what the dictionary says of it.
struct Asked<'t> {
    term: &'t Term,
    entry: Entry,
    wanted: bool,
}

impl Segment {
    /// Documents of a range that have all wanted terms and no other of `terms`.
    pub(super) fn conjunction(&self, terms: &[(&Term, bool)], range: Range<u32>) -> Result<RoaringBitmap> {
        let mut lists = Vec::with_capacity(terms.len());
        for (term, wanted) in terms {
            match self.find(term)? {
                Some(entry) => lists.push(Asked { term, entry, wanted: *wanted }),
                None if *wanted => return Ok(RoaringBitmap::new()),
                None => {}
            }
        }
        if range.is_empty() {
            return Ok(RoaringBitmap::new());
        }
        lists.sort_unstable_by_key(|asked| (!asked.wanted, asked.entry.frequency));
        let among = range.end - range.start;
        match lists.split_first() {
            Some((rarest, others)) if rarest.wanted && probe::is_rare(rarest.entry.frequency, among) => {
                self.few(rarest, others, &range)
            }
            _ => self.words(&lists, range),
        }
    }

    /// A conjunction from words of 64 documents.
    fn words(&self, lists: &[Asked<'_>], range: Range<u32>) -> Result<RoaringBitmap> {
        let docs = self.doc_count();
        let mut words = Words::all(range);
        for Asked { entry, wanted, .. } in lists {
            self.list(entry, |bytes| match &entry.list {
                _ if postings::is_bitmap(entry.frequency, docs) => words.sift(bytes, *wanted),
                ListPlace::Apart(place) if !probe::is_rare(entry.frequency, docs) => {
                    let make = || dense::spread(bytes, entry.frequency, docs);
                    words.sift(&self.sections.opened.spread.get(place.start, make)?, *wanted)
                }
                _ => words.sift_list(bytes, entry.frequency, docs, *wanted),
            })?;
        }
        Ok(words.into_docs())
    }

    /// A conjunction from the documents of its first list, which is rare.
    fn few(&self, rarest: &Asked<'_>, others: &[Asked<'_>], range: &Range<u32>) -> Result<RoaringBitmap> {
        let docs = self.doc_count();
        let mut few = self.list(&rarest.entry, |b| probe::within(b, rarest.entry.frequency, docs, range))?;
        for Asked { term, entry, wanted } in others {
            if few.is_empty() {
                break;
            }
            self.sift_few(&mut few, entry, *wanted, || self.kept(term, hash_of(term), entry))?;
        }
        RoaringBitmap::from_sorted_iter(few)
            .map_err(|_| self.damage(Section::Postings, "documents are not ascending"))
    }

    /// Leaves in `few` those that stand in a list (`wanted`), or those that don't.
    fn sift_few(
        &self,
        few: &mut Vec<u32>,
        entry: &Entry,
        wanted: bool,
        kept: impl FnOnce() -> Result<Arc<List>>,
    ) -> Result<()> {
        let (frequency, docs) = (entry.frequency, self.doc_count());
        if postings::is_bitmap(frequency, docs) {
            return self.list(entry, |bits| probe::sift_bits(few, wanted, bits));
        }
        if List::fits(frequency, docs) {
            kept()?.sift(few, wanted);
            return Ok(());
        }
        let mut left = Vec::with_capacity(few.len());
        self.list(entry, |bytes| {
            postings::sift_list(bytes, frequency, docs, few.iter().copied(), |doc, found| {
                if found == wanted {
                    left.push(doc);
                }
            })
        })?;
        *few = left;
        Ok(())
    }

    /// The list of a term, made at first use and kept.
    fn kept(&self, term: &Term, hash: u64, entry: &Entry) -> Result<Arc<List>> {
        let make = || self.list(entry, |bytes| List::new(bytes, entry.frequency, self.doc_count()));
        if !self.remembers() {
            return make().map(Arc::new);
        }
        self.sections.opened.known.list(term, hash, make)
    }

    /// Documents of a conjunction with a rare term; false if it has none. Of a question that was
    /// asked before, the dictionary and the postings are not touched: memory that no cache of the
    /// processor holds is what few documents of many segments cost.
    pub(super) fn rare_conjunction(&self, of: &Conjunction, few: &mut Vec<u32>) -> Result<bool> {
        few.clear();
        let mut lists = Vec::with_capacity(of.terms.len());
        let opened = &self.sections.opened;
        opened.touch();
        match opened.known.look(&of.terms, &mut lists) {
            Some(true) => {}
            Some(false) => return Ok(true),
            None => {
                lists.clear();
                for asked in &of.terms {
                    match self.find_hashed(&asked.term, asked.hash)? {
                        Some(entry) => lists.push(Looked { asked, entry, list: None }),
                        None if asked.wanted => return Ok(true),
                        None => {}
                    }
                }
            }
        }
        lists.sort_unstable_by_key(|looked| (!looked.asked.wanted, looked.entry.frequency));
        let docs = self.doc_count();
        let Some((rarest, others)) = lists.split_first() else { return Ok(false) };
        if !rarest.asked.wanted || !probe::is_rare(rarest.entry.frequency, docs) {
            return Ok(false);
        }
        let kept = |looked: &Looked<'_>| match &looked.list {
            Some(list) => Ok(Arc::clone(list)),
            None => self.kept(&looked.asked.term, looked.asked.hash, &looked.entry),
        };
        match &*kept(rarest)? {
            List::Docs(list) => few.extend_from_slice(list),
            List::Sparse(_) => return Ok(false),
        }
        for looked in others {
            if few.is_empty() {
                return Ok(true);
            }
            self.sift_few(few, &looked.entry, looked.asked.wanted, || kept(looked))?;
        }
        if of.default_only && !few.is_empty() && self.default_docs()? != u64::from(docs) {
            probe::sift_bits(few, true, &self.default_bits()?)?;
        }
        Ok(true)
    }
}
