//! The bytes of one word, with a short name for a long word.

use std::fmt;

use zeroize::Zeroize;

use super::WORD_MAX;

/// A word of more bytes gets a short name.
const WHOLE: usize = 255;
/// Bytes of a long word that begin its short name, at most.
const HEAD: usize = 200;
/// Bytes of a hash in a short name.
const HASH: usize = 16;

/// Collects one word after the other; wiped on drop.
pub(super) struct Letters {
    bytes: [u8; WHOLE],
    len: usize,
    /// Hash of the word so far if it is longer than `bytes`.
    long: Option<blake3::Hasher>,
}

impl Default for Letters {
    fn default() -> Self {
        Self { bytes: [0; WHOLE], len: 0, long: None }
    }
}

impl fmt::Debug for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letters({} B)", self.len)
    }
}

impl Letters {
    pub(super) fn push(&mut self, c: char) {
        let mut utf8 = [0; 4];
        let utf8 = c.encode_utf8(&mut utf8).as_bytes();
        if self.long.is_none() {
            if let Some(free) = self.bytes.get_mut(self.len..self.len + utf8.len()) {
                free.copy_from_slice(utf8);
                self.len += utf8.len();
                return;
            }
            let mut hasher = blake3::Hasher::new();
            hasher.update(&self.bytes[..self.len]);
            self.long = Some(hasher);
        }
        if let Some(hasher) = &mut self.long {
            hasher.update(utf8);
        }
    }

    /// The word, or its short name; the next one begins.
    pub(super) fn take(&mut self, each: impl FnOnce(&[u8])) {
        let mut len = self.len;
        if let Some(mut hasher) = self.long.take() {
            let mut cut = HEAD;
            while self.bytes[cut] & 0xc0 == 0x80 {
                cut -= 1;
            }
            self.bytes[cut] = 0xff;
            len = cut + 1 + HASH;
            self.bytes[cut + 1..len].copy_from_slice(&hasher.finalize().as_bytes()[..HASH]);
            hasher.zeroize();
        }
        each(&self.bytes[..len]);
        self.len = 0;
    }
}

impl Drop for Letters {
    fn drop(&mut self) {
        self.bytes.zeroize();
        if let Some(hasher) = &mut self.long {
            hasher.zeroize();
        }
    }
}

const _: () = assert!(HEAD + 1 + HASH == WORD_MAX);
