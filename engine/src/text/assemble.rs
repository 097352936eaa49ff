//! From folded characters to words with positions.

use std::ops::Range;

use super::class::Class;
use super::letters::Letters;

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
#[derive(Debug)]
pub(super) struct Assembler {
    letters: Letters,
    kind: Kind,
    chain: Chain,
    /// The character before was a Latin letter, or a mark dropped behind one.
    latin: bool,
    /// A separator stood before the open word, or since the last one.
    gap: bool,
    /// The word before the open one was a sign.
    sign_before: bool,
    /// Of the open word, or of the last one if none is open.
    position: Option<u32>,
    /// Where the open word comes from.
    place: Range<usize>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self {
            letters: Letters::default(),
            kind: Kind::None,
            chain: Chain::Nothing,
            latin: false,
            gap: false,
            sign_before: false,
            position: None,
            place: 0..0,
        }
    }
}

impl Assembler {
    /// The next character, which comes from `place` in the text.
    pub(super) fn push(
        &mut self,
        c: char,
        class: Class,
        place: Range<usize>,
        each: &mut impl FnMut(Word<'_>, Range<usize>),
    ) {
        if self.latin && class.is_mark() {
            self.place.end = place.end;
            return;
        }
        self.latin = class == Class::Latin;
        if self.continues(class) {
            self.letters.push(c);
            self.place.end = place.end;
            return;
        }
        self.close(each);
        use Class as C;
        (self.kind, self.chain) = match class {
            C::Separator | C::Joiner | C::Format => {
                self.gap = true;
                return;
            }
            C::Letter | C::Latin | C::Mark | C::SpacingMark | C::LoneMark => (Kind::Spaced, Chain::Nothing),
            C::Sign | C::SignMark | C::SignSpacing | C::SignLone | C::Stacker => (Kind::Sign, Chain::Nothing),
            C::Consonant => (Kind::Sign, Chain::Consonant),
            C::Picture => (Kind::Emoji, Chain::Picture),
            C::Flag => (Kind::Emoji, Chain::Flag),
            C::Tone => (Kind::Emoji, Chain::Nothing),
        };
        let signs = self.sign_before || self.kind == Kind::Sign;
        self.position = Some(match self.position {
            None => 0,
            Some(before) => before.saturating_add(1 + u32::from(self.gap && signs)),
        });
        self.gap = false;
        self.letters.push(c);
        self.place = place;
    }

    /// The text ends; ready for the next one.
    pub(super) fn end(&mut self, each: &mut impl FnMut(Word<'_>, Range<usize>)) {
        self.close(each);
        self.latin = false;
        self.gap = false;
        self.sign_before = false;
        self.position = None;
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

    fn close(&mut self, each: &mut impl FnMut(Word<'_>, Range<usize>)) {
        if let (Some(position), true) = (self.position, self.kind != Kind::None) {
            self.letters.take(|value| each(Word { value, position }, self.place.clone()));
            self.sign_before = self.kind == Kind::Sign;
            self.kind = Kind::None;
        }
    }
}
