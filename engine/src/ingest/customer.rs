//! Whose conversation it is: of a store whose customers are the subjects of every message.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::Result;
use crate::id::PersonNumber;
use crate::index::{BatchEntry, SortKey, Term};
use crate::ingest::assemble::{Draft, busy};
use crate::ingest::past::Oldest;
use crate::record::{Kind, Record};
use crate::state::Preset;

/// Places of a draft's entries that are the oldest of their conversations: of those of which nobody asked yet
/// what the store has of them.
#[derive(Default)]
pub(super) struct Talks {
    oldest: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

impl Talks {
    /// Notes the entry at `place`.
    pub(super) fn note(&mut self, entries: &[BatchEntry<'_>], place: usize) {
        let Some(new) = entries.get(place).filter(|entry| tells_whose(entry)) else { return };
        let Self { oldest, hasher } = self;
        let (conversation, key) = (new.record().conversation, key_of(new));
        let same = |at: &usize| entries.get(*at).is_some_and(|e| e.record().conversation == conversation);
        let Some(found) = oldest.find_mut(hasher.hash_one(conversation), same) else {
            let hash = |at: &usize| entries.get(*at).map_or(0, |e| hasher.hash_one(e.record().conversation));
            oldest.insert_unique(hasher.hash_one(conversation), place, hash);
            return;
        };
        if entries.get(*found).is_none_or(|old| key < key_of(old)) {
            *found = place;
        }
    }

    /// Sort key and subjects of the oldest entry of a conversation.
    fn find(&self, entries: &[BatchEntry<'_>], conversation: &str) -> Option<Oldest> {
        let same = |at: &usize| entries.get(*at).is_some_and(|e| e.record().conversation == conversation);
        let entry = entries.get(*self.oldest.find(self.hasher.hash_one(conversation), same)?)?;
        Some((key_of(entry), entry.record().subjects.to_vec()))
    }
}

/// Whose a conversation is nobody says by coming or going.
fn tells_whose(entry: &BatchEntry<'_>) -> bool {
    !matches!(entry.record().kind, Kind::Join | Kind::Leave)
}

fn key_of(entry: &BatchEntry<'_>) -> SortKey {
    SortKey { time: entry.record().time, seq: entry.seq }
}

impl Draft<'_, '_> {
    /// Subjects that the preset gives a record that names none: those of the conversation's oldest
    /// record, wherever it stands, so that the borders of batches don't matter. `None`: its author.
    pub(super) fn implied_subjects(&mut self, record: &Record) -> Result<Option<Vec<PersonNumber>>> {
        if self.preset != Preset::Customer {
            return Ok(None);
        }
        if !self.past.customers.contains_key(&record.conversation) {
            let oldest = self.oldest_in(&record.conversation)?;
            self.past.customers.insert(record.conversation.clone(), oldest);
        }
        let Some((_, subjects)) = self.past.customers.get(&record.conversation).cloned().flatten() else {
            return Ok(None);
        };
        if subjects.iter().any(|s| self.view.mask.hides(*s)) {
            return Err(busy());
        }
        Ok(Some(subjects))
    }

    /// Sort key and subjects of the oldest record of a conversation, among the entries and in the store.
    pub(super) fn oldest_in(&self, conversation: &str) -> Result<Option<Oldest>> {
        let mut oldest = self.talks.find(&self.entries, conversation);
        let term = Term::conversation(conversation);
        for part in self.view.parts() {
            let mut docs = part.postings(&term)?;
            if docs.is_empty() {
                continue;
            }
            for kind in [Kind::Join, Kind::Leave] {
                docs -= part.postings(&Term::kind(kind))?;
            }
            if let Some((key, doc)) = part.oldest(&docs, 1, None)?.first().copied()
                && oldest.as_ref().is_none_or(|(k, _)| key < *k)
            {
                oldest = Some((key, part.record(doc)?.subjects));
            }
        }
        Ok(oldest)
    }
}
