//! Exports for people: a page that nothing written in it can change, and a table that calculates
//! nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use crate::support::{SAMPLE, Sandbox};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What people write who want more than to chat.
const HOSTILE: [&str; 20] = [
    "<script>alert(1)</script>",
    "</div></article></section></body></html><script src=//evil.example></script>",
    "\" onmouseover=\"alert(1)",
    "' onfocus='alert(1)' autofocus='",
    "<img src=x onerror=alert(1)>",
    "<style>*{display:none}</style>",
    "<!-- comment",
    "--> ]]> <![CDATA[",
    "&lt;b&gt; &amp; &#60;script&#62;",
    "javascript:alert(1) https://example.org/?a=1&b=2",
    "invoice\u{202e}fdp.exe",
    "\u{2066}isolated\u{2069} \u{202a}embedded\u{202c}",
    "bell\u{7} escape\u{1b}[2J nul\0 next\u{85}line",
    "שלום עולם (1) — مرحبا",
    "line one\r\nline two\n\n\tindented",
    "=HYPERLINK(\"http://evil.example\",\"click\")",
    "+1-800",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "'already quoted",
    "a,b;c\"d\"",
];

fn hostile() -> Sandbox {
    let sandbox = Sandbox::with_sample();
    let mut input = String::new();
    for (n, text) in HOSTILE.iter().enumerate() {
        // In every field that takes it; identifiers, ids and tags take all but NUL.
        let name = text.replace('\0', "");
        let record = json!({
            "id": name, "conversation": name, "author": name, "subjects": ["eve", name], "channel": name,
            "tags": [name], "reply_to": name, "body": text, "time": format!("2026-05-01T00:00:{n:02}.25Z"),
            name.replace(['\r', '\n', '\t'], ""): {"more": text},
        });
        input += &(record.to_string() + "\n");
    }
    sandbox.run_with("import --lenient -", input).ok();
    sandbox
}

/// Every tag that a page may hold between its head and its end, written as it must be.
const TAGS: [&str; 32] = [
    "<header>",
    "</header>",
    "<h1>",
    "</h1>",
    "<h2>",
    "</h2>",
    "<section>",
    "</section>",
    "<article>",
    "</article>",
    "<p>",
    "</p>",
    "<p class=\"head\">",
    "<p class=\"more\">",
    "<b>",
    "<b dir=\"auto\">",
    "</b>",
    "<time ",
    "</time>",
    "<i>",
    "</i>",
    "<span dir=\"auto\">",
    "</span>",
    "<code dir=\"auto\">",
    "</code>",
    "<small>",
    "</small>",
    "<bdi dir=\"auto\">",
    "</bdi>",
    "<div dir=\"auto\">",
    "</div>",
    "<q>",
];

/// The inner side of the body, if the page is well formed and holds nothing but [`TAGS`].
fn checked(page: &str) -> &str {
    let (head, body) = page.split_once("<body>\n").unwrap();
    let body = body.strip_suffix("</body>\n</html>\n").unwrap();
    assert!(!head.contains("<script") && !head.contains("http://") && !head.contains("url("), "{head}");
    // The policy names the only style there is.
    let style = head.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = base64(&Sha256::digest(style));
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">"
    );
    assert!(head.contains(&policy), "{head}");
    assert!(head.find("Content-Security-Policy") < head.find("<style>"));
    for rule in ["@media print", "break-before: page", "unicode-bidi: plaintext"] {
        assert!(style.contains(rule), "{rule}");
    }
    let mut open = Vec::new();
    for (at, _) in body.match_indices('<') {
        let rest = &body[at..];
        let tag = TAGS.iter().chain(&["</q>"]).find(|t| rest.starts_with(**t));
        let tag = tag.unwrap_or_else(|| panic!("a tag of somebody else: {:.60}", rest));
        match tag.strip_prefix("</") {
            Some(name) => assert_eq!(open.pop(), Some(name.trim_end_matches('>')), "{rest:.60}"),
            None => open.push(tag[1..].split([' ', '>']).next().unwrap()),
        }
        // The only attribute that isn't constant.
        if *tag == "<time " {
            let attribute = rest.split('>').next().unwrap().strip_prefix("<time datetime=\"").unwrap();
            assert!(
                attribute.trim_end_matches('"').bytes().all(|b| b.is_ascii_digit() || b"-:.TZ".contains(&b))
            );
        }
    }
    assert_eq!(open, [""; 0]);
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    assert!(!body.contains(hidden), "something unseen stands in the page");
    body
}

fn base64(bytes: &[u8]) -> String {
    let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String = bytes.iter().map(|b| format!("{b:08b}")).collect();
    let mut text: String = bits
        .as_bytes()
        .chunks(6)
        .map(|six| {
            let six = format!("{:0<6}", std::str::from_utf8(six).unwrap());
            digits[usize::from_str_radix(&six, 2).unwrap()]
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The texts of the bodies in a page, as a reader sees them.
fn bodies(body: &str) -> Vec<String> {
    body.split("<div dir=\"auto\">")
        .skip(1)
        .map(|rest| {
            let text = rest.split("</div>").next().unwrap();
            let text = text.replace("<q>", "[").replace("</q>", "]");
            ["&lt;<", "&gt;>", "&quot;\"", "&#39;'", "&amp;&"].iter().fold(text, |text, pair| {
                let (entity, c) = pair.split_at(pair.len() - 1);
                text.replace(entity, c)
            })
        })
        .collect()
}

#[test]
fn a_page_holds_no_markup_of_others() {
    let sandbox = hostile();
    sandbox.run("--json export --subject eve --format html --output eve.html").ok();
    let page = sandbox.read("eve.html");
    let body = checked(&page);
    let seen = |text: &str| {
        let text = text.replace("\r\n", "\n");
        let unseen = |c: char| {
            c.is_control() && c != '\n' && c != '\t'
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        text.chars().fold(String::new(), |mut s, c| {
            if unseen(c) {
                s += &format!("[U+{:04X}]", u32::from(c))
            } else {
                s.push(c)
            }
            s
        })
    };
    assert_eq!(bodies(body), HOSTILE.map(seen));
    assert_eq!(body.matches("<section>").count(), HOSTILE.len());
    let manifest: Value = serde_json::from_str(&sandbox.read("eve.html.manifest.json")).unwrap();
    assert_eq!((&manifest["format"], &manifest["count"]), (&json!("html"), &json!(HOSTILE.len())));
    assert_eq!(manifest["bytes"], page.len());
    // The query stands in the page too.
    let query = "channel:\"<script>alert(1)</script>\"";
    sandbox
        .args(&["--store", "s", "export", "--format", "html", "--output", "q.html", "--query", query], "")
        .ok();
    assert!(checked(&sandbox.read("q.html")).contains("channel:&quot;&lt;script&gt;"));
}

#[test]
fn a_page_is_of_a_person_a_conversation_or_a_query() {
    let sandbox = Sandbox::with_sample();
    let page = |what: &[&str]| {
        let args = [&["--store", "s", "export", "--format", "html", "--output", "p.html"], what].concat();
        sandbox.args(&args, "").ok();
        let page = sandbox.read("p.html");
        checked(&page).to_owned()
    };
    let bob = page(&["--subject", "bob@example.org"]);
    assert!(!bob.contains("anna"));
    assert_eq!((bob.matches("<h2>").count(), bob.matches("<article>").count()), (2, 3));
    assert!(bob.contains("<time datetime=\"2026-02-01T08:00:00Z\">2026-02-01 08:00:00 UTC</time>"), "{bob}");
    assert!(bob.contains("<i>reaction</i>") && bob.contains("answers #<bdi dir=\"auto\">m4</bdi>"));
    let talk = page(&["--conversation", "c1"]);
    assert_eq!((talk.matches("<h2>").count(), talk.matches("<article>").count()), (1, 2));
    assert!(talk.find("meine Lampe") < talk.find("tut mir leid"));
    let none = page(&["--query", "tag:nobody"]);
    assert!(none.contains("No records."));
    // Conversations one behind the other, though their records lie between each other.
    let line = SAMPLE.lines().next().unwrap();
    let late = line.replace("\"m1\"", "\"m9\"").replace("2026-01-31", "2026-03-31");
    sandbox.run_with("import -", late).ok();
    let all = page(&["--query", "*"]);
    assert_eq!(all.matches("<h2>").count(), 3);
    let order: Vec<_> =
        ["#<bdi dir=\"auto\">m9<", "#<bdi dir=\"auto\">m3<"].map(|id| all.find(id).unwrap()).into();
    assert!(order.is_sorted());
    // Who is erased is unknown in it.
    sandbox.run("erase --subject kim@shop.example --yes").ok();
    assert!(page(&["--conversation", "c1"]).contains("<b>(unknown)</b>"));
}

/// A page goes conversation by conversation. Acts of the archive and people's own records are in none:
/// a query for them wrote a page without records, counted 0, and was content.
#[test]
fn a_page_holds_what_is_in_no_conversation_too() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("erase --record m4 --yes").ok();
    let count = |query: &str| {
        let args = ["--store", "s", "--json", "export", "--format", "html", "--output", "p.html", "--query"];
        let summary = sandbox.args(&[&args[..], &[query]].concat(), "").ok().lines().remove(0);
        let page = sandbox.read("p.html");
        let page = checked(&page).to_owned();
        assert_eq!(summary["count"], page.matches("<article>").count(), "{query}");
        assert_eq!(summary["count"], sandbox.count(query), "{query}");
        (page.matches("<article>").count(), page)
    };
    let (n, page) = count("kind:erased");
    assert!(
        n == 1 && page.contains("<h2>Records of the archive itself</h2>") && page.contains("<i>erased</i>")
    );
    let (people, _) = count("kind:person");
    assert!(people > 0);
    let (all, page) = count("* OR kind:erased OR (kind:person -tag:x)");
    let (chats, _) = count("*");
    assert_eq!(all, chats + people + 1);
    assert!(page.find("<h2>Records of the archive itself").unwrap() > page.rfind("<h2><bdi").unwrap());
}

/// A reader for RFC 4180: records of cells.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => cell.extend(chars.next()),
            (true, '"') => quoted = false,
            (true, c) => cell.push(c),
            (false, '"') if cell.is_empty() => quoted = true,
            (false, ',') => row.push(std::mem::take(&mut cell)),
            (false, '\r') => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (false, c) => {
                assert!(c != '\n' && c != '"', "a bare {c:?}");
                cell.push(c);
            }
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty());
    rows
}

#[test]
fn a_table_calculates_nothing_and_loses_nothing() {
    let sandbox = hostile();
    sandbox.run("export --query * --format csv --output out.csv").ok();
    sandbox.run("export --query * --output out.jsonl").ok();
    let rows = read_csv(&sandbox.read("out.csv"));
    let header = [
        "id",
        "conversation",
        "author",
        "subjects",
        "time",
        "channel",
        "kind",
        "tags",
        "body",
        "reply_to",
        "extra",
        "target",
    ];
    assert_eq!(rows[0], header);
    let records = sandbox.read("out.jsonl");
    assert_eq!(records.lines().count() + 1, rows.len());
    for (row, record) in rows[1..].iter().zip(records.lines()) {
        let record: Value = serde_json::from_str(record).unwrap();
        for (name, cell) in header.iter().zip(row) {
            let calculated = ['=', '+', '-', '@', '\t', '\r', '\n'];
            assert!(!cell.starts_with(calculated), "{name}: {cell:?}");
            // What the guard put in front goes off again.
            let cell = cell.strip_prefix('\'').unwrap_or(cell);
            match *name {
                "subjects" | "tags" => assert_eq!(serde_json::from_str::<Value>(cell).unwrap(), record[name]),
                "extra" => {
                    let extra: Value =
                        if cell.is_empty() { json!({}) } else { serde_json::from_str(cell).unwrap() };
                    let known = |k: &&String| !header.contains(&k.as_str());
                    assert_eq!(
                        extra.as_object().unwrap().len(),
                        record.as_object().unwrap().keys().filter(known).count()
                    );
                    extra.as_object().unwrap().iter().for_each(|(k, v)| assert_eq!(record[k], *v));
                }
                _ => assert_eq!(cell, record[name].as_str().unwrap_or_default(), "{name}"),
            }
        }
    }
}
