//! The live index: records that are in the journal and not rolled yet, in memory only.

use std::hint::black_box;
use std::ops::Range;

use hashbrown::HashMap;
use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::filter::IdHash;
use crate::index::lists::Lists;
use crate::index::part::{Conjunction, Field, IdQuery, Part, SortKey, Term};
use crate::index::phrase::{EachWord, Pattern, Phrase};
use crate::index::probe;
use crate::merkle::text::Opening;
use crate::record::stored::QUARANTINED;
use crate::record::{Kind, Stored, StoredRef, Subjects};

/// A record with its position and salt, as a frame holds it.
pub struct Entry {
    /// Log position.
    pub seq: Seq,
    /// Salt of its leaf; dies with whatever kills the record.
    pub salt: [u8; 16],
    /// Canonical bytes.
    pub canonical: Vec<u8>,
    /// The same, decoded.
    pub stored: Stored,
    /// Its identity, hashed.
    pub identity: IdHash,
}

/// One record of the live index, with what a roll needs.
#[derive(Clone, Copy)]
pub struct LiveDoc<'a> {
    /// Sort key.
    pub key: SortKey,
    /// Salt of the leaf.
    pub salt: &'a [u8; 16],
    /// Canonical bytes.
    pub canonical: &'a [u8],
    /// Identity, hashed.
    pub identity: IdHash,
    /// Retention class.
    pub class: u32,
    /// Whose record it is, ascending.
    pub subjects: &'a [PersonNumber],
}

/// Where a record lies in the bytes that the live index holds: salt and canonical bytes.
#[derive(Clone, Copy)]
pub struct Held {
    /// Which bytes; see [`LiveIndex::hold`].
    pub bytes: u32,
    /// Where the salt begins.
    pub salt: u32,
    /// Where the canonical bytes begin.
    pub from: u32,
    /// Where they end.
    pub to: u32,
}

struct Doc {
    key: SortKey,
    held: Held,
    identity: IdHash,
    class: u32,
    subjects: Subjects,
    /// The document before it with the same identity hash, and with the same hash of its id.
    before: (u32, u32),
}

/// Appended records, numbered in order of appending. Answers as the rolled segment will.
#[derive(Default)]
pub struct LiveIndex {
    docs: Vec<Doc>,
    /// Bytes in which records lie, mostly the payload of a frame each.
    held: Vec<Zeroizing<Vec<u8>>>,
    lists: Lists,
    /// The last document of an identity hash, and of a hash of an id; the others hang behind it.
    identities: HashMap<IdHash, u32>,
    ids: HashMap<u32, u32>,
    span: Option<(Micros, Micros)>,
    /// A record came after one that is newer.
    out_of_order: bool,
    body_bytes: usize,
}

/// Stands for "no document".
const NONE: u32 = u32::MAX;

impl LiveIndex {
    /// No records. Bodies are split into words if `with_words`.
    pub fn new(with_words: bool) -> Self {
        let mut live = Self::default();
        live.lists = Lists::new(with_words);
        live
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
        let identity = IdHash::of(&stored.id, &stored.conversation);
        self.add_entry(Entry { seq, salt, canonical, stored: stored.clone(), identity }, author_known)
    }

    /// The same for a record whose identity was hashed before. Log positions ascend.
    pub fn add_entry(&mut self, entry: Entry, author_known: bool) -> Result<u32> {
        let Entry { seq, salt, canonical, stored, identity } = entry;
        let (stored, canonical) = (Zeroizing::new(stored), Zeroizing::new(canonical));
        let mut bytes = Zeroizing::new(Vec::with_capacity(salt.len() + canonical.len()));
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&canonical);
        let to = u32::try_from(bytes.len()).map_err(|_| Error::invalid("a record is over 4 GiB"))?;
        let held = Held { bytes: self.hold(bytes)?, salt: 0, from: salt.len() as u32, to };
        self.add_held(held, seq, &stored.borrowed(), identity, author_known)
    }

    /// Keeps bytes in which records lie, and answers their number. They are wiped with the index.
    pub fn hold(&mut self, bytes: Zeroizing<Vec<u8>>) -> Result<u32> {
        let number = u32::try_from(self.held.len());
        let number = number.map_err(|_| Error::invalid("the live index holds too many frames"))?;
        self.held.push(bytes);
        Ok(number)
    }

    /// Adds a record whose bytes are held. Log positions ascend.
    pub fn add_held(
        &mut self,
        held: Held,
        seq: Seq,
        stored: &StoredRef<'_>,
        identity: IdHash,
        author_known: bool,
    ) -> Result<u32> {
        let doc = u32::try_from(self.docs.len())
            .ok()
            .filter(|n| *n < u32::MAX)
            .ok_or_else(|| Error::invalid("the live index holds too many records"))?;
        if self.docs.last().is_some_and(|last| last.key.seq >= seq) {
            return Err(Error::invalid("a log position was given twice or out of order"));
        }
        if self.bytes_of(held).is_none() {
            return Err(Error::invalid("a record lies outside of its frame"));
        }
        self.lists.add(doc, stored, author_known);
        let before = (
            self.identities.insert(identity, doc).unwrap_or(NONE),
            self.ids.insert(identity.id, doc).unwrap_or(NONE),
        );
        let (first, last) = self.span.unwrap_or((stored.time, stored.time));
        self.out_of_order |= stored.time < last;
        self.span = Some((first.min(stored.time), last.max(stored.time)));
        self.body_bytes += (held.to - held.from) as usize;
        self.docs.push(Doc {
            key: SortKey { time: stored.time, seq },
            held,
            identity,
            class: stored.class,
            subjects: stored.subjects.iter().copied().collect(),
            before,
        });
        Ok(doc)
    }

    /// Forgets everything and wipes it, as a drop does: records, texts, words, lists, keys and identities.
    /// Four bytes of a hash of each id and of each conversation stay in freed memory, in what were maps,
    /// and where vectors grew.
    pub fn clear(&mut self) {
        *self = Self::new(self.lists.words().is_some());
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.body_bytes + self.lists.bytes() + self.docs.len() * 170
    }

    /// Bytes of the records alone.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// One record as it was appended.
    pub fn doc(&self, doc: u32) -> Option<LiveDoc<'_>> {
        let Doc { key, held, identity, class, subjects, .. } = self.docs.get(doc as usize)?;
        let (salt, canonical) = self.bytes_of(*held)?;
        Some(LiveDoc { key: *key, salt, canonical, identity: *identity, class: *class, subjects })
    }

    /// Records from a log position on, in the order of positions.
    pub fn from_seq(&self, first: Seq) -> impl Iterator<Item = LiveDoc<'_>> {
        (self.docs_before(first)..self.docs.len() as u32).filter_map(|doc| self.doc(doc))
    }

    /// How many records stand before a log position.
    pub fn docs_before(&self, seq: Seq) -> u32 {
        self.docs.partition_point(|doc| doc.key.seq < seq) as u32
    }

    /// First and last log position; `None` if it is empty.
    pub fn seq_span(&self) -> Option<(Seq, Seq)> {
        Some((self.docs.first()?.key.seq, self.docs.last()?.key.seq))
    }

    /// Salt and canonical bytes of a record.
    fn bytes_of(&self, held: Held) -> Option<(&[u8; 16], &[u8])> {
        let bytes = self.held.get(held.bytes as usize)?;
        let salt = bytes.get(held.salt as usize..)?.first_chunk()?;
        Some((salt, bytes.get(held.from as usize..held.to as usize)?))
    }

    /// Terms and their documents.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Documents whose identity has this hash, ascending.
    pub fn with_identity(&self, identity: IdHash) -> Vec<u32> {
        self.chain(self.identities.get(&identity), |doc| doc.before.0)
    }

    /// The documents of a chain from its last one.
    fn chain(&self, last: Option<&u32>, before: impl Fn(&Doc) -> u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut next = last.copied();
        while let Some(doc) = next {
            found.push(doc);
            next = self.docs.get(doc as usize).map(&before).filter(|n| *n != NONE);
        }
        found.reverse();
        found
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

impl Drop for LiveIndex {
    fn drop(&mut self) {
        for Doc { key, identity, class, subjects, .. } in &mut self.docs {
            *key = SortKey { time: Micros(0), seq: Seq(0) };
            (*identity, *class) = (IdHash::default(), 0);
            match subjects {
                Subjects::One(person) => *person = PersonNumber(0),
                Subjects::Many(people) => {
                    people.fill(PersonNumber(0));
                    black_box(&mut **people);
                }
            }
        }
        // They are freed at once, so nobody but this would see that they were wiped.
        black_box(self.docs.as_mut_slice());
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

    fn first_seq(&self) -> Option<Seq> {
        self.seq_span().map(|(first, _)| first)
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        self.span
    }

    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        RoaringBitmap::from_sorted_iter(self.lists.get(term).iter().copied())
            .map_err(|_| Error::corrupt("a live list is not ascending"))
    }

    fn frequency(&self, term: &Term) -> Result<u64> {
        Ok(self.lists.frequency(term) as u64)
    }

    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        Ok(self.lists.values(field))
    }

    fn class_docs(&self, class: u32) -> Result<RoaringBitmap> {
        let docs = self.docs.iter().zip(0..).filter(|(d, _)| d.class & !QUARANTINED == class).map(|(_, n)| n);
        RoaringBitmap::from_sorted_iter(docs).map_err(|_| Error::corrupt("live documents are not in order"))
    }

    fn quarantined(&self) -> Result<RoaringBitmap> {
        let docs = self.docs.iter().zip(0..).filter(|(d, _)| d.class & QUARANTINED > 0).map(|(_, n)| n);
        RoaringBitmap::from_sorted_iter(docs).map_err(|_| Error::corrupt("live documents are not in order"))
    }

    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        let within = |key: SortKey| from <= key.time && key.time < before;
        let docs = self.docs.iter().zip(0..).filter(|(d, _)| within(d.key)).map(|(_, n)| n);
        RoaringBitmap::from_sorted_iter(docs).map_err(|_| Error::corrupt("live documents are not in order"))
    }

    fn id_candidates(&self, wanted: &IdQuery<'_>) -> Result<Vec<u32>> {
        Ok(match wanted.conversation {
            Some(_) => self.with_identity(wanted.hash),
            None => self.chain(self.ids.get(&wanted.hash.id), |doc| doc.before.1),
        })
    }

    fn key(&self, doc: u32) -> Result<SortKey> {
        let found = self.docs.get(doc as usize);
        Ok(found.ok_or_else(|| Error::invalid(format!("no document {doc} in the live index")))?.key)
    }

    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        // Positions ascend and mostly have no gaps.
        let guess = self.docs.first().and_then(|first| seq.0.checked_sub(first.key.seq.0));
        let guess = guess.and_then(|n| u32::try_from(n).ok());
        if let Some(doc) = guess.filter(|n| self.doc(*n).is_some_and(|d| d.key.seq == seq)) {
            return Ok(Some(doc));
        }
        Ok(self.docs.binary_search_by_key(&seq, |doc| doc.key.seq).ok().map(|n| n as u32))
    }

    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let all = self.matches(docs, |key| below.is_none_or(|b| key < b));
        Ok(first_k(all, k, |a, b| b.0.cmp(&a.0)))
    }

    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let all = self.matches(docs, |key| above.is_none_or(|a| key > a));
        Ok(first_k(all, k, |a, b| a.0.cmp(&b.0)))
    }

    /// The lists stand as plain numbers, so the shortest one is asked however long it is.
    fn conjunction(&self, of: &Conjunction, among: Range<u32>, docs: &mut Vec<u32>) -> Result<bool> {
        docs.clear();
        let mut lists: Vec<_> =
            of.terms.iter().map(|asked| (!asked.wanted, self.lists.get(&asked.term))).collect();
        lists.sort_unstable_by_key(|(unwanted, list)| (*unwanted, list.len()));
        let Some(((false, shortest), others)) = lists.split_first() else { return Ok(true) };
        let below = |end: u32| shortest.partition_point(|doc| *doc < end);
        docs.extend_from_slice(shortest.get(below(among.start)..below(among.end)).unwrap_or_default());
        for (unwanted, list) in others {
            probe::sift_docs(docs, !unwanted, list);
        }
        if of.default_only && !docs.is_empty() {
            for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_default()) {
                probe::sift_docs(docs, false, &self.lists.get(&Term::kind(kind)));
            }
        }
        if !self.span.is_some_and(|(first, last)| of.time.start <= first && last < of.time.end) {
            docs.retain(|doc| self.docs.get(*doc as usize).is_some_and(|d| of.time.contains(&d.key.time)));
        }
        Ok(true)
    }

    fn is_in_order(&self) -> bool {
        !self.out_of_order
    }

    fn has_words(&self) -> bool {
        self.lists.words().is_some()
    }

    fn phrase(&self, phrase: &Phrase, among: &RoaringBitmap) -> Result<RoaringBitmap> {
        Ok(self.lists.words().map_or_else(RoaringBitmap::new, |words| words.phrase(phrase, among)))
    }

    fn like(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap> {
        self.lists.words().map_or_else(|| Ok(RoaringBitmap::new()), |words| words.like(pattern, each))
    }

    fn occurrences(&self, term: &Term, docs: &[u32]) -> Result<Vec<u32>> {
        let words = self.lists.words();
        let Some((words, word)) = words.and_then(|w| Some((w, w.number_of(&term.value)?))) else {
            return Ok(vec![0; docs.len()]);
        };
        let count = |doc: &u32| words.places(*doc).filter(|(other, _)| *other == word).count() as u32;
        Ok(docs.iter().map(count).collect())
    }

    fn words_in(&self, doc: u32) -> Result<u32> {
        Ok(self.lists.words_in(doc))
    }

    fn word_totals(&self) -> Result<(u64, u64)> {
        Ok(self.lists.words().map_or((0, 0), |words| (words.docs_with_words(), words.count())))
    }

    fn record(&self, doc: u32) -> Result<Stored> {
        let found = self.doc(doc);
        let found = found.ok_or_else(|| Error::invalid(format!("no document {doc} in the live index")))?;
        Stored::decode(found.canonical).map_err(|e| e.context(format!("live record {}", found.key.seq)))
    }

    fn opening(&self, doc: u32) -> Result<Opening> {
        let found = self.doc(doc);
        let found = found.ok_or_else(|| Error::invalid(format!("no document {doc} in the live index")))?;
        let (salt, canonical) = (Zeroizing::new(*found.salt), Zeroizing::new(found.canonical.to_vec()));
        Ok(Opening { salt, canonical })
    }
}
