//! What an erasure answers with: what died, signed by the log's key, with the proof that the log says the
//! same.
//!
//! All of it but the reason stands in the record `erased` of the request (`act`), and is printed from
//! there as JSON (`print`). `signed` adds proof and signature, and checks a certificate without a store.

use crate::error::{Error, Result};
use crate::id::{Epoch, Handle, Micros, PersonNumber, RequestId, Seq};
use crate::keyring::pending::{Done, Kept};
use crate::merkle::text::RecordProof;
use crate::policy::Basis;

mod act;
mod print;
mod redaction;
mod signed;

pub use act::{IDENTIFIER, find, record_id};
pub use redaction::Redaction;
pub use signed::{Evidence, sign, verify};

/// Certificate of an erasure.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// use escrowdb::erase::certificate;
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
/// let anna = Selector::Person("anna@example.org".into());
/// let certificate = store.erase(&anna, &EraseOptions::default())?;
/// // Her message, and the record that said who she is.
/// assert_eq!((certificate.what, certificate.records_removed), ("person", 2));
/// assert!(certificate.epoch_after > certificate.epoch_before);
/// // It names nobody: a random handle stands for her.
/// let file = certificate.to_json() + "\n";
/// assert!(!file.contains("anna"));
/// // Whoever has the public key of the log can check it.
/// let key: escrowdb::merkle::signer::VerifierKey = store.verifier_key()?.parse()?;
/// assert_eq!(certificate::verify(file.as_bytes(), &key)?, certificate);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Name of the request.
    pub request: RequestId,
    /// `person`, `conversation`, `record`, `redaction`, `identifier`, or what went on its date: `acts`, `details`, `evidence`,
    /// `class`.
    pub what: &'static str,
    /// Random handles of the people erased; empty for conversations and records.
    pub handles: Vec<Handle>,
    /// Positions of the log that are bare now.
    pub records_removed: u64,
    /// Records that were found lost on the way and left the store with it: of somebody else, or of
    /// the erased where nothing tells any more. Their places stand in the store's list of losses.
    pub records_lost: u64,
    /// Content keys destroyed.
    pub content_keys_destroyed: u64,
    /// People who were not asked for, and are forgotten because nothing but what went told of them.
    pub people_forgotten: u64,
    /// Index keys destroyed: as many segments were re-keyed.
    pub segments_rekeyed: u64,
    /// Journal keys destroyed.
    pub journal_keys_destroyed: u64,
    /// Epoch of the root that was destroyed.
    pub epoch_before: Epoch,
    /// Epoch of the root that replaced it.
    pub epoch_after: Epoch,
    /// When the new tree was committed.
    pub committed: Micros,
    /// When the old root was destroyed; after a crash, not later than this.
    pub destroyed: Micros,
    /// Whether `destroyed` is only an upper limit.
    pub destroyed_not_later_than: bool,
    /// Grade of the slot: `A`, `B` or `C`.
    pub slot_grade: &'static str,
    /// File system of the slot, if it has one and it is known: some keep what was overwritten.
    pub slot_file_system: Option<String>,
    /// Name of the log.
    pub origin: String,
    /// On what law it rests, if the caller said.
    pub basis: Option<Basis>,
    /// Number of who asked for it, the author of the act; 0 if nobody is named.
    pub by: PersonNumber,
    /// Numbers of those who approved it.
    pub approvers: Vec<PersonNumber>,
    /// Evidence that outlives the person: handle, and when its key dies.
    pub retained: Vec<(Handle, Micros)>,
    /// What rules keep of what was asked for; then this is a part of it only.
    pub kept: Option<Kept>,
    /// The record that stays, if only a part of it went.
    pub redaction: Option<Redaction>,
    /// Backups that can still read it: epoch of their key, and when that dies.
    pub backups: Vec<(Epoch, Micros)>,
    /// Reason as the caller gave it in this call; the store does not keep it.
    pub reason: Option<String>,
    /// Proof and signature. None if the log could not be signed.
    pub evidence: Option<Evidence>,
}

/// Where and when a root was destroyed.
pub struct Destruction<'a> {
    /// When; after a crash, not later than this.
    pub at: Micros,
    /// Whether that is only an upper limit.
    pub not_later_than: bool,
    /// Grade of the slot.
    pub slot_grade: &'static str,
    /// Its file system, if it has one and it is known.
    pub slot_file_system: Option<String>,
    /// Name of the log.
    pub origin: &'a str,
    /// Where the record stands now of which a part went.
    pub after: Option<Seq>,
}

impl Certificate {
    /// The certificate that `pending` tells of. `lost` records were found lost on the way.
    pub fn from_done(request: RequestId, done: &Done, lost: u64, destruction: Destruction<'_>) -> Self {
        Self {
            request,
            what: act::WHAT.iter().find(|(code, _)| *code == done.what).map_or("record", |(_, what)| what),
            handles: done.handles.clone(),
            records_removed: done.removed,
            records_lost: lost,
            content_keys_destroyed: done.content_keys,
            people_forgotten: done.forgotten,
            segments_rekeyed: done.segments,
            journal_keys_destroyed: done.journals,
            epoch_before: done.epoch_before,
            epoch_after: done.epoch_after,
            committed: done.committed,
            destroyed: destruction.at,
            destroyed_not_later_than: destruction.not_later_than,
            slot_grade: destruction.slot_grade,
            slot_file_system: destruction.slot_file_system,
            origin: destruction.origin.to_owned(),
            basis: Basis::from_code(done.basis),
            by: done.redacted.as_ref().map_or(done.by, |redacted| redacted.by),
            approvers: done.approvers.clone(),
            retained: done.retained.clone(),
            kept: done.kept,
            redaction: done.redacted.as_ref().map(|redacted| Redaction::of(redacted, destruction.after)),
            backups: Vec::new(),
            reason: None,
            evidence: None,
        }
    }

    /// What proves that the log says so.
    ///
    /// # Errors
    /// *Corrupt* if it has no proof.
    pub fn proof(&self) -> Result<RecordProof> {
        let evidence =
            self.evidence.as_ref().ok_or_else(|| Error::corrupt("the certificate is not signed"))?;
        RecordProof::parse(evidence.proof.as_bytes())
    }

    /// When nothing anywhere reads it any more, if something still does.
    pub fn residual_until(&self) -> Option<Micros> {
        self.backups.iter().map(|(_, until)| *until).max()
    }
}
