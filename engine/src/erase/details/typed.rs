//! What was typed, made ready for names to be looked for in it.

use zeroize::Zeroizing;

use crate::erase::details::names::folded;
use crate::id::{Micros, Seq};
use crate::query::asked::Asked;
use crate::receipts::{Detail, DetailField};
use crate::text::{Analyser, Wording};

/// What was typed of an act.
pub(super) struct Typed {
    /// As it is kept.
    pub(super) detail: Detail,
    /// Where it stands in the log.
    pub(super) seq: Seq,
    texts: Vec<Text>,
    query: Option<Asked>,
}

/// A text of it.
pub(super) struct Text {
    pub(super) text: Zeroizing<String>,
    pub(super) words: Wording,
    /// Whether only its beginning may be kept.
    pub(super) is_cut: bool,
}

impl Typed {
    /// What a detail holds that stands at a position and was written at a time.
    pub(super) fn of(detail: Detail, seq: Seq, time: Micros) -> Self {
        let whole = |text: &&str| !Detail::may_be_cut(text);
        let text = detail.get(DetailField::Query).or_else(|| detail.get(DetailField::Acts));
        let query = text.filter(whole).and_then(|text| Asked::parse(text, time));
        let mut analyser = Analyser::new();
        let texts = detail.fields().iter().map(|(field, text)| {
            let text = match &query {
                // The words of the language are nobody's name.
                Some(query) if matches!(field, DetailField::Query | DetailField::Acts) => query.values(),
                _ => text.clone(),
            };
            Text { words: Wording::by(&mut analyser, &text), is_cut: Detail::may_be_cut(&text), text }
        });
        Self { texts: texts.collect(), query, seq, detail }
    }

    /// The query, if it asked among chats; `None` in it if it was cut, or is not well formed any more.
    pub(super) fn of_chats(&self) -> Option<Option<&Asked>> {
        self.detail.get(DetailField::Query).map(|_| self.query.as_ref())
    }

    /// Whether it asked among acts for words of their details.
    pub(super) fn looks_in_details(&self) -> bool {
        self.detail.get(DetailField::Acts).is_some() && self.query.as_ref().is_none_or(Asked::has_words)
    }

    /// Its texts; of a query what stands behind colons, and words.
    pub(super) fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// Whether a query asks for an id, folded.
    pub(super) fn asks_for_record(&self, id: &str) -> bool {
        self.query.as_ref().is_some_and(|query| query.has_id(&|asked| *folded(asked) == id))
    }

    /// Whether a query asks for a conversation, folded.
    pub(super) fn asks_for_conversation(&self, name: &str) -> bool {
        self.query.as_ref().is_some_and(|query| query.has_conversation(&|asked| *folded(asked) == name))
    }
}
