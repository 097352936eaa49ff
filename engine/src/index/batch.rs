//! The records of a frame on their way from the caller to the live index: their bytes once, behind
//! one another, and the rest where the caller has it.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::id::{PersonNumber, Seq};
use crate::index::filter::IdHash;
use crate::index::live::Held;
use crate::record::{Record, Stored, StoredRef, Subjects};

/// Records of one frame.
pub struct Batch<'r> {
    /// The frame's payload.
    pub payload: Zeroizing<Vec<u8>>,
    /// Its records, in order of position.
    pub entries: Vec<BatchEntry<'r>>,
}

/// One record of a [`Batch`].
pub struct BatchEntry<'r> {
    /// Log position.
    pub seq: Seq,
    /// Where salt and canonical bytes lie in the payload.
    pub held: Held,
    /// Its identity, hashed.
    pub identity: IdHash,
    /// Where the rest lies.
    pub source: Source<'r>,
}

/// Where a record's parts lie.
pub enum Source<'r> {
    /// In the caller's record, with people by number.
    Caller(Numbered<'r>),
    /// The store made it.
    Own(Box<Zeroizing<Stored>>),
}

/// A caller's record with people by number.
pub struct Numbered<'r> {
    /// The record.
    pub record: &'r Record,
    /// Its id, or the one that was made for it.
    pub id: Cow<'r, str>,
    /// Number of the author.
    pub author: PersonNumber,
    /// Numbers of the subjects, ascending.
    pub subjects: Subjects,
    /// Number of its retention class; 0 for none.
    pub class: u32,
}

impl BatchEntry<'_> {
    /// The record as it is sealed.
    pub fn record(&self) -> StoredRef<'_> {
        self.source.record()
    }
}

impl Source<'_> {
    /// The record as it is sealed.
    pub fn record(&self) -> StoredRef<'_> {
        match self {
            Self::Caller(numbered) => numbered.record(),
            Self::Own(stored) => stored.borrowed(),
        }
    }
}

impl Numbered<'_> {
    /// The record as it is sealed.
    pub fn record(&self) -> StoredRef<'_> {
        let record = self.record;
        StoredRef {
            id: &self.id,
            conversation: &record.conversation,
            author: self.author,
            subjects: &self.subjects,
            time: record.time,
            channel: &record.channel,
            kind: record.kind,
            tags: &record.tags,
            body: &record.body,
            reply_to: record.reply_to.as_deref(),
            target: record.target.as_deref(),
            class: self.class,
            policy: 0,
            person: None,
            extra: &record.extra,
            unknown: &[],
        }
    }
}
