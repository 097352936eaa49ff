//! Where words are in a stretch of ASCII, many bytes at a time.

use std::ops::Range;

use zeroize::Zeroize;

/// Bytes looked at in one go.
pub(super) const WINDOW: usize = 512;
/// Bytes that are looked at together: as many as a mask has bits.
const BLOCK: usize = 64;

/// A stretch of ASCII in small letters; wiped on drop.
pub(super) struct Window {
    lowered: [u8; WINDOW],
    /// A bit a byte: whether it belongs to a word.
    words: [u64; WINDOW / BLOCK],
    len: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { lowered: [0; WINDOW], words: [0; WINDOW / BLOCK], len: 0 }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.lowered.zeroize();
        self.words.zeroize();
    }
}

/// The highest bit of each of eight bytes.
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Puts ASCII bytes in small letters, and says of which ones words consist. Written so that the compiler
/// makes it work on many bytes at once.
fn lower(text: &[u8; BLOCK], lowered: &mut [u8; BLOCK]) -> u64 {
    let mut words = [0; BLOCK];
    for ((byte, small), word) in text.iter().zip(lowered).zip(&mut words) {
        *small = byte | u8::from(byte.wrapping_sub(b'A') < 26) << 5;
        let letter = small.wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        *word = u8::from(letter | digit | (*byte == b'_'));
    }
    let eights = words.as_chunks::<8>().0.iter().enumerate();
    eights.fold(0, |mask, (i, eight)| {
        // Multiplied, the eight bits meet in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask | bits << (8 * i)
    })
}

/// How many bytes of `text` are ASCII before the first that isn't.
pub(super) fn ascii_len(text: &[u8]) -> usize {
    let mut len = 0;
    let (eights, rest) = text.as_chunks::<8>();
    for eight in eights {
        let high = u64::from_le_bytes(*eight) & HIGH;
        if high != 0 {
            return len + high.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + rest.iter().take_while(|b| b.is_ascii()).count()
}

impl Window {
    /// Looks at `text`, ASCII of at most [`WINDOW`] bytes.
    pub(super) fn fill(&mut self, text: &[u8]) {
        self.len = text.len();
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let lowered = self.lowered.as_chunks_mut::<BLOCK>().0;
        for ((text, lowered), words) in blocks.iter().zip(&mut *lowered).zip(&mut self.words) {
            *words = lower(text, lowered);
        }
        if let Some(lowered) = lowered.get_mut(blocks.len()) {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            self.words[blocks.len()] = lower(&last, lowered);
        }
    }

    /// The text in small letters.
    pub(super) fn lowered(&self) -> &[u8] {
        &self.lowered[..self.len]
    }

    /// Where the word ends that the text begins with; 0 if it doesn't.
    pub(super) fn first_end(&self) -> usize {
        let mut end = 0;
        for words in self.words {
            end += words.trailing_ones() as usize;
            if words != u64::MAX {
                break;
            }
        }
        end
    }

    /// Calls `each` for every word; `from` must stand outside of words or where one begins. The last one may
    /// go on behind the text if it ends with it.
    pub(super) fn words(&self, from: usize, mut each: impl FnMut(Range<usize>)) {
        let mut begin = None;
        let mut before = 0;
        for at in (from / BLOCK * BLOCK..self.len).step_by(BLOCK) {
            let mut words = self.words[at / BLOCK];
            if at < from {
                words &= u64::MAX << (from - at);
            }
            let shifted = words << 1 | before;
            before = words >> 63;
            let (mut begins, mut ends) = (words & !shifted, !words & shifted);
            if let Some(begin) = begin.filter(|_| ends != 0) {
                each(begin..at + ends.trailing_zeros() as usize);
                ends &= ends - 1;
            }
            while ends != 0 {
                each(at + begins.trailing_zeros() as usize..at + ends.trailing_zeros() as usize);
                begins &= begins - 1;
                ends &= ends - 1;
            }
            if begins != 0 {
                begin = Some(at + begins.trailing_zeros() as usize);
            } else if before == 0 {
                begin = None;
            }
        }
        if let Some(begin) = begin {
            each(begin..self.len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_what_it_is() {
        for begin in [0, 64] {
            let text: [u8; BLOCK] = std::array::from_fn(|i| begin + i as u8);
            let mut lowered = [0; BLOCK];
            let words = lower(&text, &mut lowered);
            for (i, byte) in text.into_iter().enumerate() {
                assert_eq!(lowered[i], byte.to_ascii_lowercase());
                assert_eq!(words >> i & 1 == 1, byte.is_ascii_alphanumeric() || byte == b'_', "{byte}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_found(text in "[a-c ]{0,200}", cut in 0..200_usize) {
            let mut window = Window::default();
            window.fill(&[b'x'; WINDOW]);
            window.fill(text.as_bytes());
            prop_assert_eq!(window.first_end(), text.find(' ').unwrap_or(text.len()));
            let from = text[cut.min(text.len())..].find(' ').map_or(0, |at| cut.min(text.len()) + at);
            let mut found = Vec::new();
            window.words(from, |word| found.push(&text[word]));
            prop_assert_eq!(found, text[from..].split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>());
        }

        #[test]
        fn the_length_of_ascii_is_found(text in "[a-bé]{0,40}") {
            let len = text.find('é').unwrap_or(text.len());
            prop_assert_eq!(ascii_len(text.as_bytes()), len);
        }
    }
}
