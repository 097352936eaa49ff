//! Terms and their documents while they are collected.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use zeroize::{Zeroize, Zeroizing};

use crate::id::PersonNumber;
use crate::index::part::{Field, Term};
use crate::index::terms::Terms;
use crate::record::StoredRef;

/// Every field, in the order of terms.
pub const FIELDS: [Field; 6] =
    [Field::Tag, Field::Author, Field::Subject, Field::Conversation, Field::Channel, Field::Kind];

/// The field of a number; `None` if this version does not know it.
pub fn field_of(number: u8) -> Option<Field> {
    FIELDS.into_iter().find(|f| *f as u8 == number)
}

/// A person's term value.
pub fn person_value(person: PersonNumber) -> [u8; 8] {
    person.0.to_be_bytes()
}

/// Calls `emit` for every term of a record; a term may come twice. Only `known` authors get one.
pub fn each_term(stored: &StoredRef<'_>, author_known: bool, mut emit: impl FnMut(Field, &[u8])) {
    for tag in stored.tags {
        emit(Field::Tag, tag.as_bytes());
    }
    if author_known {
        emit(Field::Author, &person_value(stored.author));
    }
    for subject in stored.subjects {
        emit(Field::Subject, &person_value(*subject));
    }
    emit(Field::Conversation, stored.conversation.as_bytes());
    if !stored.channel.is_empty() {
        emit(Field::Channel, stored.channel.as_bytes());
    }
    emit(Field::Kind, &[stored.kind as u8]);
}

/// Ascending lists of documents by term. Most terms have one document and most values are short,
/// so neither has an allocation of its own.
#[derive(Default)]
pub struct Lists {
    fields: [Values; FIELDS.len()],
    hasher: DefaultHashBuilder,
    bytes: usize,
}

/// The values of one field.
#[derive(Default)]
struct Values {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    texts: Texts,
}

struct Entry {
    hash: u64,
    text: Place,
    docs: Docs,
}

enum Docs {
    One(u32),
    Many(Vec<u32>),
}

/// Values behind one another, in pieces that never move: a vector that grows leaves its plaintext
/// behind.
#[derive(Default)]
struct Texts(Vec<Zeroizing<Vec<u8>>>);

#[derive(Clone, Copy)]
struct Place {
    piece: u32,
    at: u32,
    len: u32,
}

/// The first piece; each is twice as long as the one before it, up to [`PIECE_MAX`].
const PIECE_MIN: usize = 1 << 10;
const PIECE_MAX: usize = 1 << 16;

impl Lists {
    /// Adds the terms of document `doc`; documents come in ascending order.
    pub fn add(&mut self, doc: u32, stored: &StoredRef<'_>, author_known: bool) {
        let Self { fields, hasher, bytes } = self;
        each_term(stored, author_known, |field, value| {
            *bytes += fields[field as usize - 1].add(hasher.hash_one(value), value, doc);
        });
    }

    /// The documents of a term.
    pub fn get(&self, term: &Term) -> &[u32] {
        let values = &self.fields[term.field as usize - 1];
        values
            .find(self.hasher.hash_one(term.value.as_slice()), &term.value)
            .map_or(&[], |e| e.docs.as_slice())
    }

    /// Values and numbers of documents of a field, ascending.
    pub fn values(&self, field: Field) -> Vec<(Vec<u8>, u32)> {
        let values = &self.fields[field as usize - 1];
        let of = |e: &Entry| (values.texts.get(e.text).to_vec(), e.docs.as_slice().len() as u32);
        let mut all: Vec<_> = values.entries.iter().map(of).collect();
        all.sort_unstable();
        all
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything, in the order of terms, with new numbers for documents: `number` answers `None`
    /// for those that go. Terms that `keep` refuses, and those without documents, are left out.
    pub fn sorted(&self, number: impl Fn(u32) -> Option<u32>, keep: impl Fn(Field, &[u8]) -> bool) -> Terms {
        let entries = || self.fields.iter().flat_map(|f| &f.entries);
        let text = entries().map(|e| e.text.len as usize).sum();
        let docs = entries().map(|e| e.docs.as_slice().len()).sum();
        let mut all = Terms::with_capacity(entries().count(), text, docs);
        for field in FIELDS {
            let values = &self.fields[field as usize - 1];
            let mut sorted: Vec<(&[u8], &Docs)> =
                values.entries.iter().map(|e| (values.texts.get(e.text), &e.docs)).collect();
            sorted.sort_unstable_by_key(|(value, _)| *value);
            for (value, docs) in sorted {
                if keep(field, value) {
                    all.push(field, value, docs.as_slice().iter().filter_map(|doc| number(*doc)));
                }
            }
        }
        all
    }

    /// Everything, in the order of terms.
    pub fn into_sorted(self) -> Terms {
        self.sorted(Some, |_, _| true)
    }
}

impl Values {
    /// Adds a document to a value; answers how many bytes that took.
    fn add(&mut self, hash: u64, value: &[u8], doc: u32) -> usize {
        let Self { table, entries, texts } = self;
        let same =
            |n: &u32| entries.get(*n as usize).is_some_and(|e| e.hash == hash && texts.get(e.text) == value);
        if let Some(n) = table.find(hash, same).copied() {
            return entries.get_mut(n as usize).map_or(0, |e| e.docs.push(doc));
        }
        let n = entries.len() as u32;
        entries.push(Entry { hash, text: texts.add(value), docs: Docs::One(doc) });
        table.insert_unique(hash, n, |n| entries.get(*n as usize).map_or(0, |e| e.hash));
        value.len() + size_of::<Entry>() + 5
    }

    fn find(&self, hash: u64, value: &[u8]) -> Option<&Entry> {
        let entry = |n: &u32| self.entries.get(*n as usize);
        let same = |n: &u32| entry(n).is_some_and(|e| e.hash == hash && self.texts.get(e.text) == value);
        self.table.find(hash, same).and_then(entry)
    }
}

impl Docs {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(doc) => std::slice::from_ref(doc),
            Self::Many(docs) => docs,
        }
    }

    /// Adds a document that is not below the last; answers how many bytes that took.
    fn push(&mut self, doc: u32) -> usize {
        match self {
            Self::One(last) if *last == doc => 0,
            Self::One(last) => {
                *self = Self::Many(vec![*last, doc]);
                8
            }
            Self::Many(docs) if docs.last() == Some(&doc) => 0,
            Self::Many(docs) => {
                docs.push(doc);
                4
            }
        }
    }
}

impl Texts {
    fn add(&mut self, value: &[u8]) -> Place {
        let room = |piece: &Zeroizing<Vec<u8>>| piece.capacity() - piece.len();
        if self.0.last().is_none_or(|last| room(last) < value.len()) {
            let next = self.0.last().map_or(PIECE_MIN, |last| (last.capacity() * 2).min(PIECE_MAX));
            self.0.push(Zeroizing::new(Vec::with_capacity(next.max(value.len()))));
        }
        let piece = self.0.len() - 1;
        let text = &mut self.0[piece];
        let at = text.len();
        text.extend_from_slice(value);
        Place { piece: piece as u32, at: at as u32, len: value.len() as u32 }
    }

    fn get(&self, place: Place) -> &[u8] {
        let piece = self.0.get(place.piece as usize).map_or(&[][..], |p| p.as_slice());
        piece.get(place.at as usize..(place.at + place.len) as usize).unwrap_or_default()
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        for entry in &mut self.entries {
            entry.hash.zeroize();
            match &mut entry.docs {
                Docs::One(doc) => doc.zeroize(),
                Docs::Many(docs) => docs.zeroize(),
            }
        }
    }
}
