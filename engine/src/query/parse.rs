//! Text of a query → tree.
//!
//! Recursive descent by hand: the grammar is small, every error names the character where it
//! stands, and length, depth and number of terms have hard limits that hold before anything is
//! built. No error echoes the text, for a query is personal data.
//!
//! ```text
//! query   = or
//! or      = and { "OR" and }
//! and     = not { [ "AND" ] not }
//! not     = { "NOT" | "-" } primary
//! primary = "(" or ")" | "*" | field ":" value | words | words "*" | word "~1" | '"' words '"'
//! ```

use crate::error::{Error, Result};
use crate::id::Micros;
use crate::index::overlay::Version;
use crate::query::ast::{Ast, Leaf, is_special};
use crate::query::dates;
use crate::query::words::{Form, Words};
use crate::record::Kind;

/// Longest query, in bytes.
pub const LEN_MAX: usize = 64 * 1024;
/// Deepest nesting of parentheses and negations.
pub const DEPTH_MAX: usize = 64;
/// Most conditions in a query; `on:` counts as two.
pub const TERMS_MAX: usize = 1024;

/// Parses a query; `now` is what relative times count from.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::query::parse::parse;
/// let ast = parse(r#"tag:dept:sales -author:"Anna B" after:2026-01"#, Micros(0))?;
/// assert_eq!(ast.to_string(), r#"tag:dept:sales -author:"Anna B" after:2026-01-01T00:00:00Z"#);
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub fn parse(text: &str, now: Micros) -> Result<Ast> {
    if text.len() > LEN_MAX {
        return Err(Error::invalid(format!("the query is longer than {LEN_MAX} bytes")));
    }
    let mut parser = Parser { text, at: 0, depth: 0, terms: 0, now, version: None };
    parser.space();
    if parser.peek().is_none() {
        return Err(Error::invalid("the query is empty").hint("`*` finds every record"));
    }
    let ast = parser.or()?;
    match parser.peek() {
        None => match parser.version {
            Some(at) if !has_version(&ast) => Err(parser.refuse(at, VERSION_PLACE)),
            _ => Ok(ast),
        },
        Some(_) => Err(parser.refuse(parser.at, "this closing parenthesis opens nowhere")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte position, always between characters.
    at: usize,
    depth: usize,
    terms: usize,
    now: Micros,
    /// Where it says which versions are found.
    version: Option<usize>,
}

const VERSION_PLACE: &str = "which versions are found is said once, beside all other conditions";

/// Whether a query says beside all other conditions which versions it finds.
fn has_version(ast: &Ast) -> bool {
    match ast {
        Ast::Leaf(Leaf::Version(_)) => true,
        Ast::And(of) => of.iter().any(has_version),
        _ => false,
    }
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Ast> {
        let mut of = vec![self.and()?];
        while self.word() == "OR" {
            self.at += 2;
            of.push(self.and()?);
        }
        Ok(one_or(of, Ast::Or))
    }

    /// Leaves the position at the end, at `)` or at `OR`.
    fn and(&mut self) -> Result<Ast> {
        let mut of = vec![self.not()?];
        loop {
            self.space();
            match self.peek() {
                None | Some(')') => break,
                Some(_) => {}
            }
            match self.word() {
                "OR" => break,
                "AND" => self.at += 3,
                _ => {}
            }
            of.push(self.not()?);
        }
        Ok(one_or(of, Ast::And))
    }

    fn not(&mut self) -> Result<Ast> {
        self.space();
        let start = self.at;
        if self.word() == "NOT" {
            self.at += 3;
        } else if self.peek() == Some('-') {
            self.at += 1;
            if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
                return Err(self.refuse(start, "a minus stands directly before what it negates"));
            }
        } else {
            return self.primary();
        }
        self.enter(start)?;
        let of = self.not()?;
        self.depth -= 1;
        Ok(Ast::Not(Box::new(of)))
    }

    fn primary(&mut self) -> Result<Ast> {
        let start = self.at;
        match self.peek() {
            None => Err(self.refuse(start, "a term is missing at the end")),
            Some(')') => Err(self.refuse(start, "a term is missing before this parenthesis")),
            Some('(') => {
                self.enter(start)?;
                self.at += 1;
                let of = self.or()?;
                if self.peek() != Some(')') {
                    return Err(self.refuse(start, "this parenthesis is never closed"));
                }
                self.at += 1;
                self.depth -= 1;
                self.boundary()?;
                Ok(of)
            }
            Some('"') => {
                let mut text = String::new();
                self.quoted(&mut text)?;
                self.boundary()?;
                self.words(start, text, Form::Exact)
            }
            Some(_) => self.term(start),
        }
    }

    fn term(&mut self, start: usize) -> Result<Ast> {
        let word = self.word();
        match word {
            "*" => {
                self.count(start)?;
                self.at += 1;
                self.boundary()?;
                return Ok(Ast::All);
            }
            "AND" | "OR" => return Err(self.refuse(start, "a term is missing before this operator")),
            _ => {}
        }
        let Some((field, _)) = word.split_once(':').filter(|(field, rest)| is_field(field, rest)) else {
            return self.bare_words(start);
        };
        self.count(start)?;
        self.at += field.len() + 1;
        let value_at = self.at;
        let leaf = match field {
            "tag" => Leaf::Tag(self.value(true)?),
            "author" => Leaf::Author(self.value(false)?),
            "subject" => Leaf::Subject(self.value(false)?),
            "conversation" => Leaf::Conversation(self.value(false)?),
            "channel" => Leaf::Channel(self.value(false)?),
            "id" => Leaf::Id(self.value(false)?),
            "kind" => {
                let word = self.value(false)?;
                let kind = Kind::parse(&word);
                Leaf::Kind(kind.ok_or_else(|| self.refuse(value_at, "this is no kind of record"))?)
            }
            "version" => {
                let version = Version::parse(&self.value(false)?);
                let unknown = || self.refuse(value_at, "versions are newest, first and all");
                let version = version.ok_or_else(unknown)?;
                if self.version.replace(start).is_some() {
                    return Err(self.refuse(start, VERSION_PLACE));
                }
                Leaf::Version(version)
            }
            "after" => Leaf::After(self.instant(value_at)?),
            "before" => Leaf::Before(self.instant(value_at)?),
            "on" => return self.on(start, value_at),
            _ => return Err(self.unknown_field(start)),
        };
        Ok(Ast::Leaf(leaf))
    }

    /// Words that stand without quotation marks: `anna`, `anna@example.org`, `pre*`, `word~1`.
    fn bare_words(&mut self, start: usize) -> Result<Ast> {
        let rest = &self.text[self.at..];
        let text = &rest[..rest.find(is_special).unwrap_or(rest.len())];
        self.at += text.len();
        let (text, form) = if self.peek() == Some('*') {
            let star = self.at;
            self.at += 1;
            if text.is_empty() || self.boundary().is_err() {
                return Err(self
                    .refuse(star, "a star stands at the end of a word")
                    .hint("`pre*` finds words that begin so; nothing finds words by their end"));
            }
            (text, Form::Prefix)
        } else {
            self.boundary()?;
            match text.rsplit_once('~') {
                Some((word, "1")) => (word, Form::Near),
                Some((_, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    return Err(self
                        .refuse(self.at - digits.len(), "near words differ by one character: ~1")
                        .hint("quote the word if the sign belongs to it"));
                }
                _ => (text, Form::Exact),
            }
        };
        self.words(start, text.to_owned(), form)
    }

    fn words(&mut self, start: usize, text: String, form: Form) -> Result<Ast> {
        // What is wrong with it is told here, where its place is known.
        let words = Words::new(text, form).map_err(|e| e.context(place(self.character(start))))?;
        for _ in 0..words.count() {
            self.count(start)?;
        }
        Ok(Ast::Leaf(Leaf::Words(words.at(self.character(start)))))
    }

    fn instant(&mut self, value_at: usize) -> Result<Micros> {
        let text = self.value(false)?;
        dates::instant(&text, self.now).ok_or_else(|| {
            self.refuse(value_at, "this is no time")
                .hint("write 2026-01-31, 2026-01, 2026, 2026-01-31T12:00:00Z, -7d, -12h, -2w, -3m, -1y, today, yesterday or now")
        })
    }

    /// A stretch of time is a pair of conditions, nested like one in parentheses: so it prints.
    fn on(&mut self, start: usize, value_at: usize) -> Result<Ast> {
        self.enter(start)?;
        let text = self.value(false)?;
        let (from, before) = dates::span(&text, self.now).ok_or_else(|| {
            self.refuse(value_at, "this is no day, month or year")
                .hint("write 2026-01-31, 2026-01, 2026, today or yesterday")
        })?;
        self.depth -= 1;
        let from = Ast::Leaf(Leaf::After(from));
        if before > Micros::MAX {
            return Ok(from);
        }
        self.count(start)?;
        Ok(Ast::And(vec![from, Ast::Leaf(Leaf::Before(before))]))
    }

    /// A quoted or bare value and the end of the term. A tag may quote what follows a colon.
    fn value(&mut self, tag: bool) -> Result<String> {
        let start = self.at;
        let mut value = String::new();
        if self.peek() != Some('"') {
            let rest = &self.text[self.at..];
            value.push_str(&rest[..rest.find(is_special).unwrap_or(rest.len())]);
            self.at += value.len();
        }
        if self.peek() == Some('"') && (self.at == start || tag && value.ends_with(':')) {
            self.quoted(&mut value)?;
        }
        if self.peek() == Some('*') {
            return Err(self
                .refuse(self.at, "values are compared as a whole; wildcards are reserved")
                .hint("quote the value if the star belongs to it"));
        }
        if value.is_empty() {
            return Err(self.refuse(start, "a value is missing"));
        }
        self.boundary()?;
        Ok(value)
    }

    fn quoted(&mut self, out: &mut String) -> Result<()> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            let place = self.at;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(()),
                '\\' => match self.peek() {
                    Some(c @ ('"' | '\\')) => {
                        self.at += 1;
                        out.push(c);
                    }
                    _ => {
                        return Err(self.refuse(
                            place,
                            "a backslash stands before a quotation mark or a backslash only",
                        ));
                    }
                },
                c => out.push(c),
            }
        }
        Err(self.refuse(start, "this quotation mark is never closed"))
    }

    /// After a term: space, a closing parenthesis or the end.
    fn boundary(&self) -> Result<()> {
        match self.peek() {
            Some(c) if !c.is_whitespace() && c != ')' => Err(self
                .refuse(self.at, "a space is missing before this character")
                .hint("quote values that hold spaces, parentheses or quotation marks")),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, at: usize) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(self.refuse(at, &format!("the query nests deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        Ok(())
    }

    fn count(&mut self, at: usize) -> Result<()> {
        if self.terms == TERMS_MAX {
            return Err(self.refuse(at, &format!("the query has more than {TERMS_MAX} terms")));
        }
        self.terms += 1;
        Ok(())
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// What stands here up to a space, a parenthesis or a quotation mark.
    fn word(&self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| is_special(c) && c != '*').unwrap_or(rest.len());
        &rest[..end]
    }

    fn refuse(&self, at: usize, what: &str) -> Error {
        Error::invalid(format!("{}: {what}", place(self.character(at))))
    }

    /// Which character stands at a byte, counted from 1.
    fn character(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    fn unknown_field(&self, at: usize) -> Error {
        self.refuse(at, "this is no field").hint(
            "fields are tag, author, subject, conversation, channel, kind, id, version, after, before and on; quote words with a colon",
        )
    }
}

/// Where a character stands, for messages.
pub(crate) fn place(character: usize) -> String {
    format!("query, character {character}")
}

/// Whether what stands before a colon is meant as a field: `https://` is not, nor is `12:30`.
fn is_field(before: &str, behind: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let like_one = before.starts_with(|c: char| c.is_ascii_lowercase()) && before.bytes().all(plain);
    FIELDS.contains(&before) || like_one && !behind.starts_with("//")
}

/// Names of fields.
const FIELDS: [&str; 11] =
    ["tag", "author", "subject", "conversation", "channel", "kind", "id", "version", "after", "before", "on"];

fn one_or(mut of: Vec<Ast>, several: fn(Vec<Ast>) -> Ast) -> Ast {
    match of.pop() {
        Some(one) if of.is_empty() => one,
        Some(last) => {
            of.push(last);
            several(of)
        }
        None => Ast::All,
    }
}

#[cfg(test)]
mod tests;
