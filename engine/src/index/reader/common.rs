//! Conjunctions of terms in a segment: by words of 64 documents, or from a rare list's documents.

use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::Micros;
use crate::index::dense::{self, Words};
use crate::index::dictionary::{Entry, ListPlace};
use crate::index::file::Section;
use crate::index::known::Looked;
use crate::index::part::{Conjunction, Part as _, Term};
use crate::index::postings;
use crate::index::probe::{self, List};
use crate::index::reader::Segment;

/// What is known of a conjunction's terms, and the range of documents where it is looked for.
struct Met<'t> {
    lists: Vec<Looked<'t>>,
    range: Range<u32>,
}

impl Segment {
    /// A conjunction from words of 64 documents.
    fn words<'e>(&self, lists: impl Iterator<Item = (&'e Entry, bool)>, range: Range<u32>) -> Result<Words> {
        let docs = self.doc_count();
        let mut words = Words::all(range);
        for (entry, wanted) in lists {
            self.list(entry, |bytes| match &entry.list {
                _ if postings::is_bitmap(entry.frequency, docs) => words.sift(bytes, wanted),
                ListPlace::Apart(place) if !probe::is_rare(entry.frequency, docs) => {
                    let make = || dense::spread(bytes, entry.frequency, docs);
                    let opened = &self.sections.opened;
                    // What is kept is counted with the postings; of who asks for few lists these are
                    // not kept, and nothing is made of them.
                    if !opened.postings.is_made() {
                        return words.sift(&make()?, wanted);
                    }
                    words.sift(&opened.spread.get(place.start, make)?, wanted)
                }
                _ => words.sift_list(bytes, entry.frequency, docs, wanted),
            })?;
        }
        Ok(words)
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

    /// Documents of a conjunction among a range, ascending and into `docs`. Of a question with a rare
    /// term that was asked before, the dictionary and the postings are not touched: memory that no
    /// cache of the processor holds is what few documents of many segments cost.
    pub(super) fn docs_having(&self, of: &Conjunction, among: Range<u32>, docs: &mut Vec<u32>) -> Result<()> {
        docs.clear();
        let Some(met) = self.meet(of, among)? else { return Ok(()) };
        if !self.rare(of, &met, docs)? {
            self.common_words(of, &met)?.push_to(docs);
        }
        Ok(())
    }

    /// All of them as a bitmap; all terms may be unwanted ones.
    pub(super) fn map_of(&self, of: &Conjunction) -> Result<RoaringBitmap> {
        let mut few = Vec::new();
        match self.meet(of, 0..self.doc_count())? {
            None => Ok(RoaringBitmap::new()),
            Some(met) if self.rare(of, &met, &mut few)? => RoaringBitmap::from_sorted_iter(few)
                .map_err(|_| self.damage(Section::Postings, "documents are not ascending")),
            Some(met) => self.common_words(of, &met).map(Words::into_docs),
        }
    }

    /// How many there are in all: of one term from its frequency where that says it. `docs` is room to
    /// count in.
    pub(super) fn count_of(&self, of: &Conjunction, docs: &mut Vec<u32>) -> Result<u64> {
        docs.clear();
        let Some(met) = self.meet(of, 0..self.doc_count())? else { return Ok(0) };
        if let [Looked { entry, .. }] = met.lists.as_slice()
            && met.range == (0..self.doc_count())
        {
            if !of.default_only || self.has_default_kinds_only()? {
                return Ok(u64::from(entry.frequency));
            }
            if let Some(n) = entry.others.and_then(|others| entry.frequency.checked_sub(others)) {
                return Ok(u64::from(n));
            }
        }
        if self.rare(of, &met, docs)? {
            return Ok(docs.len() as u64);
        }
        Ok(self.common_words(of, &met)?.len())
    }

    /// What is known of the terms, the rarest wanted one first; `None` if nothing has all of them.
    fn meet<'t>(&self, of: &'t Conjunction, among: Range<u32>) -> Result<Option<Met<'t>>> {
        let mut lists = Vec::with_capacity(of.terms.len());
        let opened = &self.sections.opened;
        opened.touch();
        match opened.known.look(&of.terms, &mut lists) {
            Some(true) => {}
            Some(false) => return Ok(None),
            None => {
                lists.clear();
                for asked in &of.terms {
                    match self.find_hashed(&asked.term, asked.hash)? {
                        Some(entry) => lists.push(Looked { asked, entry, list: None }),
                        None if asked.wanted => return Ok(None),
                        None => {}
                    }
                }
            }
        }
        lists.sort_unstable_by_key(|looked| (!looked.asked.wanted, looked.entry.frequency));
        let range = self.in_span(&of.time, among)?;
        Ok((!range.is_empty()).then_some(Met { lists, range }))
    }

    /// Documents of a range that lie in a span of time.
    fn in_span(&self, time: &Range<Micros>, among: Range<u32>) -> Result<Range<u32>> {
        match self.time_span() {
            Some((first, last)) if time.start <= first && last < time.end => Ok(among),
            Some(_) => {
                let keys = self.sections.keys()?;
                Ok(among.start.max(keys.before(time.start))..among.end.min(keys.before(time.end)))
            }
            None => Ok(0..0),
        }
    }

    /// A conjunction from the documents of a rare term; false, and nothing said, if it has none.
    fn rare(&self, of: &Conjunction, met: &Met<'_>, few: &mut Vec<u32>) -> Result<bool> {
        let Some((rarest, others)) = met.lists.split_first() else { return Ok(false) };
        if !rarest.asked.wanted || !probe::is_rare(rarest.entry.frequency, self.doc_count()) {
            return Ok(false);
        }
        let kept = |looked: &Looked<'_>| match &looked.list {
            Some(list) => Ok(Arc::clone(list)),
            None => self.kept(&looked.asked.term, looked.asked.hash, &looked.entry),
        };
        match &*kept(rarest)? {
            List::Docs(list) => {
                let below = |end: u32| list.partition_point(|doc| *doc < end);
                let range = below(met.range.start)..below(met.range.end);
                few.extend_from_slice(list.get(range).unwrap_or_default());
            }
            List::Sparse(_) => return Ok(false),
        }
        for looked in others {
            if few.is_empty() {
                return Ok(true);
            }
            self.sift_few(few, &looked.entry, looked.asked.wanted, || kept(looked))?;
        }
        if of.default_only && !few.is_empty() && !self.has_default_kinds_only()? {
            probe::sift_bits(few, true, &self.default_bits()?)?;
        }
        Ok(true)
    }

    /// A conjunction from words of 64 documents, kinds and all.
    fn common_words(&self, of: &Conjunction, met: &Met<'_>) -> Result<Words> {
        let lists = met.lists.iter().map(|looked| (&looked.entry, looked.asked.wanted));
        let mut words = self.words(lists, met.range.clone())?;
        if of.default_only && !self.has_default_kinds_only()? {
            words.sift(&self.default_bits()?, true)?;
        }
        Ok(words)
    }

    fn has_default_kinds_only(&self) -> Result<bool> {
        Ok(self.default_docs()? == u64::from(self.doc_count()))
    }
}
