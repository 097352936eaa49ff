//! Texts compared by their words, in the form in which look-ups find them.

use zeroize::Zeroizing;

use super::Analyser;

/// The words of a text, one behind the other, as the index has them: without capitals, accents and other
/// dress, whatever stands between them. `_` separates here too: names are often joined by it.
///
/// ```
/// use escrowdb::text::Wording;
/// let query = Wording::of("author:\"JOSE\u{301} Müller\" lamp");
/// assert!(query.holds(&Wording::of("jose_muller")));
/// assert!(query.spells(&Wording::of("josémüller")) && !query.holds(&Wording::of("josémüller")));
/// assert!(!query.spells(&Wording::of("muller la")));
/// assert!(Wording::of("山田太郎さんの苦情").holds(&Wording::of("山田太郎")));
/// assert!(Wording::of(":-)").is_empty());
/// ```
pub struct Wording {
    /// The words, one directly behind the other.
    letters: Zeroizing<Vec<u8>>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Wording {
    /// The words of `text`.
    pub fn of(text: &str) -> Self {
        Self::by(&mut Analyser::new(), text)
    }

    /// The same by an analyser that is there already: of many texts.
    pub fn by(analyser: &mut Analyser, text: &str) -> Self {
        let mut words = Self { letters: Zeroizing::new(Vec::with_capacity(text.len())), ends: Vec::new() };
        analyser.words(text, |word| {
            word.value.split(|byte| *byte == b'_').filter(|part| !part.is_empty()).for_each(|w| words.add(w));
        });
        words
    }

    fn add(&mut self, word: &[u8]) {
        let len = self.letters.len() + word.len();
        if len > self.letters.capacity() {
            // What is left behind by growing in place would not be wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * len));
            larger.extend_from_slice(&self.letters);
            self.letters = larger;
        }
        self.letters.extend_from_slice(word);
        self.ends.push(len);
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many characters the words have.
    pub fn chars(&self) -> usize {
        self.letters.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
    }

    /// The words, the last one first.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let letters = Zeroizing::new(Vec::with_capacity(self.letters.len()));
        let mut other = Self { letters, ends: Vec::with_capacity(self.ends.len()) };
        let places = self.starts().zip(&self.ends).map(|(start, end)| start..*end).collect::<Vec<_>>();
        places.into_iter().rev().for_each(|place| other.add(&self.letters[place]));
        other
    }

    /// Whether the words of `other` stand in it, one behind the other. No words stand nowhere.
    pub fn holds(&self, other: &Self) -> bool {
        let same = |start: usize| {
            let at = self.ends.partition_point(|end| *end <= start);
            other.ends.iter().zip(&self.ends[at..]).all(|(theirs, ours)| start + theirs == *ours)
        };
        self.places(other).any(same)
    }

    /// The same however the two are divided into words, but for where the first begins and the last ends.
    pub fn spells(&self, other: &Self) -> bool {
        self.places(other).next().is_some()
    }

    /// Whether it ends with a beginning of `other`, as a text that was cut may.
    pub fn breaks_off_in(&self, other: &Self) -> bool {
        self.starts().any(|start| other.letters.starts_with(&self.letters[start..]))
    }

    /// Where the letters of `other` stand, from the beginning of a word to the end of one.
    fn places<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        self.starts().filter(|start| {
            !other.is_empty()
                && self.letters[*start..].starts_with(&other.letters)
                && self.ends.binary_search(&(start + other.letters.len())).is_ok()
        })
    }

    /// Where each word begins.
    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        [0].into_iter().chain(self.ends.iter().copied()).take(self.ends.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_in_every_dress() {
        let jose = Wording::of("josé.müller");
        for typed in [
            "JOSE MÜLLER",
            "jose\u{301} mu\u{308}ller",
            "ｊｏｓｅ　ｍｕｌｌｅｒ",
            "Jose-Muller!",
            "x josé_müller y",
        ] {
            assert!(Wording::of(typed).holds(&jose), "{typed}");
        }
        assert!(!Wording::of("josefa muller").holds(&jose));
        assert!(Wording::of("Müller, José").holds(&jose.reversed()));
        assert!(Wording::of("seen: 🦊🦊?").holds(&Wording::of("🦊🦊")));
        assert!(!Wording::of("seen: 🦊").spells(&Wording::of("🦊🦊")));
        assert_eq!((jose.len(), Wording::of("").len()), (2, 0));
        assert!(!jose.holds(&Wording::of("")) && !jose.spells(&Wording::of("...")));
    }

    #[test]
    fn what_was_cut_breaks_off_in_a_name() {
        let anna = Wording::of("anna meyer");
        for typed in ["the lamp of ann", "the lamp of anna me", "anna meyer"] {
            assert!(Wording::of(typed).breaks_off_in(&anna), "{typed}");
        }
        assert!(!Wording::of("anna meyer lamp").breaks_off_in(&anna));
        assert!(!Wording::of("").breaks_off_in(&anna));
    }

    proptest! {
        #[test]
        fn a_text_holds_its_parts(before in "\\PC{0,12}", of in "\\PC{0,12}", behind in "\\PC{0,12}") {
            let [part, whole] = [of.clone(), format!("{before}\n{of}\n{behind}")].map(|t| Wording::of(&t));
            if !part.is_empty() {
                prop_assert!(whole.holds(&part) && whole.spells(&part));
                prop_assert!(part.spells(&part.reversed().reversed()));
            }
        }
    }
}
