//! NFKC of a piece of text, in a buffer that is wiped.

use unicode_normalization::char::{canonical_combining_class, compose, decompose_compatible};
use zeroize::{Zeroize, Zeroizing};

/// Bits of a key: the character lowest, its index above, its combining class highest.
const CHAR: u64 = (1 << 24) - 1;
const INDEX: u32 = 24;
const COMBINING: u32 = 56;

/// Keeps its buffer, wiped on drop.
#[derive(Default)]
pub(super) struct Normaliser {
    /// Characters as keys that sort them canonically: combining class, index, character.
    keys: Zeroizing<Vec<u64>>,
}

impl Normaliser {
    /// Calls `each` for the characters of the NFKC of `text`.
    pub(super) fn nfkc(&mut self, text: impl Iterator<Item = char>, mut each: impl FnMut(char)) {
        self.keys.clear();
        let mut sorted = true;
        for c in text {
            decompose_compatible(c, |c| sorted &= self.push(c));
        }
        if !sorted {
            self.sort();
        }
        self.compose();
        for key in self.keys.iter() {
            each(character(*key));
        }
    }

    /// Whether the order is canonical so far.
    fn push(&mut self, c: char) -> bool {
        if self.keys.len() == self.keys.capacity() {
            // Growing by itself would leave the old buffer behind.
            let mut grown = Zeroizing::new(Vec::with_capacity(64.max(2 * self.keys.len())));
            grown.extend_from_slice(&self.keys);
            self.keys = grown;
        }
        let class = u64::from(canonical_combining_class(c));
        let before = self.keys.last().map_or(0, |key| key >> COMBINING);
        let index = self.keys.len() as u64;
        self.keys.push(class << COMBINING | index << INDEX | c as u64);
        class == 0 || before <= class
    }

    fn sort(&mut self) {
        for marks in self.keys.split_mut(|key| key >> COMBINING == 0) {
            marks.sort_unstable();
        }
    }

    fn compose(&mut self) {
        let mut starter = None;
        // Combining class of the last character behind the starter that did not compose; a character of
        // the same or a lower one is blocked.
        let mut blocked = None;
        let mut kept = 0;
        for i in 0..self.keys.len() {
            let key = self.keys[i];
            let class = key >> COMBINING;
            if let Some(at) = starter.filter(|_| blocked < Some(class))
                && let Some(composed) = compose(character(self.keys[at]), character(key))
            {
                self.keys[at] = composed as u64;
                continue;
            }
            if class == 0 {
                (starter, blocked) = (Some(kept), None);
            } else {
                blocked = Some(class);
            }
            self.keys[kept] = key;
            kept += 1;
        }
        self.keys[kept..].zeroize();
        self.keys.truncate(kept);
    }
}

fn character(key: u64) -> char {
    char::from_u32((key & CHAR) as u32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    fn agrees(text: &str) {
        let mut normal = String::new();
        Normaliser::default().nfkc(text.chars(), |c| normal.push(c));
        assert_eq!(normal, text.nfkc().collect::<String>(), "{text:?}");
    }

    #[test]
    fn each_character_alone_and_decomposed() {
        for c in '\0'..=char::MAX {
            agrees(c.encode_utf8(&mut [0; 4]));
            agrees(&std::iter::once(c).nfd().collect::<String>());
        }
    }

    proptest! {
        #[test]
        fn any_text(text: String) {
            agrees(&text);
        }

        #[test]
        fn what_composes_and_is_reordered(
            text in "[aeoΑαω가각각<しﾊ\u{9c7}\u{1b05}\u{300}-\u{345}\u{5b0}\u{9be}\u{1b35}\u{3099}ﾞ]{0,40}"
        ) {
            agrees(&text);
        }
    }
}
