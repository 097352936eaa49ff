//! Versions, deletions and late tags against a plain model: random histories of messages, edits that come
//! before or after them, edits of edits, deletions, reactions, tags, erasures, rolls, compactions and
//! openings; every question in all three views, and the same of a store that never held what was erased.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::record::time::Period;
use escrowdb::session::Session;
use escrowdb::store::{
    CompactOptions, EraseOptions, Order, Outcome, Preset, Record, Redaction, SearchOptions, Selector,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::rng::Rng;

/// A record as the model keeps it, in the order of appending.
#[derive(Clone)]
struct Row {
    record: Record,
    subjects: Vec<String>,
    /// Its position in the log, or one that counts up as those do: what ties are broken by.
    position: usize,
}

impl Row {
    fn id(&self) -> &str {
        self.record.id.as_deref().unwrap()
    }

    fn is(&self, kind: Kind) -> bool {
        self.record.kind == kind
    }

    fn key(&self) -> (String, String) {
        (self.record.conversation.clone(), self.id().to_owned())
    }
}

/// What one record looks like in a view.
struct Seen {
    tags: BTreeSet<String>,
    channel: String,
    /// Found where no kind is asked for.
    unasked: bool,
}

#[derive(Default)]
struct Model {
    rows: Vec<Row>,
}

impl Model {
    fn at(&self, conversation: &str, id: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.record.conversation == conversation && row.id() == id)
    }

    fn parent(&self, of: usize) -> Option<usize> {
        let row = &self.rows[of];
        self.at(&row.record.conversation, row.record.target.as_deref()?)
    }

    /// The record that all of it is about.
    fn root(&self, of: usize) -> Option<usize> {
        let mut at = of;
        for _ in 0..=self.rows.len() {
            let parent = self.parent(at)?;
            if parent == at {
                return None;
            }
            if !self.rows[parent].is(Kind::Edit) || self.rows[parent].record.target.is_none() {
                return Some(parent);
            }
            at = parent;
        }
        None
    }

    fn seen(&self, at: usize, version: &str) -> Option<Seen> {
        let row = &self.rows[at];
        let is_edit = row.is(Kind::Edit) && row.record.target.is_some();
        let root = if is_edit { self.root(at) } else { Some(at) };
        let own: BTreeSet<String> = row.record.tags.iter().cloned().collect();
        let channel = row.record.channel.clone();
        let Some(root) = root else {
            return Some(Seen { tags: own, channel, unasked: false });
        };
        let about = |kind: Kind| {
            (0..self.rows.len()).filter(move |i| self.rows[*i].is(kind) && self.root(*i) == Some(root))
        };
        let versions: Vec<usize> = [root].into_iter().chain(about(Kind::Edit)).collect();
        let hidden = about(Kind::Delete).next().is_some();
        let newest = *versions.last().unwrap();
        match version {
            "newest" if hidden || at != newest => return None,
            "first" if hidden => return None,
            _ => {}
        }
        let unasked = if is_edit {
            self.rows[root].record.kind.is_default() && version != "first"
        } else {
            row.record.kind.is_default()
        };
        let until = versions.iter().position(|one| *one == at).unwrap();
        let last = |has: &dyn Fn(&Record) -> bool| {
            versions[..=until].iter().rev().map(|i| &self.rows[*i].record).find(|record| has(record))
        };
        let mut tags: BTreeSet<String> =
            last(&|r| !r.tags.is_empty()).map(|r| r.tags.iter().cloned().collect()).unwrap_or_default();
        for i in about(Kind::Tag) {
            let record = &self.rows[i].record;
            tags.extend(record.tags.iter().cloned());
            for gone in removed(record) {
                tags.remove(&gone);
            }
        }
        let channel = last(&|r| !r.channel.is_empty()).map(|r| r.channel.clone()).unwrap_or(channel);
        Some(Seen { tags, channel, unasked })
    }

    /// What goes with records, besides them.
    fn family(&self, mut gone: BTreeSet<usize>) -> BTreeSet<usize> {
        loop {
            let more: Vec<usize> = (0..self.rows.len())
                .filter(|i| !gone.contains(i) && self.parent(*i).is_some_and(|parent| gone.contains(&parent)))
                .collect();
            if more.is_empty() {
                return gone;
            }
            gone.extend(more);
        }
    }

    fn erase(&mut self, gone: BTreeSet<usize>) {
        let gone = self.family(gone);
        let mut at = 0;
        self.rows.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
    }
}

fn removed(record: &Record) -> Vec<String> {
    let json = record.extra.iter().find(|(name, _)| name == "removed");
    json.map(|(_, json)| serde_json::from_str(json).unwrap()).unwrap_or_default()
}

type Fits = Box<dyn Fn(&Record, &Seen) -> bool>;

fn questions() -> Vec<(String, Fits)> {
    let words = |text: &'static str| -> Fits {
        Box::new(move |record, seen| seen.unasked && record.body.split(' ').any(|word| word == text))
    };
    let tag =
        |name: &'static str| -> Fits { Box::new(move |_, seen| seen.unasked && seen.tags.contains(name)) };
    let kind = |kind: Kind| -> Fits { Box::new(move |record, _| record.kind == kind) };
    vec![
        ("*".into(), Box::new(|_, seen| seen.unasked)),
        ("alpha".into(), words("alpha")),
        ("beta".into(), words("beta")),
        ("alpha -beta".into(), {
            let (a, b) = (words("alpha"), words("beta"));
            Box::new(move |record, seen| a(record, seen) && !b(record, seen))
        }),
        (
            "\"alpha gamma\"".into(),
            Box::new(|record, seen| seen.unasked && record.body.contains("alpha gamma")),
        ),
        ("gam*".into(), words("gamma")),
        ("tag:x".into(), tag("x")),
        ("tag:k:y".into(), tag("k:y")),
        ("-tag:x".into(), Box::new(|_, seen| seen.unasked && !seen.tags.contains("x"))),
        (
            "tag:x tag:k:y".into(),
            Box::new(|_, seen| seen.unasked && seen.tags.contains("x") && seen.tags.contains("k:y")),
        ),
        ("tag:x alpha".into(), {
            let (a, b) = (tag("x"), words("alpha"));
            Box::new(move |record, seen| a(record, seen) && b(record, seen))
        }),
        ("channel:web".into(), Box::new(|_, seen| seen.unasked && seen.channel == "web")),
        ("conversation:c0".into(), Box::new(|record, seen| seen.unasked && record.conversation == "c0")),
        ("kind:message".into(), kind(Kind::Message)),
        ("kind:edit".into(), kind(Kind::Edit)),
        ("kind:delete".into(), kind(Kind::Delete)),
        ("kind:reaction".into(), kind(Kind::Reaction)),
        ("kind:tag".into(), kind(Kind::Tag)),
        (
            "kind:edit tag:x".into(),
            Box::new(|record, seen| record.kind == Kind::Edit && seen.tags.contains("x")),
        ),
        ("tag:x OR kind:edit".into(), {
            let a = tag("x");
            Box::new(move |record, seen| a(record, seen) || record.kind == Kind::Edit)
        }),
    ]
}

/// Every question in every view.
fn compare(store: &Store, model: &Model, history: &str) {
    let reading = store.session(Session::new());
    for version in ["newest", "first", "all"] {
        for (text, fits) in questions() {
            let query = match version {
                // Members of an `OR` stand in parentheses beside it.
                "newest" => text.clone(),
                _ => format!("version:{version} ({text})"),
            };
            let mut hits: Vec<(Micros, usize, usize, Seen)> = Vec::new();
            for at in 0..model.rows.len() {
                if let Some(seen) = model.seen(at, version)
                    && fits(&model.rows[at].record, &seen)
                {
                    hits.push((model.rows[at].record.time, model.rows[at].position, at, seen));
                }
            }
            hits.sort_by_key(|(time, position, ..)| (*time, *position));
            let expected: Vec<_> = hits.iter().map(|(_, _, at, _)| model.rows[*at].key()).collect();
            let told = || format!("{query} in\n{history}");
            assert_eq!(reading.count(&query).unwrap(), hits.len() as u64, "count {}", told());
            assert_eq!(reading.seqs(&query, Order::Newest).unwrap().len(), hits.len(), "seqs {}", told());
            for order in [Order::Oldest, Order::Newest] {
                let mut found = Vec::new();
                let mut tags = Vec::new();
                let mut cursor: Option<String> = None;
                loop {
                    let mut options = SearchOptions::new().order(order).limit(3);
                    if let Some(cursor) = &cursor {
                        options = options.cursor(cursor.clone());
                    }
                    let page = reading.search(&query, &options).unwrap();
                    let Some(last) = page.last() else { break };
                    cursor = Some(last.cursor.clone());
                    for hit in page {
                        found.push((hit.conversation, hit.id));
                        tags.push(hit.tags.into_iter().collect::<BTreeSet<_>>());
                    }
                }
                if order == Order::Newest {
                    found.reverse();
                    tags.reverse();
                }
                assert_eq!(found, expected, "{order:?} {}", told());
                assert!(tags.iter().eq(hits.iter().map(|(.., seen)| &seen.tags)), "tags {}", told());
            }
            for by in ["tag", "kind", "conversation", "channel"] {
                let mut counts: BTreeMap<String, u64> = BTreeMap::new();
                for (_, _, at, seen) in &hits {
                    let record = &model.rows[*at].record;
                    let values = match by {
                        "tag" => seen.tags.iter().cloned().collect(),
                        "kind" => vec![record.kind.name().to_owned()],
                        "conversation" => vec![record.conversation.clone()],
                        _ if seen.channel.is_empty() => Vec::new(),
                        _ => vec![seen.channel.clone()],
                    };
                    for value in values {
                        *counts.entry(value).or_default() += 1;
                    }
                }
                let found: BTreeMap<String, u64> = reading.facet(&query, by).unwrap().into_iter().collect();
                assert_eq!(found, counts, "by {by} {}", told());
            }
            let mut bars: BTreeMap<Micros, u64> = BTreeMap::new();
            for (time, ..) in &hits {
                *bars.entry(Period::Hour.start_of(*time)).or_default() += 1;
            }
            let found: BTreeMap<_, _> =
                reading.histogram(&query, Period::Hour).unwrap().into_iter().collect();
            assert_eq!(found, bars, "histogram {}", told());
        }
    }
}

/// What a search by relevance answers, with scores.
fn ranked(store: &Store) -> Vec<(String, String, u64)> {
    let reading = store.session(Session::new());
    let options = SearchOptions::new().order(Order::Relevance).limit(1000);
    ["alpha", "beta gam*", "version:all alpha", "version:first gamma"]
        .iter()
        .flat_map(|query| reading.search(query, &options).unwrap())
        .map(|hit| (hit.conversation, hit.id, hit.score.unwrap().to_bits()))
        .collect()
}

fn builder(disk: &MemoryVfs) -> escrowdb::store::Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).preset(Preset::Room).compaction(false).background(false)
}

struct History {
    rng: Rng,
    next: usize,
    told: String,
}

impl History {
    fn record(&mut self) -> Record {
        let rng = &mut self.rng;
        let n = self.next;
        self.next += 1;
        let kind = *rng.pick(&[
            Kind::Message,
            Kind::Message,
            Kind::Message,
            Kind::Edit,
            Kind::Edit,
            Kind::Edit,
            Kind::Delete,
            Kind::Reaction,
            Kind::Tag,
            Kind::Tag,
            Kind::System,
        ]);
        let body = *rng.pick(&["alpha", "beta", "alpha beta", "alpha gamma", "gamma alpha beta", ""]);
        let author = *rng.pick(&["anna", "ben", "cleo", "dan"]);
        let time = Micros(i64::try_from(rng.below(5)).unwrap() * 3_600_000_000);
        let conversation = *rng.pick(&["c0", "c0", "c1"]);
        let mut record = Record::new(conversation, author, time, body).kind(kind).id(format!("r{n}"));
        if rng.below(3) == 0 {
            record = record.tag(*rng.pick(&["x", "k:y", "z"]));
        }
        if rng.below(4) == 0 {
            record = record.channel(*rng.pick(&["web", "mail"]));
        }
        if kind.has_target() && rng.below(12) > 0 {
            // What it is about may be anything, be there or come yet; itself too.
            record = record.target(format!("r{}", rng.below(n + 3)));
        }
        if kind == Kind::Tag && rng.below(2) == 0 {
            record = record.extra("removed", *rng.pick(&[r#"["x"]"#, r#"["k:y","z"]"#]));
        }
        record
    }
}

fn run(seed: u64, steps: usize) {
    let disk = MemoryVfs::new();
    let mut store = builder(&disk).create().unwrap();
    let mut model = Model::default();
    let mut position = 0;
    let mut history = History { rng: Rng::new(seed), next: 0, told: format!("seed {seed}\n") };
    for _ in 0..steps {
        match history.rng.below(20) {
            0..12 => {
                let n = 1 + history.rng.below(4);
                let batch: Vec<Record> = (0..n).map(|_| history.record()).collect();
                let outcomes = store.append(&batch).unwrap();
                for (record, outcome) in batch.into_iter().zip(outcomes) {
                    assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?} {}", history.told);
                    let (id, target) =
                        (record.id.clone().unwrap(), record.target.clone().unwrap_or_default());
                    history.told += &format!(
                        "{} {id} of {target} in {} by {} tags {:?} {:?}\n",
                        record.kind.name(),
                        record.conversation,
                        record.author,
                        record.tags,
                        record.extra
                    );
                    let found = record.target.as_ref().and_then(|t| model.at(&record.conversation, t));
                    let subjects = found
                        .map_or_else(|| vec![record.author.clone()], |at| model.rows[at].subjects.clone());
                    position += 1;
                    model.rows.push(Row { record, subjects, position });
                }
            }
            12 | 13 => {
                history.told += "roll\n";
                store.roll().unwrap();
            }
            14 => {
                history.told += "compact\n";
                store.compact(&CompactOptions::default(), |_| ()).unwrap();
            }
            15 => {
                history.told += "open\n";
                drop(store);
                store = builder(&disk).open().unwrap();
            }
            _ if model.rows.is_empty() => {}
            16 => {
                let at = history.rng.below(model.rows.len());
                let row = &mut model.rows[at];
                let whole = row.record.body.chars().count() as u32;
                let redaction = Redaction::new(row.id()).conversation(&row.record.conversation);
                if whole > 0 {
                    history.told += &format!("redact {}\n", row.id());
                    store.redact(&redaction.span(0, whole), &EraseOptions::default()).unwrap();
                    row.record.body = "█".into();
                    position += 1;
                    row.position = position;
                }
            }
            _ => {
                let at = history.rng.below(model.rows.len());
                let row = model.rows[at].clone();
                let (selector, gone): (Selector, BTreeSet<usize>) = match history.rng.below(5) {
                    0 => {
                        let person = row.subjects[0].clone();
                        let of = |row: &Row| row.subjects.contains(&person);
                        let gone = (0..model.rows.len()).filter(|i| of(&model.rows[*i])).collect();
                        (Selector::Person(person), gone)
                    }
                    1 => {
                        let name = row.record.conversation.clone();
                        let of = |row: &Row| row.record.conversation == name;
                        let gone = (0..model.rows.len()).filter(|i| of(&model.rows[*i])).collect();
                        (Selector::Conversation(name), gone)
                    }
                    _ => {
                        let conversation = Some(row.record.conversation.clone());
                        (Selector::Record { id: row.id().to_owned(), conversation }, [at].into())
                    }
                };
                history.told += &format!("erase {} {}\n", selector.what(), row.id());
                let planned = store.plan(&selector).unwrap().records;
                let certificate = store.erase(&selector, &EraseOptions::default()).unwrap();
                assert_eq!(certificate.records_removed, planned, "{}", history.told);
                model.erase(gone);
                compare(&store, &model, &history.told);
            }
        }
        if history.rng.below(3) == 0 {
            compare(&store, &model, &history.told);
        }
    }
    compare(&store, &model, &history.told);
    // A store that never held what was erased.
    let other = builder(&MemoryVfs::new()).create().unwrap();
    for row in &model.rows {
        let record = row.subjects.iter().fold(row.record.clone(), |record, subject| record.subject(subject));
        assert!(matches!(other.append(&[record]).unwrap()[..], [Outcome::Added(_)]));
    }
    for (position, row) in model.rows.iter_mut().enumerate() {
        row.position = position;
    }
    compare(&other, &model, &history.told);
    let mut ranks = [ranked(&store), ranked(&other)];
    if history.told.contains("redact") {
        // Ties are broken by positions, which differ.
        ranks.iter_mut().for_each(|ranks| ranks.sort());
    }
    assert_eq!(ranks[0], ranks[1], "{}", history.told);
}

#[test]
fn random_histories_answer_as_a_plain_model() {
    let seeds: u64 = std::env::var("ESCROW_HISTORIES").map_or(40, |n| n.parse().unwrap());
    (0..seeds).for_each(|seed| run(seed, 30));
}
