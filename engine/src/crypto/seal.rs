//! One-time sealing: AES-256-GCM-SIV (RFC 8452) with key commitment.
//!
//! [`derive`](fn@derive) turns a label, secrets, a salt and associated data into 32 bytes of AEAD key, 12 of
//! nonce and 32 of commitment. Associated data goes into the derivation and into the AEAD, so a
//! seal binds key, nonce and associated data, and thereby the text. The secrets or the salt must
//! be fresh for every object: a derived key seals once.

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::crypto::kdf::{Label, expand};
use crate::error::{Error, Result};

/// Length of the commitment.
const COMMITMENT_LEN: usize = 32;
/// Length of the AEAD tag (RFC 8452 section 4).
const TAG_LEN: usize = 16;
/// Length of a [`Seal`].
pub const SEAL_LEN: usize = COMMITMENT_LEN + TAG_LEN;

/// What stands beside a ciphertext: 32 bytes of commitment, then 16 bytes of tag.
pub type Seal = [u8; SEAL_LEN];

/// A key that seals or opens one object. Wiped on drop.
pub struct OneTime {
    key: [u8; 32],
    nonce: [u8; 12],
    commitment: [u8; COMMITMENT_LEN],
    aad: Vec<u8>,
}

/// Derives the key of one object.
///
/// ```
/// use escrowdb::crypto::{Label, derive};
/// let mut text = *b"hello";
/// let seal = derive(Label::Cursor, &[b"secret"], b"salt", b"place").seal(&mut text)?;
/// derive(Label::Cursor, &[b"secret"], b"salt", b"place").open(&seal, &mut text)?;
/// assert_eq!(&text, b"hello");
/// assert!(derive(Label::Cursor, &[b"secret"], b"salt", b"elsewhere").open(&seal, &mut text).is_err());
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub fn derive(label: Label, secrets: &[&[u8]], salt: &[u8], aad: &[u8]) -> OneTime {
    let mut out = [0u8; 32 + 12 + COMMITMENT_LEN];
    let mut parts: Vec<&[u8]> = Vec::with_capacity(secrets.len() + 2);
    parts.extend_from_slice(secrets);
    parts.push(salt);
    parts.push(aad);
    expand(label, &parts, &mut out);
    let mut one =
        OneTime { key: [0; 32], nonce: [0; 12], commitment: [0; COMMITMENT_LEN], aad: aad.to_vec() };
    one.key.copy_from_slice(&out[..32]);
    one.nonce.copy_from_slice(&out[32..44]);
    one.commitment.copy_from_slice(&out[44..]);
    out.zeroize();
    one
}

impl OneTime {
    /// Seals `text` in place.
    pub fn seal(self, text: &mut [u8]) -> Result<Seal> {
        let tag = self
            .cipher()
            .encrypt_inout_detached(&Nonce::from(self.nonce), &self.aad, text.into())
            .map_err(|_| Error::invalid("text too long to seal (limit 64 GiB)"))?;
        let mut seal = [0u8; SEAL_LEN];
        seal[..COMMITMENT_LEN].copy_from_slice(&self.commitment);
        seal[COMMITMENT_LEN..].copy_from_slice(&tag);
        Ok(seal)
    }

    /// Opens `text` in place. On failure the content of `text` is unspecified ciphertext, never
    /// unauthenticated plaintext.
    pub fn open(self, seal: &Seal, text: &mut [u8]) -> Result<()> {
        let (commitment, tag) = seal.split_at(COMMITMENT_LEN);
        if !bool::from(self.commitment.ct_eq(commitment)) {
            return Err(Error::corrupt("commitment does not fit the key and place"));
        }
        let mut tag_bytes = [0u8; TAG_LEN];
        tag_bytes.copy_from_slice(tag);
        self.cipher()
            .decrypt_inout_detached(&Nonce::from(self.nonce), &self.aad, text.into(), &Tag::from(tag_bytes))
            .map_err(|_| Error::corrupt("authentication tag does not fit the bytes"))
    }

    /// Whether `seal` was made with this key for this place; says nothing about the text.
    pub fn fits(&self, seal: &Seal) -> bool {
        self.commitment.ct_eq(&seal[..COMMITMENT_LEN]).into()
    }

    fn cipher(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new(&self.key.into())
    }
}

impl Drop for OneTime {
    fn drop(&mut self) {
        self.key.zeroize();
        self.nonce.zeroize();
        self.commitment.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(salt: &[u8]) -> OneTime {
        derive(Label::JournalFrame, &[b"k"], salt, b"aad")
    }

    #[test]
    fn every_flipped_bit_is_caught() {
        let mut text = b"some text".to_vec();
        let seal = key(b"s").seal(&mut text).unwrap();
        for bit in 0..text.len() * 8 {
            let mut t = text.clone();
            t[bit / 8] ^= 1 << (bit % 8);
            assert!(key(b"s").open(&seal, &mut t).is_err());
        }
        for bit in 0..SEAL_LEN * 8 {
            let mut s = seal;
            s[bit / 8] ^= 1 << (bit % 8);
            assert!(key(b"s").open(&s, &mut text.clone()).is_err());
        }
        assert!(key(b"other").open(&seal, &mut text.clone()).is_err());
        key(b"s").open(&seal, &mut text).unwrap();
        assert_eq!(text, b"some text");
    }
}
