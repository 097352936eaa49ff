//! The plaintext of an index before it is sealed: its sections as they were made, and where each stands.
//! Millions of bytes that somebody waits for, so they are not gathered in one piece.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::stack::wipe;

/// Whole pages of plaintext. Wiped on drop.
pub struct Encoded {
    pieces: Vec<Zeroizing<Vec<u8>>>,
    /// Where each piece stands, ascending; one may stand twice. Zeros between.
    places: Vec<(usize, usize)>,
    len: usize,
}

impl Encoded {
    /// These pieces at these places, `len` bytes in all.
    pub(super) fn new(pieces: Vec<Zeroizing<Vec<u8>>>, places: Vec<(usize, usize)>, len: usize) -> Self {
        Self { pieces, places, len }
    }

    /// A plaintext that is in one piece.
    #[cfg(test)]
    pub(in crate::index) fn whole(text: Zeroizing<Vec<u8>>) -> Self {
        let len = text.len();
        Self { pieces: vec![text], places: vec![(0, 0)], len }
    }

    /// Bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the bytes from `from` on to `out`; zeros where there are none.
    pub(super) fn copy_to(&self, from: usize, out: &mut [u8]) {
        out.fill(0);
        let end = from + out.len();
        for (at, piece) in &self.places {
            let Some(bytes) = self.pieces.get(*piece) else { continue };
            let (first, last) = (from.max(*at), end.min(at + bytes.len()));
            if first < last
                && let Some(part) = bytes.get(first - at..last - at)
                && let Some(out) = out.get_mut(first - from..last - from)
            {
                out.copy_from_slice(part);
            }
        }
    }

    /// All of it in one piece.
    pub fn to_vec(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(vec![0; self.len]);
        self.copy_to(0, &mut text);
        text
    }
}

impl PartialEq for Encoded {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.to_vec() == other.to_vec()
    }
}

/// Tells its length only.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes)", self.len)
    }
}

impl Drop for Encoded {
    fn drop(&mut self) {
        self.pieces.iter_mut().for_each(wipe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_that_of_the_whole() {
        let piece = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
        let pieces = vec![piece(&[1, 2, 3]), piece(&[]), piece(&[4, 5])];
        let text = Encoded::new(pieces, vec![(1, 0), (4, 1), (4, 2), (9, 0)], 14);
        let whole = [0, 1, 2, 3, 4, 5, 0, 0, 0, 1, 2, 3, 0, 0];
        assert_eq!(text.to_vec().as_slice(), whole);
        for (from, to) in (0..=14).flat_map(|from| (from..=14).map(move |to| (from, to))) {
            let mut out = vec![9; to - from];
            text.copy_to(from, &mut out);
            assert_eq!(out, whole[from..to]);
        }
        assert_eq!(text, Encoded::whole(text.to_vec()));
    }
}
