//! Terms and their documents while they are collected.

use std::collections::HashMap;

use zeroize::Zeroize;

use crate::id::PersonNumber;
use crate::index::part::{Field, Term};
use crate::record::Stored;

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
pub fn each_term(stored: &Stored, author_known: bool, mut emit: impl FnMut(Field, &[u8])) {
    for tag in &stored.tags {
        emit(Field::Tag, tag.as_bytes());
    }
    if author_known {
        emit(Field::Author, &person_value(stored.author));
    }
    for subject in &stored.subjects {
        emit(Field::Subject, &person_value(*subject));
    }
    emit(Field::Conversation, stored.conversation.as_bytes());
    if !stored.channel.is_empty() {
        emit(Field::Channel, stored.channel.as_bytes());
    }
    emit(Field::Kind, &[stored.kind as u8]);
}

/// Ascending lists of documents by term.
#[derive(Default)]
pub struct Lists {
    fields: [HashMap<Vec<u8>, Vec<u32>>; FIELDS.len()],
    bytes: usize,
}

impl Lists {
    /// Adds the terms of document `doc`; documents come in ascending order.
    pub fn add(&mut self, doc: u32, stored: &Stored, author_known: bool) {
        let Self { fields, bytes } = self;
        each_term(stored, author_known, |field, value| {
            let lists = &mut fields[field as usize - 1];
            if let Some(list) = lists.get_mut(value) {
                if list.last() != Some(&doc) {
                    list.push(doc);
                    *bytes += 4;
                }
                return;
            }
            *bytes += value.len() + 100;
            lists.insert(value.to_vec(), vec![doc]);
        });
    }

    /// The documents of a term.
    pub fn get(&self, term: &Term) -> &[u32] {
        self.fields[term.field as usize - 1].get(&term.value).map_or(&[], Vec::as_slice)
    }

    /// Values and numbers of documents of a field, ascending.
    pub fn values(&self, field: Field) -> Vec<(Vec<u8>, u32)> {
        let mut all: Vec<_> =
            self.fields[field as usize - 1].iter().map(|(v, docs)| (v.clone(), docs.len() as u32)).collect();
        all.sort_unstable();
        all
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything, in the order of terms.
    pub fn into_sorted(mut self) -> Vec<(Term, Vec<u32>)> {
        let mut all = Vec::with_capacity(self.fields.iter().map(HashMap::len).sum());
        for field in FIELDS {
            let from = all.len();
            let lists = std::mem::take(&mut self.fields[field as usize - 1]);
            all.extend(lists.into_iter().map(|(value, docs)| (Term { field, value }, docs)));
            all[from..].sort_unstable_by(|a, b| a.0.value.cmp(&b.0.value));
        }
        all
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for (mut value, mut docs) in self.fields.iter_mut().flat_map(HashMap::drain) {
            value.zeroize();
            docs.zeroize();
        }
    }
}
