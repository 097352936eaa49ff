//! The queries of `docs/QUERY.md` find what the page says they find. The page was only parsed once: a
//! query that found something else would have stood there for good.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::record::{Kind, time};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Hit, Order, Record, SearchOptions, Selector};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

const MANUAL: &str = include_str!("../../../docs/QUERY.md");

/// Sections with queries, and the column in which these stand.
const SECTIONS: [(&str, usize); 7] = [
    ("\n## Default kinds", 1),
    ("\n## Words", 1),
    ("\n## Conditions", 1),
    ("\n## Conditions", 2),
    ("\n## People", 2),
    ("\n## Combining", 1),
    ("\n## Examples", 2),
];

/// A Tuesday, as in the example of the page.
const NOW: &str = "2026-03-31T15:30:00Z";

const ANNA: &str = "anna@example.org";

/// id, conversation, author, subject, time, kind, channel, tags, body.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Kind,
    &'static str,
    &'static [&'static str],
    &'static str,
);

const ROWS: [Row; 15] = [
    ("j1", "c1", ANNA, ANNA, "2026-01-30T09:00:00Z", Kind::Join, "", &["x"], ""),
    (
        "m1",
        "c1",
        ANNA,
        ANNA,
        "2026-01-31T00:00:00Z",
        Kind::Message,
        "web",
        &["dept:sales", "lang:de", "x"],
        "A REFUND to my Credit-Card, please",
    ),
    (
        "m2",
        "c1",
        "agent7",
        ANNA,
        "2026-01-31T12:00:00Z",
        Kind::Message,
        "web",
        &["dept:sales", "lang:de"],
        "Refunding: the order, and money back",
    ),
    ("e1", "c1", ANNA, ANNA, "2026-01-31T12:30:00Z", Kind::Edit, "web", &["x"], "a refund to my card"),
    ("r1", "c1", "bob", ANNA, "2026-01-31T12:31:00Z", Kind::Reaction, "", &[], "x"),
    (
        "m3",
        "c1",
        "bob",
        "bob",
        "2026-02-01T00:00:00Z",
        Kind::Message,
        "mail",
        &["lang:nl", "urgent"],
        "refunt order: card credit",
    ),
    (
        "m4",
        "c2",
        "agent7",
        "bob",
        "2026-03-02T00:00:00Z",
        Kind::Message,
        "mail",
        &["dept:support"],
        "Anna Schmidt wrote: it's late",
    ),
    (
        "m5",
        "c2",
        ANNA,
        "bob",
        "2026-03-08T23:59:59Z",
        Kind::Message,
        "mail",
        &["link:https://example.org", "x"],
        "https://example.org/a is mine",
    ),
    (
        "m6",
        "c2",
        "agent7",
        "bob",
        "2026-03-09T00:00:00Z",
        Kind::Message,
        "mail",
        &["lang:en"],
        "ask schmitt, or anna@example.org",
    ),
    (
        "m7",
        "c3",
        "bob",
        "bob",
        "2026-03-24T15:30:00Z",
        Kind::Message,
        "web",
        &["lang:ja"],
        "東京へ配送、まだ届かない",
    ),
    (
        "m1",
        "c3",
        "agent7",
        "bob",
        "2026-03-24T15:30:00Z",
        Kind::Message,
        "web",
        &["lang:fr"],
        "東, then 京; moneyback, a, b",
    ),
    ("f1", "c3", "bob", "bob", "2026-03-30T12:00:00Z", Kind::File, "web", &["x"], "credit card order refund"),
    ("j2", "c3", "kim", "kim", "2026-03-31T08:00:00Z", Kind::Join, "", &[], ""),
    ("m8", "c3", "kim", "kim", "2026-03-31T09:00:00Z", Kind::Message, "web", &["a", "b"], "b"),
    (
        "m9",
        "c3",
        "agent7",
        "kim",
        "2026-03-31T10:00:00Z",
        Kind::Message,
        "web",
        &["b", "dept:sales"],
        "money, back to you: a",
    ),
];

/// What stands on the page, and what it finds: ids by time, `m1'` the one in the third conversation.
const FOUND: [(&str, &str); 51] = [
    ("*", "m1 m2 m3 m4 m5 m6 m7 m1' f1 m8 m9"),
    ("tag:x", "m1 m5 f1"),
    ("tag:x kind:join", "j1"),
    ("tag:x OR kind:join", "j1 m1 m5 f1 j2"),
    ("tag:x (kind:message OR kind:edit)", "m1 e1 m5"),
    ("tag:x (kind:edit OR channel:web)", "m1 e1 f1"),
    ("-kind:file", "m1 m2 m3 m4 m5 m6 m7 m1' m8 m9"),
    ("refund", "m1 f1"),
    ("refund order", "f1"),
    ("\"credit card\"", "m1 f1"),
    ("refund*", "m1 m2 f1"),
    ("refund~1", "m1 m3 f1"),
    ("anna@example.org", "m6"),
    ("https://example.org/a", "m5"),
    ("it's", "m4"),
    ("東京", "m7"),
    ("tag:dept:sales", "m1 m2 m9"),
    ("tag:urgent", "m3"),
    ("tag:link:https://example.org", "m5"),
    ("author:anna@example.org", "m1 m5"),
    ("subject:anna@example.org", "m1 m2"),
    ("conversation:c1", "m1 m2 m3"),
    ("channel:web", "m1 m2 m7 m1' f1 m8 m9"),
    ("kind:join", "j1 j2"),
    ("id:m1", "m1 m1'"),
    ("on:2026-01-31", "m1 m2"),
    ("on:2026-01", "m1 m2"),
    ("on:2026", "m1 m2 m3 m4 m5 m6 m7 m1' f1 m8 m9"),
    ("on:today", "m8 m9"),
    ("on:yesterday", "f1"),
    ("subject:anna@example.org -author:anna@example.org", "m2"),
    ("conversation:c1 -author:anna@example.org", "m2 m3"),
    ("author:anna@example.org -subject:anna@example.org", "m5"),
    ("(\"anna schmidt\" OR schmidt~1 OR \"anna@example.org\") -subject:anna@example.org", "m4 m6"),
    ("a b", "m1'"),
    ("a AND b", "m1'"),
    ("a OR b", "m1 m5 m1' m8 m9"),
    ("NOT a", "m2 m3 m4 m6 m7 f1 m8"),
    ("-a", "m2 m3 m4 m6 m7 f1 m8"),
    ("refund* OR \"money back\"", "m1 m2 f1 m9"),
    ("version:all (refund* OR \"money back\")", "m1 m2 f1 m9"),
    ("version:all", "m1 m2 m3 m4 m5 m6 m7 m1' f1 m8 m9"),
    ("(配送 OR 届かない) tag:lang:ja", "m7"),
    ("author:agent7 after:-7d -tag:dept:sales", "m1'"),
    ("author:agent7 after:2026-03-02 before:2026-03-09 -tag:dept:sales", "m4"),
    ("kind:message (tag:lang:de OR tag:lang:nl) on:2026-01-31", "m1 m2"),
    ("-tag:lang:de -tag:lang:en -tag:lang:fr", "m3 m4 m5 m7 f1 m8 m9"),
    ("id:m1 conversation:c1", "m1"),
    ("kind:join conversation:c1", "j1"),
    ("kind:erased on:2026", "(erased)"),
    (
        "version:all (subject:anna@example.org OR subject:anna@example.org (kind:edit OR kind:delete OR kind:reaction OR kind:join OR kind:leave OR kind:system OR kind:context OR kind:tag))",
        "j1 m1 m2 e1 r1",
    ),
];

fn store() -> Store {
    let clock = ManualClock::new(time::parse(NOW).unwrap());
    let store =
        Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).clock(Arc::new(clock)).create().unwrap();
    let records = ROWS.map(|(id, conversation, author, subject, at, kind, channel, tags, body)| {
        let record =
            Record::new(conversation, author, time::parse(at).unwrap(), body).id(id).subject(subject);
        let record = record.kind(kind).channel(channel);
        tags.iter().fold(record, |record, tag| record.tag(*tag))
    });
    // Half of them in a segment, half of them in memory.
    store.append(&records[..7]).unwrap();
    store.roll().unwrap();
    store.append(&records[7..]).unwrap();
    store.append(&[Record::new("c4", "gone", Micros(0), "gone")]).unwrap();
    store.erase(&Selector::Person("gone".into()), &EraseOptions::default()).unwrap();
    store
}

/// Queries on the page that are no placeholders.
fn queries() -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    for (title, column) in SECTIONS {
        let section = MANUAL.split(title).nth(1).unwrap().split("\n## ").next().unwrap();
        for row in section.lines().filter(|line| line.starts_with('|')) {
            let cell = row.split('|').nth(column).unwrap();
            // Every second piece stands between two marks of code.
            all.extend(cell.split('`').skip(1).step_by(2));
        }
    }
    // Places for something else, and the names in the table of kinds.
    let is_query = |q: &&str| {
        !q.contains('…')
            && !q.ends_with(':')
            && !q.ends_with(":TIME")
            && !q.ends_with(":DAY")
            && Kind::parse(q).is_none()
    };
    all.into_iter().filter(is_query).collect()
}

#[test]
fn queries_find_what_the_page_says() {
    let store = store();
    let reading = store.session(Session::new());
    let all = SearchOptions::new().order(Order::Oldest).limit(usize::MAX);
    let found = queries().into_iter().map(|query| {
        let hits = reading.search(query, &all).unwrap();
        let id = |hit: &Hit| match (&*hit.id, &*hit.conversation) {
            ("m1", "c3") => "m1'".to_owned(),
            (_, "") => format!("({})", hit.kind.name()),
            (id, _) => id.to_owned(),
        };
        (query, hits.iter().map(id).collect::<Vec<_>>().join(" "))
    });
    let found: BTreeMap<&str, String> = found.collect();
    let told: BTreeMap<&str, String> =
        FOUND.into_iter().map(|(query, ids)| (query, ids.to_owned())).collect();
    for query in found.keys().chain(told.keys()) {
        assert_eq!(found.get(query), told.get(query), "{query}");
    }
}
