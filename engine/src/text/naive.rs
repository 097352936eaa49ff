//! What a word is, a second time: on the whole text at once, with scripts, emoji and grapheme clusters
//! from crates instead of our own ranges. What the analyser does is held against it.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

/// Words and positions.
pub(super) fn words(text: &str) -> Vec<(Vec<u8>, u32)> {
    let text = folded(text);
    let mut found: Vec<(String, bool, bool)> = Vec::new();
    let mut gap = false;
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let run: String = rest.chars().take_while(|c| is_word(*c)).collect();
        let (word, sign) = if is_emoji(c) {
            (rest.graphemes(true).next().unwrap_or_default().to_owned(), false)
        } else if is_sign(c) {
            let cluster = run.graphemes(true).next().unwrap_or_default();
            let more = cluster.chars().skip(1).take_while(|c| is_sign(*c) || is_mark(*c));
            (std::iter::once(c).chain(more).collect(), true)
        } else {
            (run.chars().take_while(|c| !is_sign(*c)).collect(), false)
        };
        if word.is_empty() {
            gap = true;
            rest = &rest[c.len_utf8()..];
        } else {
            rest = &rest[word.len()..];
            found.push((word, sign, gap));
            gap = false;
        }
    }
    let mut position = 0;
    let mut words = Vec::new();
    for (i, (word, sign, gap)) in found.iter().enumerate() {
        if i > 0 {
            position += if *gap && (*sign || found[i - 1].1) { 2 } else { 1 };
        }
        words.push((short(word), position));
    }
    words
}

/// A word, or the short name of a long one.
fn short(word: &str) -> Vec<u8> {
    if word.len() <= 255 {
        return word.as_bytes().to_vec();
    }
    let mut name = Vec::new();
    for c in word.chars().take_while({
        let mut len = 0;
        move |c| {
            len += c.len_utf8();
            len <= 200
        }
    }) {
        name.extend(c.to_string().bytes());
    }
    name.push(0xff);
    name.extend(&blake3::hash(word.as_bytes()).as_bytes()[..16]);
    name
}

fn folded(text: &str) -> String {
    let text: String = text.replace(['\u{fe0e}', '\u{fe0f}'], "");
    let folded = folded_case(&text.nfkc().collect::<String>());
    let mut out = String::new();
    let mut behind_latin = false;
    for c in folded.chars() {
        let latin = is_letter(c) && c.script() == Script::Latin;
        for c in c
            .to_string()
            .chars()
            .flat_map(|c| if latin { c.nfd().to_string() } else { c.to_string() }.chars().collect::<Vec<_>>())
        {
            behind_latin &= is_mark(c);
            if !behind_latin {
                out.push(c);
            }
            behind_latin |= is_letter(c) && c.script() == Script::Latin;
        }
    }
    out
}

pub(super) fn folded_case(text: &str) -> String {
    UniCase::unicode(text).to_folded_case()
}

pub(super) fn is_nfkc(c: char) -> bool {
    std::iter::once(c).nfkc().eq(std::iter::once(c))
}

fn is_letter(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Letter
}

fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
}

fn is_sign(c: char) -> bool {
    use Script::{Han, Hiragana, Katakana, Khmer, Lao, Myanmar, Thai};
    (matches!(c.script(), Han | Hiragana | Katakana | Thai | Lao | Khmer | Myanmar)
        || matches!(c, '\u{3006}' | '\u{3031}'..='\u{3035}' | '\u{303c}' | '\u{30fc}'))
        && (is_letter(c) || is_mark(c) || c.general_category_group() == GeneralCategoryGroup::Number)
}

fn is_word(c: char) -> bool {
    is_sign(c)
        || is_letter(c)
        || is_mark(c)
        || c == '_'
        || c.general_category() == GeneralCategory::DecimalNumber
}

fn is_emoji(c: char) -> bool {
    let pictographic = ["❤\u{200d}", "a"].map(|before| format!("{before}{c}").graphemes(true).count());
    !c.is_ascii() && !is_word(c) && (c.is_emoji_char() || pictographic == [1, 2])
}
