//! Keys, derivation, sealing, randomness. The only importer of the AEAD.
//!
//! Every sealed object has a key of its own, derived for it alone and used once (see
//! [`seal::derive`]). AES-256-GCM-SIV does not commit to its key, so the derivation also yields a
//! 32-byte commitment that stands beside the ciphertext and is compared first, in constant time.

pub mod arena;
pub mod kdf;
pub mod random;
mod rescue;
pub mod seal;
pub mod secret;
pub(crate) mod stack;

pub use arena::{Key, Keys};
pub use kdf::Label;
pub use random::{Entropy, OsEntropy, hedged, hedged_secret};
pub use seal::{OneTime, SEAL_LEN, Seal, derive};
pub use secret::Secret;

/// Algorithm byte: AES-256-GCM-SIV (RFC 8452) under BLAKE3-derived one-time keys with commitment.
pub const ALGORITHM: u8 = 1;
