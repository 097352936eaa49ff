//! Equal records without ids: which of them one is.
//!
//! An import that is repeated must find its records again, also those that bring no id. So the id
//! of such a record is derived from what it says and from how many equal ones came before it in
//! the input; the input gives the same numbers again.

use std::collections::HashMap;

use escrowdb::record::Record;
use sha2::{Digest as _, Sha256};

use crate::out::note;

/// Counts equal records without ids.
pub(crate) struct Twins {
    /// Digest of a record, and how many were like it.
    seen: HashMap<u64, u32>,
    distinct_max: usize,
    told: bool,
}

impl Twins {
    pub(crate) fn new() -> Self {
        Self { seen: HashMap::new(), distinct_max: DISTINCT_MAX, told: false }
    }

    /// Makes a record without id one that a repeated import finds again. Behind [`DISTINCT_MAX`]
    /// different ones, which bounds the memory, new ones are left with ids that are drawn.
    pub(crate) fn number(&mut self, record: Record) -> Record {
        if record.id.is_some() {
            return record;
        }
        let digest = digest(&record);
        if self.seen.len() >= self.distinct_max && !self.seen.contains_key(&digest) {
            if !self.told {
                note("many records without ids: a repeated import would take in the rest of them again");
            }
            self.told = true;
            return record;
        }
        let before = self.seen.entry(digest).or_insert(0);
        let n = *before;
        *before = before.saturating_add(1);
        record.repeatable(n)
    }
}

/// A digest of all fields. If those of two records meet, the later one has another number than it
/// would have, and has it again in a repeated import.
fn digest(record: &Record) -> u64 {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let mut tags: Vec<&str> = record.tags.iter().map(String::as_str).collect();
    tags.sort_unstable();
    for text in [&record.conversation, &record.author, &record.channel, &record.body] {
        put(text);
    }
    put(record.kind.name());
    put(&record.time.0.to_string());
    put(if record.reply_to.is_some() { "1" } else { "0" });
    put(record.reply_to.as_deref().unwrap_or_default());
    if let Some(target) = &record.target {
        put(target);
    }
    for list in [
        tags,
        record.subjects.iter().map(String::as_str).collect(),
        record.participants.iter().map(String::as_str).collect(),
    ] {
        put(&list.len().to_string());
        list.into_iter().for_each(&mut put);
    }
    for (name, json) in &record.extra {
        put(name);
        put(json);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

/// Different records without ids that are counted: about 70 MB.
const DISTINCT_MAX: usize = 3_500_000;

#[cfg(test)]
mod tests {
    use super::*;
    use escrowdb::id::Micros;

    fn record(body: &str) -> Record {
        Record::new("c", "anna", Micros(1), body)
    }

    #[test]
    fn equal_records_are_numbered() {
        let mut twins = Twins::new();
        let mut number = |record: Record| twins.number(record).repeatable;
        assert_eq!(number(record("a")), Some(0));
        assert_eq!(number(record("b")), Some(0));
        assert_eq!(number(record("a")), Some(1));
        assert_eq!(number(record("a").tag("x").tag("y")), Some(0));
        assert_eq!(number(record("a").tag("y").tag("x")), Some(1));
        assert_eq!(number(record("a").subject("x")), Some(0));
        assert_eq!(number(record("a").reply_to("")), Some(0));
        assert_eq!(number(record("a").id("m1")), None);
        assert_eq!(number(record("a")), Some(2));
    }

    #[test]
    fn memory_is_bounded() {
        let mut twins = Twins::new();
        twins.distinct_max = 2;
        let found: Vec<_> =
            ["a", "b", "c", "a", "c"].map(|body| twins.number(record(body)).repeatable).into();
        assert_eq!(found, [Some(0), Some(0), None, Some(1), None]);
    }
}
