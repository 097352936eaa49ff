//! What a certificate says of a record that stays without a part of it.

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};
use crate::keyring::pending::Redacted;

/// A record of which a part was overwritten: a bare leaf where it stood, and a leaf of its own now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redaction {
    /// Number of who did it, the author of the act; 0 if nobody is named.
    pub by: PersonNumber,
    /// Where it stood in the log.
    pub before: Seq,
    /// Where it stands; `None` if it was erased with that, or was lost.
    pub after: Option<Seq>,
    /// How many spans of it went.
    pub spans: u32,
}

impl Redaction {
    /// What became of it.
    pub const fn of(redacted: &Redacted, after: Option<Seq>) -> Self {
        let Redacted { by, seq, spans, .. } = redacted;
        Self { by: *by, before: *seq, after, spans: *spans }
    }

    pub(super) fn put(&self, body: &mut Vec<u8>) {
        body.put_varint(self.before.0);
        body.put_u8(u8::from(self.after.is_some()));
        if let Some(after) = self.after {
            body.put_varint(after.0);
        }
        body.put_varint(u64::from(self.spans));
    }

    pub(super) fn get(r: &mut Reader<'_>, by: PersonNumber) -> Result<Self> {
        let bad = || Error::corrupt("an `erased` record says in no known form where its record stands");
        let before = Seq(r.varint()?);
        let after = match r.u8()? {
            0 => None,
            1 => Some(Seq(r.varint()?)),
            _ => return Err(bad()),
        };
        let spans = u32::try_from(r.varint()?).map_err(|_| bad())?;
        Ok(Self { by, before, after, spans })
    }
}
