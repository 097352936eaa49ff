//! Texts into words; `docs/QUERY.md` says what a word is.

use std::ops::Range;

use unicase::UniCase;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::assemble::{Assembler, Word};
use super::class::Class;

/// Id and version of the analyser, stored with each segment.
pub const ANALYSER: (u8, u8) = (1, 1);

/// The longest [`Word::value`], in bytes.
pub const WORD_MAX: usize = 217;

/// Splits texts into words; keeps its buffers between texts and wipes them on drop.
///
/// ```
/// use escrowdb::text::Analyser;
/// let mut found = Vec::new();
/// Analyser::new().words("Größe: 東京, café ☕️", |word| {
///     found.push((String::from_utf8_lossy(word.value).into_owned(), word.position));
/// });
/// let expected = [("grosse", 0), ("東", 2), ("京", 3), ("cafe", 5), ("☕", 6)];
/// assert_eq!(found, expected.map(|(word, position)| (word.to_owned(), position)));
/// ```
#[derive(Debug, Default)]
pub struct Analyser {
    assembler: Assembler,
}

impl Analyser {
    /// One with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `each` for every word of `text` in order.
    pub fn words(&mut self, text: &str, mut each: impl FnMut(Word<'_>)) {
        self.words_with_places(text, |word, _| each(word));
    }

    /// Calls `each` for every word of `text` in order with the bytes of `text` it comes from. These may
    /// hold more than the word, where one character became several, and marks that were dropped.
    pub fn words_with_places(&mut self, text: &str, mut each: impl FnMut(Word<'_>, Range<usize>)) {
        let mut begin = 0;
        while begin < text.len() {
            let end = text[begin..]
                .char_indices()
                .skip(1)
                .find(|(_, c)| is_boundary(*c))
                .map_or(text.len(), |(at, _)| begin + at);
            let chunk = &text[begin..end];
            let plain = chunk.chars().filter(|c| !matches!(c, '\u{fe0e}' | '\u{fe0f}'));
            let folded = UniCase::unicode(plain.nfkc().collect::<String>()).to_folded_case();
            for c in folded.chars() {
                let mut push = |c, class| self.assembler.push(c, class, begin..end, &mut each);
                match Class::of(c) {
                    Class::Latin => decompose_canonical(c, |c| push(c, Class::of(c))),
                    class => push(c, class),
                }
            }
            begin = end;
        }
        self.assembler.end(&mut each);
    }
}

/// Whether normalising what stands before `c` and what begins with it separately is normalising the whole.
fn is_boundary(c: char) -> bool {
    if matches!(c, '\u{fe0e}' | '\u{fe0f}') {
        return false;
    }
    let mut first = None;
    decompose_compatible(c, |c| first = first.or(Some(c)));
    first.is_some_and(|first| {
        canonical_combining_class(first) == 0 && is_nfc_quick(std::iter::once(first)) == IsNormalized::Yes
    })
}
