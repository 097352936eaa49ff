//! Record to line.

use crate::id::{Micros, Seq};
use crate::record::kind::Kind;
use crate::record::time;

/// A record with the names of its people, as a reader sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Id.
    pub id: &'a str,
    /// Conversation.
    pub conversation: &'a str,
    /// Identifier of the author; `None` if the person is unknown.
    pub author: Option<&'a str>,
    /// Identifiers of the subjects.
    pub subjects: &'a [&'a str],
    /// When it happened.
    pub time: Micros,
    /// Channel.
    pub channel: &'a str,
    /// Kind.
    pub kind: Kind,
    /// Tags.
    pub tags: &'a [String],
    /// Text.
    pub body: &'a str,
    /// Id of the record answered.
    pub reply_to: Option<&'a str>,
    /// Id of the record that it is about.
    pub target: Option<&'a str>,
    /// Fields kept by a lenient import: name and JSON text.
    pub extra: &'a [(String, String)],
}

/// Appends the export form, without a line end: what [`parse`](crate::record::jsonl::parse)
/// reads, lenient if there are `extra` fields. An unknown author is null, which `parse` refuses.
pub fn print_record(out: &mut String, view: &View) {
    out.push_str("{\"id\":");
    put_text(out, view.id);
    put_middle(out, view);
    put_reply_to(out, view);
    for (name, json) in view.extra {
        out.push(',');
        put_text(out, name);
        out.push(':');
        out.push_str(json);
    }
    out.push('}');
}

/// Appends the form of a hit, without a line end: log position and cursor in addition, fields
/// kept by lenient imports left out.
pub fn print_hit(out: &mut String, seq: Seq, cursor: &str, view: &View) {
    out.push_str("{\"seq\":");
    out.push_str(&seq.to_string());
    out.push_str(",\"id\":");
    put_text(out, view.id);
    put_middle(out, view);
    put_reply_to(out, view);
    out.push_str(",\"cursor\":");
    put_text(out, cursor);
    out.push('}');
}

/// Appends `text` as a JSON string.
pub fn put_text(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        // Only ASCII is escaped, so every cut is between characters.
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

/// From conversation to body: the fields both forms share, in the order of both.
fn put_middle(out: &mut String, view: &View) {
    out.push_str(",\"conversation\":");
    put_text(out, view.conversation);
    out.push_str(",\"author\":");
    put_optional(out, view.author);
    out.push_str(",\"subjects\":");
    put_texts(out, view.subjects.iter().copied());
    out.push_str(",\"time\":\"");
    time::format_into(out, view.time);
    out.push_str("\",\"channel\":");
    put_text(out, view.channel);
    out.push_str(",\"kind\":");
    put_text(out, view.kind.name());
    out.push_str(",\"tags\":");
    put_texts(out, view.tags.iter().map(String::as_str));
    out.push_str(",\"body\":");
    put_text(out, view.body);
}

fn put_reply_to(out: &mut String, view: &View) {
    out.push_str(",\"reply_to\":");
    put_optional(out, view.reply_to);
    // Few records are about another; a line of the others is as it always was.
    if let Some(target) = view.target {
        out.push_str(",\"target\":");
        put_text(out, target);
    }
}

fn put_optional(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.push_str("null"),
    }
}

fn put_texts<'a>(out: &mut String, texts: impl Iterator<Item = &'a str>) {
    out.push('[');
    for (i, text) in texts.enumerate() {
        if i > 0 {
            out.push(',');
        }
        put_text(out, text);
    }
    out.push(']');
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::input::Record;
    use crate::record::jsonl::parse;
    use proptest::prelude::*;

    fn view<'a>(record: &'a Record, subjects: &'a [&'a str]) -> View<'a> {
        View {
            id: record.id.as_deref().unwrap(),
            conversation: &record.conversation,
            author: Some(&record.author),
            subjects,
            time: record.time,
            channel: &record.channel,
            kind: record.kind,
            tags: &record.tags,
            body: &record.body,
            reply_to: record.reply_to.as_deref(),
            target: record.target.as_deref(),
            extra: &record.extra,
        }
    }

    fn sample() -> Record {
        Record::new("c1", "anna@example.org", Micros(1_500_000), "„Hi“\n\t\"\\\u{1}\u{7f} 👩‍👩‍👧 東京")
            .id("m1")
            .subject("anna@example.org")
            .subject("ben")
            .channel("web")
            .tag("dept:sales")
            .tag("vip")
            .extra("mood", r#"{"a":[1,2.50]}"#)
    }

    #[test]
    fn export_form() {
        let record = sample();
        let mut out = String::new();
        print_record(&mut out, &view(&record, &["anna@example.org", "ben"]));
        assert_eq!(
            out,
            concat!(
                r#"{"id":"m1","conversation":"c1","author":"anna@example.org","#,
                r#""subjects":["anna@example.org","ben"],"time":"1970-01-01T00:00:01.500Z","#,
                r#""channel":"web","kind":"message","tags":["dept:sales","vip"],"#,
                "\"body\":\"„Hi“\\n\\t\\\"\\\\\\u0001\u{7f} 👩‍👩‍👧 東京\",",
                r#""reply_to":null,"mood":{"a":[1,2.50]}}"#
            )
        );
        assert!(parse(out.as_bytes(), true).unwrap() == record);
    }

    #[test]
    fn a_target_stands_behind_what_is_answered() {
        let record = Record { id: Some("e1".into()), ..sample() }.kind(Kind::Edit).target("m\"1");
        let mut out = String::new();
        print_record(&mut out, &view(&record, &["anna@example.org", "ben"]));
        assert!(out.contains(r#""reply_to":null,"target":"m\"1","mood""#), "{out}");
        assert!(parse(out.as_bytes(), true).unwrap() == record);
    }

    #[test]
    fn hit_form() {
        let record = sample().reply_to("m0");
        let mut out = String::new();
        print_hit(&mut out, Seq(7), "AbC", &View { author: None, body: "", ..view(&record, &[]) });
        assert_eq!(
            out,
            concat!(
                r#"{"seq":7,"id":"m1","conversation":"c1","author":null,"subjects":[],"#,
                r#""time":"1970-01-01T00:00:01.500Z","channel":"web","kind":"message","#,
                r#""tags":["dept:sales","vip"],"body":"","reply_to":"m0","cursor":"AbC"}"#
            )
        );
    }

    proptest! {
        #[test]
        fn strings_are_json(text: String) {
            let mut out = String::new();
            put_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn exports_import_equal(
            id in ".{1,60}", author in ".{1,60}", body: String, channel in ".{0,60}",
            tags in prop::collection::vec(".{1,20}", 0..5), reply_to in prop::option::of(".{1,20}"),
            micros in Micros::MIN.0..=Micros::MAX.0,
        ) {
            let mut record = Record::new("c", author, Micros(micros), body).id(id).channel(channel);
            record.tags = tags;
            record.reply_to = reply_to;
            record.subjects = vec![record.author.clone()];
            let mut out = String::new();
            print_record(&mut out, &view(&record, &[&record.author]));
            if record.validate().is_ok() {
                prop_assert!(parse(out.as_bytes(), false).unwrap() == record);
            }
        }
    }
}
