//! Terms and their documents while they are collected.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use crate::error::Result;
use crate::id::PersonNumber;
use crate::index::part::{Field, Term};
use crate::index::terms::Terms;
use crate::index::values::Values;
use crate::index::words::Words;
use crate::record::StoredRef;

/// Fields of what stands beside the body, in the order of terms.
pub const FIELDS: [Field; 6] =
    [Field::Tag, Field::Author, Field::Subject, Field::Conversation, Field::Channel, Field::Kind];

/// The field of a number; `None` if this version does not know it.
pub fn field_of(number: u8) -> Option<Field> {
    FIELDS.into_iter().chain([Field::Word]).find(|f| *f as u8 == number)
}

/// A person's term value.
pub fn person_value(person: PersonNumber) -> [u8; 8] {
    person.0.to_be_bytes()
}

/// Calls `emit` for every term of a record but its words; a term may come twice. Only `known` authors get one.
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

/// Ascending lists of documents by term, and where words stand.
#[derive(Default)]
pub struct Lists {
    fields: [Values; FIELDS.len()],
    words: Option<Words>,
    hasher: DefaultHashBuilder,
    bytes: usize,
}

impl Lists {
    /// No terms yet. Bodies are split into words if `with_words`.
    pub fn new(with_words: bool) -> Self {
        Self { words: with_words.then(Words::default), ..Self::default() }
    }

    /// Adds the terms of document `doc`; documents come in ascending order, from 0, without gaps.
    pub fn add(&mut self, doc: u32, stored: &StoredRef<'_>, author_known: bool) {
        let Self { fields, words, hasher, bytes } = self;
        each_term(stored, author_known, |field, value| {
            if let Some(values) = fields.get_mut(field as usize - 1) {
                *bytes += values.add(hasher.hash_one(value), value, doc).1;
            }
        });
        if let Some(words) = words {
            *bytes += words.add(doc, if stored.kind.is_act() { "" } else { stored.body });
        }
    }

    /// The documents of a term.
    pub fn get(&self, term: &Term) -> Cow<'_, [u32]> {
        if term.field == Field::Word {
            return Cow::Owned(self.words.as_ref().map_or_else(Vec::new, |words| words.docs_of(&term.value)));
        }
        Cow::Borrowed(self.beside(term))
    }

    /// How many documents a term has.
    pub fn frequency(&self, term: &Term) -> usize {
        match &self.words {
            Some(words) if term.field == Field::Word => words.frequency(&term.value) as usize,
            _ => self.beside(term).len(),
        }
    }

    /// The documents of a term that is no word.
    fn beside(&self, term: &Term) -> &[u32] {
        let values = self.fields.get(term.field as usize - 1);
        values.map_or(&[], |v| v.find(self.hasher.hash_one(term.value.as_slice()), &term.value))
    }

    /// Values and numbers of documents of a field, ascending.
    pub fn values(&self, field: Field) -> Vec<(Vec<u8>, u32)> {
        let Some(values) = self.fields.get(field as usize - 1) else { return Vec::new() };
        let of = |(value, docs): (&[u8], &[u32])| (value.to_vec(), docs.len() as u32);
        let mut all: Vec<_> = values.iter().map(of).collect();
        all.sort_unstable();
        all
    }

    /// The words, if bodies are split into them.
    pub fn words(&self) -> Option<&Words> {
        self.words.as_ref()
    }

    /// How many words a document has.
    pub fn words_in(&self, doc: u32) -> u32 {
        self.words.as_ref().map_or(0, |words| words.count_in(doc))
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything, in the order of terms, with new numbers for documents: `number` answers `None`
    /// for those that go. Terms that `keep` refuses, and those without documents, are left out.
    pub fn sorted(
        &self,
        number: impl Fn(u32) -> Option<u32>,
        keep: impl Fn(Field, &[u8]) -> bool,
    ) -> Result<Terms> {
        let entries = || self.fields.iter().flat_map(Values::iter);
        let text = entries().map(|(value, _)| value.len()).sum();
        let docs = entries().map(|(_, docs)| docs.len()).sum();
        let mut all = Terms::with_capacity(entries().count(), text, docs);
        for field in FIELDS {
            let Some(values) = self.fields.get(field as usize - 1) else { continue };
            for n in values.in_order() {
                let value = values.value(n);
                if keep(field, value) {
                    all.push(field, value, values.docs(n).iter().filter_map(|doc| number(*doc)));
                }
            }
        }
        if let Some(words) = &self.words {
            words.sorted(&mut all, number)?;
        }
        Ok(all)
    }

    /// Everything, in the order of terms.
    pub fn in_order(&self) -> Result<Terms> {
        self.sorted(Some, |_, _| true)
    }
}
