//! What a query needs to know of one searchable part of the store.

use std::ops::Range;

use roaring::RoaringBitmap;

use crate::crypto::stack::burn_hash;
use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::filter::{IdHash, text_hash};
use crate::index::known::hash_of;
use crate::index::overlay::Overlay;
use crate::index::phrase::{EachWord, Pattern, Phrase, no_words};
use crate::merkle::text::Opening;
use crate::record::{Kind, Stored};

/// Field of a term.
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
    /// A word of the body; see [`crate::text`].
    Word = 7,
}

impl Field {
    /// Whether the index says where in a document a term of this field stands.
    pub const fn has_positions(self) -> bool {
        matches!(self, Self::Word)
    }
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

    /// A conversation.
    pub fn conversation(name: &str) -> Self {
        Self { field: Field::Conversation, value: name.as_bytes().to_vec() }
    }

    /// A kind of record.
    pub fn kind(kind: Kind) -> Self {
        Self { field: Field::Kind, value: vec![kind as u8] }
    }

    /// A word, as the analyser emits it.
    pub fn word(value: &[u8]) -> Self {
        Self { field: Field::Word, value: value.to_vec() }
    }
}

/// Terms that documents have or don't have, all of them at once.
pub struct Conjunction {
    /// Each is wanted or not. [`Part::conjunction`] and [`Part::conjunction_count`] need one at least that is
    /// wanted; [`Part::common`] does not.
    pub terms: Vec<Asked>,
    /// Documents of default kinds only.
    pub default_only: bool,
    /// Documents of this time only.
    pub time: Range<Micros>,
}

/// A term of a conjunction, hashed once for all parts.
#[derive(Clone)]
pub struct Asked {
    /// The term.
    pub term: Term,
    /// Hash of it, good in this process only.
    pub hash: u64,
    /// Whether documents have it, or don't.
    pub wanted: bool,
}

impl Conjunction {
    /// These terms, whatever the kind and the time.
    pub const fn of_terms(terms: Vec<Asked>) -> Self {
        Self { terms, default_only: false, time: Micros(i64::MIN)..Micros(i64::MAX) }
    }
}

impl Asked {
    /// A term that documents have, or don't.
    pub fn new(term: &Term, wanted: bool) -> Self {
        Self { hash: hash_of(term), term: term.clone(), wanted }
    }
}

/// An id that is looked for, hashed once for all parts.
#[derive(Clone, Copy)]
pub struct IdQuery<'a> {
    /// The id.
    pub id: &'a str,
    /// In this conversation; in any if `None`.
    pub conversation: Option<&'a str>,
    /// Hashes of both; of the conversation 0 if there is none.
    pub hash: IdHash,
}

impl<'a> IdQuery<'a> {
    /// Looks for `id`, in one conversation or in any.
    pub fn new(id: &'a str, conversation: Option<&'a str>) -> Self {
        let hash = IdHash { id: text_hash(id), conversation: conversation.map_or(0, text_hash) };
        burn_hash();
        Self { id, conversation, hash }
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
    /// The first of its log positions, by which it is told from every other part; `None` if empty.
    fn first_seq(&self) -> Option<Seq>;
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
    /// Documents that may have an id (found by hash, so the record decides).
    fn id_candidates(&self, wanted: &IdQuery<'_>) -> Result<Vec<u32>>;
    /// Sort key of a document.
    fn key(&self, doc: u32) -> Result<SortKey>;
    /// The document at a log position; `None` if it is not in this part.
    fn doc_of(&self, seq: Seq) -> Result<Option<u32>>;
    /// At most `k` of `docs` with keys below `below`, descending.
    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>>;
    /// At most `k` of `docs` with keys above `above`, ascending.
    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>>;
    /// Documents of a retention class, in quarantine or not.
    fn class_docs(&self, class: u32) -> Result<RoaringBitmap>;
    /// Documents in quarantine: those that came in so, but for what a part that is seen through what was said later
    /// knows to be released.
    fn quarantined(&self) -> Result<RoaringBitmap>;
    /// Opens the record of a document.
    fn record(&self, doc: u32) -> Result<Stored>;
    /// What the leaf of a document commits to.
    fn opening(&self, doc: u32) -> Result<Opening>;
    /// Whether bodies were split into words.
    fn has_words(&self) -> bool;
    /// Refuses who wants to ask for words, where an answer would be wrong: where bodies were not split
    /// into words, or not by the analyser that splits the query. Whoever asks for words asks this first.
    ///
    /// # Errors
    /// *Unsupported*, and of a segment what reading its index meets.
    fn check_words(&self) -> Result<()> {
        if self.has_words() || self.doc_count() == 0 { Ok(()) } else { Err(no_words()) }
    }
    /// Those of the documents `among` in which a phrase stands.
    fn phrase(&self, phrase: &Phrase, among: &RoaringBitmap) -> Result<RoaringBitmap>;
    /// Documents of all words like one; tells `each` of every such word.
    fn like(&self, pattern: &Pattern, each: &mut EachWord<'_>) -> Result<RoaringBitmap>;
    /// How often a word stands in each of the ascending `docs`; 0 where it doesn't.
    fn occurrences(&self, term: &Term, docs: &[u32]) -> Result<Vec<u32>>;
    /// How many words a document has.
    fn words_in(&self, doc: u32) -> Result<u32>;
    /// How many documents have words, and how many words they have together.
    fn word_totals(&self) -> Result<(u64, u64)>;

    /// What later records say of its documents, if it is seen through that.
    fn overlay(&self) -> Option<&Overlay> {
        None
    }

    /// Whether documents stand in order of time.
    fn is_in_order(&self) -> bool {
        false
    }

    /// Notes that a query looks at it.
    fn visit(&self) {}

    /// Number of documents of default kinds.
    fn default_docs(&self) -> Result<u64> {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_default());
        kinds.map(Term::kind).try_fold(0, |n, kind| Ok(n + self.frequency(&kind)?))
    }

    /// Leaves in `docs` those that have a term (`wanted`), or those that don't.
    fn sift(&self, term: &Term, wanted: bool, docs: &mut RoaringBitmap) -> Result<()> {
        let of_term = self.postings(term)?;
        if wanted {
            *docs &= of_term
        } else {
            *docs -= of_term
        }
        Ok(())
    }

    /// Documents with `from <= time < before` as one range, where documents stand in order of time.
    fn time_range(&self, _from: Micros, _before: Micros) -> Result<Option<Range<u32>>> {
        Ok(None)
    }

    /// All documents that have every wanted term and no other of `terms`; `None` where going through the
    /// lists one by one is quicker.
    fn common(&self, _of: &Conjunction) -> Result<Option<RoaringBitmap>> {
        Ok(None)
    }

    /// Documents of a conjunction among a range of them, ascending; no documents are masked. False,
    /// and nothing said, of a part that doesn't answer such questions at once.
    fn conjunction(&self, _of: &Conjunction, _among: Range<u32>, _docs: &mut Vec<u32>) -> Result<bool> {
        Ok(false)
    }

    /// How many documents of a conjunction there are, likewise; `docs` is room to count in.
    fn conjunction_count(&self, of: &Conjunction, docs: &mut Vec<u32>) -> Result<Option<u64>> {
        Ok(self.conjunction(of, 0..self.doc_count(), docs)?.then_some(docs.len() as u64))
    }

    /// Appends the sort keys of `docs`, ascending.
    fn keys(&self, docs: &[u32], keys: &mut Vec<SortKey>) -> Result<()> {
        let from = keys.len();
        for doc in docs {
            keys.push(self.key(*doc)?);
        }
        keys.get_mut(from..).unwrap_or_default().sort_unstable();
        Ok(())
    }

    /// Leaves in `docs` those of default kinds.
    fn sift_default(&self, docs: &mut RoaringBitmap) -> Result<()> {
        let mut default = RoaringBitmap::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_default()) {
            default |= self.postings(&Term::kind(kind))?;
        }
        *docs &= default;
        Ok(())
    }

    /// Appends the log positions of `docs` in their order.
    fn seqs_of(&self, docs: &[u32], seqs: &mut Vec<Seq>) -> Result<()> {
        for doc in docs {
            seqs.push(self.key(*doc)?.seq);
        }
        Ok(())
    }

    /// Log positions of `docs`, by event time.
    fn seqs(&self, docs: &RoaringBitmap) -> Result<Vec<Seq>> {
        Ok(self.oldest(docs, usize::MAX, None)?.into_iter().map(|(key, _)| key.seq).collect())
    }
}
