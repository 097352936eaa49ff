//! Text as the store compares it: identifiers in NFC, tags, words of bodies. Imports nothing of the engine.

mod analyser;
mod ascii;
mod assemble;
mod chars;
mod class;
mod letters;
#[cfg(test)]
mod naive;
mod normal;
mod ranges;
mod wording;
#[cfg(test)]
#[path = "text/tests.rs"]
mod words;

pub use analyser::{ANALYSER, Analyser, WORD_MAX};
pub use assemble::Word;
pub use wording::Wording;

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// `text` in NFC; borrowed if it is already, as nearly every text is. Identifiers of people are
/// equal if their bytes are equal after this.
///
/// ```
/// use escrowdb::text::nfc;
/// assert_eq!(nfc("e\u{301}"), "\u{e9}");
/// ```
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let normal: String = text.nfc().collect();
    if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) }
}

/// Splits a tag at its first colon into key and value; a bare word has no key.
///
/// ```
/// use escrowdb::text::split_tag;
/// assert_eq!(split_tag("dept:sales:eu"), (Some("dept"), "sales:eu"));
/// assert_eq!(split_tag("urgent"), (None, "urgent"));
/// ```
pub fn split_tag(tag: &str) -> (Option<&str>, &str) {
    match tag.split_once(':') {
        Some((key, value)) => (Some(key), value),
        None => (None, tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn borrows_what_is_normal() {
        for text in ["", "anna@example.org", "\u{e9}", "東京", "가", "👩‍👩‍👧‍👦", "\u{200d}"]
        {
            assert!(matches!(nfc(text), Cow::Borrowed(t) if t == text));
        }
    }

    #[test]
    fn composes() {
        assert_eq!(nfc("A\u{30a}"), "\u{c5}");
        assert_eq!(nfc("\u{212b}"), "\u{c5}");
        assert_eq!(nfc("\u{1112}\u{1161}\u{11ab}"), "한");
        // No compatibility folding: full-width letters stay.
        assert_eq!(nfc("ａ"), "ａ");
    }

    #[test]
    fn the_first_colon_splits() {
        assert_eq!(split_tag(":x"), (Some(""), "x"));
        assert_eq!(split_tag("x:"), (Some("x"), ""));
        assert_eq!(split_tag(""), (None, ""));
        assert_eq!(split_tag("言語:日本語"), (Some("言語"), "日本語"));
    }

    proptest! {
        #[test]
        fn nfc_is_stable(text: String) {
            let once = nfc(&text).into_owned();
            prop_assert_eq!(nfc(&once), once.as_str());
        }
    }
}
