//! What each character becomes by itself, looked up in tables that are made when they are first needed.

use std::sync::OnceLock;

use unicase::UniCase;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use super::class::Class;

/// Characters of a table.
const PAGE: usize = 256;

/// What the characters with the same bits above the lowest eight become.
static PAGES: [OnceLock<Box<Page>>; 0x11_0000 / PAGE] = [const { OnceLock::new() }; _];

#[derive(Debug)]
struct Page {
    of: [Entry; PAGE],
    /// Of characters that become several or none.
    more: Box<[Folded]>,
}

/// A character after NFKC, case folding and without Latin diacritics: four bytes of UTF-8 lowest, then its
/// length, its class, and in an [`Entry`] more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded(u64);

/// What a character becomes: one folded character, or where in [`Page::more`] several are.
#[derive(Clone, Copy, Debug)]
struct Entry(u64);

const LEN: u32 = 32;
const CLASS: u32 = 36;
const BOUNDARY: u64 = 1 << 41;
const NORMAL: u64 = 1 << 42;
const MANY: u64 = 1 << 43;
const COMBINING: u32 = 48;
/// Where several are: their number in so many bits, and where they begin above.
const COUNT: u32 = 8;

impl Folded {
    fn new(c: char, class: Class) -> Self {
        let mut utf8 = [0; 4];
        let len = c.encode_utf8(&mut utf8).len();
        Self(u64::from(u32::from_le_bytes(utf8)) | (len as u64) << LEN | (class as u64) << CLASS)
    }

    /// UTF-8, then zeros.
    pub(super) fn utf8(self) -> [u8; 4] {
        (self.0 as u32).to_le_bytes()
    }

    /// Bytes of UTF-8.
    pub(super) fn len(self) -> usize {
        (self.0 >> LEN) as usize & 7
    }

    pub(super) fn class(self) -> Class {
        Class::from_bits((self.0 >> CLASS) as u32)
    }
}

/// A character that was looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Character {
    entry: Entry,
    page: &'static Page,
}

impl Character {
    #[inline]
    pub(super) fn of(c: char) -> Self {
        let at = c as usize;
        let page = PAGES[at / PAGE].get_or_init(|| Box::new(Page::new(at / PAGE)));
        Self { entry: page.of[at % PAGE], page }
    }

    /// Whether normalising what stands before the character and what begins with it separately is
    /// normalising the whole.
    pub(super) fn is_boundary(self) -> bool {
        self.entry.0 & BOUNDARY != 0
    }

    /// Whether NFKC leaves the character alone wherever the order of combining classes is kept.
    pub(super) fn is_normal(self) -> bool {
        self.entry.0 & NORMAL != 0
    }

    /// Canonical combining class.
    pub(super) fn combining(self) -> u8 {
        (self.entry.0 >> COMBINING) as u8
    }

    /// Calls `each` for what becomes of the character if nothing composes with it: NFKC, case folding,
    /// Latin letters without marks.
    #[inline]
    pub(super) fn folded(self, mut each: impl FnMut(Folded)) {
        if self.entry.0 & MANY == 0 {
            each(Folded(self.entry.0));
            return;
        }
        let place = self.entry.0 as u32 as usize;
        let (at, len) = (place >> COUNT, place & ((1 << COUNT) - 1));
        self.page.more[at..at + len].iter().for_each(|folded| each(*folded));
    }
}

impl Page {
    fn new(number: usize) -> Self {
        let mut page = Self { of: [Entry(0); PAGE], more: Box::default() };
        let mut more = Vec::new();
        for (i, entry) in page.of.iter_mut().enumerate() {
            // Surrogates are no characters: nobody looks them up.
            let Some(c) = char::from_u32((number * PAGE + i) as u32) else { continue };
            let folded = folded(c);
            entry.0 = match folded[..] {
                [one] => one.0,
                _ => {
                    let at = more.len() as u64;
                    more.extend_from_slice(&folded);
                    MANY | at << COUNT | folded.len() as u64
                }
            };
            entry.0 |= u64::from(canonical_combining_class(c)) << COMBINING;
            if is_boundary(c) {
                entry.0 |= BOUNDARY;
            }
            if is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes {
                entry.0 |= NORMAL;
            }
        }
        page.more = more.into_boxed_slice();
        page
    }
}

/// U+FE0E and U+FE0F choose how an emoji looks; they are left out.
pub(super) fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

fn folded(c: char) -> Vec<Folded> {
    let mut folded = Vec::new();
    if is_selector(c) {
        return folded;
    }
    let normal: String = std::iter::once(c).nfkc().collect();
    let mut latin = false;
    for c in UniCase::unicode(normal).to_folded_case().chars() {
        let mut push = |c| {
            let class = Class::of(c);
            if !(latin && class.is_mark()) {
                latin = class == Class::Latin;
                folded.push(Folded::new(c, class));
            }
        };
        match Class::of(c) {
            Class::Latin => decompose_canonical(c, push),
            _ => push(c),
        }
    }
    folded
}

fn is_boundary(c: char) -> bool {
    let mut first = None;
    decompose_compatible(c, |c| first = first.or(Some(c)));
    !is_selector(c)
        && first.is_some_and(|first| {
            canonical_combining_class(first) == 0 && is_nfc_quick(std::iter::once(first)) == IsNormalized::Yes
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of stored segments were made with these tables. Where another version of Unicode or of a crate
    /// changes them, the version of the analyser has to change too.
    #[test]
    fn tables_are_those_of_this_version() {
        let mut hasher = blake3::Hasher::new();
        for c in '\0'..=char::MAX {
            let looked_up = Character::of(c);
            let flags = [looked_up.is_boundary(), looked_up.is_normal()].map(u8::from);
            hasher.update(&flags).update(&[looked_up.combining()]);
            looked_up.folded(|folded| {
                hasher.update(&folded.utf8()).update(&[folded.len() as u8, folded.class() as u8]);
            });
            hasher.update(&[0xff]);
        }
        let digest = hasher.finalize().to_hex();
        assert_eq!((crate::text::ANALYSER, &digest[..32]), ((1, 1), "773317ae9f6c26add4b281796c04bfd4"));
    }
}
