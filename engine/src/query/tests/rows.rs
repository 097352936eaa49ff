//! A part of plain records, and three people.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::phrase::EachWord;
use crate::index::scope::People;
use crate::index::{Field, IdQuery, Part, Pattern, Phrase, SortKey, Term, Wanted};
use crate::merkle::text::Opening;
use crate::record::Stored;

pub(super) type Row = (Seq, Stored);

/// A part that looks at every record.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) decoded: AtomicUsize,
    pub(super) opened: AtomicUsize,
    /// Whether its bodies were not split into words.
    pub(super) wordless: bool,
    /// Whether its documents stand in order of time.
    pub(super) by_time: bool,
    /// How long it takes to open a record.
    pub(super) pause: Duration,
}

impl Rows {
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { rows, ..Self::default() }
    }

    fn docs(&self, of: impl Fn(&Row) -> bool) -> RoaringBitmap {
        (0..).zip(&self.rows).filter(|(_, row)| of(row)).map(|(doc, _)| doc).collect()
    }

    fn sorted(&self, docs: &RoaringBitmap) -> Vec<(SortKey, u32)> {
        let mut list: Vec<_> = docs.iter().map(|doc| (key(&self.rows[doc as usize]), doc)).collect();
        list.sort_unstable();
        list
    }
}

pub(super) fn key(row: &Row) -> SortKey {
    SortKey { time: row.1.time, seq: row.0 }
}

pub(super) fn values(record: &Stored, field: Field) -> Vec<Vec<u8>> {
    let person = |n: &PersonNumber| n.0.to_be_bytes().to_vec();
    match field {
        Field::Tag => record.tags.iter().map(|t| t.clone().into_bytes()).collect(),
        Field::Author => vec![person(&record.author)],
        Field::Subject => record.subjects.iter().map(person).collect(),
        Field::Conversation => vec![record.conversation.clone().into_bytes()],
        Field::Channel if record.channel.is_empty() => vec![],
        Field::Channel => vec![record.channel.clone().into_bytes()],
        Field::Kind => vec![vec![record.kind as u8]],
        Field::Word => words(record).iter().map(|word| word.as_bytes().to_vec()).collect(),
    }
}

/// Bodies here are small letters and single spaces.
pub(super) fn words(record: &Stored) -> Vec<&str> {
    record.body.split(' ').filter(|word| !word.is_empty()).collect()
}

fn is_at(words: &[&str], at: usize, wanted: &Wanted) -> bool {
    words.get(at).is_some_and(|word| match wanted {
        Wanted::Word(term) => word.as_bytes() == term.value,
        Wanted::Like(pattern) => pattern.matches(word.as_bytes()),
    })
}

impl Part for Rows {
    fn doc_count(&self) -> u32 {
        self.rows.len() as u32
    }
    fn first_seq(&self) -> Option<Seq> {
        None
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        let times = || self.rows.iter().map(|row| row.1.time);
        Some((times().min()?, times().max()?))
    }
    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        Ok(self.docs(|row| values(&row.1, term.field).contains(&term.value)))
    }
    fn frequency(&self, term: &Term) -> Result<u64> {
        Ok(self.docs(|row| values(&row.1, term.field).contains(&term.value)).len())
    }
    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        let mut counts = BTreeMap::new();
        for (_, record) in &self.rows {
            for value in values(record, field).into_iter().collect::<BTreeSet<_>>() {
                *counts.entry(value).or_default() += 1;
            }
        }
        Ok(counts.into_iter().collect())
    }
    fn class_docs(&self, class: u32) -> Result<RoaringBitmap> {
        Ok(self.docs(|row| row.1.class == class))
    }
    fn quarantined(&self) -> Result<RoaringBitmap> {
        Ok(RoaringBitmap::new())
    }
    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        Ok(self.docs(|row| (from..before).contains(&row.1.time)))
    }
    /// Every document with an id of the same length: many false candidates.
    fn id_candidates(&self, wanted: &IdQuery<'_>) -> Result<Vec<u32>> {
        Ok(self.docs(|row| row.1.id.len() == wanted.id.len()).into_iter().collect())
    }
    fn key(&self, doc: u32) -> Result<SortKey> {
        Ok(key(&self.rows[doc as usize]))
    }
    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        Ok(self.rows.iter().position(|row| row.0 == seq).map(|doc| doc as u32))
    }
    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let list = self.sorted(docs).into_iter().rev();
        Ok(list.filter(|(key, _)| below.is_none_or(|b| *key < b)).take(k).collect())
    }
    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let list = self.sorted(docs).into_iter();
        Ok(list.filter(|(key, _)| above.is_none_or(|a| *key > a)).take(k).collect())
    }
    fn has_words(&self) -> bool {
        !self.wordless
    }
    fn time_range(&self, from: Micros, before: Micros) -> Result<Option<Range<u32>>> {
        let until = |at| self.rows.partition_point(|row| row.1.time < at) as u32;
        Ok(self.by_time.then(|| until(from)..until(before)))
    }
    fn phrase(&self, phrase: &Phrase, among: &RoaringBitmap) -> Result<RoaringBitmap> {
        let all = |words: &[&str], from: usize| {
            phrase.words.iter().all(|word| is_at(words, from + word.offset as usize, &word.what))
        };
        Ok(self.docs(|row| (0..words(&row.1).len()).any(|from| all(&words(&row.1), from))) & among)
    }
    fn like(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap> {
        let mut docs = RoaringBitmap::new();
        for (word, _) in self.terms(Field::Word)? {
            if pattern.matches(&word) {
                each(&word)?;
                docs |= self.postings(&Term::word(&word))?;
            }
        }
        Ok(docs)
    }
    fn occurrences(&self, term: &Term, docs: &[u32]) -> Result<Vec<u32>> {
        let count = |words: Vec<&str>| words.iter().filter(|w| w.as_bytes() == term.value).count() as u32;
        Ok(docs.iter().map(|doc| count(words(&self.rows[*doc as usize].1))).collect())
    }
    fn words_in(&self, doc: u32) -> Result<u32> {
        Ok(words(&self.rows[doc as usize].1).len() as u32)
    }
    fn word_totals(&self) -> Result<(u64, u64)> {
        let lengths = || self.rows.iter().map(|row| words(&row.1).len() as u64);
        Ok((lengths().filter(|n| *n > 0).count() as u64, lengths().sum()))
    }
    fn record(&self, doc: u32) -> Result<Stored> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.pause);
        Ok(self.rows[doc as usize].1.clone())
    }
    fn opening(&self, _: u32) -> Result<Opening> {
        unreachable!("rows have no salts")
    }
}

/// Numbers 1 to 3 are `p1` to `p3`; 4 writes but is unknown.
pub(super) struct Three;

impl People for Three {
    fn number(&self, identifier: &str) -> Result<Option<PersonNumber>> {
        Ok((1..=3).find(|n| identifier == format!("p{n}")).map(PersonNumber))
    }
    fn name(&self, number: PersonNumber) -> Result<Option<String>> {
        Ok((1..=3).contains(&number.0).then(|| format!("p{number}")))
    }
}

/// The same parts by reference.
pub(super) fn borrowed(parts: &[std::sync::Arc<dyn Part>]) -> Vec<&dyn Part> {
    parts.iter().map(|part| &**part).collect()
}
