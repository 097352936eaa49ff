//! One page of HTML that needs nothing else: no script, no picture, no other file, and a policy
//! that forbids the browser to fetch any. It is made to be read and printed by the person whose
//! records it holds, in any direction of writing.
//!
//! Every text of a record stands between tags, escaped, in an element of its own direction. What
//! can't be seen but changes what is seen (control characters, overrides of direction) is shown
//! by its number.

use escrowdb::export::{Package, Statement};
use escrowdb::record::{Kind, time};
use sha2::{Digest as _, Sha256};

use crate::commands::export::access::is_own;
use crate::commands::export::foreword;
use crate::commands::export::form::{About, Form};
use crate::commands::export::told::Sections;
use crate::engine::Hit;

/// A page of conversations.
pub(crate) struct Html {
    what: &'static str,
    name: String,
    made: String,
    package: Option<Package>,
    conversation: Option<String>,
    told: Option<Sections>,
    /// Whether the last record stands there.
    is_over: bool,
}

impl Html {
    /// A page about something.
    pub(crate) fn new(about: &About) -> Self {
        let (what, name) = about.title.clone();
        let told = about.package.as_ref().and_then(|package| package.told).map(|_| Sections::default());
        let made = time::format(about.at);
        Self { what, name, made, package: about.package.clone(), conversation: None, told, is_over: false }
    }
}

impl Form for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn begin(&mut self, out: &mut String) {
        let style = base64(&Sha256::digest(STYLE));
        out.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        // Before anything it is to hold for.
        out.push_str(&format!(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n"
        ));
        out.push_str("<meta name=\"referrer\" content=\"no-referrer\">\n");
        out.push_str("<meta name=\"viewport\" content=\"width=device-width\">\n");
        out.push_str(&format!("<title>Chat records: {}</title>\n", self.what));
        out.push_str(&format!("<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Chat records</h1>\n"));
        out.push_str(&format!("<p>{}: ", self.what));
        put_named(out, "bdi", &self.name);
        out.push_str("</p>\n<p>Times are UTC. Conversations stand in the order of their first record.</p>\n");
        if let Some(package) = &self.package {
            foreword::put(out, package, &self.made);
        }
        out.push_str("</header>\n");
    }

    fn record(&mut self, out: &mut String, hit: &Hit) {
        if self.conversation.as_ref() != Some(&hit.conversation) {
            self.close(out);
            out.push_str("<section>\n<h2>");
            if hit.conversation.is_empty() {
                out.push_str("Records of the archive itself");
            } else {
                put_named(out, "bdi", &hit.conversation);
            }
            out.push_str("</h2>\n");
            self.conversation = Some(hit.conversation.clone());
        }
        put_record(out, hit, self.package.as_ref());
    }

    fn told(&mut self, out: &mut String, statement: &Statement) {
        self.end_records(out);
        if let Some(told) = &mut self.told {
            told.put(out, statement);
        }
    }

    fn end(&mut self, out: &mut String, package: Option<&Package>) {
        self.end_records(out);
        if let Some(told) = &mut self.told {
            told.end(out);
        }
        if let Some(package) = package {
            foreword::put_sums(out, package);
        }
        out.push_str("</body>\n</html>\n");
    }
}

impl Html {
    /// Once, behind the last record.
    fn end_records(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if self.conversation.is_none() {
            out.push_str("<p>No records.</p>\n");
        }
        self.close(out);
    }

    fn close(&self, out: &mut String) {
        if self.conversation.is_some() {
            out.push_str("</section>\n");
        }
    }
}

fn put_record(out: &mut String, hit: &Hit, package: Option<&Package>) {
    let at = time::format(hit.time);
    match package.map(|package| (package, is_own(&package.names, hit))) {
        None => out.push_str("<article>\n"),
        Some((_, true)) => out.push_str("<article class=\"own\">\n"),
        Some((_, false)) => out.push_str("<article class=\"other\">\n"),
    }
    out.push_str("<p class=\"head\">");
    if let Some(package) = package {
        // In words: colours are not seen by all, nor printed.
        let wrote = hit.author.as_ref().is_some_and(|author| package.names.contains(author));
        let of = if wrote {
            "by you"
        } else if is_own(&package.names, hit) {
            "about you"
        } else {
            "of somebody else"
        };
        out.push_str(&format!("<em>{of}</em> "));
    }
    match &hit.author {
        Some(author) => put_named(out, "b", author),
        None => out.push_str("<b>(unknown)</b>"),
    }
    let (day, clock) = at.trim_end_matches('Z').split_once('T').unwrap_or((&at, ""));
    out.push_str(&format!(" <time datetime=\"{at}\">{day} {clock} UTC</time>"));
    if hit.kind != Kind::Message {
        out.push_str(&format!(" <i>{}</i>", hit.kind.name()));
    }
    if !hit.channel.is_empty() {
        out.push(' ');
        put_named(out, "span", &hit.channel);
    }
    for tag in &hit.tags {
        out.push(' ');
        put_named(out, "code", tag);
    }
    out.push_str(" <small>#");
    put_named(out, "bdi", &hit.id);
    if let Some(id) = &hit.reply_to {
        out.push_str(", answers #");
        put_named(out, "bdi", id);
    }
    if let Some(id) = &hit.target {
        out.push_str(", about #");
        put_named(out, "bdi", id);
    }
    out.push_str("</small></p>\n");
    if !hit.body.is_empty() {
        match package.and_then(|_| language(&hit.tags)) {
            Some(language) => out.push_str(&format!("<div dir=\"auto\" lang=\"{language}\">")),
            None => out.push_str("<div dir=\"auto\">"),
        }
        put_text(out, &hit.body);
        out.push_str("</div>\n");
    }
    for (name, json) in &hit.extra {
        out.push_str("<p class=\"more\">");
        put_named(out, "bdi", name);
        out.push_str(": ");
        put_named(out, "bdi", json);
        out.push_str("</p>\n");
    }
    out.push_str("</article>\n");
}

/// The language that a tag names, if it is plainly one (BCP 47), for whoever reads the page aloud.
fn language(tags: &[String]) -> Option<&str> {
    let language = tags.iter().find_map(|tag| tag.strip_prefix("lang:"))?;
    let mut parts = language.split('-');
    let first = parts.next()?;
    let is_first = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_first && parts.all(is_part)).then_some(language)
}

/// A text in an element of its own direction.
pub(super) fn put_named(out: &mut String, element: &str, text: &str) {
    out.push_str(&format!("<{element} dir=\"auto\">"));
    put_text(out, text);
    out.push_str(&format!("</{element}>"));
}

/// Escapes for content and for quoted attributes alike.
pub(crate) fn put_text(out: &mut String, text: &str) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // Line ends of other systems.
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            c if c.is_control() || is_override(c) => {
                out.push_str(&format!("<q>U+{:04X}</q>", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

/// Characters that reorder what stands around them: embeddings, overrides, isolates.
const fn is_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().enumerate().fold(0u32, |sum, (i, b)| sum | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize % 64];
            text.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Lines keep their ends and each its direction; a conversation begins a printed page, a record
/// is not torn apart.
const STYLE: &str = "
body { font: 1rem/1.45 sans-serif; color: #111; background: #fff; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; border-bottom: 1px solid #999; margin-top: 2.5rem; overflow-wrap: anywhere }
article { margin: 1rem 0 } .head { margin: 0; font-size: .85rem; color: #444; overflow-wrap: anywhere } .head b { color: #111 }
div { white-space: pre-wrap; unicode-bidi: plaintext; overflow-wrap: anywhere }
em { font-style: normal; text-decoration: underline } .own { border-left: .25rem solid #06c; padding-left: .6rem }
.other { border-left: .25rem dotted #999; padding-left: .6rem }
code { border: 1px solid #bbb; border-radius: .2rem; padding: 0 .2rem } .more { margin: 0; font-size: .85rem; overflow-wrap: anywhere }
q { quotes: none; border: 1px solid #b00; color: #b00; font: .75em monospace; unicode-bidi: isolate; direction: ltr }
@page { margin: 18mm }
@media print {
body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt }
section + section { break-before: page } h2 { break-after: avoid } article { break-inside: avoid } .head { break-after: avoid }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        put_text(&mut out, text);
        out
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(
            escaped("</div><script>alert('x')</script><a href=\"j\">&amp;"),
            "&lt;/div&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&lt;a href=&quot;j&quot;&gt;&amp;amp;"
        );
        assert_eq!(
            escaped("a\u{202E}b\u{2066}c\0\u{1b}[2J\u{85}"),
            "a<q>U+202E</q>b<q>U+2066</q>c<q>U+0000</q><q>U+001B</q>[2J<q>U+0085</q>"
        );
        assert_eq!(escaped("שלום\nمرحبا\t👍🏽"), "שלום\nمرحبا\t👍🏽");
    }

    #[test]
    fn a_language_is_plainly_one() {
        let of = |tag: &str| language(&["x".into(), tag.into()]).map(str::to_owned);
        for good in ["de", "gsw", "pt-BR", "zh-Hant-TW"] {
            assert_eq!(of(&format!("lang:{good}")).as_deref(), Some(good));
        }
        for bad in ["lang:", "lang:d", "lang:german", "lang:de\" onload=\"x", "lang:de-", "de", "lang:1a"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
