//! Where words are in a stretch of ASCII, eight bytes at a time.

use std::ops::Range;

use zeroize::Zeroize;

/// Bytes looked at in one go.
pub(super) const WINDOW: usize = 512;

/// A stretch of ASCII in small letters; wiped on drop.
#[derive(Debug)]
pub(super) struct Window {
    lowered: [u8; WINDOW],
    /// A bit a byte: whether it belongs to a word.
    words: [u64; WINDOW / 64],
    len: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { lowered: [0; WINDOW], words: [0; WINDOW / 64], len: 0 }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.lowered.zeroize();
        self.words.zeroize();
    }
}

/// `byte` in each of eight bytes.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte.
const HIGH: u64 = eight(0x80);

/// The highest bit of each byte of `text`, all below 128, that is one of `first..=last`; other bits mean
/// nothing.
const fn between(text: u64, first: u8, last: u8) -> u64 {
    // The first sum reaches 128 from `first` on, the second from behind `last` on.
    (text + eight(0x80 - first)) & !(text + eight(0x80 - last - 1))
}

/// Eight ASCII bytes in small letters, and a bit for each that belongs to a word.
const fn lower(text: u64) -> (u64, u8) {
    let capitals = between(text, b'A', b'Z') & HIGH;
    let lowered = text | capitals >> 2;
    let words = between(lowered, b'a', b'z') | between(text, b'0', b'9') | between(text, b'_', b'_');
    // Multiplied, the eight bits meet in the highest byte.
    let bits = ((words & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    (lowered, bits as u8)
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
        self.words = [0; WINDOW / 64];
        let (eights, rest) = text.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let lowered = self.lowered.as_chunks_mut::<8>().0;
        for (i, (eight, lowered)) in eights.iter().chain([&last]).zip(lowered).enumerate() {
            let (small, words) = lower(u64::from_le_bytes(*eight));
            *lowered = small.to_le_bytes();
            self.words[i / 8] |= u64::from(words) << (8 * (i % 8));
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
        for at in (from & !63..self.len).step_by(64) {
            let mut words = self.words[at / 64];
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
        for byte in 0..=127 {
            for i in 0..8 {
                let mut bytes = *b"a!Z09-_\x7f";
                bytes[i] = byte;
                let (lowered, words) = lower(u64::from_le_bytes(bytes));
                assert_eq!(lowered.to_le_bytes(), bytes.map(|b| b.to_ascii_lowercase()));
                for (i, byte) in bytes.iter().enumerate() {
                    let word = byte.is_ascii_alphanumeric() || *byte == b'_';
                    assert_eq!(words >> i & 1 == 1, word, "{byte}");
                }
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
