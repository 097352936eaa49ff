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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    fn spoken(text: String, form: Form) -> Leaf {
        Leaf::Words(Words::new(text, form).unwrap())
    }

    fn shown(text: &str) -> String {
        parse(text, Micros(0)).unwrap().to_string()
    }

    fn refused(text: &str) -> String {
        let e = parse(text, Micros(0)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid);
        e.to_string()
    }

    #[test]
    fn not_binds_before_and_before_or() {
        let ast = parse("tag:a NOT tag:b OR tag:c AND -tag:d", Micros(0)).unwrap();
        let tag = |t: &str| Ast::Leaf(Leaf::Tag(t.into()));
        let not = |a| Ast::Not(Box::new(a));
        let and = |a, b| Ast::And(vec![a, b]);
        assert_eq!(ast, Ast::Or(vec![and(tag("a"), not(tag("b"))), and(tag("c"), not(tag("d")))]));
        assert_eq!(shown("tag:a (tag:b OR tag:c)"), "tag:a (tag:b OR tag:c)");
        assert_eq!(shown("NOT(tag:a tag:b)"), "-(tag:a tag:b)");
        assert_eq!(shown("((*))"), "*");
        assert_eq!(shown("NOT NOT --*"), "----*");
    }

    #[test]
    fn versions_stand_beside_everything_else() {
        assert_eq!(shown("a version:all"), "\"a\" version:all");
        assert_eq!(shown("(version:first (a OR b)) c"), "(version:first (\"a\" OR \"b\")) \"c\"");
        assert!(refused("a OR version:all").contains("character 6: which versions"));
        assert!(refused("-version:all").contains("character 2: which versions"));
        assert!(refused("(a OR (b version:all)) c").contains("character 10: which versions"));
        assert!(refused("version:all version:all").contains("character 13: which versions"));
        assert!(refused("version:old").contains("character 9: versions are newest, first and all"));
    }

    #[test]
    fn words() {
        let get = |text: &str| match parse(text, Micros(0)).unwrap() {
            Ast::Leaf(Leaf::Words(words)) => (words.text().to_owned(), words.form()),
            other => panic!("{other:?}"),
        };
        let exact = |text: &str| (text.to_owned(), Form::Exact);
        assert_eq!(get("anna@example.org"), exact("anna@example.org"));
        assert_eq!(get("https://example.org/a?b=c"), exact("https://example.org/a?b=c"));
        assert_eq!(get("12:30"), exact("12:30"));
        // A value that begins with two slashes made words of its field.
        assert_eq!(shown("conversation://x"), "conversation://x");
        assert_eq!(get("\"tag:x AND (y) -z*\""), exact("tag:x AND (y) -z*"));
        assert_eq!(get("pre*"), ("pre".into(), Form::Prefix));
        assert_eq!(get("ünï~1"), ("ünï".into(), Form::Near));
        assert_eq!(get("~/.profile"), exact("~/.profile"));
        assert_eq!(shown("it's and pre* wörd~1"), "\"it's\" \"and\" pre* wörd~1");
        assert!(refused(&"word ".repeat(TERMS_MAX + 1)).contains("more than 1024 terms"));
        assert!(refused(&format!("\"{}\"", "word ".repeat(TERMS_MAX + 1))).contains("more than 1024 terms"));
        assert!(refused(&format!("{}*", "x".repeat(300))).contains("longer than"));
    }

    #[test]
    fn values() {
        let leaf = |l| Ast::Leaf(l);
        let get = |text: &str| parse(text, Micros(0)).unwrap();
        assert_eq!(get(r#"author:"Anna \"B\\""#), leaf(Leaf::Author(r#"Anna "B\"#.into())));
        assert_eq!(get(r"id:a\b"), leaf(Leaf::Id(r"a\b".into())));
        assert_eq!(get("tag:url:http://x"), leaf(Leaf::Tag("url:http://x".into())));
        assert_eq!(get(r#"tag:dept:"field sales""#), leaf(Leaf::Tag("dept:field sales".into())));
        assert_eq!(get("kind:join"), leaf(Leaf::Kind(Kind::Join)));
        assert_eq!(get("conversation:-x"), leaf(Leaf::Conversation("-x".into())));
        assert_eq!(shown("on:1970-01"), "after:1970-01-01T00:00:00Z before:1970-02-01T00:00:00Z");
        assert_eq!(shown("-on:9999"), "-after:9999-01-01T00:00:00Z");
        assert_eq!(shown("after:-1d"), "after:1969-12-31T00:00:00Z");
    }

    #[test]
    fn errors_name_the_character() {
        let cases = [
            ("", "empty"),
            ("  ", "empty"),
            ("* ...", "character 3: there is no word"),
            ("*  \"!\"", "character 4: there is no word"),
            ("* *pre", "character 3: a star stands at the end"),
            ("* pre*fix", "character 6: a star stands at the end"),
            ("* pre-*", "character 3: a star stands directly behind"),
            ("\"a\"*", "character 4: a space is missing"),
            ("* ab~2", "character 6: near words differ by one"),
            ("* a-b~1", "character 3: ~1 stands behind one word"),
            ("tag:ü foo:x", "character 7: this is no field"),
            ("tag:a OR", "character 9: a term is missing at the end"),
            ("tag:a AND OR *", "character 11: a term is missing before this operator"),
            ("(tag:a", "character 1: this parenthesis is never closed"),
            ("tag:a)", "character 6: this closing"),
            ("()", "character 2: a term is missing before"),
            ("tag:", "character 5: a value is missing"),
            ("tag:\"\"", "character 5: a value is missing"),
            ("tag:a(b)", "character 6: a space is missing"),
            ("tag:\"a\"b", "character 8: a space is missing"),
            ("tag:a*", "character 6: values are compared"),
            ("id:\"a\\n\"", "character 6: a backslash"),
            ("id:\"a", "character 4: this quotation mark"),
            ("kind:lunch", "character 6: this is no kind"),
            ("after:soon", "character 7: this is no time"),
            ("on:-7d", "character 4: this is no day"),
            ("- tag:a", "character 1: a minus"),
        ];
        for (text, expected) in cases {
            let message = refused(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn errors_hold_none_of_the_text() {
        for text in
            ["zebra-y~1", "zebra:x", "kind:zebra", "after:zebra", "id:\"zebra", "tag:zebra*", "(id:zebra"]
        {
            let e = parse(text, Micros(0)).unwrap_err();
            let all = format!("{e} {e:?} {}", e.hint_text().unwrap_or_default());
            assert!(!all.contains("zebra"), "{all}");
        }
        let ast = parse("tag:zebra -author:zebra zebra zebra* \"zebra x\"", Micros(0)).unwrap();
        assert!(!format!("{ast:?}").contains("zebra"));
    }

    #[test]
    fn limits_hold() {
        let nest = |n: usize| format!("{}*{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&nest(DEPTH_MAX), Micros(0)).is_ok());
        assert!(refused(&nest(DEPTH_MAX + 1)).contains("nests deeper"));
        assert!(refused(&nest(30_000)).contains("nests deeper"));
        assert!(refused(&"-".repeat(60_000)).contains("nests deeper"));
        assert!(refused(&"NOT ".repeat(16_000)).contains("nests deeper"));
        assert!(refused(&"(".repeat(65_536)).contains("nests deeper"));
        assert!(parse(&"* ".repeat(TERMS_MAX), Micros(0)).is_ok());
        assert!(refused(&"* ".repeat(TERMS_MAX + 1)).contains("more than 1024 terms"));
        assert!(refused(&"on:2026 ".repeat(TERMS_MAX / 2 + 1)).contains("more than"));
        assert!(refused(&" ".repeat(LEN_MAX + 1)).contains("longer"));
    }

    fn trees() -> impl Strategy<Value = Ast> {
        let text = || prop_oneof!["[a-z:]{1,6}", "\\PC{1,6}", "[ \"\\\\()*:-]{1,4}"];
        let time = || {
            prop_oneof![Micros::MIN.0..=Micros::MAX.0, (-2000i64..2000).prop_map(|s| s * 500_000)]
                .prop_map(Micros)
        };
        let leaf = prop_oneof![
            text().prop_map(Leaf::Tag),
            text().prop_map(Leaf::Author),
            text().prop_map(Leaf::Subject),
            text().prop_map(Leaf::Conversation),
            text().prop_map(Leaf::Channel),
            text().prop_map(Leaf::Id),
            prop::sample::select(vec![Kind::Message, Kind::Join, Kind::Erased]).prop_map(Leaf::Kind),
            time().prop_map(Leaf::After),
            time().prop_map(Leaf::Before),
            "\\PC{0,6}[a-zé]".prop_map(|t| spoken(t, Form::Exact)),
            "[a-zé]{1,3}([-.@~:][a-zé]{1,3}){0,2}".prop_filter_map("no field", |t| {
                let is_words = t.split_once(':').is_none_or(|(f, r)| !is_field(f, r));
                is_words.then_some(spoken(t, Form::Prefix))
            }),
            "[a-zé]{1,6}".prop_map(|t| spoken(t, Form::Near)),
        ];
        let leaf = prop_oneof![8 => leaf.prop_map(Ast::Leaf), 1 => Just(Ast::All)];
        leaf.prop_recursive(6, 48, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Ast::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Ast::Or),
                inner.prop_map(|a| Ast::Not(Box::new(a))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_printed_tree_parses_to_itself(ast in trees()) {
            let text = ast.to_string();
            prop_assert_eq!(parse(&text, Micros(7)).unwrap(), ast);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>(), now in any::<i64>()) {
            let _ = parse(&text, Micros(now));
        }

        #[test]
        fn near_misses_are_parsed_or_refused(
            parts in prop::collection::vec(prop::sample::select(vec![
                "tag:", "author:", "on:", "after:", "kind:", "AND", "OR", "NOT", "-", "(", ")", "*", "\"",
                "\\", " ", "x", "é", "2026-01-31", "today", "-7d", "message", ":",
            ]), 0..24),
            now in any::<i64>(),
        ) {
            if let Ok(ast) = parse(&parts.concat(), Micros(now)) {
                prop_assert_eq!(parse(&ast.to_string(), Micros(0)).unwrap(), ast);
            }
        }
    }
}
