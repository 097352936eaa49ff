//! A segment as queries see it.

use std::ops::Range;
use std::sync::atomic::Ordering;

use roaring::RoaringBitmap;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::index::file::Section;
use crate::index::part::{Conjunction, Field, IdQuery, Part, SortKey, Term};
use crate::index::phrase::{EachWord, Pattern, Phrase, no_words};
use crate::index::postings;
use crate::index::reader::{Segment, no_document};
use crate::merkle::text::Opening;
use crate::record::stored::QUARANTINED;
use crate::record::{Kind, Stored};

impl Part for Segment {
    fn doc_count(&self) -> u32 {
        self.sections.docs()
    }

    fn first_seq(&self) -> Option<Seq> {
        self.seq_span().map(|(first, _)| first)
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        let table = self.sections.index.table();
        (table.docs > 0).then_some(table.times)
    }

    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        let Some(entry) = self.find(term)? else {
            return Ok(RoaringBitmap::new());
        };
        self.list(&entry, |bytes| {
            let mut r = Reader::new(bytes);
            let docs = postings::decode(&mut r, entry.frequency, self.doc_count())?;
            r.finish().map(|()| docs)
        })
    }

    fn sift(&self, term: &Term, wanted: bool, docs: &mut RoaringBitmap) -> Result<()> {
        let Some(entry) = self.find(term)? else {
            if wanted {
                docs.clear();
            }
            return Ok(());
        };
        // Where few documents are left, the list is passed over and no bitmap is made of it.
        if docs.len() * 64 > u64::from(self.doc_count()) {
            let of_term = self.postings(term)?;
            if wanted {
                *docs &= of_term
            } else {
                *docs -= of_term
            }
            return Ok(());
        }
        let left = self
            .list(&entry, |bytes| postings::sift(bytes, entry.frequency, self.doc_count(), wanted, docs))?;
        *docs = left;
        Ok(())
    }

    fn common(&self, of: &Conjunction) -> Result<Option<RoaringBitmap>> {
        self.map_of(of).map(Some)
    }

    fn conjunction(&self, of: &Conjunction, among: Range<u32>, docs: &mut Vec<u32>) -> Result<bool> {
        self.docs_having(of, among, docs).map(|()| true)
    }

    fn conjunction_count(&self, of: &Conjunction, docs: &mut Vec<u32>) -> Result<Option<u64>> {
        self.count_of(of, docs).map(Some)
    }

    fn keys(&self, docs: &[u32], found: &mut Vec<SortKey>) -> Result<()> {
        let keys = self.sections.keys()?;
        found.extend(docs.iter().filter_map(|doc| keys.get(*doc)));
        Ok(())
    }

    fn sift_default(&self, docs: &mut RoaringBitmap) -> Result<()> {
        let default = self.default_bits()?;
        if docs.len() > u64::from(self.doc_count()) / 16 {
            *docs &= RoaringBitmap::from_lsb0_bytes(0, &default);
            return Ok(());
        }
        let has = |doc: &u32| default.get(*doc as usize / 8).is_some_and(|b| b >> (doc % 8) & 1 == 1);
        // Most often all of them are of default kinds.
        if !docs.iter().all(|doc| has(&doc)) {
            *docs = docs.iter().filter(has).collect();
        }
        Ok(())
    }

    fn default_docs(&self) -> Result<u64> {
        if let Some(n) = self.default_docs.get() {
            return Ok(*n);
        }
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_default());
        let sum = kinds.map(Term::kind).try_fold(0, |n, kind| Ok::<_, Error>(n + self.frequency(&kind)?))?;
        Ok(*self.default_docs.get_or_init(|| sum))
    }

    fn time_range(&self, from: Micros, before: Micros) -> Result<Option<Range<u32>>> {
        let keys = self.sections.keys()?;
        Ok(Some(keys.before(from)..keys.before(before)))
    }

    fn seqs_of(&self, docs: &[u32], seqs: &mut Vec<Seq>) -> Result<()> {
        let keys = self.sections.keys()?;
        keys.seqs.gather(docs, seqs, Seq);
        Ok(())
    }

    fn seqs(&self, docs: &RoaringBitmap) -> Result<Vec<Seq>> {
        let keys = self.sections.keys()?;
        let mut seqs = Vec::with_capacity(docs.len() as usize);
        seqs.extend(docs.iter().filter_map(|doc| keys.seqs.get(doc).map(Seq)));
        Ok(seqs)
    }

    fn frequency(&self, term: &Term) -> Result<u64> {
        Ok(self.find(term)?.map_or(0, |entry| u64::from(entry.frequency)))
    }

    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        let dictionary = self.sections.dictionary()?;
        let walk = || {
            let mut all = Vec::new();
            let mut cursor = dictionary.seek(&[field as u8])?;
            while let Some(entry) = cursor.advance()? {
                match cursor.key().split_first() {
                    Some((number, value)) if *number == field as u8 => {
                        all.push((value.to_vec(), entry.frequency));
                    }
                    Some((number, _)) if *number > field as u8 => break,
                    _ => {}
                }
            }
            Ok(all)
        };
        walk().map_err(|e| self.sections.index.at(Section::Dictionary, e))
    }

    fn class_docs(&self, class: u32) -> Result<RoaringBitmap> {
        self.of_classes(|of| of & !QUARANTINED == class)
    }

    fn quarantined(&self) -> Result<RoaringBitmap> {
        self.of_classes(|of| of & QUARANTINED > 0)
    }

    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        let mut docs = RoaringBitmap::new();
        if let Some(range) = self.time_range(from, before)?.filter(|r| !r.is_empty()) {
            docs.insert_range(range);
        }
        Ok(docs)
    }

    fn id_candidates(&self, wanted: &IdQuery<'_>) -> Result<Vec<u32>> {
        match wanted.conversation {
            Some(_) => self.with_identity(wanted.hash),
            None => self.with_id(wanted.hash.id, None),
        }
    }

    fn key(&self, doc: u32) -> Result<SortKey> {
        self.sections.keys()?.get(doc).ok_or_else(|| no_document(doc))
    }

    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        let Some((first, last)) = self.seq_span() else { return Ok(None) };
        if seq < first || seq > last {
            return Ok(None);
        }
        let keys = self.sections.keys()?;
        // Where records come in order of time, the difference is the number.
        let guess = u32::try_from(seq.0 - first.0).ok();
        if let Some(doc) = guess.filter(|doc| keys.seqs.get(*doc) == Some(seq.0)) {
            return Ok(Some(doc));
        }
        let order = self.sections.by_seq()?;
        let at = order.binary_search_by_key(&Some(seq.0), |doc| keys.seqs.get(*doc));
        Ok(at.ok().and_then(|i| order.get(i).copied()))
    }

    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let keys = self.sections.keys()?;
        let end = below.map_or(self.doc_count(), |below| keys.partition_point(|key| key < below));
        if end == 0 {
            return Ok(Vec::new());
        }
        let found = docs.range(..end).rev().take(k);
        Ok(found.filter_map(|doc| Some((keys.get(doc)?, doc))).collect())
    }

    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let keys = self.sections.keys()?;
        let first = above.map_or(0, |above| keys.partition_point(|key| key <= above));
        let found = docs.range(first..).take_while(|doc| *doc < self.doc_count()).take(k);
        Ok(found.filter_map(|doc| Some((keys.get(doc)?, doc))).collect())
    }

    fn record(&self, doc: u32) -> Result<Stored> {
        self.with_record(doc, |_, stored| stored)
    }

    fn opening(&self, doc: u32) -> Result<Opening> {
        self.stored_with_salt(doc).map(|record| Opening { salt: record.salt, canonical: record.canonical })
    }

    fn is_in_order(&self) -> bool {
        true
    }

    fn visit(&self) {
        self.visits.fetch_add(1, Ordering::Relaxed);
    }

    fn has_words(&self) -> bool {
        self.sections.index.has_words()
    }

    fn check_words(&self) -> Result<()> {
        match (self.has_words(), self.doc_count()) {
            (_, 0) => Ok(()),
            (true, _) => self.sections.check_analyser(),
            (false, _) => Err(no_words()),
        }
    }

    fn phrase(&self, phrase: &Phrase, among: &RoaringBitmap) -> Result<RoaringBitmap> {
        self.phrase_docs(phrase, among)
    }

    fn like(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap> {
        self.like_docs(pattern, each)
    }

    fn occurrences(&self, term: &Term, docs: &[u32]) -> Result<Vec<u32>> {
        self.occurrences_of(term, docs)
    }

    fn words_in(&self, doc: u32) -> Result<u32> {
        self.sections.lengths()?.get(doc).ok_or_else(|| no_document(doc))
    }

    fn word_totals(&self) -> Result<(u64, u64)> {
        let lengths = self.sections.lengths()?;
        Ok((lengths.docs, lengths.sum))
    }
}

impl Segment {
    /// Documents of records whose class is one of these.
    fn of_classes(&self, is: impl Fn(u32) -> bool) -> Result<RoaringBitmap> {
        let of_class: Vec<bool> = self.sections.classes()?.iter().map(|class| is(*class)).collect();
        // Most often all records are of one class, and none is looked at.
        if !of_class.contains(&true) {
            return Ok(RoaringBitmap::new());
        }
        let mut docs = RoaringBitmap::new();
        if !of_class.contains(&false) {
            docs.insert_range(..self.doc_count());
            return Ok(docs);
        }
        let places = self.sections.places()?;
        for (doc, block) in (0..self.doc_count()).zip(places.blocks()) {
            if usize::try_from(block).ok().and_then(|n| of_class.get(n)) == Some(&true) {
                docs.insert(doc);
            }
        }
        Ok(docs)
    }
}
