//! Sets of characters that the analyser tells apart beyond their general category. Written out, so that
//! they are what `docs/QUERY.md` lists, whatever later versions of Unicode say.

/// First and last code point of each range, ascending.
pub(super) type Ranges = [(u32, u32)];

/// Scripts without spaces: Thai and Lao, Myanmar, Khmer, Han and kana; of these ranges the letters, marks and
/// numbers. U+3006, U+3031-3035, U+303C and U+30FC belong to several of these scripts.
pub(super) const WITHOUT_SPACES: &Ranges = &parse::<22>(WITHOUT_SPACES_TEXT);
pub(super) const WITHOUT_SPACES_TEXT: &str = "\
    0E00-0EFF 1000-109F 1780-17FF 3005-3007 3021-3029 3031-3035 3038-303C 3041-3096 309D-309F 30A1-30FA \
    30FC-30FF 31F0-31FF 3400-4DBF 4E00-9FFF A9E0-A9FF AA60-AA7F F900-FAFF 116D0-116FF 16FE3 16FF0-16FFF \
    1AFF0-1B16F 20000-33FFF";

/// Latin: of these ranges the letters, as they are after NFKC and case folding.
pub(super) const LATIN: &Ranges = &parse::<13>(LATIN_TEXT);
pub(super) const LATIN_TEXT: &str = "\
    0061-007A 00E0-02AF 1D00-1D25 1D2F-1D9A 1E01-1EFF 214E-2184 2C61-2C7B A723-A787 A78C-A7FF AB30-AB64 \
    AB66-AB68 10780 1DF00-1DF96";

/// Emoji, those to come among them (Extended_Pictographic), regional indicators and skin tones.
pub(super) const EMOJI: &Ranges = &parse::<146>(EMOJI_TEXT);
pub(super) const EMOJI_TEXT: &str = "\
    00A9 00AE 2194-2199 21A9-21AA 231A-231B 2328 23CF 23E9-23F3 23F8-23FA 25AA-25AB 25B6 25C0 25FB-25FE \
    2600-2604 260E 2611 2614-2615 2618 261D 2620 2622-2623 2626 262A 262E-262F 2638-263A 2640 2642 \
    2648-2653 265F-2660 2663 2665-2666 2668 267B 267E-267F 2692-2697 2699 269B-269C 26A0-26A1 26A7 \
    26AA-26AB 26B0-26B1 26BD-26BE 26C4-26C5 26C8 26CE-26CF 26D1 26D3-26D4 26E9-26EA 26F0-26F5 26F7-26FA \
    26FD 2702 2705 2708-270D 270F 2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 274C 274E 2753-2755 \
    2757 2763-2764 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D 1F004 \
    1F02C-1F02F 1F094-1F09F 1F0AF-1F0B0 1F0C0 1F0CF-1F0D0 1F0F6-1F0FF 1F170-1F171 1F17E-1F17F 1F18E \
    1F191-1F19A 1F1AE-1F1FF 1F203-1F20F 1F23C-1F23F 1F249-1F24F 1F252-1F25F 1F266-1F321 1F324-1F393 \
    1F396-1F397 1F399-1F39B 1F39E-1F3F0 1F3F3-1F3F5 1F3F7-1F4FD 1F4FF-1F53D 1F549-1F54E 1F550-1F567 \
    1F56F-1F570 1F573-1F57A 1F587 1F58A-1F58D 1F590 1F595-1F596 1F5A4-1F5A5 1F5A8 1F5B1-1F5B2 1F5BC \
    1F5C2-1F5C4 1F5D1-1F5D3 1F5DC-1F5DE 1F5E1 1F5E3 1F5E8 1F5EF 1F5F3 1F5FA-1F64F 1F680-1F6C5 \
    1F6CB-1F6D2 1F6D5-1F6E5 1F6E9 1F6EB-1F6F0 1F6F3-1F6FF 1F7DA-1F7FF 1F80C-1F80F 1F848-1F84F \
    1F85A-1F85F 1F888-1F88F 1F8AE-1F8AF 1F8BC-1F8BF 1F8C2-1F8CF 1F8D9-1F8FF 1F90C-1F93A 1F93C-1F945 \
    1F947-1F9FF 1FA58-1FA5F 1FA6E-1FAFF 1FC00-1FFFD";

/// Marks before which UAX #29 breaks.
pub(super) const LONE_MARKS: &Ranges = &parse::<13>(LONE_MARKS_TEXT);
pub(super) const LONE_MARKS_TEXT: &str = "\
    102B-102C 1038 1062-1064 1067-106D 1083 1087-108C 108F 109A-109C 1A61 1A63-1A64 AA7B AA7D 11720-11721";

/// Consonants of Khmer and Myanmar (Indic_Conjunct_Break), which U+17D2 and U+1039 stack.
pub(super) const CONSONANTS: &Ranges = &parse::<17>(CONSONANTS_TEXT);
pub(super) const CONSONANTS_TEXT: &str = "\
    1000-102A 103F 1050-1055 105A-105D 1061 1065-1066 106E-1070 1075-1081 108E 1780-17B3 A9E0-A9E4 \
    A9E7-A9EF A9FA-A9FE AA60-AA6F AA71-AA73 AA7A AA7E-AA7F";

/// Whether `c` is in one of `ranges`.
pub(super) fn contains(ranges: &Ranges, c: char) -> bool {
    let c = c as u32;
    let behind = ranges.partition_point(|(first, _)| *first <= c);
    behind > 0 && c <= ranges[behind - 1].1
}

/// Reads `N` ranges in hexadecimal, apart by single spaces. At compile time, where a wrong number or
/// order is an error.
const fn parse<const N: usize>(text: &str) -> [(u32, u32); N] {
    let text = text.as_bytes();
    let mut ranges = [(0, 0); N];
    let (mut n, mut at) = (0, 0);
    while at < text.len() {
        let (first, end) = hexadecimal(text, at);
        at = end;
        let mut last = first;
        if at < text.len() && text[at] == b'-' {
            (last, at) = hexadecimal(text, at + 1);
        }
        assert!(at == text.len() || text[at] == b' ', "a space between ranges");
        assert!(first <= last && (n == 0 || ranges[n - 1].1 < first), "ranges ascend");
        ranges[n] = (first, last);
        n += 1;
        at += 1;
    }
    assert!(n == N, "another number of ranges");
    ranges
}

/// The number that begins at `at`, and where it ends.
const fn hexadecimal(text: &[u8], mut at: usize) -> (u32, usize) {
    let mut number = 0;
    while at < text.len() {
        let digit = match text[at] {
            d @ b'0'..=b'9' => d - b'0',
            d @ b'A'..=b'F' => d - b'A' + 10,
            _ => break,
        };
        number = number * 16 + digit as u32;
        at += 1;
    }
    (number, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_properties::{GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};
    use unicode_script::{Script, UnicodeScript};
    use unicode_segmentation::UnicodeSegmentation;

    use crate::text::naive::{folded_case, is_nfkc};

    fn group(c: char) -> GeneralCategoryGroup {
        c.general_category_group()
    }

    /// Whether the characters, one behind the other, are one grapheme cluster.
    fn one(text: &[char]) -> bool {
        text.iter().collect::<String>().graphemes(true).count() == 1
    }

    /// Characters that folded text may contain.
    fn folded() -> impl Iterator<Item = char> {
        ('\0'..=char::MAX)
            .filter(|c| is_nfkc(*c) && folded_case(&c.to_string()).chars().eq(std::iter::once(*c)))
    }

    /// Marks of Unicode 18, which the crate for grapheme clusters does not know yet.
    fn is_new(c: char) -> bool {
        let new = "05C8-05C9 0B53-0B54 1ADE-1ADF 1AEC-1AF0 10ECB-10ECF 10EF0-10EF9 11DF0 1D127-1D128 \
                   1D250-1D252 1D25B-1D25C 1D25F 1D280-1D281";
        contains(&parse::<12>(new), c)
    }

    #[test]
    fn the_page_lists_the_same() {
        let page = include_str!("../../../docs/QUERY.md").split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, ranges) in [
            ("LATIN", LATIN_TEXT),
            ("WITHOUT_SPACES", WITHOUT_SPACES_TEXT),
            ("LONE_MARKS", LONE_MARKS_TEXT),
            ("CONSONANTS", CONSONANTS_TEXT),
            ("EMOJI", EMOJI_TEXT),
        ] {
            assert!(page.contains(&format!("{name} {ranges}")), "{name} of docs/QUERY.md");
        }
    }

    #[test]
    fn scripts_without_spaces_are_those_of_unicode() {
        use GeneralCategoryGroup::{Letter, Mark, Number};
        use Script::{Han, Hiragana, Katakana, Khmer, Lao, Myanmar, Thai};
        for c in ('\0'..=char::MAX).filter(|c| matches!(group(*c), Letter | Mark | Number)) {
            let script = matches!(c.script(), Han | Hiragana | Katakana | Thai | Lao | Khmer | Myanmar)
                && !('\u{ff66}'..='\u{ff9d}').contains(&c); // Half-width: not behind NFKC.
            let of_several = matches!(c, '\u{3006}' | '\u{3031}'..='\u{3035}' | '\u{303c}' | '\u{30fc}');
            assert_eq!(contains(WITHOUT_SPACES, c), script || of_several, "{c:?}");
        }
    }

    #[test]
    fn latin_letters_are_those_of_unicode() {
        for c in folded().filter(|c| group(*c) == GeneralCategoryGroup::Letter) {
            assert_eq!(contains(LATIN, c), c.script() == Script::Latin, "{c:?}");
        }
    }

    #[test]
    fn emoji_are_those_of_unicode() {
        for c in folded().filter(|c| !c.is_ascii()) {
            let pictographic = one(&['❤', '\u{200d}', c]) && !one(&['a', c]);
            assert_eq!(contains(EMOJI, c), pictographic || c.is_emoji_char(), "{c:?}");
            if contains(EMOJI, c) {
                use GeneralCategoryGroup::{Letter, Mark, Number};
                assert!(!matches!(group(c), Letter | Mark | Number), "{c:?}");
            }
        }
    }

    #[test]
    fn lone_marks_are_those_of_unicode() {
        for c in ('\0'..=char::MAX).filter(|c| group(*c) == GeneralCategoryGroup::Mark && !is_new(*c)) {
            assert_eq!(contains(LONE_MARKS, c), !one(&['a', c]), "{c:?}");
        }
    }

    #[test]
    fn consonants_are_those_of_unicode() {
        for c in ('\0'..=char::MAX).filter(|c| matches!(c.script(), Script::Khmer | Script::Myanmar)) {
            let stacked = one(&['\u{1000}', '\u{1039}', c]) && !one(&['a', c]);
            assert_eq!(contains(CONSONANTS, c), stacked, "{c:?}");
        }
    }
}
