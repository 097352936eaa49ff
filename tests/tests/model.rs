//! Random histories against a plain list: after every step both say the same. A failure prints
//! its seed; `ESCROW_SEED=n` replays that history alone, `ESCROW_TEST=full` runs many more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what can't go on is a failed test, and says how to repeat it"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::query::ast::Ast;
use escrowdb::record::{Kind, Record};
use escrowdb::session::Session;
use escrowdb::store::{
    Builder, Deed, DetailField, EraseOptions, Level, Order, Outcome, Preset, SearchOptions, Selector,
    SignedCheckpoint, VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::chats::ask::{Answers, Plain, Words, finds};
use escrowdb_tests::chats::model::{Fate, Known, Model};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::rng::Rng;
use escrowdb_tests::words::asked;

#[path = "model/told.rs"]
mod told;

const GATE: u64 = 300;
const FULL: u64 = 10_000;
const STEPS: usize = 45;

const PEOPLE: [&str; 7] = ["anna", "bob", "chloé", "дмитрий", "eve@example.org", "fay", "agent 7"];
const CONVERSATIONS: [&str; 4] = ["c1", "c2", "東京", "room four"];
const START: i64 = 1_767_225_600_000_000;

#[test]
fn random_histories_equal_the_plain_list() {
    if let Ok(seed) = std::env::var("ESCROW_SEED") {
        return History::run(seed.parse().unwrap());
    }
    let cases = if std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full") { FULL } else { GATE };
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || (first..cases).step_by(threads as usize).for_each(History::run));
        }
    });
}

/// With the preset `customer`, a record that names no subject belongs to the customer of its
/// conversation. Who that is must not depend on where batches end, or an import that is repeated
/// with other borders would call its own records conflicts.
#[test]
fn the_customer_of_a_conversation_does_not_depend_on_batches() {
    let open =
        || Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).preset(Preset::Customer).create().unwrap();
    let record = |id: &str, who: &str, time| Record::new("c", who, Micros(time), "").id(id);
    let history = [
        record("m1", "anna", 10),
        record("m2", "bob", 5).subject("carl"),
        record("m3", "bob", 20),
        record("m4", "bob", 1),
    ];
    let subjects = |store: &Store| {
        let hits = store.session(Session::new()).conversation("c").unwrap();
        hits.into_iter().map(|hit| (hit.id, hit.subjects)).collect::<Vec<_>>()
    };
    let (whole, single) = (open(), open());
    whole.append(&history).unwrap();
    for record in &history {
        single.append(std::slice::from_ref(record)).unwrap();
    }
    assert_eq!(subjects(&whole), subjects(&single));
    single.roll().unwrap();
    for store in [&whole, &single] {
        for outcome in store.append(&history).unwrap() {
            assert!(matches!(outcome, Outcome::Duplicate(_)), "{outcome:?}");
        }
    }
}

/// Says how to repeat a history that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with ESCROW_SEED={} cargo test -p escrowdb-tests --test model", self.0);
        }
    }
}

struct History {
    seed: u64,
    rng: Rng,
    disk: MemoryVfs,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    preset: Preset,
    roll_records: u32,
    pass_bytes: u64,
    store: Option<Store>,
    model: Model,
    sent: Vec<Record>,
    walks: Vec<Walk>,
    /// Whether the store is one of level `all`.
    keeps_acts: bool,
    /// The last head that was signed.
    head: Option<SignedCheckpoint>,
}

/// A search that goes on, page by page, while the history does.
struct Walk {
    query: Ast,
    order: Order,
    limit: usize,
    cursor: Option<String>,
    /// Positions that matched when it began.
    first: BTreeSet<u64>,
    seen: Vec<u64>,
}

impl History {
    fn run(seed: u64) {
        let _seed = Seed(seed);
        let mut history = Self::new(seed);
        for _ in 0..STEPS {
            history.step();
        }
        history.end();
    }

    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let preset = *rng.pick(&[Preset::Peer, Preset::Customer, Preset::Room]);
        let now = Micros(START);
        let mut history = Self {
            seed,
            disk: MemoryVfs::new(),
            clock: Arc::new(ManualClock::new(now)),
            entropy: Arc::new(SeededEntropy::new(seed)),
            preset,
            roll_records: *rng.pick(&[5, 12, 40, 1000]),
            pass_bytes: *rng.pick(&[1, 1 << 28]),
            store: None,
            model: Model::new(preset, now),
            sent: Vec::new(),
            walks: Vec::new(),
            // On each of two threads half of them.
            keeps_acts: seed % 4 > 1,
            head: None,
            rng,
        };
        history.store = Some(history.builder().create().unwrap());
        history.set_rules();
        history
    }

    fn builder(&self) -> Builder {
        Store::builder("/s")
            .vfs(Arc::new(self.disk.clone()))
            .clock(self.clock.clone())
            .entropy(self.entropy.clone())
            .preset(self.preset)
            .roll_records(self.roll_records)
            .close_roll_records(20)
            .pass_bytes(self.pass_bytes)
            .audit(if self.keeps_acts { Level::All } else { Level::Off })
            .background(false)
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..40 => self.append(),
            40..45 => self.store().roll().unwrap(),
            45..51 => {
                let name = (*self.rng.pick(&PEOPLE)).to_owned();
                self.erase(Selector::Person(name));
            }
            51..54 => {
                let name = (*self.rng.pick(&CONVERSATIONS)).to_owned();
                self.erase(Selector::Conversation(name));
            }
            54..59 => self.erase_record(),
            59..62 => self.link(),
            62..65 => self.reopen(),
            65..69 => self.kill(),
            69..72 => self.advance(60_000_000),
            72 => {
                let days = *self.rng.pick(&[3, 20, 30]);
                self.advance(days * Micros::DAY);
            }
            73..77 => self.look_at_people(),
            77..80 => self.look_at_places(),
            80..83 => self.look_among_acts(),
            83..85 => self.sign(),
            85 => self.export(),
            86..93 => self.walk(),
            _ => self.ask(),
        }
    }

    fn record(&mut self) -> Record {
        let rng = &mut self.rng;
        if !self.sent.is_empty() && rng.chance(20) {
            let mut record = rng.pick(&self.sent).clone();
            match rng.below(4) {
                0 => record.body.push('!'),
                1 => (*rng.pick(&PEOPLE)).clone_into(&mut record.author),
                _ => {}
            }
            return record;
        }
        let time = START + rng.below(20) as i64 * 3_600_000_000 + rng.below(2) as i64;
        let mut record = Record::new(*rng.pick(&CONVERSATIONS), *rng.pick(&PEOPLE), Micros(time), "")
            .id(format!("m{}", rng.below(60)))
            .channel(*rng.pick(&["", "web", "mail"]));
        record.body = match rng.below(4) {
            0 => "word ".repeat(*rng.pick(&[0, 1, 5, 300])),
            _ => asked::text(rng),
        };
        for _ in 0..*rng.pick(&[0, 0, 1, 1, 2, 3]) {
            record = record.subject(*rng.pick(&PEOPLE));
        }
        for _ in 0..*rng.pick(&[0, 0, 0, 1, 3]) {
            record = record.participant(*rng.pick(&PEOPLE));
        }
        for _ in 0..rng.below(3) {
            let tag = (*rng.pick(&["topic:a", "topic:b", "topic:b:c", "vip"])).to_owned();
            if !record.tags.contains(&tag) {
                record = record.tag(tag);
            }
        }
        if rng.chance(10) {
            record = record.reply_to("m1");
        }
        record.kind = *rng.pick(&[
            Kind::Message,
            Kind::Message,
            Kind::Message,
            Kind::Action,
            Kind::System,
            Kind::File,
            Kind::Edit,
        ]);
        record
    }

    fn append(&mut self) {
        let count = *self.rng.pick(&[1, 1, 2, 5, 9]);
        let batch: Vec<Record> = (0..count).map(|_| self.record()).collect();
        let outcomes = self.store().append(&batch).unwrap();
        for (record, outcome) in batch.iter().zip(outcomes) {
            let got = match outcome {
                Outcome::Added(seq) | Outcome::Quarantined(seq) => Fate::Added(seq.0),
                Outcome::Duplicate(seq) => Fate::Duplicate(seq.0),
                Outcome::Rejected(e) => {
                    assert_eq!(e.kind(), ErrorKind::Invalid);
                    Fate::Rejected
                }
            };
            assert_eq!(got, self.model.append(record), "seed {}", self.seed);
        }
        self.sent.extend(batch);
    }

    fn erase_record(&mut self) {
        let rows = self.model.rows();
        if rows.is_empty() {
            return;
        }
        let (_, row) = self.rng.pick(&rows).clone();
        let named = self.rng.chance(70);
        if matches!(row.kind, Kind::Join | Kind::Person) {
            return;
        }
        self.erase(Selector::Record { id: row.id, conversation: named.then_some(row.conversation) });
    }

    fn erase(&mut self, selector: Selector) {
        let plan = self.plan(&selector);
        let (rows, people) = (self.model.rows(), self.model.people());
        let want = self.model.erase(&selector);
        match self.store().erase(&selector, &EraseOptions::default()) {
            Ok(certificate) => {
                let (want, plan) = (want.unwrap(), plan.unwrap());
                assert_eq!(plan.records, want, "seed {}", self.seed);
                if self.keeps_acts {
                    let (rows_left, left) = (self.model.rows(), self.model.people());
                    let gone: Vec<_> =
                        rows.into_iter().filter(|(seq, _)| rows_left.iter().all(|(s, _)| s != seq)).collect();
                    let people = people.into_iter().filter(|name| !left.contains(name)).collect();
                    self.hold_details(&certificate, want, plan.details, &gone, &people);
                } else {
                    assert_eq!((certificate.records_removed, plan.details), (want, 0), "seed {}", self.seed);
                }
            }
            Err(e) => {
                assert_eq!(Err(e.kind()), want, "{e}");
                assert_eq!(plan.map(drop).unwrap_err().kind(), e.kind());
            }
        }
        if self.rng.chance(30) {
            self.verify();
        }
    }

    fn link(&mut self) {
        let (a, b) = (*self.rng.pick(&PEOPLE), *self.rng.pick(&PEOPLE));
        assert_eq!(self.store().link(a, b).map_err(|e| e.kind()), self.model.link(a, b));
    }

    fn reopen(&mut self) {
        self.store.take().unwrap().close().unwrap();
        self.store = Some(self.builder().open().unwrap());
    }

    /// The process dies: what the file system has stays.
    fn kill(&mut self) {
        self.disk = MemoryVfs::from_files(self.disk.snapshot());
        drop(self.store.take());
        self.store = Some(self.builder().open().unwrap());
        if self.rng.chance(50) {
            self.verify();
        }
    }

    fn verify(&self) {
        let report = self.store().verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert_eq!(report.damage, Vec::<String>::new());
    }

    fn look_at_people(&mut self) {
        let who = self.asker();
        for name in PEOPLE {
            let got = match self.store().session(who.session()).person(name) {
                Ok(person) => {
                    assert_eq!(person.identifiers, [name]);
                    let (records, first, last) = (person.records, person.first, person.last);
                    Some(Known { linked: person.linked, records, first, last })
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::NotFound);
                    None
                }
            };
            assert_eq!(got, self.model.person(name));
            let typed = vec![(DetailField::Person, name.to_owned())];
            self.told(&who, Deed::Person, usize::from(got.is_some()), typed);
        }
        let stats = self.store().stats().unwrap();
        let rows = self.model.rows();
        assert_eq!(stats.records, rows.iter().filter(|(_, r)| r.kind.is_default()).count() as u64);
        assert_eq!(stats.people, self.model.people().len() as u64);
        assert_eq!(stats.log_size, self.model.seq);
    }

    fn look_at_places(&mut self) {
        let who = self.asker();
        let rows = self.model.rows();
        let sorted = |test: &dyn Fn(&Plain) -> bool| {
            let mut list: Vec<Plain> = rows.iter().map(|(_, r)| r).filter(|r| test(r)).cloned().collect();
            list.sort_by_key(|r| r.time);
            list
        };
        for name in CONVERSATIONS {
            let want = sorted(&|r| r.conversation == name && r.kind.is_default());
            let hits = self.store().session(who.session()).conversation(name).unwrap();
            assert_eq!(hits.iter().map(Plain::from).collect::<Vec<_>>(), want);
            let typed = vec![(DetailField::Conversation, name.to_owned())];
            self.told(&who, Deed::Conversation, hits.len(), typed);
        }
        for n in 0..5 {
            let id = format!("m{}", n * 13);
            let conversation = (n % 2 == 0).then_some("c1");
            let want = sorted(&|r| r.id == id && conversation.is_none_or(|c| c == r.conversation));
            let hits = self.store().session(who.session()).get(&id, conversation).unwrap();
            assert_eq!(hits.iter().map(Plain::from).collect::<Vec<_>>(), want);
            let typed = conversation.map(|name| (DetailField::Conversation, name.to_owned()));
            let typed = typed.into_iter().chain([(DetailField::Record, id)]).collect();
            self.told(&who, Deed::Record, hits.len(), typed);
        }
    }

    fn question(&mut self) -> Ast {
        Words::of(&self.sent).query(&mut self.rng)
    }

    fn ask(&mut self) {
        let query = self.question();
        let page = *self.rng.pick(&[1, 3, 1000]);
        let rows = self.model.rows();
        let want = Answers::of_rows(rows.iter().map(|(_, r)| r), &query);
        let (who, text) = (self.asker(), query.to_string());
        let got = Answers::of_store(&self.store().session(who.session()), &text, page);
        assert_eq!(got, want, "seed {}: {query}", self.seed);
        self.told_answers(&who, &text, page, &got);
    }

    /// Begins a walk, or takes the next page of one.
    fn walk(&mut self) {
        if self.walks.len() < 2 {
            let query = if self.rng.chance(50) { Ast::All } else { self.question() };
            let first = self.matching(&query);
            let order = *self.rng.pick(&[Order::Newest, Order::Oldest]);
            let limit = 1 + self.rng.below(6);
            self.walks.push(Walk { query, order, limit, cursor: None, first, seen: Vec::new() });
        }
        let at = self.rng.below(self.walks.len());
        if !self.turn(at) {
            let walk = self.walks.swap_remove(at);
            self.arrive(&walk);
        }
    }

    fn matching(&self, query: &Ast) -> BTreeSet<u64> {
        self.model.rows().into_iter().filter(|(_, r)| finds(query, r)).map(|(seq, _)| seq).collect()
    }

    /// The next page; false if it was the last.
    fn turn(&mut self, at: usize) -> bool {
        let who = self.asker();
        let walk = &self.walks[at];
        let mut options = SearchOptions::new().order(walk.order).limit(walk.limit);
        if let Some(cursor) = &walk.cursor {
            options = options.cursor(cursor);
        }
        let text = walk.query.to_string();
        let page = self.store().session(who.session()).search(&text, &options).unwrap();
        self.told(&who, Deed::Search, page.len(), told::query(text));
        let walk = &self.walks[at];
        let full = page.len() == walk.limit;
        let walk = &mut self.walks[at];
        walk.seen.extend(page.iter().map(|hit| hit.seq.0));
        walk.cursor = page.last().map(|hit| hit.cursor.clone());
        full
    }

    /// Every survivor was met exactly once.
    fn arrive(&self, walk: &Walk) {
        let once: BTreeSet<u64> = walk.seen.iter().copied().collect();
        assert_eq!(once.len(), walk.seen.len(), "seed {}: a record was met twice", self.seed);
        let survivors: BTreeSet<u64> =
            walk.first.intersection(&self.matching(&walk.query)).copied().collect();
        assert!(survivors.is_subset(&once), "seed {}: a survivor was not met: {}", self.seed, walk.query);
    }

    fn end(&mut self) {
        while let Some(walk) = self.walks.len().checked_sub(1) {
            if !self.turn(walk) {
                let walk = self.walks.swap_remove(walk);
                self.arrive(&walk);
            }
        }
        self.ask();
        self.reopen();
        for _ in 0..3 {
            self.ask();
        }
        self.look_at_people();
        self.look_at_places();
        self.look_among_acts();
        self.sign();
        self.verify();
    }
}
