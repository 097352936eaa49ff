//! Which records a rule takes: conditions on what stands beside the body, in the form of the query
//! language, looked at one record at a time while it comes in.
//!
//! Words, ids, people as subjects and times are left out on purpose: a class is fixed when a record comes
//! in, and must not depend on what was opened, on who is whose, or on the clock.

use crate::error::{Error, Result};
use crate::record::{Kind, Record};
use crate::text::nfc;

/// Longest text of a condition, bytes.
const LEN_MAX: usize = 1024;
/// Deepest nesting.
const DEPTH_MAX: usize = 16;

/// What a record says beside its body.
#[derive(Clone, Copy)]
pub struct RecordFacts<'a> {
    /// Kind.
    pub kind: Kind,
    /// Conversation.
    pub conversation: &'a str,
    /// Identifier of the author.
    pub author: &'a str,
    /// Channel.
    pub channel: &'a str,
    /// Tags.
    pub tags: &'a [String],
}

impl<'a> From<&'a Record> for RecordFacts<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            kind: record.kind,
            conversation: &record.conversation,
            author: &record.author,
            channel: &record.channel,
            tags: &record.tags,
        }
    }
}

/// A condition on a record.
#[derive(Clone, PartialEq, Eq)]
pub enum Condition {
    /// Every record of the default kinds and of the kind `context`.
    All,
    /// A kind.
    Kind(Kind),
    /// A channel.
    Channel(String),
    /// A whole tag.
    Tag(String),
    /// Tags that begin so: `tag:dept:*`.
    TagPrefix(String),
    /// A conversation.
    Conversation(String),
    /// An author.
    Author(String),
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
}

/// A rule may name people: it is shown to who asks for it, not to who looks on.
impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").finish_non_exhaustive()
    }
}

impl Condition {
    /// Reads a condition: `kind: channel: tag: conversation: author:`, `*`, `OR`, `NOT` or `-`,
    /// parentheses; what stands side by side must all hold.
    ///
    /// ```
    /// use escrowdb::policy::selector::{Condition, RecordFacts};
    /// use escrowdb::record::Kind;
    /// let rule = Condition::parse("tag:dept:sales -channel:phone")?;
    /// let tags = ["dept:sales".to_owned()];
    /// let mut record =
    ///     RecordFacts { kind: Kind::Message, conversation: "c", author: "a", channel: "web", tags: &tags };
    /// assert!(rule.holds(&record));
    /// record.channel = "phone";
    /// assert!(!rule.holds(&record));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Invalid*, which says what may stand there and repeats nothing.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LEN_MAX {
            return Err(Error::invalid(format!("a condition has at most {LEN_MAX} bytes")));
        }
        let mut parser = Parser { rest: text.trim() };
        let condition = parser.any(0)?;
        if parser.rest.is_empty() { Ok(condition) } else { Err(Error::invalid("a parenthesis too many")) }
    }

    /// Whether a record satisfies it.
    pub fn holds(&self, record: &RecordFacts<'_>) -> bool {
        match self {
            Self::All => record.kind.is_default() || record.kind == Kind::Context,
            Self::Kind(kind) => record.kind == *kind,
            Self::Channel(channel) => record.channel == channel,
            Self::Tag(tag) => record.tags.iter().any(|other| other == tag),
            Self::TagPrefix(beginning) => record.tags.iter().any(|tag| tag.starts_with(beginning)),
            Self::Conversation(name) => record.conversation == name,
            Self::Author(name) => nfc(record.author) == *name,
            Self::And(all) => all.iter().all(|of| of.holds(record)),
            Self::Or(any) => any.iter().any(|of| of.holds(record)),
            Self::Not(of) => !of.holds(record),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn any(&mut self, depth: usize) -> Result<Condition> {
        if depth > DEPTH_MAX {
            return Err(Error::invalid("a condition is nested too deeply"));
        }
        let mut members = vec![self.all(depth)?];
        while self.word("OR") {
            members.push(self.all(depth)?);
        }
        Ok(one_or(members, Condition::Or))
    }

    fn all(&mut self, depth: usize) -> Result<Condition> {
        let mut members = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with(')') || self.is_word("OR") {
                break;
            }
            members.push(self.one(depth)?);
        }
        if members.is_empty() {
            return Err(Error::invalid("a condition is missing").hint("`*` takes every record"));
        }
        Ok(one_or(members, Condition::And))
    }

    fn one(&mut self, depth: usize) -> Result<Condition> {
        if depth > DEPTH_MAX {
            return Err(Error::invalid("a condition is nested too deeply"));
        }
        if self.word("NOT") || self.skip('-') {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.skip('(') {
            let inner = self.any(depth + 1)?;
            return if self.skip(')') {
                Ok(inner)
            } else {
                Err(Error::invalid("a parenthesis is not closed"))
            };
        }
        if self.skip('*') {
            return Ok(Condition::All);
        }
        let name = self.rest.find(':').and_then(|at| self.rest.get(..at)).unwrap_or_default();
        let of: fn(String) -> Condition = match name {
            "channel" => Condition::Channel,
            "tag" => Condition::Tag,
            "conversation" => Condition::Conversation,
            "author" => Condition::Author,
            "kind" => {
                let value = self.value(name)?;
                let kind = Kind::parse(&value).filter(|kind| !kind.is_internal());
                return kind.map(Condition::Kind).ok_or_else(|| Error::invalid("kind: unknown"));
            }
            _ => {
                return Err(Error::invalid(
                    "a condition is one of kind: channel: tag: conversation: author: or *",
                )
                .hint("words, ids, subjects and times are not asked of a record that comes in"));
            }
        };
        let is_quoted = self.rest.get(name.len() + 1..).is_some_and(|rest| rest.starts_with('"'));
        let value = self.value(name)?;
        match (name, value.strip_suffix('*')) {
            ("tag", Some(beginning)) if !is_quoted => Ok(Condition::TagPrefix(beginning.to_owned())),
            // Identifiers are equal after NFC.
            ("author", _) => Ok(Condition::Author(nfc(&value).into_owned())),
            _ => Ok(of(value)),
        }
    }

    fn value(&mut self, name: &str) -> Result<String> {
        let missing = || Error::invalid("a value is missing behind its field");
        self.rest = self.rest.get(name.len() + 1..).unwrap_or_default();
        if !self.skip('"') {
            let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"'));
            let (value, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            self.rest = rest;
            return if value.is_empty() { Err(missing()) } else { Ok(value.to_owned()) };
        }
        let mut value = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return if value.is_empty() { Err(missing()) } else { Ok(value) };
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    _ => return Err(Error::invalid("a backslash stands before \" and \\ only")),
                },
                c => value.push(c),
            }
        }
        Err(Error::invalid("a quotation mark is not closed"))
    }

    fn is_word(&self, word: &str) -> bool {
        let behind = self.rest.strip_prefix(word);
        behind
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '('))
    }

    fn word(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        let is = self.is_word(word);
        if is {
            self.rest = self.rest.get(word.len()..).unwrap_or_default().trim_start();
        }
        is
    }

    fn skip(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest: Option<&'t str> = self.rest.strip_prefix(c);
        rest.map(|rest| self.rest = rest).is_some()
    }
}

fn one_or(mut members: Vec<Condition>, of: fn(Vec<Condition>) -> Condition) -> Condition {
    match members.len() {
        1 => members.swap_remove(0),
        _ => of(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, kind: Kind, channel: &str, tags: &[&str]) -> bool {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let record = RecordFacts { kind, conversation: "c 1", author: "kim", channel, tags: &tags };
        Condition::parse(condition).unwrap().holds(&record)
    }

    #[test]
    fn conditions_hold_as_they_read() {
        let message = |condition: &str| holds(condition, Kind::Message, "web", &["dept:sales", "vip"]);
        for yes in [
            "*",
            "kind:message",
            "tag:vip channel:web",
            "tag:dept:sales",
            "tag:dept:*",
            "channel:phone OR tag:vip",
            "-channel:phone",
            "NOT (channel:phone OR kind:file)",
            "conversation:\"c 1\" author:kim",
            "( tag:none OR tag:vip ) kind:message",
        ] {
            assert!(message(yes), "{yes}");
        }
        for no in
            ["kind:file", "tag:dept", "tag:vip channel:phone", "-*", "tag:dep*s", "NOT tag:vip OR kind:file"]
        {
            assert!(!message(no), "{no}");
        }
        assert!(!message("tag:\"dept:*\""), "a star in quotation marks is a star");
        assert!(holds("*", Kind::Context, "", &[]) && !holds("*", Kind::Join, "", &[]));
    }

    #[test]
    fn everything_else_is_refused_without_a_word_of_it() {
        for wrong in [
            "",
            "hello",
            "id:m1",
            "subject:anna",
            "after:2026",
            "(kind:message",
            "kind:message)",
            "kind:erased",
            "kind:",
            "tag:\"x",
            "OR tag:x",
            "tag:x OR",
            "()",
            "-",
            "channel:\"\"",
            "secret:x",
            &"(".repeat(100),
            &"-".repeat(100),
            &"x".repeat(2000),
        ] {
            let e = Condition::parse(wrong).unwrap_err();
            assert!(!e.to_string().contains("secret") && !e.to_string().contains("hello"), "{e}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in r#"([a-z:"()*\\ -]|tag:|OR |NOT |ä){0,30}"#) {
            let _ = Condition::parse(&text);
        }
    }
}
