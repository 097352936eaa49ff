//! Queries for words against a look at every text, by code that shares nothing with the engine's
//! (`escrowdb_tests::words`): texts of many scripts, in a store that is live, rolled, in several
//! segments, compacted, opened again, and from which people, conversations and records were erased.
//! A failure prints its seed; `ESCROW_SEED=n` replays it, `ESCROW_TEST=full` runs many more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what can't go on is a failed test, and says how to repeat it"
)]

use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::query::ast::{Ast, Leaf};
use escrowdb::query::words::{self, Form};
use escrowdb::record::{Kind, Record};
use escrowdb::session::Session;
use escrowdb::store::{Builder, CompactOptions, EraseOptions, Order, Preset, SearchOptions, Selector};
use escrowdb::text::Analyser;
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::chats::ask::{Answers, Plain, Words, all_hits};
use escrowdb_tests::chats::model::Model;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::rng::Rng;
use escrowdb_tests::words::{asked, ranking, scan};

const START: i64 = 1_767_225_600_000_000;
const PEOPLE: [&str; 6] = ["anna", "bob", "chloé", "дмитрий", "eve@example.org", "agent 7"];

fn is_full() -> bool {
    std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full")
}

/// Says how to repeat what failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with ESCROW_SEED={} cargo test -p escrowdb-tests --test words", self.0);
        }
    }
}

fn seeds(few: u64, many: u64) -> Vec<u64> {
    match std::env::var("ESCROW_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..if is_full() { many } else { few }).collect(),
    }
}

#[test]
fn the_scanner_cuts_as_the_analyser_does() {
    let mut analyser = Analyser::new();
    for seed in seeds(3_000, 300_000) {
        let _seed = Seed(seed);
        let text = asked::text(&mut Rng::new(seed));
        let mut words = Vec::new();
        analyser
            .words(&text, |word| words.push((String::from_utf8(word.value.to_vec()).ok(), word.position)));
        let scanned: Vec<_> =
            scan(&text).into_iter().map(|w| (Some(w.word).filter(|w| w.len() <= 255), w.position)).collect();
        assert_eq!(words, scanned, "{text:?}");
    }
}

struct World {
    seed: u64,
    rng: Rng,
    disk: MemoryVfs,
    opened: u64,
    store: Option<Store>,
    model: Model,
    sent: Vec<Record>,
}

impl World {
    fn new(seed: u64) -> Self {
        let disk = MemoryVfs::new();
        let store = builder(&disk, seed).create().unwrap();
        let model = Model::new(Preset::Peer, Micros(START));
        Self { seed, rng: Rng::new(seed), disk, opened: 0, store: Some(store), model, sent: Vec::new() }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn append(&mut self, n: usize) {
        let batch: Vec<Record> = (0..n).map(|i| self.record(self.sent.len() + i)).collect();
        self.store().append(&batch).unwrap();
        for record in &batch {
            self.model.append(record);
        }
        self.sent.extend(batch);
    }

    fn record(&mut self, n: usize) -> Record {
        let rng = &mut self.rng;
        let mut body = asked::text(rng);
        if n > 0 && rng.chance(20) {
            // What somebody wrote before, twice or with something in between.
            let old = self.sent.get(rng.below(self.sent.len().max(1))).map_or("", |r| r.body.as_str());
            body = [old, &body, old].concat();
        }
        let time = Micros(START + rng.below(40) as i64 * 3_600_000_000);
        let kind = *rng.pick(&[Kind::Message, Kind::Message, Kind::Message, Kind::Action, Kind::System]);
        let mut record = Record::new(format!("c{}", rng.below(4)), *rng.pick(&PEOPLE), time, body)
            .id(format!("m{n}"))
            .kind(kind);
        if rng.chance(40) {
            record = record.tag(*rng.pick(&["topic:a", "topic:b", "vip"]));
        }
        if rng.chance(30) {
            record = record.subject(*rng.pick(&PEOPLE));
        }
        record
    }

    fn reopen(&mut self) {
        self.store.take().unwrap().close().unwrap();
        self.opened += 1;
        self.store = Some(builder(&self.disk, self.seed + 1_000_000 * self.opened).open().unwrap());
    }

    fn erase(&mut self) {
        let rows = self.model.rows();
        let selector = match self.rng.below(3) {
            0 => Selector::Person((*self.rng.pick(&PEOPLE)).to_owned()),
            1 => Selector::Conversation(format!("c{}", self.rng.below(4))),
            _ => match rows.iter().rev().find(|(_, r)| r.kind != Kind::Person) {
                Some((_, row)) => Selector::Record { id: row.id.clone(), conversation: None },
                None => return,
            },
        };
        let want = self.model.erase(&selector);
        let got = self.store().erase(&selector, &EraseOptions::default());
        assert_eq!(got.map(|c| c.records_removed).map_err(|e| e.kind()), want, "seed {}", self.seed);
    }

    /// Every answer to some queries, each with a condition that asks for words.
    fn ask(&mut self, n: usize) {
        let rows = self.model.rows();
        let words = Words::of(&self.sent);
        for _ in 0..n {
            let (text, form) = match self.sent.is_empty() {
                true => ("none".to_owned(), Form::Exact),
                false => asked::words(&self.rng.pick::<Record>(&self.sent).body, &mut self.rng),
            };
            let leaf = Ast::Leaf(Leaf::Words(words::Words::new(text, form).unwrap()));
            let query = match self.rng.below(5) {
                0 => leaf,
                1 => Ast::Not(Box::new(leaf)),
                2 => Ast::And(vec![leaf, words.query(&mut self.rng)]),
                3 => Ast::And(vec![words.query(&mut self.rng), Ast::Not(Box::new(leaf))]),
                _ => Ast::Or(vec![leaf, words.query(&mut self.rng)]),
            };
            let page = *self.rng.pick(&[1, 3, 1000]);
            let want = Answers::of_rows(rows.iter().map(|(_, r)| r), &query);
            let reading = self.store().session(Session::new());
            let got = Answers::of_store(&reading, &query.to_string(), page);
            assert_eq!(got, want, "seed {}: {query}", self.seed);
            self.rank(&query, &want.oldest, page);
            self.show(&query);
        }
    }

    /// What is shown of a hit is a part of its body, with marks in it that lie one behind the other;
    /// something is marked wherever the query is one word that must be there.
    fn show(&self, query: &Ast) {
        let options = SearchOptions::new().snippets(true).limit(50);
        let reading = self.store().session(Session::new());
        for hit in reading.search(&query.to_string(), &options).unwrap() {
            let snippet = hit.snippet.unwrap();
            let body: Vec<char> = hit.body.chars().collect();
            let to = snippet.from + snippet.text.chars().count();
            assert!(body[snippet.from..to].iter().copied().eq(snippet.text.chars()), "seed {}", self.seed);
            assert_eq!(snippet.goes_on, to < body.len(), "seed {}: {query}", self.seed);
            assert!(snippet.marks.windows(2).all(|m| m[0].end <= m[1].start), "seed {}: {query}", self.seed);
            let within =
                |m: &std::ops::Range<usize>| snippet.from <= m.start && m.start < m.end && m.end <= to;
            assert!(snippet.marks.iter().all(within), "seed {}: {query}", self.seed);
            if matches!(query, Ast::Leaf(_)) {
                assert!(!snippet.marks.is_empty(), "seed {}: {query}: nothing is marked", self.seed);
            }
        }
    }

    /// By relevance the same hits come, each with the score of the formula, the best first.
    fn rank(&self, query: &Ast, found: &[Plain], page: usize) {
        let reading = self.store().session(Session::new());
        let text = query.to_string();
        let rows = self.model.rows();
        let bodies: Vec<&str> = rows.iter().map(|(_, row)| row.body.as_str()).collect();
        let Some(scores) = ranking::scores(query, &bodies) else {
            assert!(reading.search(&text, &SearchOptions::new().order(Order::Relevance)).is_err());
            return;
        };
        let hits = all_hits(&reading, &text, Order::Relevance, page);
        let mut got: Vec<Plain> = hits.iter().map(Plain::from).collect();
        for pair in hits.windows(2) {
            let of = |n: usize| (pair[n].score.unwrap(), std::cmp::Reverse(pair[n].seq));
            assert!(of(0) > of(1), "seed {}: {query}: not in order", self.seed);
        }
        for (hit, plain) in hits.iter().zip(&got) {
            let n = rows.iter().position(|(_, row)| row == plain).unwrap();
            let (is, wanted) = (hit.score.unwrap(), scores[n]);
            assert!((is - wanted).abs() < 1e-9, "seed {}: {query}: {is} for {wanted}", self.seed);
        }
        let mut found = found.to_vec();
        let key = |p: &Plain| (p.time, p.id.clone(), p.conversation.clone());
        got.sort_by_key(key);
        found.sort_by_key(key);
        assert_eq!(got, found, "seed {}: {query}", self.seed);
    }
}

fn builder(disk: &MemoryVfs, seed: u64) -> Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::new(ManualClock::new(Micros(START))))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .close_roll_records(10)
        .background(false)
}

#[test]
fn every_answer_is_that_of_a_look_at_every_text() {
    for seed in seeds(12, 1_000) {
        let _seed = Seed(seed);
        let mut world = World::new(seed);
        let n = if is_full() { 20 } else { 8 };
        world.append(40);
        world.ask(n);
        world.store().roll().unwrap();
        world.ask(n);
        for _ in 0..3 {
            world.append(25);
            world.store().roll().unwrap();
        }
        world.append(10);
        world.ask(n);
        world.erase();
        world.ask(n);
        world.erase();
        world.append(10);
        world.ask(n);
        world.reopen();
        world.ask(n);
        world.store().compact(&CompactOptions::new(), |_| ()).unwrap();
        world.ask(n);
        world.erase();
        world.ask(n);
        world.reopen();
        world.append(5);
        world.ask(n);
    }
}

/// A segment of more documents than a search for a phrase looks through at once: pages from both ends,
/// and behind cursors, for phrases that stand at the beginning, at the end, everywhere and in between.
#[test]
fn pages_of_phrases_in_a_large_segment() {
    const RECORDS: usize = 9_000;
    let disk = MemoryVfs::new();
    let store = builder(&disk, 1).create().unwrap();
    let mut rng = Rng::new(1);
    let body = |n: usize, rng: &mut Rng| {
        let mut words = vec!["the", "order", "came"];
        rng.shuffle(&mut words);
        let mark = match n {
            4_095..4_098 => "東京 border two",
            0..3 => "very first",
            8_997.. => "very last",
            _ if n % 1_000 == 7 => "ein café",
            _ => "",
        };
        format!("{} {mark} {}", words.join(" "), n / 100)
    };
    let records: Vec<Record> = (0..RECORDS)
        .map(|n| {
            let time = Micros(START + n as i64 / 3);
            Record::new("c", "anna", time, body(n, &mut rng)).id(format!("m{n}"))
        })
        .collect();
    for batch in records.chunks(1_000) {
        store.append(batch).unwrap();
    }
    store.roll().unwrap();
    store
        .append(&[Record::new("c", "bob", Micros(START + 1_000), "the order came late").id("late")])
        .unwrap();
    let ids = |text: &str, form: Form| {
        let found = records.iter().filter(|r| escrowdb_tests::words::has(&r.body, text, form));
        found.map(|r| (r.time, r.id.clone().unwrap())).collect::<Vec<_>>()
    };
    let check = |store: &Store, gone: &dyn Fn(&str) -> bool| {
        let reading = store.session(Session::new());
        for (text, form) in [
            ("the order", Form::Exact),
            ("order came the", Form::Exact),
            ("very first", Form::Exact),
            ("very last", Form::Exact),
            ("border two", Form::Exact),
            ("東京", Form::Exact),
            ("ein cafe", Form::Exact),
            ("ein.caf", Form::Prefix),
            ("order first", Form::Exact),
        ] {
            let query = Ast::Leaf(Leaf::Words(words::Words::new(text, form).unwrap())).to_string();
            let mut want = ids(text, form);
            if text == "the order" {
                want.push((Micros(START + 1_000), "late".into()));
            }
            want.retain(|(_, id)| !gone(id));
            // The last record is the last of its moment.
            want.sort_by_key(|(time, _)| *time);
            for (order, page) in
                [(Order::Newest, 7), (Order::Oldest, 7), (Order::Newest, 700), (Order::Oldest, 700)]
            {
                // Small pages of many hits would take long.
                let (mut got, mut cursor) = (Vec::new(), None);
                for _ in 0..20 {
                    let mut options = SearchOptions::new().order(order).limit(page);
                    options.cursor = cursor.take();
                    let hits = reading.search(&query, &options).unwrap();
                    got.extend(hits.iter().map(|h| (h.time, h.id.clone())));
                    cursor = hits.last().map(|h| h.cursor.clone());
                    if hits.len() < page {
                        break;
                    }
                }
                let mut want = want.clone();
                if order == Order::Newest {
                    want.reverse();
                }
                want.truncate(got.len().max(page * 20));
                assert!(got == want, "{query}, {order:?} by {page}: {} and {} hits", got.len(), want.len());
            }
            assert_eq!(reading.count(&query).unwrap(), want.len() as u64, "{query}");
        }
    };
    check(&store, &|_| false);
    let gone = ["m1", "m8999", "m4096", "m4097", "m5000"];
    for id in gone {
        let selector = Selector::Record { id: id.into(), conversation: None };
        store.erase(&selector, &EraseOptions::default()).unwrap();
    }
    check(&store, &|id| gone.contains(&id));
}
