//! The outermost object of a line, member by member. `serde_json` reads names and values; the
//! walk is done here, for a map would lose doubled fields, and the text of unknown ones.

use std::borrow::Cow;

use serde_json::{Deserializer, Value};

use crate::error::{Error, Result};

/// Walks over the members of the object that is all of a text.
pub(super) struct Members<'a> {
    text: &'a str,
    at: usize,
    first: bool,
}

impl<'a> Members<'a> {
    /// Starts before the first member.
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut members = Self { text, at: 0, first: true };
        if !members.skip(b'{') {
            // Files that were put together carry it in their middle.
            let marked = text.starts_with('\u{feff}');
            return Err(Error::invalid(if marked {
                "not a JSON object: a byte order mark may stand before the first line only"
            } else {
                "not a JSON object"
            }));
        }
        Ok(members)
    }

    /// Name of the next member; `None` after the last.
    pub(super) fn next_name(&mut self) -> Result<Option<Cow<'a, str>>> {
        if self.skip(b'}') {
            self.skip_blanks();
            return if self.at == self.text.len() { Ok(None) } else { Err(self.bad()) };
        }
        let first = std::mem::replace(&mut self.first, false);
        if !first && !self.skip(b',') {
            return Err(self.bad());
        }
        let name = self.name()?;
        if self.skip(b':') { Ok(Some(name)) } else { Err(self.bad()) }
    }

    /// The next value and its text.
    pub(super) fn value(&mut self) -> Result<(Value, &'a str)> {
        self.skip_blanks();
        let rest = self.rest();
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(e)) => return Err(self.bad_because(reason(&e))),
            None => return Err(self.bad()),
        };
        let len = values.byte_offset();
        self.at += len;
        Ok((value, &rest[..len]))
    }

    fn name(&mut self) -> Result<Cow<'a, str>> {
        self.skip_blanks();
        // Nearly every name has no escapes and can be borrowed.
        if let Some(tail) = self.rest().strip_prefix('"') {
            let end = tail.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
            if let Some(end) = end.filter(|end| tail.as_bytes()[*end] == b'"') {
                self.at += end + 2;
                return Ok(Cow::Borrowed(&tail[..end]));
            }
        }
        let start = self.at;
        match self.value()? {
            (Value::String(name), _) => Ok(Cow::Owned(name)),
            _ => {
                self.at = start;
                Err(self.bad())
            }
        }
    }

    /// Skips blanks and, if it comes next, `byte`; says whether it did.
    fn skip(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.rest().as_bytes().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest().bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blanks.count();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn bad(&self) -> Error {
        self.bad_because((self.at == self.text.len()).then_some("it ends too early"))
    }

    fn bad_because(&self, reason: Option<&'static str>) -> Error {
        let reason = reason.map(|r| format!(": {r}")).unwrap_or_default();
        Error::invalid(format!("not valid JSON at or after byte {}{reason}", self.at))
    }
}

/// What people meet, in words of our own: a foreign message might hold a part of the line.
fn reason(error: &serde_json::Error) -> Option<&'static str> {
    let message = error.to_string();
    let known = [
        ("EOF", "it ends too early"),
        ("control character", "a control character must be escaped"),
        ("lone leading surrogate", HALF),
        ("unexpected end of hex escape", HALF),
        ("invalid unicode", HALF),
        ("invalid escape", "an unknown escape"),
        ("recursion limit", "nested deeper than 127 levels"),
        ("number out of range", "a number out of range"),
    ];
    known.into_iter().find(|(start, _)| message.starts_with(start)).map(|(_, words)| words)
}

const HALF: &str = "an escape that is half of a surrogate pair";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Names and texts of all members.
    fn walk(text: &str) -> Result<Vec<(String, String)>> {
        let mut members = Members::new(text)?;
        let mut all = Vec::new();
        while let Some(name) = members.next_name()? {
            all.push((name.into_owned(), members.value()?.1.to_owned()));
        }
        Ok(all)
    }

    #[test]
    fn walks() {
        let all = walk("\t{ \"a\" : 1.50 ,\"b\\u0063\":[true, null] , \"東\" :\"x}\"}\r\n").unwrap();
        let expected = [("a", "1.50"), ("bc", "[true, null]"), ("東", "\"x}\"")];
        assert!(all.iter().map(|(name, text)| (name.as_str(), text.as_str())).eq(expected));
        assert!(walk("{}").unwrap().is_empty());
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["", "  ", "[]", "1", "null", "\"{}\"", "\u{feff}{}"] {
            assert!(walk(text).unwrap_err().to_string().starts_with("not a JSON object"), "{text}");
        }
        for text in [
            "{",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":1}}",
            "{\"a\":1}{}",
            "{a:1}",
            "{1:1}",
            "{\"a\":01}",
            "{\"a\":1x}",
            "{\"a\":nul}",
            "{\"a\n\":1}",
            "{\"a\":\"\t\"}",
            "{\"a",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":1,,\"b\":1}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1} x",
        ] {
            let message = walk(text).unwrap_err().to_string();
            assert!(message.starts_with("not valid JSON at or after byte "), "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(walk(&deep).is_err());
    }

    proptest! {
        /// Agrees with the library about what is a JSON object.
        #[test]
        fn agrees_with_the_library(text in r#"\{?([ {}\[\]",:\\a0-9.e+-]|"a"|"a":|null|true|,"b":){0,12}\}?"#) {
            let object = serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object());
            prop_assert_eq!(walk(&text).is_ok(), object);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = (walk(&text), walk(&format!("{{\"{text}\":1}}")), walk(&format!("{{\"a\":{text}}}")));
        }
    }
}
