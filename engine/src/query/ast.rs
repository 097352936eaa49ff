//! A query as a tree, and its printed form.

use std::fmt;

use crate::id::Micros;
use crate::index::overlay::Version;
use crate::query::words::{Form, Words};
use crate::record::{Kind, time};
use crate::text;

/// A query. Printing it and parsing the text again gives the same tree; `Debug` shows the
/// shape without the values, for a query is personal data.
///
/// A well-formed tree has at least two members under `And` and `Or`; the parser makes no other.
#[derive(Clone, PartialEq, Eq)]
pub enum Ast {
    /// `*`: every record.
    All,
    /// One condition.
    Leaf(Leaf),
    /// All of them.
    And(Vec<Ast>),
    /// Any of them.
    Or(Vec<Ast>),
    /// Not this.
    Not(Box<Ast>),
}

/// One condition on a record.
#[derive(Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A whole tag, `key:value` or a bare word.
    Tag(String),
    /// Identifier of the author.
    Author(String),
    /// Identifier of a subject.
    Subject(String),
    /// Conversation.
    Conversation(String),
    /// Channel.
    Channel(String),
    /// Kind.
    Kind(Kind),
    /// Id.
    Id(String),
    /// At this instant or later.
    After(Micros),
    /// Earlier than this instant.
    Before(Micros),
    /// Which versions of records are found. It stands once, beside all other conditions, and is none itself.
    Version(Version),
    /// Words of the body, one behind the other; there is one at least.
    Words(Words),
}

impl Ast {
    /// Whether it asks for a person by this identifier.
    pub fn names(&self, identifier: &str) -> bool {
        match self {
            Self::All => false,
            Self::Leaf(Leaf::Author(name) | Leaf::Subject(name)) => text::nfc(name) == identifier,
            Self::Leaf(_) => false,
            Self::And(of) | Self::Or(of) => of.iter().any(|child| child.names(identifier)),
            Self::Not(of) => of.names(identifier),
        }
    }
}

impl Leaf {
    /// Name of the field in the query language; words have none, and stand by themselves.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Tag(_) => "tag",
            Self::Author(_) => "author",
            Self::Subject(_) => "subject",
            Self::Conversation(_) => "conversation",
            Self::Channel(_) => "channel",
            Self::Kind(_) => "kind",
            Self::Id(_) => "id",
            Self::After(_) => "after",
            Self::Before(_) => "before",
            Self::Version(_) => "version",
            Self::Words(_) => "words",
        }
    }
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Leaf(leaf) => write!(f, "{leaf}"),
            Self::And(of) if of.is_empty() => f.write_str("*"),
            Self::Or(of) if of.is_empty() => f.write_str("-*"),
            Self::And(of) => join(f, of, " ", |child| matches!(child, Self::And(_) | Self::Or(_))),
            Self::Or(of) => join(f, of, " OR ", |child| matches!(child, Self::Or(_))),
            Self::Not(of) => {
                f.write_str("-")?;
                member(f, of, matches!(**of, Self::And(_) | Self::Or(_)))
            }
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Words(words) = self {
            let text = words.text();
            return match words.form() {
                Form::Exact => quoted(f, text),
                Form::Prefix => write!(f, "{text}*"),
                Form::Near => write!(f, "{text}~1"),
            };
        }
        write!(f, "{}:", self.field())?;
        match self {
            Self::Tag(v)
            | Self::Author(v)
            | Self::Subject(v)
            | Self::Conversation(v)
            | Self::Channel(v)
            | Self::Id(v) => value(f, v),
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::After(at) | Self::Before(at) => f.write_str(&time::format(*at)),
            Self::Version(version) => f.write_str(version.name()),
            Self::Words(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Leaf(leaf) => write!(f, "{leaf:?}"),
            Self::And(of) => f.debug_tuple("And").field(of).finish(),
            Self::Or(of) => f.debug_tuple("Or").field(of).finish(),
            Self::Not(of) => f.debug_tuple("Not").field(of).finish(),
        }
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field())
    }
}

/// Whether a character ends a bare value or has a meaning of its own inside one.
pub(crate) fn is_special(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"' | '*')
}

fn join(f: &mut fmt::Formatter<'_>, of: &[Ast], between: &str, wrap: fn(&Ast) -> bool) -> fmt::Result {
    for (i, child) in of.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        member(f, child, wrap(child))?;
    }
    Ok(())
}

fn member(f: &mut fmt::Formatter<'_>, child: &Ast, wrap: bool) -> fmt::Result {
    if wrap { write!(f, "({child})") } else { write!(f, "{child}") }
}

fn value(f: &mut fmt::Formatter<'_>, v: &str) -> fmt::Result {
    if !v.is_empty() && !v.contains(is_special) {
        return f.write_str(v);
    }
    quoted(f, v)
}

fn quoted(f: &mut fmt::Formatter<'_>, v: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in v.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("\"")
}
