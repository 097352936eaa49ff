//! Conjunctions of terms in a segment: by words of 64 documents, or from a rare list's documents.

use std::ops::Range;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::index::dense::{self, Words};
use crate::index::dictionary::{Entry, ListPlace};
use crate::index::file::Section;
use crate::index::part::{Part as _, Term};
use crate::index::postings::{self, INLINE_MAX};
use crate::index::probe::{self, Sparse};
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
            let frequency = entry.frequency;
            if postings::is_bitmap(frequency, docs) {
                self.list(entry, |bits| probe::sift_bits(&mut few, *wanted, bits))?;
            } else if frequency > INLINE_MAX && Sparse::fits(frequency) {
                let make = || self.list(entry, |bytes| Sparse::new(bytes, frequency, docs));
                let list = self.sections.opened.known.list(term, make)?;
                probe::sift(&mut few, *wanted, |doc| list.has(doc));
            } else {
                let mut left = Vec::with_capacity(few.len());
                self.list(entry, |bytes| {
                    postings::sift_list(bytes, frequency, docs, few.iter().copied(), |doc, found| {
                        if found == *wanted {
                            left.push(doc);
                        }
                    })
                })?;
                few = left;
            }
        }
        RoaringBitmap::from_sorted_iter(few)
            .map_err(|_| self.damage(Section::Postings, "documents are not ascending"))
    }
}
