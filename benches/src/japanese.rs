//! Texts that look Japanese: words of one to four kanji or kana by Zipf's law, written without spaces, in clauses
//! and sentences. Only characters that no normalisation changes.

use crate::workload::{Random, Zipf};

/// Distinct words.
const WORDS: usize = 20_000;
/// Distinct kanji, the first of the common block.
const KANJI: u64 = 2_000;
const FIRST_KANJI: u32 = 0x4e00;
const HIRAGANA: &str =
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん";
const KATAKANA: &str =
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン";
/// Seed of the words, whatever the seed of the records.
const SEED: u64 = 0x6a61;

/// Makes texts.
pub struct Japanese {
    words: Vec<String>,
    word: Zipf,
}

impl Japanese {
    /// The same words each time.
    pub fn new() -> Self {
        let mut random = Random::new(SEED);
        let words = (0..WORDS).map(|_| word(&mut random)).collect();
        Self { words, word: Zipf::new(WORDS) }
    }

    /// 10 to 120 characters.
    pub fn text(&self, random: &mut Random) -> String {
        let wanted = (10.0 * 12f64.powf(random.unit())) as usize;
        let mut text = String::new();
        let mut length = 0;
        while length < wanted {
            if length > 0 {
                match random.below(12) {
                    0 => text.push('、'),
                    1 => text.push('。'),
                    _ => {}
                }
            }
            let word = &self.words[self.word.draw(random)];
            length += word.chars().count();
            text.push_str(word);
        }
        text
    }

    /// The most frequent word of three characters, or the nth of them.
    pub fn three(&self, nth: usize) -> &str {
        let mut of_three = self.words.iter().filter(|w| w.chars().count() == 3);
        of_three.nth(nth).map_or("", String::as_str)
    }
}

impl Default for Japanese {
    fn default() -> Self {
        Self::new()
    }
}

fn word(random: &mut Random) -> String {
    let length = 1 + random.below(4);
    let script = random.below(10);
    let kana = |list: &str, random: &mut Random| {
        let at = random.below(list.chars().count() as u64) as usize;
        list.chars().nth(at).unwrap_or('の')
    };
    (0..length)
        .map(|_| match script {
            0..3 => kana(HIRAGANA, random),
            3..5 => kana(KATAKANA, random),
            _ => {
                // Some kanji are much more frequent than others.
                let place = (KANJI as f64 * random.unit() * random.unit()) as u32;
                char::from_u32(FIRST_KANJI + place).unwrap_or('一')
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_characters_are_in_some_texts_and_not_in_all() {
        let japanese = Japanese::new();
        let mut random = Random::new(1);
        let part = japanese.three(0);
        assert_eq!(part.chars().count(), 3);
        let found = (0..2_000).filter(|_| japanese.text(&mut random).contains(part)).count();
        assert!((20..1_900).contains(&found), "{found} of 2,000");
    }
}
