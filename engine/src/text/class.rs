//! What a character of folded text is to the analyser.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::ranges::{CONSONANTS, EMOJI, LATIN, LONE_MARKS, WITHOUT_SPACES, contains};

/// Kind of a character after NFKC and case folding. A *sign* belongs to a script without spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// None of the others.
    Separator,
    /// U+200D: a separator outside of emoji.
    Joiner,
    /// U+200C and tags: separators outside of emoji.
    Format,
    /// Skin tone: belongs to the emoji before, or is one.
    Tone,
    /// Regional indicator: two make a flag.
    Flag,
    /// Any other emoji.
    Picture,
    /// Letter or digit of a script with spaces, or `_`.
    Letter,
    /// Letter of Latin script.
    Latin,
    /// Non-spacing or enclosing mark.
    Mark,
    /// Spacing mark.
    SpacingMark,
    /// Mark before which a grapheme cluster ends.
    LoneMark,
    /// Letter or number of a script without spaces.
    Sign,
    /// Sign that may be stacked below another one.
    Consonant,
    /// Non-spacing mark of a script without spaces.
    SignMark,
    /// Sign mark that stacks the consonant behind it.
    Stacker,
    /// Spacing mark of a script without spaces.
    SignSpacing,
    /// Mark of a script without spaces before which a grapheme cluster ends.
    SignLone,
}

/// By number; the rest up to 32 so that five bits are always one of them.
const CLASSES: [Class; 32] = {
    use Class as C;
    let all = [
        C::Separator,
        C::Joiner,
        C::Format,
        C::Tone,
        C::Flag,
        C::Picture,
        C::Letter,
        C::Latin,
        C::Mark,
        C::SpacingMark,
        C::LoneMark,
        C::Sign,
        C::Consonant,
        C::SignMark,
        C::Stacker,
        C::SignSpacing,
        C::SignLone,
    ];
    let mut classes = [C::Separator; 32];
    let mut n = 0;
    while n < all.len() {
        assert!(all[n] as usize == n);
        classes[n] = all[n];
        n += 1;
    }
    classes
};

impl Class {
    /// From its number in the lowest five bits.
    pub(super) fn from_bits(bits: u32) -> Self {
        CLASSES[(bits & 31) as usize]
    }

    /// Of a character as it is after NFKC and case folding.
    pub(super) fn of(c: char) -> Self {
        use GeneralCategory as G;
        match c {
            '_' => return Self::Letter,
            '\u{200d}' => return Self::Joiner,
            '\u{200c}' | '\u{e0020}'..='\u{e007f}' => return Self::Format,
            '\u{1f3fb}'..='\u{1f3ff}' => return Self::Tone,
            '\u{1f1e6}'..='\u{1f1ff}' => return Self::Flag,
            '\u{1039}' | '\u{17d2}' => return Self::Stacker,
            _ if contains(EMOJI, c) => return Self::Picture,
            _ => {}
        }
        let sign = contains(WITHOUT_SPACES, c);
        match c.general_category() {
            G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter => match sign {
                true if contains(CONSONANTS, c) => Self::Consonant,
                true => Self::Sign,
                false if contains(LATIN, c) => Self::Latin,
                false => Self::Letter,
            },
            G::DecimalNumber if !sign => Self::Letter,
            G::DecimalNumber | G::LetterNumber | G::OtherNumber if sign => Self::Sign,
            G::NonspacingMark | G::EnclosingMark | G::SpacingMark if contains(LONE_MARKS, c) => {
                if sign {
                    Self::SignLone
                } else {
                    Self::LoneMark
                }
            }
            G::NonspacingMark | G::EnclosingMark => {
                if sign {
                    Self::SignMark
                } else {
                    Self::Mark
                }
            }
            G::SpacingMark => {
                if sign {
                    Self::SignSpacing
                } else {
                    Self::SpacingMark
                }
            }
            _ => Self::Separator,
        }
    }

    /// Letter or digit of a script with spaces.
    pub(super) fn is_letter(self) -> bool {
        matches!(self, Self::Letter | Self::Latin)
    }

    /// General category M.
    pub(super) fn is_mark(self) -> bool {
        use Class::{LoneMark, Mark, SignLone, SignMark, SignSpacing, SpacingMark, Stacker};
        matches!(self, Mark | SpacingMark | LoneMark | SignMark | Stacker | SignSpacing | SignLone)
    }
}
