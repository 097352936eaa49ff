//! CSV by RFC 4180, for spreadsheets: UTF-8 without a mark, CRLF, a header, quotes where needed.
//!
//! A cell that a spreadsheet would calculate (it begins with `=`, `+`, `-`, `@`, their wide forms,
//! a tab or a line break) gets an apostrophe in front. So does a cell that begins with an
//! apostrophe; whoever drops one leading apostrophe of every cell has the exact texts again.
//!
//! `subjects` and `tags` are JSON arrays, `extra` is a JSON object or empty; an empty `author` is
//! unknown, an empty `reply_to` or `target` is none. In an access package a last column says `own` or `other`; what it says
//! beside its records are rows with the name of their section there, a few words in `body`, and all of it in `extra`.

use escrowdb::export::Statement;
use escrowdb::record::time;

use crate::commands::export::access::is_own;
use crate::commands::export::form::{self, About, Form};
use crate::commands::export::told;
use crate::engine::Hit;
use crate::json::Object;

/// The columns, in their order.
const HEADER: &str = "id,conversation,author,subjects,time,channel,kind,tags,body,reply_to,extra,target";

/// A CSV file.
pub(crate) struct Csv {
    /// Names of the person whose package it is.
    own: Option<Vec<String>>,
}

impl Csv {
    pub(crate) fn new(about: &About) -> Self {
        Self { own: about.package.as_ref().map(|package| package.names.clone()) }
    }
}

impl Form for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn begin(&mut self, out: &mut String) {
        out.push_str(HEADER);
        out.push_str(if self.own.is_some() { ",whose\r\n" } else { "\r\n" });
    }

    fn told(&mut self, out: &mut String, statement: &Statement) {
        let (id, kind, by, channel) = match statement {
            Statement::Consent(of) => (&of.id, "consent", of.by.as_deref(), &*of.channel),
            Statement::Request(of) => (&of.code, "request", None, &*of.channel),
            Statement::Look(of) => (&of.id, &*of.kind, of.by.as_deref(), ""),
            Statement::Recipient(of) => (&of.code, "disclosure", None, ""),
        };
        let time = time::format(statement.time());
        let (words, members) = (told::words(statement), told::members(statement));
        let by = by.unwrap_or_default();
        let cells = [id, "", by, "[]", &time, channel, kind, "[]", &words, "", &members, ""];
        for cell in cells {
            put_cell(out, cell);
            out.push(',');
        }
        out.push_str(statement.section().name());
        out.push_str("\r\n");
    }

    fn record(&mut self, out: &mut String, hit: &Hit) {
        let cells = [
            &hit.id,
            &hit.conversation,
            hit.author.as_deref().unwrap_or_default(),
            &list(&hit.subjects),
            &time::format(hit.time),
            &hit.channel,
            hit.kind.name(),
            &list(&hit.tags),
            &hit.body,
            hit.reply_to.as_deref().unwrap_or_default(),
            &extra(hit),
            hit.target.as_deref().unwrap_or_default(),
        ];
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            put_cell(out, cell);
        }
        if let Some(own) = &self.own {
            out.push_str(if is_own(own, hit) { ",own" } else { ",other" });
        }
        out.push_str("\r\n");
    }
}

fn list(texts: &[String]) -> String {
    let object = Object::new().texts("", texts).finish();
    // `{"":[…]}` without what is around the array.
    object.strip_prefix("{\"\":").and_then(|o| o.strip_suffix('}')).unwrap_or_default().to_owned()
}

fn extra(hit: &Hit) -> String {
    if hit.extra.is_empty() { String::new() } else { form::extra(hit) }
}

fn put_cell(out: &mut String, cell: &str) {
    let guarded = cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n', '\'']);
    if !guarded && !cell.contains(['"', ',', '\r', '\n']) {
        out.push_str(cell);
        return;
    }
    out.push('"');
    if guarded {
        out.push('\'');
    }
    for (i, part) in cell.split('"').enumerate() {
        if i > 0 {
            out.push_str("\"\"");
        }
        out.push_str(part);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_guarded() {
        for (cell, written) in [
            ("", ""),
            ("plain text", "plain text"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("+49 30 1", "\"'+49 30 1\""),
            ("-", "\"'-\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("'quoted'", "\"''quoted'\""),
            ("a=1", "a=1"),
        ] {
            let mut out = String::new();
            put_cell(&mut out, cell);
            assert_eq!(out, written);
        }
        assert_eq!(list(&["a\"b".into(), "c".into()]), r#"["a\"b","c"]"#);
        assert_eq!(list(&[]), "[]");
    }
}
