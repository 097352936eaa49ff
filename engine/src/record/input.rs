//! The record as a caller writes it: people by identifier.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::id::Micros;
use crate::record::jsonl;
use crate::record::kind::Kind;
use crate::record::limits::{
    BODY_LEN_MAX, EXTRA_LEN_MAX, EXTRA_MAX, EXTRA_NAME_LEN_MAX, PARTICIPANTS_MAX, SUBJECTS_MAX, TAG_LEN_MAX,
    TAGS_MAX, TEXT_LEN_MAX,
};
use crate::record::stored::REMOVED;
use crate::text;

/// Begins the ids of joins that the store makes from participants.
pub const JOIN_PREFIX: &str = "join/";

/// A record to append.
///
/// ```
/// use escrowdb::record::{Kind, Record, time};
/// let record = Record::new("c1", "anna@example.org", time::parse("2026-01-31T12:00:00Z")?, "Hello")
///     .id("m1")
///     .channel("web")
///     .tag("dept:sales");
/// record.validate()?;
/// assert_eq!(record.kind, Kind::Message);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Id, unique in its conversation; without one, one is made.
    pub id: Option<String>,
    /// Which of several equal records without id this is, see [`Record::repeatable`].
    pub repeatable: Option<u32>,
    /// Conversation.
    pub conversation: String,
    /// Identifier of the author.
    pub author: String,
    /// Identifiers of those whose record it is; empty leaves it to the store's preset.
    pub subjects: Vec<String>,
    /// When it happened.
    pub time: Micros,
    /// Channel; may be empty.
    pub channel: String,
    /// What it is.
    pub kind: Kind,
    /// Tags, `key:value` or bare words, in their order.
    pub tags: Vec<String>,
    /// Text; may be empty.
    pub body: String,
    /// Id of the record answered.
    pub reply_to: Option<String>,
    /// Id of the record that an edit, a deletion, a reaction or a tag is about. It stands in the same
    /// conversation, or comes later.
    pub target: Option<String>,
    /// Identifiers of those who take part; they become join records, which die with this one's
    /// subjects.
    pub participants: Vec<String>,
    /// Further JSON fields, kept sealed and exported: name and JSON text.
    pub extra: Vec<(String, String)>,
}

/// Overwrites every text.
impl Zeroize for Record {
    fn zeroize(&mut self) {
        let texts = [&mut self.conversation, &mut self.author, &mut self.channel, &mut self.body];
        texts
            .into_iter()
            .chain(&mut self.id)
            .chain(&mut self.subjects)
            .chain(&mut self.tags)
            .chain(&mut self.reply_to)
            .chain(&mut self.target)
            .chain(&mut self.participants)
            .chain(self.extra.iter_mut().flat_map(|(name, json)| [name, json]))
            .for_each(Zeroize::zeroize);
    }
}

impl Record {
    /// A message; everything else by the setters.
    pub fn new(
        conversation: impl Into<String>,
        author: impl Into<String>,
        time: Micros,
        body: impl Into<String>,
    ) -> Self {
        Self {
            id: None,
            repeatable: None,
            conversation: conversation.into(),
            author: author.into(),
            subjects: Vec::new(),
            time,
            channel: String::new(),
            kind: Kind::Message,
            tags: Vec::new(),
            body: body.into(),
            reply_to: None,
            target: None,
            participants: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Makes a record without id one that can be given again: its id is derived from what it says,
    /// under a key of the store, and not drawn, so that the same record with the same `n` is a
    /// duplicate. `n` tells equal records apart that are not repetitions: the first of a file has
    /// 0, an equal one behind it 1. A record with an id of its own does not need it.
    ///
    /// The author is not among what it says, for he may be erased and the record stay; where two
    /// records differ in nothing else, the later one's id is derived from her author too.
    #[must_use]
    pub const fn repeatable(mut self, n: u32) -> Self {
        self.repeatable = Some(n);
        self
    }

    /// Adds a subject.
    #[must_use]
    pub fn subject(mut self, identifier: impl Into<String>) -> Self {
        self.subjects.push(identifier.into());
        self
    }

    /// Sets the channel.
    #[must_use]
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.channel = channel.into();
        self
    }

    /// Sets the kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Sets the id of the record answered.
    #[must_use]
    pub fn reply_to(mut self, id: impl Into<String>) -> Self {
        self.reply_to = Some(id.into());
        self
    }

    /// Sets the id of the record that this one is about.
    #[must_use]
    pub fn target(mut self, id: impl Into<String>) -> Self {
        self.target = Some(id.into());
        self
    }

    /// Adds a participant.
    #[must_use]
    pub fn participant(mut self, identifier: impl Into<String>) -> Self {
        self.participants.push(identifier.into());
        self
    }

    /// Adds a further field; `json` is its JSON text.
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, json: impl Into<String>) -> Self {
        self.extra.push((name.into(), json.into()));
        self
    }

    /// Whether it says of itself that it is a join which a store made from
    /// [`participants`](Self::participants). Its id is made anew.
    pub fn is_made_join(&self) -> bool {
        self.id.as_ref().is_some_and(|id| id.starts_with(JOIN_PREFIX))
    }

    /// Checks the record against [`limits`](crate::record::limits).
    ///
    /// # Errors
    /// `Invalid`; the message names the field and the limit, never the content.
    pub fn validate(&self) -> Result<()> {
        if self.kind.is_internal() {
            return Err(Error::invalid(format!("kind: {} is written by the store only", self.kind.name())));
        }
        if self.time < Micros::MIN || self.time > Micros::MAX {
            return Err(Error::invalid("time: outside the years 0001 to 9999"));
        }
        if let Some(id) = &self.id {
            check_text("id", id, TEXT_LEN_MAX)?;
        }
        let made_join = self.is_made_join();
        if made_join && self.kind != Kind::Join {
            return Err(Error::invalid(format!("id: {JOIN_PREFIX} begins ids of joins only")));
        }
        check_text("conversation", &self.conversation, TEXT_LEN_MAX)?;
        check_identifier("author", &self.author)?;
        // A join that was made has those of the record that named the person, and the person.
        let most = SUBJECTS_MAX + usize::from(made_join);
        check_each("subjects", &self.subjects, most, check_identifier)?;
        if !self.channel.is_empty() {
            check_text("channel", &self.channel, TEXT_LEN_MAX)?;
        }
        check_each("tags", &self.tags, TAGS_MAX, |field, tag| check_text(field, tag, TAG_LEN_MAX))?;
        if self.body.len() > BODY_LEN_MAX {
            return Err(too_long("body", BODY_LEN_MAX));
        }
        if let Some(reply_to) = &self.reply_to {
            check_text("reply_to", reply_to, TEXT_LEN_MAX)?;
        }
        if let Some(target) = &self.target {
            if !self.kind.has_target() {
                return Err(Error::invalid(
                    "target: only edits, deletions, reactions and tags are about another record",
                ));
            }
            check_text("target", target, TEXT_LEN_MAX)?;
        }
        check_each("participants", &self.participants, PARTICIPANTS_MAX, check_identifier)?;
        self.validate_extra()
    }

    fn validate_extra(&self) -> Result<()> {
        if self.extra.len() > EXTRA_MAX {
            return Err(too_many("extra", EXTRA_MAX));
        }
        if self.extra.iter().map(|(_, json)| json.len()).sum::<usize>() > EXTRA_LEN_MAX {
            return Err(too_long("extra", EXTRA_LEN_MAX));
        }
        for (i, (name, json)) in self.extra.iter().enumerate() {
            check_text("extra", name, EXTRA_NAME_LEN_MAX)?;
            if jsonl::is_field(name) || self.extra[..i].iter().any(|(other, _)| other == name) {
                return Err(Error::invalid("extra: the name of a field stands twice"));
            }
            if !jsonl::is_one_line_value(json) {
                return Err(Error::invalid("extra: not one JSON value on one line"));
            }
            if self.kind == Kind::Tag && name == REMOVED {
                let removed: Option<Vec<String>> = serde_json::from_str(json).ok();
                let removed = removed.ok_or_else(|| Error::invalid("removed: no list of tags"))?;
                check_each("removed", &removed, TAGS_MAX, |field, tag| check_text(field, tag, TAG_LEN_MAX))?;
            }
        }
        Ok(())
    }
}

/// Says what it is, never what it holds.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn check_each(
    field: &str,
    texts: &[String],
    count_max: usize,
    check: impl Fn(&str, &str) -> Result<()>,
) -> Result<()> {
    if texts.len() > count_max {
        return Err(too_many(field, count_max));
    }
    texts.iter().try_for_each(|text| check(field, text))
}

/// NFC may lengthen a text, and it is the NFC that is kept.
pub(crate) fn check_identifier(field: &str, identifier: &str) -> Result<()> {
    check_text(field, identifier, TEXT_LEN_MAX)?;
    match text::nfc(identifier) {
        Cow::Borrowed(_) => Ok(()),
        Cow::Owned(normal) => check_text(field, &normal, TEXT_LEN_MAX),
    }
}

fn check_text(field: &str, text: &str, len_max: usize) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("{field}: must not be empty")));
    }
    if text.len() > len_max {
        return Err(too_long(field, len_max));
    }
    // Without a branch a byte: short texts, and many of them.
    if text.bytes().fold(false, |found, byte| found | (byte == 0)) {
        return Err(Error::invalid(format!("{field}: must not hold a NUL character")));
    }
    Ok(())
}

fn too_long(field: &str, len_max: usize) -> Error {
    Error::invalid(format!("{field}: longer than {len_max} bytes"))
}

fn too_many(field: &str, count_max: usize) -> Error {
    Error::invalid(format!("{field}: more than {count_max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::new("c", "a", Micros(0), "")
    }

    fn refusal(record: Record) -> String {
        record.validate().unwrap_err().to_string()
    }

    #[test]
    fn limits_are_inclusive() {
        let long = "x".repeat(TEXT_LEN_MAX);
        let mut full = Record::new(&long, &long, Micros::MAX, "\0".repeat(BODY_LEN_MAX))
            .id(&long)
            .channel(&long)
            .reply_to(&long);
        full.subjects = vec![long.clone(); SUBJECTS_MAX];
        full.participants = vec![long.clone(); PARTICIPANTS_MAX];
        full.tags = vec!["t".repeat(TAG_LEN_MAX); TAGS_MAX];
        full.validate().unwrap();
        record().validate().unwrap();
    }

    #[test]
    fn refusals_name_field_and_limit() {
        let long = "x".repeat(TEXT_LEN_MAX + 1);
        let many = |n: usize| vec!["x".to_owned(); n + 1];
        for (wrong, message) in [
            (record().id(&long), "id: longer than 512 bytes"),
            (record().id(""), "id: must not be empty"),
            (record().id("\0"), "id: must not hold a NUL character"),
            (Record { conversation: long.clone(), ..record() }, "conversation: longer than 512 bytes"),
            (Record { conversation: String::new(), ..record() }, "conversation: must not be empty"),
            (Record { author: long.clone(), ..record() }, "author: longer than 512 bytes"),
            (Record { author: "a\0".into(), ..record() }, "author: must not hold a NUL character"),
            (record().subject(""), "subjects: must not be empty"),
            (Record { subjects: many(SUBJECTS_MAX), ..record() }, "subjects: more than 16"),
            (record().channel("\0"), "channel: must not hold a NUL character"),
            (record().tag("x".repeat(TAG_LEN_MAX + 1)), "tags: longer than 256 bytes"),
            (Record { tags: many(TAGS_MAX), ..record() }, "tags: more than 64"),
            (Record { body: "x".repeat(BODY_LEN_MAX + 1), ..record() }, "body: longer than 1048576 bytes"),
            (record().reply_to(&long), "reply_to: longer than 512 bytes"),
            (Record { participants: many(PARTICIPANTS_MAX), ..record() }, "participants: more than 64"),
            (record().id("join/7"), "id: join/ begins ids of joins only"),
            (
                Record { subjects: many(SUBJECTS_MAX + 1), ..record().id("join/7").kind(Kind::Join) },
                "subjects: more than 17",
            ),
            (record().kind(Kind::Opened), "kind: opened is written by the store only"),
            (Record { time: Micros(i64::MAX), ..record() }, "time: outside the years 0001 to 9999"),
            (record().extra("body", "1"), "extra: the name of a field stands twice"),
            (record().extra("n", "1").extra("n", "1"), "extra: the name of a field stands twice"),
            (record().extra("n", "1 2"), "extra: not one JSON value on one line"),
            (record().extra("n", "[1,\n2]"), "extra: not one JSON value on one line"),
        ] {
            assert_eq!(refusal(wrong), message);
        }
    }

    /// U+0958 is one character of three bytes and two of six in NFC.
    #[test]
    fn identifiers_are_measured_in_nfc_too() {
        let text = "\u{958}".repeat(TEXT_LEN_MAX / 3);
        assert_eq!(refusal(Record { author: text.clone(), ..record() }), "author: longer than 512 bytes");
        Record { conversation: text, ..record() }.validate().unwrap();
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", record().id("m1")), "Record { kind: Message, .. }");
    }
}
