//! One-time sealing: AES-256-GCM-SIV (RFC 8452) with key commitment.
//!
//! [`derive`](fn@derive) turns a label, secrets, a salt and associated data into 32 bytes of AEAD key, 12 of
//! nonce and 32 of commitment. Associated data goes into the derivation and into the AEAD, so a
//! seal binds key, nonce and associated data, and thereby the text. The secrets or the salt must
//! be fresh for every object: a derived key seals once.

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::kdf::{Label, expand};
use crate::crypto::stack::{self, burn};
use crate::error::{Error, Result};

/// Length of the AEAD's key and nonce.
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
/// Length of the commitment.
pub(super) const COMMITMENT_LEN: usize = 32;
/// Length of the AEAD tag (RFC 8452 section 4).
const TAG_LEN: usize = 16;
/// What is derived: key, nonce, commitment.
const MATERIAL_LEN: usize = KEY_LEN + NONCE_LEN + COMMITMENT_LEN;
/// Length of a [`Seal`].
pub const SEAL_LEN: usize = COMMITMENT_LEN + TAG_LEN;

/// What stands beside a ciphertext: 32 bytes of commitment, then 16 bytes of tag.
pub type Seal = [u8; SEAL_LEN];

/// A key that seals or opens one object. Wiped on drop; moving it moves no secret bytes.
pub struct OneTime {
    material: Box<Zeroizing<[u8; MATERIAL_LEN]>>,
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
    let mut material = Box::new(Zeroizing::new([0; MATERIAL_LEN]));
    let mut parts: Vec<&[u8]> = Vec::with_capacity(secrets.len() + 2);
    parts.extend_from_slice(secrets);
    parts.push(salt);
    parts.push(aad);
    expand(label, &parts, &mut **material);
    OneTime { material, aad: aad.to_vec() }
}

impl OneTime {
    /// Seals `text` in place.
    pub fn seal(self, text: &mut [u8]) -> Result<Seal> {
        let tag = self.encrypt(text);
        burn::<{ stack::CIPHER }>();
        let mut seal = [0u8; SEAL_LEN];
        seal[..COMMITMENT_LEN].copy_from_slice(self.commitment());
        seal[COMMITMENT_LEN..].copy_from_slice(&tag?);
        Ok(seal)
    }

    /// Opens `text` in place. On failure the content of `text` is unspecified ciphertext, never
    /// unauthenticated plaintext.
    pub fn open(self, seal: &Seal, text: &mut [u8]) -> Result<()> {
        if !self.fits(seal) {
            return Err(Error::corrupt("commitment does not fit the key and place"));
        }
        let mut tag = [0u8; TAG_LEN];
        tag.copy_from_slice(&seal[COMMITMENT_LEN..]);
        let opened = self.decrypt(&tag, text);
        burn::<{ stack::CIPHER }>();
        opened
    }

    /// Whether `seal` was made with this key for this place; says nothing about the text.
    pub fn fits(&self, seal: &Seal) -> bool {
        self.commitment().ct_eq(&seal[..COMMITMENT_LEN]).into()
    }

    #[inline(never)]
    fn encrypt(&self, text: &mut [u8]) -> Result<[u8; TAG_LEN]> {
        let (cipher, nonce) = self.cipher()?;
        cipher
            .encrypt_inout_detached(&nonce, &self.aad, text.into())
            .map(Into::into)
            .map_err(|_| Error::invalid("text too long to seal (limit 64 GiB)"))
    }

    #[inline(never)]
    pub(super) fn decrypt(&self, tag: &[u8; TAG_LEN], text: &mut [u8]) -> Result<()> {
        let (cipher, nonce) = self.cipher()?;
        cipher
            .decrypt_inout_detached(&nonce, &self.aad, text.into(), &Tag::from(*tag))
            .map_err(|_| Error::corrupt("authentication tag does not fit the bytes"))
    }

    fn cipher(&self) -> Result<(Aes256GcmSiv, Nonce)> {
        let (key, rest) = self.material.split_at(KEY_LEN);
        let bad = |_| Error::invalid("a derived key has a wrong length");
        let cipher = Aes256GcmSiv::new_from_slice(key).map_err(bad)?;
        let mut nonce = Nonce::default();
        nonce.copy_from_slice(&rest[..NONCE_LEN]);
        Ok((cipher, nonce))
    }

    pub(super) fn commitment(&self) -> &[u8] {
        &self.material[KEY_LEN + NONCE_LEN..]
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
