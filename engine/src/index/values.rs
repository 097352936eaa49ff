//! The values of one field, each with its documents, while they are collected. Most values have one
//! document and most are short, so neither has an allocation of its own.

use hashbrown::HashTable;
use zeroize::Zeroize;

use crate::index::texts::{Place, Texts};

/// The values of one field.
#[derive(Default)]
pub(super) struct Values {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    texts: Texts,
}

/// A value.
struct Entry {
    hash: u64,
    text: Place,
    docs: Docs,
}

enum Docs {
    One(u32),
    Many(Vec<u32>),
}

impl Values {
    /// Adds a document to a value; answers the value's number and how many bytes that took.
    pub(super) fn add(&mut self, hash: u64, value: &[u8], doc: u32) -> (u32, usize) {
        let Self { table, entries, texts } = self;
        let same =
            |n: &u32| entries.get(*n as usize).is_some_and(|e| e.hash == hash && texts.get(e.text) == value);
        if let Some(n) = table.find(hash, same).copied() {
            return (n, entries.get_mut(n as usize).map_or(0, |e| e.docs.push(doc)));
        }
        let n = entries.len() as u32;
        entries.push(Entry { hash, text: texts.add(value), docs: Docs::One(doc) });
        table.insert_unique(hash, n, |n| entries.get(*n as usize).map_or(0, |e| e.hash));
        (n, value.len() + size_of::<Entry>() + 5)
    }

    /// The number of a value.
    pub(super) fn number(&self, hash: u64, value: &[u8]) -> Option<u32> {
        let entry = |n: &u32| self.entries.get(*n as usize);
        let same = |n: &u32| entry(n).is_some_and(|e| e.hash == hash && self.texts.get(e.text) == value);
        self.table.find(hash, same).copied()
    }

    /// The documents of a value.
    pub(super) fn find(&self, hash: u64, value: &[u8]) -> &[u32] {
        self.number(hash, value).map_or(&[], |n| self.docs(n))
    }

    /// The documents of a value, by its number.
    pub(super) fn docs(&self, number: u32) -> &[u32] {
        self.entries.get(number as usize).map_or(&[], |e| e.docs.as_slice())
    }

    /// Every value with its documents, in order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u32])> {
        self.entries.iter().map(|e| (self.texts.get(e.text), e.docs.as_slice()))
    }

    /// Numbers of all values, ascending by value.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut sorted: Vec<(&[u8], u32)> = self.iter().zip(0..).map(|((value, _), n)| (value, n)).collect();
        sorted.sort_unstable();
        sorted.into_iter().map(|(_, n)| n).collect()
    }

    /// A value by its number.
    pub(super) fn value(&self, number: u32) -> &[u8] {
        self.entries.get(number as usize).map_or(&[], |e| self.texts.get(e.text))
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
