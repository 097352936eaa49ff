//! What a query needs to know of one searchable part of the store.

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::record::Stored;

/// Field of a term. Numbers from 16 are reserved for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Field {
    /// A whole tag, `key:value` or a bare word.
    Tag = 1,
    /// Number of the author, if the person is known.
    Author = 2,
    /// Number of a subject.
    Subject = 3,
    /// Conversation.
    Conversation = 4,
    /// Channel.
    Channel = 5,
    /// Kind, one byte.
    Kind = 6,
}

/// A term of the index, ordered by field, then by value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// The field.
    pub field: Field,
    /// UTF-8; for people 8 bytes, big-endian; for kinds one byte.
    pub value: Vec<u8>,
}

impl Term {
    /// A person in a field.
    pub fn person(field: Field, number: PersonNumber) -> Self {
        Self { field, value: number.0.to_be_bytes().to_vec() }
    }
}

/// Order of hits: event time, ties by log position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortKey {
    /// Event time.
    pub time: Micros,
    /// Log position.
    pub seq: Seq,
}

/// One searchable part: a rolled segment or the live index. Documents are numbered from 0.
pub trait Part: Send + Sync {
    /// How many documents there are.
    fn doc_count(&self) -> u32;
    /// First and last event time; `None` if empty.
    fn time_span(&self) -> Option<(Micros, Micros)>;
    /// Documents of a term; empty if the term is unknown.
    fn postings(&self, term: &Term) -> Result<RoaringBitmap>;
    /// Number of documents of a term, without reading the list.
    fn frequency(&self, term: &Term) -> Result<u64>;
    /// Every value of a field with its number of documents, ascending by value.
    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>>;
    /// Documents with `from <= time < before`.
    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap>;
    /// Documents whose id may be `id` (found by hash, so the record decides).
    fn id_candidates(&self, id: &str, conversation: Option<&str>) -> Result<Vec<u32>>;
    /// Sort key of a document.
    fn key(&self, doc: u32) -> Result<SortKey>;
    /// The document at a log position; `None` if it is not in this part.
    fn doc_of(&self, seq: Seq) -> Result<Option<u32>>;
    /// At most `k` of `docs` with keys below `below`, descending.
    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>>;
    /// At most `k` of `docs` with keys above `above`, ascending.
    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>>;
    /// Opens the record of a document.
    fn record(&self, doc: u32) -> Result<Stored>;
}
