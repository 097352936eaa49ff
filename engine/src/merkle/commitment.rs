//! What a leaf commits to: the record, hidden behind its salt.
//!
//! ```text
//! key  = BLAKE3 derive_key(context, salt)          salt: 16 random bytes of the record
//!                                                  context: that of Label::LeafCommitment
//! C    = BLAKE3 keyed_hash(key, canonical bytes)
//! leaf = SHA-256(0x00 ‖ C)
//! ```
//!
//! Without the salt a short text ("yes") can't be guessed from its leaf. The leaf depends on the
//! record and the salt only, never on ciphertext, so no later change of keys or files moves it.

use zeroize::{Zeroize, Zeroizing};

use crate::crypto::kdf::Label;
use crate::crypto::stack::burn_hash;
use crate::merkle::hash::{Hash, leaf_hash};

/// Bytes of a record's salt.
pub const SALT_LEN: usize = 16;

/// Leaf of a record, from its salt and canonical bytes.
pub fn leaf(salt: &[u8; SALT_LEN], canonical: &[u8]) -> Hash {
    Committer::new().leaf(salt, canonical)
}

/// The commitment C. It hides `canonical` from whoever lacks `salt`, and binds to it: no other
/// salt and bytes give the same C.
pub fn commit(salt: &[u8; SALT_LEN], canonical: &[u8]) -> [u8; 32] {
    Committer::new().commit(salt, canonical)
}

/// Makes many leaves: the hasher of the keys is set up and wiped once.
pub struct Committer(blake3::Hasher);

impl Committer {
    /// Ready for the first record.
    pub fn new() -> Self {
        Self(Label::LeafCommitment.hasher())
    }

    /// See [`leaf`].
    pub fn leaf(&mut self, salt: &[u8; SALT_LEN], canonical: &[u8]) -> Hash {
        leaf_hash(&self.commit(salt, canonical))
    }

    /// See [`commit`].
    #[inline(never)]
    pub fn commit(&mut self, salt: &[u8; SALT_LEN], canonical: &[u8]) -> [u8; 32] {
        let key = Zeroizing::new(*self.0.reset().update(salt).finalize().as_bytes());
        *blake3::keyed_hash(&key, canonical).as_bytes()
    }
}

impl Default for Committer {
    fn default() -> Self {
        Self::new()
    }
}

/// Wipes the hasher, and what hashing left on the stack.
impl Drop for Committer {
    fn drop(&mut self) {
        self.0.zeroize();
        burn_hash();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_written_construction() {
        let salt = [7u8; SALT_LEN];
        let key = blake3::derive_key(Label::LeafCommitment.context(), &salt);
        let want = *blake3::keyed_hash(&key, b"record").as_bytes();
        assert_eq!(commit(&salt, b"record"), want);
        assert_eq!(leaf(&salt, b"record"), leaf_hash(&want));
    }

    #[test]
    fn one_committer_makes_many_leaves() {
        let mut many = Committer::new();
        for n in [0u8, 1, 255] {
            let record = vec![n; 100 * usize::from(n)];
            assert_eq!(many.leaf(&[n; SALT_LEN], &record), leaf(&[n; SALT_LEN], &record));
        }
    }

    /// Pinned: a change of the construction would make every earlier export unverifiable.
    #[test]
    fn is_pinned() {
        assert_eq!(
            leaf(&[0; SALT_LEN], b"yes").to_string(),
            "4454f01245ef589205862a5b343f7ac7007bf7782fb873a91f577b810b45b8ec"
        );
    }

    #[test]
    fn salt_and_record_both_count() {
        let a = leaf(&[0; SALT_LEN], b"yes");
        assert_ne!(a, leaf(&[1; SALT_LEN], b"yes"));
        assert_ne!(a, leaf(&[0; SALT_LEN], b"no"));
    }
}
