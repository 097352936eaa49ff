//! What a store shows to others of its log: keys, heads, certificates, tiles.

use crate::erase::certificate;
use crate::error::Result;
use crate::id::RequestId;
use crate::log::cosigned;
use crate::merkle::tile::Tile;
use crate::store::{Advance, Against, Certificate, LogKeyReport, SignedCheckpoint, SignedRotation, Store};
use crate::verify;
use crate::verify::residency::SignedResidency;

impl Store {
    /// The erasure of a request, if it is done: as the log tells it, neither proved nor signed.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn erasure(&self, request: RequestId) -> Result<Option<Certificate>> {
        certificate::find(&self.state.view.read(), request)
    }

    /// The certificate of an erasure that is done, without its reason. `at` may name a checkpoint of the
    /// log that was signed since, to prove it in: one that witnesses signed too, say.
    ///
    /// # Errors
    /// *Not found* if no such request is done; *corrupt* if hashes of the log are lost, or `at` is of
    /// another history; *invalid* if `at` was signed before the erasure.
    pub fn certificate(&self, request: RequestId, at: Option<&SignedCheckpoint>) -> Result<Certificate> {
        crate::erase::certificate_of(&self.state, request, at)
    }

    /// The log's public key in C2SP form.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn verifier_key(&self) -> Result<String> {
        Ok(self.state.verifier_key()?.to_string())
    }

    /// What the store says of the place where it lives, and of what happened elsewhere, signed by the log's
    /// key. It attests; it proves no place.
    ///
    /// # Errors
    /// As of [`Store::checkpoint`].
    pub fn residency(&self) -> Result<SignedResidency> {
        verify::residency::report(&self.state)
    }

    /// The region that the store was made with; empty if none was named.
    pub fn region(&self) -> &str {
        &self.state.settings.region
    }

    /// Changes the key that signs the log: the old one signs that the new one follows, and dies as the key of
    /// an erased person does. Answers with what both signed: whoever believes the old key learns the new one
    /// from it. It stands in the log too, as `log-key/…`.
    ///
    /// If the log doesn't continue what its key signed, because hashes or records of it are lost and given
    /// up, the new key has a new name and begins a new history.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, store::*, vfs::MemoryVfs};
    /// use escrowdb::merkle::signer::VerifierKey;
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// let (old, kept): (VerifierKey, _) = (store.verifier_key()?.parse()?, store.checkpoint()?);
    /// let change = store.rotate_log_key()?;
    /// assert_eq!(change.verify(&old)?.key.to_string(), store.verifier_key()?);
    /// // What the old key signed is continued.
    /// assert!(store.verify_against(&kept)?.holds());
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Unsupported* in a store of an older format; as of an erasure.
    pub fn rotate_log_key(&self) -> Result<SignedRotation> {
        crate::erase::log_key::rotate(&self.state, &self.queue)
    }

    /// Keys that signed the log, oldest first, with what they are good for; the last one signs today.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn log_keys(&self) -> Result<Vec<LogKeyReport>> {
        self.state.log_keys()
    }

    /// The head of the log over everything acknowledged, signed. Who keeps it outside of the store
    /// sees later whether anything before it was taken away, changed or put back.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
    /// let kept = store.checkpoint()?.to_string();
    /// store.append(&[Record::new("c1", "ben@example.org", Micros(1), "Hi")])?;
    /// let kept = SignedCheckpoint::parse(kept.as_bytes())?;
    /// assert_eq!(store.verify_against(&kept)?, Against::Continues { from: 2, to: 4 });
    /// // A second party, with the key only, sees the same from a proof.
    /// let later = store.checkpoint_since(&kept)?.to_string();
    /// let key: escrowdb::merkle::signer::VerifierKey = store.verifier_key()?.parse()?;
    /// Advance::parse(later.as_bytes())?.verify(&kept, &key)?;
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// Trouble with the store; *corrupt* if hashes of the log are lost.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint> {
        self.state.tree_to_sign()?.sign()
    }

    /// The same, with the proof that it continues an earlier one: what a C2SP witness is sent.
    ///
    /// # Errors
    /// The same; *corrupt* if `earlier` is none of this log, or if the log does not continue it.
    pub fn checkpoint_since(&self, earlier: &SignedCheckpoint) -> Result<Advance> {
        verify::against::advance(&self.state, earlier)
    }

    /// The proof that a checkpoint of the log continues its first `from` positions, for a witness that
    /// says it is there.
    ///
    /// # Errors
    /// The same; *invalid* if `from` is more than the checkpoint counts.
    pub fn advance(&self, from: u64, to: &SignedCheckpoint) -> Result<Advance> {
        verify::against::advance_from(&self.state, from, to)
    }

    /// Hands out the C2SP tiles of a checkpoint of the log that one of `from` positions did not have
    /// yet, full or not, by level and position. They hold public hashes.
    ///
    /// # Errors
    /// The same; what `put` answers.
    pub fn tiles(
        &self,
        from: u64,
        to: &SignedCheckpoint,
        put: &mut dyn FnMut(Tile, &[u8]) -> Result<()>,
    ) -> Result<()> {
        verify::published::tiles(&self.state, from, to, put)
    }

    /// Keeps a checkpoint with what others signed of it, so that [`Self::cosigned`] finds it. Of the
    /// last eight only; it is a convenience, and no evidence against who writes to the folder.
    ///
    /// # Errors
    /// *Corrupt* if it is none of this log; the folder can't be written.
    pub fn keep_cosigned(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        checkpoint.verify(&self.state.log_trust()?)?;
        let _one_at_a_time = self.state.log.lock();
        cosigned::keep(&*self.state.env.vfs, &self.state.env.dir, checkpoint)
    }

    /// Cosigned checkpoints that were kept, the longest first. Only the log's own signature was
    /// verified, by a key that it has or had: whose cosignatures count says a policy.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn cosigned(&self) -> Result<Vec<SignedCheckpoint>> {
        let mut kept = cosigned::kept(&*self.state.env.vfs, &self.state.env.dir)?;
        let keys = self.state.log_trust()?;
        kept.retain(|checkpoint| checkpoint.verify(&keys).is_ok());
        Ok(kept)
    }

    /// Whether the log continues a checkpoint that was kept outside of the store.
    ///
    /// # Errors
    /// *Corrupt* if it is none of this log; trouble that keeps it from looking.
    pub fn verify_against(&self, earlier: &SignedCheckpoint) -> Result<Against> {
        verify::against::against(&self.state, earlier)
    }
}
