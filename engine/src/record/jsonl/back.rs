//! A line of an export, read back to say which record it shows.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::record::Stored;
use crate::record::jsonl::members::Members;
use crate::record::jsonl::print::{View, print_record};
use crate::record::kind::Kind;
use crate::record::time;

/// What a line of an export shows. It is read from any JSON that has the fields; whether the line is the
/// one form of it says [`Shown::is_line_of`].
pub struct Shown {
    /// Identifier of the author; `None` if it is unknown.
    pub author: Option<String>,
    /// Identifiers of the subjects that are known.
    pub subjects: Vec<String>,
    /// All that stands in the line but people, who have no numbers there.
    pub record: Stored,
}

impl Shown {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// *Invalid* if it is none; the message says nothing of its content.
    pub fn read(line: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(line).map_err(|_| no_record())?;
        let (mut author, mut subjects, mut record) = (None, Vec::new(), Stored::default());
        let mut members = Members::new(text)?;
        while let Some(name) = members.next_name()? {
            let (value, json) = members.value()?;
            match &*name {
                "id" => record.id = text_of(value)?,
                "conversation" => record.conversation = text_of(value)?,
                "author" => author = optional(value)?,
                "subjects" => subjects = texts(value)?,
                "time" => record.time = time::parse(&text_of(value)?)?,
                "channel" => record.channel = text_of(value)?,
                "kind" => record.kind = Kind::parse(&text_of(value)?).ok_or_else(no_record)?,
                "tags" => record.tags = texts(value)?,
                "body" => record.body = text_of(value)?,
                "reply_to" => record.reply_to = optional(value)?,
                // Elsewhere it is a field of the importer's own, kept before records had targets.
                "target" if record.kind.has_target() => record.target = optional(value)?,
                _ => record.extra.push((name.into_owned(), json.to_owned())),
            }
        }
        Ok(Self { author, subjects, record })
    }

    /// Whether `line` is what an export prints of it.
    pub fn is_line_of(&self, line: &[u8]) -> bool {
        let subjects: Vec<&str> = self.subjects.iter().map(String::as_str).collect();
        let mut printed = String::with_capacity(line.len() + 1);
        print_record(
            &mut printed,
            &View {
                id: &self.record.id,
                conversation: &self.record.conversation,
                author: self.author.as_deref(),
                subjects: &subjects,
                time: self.record.time,
                channel: &self.record.channel,
                kind: self.record.kind,
                tags: &self.record.tags,
                body: &self.record.body,
                reply_to: self.record.reply_to.as_deref(),
                target: self.record.target.as_deref(),
                extra: &self.record.extra,
            },
        );
        printed.as_bytes() == line
    }
}

fn text_of(value: Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(no_record()),
    }
}

fn optional(value: Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        other => text_of(other).map(Some),
    }
}

fn texts(value: Value) -> Result<Vec<String>> {
    match value {
        Value::Array(items) => items.into_iter().map(text_of).collect(),
        _ => Err(no_record()),
    }
}

fn no_record() -> Error {
    Error::invalid("the line shows no record")
}
