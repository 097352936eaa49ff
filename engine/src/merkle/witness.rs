//! What a witness answers (C2SP tlog-witness, add-checkpoint): pure, without network and files.
//!
//! A witness keeps the last head it cosigned of each log that it knows, and cosigns a head only if
//! that is proved to continue the one it keeps. So no two heads that it cosigned of one log
//! contradict each other, whatever it is sent and in whatever order. That holds only if asking
//! [`Request::decide`] and keeping what it accepts are one step, and if what is kept is durable
//! before it answers.
//!
//! ```text
//! body     old 1000\n  base64(hash)\n...  \n  checkpoint                 (text form "advance")
//! answers  200 lines of cosignatures     400 no such body, or old > size
//!          403 no key of the log signed it     404 unknown log
//!          409 old is not the size that is kept, which is said; or another root at that size
//!          422 the proof proves nothing
//! ```

use crate::error::Result;
use crate::merkle::checkpoint::{SignedCheckpoint, Trust as _};
use crate::merkle::note::Note;
use crate::merkle::signer::VerifierKey;
use crate::merkle::text::Advance;

/// Bytes of a body at most.
pub const BODY_MAX: usize = 64 * 1024;
/// Hashes of a proof at most.
const PATH_MAX: usize = 63;

/// What somebody asks a witness to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request(Advance);

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: to be kept, then cosigned. It has signatures of the log's keys only.
    Accepted(SignedCheckpoint),
    /// 403: no known key of the log signed it, or a signature is false.
    Unsigned,
    /// 404: the witness does not know the log.
    Unknown,
    /// 409: the proof does not begin at the head that is kept, of this size.
    Conflict(u64),
    /// 409: the log signed another head of the size that is kept. Both together prove it to
    /// everybody who has the log's key.
    Fork {
        /// What is kept.
        kept: SignedCheckpoint,
        /// What was sent, with signatures of the log's keys only.
        sent: SignedCheckpoint,
    },
    /// 422: it is not proved that it continues the head that is kept.
    Unproved,
}

impl Answer {
    /// Status of HTTP.
    pub fn status(&self) -> u16 {
        match self {
            Self::Accepted(_) => 200,
            Self::Unsigned => 403,
            Self::Unknown => 404,
            Self::Conflict(_) | Self::Fork { .. } => 409,
            Self::Unproved => 422,
        }
    }
}

impl Request {
    /// Reads a body; `None` is answered with 400.
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > BODY_MAX {
            return None;
        }
        let advance = Advance::parse(body).ok()?;
        let fits = advance.path.len() <= PATH_MAX && advance.from <= advance.checkpoint.unverified().size;
        fits.then_some(Self(advance))
    }

    /// Which log it is of, if it is true. Nothing is verified.
    pub fn origin(&self) -> &str {
        &self.0.checkpoint.unverified().origin
    }

    /// What a witness answers that believes `keys` and keeps `last` of this log.
    ///
    /// ```
    /// use escrowdb::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
    /// use escrowdb::merkle::witness::{Answer, Request};
    /// use escrowdb::merkle::{hash::Hash, signer::Signer, text::Advance};
    /// let log = Signer::new("log.example", &[7; 32])?;
    /// let head = Checkpoint { origin: "log.example".into(), size: 3, root: Hash([1; 32]) };
    /// let first = Advance { from: 0, path: vec![], checkpoint: SignedCheckpoint::sign(head, &log)? };
    /// let request = Request::parse(first.to_string().as_bytes()).unwrap();
    /// let keys = [log.verifier_key()];
    /// let Answer::Accepted(kept) = request.decide(&keys, None) else { panic!() };
    /// // Sent again, it begins at a head that is not the last any more.
    /// assert_eq!(request.decide(&keys, Some(&kept)), Answer::Conflict(3));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    pub fn decide(&self, keys: &[VerifierKey], last: Option<&SignedCheckpoint>) -> Answer {
        let keys: Vec<_> = keys.iter().filter(|key| key.name() == self.origin()).collect();
        if keys.is_empty() {
            return Answer::Unknown;
        }
        let Ok(sent) = signed_by(&self.0.checkpoint, &keys) else { return Answer::Unsigned };
        let head = sent.unverified();
        let kept = last.map(SignedCheckpoint::unverified);
        if let (Some(last), Some(kept)) = (last, kept)
            && kept.size == head.size
            && kept.root != head.root
        {
            return Answer::Fork { kept: last.clone(), sent };
        }
        let size = kept.map_or(0, |kept| kept.size);
        if self.0.from != size {
            return Answer::Conflict(size);
        }
        let proved = match kept {
            Some(kept) => self.0.continues(kept).is_ok(),
            None => self.0.path.is_empty(),
        };
        if proved { Answer::Accepted(sent) } else { Answer::Unproved }
    }
}

/// The checkpoint with the signatures of these keys of its log, if they are true, and no others.
fn signed_by(checkpoint: &SignedCheckpoint, keys: &[&VerifierKey]) -> Result<SignedCheckpoint> {
    let note = checkpoint.note();
    let keys: Vec<_> = keys.iter().flat_map(|key| key.keys_of(&checkpoint.unverified().origin)).collect();
    let signed = note.verify(&keys)?;
    let ours = |name: &str, id| signed.iter().any(|key| key.name() == name && key.id() == id);
    let lines = note.signatures().iter().filter(|s| ours(&s.name, s.id)).cloned().collect();
    SignedCheckpoint::parse(Note::new(note.text().to_owned(), lines)?.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
