//! Line to record, strictly.
//!

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::record::input::Record;
use crate::record::jsonl::members::Members;
use crate::record::kind::Kind;
use crate::record::limits::LINE_LEN_MAX;
use crate::record::stored::{REASON, REMOVED};
use crate::record::time;

/// Reads one record; the line end may be there or not. The record is within its limits
/// ([`Record::validate`]). Unknown fields are refused, unless `lenient`: then their JSON text is
/// kept in [`Record::extra`].
///
/// ```
/// use escrowdb::record::jsonl;
/// let line = br#"{"conversation":"c1","author":"anna","time":"2026-01-31T12:00:00Z","body":"Hi","mood":"good"}"#;
/// assert_eq!(jsonl::parse(line, false).unwrap_err().to_string(), "unknown field \"mood\"");
/// assert_eq!(jsonl::parse(line, true)?.extra, [("mood".into(), "\"good\"".into())]);
/// # Ok::<(), escrowdb::Error>(())
/// ```
///
/// # Errors
/// `Invalid`; the message names the field and what was expected, never the content. The name of
/// an unknown field is shown only if it is a short ASCII word.
pub fn parse(line: &[u8], lenient: bool) -> Result<Record> {
    if line.len() > LINE_LEN_MAX {
        return Err(Error::invalid(format!("the line is longer than {LINE_LEN_MAX} bytes")));
    }
    let text = std::str::from_utf8(line)
        .map_err(|e| Error::invalid(format!("not UTF-8 after byte {}", e.valid_up_to())))?;
    let mut members = Members::new(text)?;
    let mut draft = Draft::default();
    while let Some(name) = members.next_name()? {
        match Field::of(&name) {
            Some(field) => draft.set(field, members.value()?.0)?,
            None if lenient || kind_with(&name).is_some() => draft.keep(name, members.value()?.1)?,
            None => return Err(unknown_field(&name)),
        }
    }
    let record = draft.finish()?;
    let strange = |name: &str| !lenient && kind_with(name) != Some(record.kind);
    if let Some((name, _)) = record.extra.iter().find(|(name, _)| strange(name)) {
        return Err(unknown_field(name));
    }
    record.validate()?;
    Ok(record)
}

/// The one kind of records that have a further field of this name.
fn kind_with(name: &str) -> Option<Kind> {
    match name {
        REMOVED => Some(Kind::Tag),
        REASON => Some(Kind::Edit),
        _ => None,
    }
}

fn unknown_field(name: &str) -> Error {
    Error::invalid(format!("unknown field{}", shown(name)))
        .hint("fix the name, or import leniently to keep the field")
}

/// Whether a record has a field of this name.
pub fn is_field(name: &str) -> bool {
    Field::of(name).is_some()
}

/// Whether `json` is exactly one JSON value without a line break.
pub fn is_one_line_value(json: &str) -> bool {
    !json.contains(['\n', '\r']) && serde_json::from_str::<Value>(json).is_ok()
}

macro_rules! fields {
    ($($variant:ident $name:literal),+ $(,)?) => {
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        enum Field { $($variant),+ }

        impl Field {
            fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

fields! {
    Id "id",
    Conversation "conversation",
    Author "author",
    Subjects "subjects",
    Time "time",
    Channel "channel",
    Kind "kind",
    Tags "tags",
    Body "body",
    ReplyTo "reply_to",
    Target "target",
    Participants "participants",
}

/// What was read of a record so far.
#[derive(Default)]
struct Draft {
    /// One bit per field that stood in the line.
    seen: u32,
    id: Option<String>,
    conversation: Option<String>,
    author: Option<String>,
    subjects: Vec<String>,
    time: Option<String>,
    channel: Option<String>,
    kind: Option<String>,
    tags: Vec<String>,
    body: Option<String>,
    reply_to: Option<String>,
    target: Option<String>,
    participants: Vec<String>,
    extra: Vec<(String, String)>,
}

impl Draft {
    fn set(&mut self, field: Field, value: Value) -> Result<()> {
        let bit = 1 << field as u32;
        if self.seen & bit != 0 {
            return Err(Error::invalid(format!("doubled field \"{}\"", field.name())));
        }
        self.seen |= bit;
        match field {
            Field::Id => self.id = optional_text(field, value)?,
            Field::Conversation => self.conversation = Some(text(field, value)?),
            Field::Author => self.author = Some(text(field, value)?),
            Field::Subjects => self.subjects = texts(field, value)?,
            Field::Time => self.time = Some(text(field, value)?),
            Field::Channel => self.channel = optional_text(field, value)?,
            Field::Kind => self.kind = optional_text(field, value)?,
            Field::Tags => self.tags = texts(field, value)?,
            Field::Body => self.body = Some(text(field, value)?),
            Field::ReplyTo => self.reply_to = optional_text(field, value)?,
            Field::Target => self.target = optional_text(field, value)?,
            Field::Participants => self.participants = texts(field, value)?,
        }
        Ok(())
    }

    fn keep(&mut self, name: Cow<str>, json: &str) -> Result<()> {
        if self.extra.iter().any(|(other, _)| *other == name) {
            return Err(Error::invalid(format!("doubled field{}", shown(&name))));
        }
        // A raw line break can only stand between tokens, where a blank means the same.
        self.extra.push((name.into_owned(), json.replace(['\n', '\r'], " ")));
        Ok(())
    }

    fn finish(self) -> Result<Record> {
        let required = |field: Field, value: Option<String>| {
            value.ok_or_else(|| Error::invalid(format!("missing field \"{}\"", field.name())))
        };
        let conversation = required(Field::Conversation, self.conversation)?;
        let author = required(Field::Author, self.author)?;
        let time = required(Field::Time, self.time)?;
        let body = required(Field::Body, self.body)?;
        let time = time::parse(&time).map_err(|e| e.context("time"))?;
        let mut record = Record::new(conversation, author, time, body);
        if let Some(name) = self.kind {
            record.kind = Kind::parse(&name).ok_or_else(unknown_kind)?;
        }
        record.id = self.id;
        record.subjects = self.subjects;
        record.channel = self.channel.unwrap_or_default();
        record.tags = self.tags;
        record.reply_to = self.reply_to;
        record.target = self.target;
        record.participants = self.participants;
        record.extra = self.extra;
        Ok(record)
    }
}

fn text(field: Field, value: Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(expected(field, "a string", &other)),
    }
}

fn optional_text(field: Field, value: Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        other => Err(expected(field, "a string or null", &other)),
    }
}

fn texts(field: Field, value: Value) -> Result<Vec<String>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(expected(field, "only strings in the array", &other)),
            })
            .collect(),
        other => Err(expected(field, "an array of strings or null", &other)),
    }
}

fn expected(field: Field, what: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Error::invalid(format!("{}: expected {what}, found {found}", field.name()))
}

fn unknown_kind() -> Error {
    let names: Vec<&str> = Kind::ALL.into_iter().filter(|kind| !kind.is_internal()).map(Kind::name).collect();
    Error::invalid("kind: unknown").hint(format!("one of {}", names.join(", ")))
}

/// A name of an unknown field, for a message, if it is short and plain enough to be no content.
fn shown(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && name.len() <= 32;
    if plain { format!(" \"{name}\"") } else { " (its name is not shown)".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Micros;
    use crate::record::limits::{BODY_LEN_MAX, EXTRA_LEN_MAX, EXTRA_MAX};
    use proptest::prelude::*;

    const LINE: &str = r#"{"id":"m1","conversation":"c1","author":"anna@example.org","subjects":["anna@example.org"],"time":"2026-01-31T12:00:00Z","channel":"web","kind":"message","tags":["dept:sales","lang:de"],"body":"…","reply_to":null}"#;

    fn strict(line: &str) -> Result<Record> {
        parse(line.as_bytes(), false)
    }

    /// The four required fields, and what is added.
    fn with(more: &str) -> String {
        format!(r#"{{"conversation":"c","author":"a","time":"1970-01-01T00:00:00Z","body":""{more}}}"#)
    }

    fn refusal(line: &str) -> String {
        strict(line).unwrap_err().to_string()
    }

    #[test]
    fn reads_every_field() {
        let expected = Record::new("c1", "anna@example.org", Micros(1_769_860_800_000_000), "…")
            .id("m1")
            .subject("anna@example.org")
            .channel("web")
            .tag("dept:sales")
            .tag("lang:de");
        assert!(strict(LINE).unwrap() == expected);
        assert!(strict(&format!("{LINE}\r\n")).unwrap() == expected);
        let line = LINE.replace("null}", r#""m0","participants":["anna@example.org","ben"]}"#);
        assert!(
            strict(&line).unwrap()
                == expected.reply_to("m0").participant("anna@example.org").participant("ben")
        );
    }

    /// Lines as the chat sets give them: emoji, Japanese, empty and long bodies, actions.
    #[test]
    fn reads_lines_of_chat_sets() {
        let line = r#"{"id": "560ab5d0b", "conversation": "FreeCodeCamp", "author": "qmikew1", "subjects": ["qmikew1"], "time": "2015-09-29T15:58:51.123Z", "channel": "FreeCodeCamp", "kind": "message", "tags": ["set:gitter"], "body": "nice \ud83d\udc4d\ud83c\udffd 👩‍👩‍👧", "reply_to": null, "participants": ["qmikew1"]}"#;
        assert_eq!(strict(line).unwrap().body, "nice 👍🏽 👩‍👩‍👧");
        let line = r##"{"id": "20090401/7", "conversation": "#duraspace 2009-04-01", "author": "bob_", "subjects": ["bob_"], "time": "2009-04-01T08:01:00.000Z", "channel": "#duraspace", "kind": "action", "tags": ["set:duraspace", "clock:minute"], "body": "", "reply_to": null, "participants": ["bob_", "eve"]}"##;
        let record = strict(line).unwrap();
        assert!(record.kind == Kind::Action && record.body.is_empty());
        assert_eq!(record.participants, ["bob_", "eve"]);
        let line = LINE.replace('…', "こんにちは、東京。").replace("lang:de", "lang:ja");
        assert_eq!(strict(&line).unwrap().body, "こんにちは、東京。");
        let body = "line\\n\\\"quoted\\\" ".repeat(256);
        assert_eq!(strict(&LINE.replace('…', &body)).unwrap().body, "line\n\"quoted\" ".repeat(256));
        assert_eq!(strict(&LINE.replace('…', "a\\u0000b")).unwrap().body, "a\0b");
    }

    #[test]
    fn null_and_missing_are_the_same() {
        let nulls = r#","id":null,"reply_to":null,"channel":null,"tags":null,"subjects":null,"participants":null,"kind":null"#;
        let record = strict(&with(nulls)).unwrap();
        assert!(record == strict(&with("")).unwrap());
        assert!(record == Record::new("c", "a", Micros(0), ""));
    }

    #[test]
    fn refusals_name_the_field() {
        for (line, message) in [
            (with(r#","tag":[]"#), "unknown field \"tag\""),
            (with(r#","body":"""#), "doubled field \"body\""),
            (with(r#","\u0062ody":"""#), "doubled field \"body\""),
            (with(r#","id":7"#), "id: expected a string or null, found a number"),
            (with(r#","tags":"x""#), "tags: expected an array of strings or null, found a string"),
            (with(r#","tags":["x",null]"#), "tags: expected only strings in the array, found null"),
            (with(r#","kind":"secret""#), "kind: unknown"),
            (with(r#","kind":"person""#), "kind: person is written by the store only"),
            (with(r#","kind":"erased""#), "kind: erased is written by the store only"),
            (with(r#","tags":["a\u0000"]"#), "tags: must not hold a NUL character"),
            (with(r#","id":"""#), "id: must not be empty"),
            (with("").replace(r#""a""#, r#""""#), "author: must not be empty"),
            (with("").replace(r#""a""#, "null"), "author: expected a string, found null"),
            (with("").replace("0Z", "0"), "time: the zone is missing"),
            (with("").replace(r#""body":"""#, r#""id":"""#), "missing field \"body\""),
            (with("").replace("conversation", "channel"), "missing field \"conversation\""),
            ("{}".into(), "missing field \"conversation\""),
            ("[]".into(), "not a JSON object"),
        ] {
            assert_eq!(refusal(&line), message, "{line}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}", true).unwrap_err().to_string(), "not UTF-8 after byte 6");
    }

    #[test]
    fn names_that_may_be_content_are_not_shown() {
        for name in ["anna@example.org", "two words", "名前", "1x", "", &"x".repeat(33)] {
            let message = refusal(&with(&format!(r#","{name}":1"#)));
            assert_eq!(message, "unknown field (its name is not shown)");
        }
    }

    #[test]
    fn lenient_keeps_the_text_of_unknown_fields() {
        let line = with(",\"n\": 1.50 ,\"o\" : {\"b\":[1,\n2],\"a\":\"\\u00e9\"},\"\\u006e2\":null");
        let record = parse(line.as_bytes(), true).unwrap();
        let kept: Vec<(&str, &str)> = record.extra.iter().map(|(n, j)| (n.as_str(), j.as_str())).collect();
        assert_eq!(kept, [("n", "1.50"), ("o", "{\"b\":[1, 2],\"a\":\"\\u00e9\"}"), ("n2", "null")]);
        let refused = |more: &str| parse(with(more).as_bytes(), true).unwrap_err().to_string();
        assert_eq!(refused(r#","n":1,"n":2"#), "doubled field \"n\"");
        assert_eq!(
            refused(&format!(r#","n":"{}""#, "x".repeat(EXTRA_LEN_MAX))),
            "extra: longer than 262144 bytes"
        );
        let many: String = (0..=EXTRA_MAX).map(|i| format!(r#","n{i}":1"#)).collect();
        assert_eq!(refused(&many), "extra: more than 64");
    }

    #[test]
    fn the_longest_body_fits_even_if_escaped() {
        let line = LINE.replace('…', &"\\u0001".repeat(BODY_LEN_MAX));
        assert_eq!(strict(&line).unwrap().body.len(), BODY_LEN_MAX);
        assert_eq!(
            refusal(&LINE.replace('…', &"x".repeat(BODY_LEN_MAX + 1))),
            "body: longer than 1048576 bytes"
        );
        assert_eq!(refusal(&" ".repeat(LINE_LEN_MAX + 1)), "the line is longer than 8388608 bytes");
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, at in 0..LINE.len(), len in 0usize..8) {
            let _ = parse(&bytes, true);
            let end = (at + len).min(LINE.len());
            let spliced = [&LINE.as_bytes()[..at], &bytes, &LINE.as_bytes()[end..]].concat();
            let _ = (parse(&spliced, true), parse(&spliced, false));
        }
    }
}
