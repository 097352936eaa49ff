//! The bytes of one word, with a short name for a long word.

use zeroize::Zeroize;

use super::WORD_MAX;
use super::chars::Folded;

/// A word of more bytes gets a short name.
pub(super) const WHOLE: usize = WORD_MAX;
/// Bytes of a long word that begin its short name, at most.
const HEAD: usize = 200;
/// Bytes of a hash in a short name.
const HASH: usize = 16;

/// [`Letters::len`] of a word that is longer.
const LONG: usize = WHOLE + 1;

/// Collects one word after the other; wiped on drop.
pub(super) struct Letters {
    /// The beginning of the word; has room for four bytes behind the last that counts.
    bytes: [u8; WHOLE + 4],
    len: usize,
    /// Hash of the word so far if it is longer than [`WHOLE`].
    long: Option<blake3::Hasher>,
}

impl Default for Letters {
    fn default() -> Self {
        Self { bytes: [0; WHOLE + 4], len: 0, long: None }
    }
}

impl Letters {
    #[inline]
    pub(super) fn push(&mut self, folded: Folded) {
        let len = self.len + folded.len();
        if len <= WHOLE
            && let Some(free) = self.bytes.get_mut(self.len..self.len + 4)
        {
            free.copy_from_slice(&folded.utf8());
            self.len = len;
        } else {
            self.extend(&folded.utf8()[..folded.len()]);
        }
    }

    /// Appends whole characters.
    pub(super) fn extend(&mut self, utf8: &[u8]) {
        let len = self.len + utf8.len();
        if len <= WHOLE {
            self.bytes[self.len..len].copy_from_slice(utf8);
            self.len = len;
            return;
        }
        let Self { bytes, len, long } = self;
        // The hasher takes no text before it is where it stays: a move would leave some behind.
        let hasher = long.get_or_insert_with(blake3::Hasher::new);
        if *len != LONG {
            // What fits is kept for the head of the short name; the rest is hashed only.
            let fits = utf8.len().min(WHOLE - *len);
            bytes[*len..*len + fits].copy_from_slice(&utf8[..fits]);
            hasher.update(&bytes[..*len]);
            *len = LONG;
        }
        hasher.update(utf8);
    }

    /// The next one begins, whatever there is of this one.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.forget_long();
    }

    /// Wipes the hasher where it stands: moved out, it would stay there.
    fn forget_long(&mut self) {
        if let Some(hasher) = &mut self.long {
            hasher.zeroize();
            self.long = None;
        }
    }

    /// The word, or its short name; the next one begins.
    pub(super) fn take(&mut self, each: impl FnOnce(&[u8])) {
        let mut len = self.len;
        if let Some(hasher) = &self.long {
            let mut cut = HEAD;
            while self.bytes[cut] & 0xc0 == 0x80 {
                cut -= 1;
            }
            self.bytes[cut] = 0xff;
            len = cut + 1 + HASH;
            self.bytes[cut + 1..len].copy_from_slice(&hasher.finalize().as_bytes()[..HASH]);
            self.forget_long();
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

const _: () = assert!(HEAD + 1 + HASH <= WORD_MAX);
