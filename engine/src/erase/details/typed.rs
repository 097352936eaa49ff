//! What was typed, made ready for names to be looked for in it.

use std::collections::HashMap;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::erase::details::names::folded;
use crate::id::Micros;
use crate::query::asked::Asked;
use crate::receipts::{Detail, DetailField};
use crate::text::{Analyser, Wording};

/// What was typed of an act.
pub(super) struct Typed {
    /// As it is kept.
    pub(super) detail: Detail,
    texts: Vec<Text>,
    query: Option<Asked>,
}

/// What was asked for, as far as a count beside it tells of records.
pub(super) enum Question<'a> {
    /// Nothing, or acts, of which none goes.
    None,
    /// What a query finds among chats.
    Chats(&'a Asked),
    /// It was cut, or is not well formed any more; or it found words of details.
    Unknown,
}

/// A text of it.
pub(super) struct Text {
    pub(super) text: Zeroizing<String>,
    pub(super) words: Wording,
    /// Whether only its beginning may be kept.
    pub(super) is_cut: bool,
}

/// Makes what was typed ready. Many acts have one purpose: of these each is made ready once.
pub(super) struct Desk {
    analyser: Analyser,
    purposes: HashMap<[u8; 32], Rc<Typed>>,
}

/// Purposes that are remembered at once, and the longest of them, bytes.
const PURPOSES_MAX: usize = 4_096;
const PURPOSE_LEN_MAX: usize = 256;

impl Desk {
    pub(super) fn new() -> Self {
        Self { analyser: Analyser::new(), purposes: HashMap::new() }
    }

    /// What a detail holds that was written at a time.
    pub(super) fn typed(&mut self, detail: Detail, time: Micros) -> Rc<Typed> {
        let key = purpose_key(&detail);
        if let Some(known) = key.and_then(|key| self.purposes.get(&key)) {
            return Rc::clone(known);
        }
        let typed = Rc::new(Typed::of(&mut self.analyser, detail, time));
        if let Some(key) = key {
            if self.purposes.len() >= PURPOSES_MAX {
                self.purposes.clear();
            }
            self.purposes.insert(key, Rc::clone(&typed));
        }
        typed
    }
}

/// By what a detail is remembered that says nothing but what for something was asked, and is short.
fn purpose_key(detail: &Detail) -> Option<[u8; 32]> {
    let body = Zeroizing::new(detail.to_body());
    let is_short =
        body.len() <= PURPOSE_LEN_MAX && detail.fields().iter().all(|(field, _)| field.is_what_for());
    is_short.then(|| *blake3::hash(body.as_bytes()).as_bytes())
}

impl Typed {
    /// What a detail holds that was written at a time.
    pub(super) fn of(analyser: &mut Analyser, detail: Detail, time: Micros) -> Self {
        let whole = |text: &&str| !Detail::may_be_cut(text);
        let text = detail.get(DetailField::Query).or_else(|| detail.get(DetailField::Acts));
        let query = text.filter(whole).and_then(|text| Asked::parse(text, time));
        let texts = detail.fields().iter().map(|(field, text)| {
            let text = match &query {
                // The words of the language are nobody's name.
                Some(query) if matches!(field, DetailField::Query | DetailField::Acts) => query.values(),
                _ => text.clone(),
            };
            Text { words: Wording::by(analyser, &text), is_cut: Detail::may_be_cut(&text), text }
        });
        Self { texts: texts.collect(), query, detail }
    }

    /// What was asked.
    pub(super) fn question(&self) -> Question<'_> {
        let of_chats = self.detail.get(DetailField::Query).is_some();
        match &self.query {
            Some(query) if of_chats => Question::Chats(query),
            None if of_chats => Question::Unknown,
            // What its words found stood in a detail, which may have gone on its date since.
            _ if self.looks_in_details() => Question::Unknown,
            _ => Question::None,
        }
    }

    /// Whether it asked among acts for words of their details.
    pub(super) fn looks_in_details(&self) -> bool {
        let query = self.query.as_ref();
        if self.detail.get(DetailField::Acts).is_some() {
            return query.is_none_or(Asked::has_words);
        }
        // Older programs wrote both as queries. No chat is of such a kind.
        query.is_some_and(|query| query.has_words() && query.has_acts())
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
