//! What is agreed to where two must agree that a part of a record goes, or a name: a plan in one form only, members
//! sorted by name, no blanks. Its SHA-256 is what is approved, and what is done has it too or is refused.
//!
//! The member *seal* is a digest of the salt that the record's leaf has. So the hash, which stays in the register, can't
//! be compared with a guess once that record is gone; and since the record stands elsewhere from then on, an approval
//! serves once. No word that goes stands in a plan, and neither does the old name.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, Seq};
use crate::keyring::pending::{Redacted, Span};
use crate::record::jsonl::put_text;
use crate::view::View;

/// A plan of one action, as it is approved.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// The JSON object.
    pub plan: String,
    /// SHA-256 of it, lower-case hexadecimal.
    pub hash: String,
}

impl Agreed {
    /// Of a part of a record, for the request with this code.
    ///
    /// # Errors
    /// Unreadable files.
    pub(super) fn of_redaction(view: &View, code: &str, of: &Redacted, spans: &[Span]) -> Result<Self> {
        let mut plan = String::from("{\"conversation\":");
        put_text(&mut plan, &of.conversation);
        plan.push_str(",\"does\":\"redact\",\"id\":");
        put_text(&mut plan, &of.id);
        _ = write!(plan, ",\"position\":{},\"request\":", of.seq.0);
        put_text(&mut plan, code);
        put_seal(&mut plan, view, of.seq)?;
        plan.push_str(",\"spans\":[");
        for (nth, (from, to)) in spans.iter().enumerate() {
            let comma = if nth > 0 { "," } else { "" };
            _ = write!(plan, "{comma}[{from},{to}]");
        }
        plan.push_str("],\"version\":1}");
        Ok(Self::new(plan))
    }

    /// Of the name of somebody that stands at `at` among all of hers, and of what comes instead; `seq` is where the record
    /// stands that tells them.
    ///
    /// # Errors
    /// Unreadable files; *refused* if that record is lost: nothing else says once only.
    pub(super) fn of_name(
        view: &View,
        code: &str,
        (person, seq): (PersonNumber, Seq),
        (at, to): (usize, Option<&str>),
    ) -> Result<Self> {
        let does = if to.is_some() { "rename" } else { "remove-identifier" };
        let mut plan = format!("{{\"does\":\"{does}\",\"identifier\":{at}");
        if let Some(to) = to {
            plan.push_str(",\"new\":");
            put_text(&mut plan, to);
        }
        _ = write!(plan, ",\"person\":{},\"position\":{},\"request\":", person.0, seq.0);
        put_text(&mut plan, code);
        put_seal(&mut plan, view, seq)?;
        plan.push_str(",\"version\":1}");
        Ok(Self::new(plan))
    }

    /// A plan in its one form.
    pub(crate) fn new(plan: String) -> Self {
        let hash = hex(&Sha256::digest(plan.as_bytes()));
        Self { plan, hash }
    }
}

fn put_seal(plan: &mut String, view: &View, seq: Seq) -> Result<()> {
    for part in view.parts() {
        if let Some(doc) = part.doc_of(seq)? {
            let opening = part.opening(doc)?;
            let seal =
                Sha256::new().chain_update(b"escrow plan\0").chain_update(&opening.salt[..]).finalize();
            _ = write!(plan, ",\"seal\":\"{}\"", hex(&seal));
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::Refused, "the record is lost that tells it, so nobody can agree to that once"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        _ = write!(hex, "{byte:02x}");
        hex
    })
}
