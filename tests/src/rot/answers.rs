//! Everything one can ask a store, and what it answers.

use std::fmt::Write as _;

use escrowdb::record::Kind;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Against, EraseOptions, Hit, Order, Period, Reading, SearchOptions, Selector, Store,
};
use escrowdb::{Error, ErrorKind, Result};

use crate::rot::small::{DOOMED, ERASED, REQUEST, REQUEST_BEFORE, kept};

/// A question, and the answer or the kind of the error. That something is unknown is an answer.
pub type Answers = Vec<(String, std::result::Result<String, ErrorKind>)>;

const QUERIES: &[&str] = &[
    "*",
    "tag:dept:sales",
    "tag:of:ben",
    "tag:of:dora",
    "author:anna@canary.example",
    "author:dora@canary.example",
    "author:agent@canary.example",
    "subject:carla@canary.example",
    "subject:dora@canary.example",
    "conversation:c1",
    "conversation:c3",
    "conversation:c1 NOT channel:mail",
    "channel:web OR tag:of:gus",
    "after:1970-01-05 before:1970-01-25",
    "kind:person",
    "id:dora0",
    "id:ben2",
];
const IDS: &[&str] = &["anna0", "ben1", "carla2", "dora0", "dora2", "agent0", "fay0", "unknown"];
const PEOPLE: &[&str] = &["anna@canary.example", "ben@canary.example", "gus@canary.example", ERASED, DOOMED];

/// Asks everything.
pub fn ask(store: &Store) -> Answers {
    let mut out = Answers::new();
    let mut note = |what: String, answer: Result<String>| {
        let answer = match answer {
            Ok(text) => Ok(text),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok("unknown".into()),
            Err(e) => Err(e.kind()),
        };
        out.push((what, answer));
    };
    let reading = store.session(Session::new());
    for query in QUERIES {
        note(format!("count {query}"), reading.count(query).map(|n| n.to_string()));
        note(format!("oldest of {query}"), search(&reading, query, Order::Oldest));
    }
    note("newest of all".into(), search(&reading, "*", Order::Newest));
    for by in ["author", "tag", "conversation", "channel"] {
        note(format!("facet {by}"), reading.facet("*", by).map(|f| format!("{f:?}")));
    }
    note("histogram".into(), reading.histogram("*", Period::Month).map(|h| format!("{h:?}")));
    for id in IDS {
        note(format!("get {id}"), reading.get(id, None).map(|hits| text(&hits)));
    }
    for name in ["c1", "c2", "c3"] {
        note(format!("conversation {name}"), reading.conversation(name).map(|hits| text(&hits)));
    }
    for who in PEOPLE {
        note(format!("records of {who}"), reading.records_of(who).map(|hits| text(&hits)));
        note(format!("person {who}"), person(&reading, who));
    }
    note("export".into(), export(&reading));
    note("plan".into(), plan(store));
    note("records and people".into(), store.stats().map(|s| format!("{} {}", s.records, s.people)));
    note("key".into(), store.verifier_key());
    note("acts".into(), acts(store, false));
    note(DETAILS.into(), acts(store, true));
    note("certificate".into(), certificate(store));
    note("keys of the log".into(), store.log_keys().map(|keys| format!("{keys:?}")));
    note("the kept head".into(), continued(store));
    out
}

/// The question for what was typed. Of several places that are lost a detail may be one that can't be read;
/// it goes with an erasure then, whomever it names.
pub const DETAILS: &str = "details of acts";

fn acts(store: &Store, details: bool) -> Result<String> {
    let all = ActOptions::new().limit(1000).order(Order::Oldest).details(details);
    let mut out = String::new();
    for found in store.session(Session::new().purpose("check")).acts("*", &all)? {
        let act = found.act.as_ref();
        let (deed, count) = (act.and_then(|act| act.deed), act.map_or(0, |act| act.count));
        if !details {
            let (seq, time, who) = (found.seq, found.time, &found.actor_name);
            let _ = writeln!(out, "{seq} {time:?} {deed:?} {count} by {who:?} of {:?}", found.people);
        }
        if let Some(detail) = found.detail {
            let texts: Vec<_> = detail.fields().iter().map(|(f, text)| (f, text.as_str())).collect();
            let _ = writeln!(out, "{} {texts:?}", found.seq);
        }
    }
    Ok(out)
}

fn certificate(store: &Store) -> Result<String> {
    let found = store.erasure(REQUEST_BEFORE)?;
    Ok(format!("{:?}", found.map(|c| (c.what, c.records_removed, c.handles, c.destroyed))))
}

/// Whether the log goes on from the head that was kept.
fn continued(store: &Store) -> Result<String> {
    Ok(match store.verify_against(kept())? {
        Against::Continues { from, .. } => format!("continued from {from}"),
        other => format!("{other:?}"),
    })
}

/// Erases [`DOOMED`].
///
/// # Errors
/// The engine's.
pub fn erase(store: &Store) -> Result<()> {
    let options = EraseOptions { reason: None, request: Some(REQUEST), ..EraseOptions::default() };
    store.erase(&Selector::Person(DOOMED.into()), &options).map(drop)
}

/// The questions that are answered otherwise than in `wanted`; errors are no answers.
pub fn other_answers<'a>(answers: &'a Answers, wanted: &'a Answers) -> Vec<&'a str> {
    let pairs = answers.iter().zip(wanted);
    let other = pairs.filter(|((_, now), (_, then))| now.is_ok() && now != then);
    other.map(|((what, _), _)| what.as_str()).collect()
}

/// The questions that were answered with an error, and the kinds.
pub fn errors(answers: &Answers) -> Vec<(&str, ErrorKind)> {
    answers.iter().filter_map(|(what, a)| a.as_ref().err().map(|kind| (what.as_str(), *kind))).collect()
}

fn search(reading: &Reading<'_>, query: &str, order: Order) -> Result<String> {
    Ok(text(&reading.search(query, &SearchOptions::new().limit(1000).order(order))?))
}

fn export(reading: &Reading<'_>) -> Result<String> {
    let mut out = String::new();
    let query = "kind:message OR kind:person OR kind:erased";
    reading.search_each(query, Order::Oldest, |hit| {
        put(&mut out, &hit);
        true
    })?;
    Ok(out)
}

fn person(reading: &Reading<'_>, who: &str) -> Result<String> {
    let p = reading.person(who)?;
    let (number, handle, records) = (p.number, p.handle, p.records);
    Ok(format!("{number} {handle} {:?} {:?} {records} {:?} {:?}", p.identifiers, p.linked, p.first, p.last))
}

fn plan(store: &Store) -> Result<String> {
    let plan = store.plan(&Selector::Person("ben@canary.example".into()))?;
    if plan.people != 1 {
        return Err(Error::invalid("a plan for one person is about one person"));
    }
    // Segments and journals differ after a recovery that rolled; the records don't.
    Ok(format!("{} {} {}", plan.records, plan.mention_total, plan.others_affected))
}

fn text(hits: &[Hit]) -> String {
    let mut out = String::new();
    hits.iter().for_each(|hit| put(&mut out, hit));
    out
}

/// Everything but the cursor, which is sealed under fresh randomness.
fn put(out: &mut String, hit: &Hit) {
    let (seq, kind) = (hit.seq, hit.kind);
    // A certificate counts segments and journals, which are others after a recovery that rolled.
    let body = if kind == Kind::Erased { "" } else { &hit.body };
    let _ = writeln!(
        out,
        "{seq} {} {} {:?} {:?} {:?} {} {kind:?} {:?} {:?} {:?} {:?}",
        hit.id,
        hit.conversation,
        hit.author,
        hit.subjects,
        hit.time,
        hit.channel,
        hit.tags,
        body,
        hit.reply_to,
        hit.extra,
    );
}
