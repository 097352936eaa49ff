//! Words of chosen and of random texts.

use std::ops::Range;

use proptest::prelude::*;

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use super::ranges::{CONSONANTS, LONE_MARKS, contains};
use super::{Analyser, naive};

fn words(text: &str) -> Vec<(Vec<u8>, u32)> {
    let mut found = Vec::new();
    Analyser::new().words(text, |word| found.push((word.value.to_vec(), word.position)));
    found
}

fn with_places(text: &str) -> Vec<(Vec<u8>, u32, Range<usize>)> {
    let mut found = Vec::new();
    Analyser::new()
        .words_with_places(text, |word, place| found.push((word.value.to_vec(), word.position, place)));
    found
}

/// Words apart by a space, two where the position takes two steps.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut before = None;
    for (word, position) in words(text) {
        shown.push_str(before.map_or("", |before| [" ", "  "][(position - before - 1) as usize]));
        shown.push_str(std::str::from_utf8(&word).unwrap());
        before = Some(position);
    }
    shown
}

#[test]
fn latin() {
    assert_eq!(shown("Hello, World_2 it's"), "hello world_2 it s");
    assert_eq!(shown("Größe GRÖSSE"), "grosse grosse");
    assert_eq!(shown("é e\u{301} x\u{30c} ǰ İ ı ø Ł đ ŉ"), "e e x j i ı ø ł đ \u{2bc}n");
    assert_eq!(shown("ﬁne Ｗｉｄｅ x² ½ ™ №5"), "fine wide x2 1 2 tm no5");
    assert_eq!(shown("Việt Nam"), "viet nam");
    assert_eq!(shown(&format!("a{}b", "\u{336}\u{489}\u{300}\u{93e}".repeat(1000))), "ab");
    assert_eq!(shown("anna.b@example.org/x?y=1"), "anna b example org x y 1");
    // The mark composes with the separator.
    assert_eq!(shown("a =\u{338}b"), "a b");
    assert_eq!(shown(""), "");
    assert_eq!(shown(" \u{0} -- ‚…'"), "");
}

#[test]
fn other_scripts_with_spaces() {
    assert_eq!(shown("ΟΔΟΣ οδός"), "οδοσ οδόσ");
    assert_eq!(shown("Ёлка йод"), "ёлка йод");
    assert_eq!(shown("שָׁלוֹם"), "שָׁלוֹם");
    assert_eq!(shown("हिन्दी ১২"), "हिन्दी ১২");
    assert_eq!(shown("\u{1112}\u{1161}\u{11ab}국어"), "한국어");
    // A joiner is no part of a word.
    assert_eq!(shown("می\u{200c}خواهم"), "می خواهم");
    // A selector doesn't keep a mark from its letter.
    assert_eq!(shown("и\u{fe0f}\u{306}"), "й");
    // A mark behind a separator.
    assert_eq!(shown("- \u{301}я"), "\u{301}я");
}

#[test]
fn scripts_without_spaces() {
    assert_eq!(shown("東京"), "東 京");
    assert_eq!(shown("東 京"), "東  京");
    assert_eq!(shown("東京tower 東"), "東 京 tower  東");
    assert_eq!(shown("a b 東c d"), "a b  東 c d");
    assert_eq!(shown("カ\u{3099}ﾀﾞー々〇〆"), "ガ ダ ー 々 〇 〆");
    assert_eq!(shown("㍿"), "株 式 会 社");
    assert_eq!(shown("ที่นี่ กำ"), "ที่ นี่  ก\u{e4d} า");
    assert_eq!(shown("ក្សត្រ"), "ក្ស ត្រ");
    assert_eq!(shown("မြန်မာ"), "မြ န် မ ာ");
    // What is stacked belongs together, but not behind a spacing mark.
    assert_eq!(shown("က\u{1037}\u{1039}ခ က\u{1031}\u{1039}ခ"), "က\u{1037}\u{1039}ခ  က\u{1031}\u{1039} ခ");
    assert_eq!(shown(&format!("東{}b c", " ".repeat(512))), "東  b c");
    assert_eq!(shown("東\u{301}\u{93e}क"), "東\u{301}\u{93e} क");
    assert_eq!(shown("東\u{200d}\u{301}"), "東  \u{301}");
    assert_eq!(shown("я\u{e31}"), "я \u{e31}");
}

#[test]
fn emoji() {
    assert_eq!(shown("❤ ❤\u{fe0f} ❤\u{fe0e}"), "❤ ❤ ❤");
    assert_eq!(shown("👩‍👩‍👧‍👦👍🏽🇩🇪🇫🇷🇯"), "👩‍👩‍👧‍👦 👍🏽 🇩🇪 🇫🇷 🇯");
    assert_eq!(shown("🏽🏽 a🏽b"), "🏽🏽 a 🏽 b");
    assert_eq!(shown("ok👍東 👍"), "ok 👍 東  👍");
    assert_eq!(shown("🏴\u{e0067}\u{e0062}\u{e007f}!"), "🏴\u{e0067}\u{e0062}\u{e007f}");
    assert_eq!(shown("1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3} © ✓\u{fe0f}"), "1\u{20e3} \u{20e3} ©");
    assert_eq!(shown("❤\u{fe0f}\u{200d}🔥 ❤\u{200d}\u{200d}🔥"), "❤\u{200d}🔥 ❤\u{200d}\u{200d} 🔥");
}

#[test]
fn a_text_knows_nothing_of_the_one_before() {
    let texts =
        ["", "e", "a 東", "東 ", "❤", "👩\u{200d}", "က\u{1039}", "\u{301}", "東 x", "ခ", "👩", "x y", "éx"];
    let mut analyser = Analyser::new();
    for (before, text) in texts.iter().flat_map(|before| texts.map(|text| (before, text))) {
        let mut found = Vec::new();
        analyser.words(before, |_| {});
        analyser.words(text, |word| found.push((word.value.to_vec(), word.position)));
        assert_eq!(found, naive::words(text), "{text:?} behind {before:?}");
    }
}

#[test]
fn nothing_of_a_text_is_printed() {
    let mut analyser = Analyser::new();
    analyser.words("secret se\u{301}\u{323}cret", |_| {});
    assert_eq!(format!("{analyser:?}"), "Analyser { .. }");
}

#[test]
fn words_are_right_behind_a_panic_of_who_took_them() {
    let mut analyser = Analyser::new();
    for text in [format!("東 {}é 東 x", "x".repeat(300)), "❤👩\u{200d}".into(), "one two".into()] {
        let taking = std::panic::AssertUnwindSafe(|| analyser.words(&text, |_| std::panic::panic_any(())));
        assert!(std::panic::catch_unwind(taking).is_err());
        let mut found = Vec::new();
        analyser.words("\u{301}a", |word| found.push((word.value.to_vec(), word.position)));
        assert_eq!(found, naive::words("\u{301}a"));
    }
}

#[test]
fn long_words_get_a_short_name() {
    let whole = "x".repeat(255);
    assert_eq!(words(&whole), [(whole.clone().into_bytes(), 0)]);
    for text in ["x".repeat(256), "ж".repeat(128), format!("a{}", "ж".repeat(5000))] {
        let found = words(&text);
        assert_eq!(found, naive::words(&text));
        let head = found[0].0.iter().position(|b| *b == 0xff).unwrap();
        assert!(matches!(head, 199 | 200) && found[0].0.len() == head + 17 && head + 17 <= 217);
    }
    assert_ne!(words(&"x".repeat(256)), words(&"x".repeat(257)));
}

#[test]
fn places() {
    let text = "x Cafe\u{301}\u{93e}! ㍿ ❤\u{fe0f}";
    let found: Vec<_> = with_places(text).into_iter().map(|(_, _, place)| &text[place]).collect();
    assert_eq!(found, ["x", "Cafe\u{301}\u{93e}", "㍿", "㍿", "㍿", "㍿", "❤\u{fe0f}"]);
}

/// Characters of one kind, so that what meets is likely to matter.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_ .=]{14,60}",
        prop_oneof![5 => "[a-z]{1,3}", 1 => "[a-zA-Z]{200,300}", 1 => "[a-z ]{450,540}"],
        "[a-zA-Z0-9_]{1,6}",
        "[ .,;:!?@/=<>'\\-\\n]{1,2}",
        "[à-žſßıİǰẞﬁＡ-Ｚªẚ]{1,4}",
        "[α-ωΑ-ΩςΐᾳᾼᾴἝ]{1,4}",
        "[а-яА-ЯЁЙҐ]{1,4}",
        "[ء-يً-ْپچ]{1,4}",
        "[א-תְ-ֻ]{1,4}",
        "[क-हा-़्०-९]{1,5}",
        "[ก-ฺเ-๎๐-๙]{1,5}",
        "[ກ-ຮະ-ຽ]{1,4}",
        "[ក-ឳា-្]{1,4}",
        "[ကខကម]\u{1037}?[ါိ]?\u{1039}[ကခကម]",
        "[ក-ឃ]ុ?ា?\u{17d2}ុ?[ក-ឃ]",
        "[က-အာ-ှ၀-၉]{1,4}",
        "[一-鿿豈-龎々〇〆]{1,4}",
        "[ぁ-ゖァ-ヺーｱ-ﾟ゙゚ゝ㌀-㍗]{1,4}",
        "[가-힣ᄀ-하-ᅵᆨ-ᇂㄱ-ㅣ]{1,4}",
        "[\u{300}-\u{36f}\u{591}\u{93e}\u{20e3}\u{489}\u{302e}\u{fe0f}]{1,5}",
        "[❤☎👩👧🔥👍🏽🏻🇩🇪\u{200d}\u{fe0f}\u{fe0e}\u{200c}\u{e0067}\u{e007f}©™]{1,5}",
        any::<char>().prop_map(String::from),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => proptest::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

/// Whether our rules and the crate for UAX #29 must agree on `text`. We leave aside: stackers of other
/// scripts between consonants of Khmer or Myanmar, and spacing marks between an emoji and its joiner or a
/// consonant and its stacker. The crate doesn't know the newest marks.
fn as_uax_29(text: &str) -> bool {
    let one = |text: String| text.graphemes(true).count() == 1;
    let stacks = |c| one(format!("क{c}क")) && !matches!(c, '\u{1039}' | '\u{17d2}');
    let odd = |c: char| match c.general_category() {
        GeneralCategory::SpacingMark if one(format!("❤{c}\u{200d}❤")) => true,
        _ => {
            c.general_category_group() == GeneralCategoryGroup::Mark
                && one(format!("a{c}")) == contains(LONE_MARKS, c)
        }
    };
    let stackers = text.chars().any(stacks) && text.chars().any(|c| contains(CONSONANTS, c));
    !(stackers || text.chars().any(odd))
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 1 << 20, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn words_are_those_of_the_definition(text in text()) {
        prop_assume!(as_uax_29(&text));
        prop_assert_eq!(words(&text), naive::words(&text));
    }

    #[test]
    fn both_ways_agree(text in text()) {
        let places = with_places(&text);
        prop_assert_eq!(words(&text), places.iter().cloned().map(|(w, p, _)| (w, p)).collect::<Vec<_>>());
        // What follows a word's place has no part in it.
        for (word, position, place) in &places {
            prop_assert!(words(&text[..place.end]).contains(&(word.clone(), *position)));
        }
        prop_assert!(places.windows(2).all(|w| w[0].2.start <= w[1].2.start && w[0].2.end <= w[1].2.end));
    }

    /// Except behind an iota that was written below its letter: folded, it composes with marks.
    #[test]
    fn words_are_their_own_words(text in text()) {
        use unicode_normalization::UnicodeNormalization;
        prop_assume!(!text.nfkd().any(|c| c == '\u{345}'));
        for (word, _) in words(&text) {
            if let Ok(word) = std::str::from_utf8(&word) {
                prop_assert_eq!(words(word), vec![(word.as_bytes().to_vec(), 0)]);
            }
        }
    }
}
