//! What was typed, made ready for names to be looked for in it.

use zeroize::Zeroizing;

use crate::receipts::Detail;
use crate::text::{Analyser, Wording};

/// What was typed of an act.
pub(super) struct Typed {
    /// As it is kept.
    pub(super) detail: Detail,
    texts: Vec<Text>,
}

/// A text of it.
pub(super) struct Text {
    pub(super) text: Zeroizing<String>,
    pub(super) words: Wording,
    /// Whether only its beginning may be kept.
    pub(super) is_cut: bool,
}

impl Typed {
    /// The texts of a detail.
    pub(super) fn of(detail: Detail) -> Self {
        let mut analyser = Analyser::new();
        let texts = detail.fields().iter().map(|(_, text)| Text {
            words: Wording::by(&mut analyser, text),
            is_cut: Detail::may_be_cut(text),
            text: text.clone(),
        });
        Self { texts: texts.collect(), detail }
    }

    /// Its texts.
    pub(super) fn texts(&self) -> &[Text] {
        &self.texts
    }
}
