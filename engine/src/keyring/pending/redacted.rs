//! A record of which a part is overwritten for ever.
//!
//! ```text
//! redacted = varint number of who did it ‖ conversation ‖ id ‖ varint position ‖ varint spans
//! spans    = varint count ‖ { varint characters before it, from the end of the one before ‖ varint length }
//! ```

use std::fmt;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};

/// Characters of a body that go: the first, and the first that doesn't.
pub type Span = (u32, u32);

/// Spans of one request at most, so that an entry holds them.
pub const SPANS_MAX: usize = 64;

/// Which record it is, and who did it. The record stays, so its names may be kept here until the answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Who did it; 0 if nobody is named.
    pub by: PersonNumber,
    /// Conversation of the record.
    pub conversation: String,
    /// Its id.
    pub id: String,
    /// Where it stood in the log.
    pub seq: Seq,
    /// How many spans of it went.
    pub spans: u32,
}

/// Says what it is, never what it holds.
impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redacted").field("spans", &self.spans).finish_non_exhaustive()
    }
}

impl Redacted {
    /// Where a record stands that was lost.
    pub const LOST: Seq = Seq(u64::MAX);

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_varint(self.by.0);
        out.put_slice(self.conversation.as_bytes());
        out.put_slice(self.id.as_bytes());
        out.put_varint(self.seq.0);
        out.put_varint(u64::from(self.spans));
    }

    pub(super) fn get(r: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            by: PersonNumber(r.varint()?),
            conversation: super::text(r)?,
            id: super::text(r)?,
            seq: Seq(r.varint()?),
            spans: number(r)?,
        })
    }
}

pub(super) fn put_spans(out: &mut Vec<u8>, spans: &[Span]) {
    out.put_varint(spans.len() as u64);
    let mut before = 0;
    for (from, to) in spans {
        out.put_varint(u64::from(from.saturating_sub(before)));
        out.put_varint(u64::from(to.saturating_sub(*from)));
        before = *to;
    }
}

pub(super) fn spans(r: &mut Reader<'_>) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    let mut before = 0u32;
    for _ in 0..r.count(SPANS_MAX)? {
        let (gap, length) = (number(r)?, number(r)?);
        let from = before.checked_add(gap).ok_or_else(outside)?;
        before = from.checked_add(length).ok_or_else(outside)?;
        spans.push((from, before));
    }
    Ok(spans)
}

fn number(r: &mut Reader<'_>) -> Result<u32> {
    u32::try_from(r.varint()?).map_err(|_| outside())
}

fn outside() -> Error {
    Error::corrupt("a part of a record lies outside of every record")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::keyring::pending) fn sample() -> Redacted {
        Redacted { by: PersonNumber(9), conversation: "c".into(), id: "i".into(), seq: Seq(5), spans: 2 }
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", sample()), "Redacted { spans: 2, .. }");
    }

    #[test]
    fn spans_outside_of_every_body_are_refused() {
        let mut bytes = Vec::new();
        for n in [1, u64::from(u32::MAX), 1] {
            bytes.put_varint(n);
        }
        assert!(spans(&mut Reader::new(&bytes)).is_err());
    }
}
