//! The texts of an act.

use zeroize::{Zeroize, Zeroizing};

use crate::id::Micros;

/// What a text of an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DetailField {
    /// A query as it was typed.
    Query,
    /// Such a query that asked among acts.
    Acts,
    /// The field of a facet or the period of a histogram.
    By,
    /// An identifier of a person.
    Person,
    /// Name of a conversation.
    Conversation,
    /// Id of a record.
    Record,
    /// Purpose that the actor named.
    Purpose,
    /// Case that the actor named.
    Case,
}

impl DetailField {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::Query,
        Self::Acts,
        Self::By,
        Self::Person,
        Self::Conversation,
        Self::Record,
        Self::Purpose,
        Self::Case,
    ];

    /// Whether it says what for something was asked. That stands in a detail of its own.
    pub const fn is_what_for(self) -> bool {
        matches!(self, Self::Purpose | Self::Case)
    }

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Acts => "acts",
            Self::By => "by",
            Self::Person => "person",
            Self::Conversation => "conversation",
            Self::Record => "record",
            Self::Purpose => "purpose",
            Self::Case => "case",
        }
    }
}

/// Longest text of one field, bytes; what is longer is cut at a character.
const TEXT_LEN_MAX: usize = 4_096;

/// The texts of an act: a line each, `name: text`, with `\\`, `\n` and `\r` for what would end it.
///
/// ```
/// use escrowdb::receipts::{Detail, DetailField};
/// let detail = Detail::new().with(DetailField::Query, "lamp\n").with(DetailField::Case, "2026-17");
/// assert_eq!(detail.to_body(), "query: lamp\\n\ncase: 2026-17");
/// assert_eq!(Detail::parse(&detail.to_body()).get(DetailField::Query), Some("lamp\n"));
/// ```
#[derive(Clone, Default)]
pub struct Detail {
    texts: Vec<(DetailField, Zeroizing<String>)>,
    /// When it was typed, if that matters: not among the lines.
    typed: Option<Micros>,
}

impl Detail {
    /// No text.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a text. A field is there once: the first counts.
    #[must_use]
    pub fn with(mut self, field: DetailField, text: &str) -> Self {
        let mut end = text.len().min(TEXT_LEN_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        if !text.is_empty() && self.get(field).is_none() {
            self.texts.push((field, Zeroizing::new(text.to_owned())));
            self.texts.sort_by_key(|(field, _)| *field);
        }
        self
    }

    /// As it was typed at a time: what a query says of days and hours counts from then.
    #[must_use]
    pub(crate) const fn typed_at(mut self, time: Micros) -> Self {
        self.typed = Some(time);
        self
    }

    /// When it was typed, if it says.
    pub(crate) const fn typed(&self) -> Option<Micros> {
        self.typed
    }

    /// The same, if there is a text.
    #[must_use]
    pub fn with_some(self, field: DetailField, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.with(field, text),
            None => self,
        }
    }

    /// Whether a text may be the beginning of a longer one that was typed.
    pub fn may_be_cut(text: &str) -> bool {
        // A character has four bytes at most.
        text.len() + 4 > TEXT_LEN_MAX
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text of a field.
    pub fn get(&self, field: DetailField) -> Option<&str> {
        self.texts.iter().find(|(of, _)| *of == field).map(|(_, text)| text.as_str())
    }

    /// All texts.
    pub fn fields(&self) -> &[(DetailField, Zeroizing<String>)] {
        &self.texts
    }

    /// The body of its record.
    pub fn to_body(&self) -> String {
        let most = self.texts.iter().map(|(_, text)| 2 * text.len() + 16).sum();
        let mut body = String::with_capacity(most);
        for (field, text) in &self.texts {
            if !body.is_empty() {
                body.push('\n');
            }
            body.push_str(field.name());
            body.push_str(": ");
            for c in text.chars() {
                match c {
                    '\\' => body.push_str("\\\\"),
                    '\n' => body.push_str("\\n"),
                    '\r' => body.push_str("\\r"),
                    c => body.push(c),
                }
            }
        }
        body
    }

    /// Reads a body. Fields that a later version wrote are left out.
    pub fn parse(body: &str) -> Self {
        let mut detail = Self::new();
        for line in body.split('\n') {
            let Some((name, text)) = line.split_once(": ") else { continue };
            let Some(field) = DetailField::ALL.into_iter().find(|field| field.name() == name) else {
                continue;
            };
            let mut plain = Zeroizing::new(String::with_capacity(text.len()));
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                plain.push(match c {
                    '\\' => match chars.next() {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some(other) => other,
                        None => '\\',
                    },
                    c => c,
                });
            }
            detail = detail.with(field, &plain);
        }
        detail
    }
}

impl Zeroize for Detail {
    fn zeroize(&mut self) {
        self.texts.iter_mut().for_each(|(_, text)| text.zeroize());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_pass_for_another_field() {
        let sly = "a\ncase: forged\\\r: \\n";
        let detail = Detail::new().with(DetailField::Purpose, sly).with(DetailField::Query, "q");
        let read = Detail::parse(&detail.to_body());
        assert_eq!(read.get(DetailField::Purpose), Some(sly));
        assert_eq!((read.get(DetailField::Case), read.fields().len()), (None, 2));
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let detail = Detail::new().with(DetailField::Query, &"é".repeat(3_000)).with(DetailField::Case, "");
        assert_eq!(detail.get(DetailField::Query).unwrap().len(), TEXT_LEN_MAX);
        assert!(detail.get(DetailField::Case).is_none());
    }
}
