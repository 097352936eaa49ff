//! Texts into words; `docs/QUERY.md` says what a word is.

use std::fmt;
use std::ops::Range;
use std::str::Chars;

use super::ascii::{WINDOW, Window, ascii_len};
use super::assemble::{Assembler, Word};
use super::chars::{Character, is_selector};
use super::normal::Normaliser;

/// Id and version of the analyser, stored with each segment.
pub const ANALYSER: (u8, u8) = (1, 1);

/// The longest [`Word::value`], in bytes. Longer words get a short name of at most 217.
pub const WORD_MAX: usize = 255;

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
#[derive(Default)]
pub struct Analyser {
    assembler: Assembler,
    /// In a place of its own, for a copy of what is moved stays on the stack.
    window: Box<Window>,
    normaliser: Normaliser,
}

impl fmt::Debug for Analyser {
    /// Nothing of a text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyser").finish_non_exhaustive()
    }
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
        self.assembler.begin();
        let mut at = 0;
        while at < text.len() {
            at = self.ascii(text, at, &mut each);
            at = self.others(text, at, &mut each);
        }
        self.assembler.end(&mut each);
    }

    /// Takes the ASCII of `text` from `at` on; returns where it ends. Leaves the last character before
    /// another one, with which it may compose.
    fn ascii(&mut self, text: &str, at: usize, each: &mut impl FnMut(Word<'_>, Range<usize>)) -> usize {
        let text = &text.as_bytes()[at..];
        let mut len = ascii_len(text);
        len -= usize::from(len > 0 && len < text.len());
        let mut at = at;
        let end = at + text.len();
        for part in text[..len].chunks(WINDOW) {
            self.window.fill(part);
            self.assembler.push_ascii(&self.window, at, at + part.len() == end, each);
            at += part.len();
        }
        at
    }

    /// Takes characters of `text` from `at` on up to a longer run of ASCII; returns where it begins.
    fn others(&mut self, text: &str, at: usize, each: &mut impl FnMut(Word<'_>, Range<usize>)) -> usize {
        let mut rest = text[at..].chars();
        let place = |rest: &Chars<'_>| text.len() - rest.as_str().len();
        let Some(mut character) = rest.next().map(Character::of) else { return at };
        let mut begin = at;
        loop {
            let mut end = place(&rest);
            let mut next = rest.next().map(Character::of);
            if next.is_none_or(Character::is_boundary) {
                character.folded(|folded| self.assembler.push(folded, begin..end, each));
            } else {
                // What stands in canonical order, without a character that composes, is normal.
                let mut normal = character.is_normal();
                let mut combining = character.combining();
                while let Some(mark) = next.filter(|next| !next.is_boundary()) {
                    normal &= mark.is_normal() && (mark.combining() == 0 || combining <= mark.combining());
                    combining = combining.max(mark.combining());
                    end = place(&rest);
                    next = rest.next().map(Character::of);
                }
                self.several(&text[begin..end], begin, normal, each);
            }
            match next {
                Some(next) if !starts_with_ascii(&text.as_bytes()[end..]) => character = next,
                _ => return end,
            }
            begin = end;
        }
    }

    /// Takes characters that may compose with each other only; `normal` if they are in NFKC, selectors
    /// apart.
    fn several(
        &mut self,
        text: &str,
        begin: usize,
        normal: bool,
        each: &mut impl FnMut(Word<'_>, Range<usize>),
    ) {
        let end = begin + text.len();
        let Self { assembler, normaliser, .. } = self;
        let mut push = |c| Character::of(c).folded(|folded| assembler.push(folded, begin..end, each));
        if normal {
            text.chars().for_each(push);
        } else {
            normaliser.nfkc(text.chars().filter(|c| !is_selector(*c)), &mut push);
        }
    }
}

/// Whether `text` begins with so much ASCII that looking at it in one go is worth while.
fn starts_with_ascii(text: &[u8]) -> bool {
    const RUN: usize = 16;
    text.get(..RUN).is_some_and(|run| run.is_ascii())
}
