//! Terms and their documents in a few vectors, so that a rewrite allocates nothing a term.

use std::cmp::Ordering;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::index::part::{Field, Term};
use crate::index::runs::Runs;

/// Terms, ascending, each with its documents, ascending and not empty. Wiped on drop.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Terms {
    entries: Vec<Entry>,
    texts: Zeroizing<Vec<u8>>,
    docs: Zeroizing<Vec<u32>>,
    /// Positions of words, a run a document.
    runs: Zeroizing<Vec<u8>>,
}

/// A term ends here; it begins where the one before it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    field: Field,
    text_end: usize,
    docs_end: usize,
    runs_end: usize,
}

/// Ends of vectors.
#[derive(Clone, Copy, Default)]
struct Ends {
    text: usize,
    docs: usize,
    runs: usize,
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
    /// Of a word, where it stands in each of them; see [`Runs`].
    pub runs: &'a [u8],
}

impl Terms {
    /// No terms, with room for some.
    pub fn with_capacity(terms: usize, text: usize, docs: usize) -> Self {
        Self {
            entries: Vec::with_capacity(terms),
            texts: Zeroizing::new(Vec::with_capacity(text)),
            docs: Zeroizing::new(Vec::with_capacity(docs)),
            runs: Zeroizing::default(),
        }
    }

    /// Bytes of all positions.
    pub fn runs_len(&self) -> usize {
        self.runs.len()
    }

    /// Makes room for so many bytes of positions.
    pub fn reserve_runs(&mut self, bytes: usize) {
        grow(&mut self.runs, bytes);
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
        self.end(field, value);
    }

    /// Adds the next term with its documents, ascending, and a run for each.
    pub fn push_word(&mut self, field: Field, value: &[u8], docs: &[u32], runs: &[u8]) {
        if docs.is_empty() {
            return;
        }
        grow(&mut self.docs, docs.len());
        self.docs.extend_from_slice(docs);
        grow(&mut self.runs, runs.len());
        self.runs.extend_from_slice(runs);
        self.end(field, value);
    }

    fn end(&mut self, field: Field, value: &[u8]) {
        grow(&mut self.texts, value.len());
        self.texts.extend_from_slice(value);
        let (text_end, docs_end, runs_end) = (self.texts.len(), self.docs.len(), self.runs.len());
        self.entries.push(Entry { field, text_end, docs_end, runs_end });
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

    /// Keeps the terms that `keep` accepts and gives documents new numbers, which ascend as the old
    /// ones do; those without one go, and so do terms without documents.
    pub fn renumber(
        &mut self,
        number: impl Fn(u32) -> Option<u32>,
        keep: impl Fn(Field, &[u8]) -> bool,
    ) -> Result<()> {
        let Self { entries, texts, docs, runs } = self;
        let mut old = Ends::default();
        let mut new = Ends::default();
        let mut failed = None;
        entries.retain_mut(|entry| {
            let from = old;
            old = Ends { text: entry.text_end, docs: entry.docs_end, runs: entry.runs_end };
            let text = from.text..old.text;
            if !texts.get(text.clone()).is_some_and(|value| keep(entry.field, value)) {
                return false;
            }
            let (first, mut run_at) = (new.docs, from.runs);
            for at in from.docs..old.docs {
                let run = match Runs::new(runs.get(run_at..old.runs).unwrap_or_default()).bytes() {
                    _ if !entry.field.has_positions() => 0,
                    Ok(run) => run.len(),
                    Err(e) => {
                        failed = Some(e);
                        return false;
                    }
                };
                if let Some(doc) = docs.get(at).copied().and_then(&number) {
                    docs[new.docs] = doc;
                    new.docs += 1;
                    runs.copy_within(run_at..run_at + run, new.runs);
                    new.runs += run;
                }
                run_at += run;
            }
            if new.docs == first {
                return false;
            }
            let len = text.len();
            texts.copy_within(text, new.text);
            new.text += len;
            (entry.text_end, entry.docs_end, entry.runs_end) = (new.text, new.docs, new.runs);
            true
        });
        texts[new.text..].fill(0);
        texts.truncate(new.text);
        docs[new.docs..].fill(0);
        docs.truncate(new.docs);
        runs[new.runs..].fill(0);
        runs.truncate(new.runs);
        failed.map_or(Ok(()), Err)
    }

    fn get(&self, n: usize) -> Option<TermDocs<'_>> {
        let entry = self.entries.get(n)?;
        let before = n.checked_sub(1).and_then(|n| self.entries.get(n));
        let (text, docs, runs) = before.map_or((0, 0, 0), |b| (b.text_end, b.docs_end, b.runs_end));
        Some(TermDocs {
            field: entry.field,
            value: self.texts.get(text..entry.text_end)?,
            docs: self.docs.get(docs..entry.docs_end)?,
            runs: self.runs.get(runs..entry.runs_end)?,
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
