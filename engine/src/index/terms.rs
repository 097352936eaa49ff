//! Terms and their documents in three vectors, so that a rewrite allocates nothing a term.

use std::cmp::Ordering;

use zeroize::Zeroizing;

use crate::index::part::{Field, Term};

/// Terms, ascending, each with its documents, ascending and not empty. Wiped on drop.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Terms {
    entries: Vec<Entry>,
    texts: Zeroizing<Vec<u8>>,
    docs: Zeroizing<Vec<u32>>,
}

/// A term ends here; it begins where the one before it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    field: Field,
    text_end: usize,
    docs_end: usize,
}

/// A term and its documents.
#[derive(Clone, Copy)]
pub struct TermDocs<'a> {
    /// The field.
    pub field: Field,
    /// The value; see [`Term`].
    pub value: &'a [u8],
    /// Its documents.
    pub docs: &'a [u32],
}

impl Terms {
    /// No terms, with room for some.
    pub fn with_capacity(terms: usize, text: usize, docs: usize) -> Self {
        Self {
            entries: Vec::with_capacity(terms),
            texts: Zeroizing::new(Vec::with_capacity(text)),
            docs: Zeroizing::new(Vec::with_capacity(docs)),
        }
    }

    /// How many terms.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the next term. Documents may come in any order; a term without any is not added.
    pub fn push(&mut self, field: Field, value: &[u8], docs: impl Iterator<Item = u32>) {
        let from = self.docs.len();
        for doc in docs {
            grow(&mut self.docs, 1);
            self.docs.push(doc);
        }
        let Some(list) = self.docs.get_mut(from..).filter(|list| !list.is_empty()) else { return };
        if !list.is_sorted() {
            list.sort_unstable();
        }
        grow(&mut self.texts, value.len());
        self.texts.extend_from_slice(value);
        self.entries.push(Entry { field, text_end: self.texts.len(), docs_end: self.docs.len() });
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = TermDocs<'_>> {
        (0..self.entries.len()).filter_map(|n| self.get(n))
    }

    /// The documents of a term.
    pub fn find(&self, term: &Term) -> Option<&[u32]> {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let mid = low + (high - low) / 2;
            let at = self.get(mid)?;
            match at.order().cmp(&(term.field, &term.value)) {
                Ordering::Equal => return Some(at.docs),
                Ordering::Less => low = mid + 1,
                Ordering::Greater => high = mid,
            }
        }
        None
    }

    /// The last term.
    pub fn last(&self) -> Option<TermDocs<'_>> {
        self.entries.len().checked_sub(1).and_then(|n| self.get(n))
    }

    /// Keeps the terms that `keep` accepts and gives documents new numbers; those without one go,
    /// and so do terms without documents.
    pub fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>, keep: impl Fn(Field, &[u8]) -> bool) {
        let Self { entries, texts, docs } = self;
        let (mut text_at, mut doc_at) = (0, 0);
        let (mut new_text, mut new_doc) = (0, 0);
        entries.retain_mut(|entry| {
            let (text, list) = (text_at..entry.text_end, doc_at..entry.docs_end);
            (text_at, doc_at) = (entry.text_end, entry.docs_end);
            if !texts.get(text.clone()).is_some_and(|value| keep(entry.field, value)) {
                return false;
            }
            let from = new_doc;
            for at in list {
                if let Some(doc) = docs.get(at).copied().and_then(&number) {
                    docs[new_doc] = doc;
                    new_doc += 1;
                }
            }
            if new_doc == from {
                return false;
            }
            let len = text.len();
            texts.copy_within(text, new_text);
            new_text += len;
            (entry.text_end, entry.docs_end) = (new_text, new_doc);
            true
        });
        texts[new_text..].fill(0);
        texts.truncate(new_text);
        docs[new_doc..].fill(0);
        docs.truncate(new_doc);
    }

    fn get(&self, n: usize) -> Option<TermDocs<'_>> {
        let entry = self.entries.get(n)?;
        let before = n.checked_sub(1).and_then(|n| self.entries.get(n));
        let (text, docs) = before.map_or((0, 0), |b| (b.text_end, b.docs_end));
        Some(TermDocs {
            field: entry.field,
            value: self.texts.get(text..entry.text_end)?,
            docs: self.docs.get(docs..entry.docs_end)?,
        })
    }
}

impl<'a> TermDocs<'a> {
    /// What terms are ordered by.
    pub fn order(&self) -> (Field, &'a [u8]) {
        (self.field, self.value)
    }
}

/// Grows by hand: a vector that grows by itself leaves what it holds behind.
pub(crate) fn grow<T: zeroize::Zeroize + Copy>(all: &mut Zeroizing<Vec<T>>, more: usize) {
    if all.capacity() - all.len() < more {
        let mut wider = Zeroizing::new(Vec::with_capacity((all.len() + more).max(all.capacity() * 2)));
        wider.extend_from_slice(all);
        *all = wider;
    }
}
