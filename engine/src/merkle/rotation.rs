//! Change of a log's key, as a note that both keys signed: who believes the old key learns the new one.
//!
//! ```text
//! escrowdb/log-key/v1
//! origin under the old key
//! new key, as C2SP verifier key
//! number of leaves when it changed
//! base64(root over them)
//!
//! — signature of the old key
//! — signature of the new key
//! ```
//!
//! Under the same name the new key goes on with that tree. A new name says that hashes of the log were
//! lost: what it signs doesn't continue what the old one did, and nobody shall take it for that.

use std::fmt;

use crate::error::{Error, Result};
use crate::merkle::checkpoint::{Checkpoint, number};
use crate::merkle::checkpoint::{decode_hash, encode_hash};
use crate::merkle::hash::Hash;
use crate::merkle::note::{Note, NoteSignature};
use crate::merkle::signer::{KeyKind, Signer, VerifierKey};

/// First line. It can't be the origin of a log.
const TYPE: &str = "escrowdb/log-key/v1";

/// What a change of key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Origin under the old key.
    pub origin: String,
    /// The new key.
    pub key: VerifierKey,
    /// Leaves of the log when it changed.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Rotation {
    /// Whether the new key goes on with the tree of the old one.
    pub fn continues(&self) -> bool {
        self.key.name() == self.origin
    }

    /// The text that both sign.
    pub fn to_text(&self) -> String {
        let Self { origin, key, size, root } = self;
        format!("{TYPE}\n{origin}\n{key}\n{size}\n{}\n", encode_hash(root))
    }

    /// The signature of one of the keys.
    ///
    /// # Errors
    /// *Invalid* if a name can't stand in a note.
    pub fn sign(&self, by: &Signer) -> Result<NoteSignature> {
        let note = by.sign(&self.to_text())?;
        note.signatures().first().cloned().ok_or_else(|| Error::invalid("nobody signed it"))
    }

    /// What both signed.
    ///
    /// # Errors
    /// *Invalid* if the signatures can't stand in a note.
    pub fn signed(self, old: NoteSignature, new: NoteSignature) -> Result<SignedRotation> {
        Ok(SignedRotation { note: Note::new(self.to_text(), vec![old, new])?, rotation: self })
    }
}

/// A change of key and its signatures.
///
/// ```
/// use escrowdb::merkle::{hash::Hash, rotation::{Rotation, SignedRotation}, signer::Signer};
/// let [old, new] = [7, 8].map(|seed| Signer::new("log.example", &[seed; 32]).unwrap());
/// let change =
///     Rotation { origin: "log.example".into(), key: new.verifier_key(), size: 0, root: Hash::empty_root() };
/// let (by_old, by_new) = (change.sign(&old)?, change.sign(&new)?);
/// let text = change.signed(by_old, by_new)?.to_string();
/// let read = SignedRotation::parse(text.as_bytes())?;
/// assert_eq!(read.verify(&old.verifier_key())?.key, new.verifier_key());
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRotation {
    rotation: Rotation,
    note: Note,
}

impl SignedRotation {
    /// Reads one. Nothing is verified.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::corrupt("it is no change of a log's key");
        let note = Note::parse(bytes)?;
        let lines: Vec<&str> = note.text().strip_suffix('\n').ok_or_else(wrong)?.split('\n').collect();
        let [TYPE, origin, key, size, root] = lines[..] else { return Err(wrong()) };
        let key: VerifierKey = key.parse().map_err(|_| wrong())?;
        let size = number(size).ok_or_else(wrong)?;
        let root = decode_hash(root).ok_or_else(wrong)?;
        let rotation = Rotation { origin: origin.to_owned(), key, size, root };
        if rotation.key.kind() != KeyKind::Log || rotation.to_text() != note.text() {
            return Err(wrong());
        }
        Ok(Self { rotation, note })
    }

    /// What it says, if the old key signed it, and the new one.
    ///
    /// # Errors
    /// *Corrupt* if not.
    pub fn verify(&self, old: &VerifierKey) -> Result<&Rotation> {
        if old.name() != self.rotation.origin || old.kind() != KeyKind::Log {
            return Err(Error::corrupt("it is the change of another log's key"));
        }
        if *old == self.rotation.key {
            return Err(Error::corrupt("that is the new key; the old one says that it follows"));
        }
        for key in [old, &self.rotation.key] {
            self.note.verify(&[key])?;
        }
        Ok(&self.rotation)
    }

    /// The head from which the new key goes on, without its signature.
    pub fn head(&self) -> Checkpoint {
        let Rotation { key, size, root, .. } = &self.rotation;
        Checkpoint { origin: key.name().to_owned(), size: *size, root: *root }
    }
}

/// The note.
impl fmt::Display for SignedRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, seed: u8) -> Signer {
        Signer::new(name, &[seed; 32]).unwrap()
    }

    fn change(name: &str) -> SignedRotation {
        let (old, new) = (signer("log", 1), signer(name, 2));
        let change = Rotation { origin: "log".into(), key: new.verifier_key(), size: 3, root: Hash([9; 32]) };
        let (by_old, by_new) = (change.sign(&old).unwrap(), change.sign(&new).unwrap());
        change.signed(by_old, by_new).unwrap()
    }

    #[test]
    fn who_believes_the_old_key_learns_the_new_one() {
        for (name, continues) in [("log", true), ("log/2", false)] {
            let read = SignedRotation::parse(change(name).to_string().as_bytes()).unwrap();
            let rotation = read.verify(&signer("log", 1).verifier_key()).unwrap();
            assert_eq!(
                (rotation.key.clone(), rotation.continues()),
                (signer(name, 2).verifier_key(), continues)
            );
            for other in [signer("log", 2), signer("log", 3), signer("other", 1)] {
                assert!(read.verify(&other.verifier_key()).is_err());
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let (text, key) = (change("log").to_string(), signer("log", 1).verifier_key());
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.clone().into_bytes();
                other[at] ^= 1 << bit;
                let read = SignedRotation::parse(&other);
                assert!(read.and_then(|read| read.verify(&key).cloned()).is_err(), "bit {bit} of byte {at}");
            }
            let cut = SignedRotation::parse(&text.as_bytes()[..at]);
            assert!(cut.and_then(|read| read.verify(&key).cloned()).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn one_signature_is_not_enough() {
        let (old, new) = (signer("log", 1), signer("log", 2));
        let change = Rotation { origin: "log".into(), key: new.verifier_key(), size: 3, root: Hash([9; 32]) };
        for by in [&old, &new] {
            let note = by.sign(&change.to_text()).unwrap().to_string();
            let read = SignedRotation::parse(note.as_bytes()).unwrap();
            assert!(read.verify(&old.verifier_key()).is_err());
        }
    }
}
