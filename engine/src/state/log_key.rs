//! Keys of the log: the one that signs today, and those that signed before.

use crate::error::{Error, Result};
use crate::id::Micros;
use crate::keyring::catalog;
use crate::keyring::log_keys::LogKey;
use crate::merkle::note::Note;
use crate::merkle::policy::Policy;
use crate::merkle::signer::{Signer, VerifierKey, is_name};
use crate::state::State;

/// A key that signs the log, or signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogKeyReport {
    /// The key. One of another name is of another history: hashes or records were lost between them.
    pub key: VerifierKey,
    /// Leaves of the log when it began.
    pub from: u64,
    /// When it began; `None` for the one that the store was made with.
    pub since: Option<Micros>,
}

impl State {
    /// Keys that signed the log, oldest first; the last one signs today.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn log_keys(&self) -> Result<Vec<LogKeyReport>> {
        let tree = self.view.read().tree.clone();
        let keys = catalog::log_keys(&tree)?;
        if keys.keys.is_empty() {
            return Ok(vec![LogKeyReport { key: self.verifier_key()?, from: 0, since: None }]);
        }
        let report = |key: &LogKey| {
            let since = (key.since != Micros(0)).then_some(key.since);
            let verifier = VerifierKey::new(&self.log_name(key.generation), &key.public)?;
            Ok(LogKeyReport { key: verifier, from: key.from, since })
        };
        keys.keys.iter().map(report).collect()
    }

    /// Whoever believes a key that the log has, or had.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn log_trust(&self) -> Result<Policy> {
        Ok(Policy::of_keys(self.log_keys()?.into_iter().map(|report| report.key).collect()))
    }

    /// A statement signed by the log's key. It begins with a line that no checkpoint begins with.
    ///
    /// # Errors
    /// *Invalid* if it begins with another, or can't stand in a note; an unreadable key tree.
    pub fn sign_statement(&self, text: &str) -> Result<Note> {
        // The second line of a checkpoint is a number, whatever its origin.
        let second = text.split('\n').nth(1).unwrap_or_default();
        if !text.starts_with("escrowdb/")
            || second.is_empty()
            || second.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(Error::invalid("that is no statement of a store"));
        }
        self.log_signer()?.sign(text)
    }

    /// What checks signatures of the log.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn verifier_key(&self) -> Result<VerifierKey> {
        Ok(self.log_signer()?.verifier_key())
    }

    fn log_signer(&self) -> Result<Signer> {
        let tree = self.view.read().tree.clone();
        let name = self.log_name(catalog::log_keys(&tree)?.generation);
        Signer::new(&name, &*catalog::signing_key(&tree)?)
    }

    /// Name of the log and of its key. A store may have been made with an origin that can't be one. Every
    /// history but the first has its number in it.
    pub fn log_name(&self, generation: u64) -> String {
        let name = match &*self.settings.origin {
            origin if is_name(origin) => origin.to_owned(),
            _ => format!("escrowdb.local/{}", self.env.store),
        };
        if generation == 0 { name } else { format!("{name}/{}", generation + 1) }
    }
}
