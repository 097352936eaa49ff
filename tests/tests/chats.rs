//! Real chats of nine sets, from `ESCROW_CHATS`, a folder with one file of JSON Lines a set:
//! everything that goes in is found by every field and comes out again as it was.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what can't go on is a failed test; what is left out says so"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::record::Record;
use escrowdb::record::jsonl::{self, View};
use escrowdb::record::time::Period;
use escrowdb::session::Session;
use escrowdb::store::{CompactOptions, EraseOptions, Hit, Order, Outcome, Selector, VerifyOptions};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::rng::Rng;

/// Records of a set in the gate; all of them with `ESCROW_TEST=full`.
const GATE: usize = 2_500;
const SETS: [&str; 9] =
    ["abcd", "bcontrast", "crosswoz", "duraspace", "gitter", "rpc", "sgd", "slack", "ubuntu"];
const BATCH: usize = 1_000;

fn full() -> bool {
    std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full")
}

/// The sets: name and records.
fn sets() -> Option<Vec<(&'static str, Vec<Record>)>> {
    let Some(folder) = std::env::var_os("ESCROW_CHATS").map(PathBuf::from) else {
        eprintln!("left out: ESCROW_CHATS names no folder with real chats");
        return None;
    };
    Some(SETS.iter().map(|name| (*name, read(&folder.join(format!("{name}.jsonl"))))).collect())
}

fn read(file: &Path) -> Vec<Record> {
    let lines = BufReader::new(std::fs::File::open(file).unwrap()).split(b'\n');
    let limit = if full() { usize::MAX } else { GATE };
    lines.take(limit).map(|line| jsonl::parse(&line.unwrap(), false).unwrap()).collect()
}

fn open(disk: &MemoryVfs, roll_records: u32) -> escrowdb::store::Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).roll_records(roll_records)
}

fn fill(store: &Store, records: &[Record]) {
    for batch in records.chunks(BATCH) {
        for outcome in store.append(batch).unwrap() {
            assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
        }
    }
}

fn tally<'a>(
    records: impl Iterator<Item = &'a Record>,
    value: impl Fn(&Record) -> Vec<String>,
) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    records.for_each(|r| value(r).into_iter().for_each(|v| *counts.entry(v).or_default() += 1));
    counts
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What an export says of a record, and what the input said.
fn line_of_hit(hit: &Hit) -> String {
    hit.with_view(line)
}

fn line_of_record(record: &Record) -> String {
    let subjects: Vec<&str> = record.subjects.iter().map(String::as_str).collect();
    line(&View {
        id: record.id.as_deref().unwrap(),
        conversation: &record.conversation,
        author: Some(&record.author),
        subjects: &subjects,
        time: record.time,
        channel: &record.channel,
        kind: record.kind,
        tags: &record.tags,
        body: &record.body,
        reply_to: record.reply_to.as_deref(),
        target: record.target.as_deref(),
        extra: &record.extra,
    })
}

fn line(view: &View) -> String {
    let mut out = String::new();
    jsonl::print_record(&mut out, view);
    out
}

/// The values of a field of a record.
type Values = fn(&Record) -> Vec<String>;

/// Counts of every field are those of a scan; what comes out is what went in.
fn compare(store: &Store, records: &[Record], rng: &mut Rng) {
    let reading = store.session(Session::new());
    assert_eq!(reading.count("*").unwrap(), records.len() as u64);
    let fields: [(&str, Values); 6] = [
        ("author", |r| vec![r.author.clone()]),
        ("subject", |r| r.subjects.clone()),
        ("channel", |r| vec![r.channel.clone()]),
        ("conversation", |r| vec![r.conversation.clone()]),
        ("tag", |r| r.tags.clone()),
        ("kind", |r| vec![r.kind.name().to_owned()]),
    ];
    for (field, value) in fields {
        let want = tally(records.iter(), value);
        let got: BTreeMap<String, u64> = reading.facet("*", field).unwrap().into_iter().collect();
        assert!(got == want, "facet by {field}: {} values, want {}", got.len(), want.len());
        // Some by a query of their own, with the histogram of their months.
        let values: Vec<&String> = want.keys().collect();
        for _ in 0..values.len().min(8) {
            let name = *rng.pick(&values);
            let query = match field {
                "kind" => format!("kind:{name}"),
                _ => format!("{field}:{}", quoted(name)),
            };
            assert_eq!(reading.count(&query).unwrap(), want[name], "{query}");
            let mut months: BTreeMap<Micros, u64> = BTreeMap::new();
            for record in records.iter().filter(|r| value(r).contains(name)) {
                *months.entry(Period::Month.start_of(record.time)).or_default() += 1;
            }
            let got = reading.histogram(&query, Period::Month).unwrap();
            assert!(got == months.into_iter().collect::<Vec<_>>(), "{query}");
        }
    }
    let mut want: Vec<(Micros, String)> = records.iter().map(|r| (r.time, line_of_record(r))).collect();
    want.sort_by_key(|(time, _)| *time);
    let mut at = 0;
    reading
        .search_each("*", Order::Oldest, |hit| {
            assert!(line_of_hit(&hit) == want[at].1, "record {at}: {}", hit.id);
            at += 1;
            true
        })
        .unwrap();
    assert_eq!(at, want.len());
}

#[test]
fn every_set_is_found_and_comes_out_as_it_went_in() {
    let Some(sets) = sets() else { return };
    let mut rng = Rng::new(1);
    for (name, records) in &sets {
        assert!(records.len() > 50, "{name}");
        let disk = MemoryVfs::new();
        let store = open(&disk, 1_000 + rng.below(60_000) as u32).create().unwrap();
        fill(&store, records);
        compare(&store, records, &mut rng);
        // Everybody who takes part has joined, once for each set of those who can have it erased.
        let joins = |r: &'_ Record| {
            let whose: std::collections::BTreeSet<String> = r.subjects.iter().cloned().collect();
            let join = |p: &String| {
                let mut whose = whose.clone();
                whose.insert(p.clone());
                (r.conversation.clone(), p.clone(), whose)
            };
            r.participants.iter().map(join).collect::<Vec<_>>()
        };
        let joins: std::collections::BTreeSet<_> = records.iter().flat_map(joins).collect();
        let reading = store.session(Session::new());
        assert_eq!(reading.count("kind:join").unwrap(), joins.len() as u64, "{name}");
        // A repeated import adds nothing.
        for batch in records.chunks(BATCH) {
            for outcome in store.append(batch).unwrap() {
                assert!(matches!(outcome, Outcome::Duplicate(_)), "{name}: {outcome:?}");
            }
        }
        store.close().unwrap();
        let store = open(&disk, 65_536).open().unwrap();
        compare(&store, records, &mut rng);
        store.roll().unwrap();
        compare(&store, records, &mut rng);
        store.compact(&CompactOptions::default(), |_| {}).unwrap();
        compare(&store, records, &mut rng);
        let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert_eq!(report.damage, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn all_sets_live_in_one_store_and_forget() {
    let Some(sets) = sets() else { return };
    let mut rng = Rng::new(2);
    let limit = if full() { 20_000 } else { 1_000 };
    // One conversation id may stand in two sets: the set goes before it.
    let mut records = Vec::new();
    for (name, set) in &sets {
        for record in set.iter().take(limit) {
            let mut record = record.clone();
            record.conversation = format!("{name}/{}", record.conversation);
            records.push(record);
        }
    }
    let disk = MemoryVfs::new();
    let store = open(&disk, 4_000).create().unwrap();
    fill(&store, &records);
    compare(&store, &records, &mut rng);
    let people: Vec<String> = tally(records.iter(), |r| r.subjects.clone()).into_keys().collect();
    let mut forgotten: Vec<String> = Vec::new();
    for _ in 0..5 {
        let name = rng.pick(&people).clone();
        if forgotten.contains(&name) {
            continue;
        }
        let certificate = store.erase(&Selector::Person(name.clone()), &EraseOptions::default()).unwrap();
        let gone = records.iter().filter(|r| r.subjects.contains(&name)).count() as u64;
        assert!(certificate.records_removed > gone, "the person's own record goes too");
        records.retain(|r| !r.subjects.contains(&name));
        let reading = store.session(Session::new());
        assert_eq!(reading.count("*").unwrap(), records.len() as u64);
        assert_eq!(reading.count(&format!("author:{}", quoted(&name))).unwrap(), 0);
        forgotten.push(name);
        let known = records.iter().filter(|r| !forgotten.contains(&r.author));
        let got: BTreeMap<String, u64> = reading.facet("*", "author").unwrap().into_iter().collect();
        assert!(got == tally(known, |r| vec![r.author.clone()]));
    }
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}
