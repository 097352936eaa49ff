//! From folded characters to words with positions.

use std::ops::Range;

use super::ascii::Window;
use super::chars::Folded;
use super::class::Class;
use super::letters::{Letters, WHOLE};

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Folded, in UTF-8; the short name of a word of more than 255 bytes is not UTF-8. At most
    /// [`WORD_MAX`](super::WORD_MAX) bytes, at least one.
    pub value: &'a [u8],
    /// The first word has 0; the next one more, or two more if a separator makes a difference.
    pub position: u32,
}

/// What the open word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No word is open.
    None,
    /// A run of a script with spaces.
    Spaced,
    /// One grapheme cluster of a script without spaces.
    Sign,
    Emoji,
}

/// What may still join the open grapheme cluster besides marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Nothing,
    /// A joiner makes it [`Chain::Joined`].
    Picture,
    /// A picture.
    Joined,
    /// A second regional indicator.
    Flag,
    /// A stacker makes it [`Chain::Stacked`].
    Consonant,
    /// A consonant.
    Stacked,
}

/// Takes the characters of one text in order.
pub(super) struct Assembler {
    /// In a place of its own, for a copy of what is moved stays on the stack.
    letters: Box<Letters>,
    kind: Kind,
    chain: Chain,
    /// The character before was a Latin letter, or a mark dropped behind one.
    latin: bool,
    /// A separator stood behind the last word.
    gap: bool,
    /// The last word was a sign.
    sign_before: bool,
    /// Of the open word; of the next one, if none is open and no gap matters.
    position: u32,
    /// Where the open word comes from.
    place: Range<usize>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self {
            letters: Box::default(),
            kind: Kind::None,
            chain: Chain::Nothing,
            latin: false,
            gap: false,
            sign_before: false,
            position: 0,
            place: 0..0,
        }
    }
}

impl Assembler {
    /// The next character, which comes from `place` in the text.
    #[inline]
    pub(super) fn push(
        &mut self,
        folded: Folded,
        place: Range<usize>,
        each: &mut impl FnMut(Word<'_>, Range<usize>),
    ) {
        let class = folded.class();
        if self.kind == Kind::Spaced && class.is_letter() {
            self.latin = class == Class::Latin;
            self.letters.push(folded);
            self.place.end = place.end;
        } else {
            self.push_other(folded, place, each);
        }
    }

    /// A character that doesn't just prolong a word of letters.
    fn push_other(
        &mut self,
        folded: Folded,
        place: Range<usize>,
        each: &mut impl FnMut(Word<'_>, Range<usize>),
    ) {
        let class = folded.class();
        if self.latin && class.is_mark() {
            self.place.end = place.end;
            return;
        }
        self.latin = class == Class::Latin;
        if self.continues(class) {
            self.letters.push(folded);
            self.place.end = place.end;
            return;
        }
        self.close(each);
        use Class as C;
        (self.kind, self.chain) = match class {
            C::Separator | C::Joiner | C::Format => {
                self.gap = self.position > 0;
                return;
            }
            C::Letter | C::Latin | C::Mark | C::SpacingMark | C::LoneMark => (Kind::Spaced, Chain::Nothing),
            C::Sign | C::SignMark | C::SignSpacing | C::SignLone | C::Stacker => (Kind::Sign, Chain::Nothing),
            C::Consonant => (Kind::Sign, Chain::Consonant),
            C::Picture => (Kind::Emoji, Chain::Picture),
            C::Flag => (Kind::Emoji, Chain::Flag),
            C::Tone => (Kind::Emoji, Chain::Nothing),
        };
        self.begin_word();
        self.letters.push(folded);
        self.place = place;
    }

    /// A text begins.
    pub(super) fn begin(&mut self) {
        // A panic of whoever took the words before may have left one open.
        self.letters.clear();
        self.kind = Kind::None;
        self.latin = false;
        self.gap = false;
        self.position = 0;
    }

    /// The text ends.
    pub(super) fn end(&mut self, each: &mut impl FnMut(Word<'_>, Range<usize>)) {
        self.close(each);
    }

    /// A word of the kind just set begins.
    fn begin_word(&mut self) {
        let apart = self.gap && (self.sign_before || self.kind == Kind::Sign);
        self.position = self.position.saturating_add(u32::from(apart));
        self.gap = false;
    }

    /// Whether a character belongs to the open word; remembers what may follow it.
    fn continues(&mut self, class: Class) -> bool {
        use Class as C;
        match self.kind {
            Kind::None => false,
            Kind::Spaced => {
                matches!(class, C::Letter | C::Latin | C::Mark | C::SpacingMark | C::LoneMark)
            }
            Kind::Sign => {
                self.chain = match (class, self.chain) {
                    (C::Stacker, Chain::Consonant) => Chain::Stacked,
                    (C::Stacker | C::Mark | C::SignMark, chain) => chain,
                    (C::SpacingMark | C::SignSpacing, _) => Chain::Nothing,
                    (C::Consonant, Chain::Stacked) => Chain::Consonant,
                    _ => return false,
                };
                true
            }
            Kind::Emoji => {
                self.chain = match (class, self.chain) {
                    (C::Joiner, Chain::Picture) => Chain::Joined,
                    (C::Picture, Chain::Joined) => Chain::Picture,
                    (C::Mark | C::SignMark | C::Stacker | C::Format | C::Tone, Chain::Picture) => {
                        Chain::Picture
                    }
                    (C::Flag, Chain::Flag) => Chain::Nothing,
                    (
                        C::Joiner
                        | C::Format
                        | C::Tone
                        | C::Mark
                        | C::SignMark
                        | C::Stacker
                        | C::SpacingMark
                        | C::SignSpacing,
                        _,
                    ) => Chain::Nothing,
                    _ => return false,
                };
                true
            }
        }
    }

    /// The next characters, ASCII that comes from `place` on; the last ones or not. What stands behind must
    /// not compose with it.
    pub(super) fn push_ascii(
        &mut self,
        window: &Window,
        place: usize,
        last: bool,
        each: &mut impl FnMut(Word<'_>, Range<usize>),
    ) {
        let text = window.lowered();
        let mut from = 0;
        if self.kind == Kind::Spaced {
            from = window.first_end();
            self.letters.extend(&text[..from]);
            self.place.end = place + from;
            if from == text.len() {
                return;
            }
        }
        self.close(each);
        let mut end = from;
        window.words(from, |word| {
            if self.kind == Kind::None {
                self.gap |= word.start > end && self.position > 0;
                self.kind = Kind::Spaced;
                self.begin_word();
            }
            end = word.end;
            let there = place + word.start..place + word.end;
            let whole = last || end < text.len();
            if whole && word.len() <= WHOLE {
                each(Word { value: &text[word], position: self.position }, there);
                self.position = self.position.saturating_add(1);
                return;
            }
            self.letters.extend(&text[word]);
            self.place = there;
            if whole {
                self.close(each);
                self.kind = Kind::Spaced;
            }
        });
        if last || end < text.len() {
            // The last word is closed already.
            self.sign_before &= self.kind == Kind::None;
            self.kind = Kind::None;
            self.gap = self.position > 0;
        }
        self.latin = self.kind == Kind::Spaced;
    }

    fn close(&mut self, each: &mut impl FnMut(Word<'_>, Range<usize>)) {
        if self.kind != Kind::None {
            let position = self.position;
            self.letters.take(|value| each(Word { value, position }, self.place.clone()));
            self.word_closed();
        }
    }

    fn word_closed(&mut self) {
        self.position = self.position.saturating_add(1);
        self.sign_before = self.kind == Kind::Sign;
        self.kind = Kind::None;
    }
}
