//! A few bits of each word of a dictionary, by which near words are found without reading the others.
//!
//! Who changes one character of a word changes its length by one at most, adds one character at most
//! and loses one at most. So of each word four bytes are kept: how long it is, and one bit for each
//! of its characters, modulo 27. What passes is compared; of real words one in thousands does.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::index::dictionary::Dictionary;
use crate::index::opened::Memory;
use crate::index::part::Field;

/// Sketches of all words of a dictionary, in its order.
pub struct Sketches {
    /// Number of the first word among the entries.
    first: u32,
    of: Zeroizing<Vec<u32>>,
}

/// Bits for characters; the 26 letters of English have one each.
const CHARS: u32 = 27;
const CHAR_BITS: u32 = (1 << CHARS) - 1;
/// Longer words are as long as this one.
const LEN_MAX: u32 = 31;

impl Sketches {
    /// Reads the words of a dictionary.
    pub fn new(dictionary: &Dictionary) -> Result<Self> {
        let (mut cursor, mut number) = dictionary.seek_numbered(&[Field::Word as u8])?;
        let mut first = None;
        let mut of =
            Zeroizing::new(Vec::with_capacity((dictionary.len() - number.min(dictionary.len())) as usize));
        while cursor.advance()?.is_some() {
            if let Some((field, word)) = cursor.key().split_first()
                && *field == Field::Word as u8
            {
                first.get_or_insert(number);
                of.push(std::str::from_utf8(word).map_or(0, |word| sketch(word.chars())));
            }
            number += 1;
        }
        Ok(Self { first: first.unwrap_or(number), of })
    }

    /// Numbers of the entries, ascending, among which all words near `wanted` are.
    pub fn near(&self, wanted: &[char]) -> Vec<u32> {
        let wanted = sketch(wanted.iter().copied());
        let mut found = Vec::new();
        for (of, first) in self.of.chunks(64).zip((self.first..).step_by(64)) {
            // Without a branch a word, so that several are compared at once.
            if of.iter().fold(false, |any, of| any | may_be_near(wanted, *of)) {
                found.extend((first..).zip(of).filter(|(_, of)| may_be_near(wanted, **of)).map(|(n, _)| n));
            }
        }
        found
    }
}

impl Memory for Sketches {
    fn memory(&self) -> usize {
        size_of_val(self.of.as_slice())
    }
}

fn sketch(word: impl Iterator<Item = char>) -> u32 {
    let (mut bits, mut len) = (0, 0);
    for c in word {
        bits |= 1 << (c as u32 % CHARS);
        len = LEN_MAX.min(len + 1);
    }
    len << CHARS | bits
}

const fn may_be_near(a: u32, b: u32) -> bool {
    let (len_a, len_b) = (a >> CHARS, b >> CHARS);
    let (lost, added) = (a & !b & CHAR_BITS, b & !a & CHAR_BITS);
    // One bit at most has no second one.
    len_a.abs_diff(len_b) <= 1 && lost & lost.wrapping_sub(1) == 0 && added & added.wrapping_sub(1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::dictionary;
    use crate::index::phrase::Pattern;
    use crate::index::terms::Terms;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn near_words_pass(
            words in proptest::collection::btree_set("[a-cé東]{0,6}|[a-c]{29,34}", 0..200),
            wanted in "[a-cé東]{0,6}|[a-c]{29,34}",
            tags in 0usize..40,
        ) {
            let mut terms = Terms::default();
            for tag in 0..tags {
                terms.push(Field::Tag, &[tag as u8], [1].into_iter());
            }
            for word in &words {
                terms.push_word(Field::Word, word.as_bytes(), &[1], &[0x40]);
            }
            let dictionary = Dictionary::decode(dictionary::encode(&terms, 40).dictionary).unwrap();
            let pattern = Pattern::near(&wanted);
            let chars: Vec<char> = wanted.chars().collect();
            let passed = Sketches::new(&dictionary).unwrap().near(&chars);
            let mut found = Vec::new();
            dictionary.pick(&passed, |word, _, _| {
                if pattern.matches(word) {
                    found.push(word.to_vec());
                }
                Ok(())
            }).unwrap();
            let near: Vec<_> = words.iter().map(String::as_bytes).filter(|word| pattern.matches(word)).collect();
            prop_assert_eq!(found, near);
        }
    }

    #[test]
    fn most_others_do_not_pass() {
        let passes = |a: &str, b: &str| may_be_near(sketch(a.chars()), sketch(b.chars()));
        assert!(passes("parcel", "parsel") && passes("parcel", "parcels") && passes("parcel", "place"));
        assert!(!passes("parcel", "letter") && !passes("parcel", "arc") && !passes("parcel", ""));
    }
}
