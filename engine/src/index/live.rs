//! The live index: records that are in the journal and not rolled yet, in memory only.

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::index::filter::text_hash;
use crate::index::lists::Lists;
use crate::index::part::{Field, Part, SortKey, Term};
use crate::record::Stored;

/// One record of the live index, with what a roll needs.
pub struct LiveDoc {
    /// Sort key.
    pub key: SortKey,
    /// Salt of the leaf.
    pub salt: Zeroizing<[u8; 16]>,
    /// Canonical bytes.
    pub canonical: Zeroizing<Vec<u8>>,
}

/// Appended records, numbered in order of appending. Answers as the rolled segment will.
#[derive(Default)]
pub struct LiveIndex {
    docs: Vec<LiveDoc>,
    lists: Lists,
    ids: BTreeSet<(u32, u32, u32)>,
    by_seq: HashMap<Seq, u32>,
    span: Option<(Micros, Micros)>,
    body_bytes: usize,
}

impl LiveIndex {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record and answers its number. An author who is not known gets no term.
    pub fn add(
        &mut self,
        seq: Seq,
        salt: [u8; 16],
        canonical: Vec<u8>,
        stored: &Stored,
        author_known: bool,
    ) -> Result<u32> {
        let doc = u32::try_from(self.docs.len())
            .ok()
            .filter(|n| *n < u32::MAX)
            .ok_or_else(|| Error::invalid("the live index holds too many records"))?;
        if self.by_seq.insert(seq, doc).is_some() {
            return Err(Error::invalid("a log position was given twice"));
        }
        self.lists.add(doc, stored, author_known);
        self.ids.insert((text_hash(&stored.id), text_hash(&stored.conversation), doc));
        let (first, last) = self.span.unwrap_or((stored.time, stored.time));
        self.span = Some((first.min(stored.time), last.max(stored.time)));
        self.body_bytes += canonical.len();
        self.docs.push(LiveDoc {
            key: SortKey { time: stored.time, seq },
            salt: Zeroizing::new(salt),
            canonical: Zeroizing::new(canonical),
        });
        Ok(doc)
    }

    /// Wipes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.body_bytes + self.lists.bytes() + self.docs.len() * 160
    }

    /// Bytes of the records alone.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// One record as it was appended.
    pub fn doc(&self, doc: u32) -> Option<&LiveDoc> {
        self.docs.get(doc as usize)
    }

    /// Document numbers in order of (time, seq): the order of a roll.
    pub fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.doc_count()).collect();
        order.sort_unstable_by_key(|doc| self.docs[*doc as usize].key);
        order
    }

    fn matches(&self, docs: &RoaringBitmap, keep: impl Fn(SortKey) -> bool) -> Vec<(SortKey, u32)> {
        let known = docs.iter().take_while(|doc| *doc < self.doc_count());
        known.map(|doc| (self.docs[doc as usize].key, doc)).filter(|(key, _)| keep(*key)).collect()
    }
}

/// The `k` first of `all` in the order of `compare`, sorted.
fn first_k(
    mut all: Vec<(SortKey, u32)>,
    k: usize,
    compare: impl Fn(&(SortKey, u32), &(SortKey, u32)) -> std::cmp::Ordering,
) -> Vec<(SortKey, u32)> {
    if k == 0 {
        return Vec::new();
    }
    if k < all.len() {
        all.select_nth_unstable_by(k - 1, &compare);
        all.truncate(k);
    }
    all.sort_unstable_by(compare);
    all
}

impl Part for LiveIndex {
    fn doc_count(&self) -> u32 {
        self.docs.len() as u32
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        self.span
    }

    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        RoaringBitmap::from_sorted_iter(self.lists.get(term).iter().copied())
            .map_err(|_| Error::corrupt("a live list is not ascending"))
    }

    fn frequency(&self, term: &Term) -> Result<u64> {
        Ok(self.lists.get(term).len() as u64)
    }

    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        Ok(self.lists.values(field))
    }

    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        let within = |key: SortKey| from <= key.time && key.time < before;
        let docs = self.docs.iter().zip(0..).filter(|(d, _)| within(d.key)).map(|(_, n)| n);
        RoaringBitmap::from_sorted_iter(docs).map_err(|_| Error::corrupt("live documents are not in order"))
    }

    fn id_candidates(&self, id: &str, conversation: Option<&str>) -> Result<Vec<u32>> {
        let id = text_hash(id);
        let (from, to) = match conversation.map(text_hash) {
            Some(c) => ((id, c, 0), (id, c, u32::MAX)),
            None => ((id, 0, 0), (id, u32::MAX, u32::MAX)),
        };
        let mut docs: Vec<u32> = self.ids.range(from..=to).map(|(_, _, doc)| *doc).collect();
        docs.sort_unstable();
        Ok(docs)
    }

    fn key(&self, doc: u32) -> Result<SortKey> {
        let found = self.docs.get(doc as usize);
        Ok(found.ok_or_else(|| Error::invalid(format!("no document {doc} in the live index")))?.key)
    }

    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        Ok(self.by_seq.get(&seq).copied())
    }

    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let all = self.matches(docs, |key| below.is_none_or(|b| key < b));
        Ok(first_k(all, k, |a, b| b.0.cmp(&a.0)))
    }

    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let all = self.matches(docs, |key| above.is_none_or(|a| key > a));
        Ok(first_k(all, k, |a, b| a.0.cmp(&b.0)))
    }

    fn record(&self, doc: u32) -> Result<Stored> {
        let found = self.docs.get(doc as usize);
        let found = found.ok_or_else(|| Error::invalid(format!("no document {doc} in the live index")))?;
        Stored::decode(&found.canonical).map_err(|e| e.context(format!("live record {}", found.key.seq)))
    }
}
