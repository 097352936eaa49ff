//! Whose conversation it is: of a store whose customers are the subjects of every message.

use crate::error::Result;
use crate::id::PersonNumber;
use crate::index::{BatchEntry, SortKey, Term};
use crate::ingest::assemble::{Draft, busy};
use crate::ingest::past::Oldest;
use crate::record::{Kind, Record};
use crate::state::Preset;

impl Draft<'_, '_> {
    /// Subjects that the preset gives a record that names none: those of the conversation's oldest
    /// record, wherever it stands, so that the borders of batches don't matter. `None`: its author.
    pub(super) fn implied_subjects(&mut self, record: &Record) -> Result<Option<Vec<PersonNumber>>> {
        if self.preset != Preset::Customer {
            return Ok(None);
        }
        if !self.past.customers.contains_key(&record.conversation) {
            let oldest = self.oldest_in(&self.entries, &record.conversation)?;
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

    /// Sort key and subjects of the oldest record of a conversation, among these entries and in the store.
    pub(super) fn oldest_in(&self, entries: &[BatchEntry<'_>], conversation: &str) -> Result<Option<Oldest>> {
        let own = entries.iter().map(|e| (e.seq, e.record())).filter(|(_, record)| {
            record.conversation == conversation && !matches!(record.kind, Kind::Join | Kind::Leave)
        });
        let mut oldest = own
            .map(|(seq, record)| (SortKey { time: record.time, seq }, record.subjects))
            .min_by_key(|(key, _)| *key)
            .map(|(key, subjects)| (key, subjects.to_vec()));
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
