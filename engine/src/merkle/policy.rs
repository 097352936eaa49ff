//! Whose signatures a checkpoint needs (C2SP tlog-policy): some logs, witnesses, and how many of them.
//!
//! ```text
//! log <key of a log> [<url>]
//! witness <name> <key of a witness> [<url>]
//! group <name> all|any|<k> <name>...           at least k of these have cosigned
//! quorum <name>|none                           exactly once; a name stands in a line before
//! # lines like this one and empty ones say nothing
//! ```
//!
//! Names mean something in the file only. A checkpoint counts if one of the logs, by its name, signed
//! it, the quorum has cosigned it, and no signature of a known key is false.

mod lines;

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::merkle::checkpoint::{Checkpoint, SignedCheckpoint, Trust};
use crate::merkle::cosign;
use crate::merkle::signer::VerifierKey;

/// Whose signatures a checkpoint needs.
///
/// ```
/// use escrowdb::merkle::{cosign::Cosigner, policy::Policy, signer::Signer};
/// let log = Signer::new("log.example", &[7; 32])?.verifier_key();
/// let witness = |n| Cosigner::new("w.example", &[n; 32]).map(|w| w.verifier_key());
/// let text = format!(
///     "log {log}\nwitness ann {}\nwitness ben {}\ngroup both all ann ben\nquorum both\n",
///     witness(1)?,
///     witness(2)?,
/// );
/// let policy = Policy::parse(text.as_bytes())?;
/// assert_eq!((policy.logs().len(), policy.witnesses().count()), (1, 2));
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    /// Witnesses and groups, each behind those that it is made of.
    named: Vec<Named>,
    /// Which of `named`; none if no cosignature is needed.
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    /// As the file has it. Not always text.
    name: Vec<u8>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Witness(VerifierKey),
    Group { needed: usize, members: Vec<usize> },
}

impl Policy {
    /// This log, and no witness.
    pub fn of_key(log: VerifierKey) -> Self {
        Self { logs: vec![log], named: Vec::new(), quorum: None }
    }

    /// Any of these logs, and no witness.
    pub fn of_keys(logs: Vec<VerifierKey>) -> Self {
        Self { logs, named: Vec::new(), quorum: None }
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// *Invalid* with the number of the line.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        lines::parse(bytes)
    }

    /// The same logs without a look at witnesses.
    pub fn without_witnesses(&self) -> Self {
        Self { logs: self.logs.clone(), named: Vec::new(), quorum: None }
    }

    /// Keys of logs, as they stand.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Keys of witnesses, as they stand.
    pub fn witnesses(&self) -> impl Iterator<Item = &VerifierKey> {
        self.named.iter().filter_map(|named| match &named.what {
            What::Witness(key) => Some(key),
            What::Group { .. } => None,
        })
    }

    /// What a checkpoint says, if it is signed and cosigned as wanted.
    ///
    /// # Errors
    /// *Corrupt* if not; it says whose cosignatures are missing.
    pub fn verify<'c>(&self, head: &'c SignedCheckpoint) -> Result<&'c Checkpoint> {
        head.verify(self)
    }

    /// The witnesses of the policy that cosigned a checkpoint, and when they say they did, in seconds
    /// since 1970.
    ///
    /// # Errors
    /// *Corrupt* if a signature that names one of them is not of it.
    pub fn cosigned<'p>(&'p self, head: &SignedCheckpoint) -> Result<Vec<(&'p VerifierKey, u64)>> {
        let keys: Vec<_> = self.witnesses().collect();
        let signed = head.note().signed_by(&keys)?;
        Ok(signed.into_iter().map(|key| (key, cosign::latest(head, key).unwrap_or_default())).collect())
    }

    /// Whether the witnesses that cosigned are enough.
    fn quorum_of(&self, signed: &[(&VerifierKey, u64)]) -> Result<()> {
        let Some(quorum) = self.quorum else { return Ok(()) };
        let mut met: Vec<bool> = Vec::with_capacity(self.named.len());
        for named in &self.named {
            met.push(match &named.what {
                What::Witness(key) => signed.iter().any(|(by, _)| *by == key),
                // Members stand in lines before.
                What::Group { needed, members } => members.iter().filter(|m| met[**m]).count() >= *needed,
            });
        }
        if met[quorum] {
            return Ok(());
        }
        Err(Error::corrupt(format!("the checkpoint has too few witnesses: {}", self.missing(quorum, &met)))
            .hint("`escrow checkpoint --cosign-from` asks witnesses; the policy says which"))
    }

    /// What is missing of a name, in words.
    fn missing(&self, at: usize, met: &[bool]) -> String {
        let name = |at: &usize| printable(&self.named[*at].name);
        let What::Group { needed, members } = &self.named[at].what else {
            return format!("{} has not cosigned it", name(&at));
        };
        let absent: Vec<_> = members.iter().filter(|m| !met[**m]).collect();
        let (have, all) = (members.len() - absent.len(), members.len());
        let mut text = format!("{have} of {needed} that {} wants of {all}; missing", name(&at));
        for (i, absent) in absent.iter().enumerate() {
            let _ = write!(text, "{} {}", if i == 0 { "" } else { "," }, name(absent));
        }
        // Only groups of groups: which of the witnesses it is.
        let groups = absent.iter().filter(|m| matches!(self.named[***m].what, What::Group { .. }));
        groups.fold(text, |text, group| format!("{text}; {}", self.missing(**group, met)))
    }
}

/// By one of the logs, and by the quorum.
impl Trust for Policy {
    fn check(&self, head: &SignedCheckpoint) -> Result<()> {
        let origin = &head.unverified().origin;
        let logs = self.keys_of(origin);
        if logs.is_empty() {
            return Err(Error::corrupt("it is the checkpoint of another log").hint(
                "its first line names the log; check with the key of that one, or a policy that has it",
            ));
        }
        // A false signature of another log of the policy is false too.
        head.note().signed_by(&self.logs.iter().collect::<Vec<_>>())?;
        head.note().verify(&logs)?;
        self.quorum_of(&self.cosigned(head)?)
    }

    fn keys_of(&self, origin: &str) -> Vec<&VerifierKey> {
        self.logs.iter().filter(|key| key.name() == origin).collect()
    }
}

/// A name for people: what is no text, or would move the cursor, is left out.
fn printable(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests;
