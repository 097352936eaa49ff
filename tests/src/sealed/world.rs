//! A store on a recorded disk together with a model of what it holds: every record has words of
//! its own, so that it is known which words an erasure must take and which it must leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    Certificate, EraseOptions, Level, Order, Outcome, Reading, Record, SearchOptions, Selector, Store,
};
use escrowdb::vfs::Vfs;

use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::evidence::Kind;
use crate::recording_vfs::{Op, RecordingVfs};
use crate::rng::Rng;
use crate::sealed::Hunt;
use crate::sealed::verdict::{Scene, Verdict, open, verdict};
use crate::words::scan;

mod redacted;
mod registers;
mod renamed;

/// Folder of the store.
pub const DIR: &str = "/store";
/// The slot.
pub const SLOT: &str = "/store.slot";
const HOUR: i64 = 3_600_000_000;

/// What a world is like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seed of everything.
    pub seed: u64,
    /// Records of a journal after which it is rolled.
    pub roll_records: u32,
    /// Bytes of new indexes in a pass.
    pub pass_bytes: u64,
    /// Whether rolls run on a thread of their own.
    pub background: bool,
    /// What is recorded of acts.
    pub audit: Level,
    /// Whether every key of 32 bytes that stands anywhere in an opened object is tried.
    pub deep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            roll_records: 1_000,
            pass_bytes: 256 << 20,
            background: false,
            audit: Level::Off,
            deep: full(),
        }
    }
}

/// Whether the long run is asked for.
pub fn full() -> bool {
    std::env::var_os("ESCROW_TEST").is_some_and(|v| v == "full")
}

/// Words that one record has and no other.
#[derive(Clone)]
pub struct Marks {
    /// Of its tag, its id and what else stands beside the body.
    beside: Vec<String>,
    /// Of its body.
    body: Option<BodyMarks>,
}

#[derive(Clone)]
struct BodyMarks {
    word: String,
    /// The word behind it. It is written in other letters, so as it is here only an index has it.
    folded: String,
}

impl Marks {
    /// Of the record with another body.
    #[must_use]
    pub fn without_body(self) -> Self {
        Self { body: None, ..self }
    }

    /// Those that stand in the record as they are here.
    fn written(&self) -> impl Iterator<Item = String> {
        self.beside.iter().chain(self.body.as_ref().map(|body| &body.word)).cloned()
    }
}

/// A record with words that stand nowhere else.
#[derive(Clone)]
struct Said {
    record: Record,
    marks: Marks,
    living: bool,
    /// Whether the author is still who he was; who returns is somebody new.
    signed: bool,
}

/// That somebody took part: it goes with whatever takes a record of these subjects.
#[derive(Clone)]
struct Join {
    conversation: String,
    name: String,
    whose: BTreeSet<String>,
    time: Micros,
}

/// Those whose record it is.
fn whose(r: &Record) -> BTreeSet<String> {
    r.subjects.iter().chain(r.subjects.is_empty().then_some(&r.author)).cloned().collect()
}

fn words_of(r: &Record) -> impl Iterator<Item = String> {
    scan(&r.body).into_iter().map(|placed| placed.word)
}

/// A word in wide capitals.
fn wide(word: &str) -> String {
    word.bytes().filter_map(|b| char::from_u32(u32::from(b - b'a') + u32::from('Ａ'))).collect()
}

/// A store and what it must hold.
pub struct World {
    /// The disk.
    pub disk: RecordingVfs,
    /// What the store stands on instead of `disk`, if a test lies to it.
    pub seam: Option<Arc<dyn Vfs>>,
    options: Options,
    entropy: Arc<SeededEntropy>,
    clock: Arc<ManualClock>,
    store: Option<Store>,
    rng: Rng,
    said: Vec<Said>,
    /// Everybody: whether he is known now.
    people: BTreeMap<String, bool>,
    links: Vec<(String, String)>,
    joins: Vec<Join>,
    dead_people: BTreeSet<u64>,
    places: BTreeSet<crate::sealed::Place>,
    buried: BTreeSet<String>,
    epoch: u64,
    erasures: usize,
}

impl World {
    /// A new store.
    pub fn new(options: Options) -> Self {
        let mut world = Self {
            disk: RecordingVfs::new(),
            seam: None,
            options,
            entropy: Arc::new(SeededEntropy::new(options.seed)),
            clock: Arc::default(),
            store: None,
            rng: Rng::new(options.seed ^ 0x5ca1_ab1e),
            said: Vec::new(),
            people: BTreeMap::new(),
            links: Vec::new(),
            joins: Vec::new(),
            dead_people: BTreeSet::new(),
            places: BTreeSet::new(),
            buried: BTreeSet::new(),
            epoch: 0,
            erasures: 0,
        };
        world.store = Some(world.builder().create().unwrap());
        world
    }

    fn builder(&self) -> escrowdb::store::Builder {
        let vfs = self.seam.clone().unwrap_or_else(|| Arc::new(self.disk.clone()));
        Store::builder(DIR)
            .vfs(vfs)
            .clock(Arc::<ManualClock>::clone(&self.clock))
            .entropy(Arc::<SeededEntropy>::clone(&self.entropy))
            .roll_records(self.options.roll_records)
            .pass_bytes(self.options.pass_bytes)
            .background(self.options.background)
            .audit(self.options.audit)
    }

    /// The open store.
    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Random choices of the test.
    pub const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// A word of 16 letters that stands nowhere else.
    pub fn word(&mut self) -> String {
        (0..16).map(|_| char::from(b'a' + self.rng.below(26) as u8)).collect()
    }

    /// Somebody new; he is known once he appears in a record.
    pub fn person(&mut self) -> String {
        format!("{}@example.org", self.word())
    }

    /// A record of `subjects` by `author`, with words of its own; not yet appended.
    pub fn draft(&mut self, author: &str, subjects: &[&str], conversation: &str) -> (Record, Marks) {
        let [word, tag, id, partner, other] = std::array::from_fn(|_| self.word());
        let folded = self.word();
        let time = Micros(1_750_000_000_000_000 + self.rng.below(24 * 300) as i64 * HOUR);
        let filler = ["ok", "the order arrived, thanks", "да, спасибо", ""];
        let filler = filler[self.rng.below(filler.len())];
        let body = format!("{filler} {word}, {} {filler}", wide(&folded));
        let mut record = Record::new(conversation, author, time, body)
            .tag(format!("mark:{tag}"))
            .tag("common")
            .id(id.clone())
            .channel("web")
            .extra("partner", format!("\"{partner}\""))
            .reply_to(other.clone());
        for subject in subjects {
            record = record.subject(*subject);
        }
        let beside = vec![tag, id, partner, other];
        (record, Marks { beside, body: Some(BodyMarks { word, folded }) })
    }

    /// Appends a record.
    pub fn say(&mut self, author: &str, subjects: &[&str], conversation: &str) -> String {
        let (record, marks) = self.draft(author, subjects, conversation);
        self.append(record, marks)
    }

    /// Appends a drafted record and answers its id.
    pub fn append(&mut self, record: Record, marks: Marks) -> String {
        let outcome = self.store().append(std::slice::from_ref(&record)).unwrap();
        assert!(matches!(outcome[..], [Outcome::Added(_)]), "{outcome:?}");
        let id = record.id.clone().unwrap();
        for name in [&record.author].into_iter().chain(&record.subjects).chain(&record.participants) {
            self.people.insert(name.clone(), true);
        }
        for name in &record.participants {
            let (conversation, name) = (record.conversation.clone(), name.clone());
            let mut whose = whose(&record);
            whose.insert(name.clone());
            let is = |j: &Join| (&j.conversation, &j.name, &j.whose) == (&conversation, &name, &whose);
            if !self.joins.iter().any(is) {
                self.joins.push(Join { conversation, name, whose, time: record.time });
            }
        }
        self.said.push(Said { record, marks, living: true, signed: true });
        id
    }

    /// Rolls the journal.
    pub fn roll(&self) {
        self.store().roll().unwrap();
    }

    /// Links two people.
    pub fn link(&mut self, a: &str, b: &str) {
        self.store().link(a, b).unwrap();
        // Who is linked to herself is linked to nobody.
        if a != b {
            self.links.push((a.into(), b.into()));
        }
    }

    /// Closes the store cleanly and opens it again.
    pub fn reopen(&mut self) {
        self.store.take().unwrap().close().unwrap();
        self.store = Some(self.builder().open().unwrap());
    }

    /// Kills the process and opens the store again.
    pub fn kill(&mut self) {
        let log = self.disk.log();
        self.killed_with(&log);
    }

    /// The same when only these operations had come to pass.
    pub fn killed_with(&mut self, log: &[Op]) {
        // A killed process runs no destructor.
        std::mem::forget(self.store.take());
        self.disk = RecordingVfs::replay(log);
        self.store = Some(self.builder().open().unwrap());
    }

    /// A world that went the same way up to these operations and was killed then.
    pub fn branch(&self, log: &[Op]) -> Self {
        let mut other = Self {
            disk: RecordingVfs::new(),
            seam: None,
            options: self.options,
            entropy: Arc::clone(&self.entropy),
            clock: Arc::clone(&self.clock),
            store: None,
            rng: Rng::new(self.options.seed ^ log.len() as u64),
            said: self.said.clone(),
            people: self.people.clone(),
            links: self.links.clone(),
            joins: self.joins.clone(),
            dead_people: self.dead_people.clone(),
            places: self.places.clone(),
            buried: self.buried.clone(),
            epoch: self.epoch,
            erasures: self.erasures,
        };
        other.killed_with(log);
        other
    }

    /// Everybody who is erased with somebody.
    pub fn linked(&self, identifier: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::from([identifier.to_owned()]);
        loop {
            let more: Vec<_> = self
                .links
                .iter()
                .filter(|(a, b)| all.contains(a) != all.contains(b))
                .flat_map(|(a, b)| [a.clone(), b.clone()])
                .collect();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    /// Takes out of the model what `selector` names.
    pub fn bury(&mut self, selector: &Selector) {
        match selector {
            Selector::Person(identifier) => {
                let gone = self.linked(identifier);
                for name in &gone {
                    self.people.insert(name.clone(), false);
                }
                self.links.retain(|(a, _)| !gone.contains(a));
                self.joins.retain(|join| join.whose.is_disjoint(&gone));
                for said in &mut self.said {
                    let r = &said.record;
                    said.living &= whose(r).is_disjoint(&gone);
                    said.signed &= !gone.contains(&r.author);
                }
            }
            Selector::Conversation(name) => {
                self.joins.retain(|join| join.conversation != *name);
                self.said.iter_mut().for_each(|s| s.living &= s.record.conversation != *name);
            }
            Selector::Record { id, .. } => {
                for r in self.said.iter().map(|s| &s.record).filter(|r| r.id.as_ref() == Some(id)) {
                    self.joins.retain(|join| {
                        let mut all = whose(r);
                        all.insert(join.name.clone());
                        (&join.conversation, join.time, &join.whose) != (&r.conversation, r.time, &all)
                    });
                }
                self.said.iter_mut().for_each(|s| s.living &= s.record.id.as_ref() != Some(id));
            }
            _ => unreachable!("no other selector is known"),
        }
        // Of whom nothing tells any more, nobody knows.
        for (name, known) in &mut self.people {
            let said = self
                .said
                .iter()
                .filter(|s| s.living)
                .any(|s| whose(&s.record).contains(name) || s.record.author == *name && s.signed);
            let linked = self.links.iter().any(|(a, b)| a == name || b == name);
            *known &= said || linked || self.joins.iter().any(|join| join.whose.contains(name));
        }
    }

    /// The positive control: everything living is found, so that finding nothing later means
    /// something. Before the first erasure every object ever written opens.
    ///
    /// # Panics
    /// If the hunt is blind.
    pub fn control(&mut self) -> Hunt {
        let scene = self.scene();
        let hunt = open(&scene);
        for word in scene.living.iter().chain(&scene.living_names) {
            assert!(!hunt.find(word.as_bytes()).is_empty(), "the control does not find {word}");
        }
        let words = hunt.words();
        for word in scene.words.iter().filter(|_| scene.rolled) {
            assert!(words.contains_key(word.as_bytes()), "the control finds {word} in no index");
        }
        if self.erasures == 0 {
            assert_eq!(hunt.unopened, [], "the control does not open everything");
            assert!(hunt.count(Kind::Head) > 0 && hunt.count(Kind::Node) > 0 && hunt.count(Kind::Frame) > 0);
        }
        self.places.extend(hunt.bodies.iter().cloned());
        hunt
    }

    /// Erases, with the control before and the verdict after.
    pub fn erase(&mut self, selector: &Selector) -> Certificate {
        self.control();
        self.note_numbers(selector);
        let certificate = self.store().erase(selector, &EraseOptions::default()).unwrap();
        self.bury(selector);
        self.acknowledged();
        self.verdict().assert_clean("erased");
        certificate
    }

    /// Remembers the numbers of those who go.
    pub fn note_numbers(&mut self, selector: &Selector) {
        if let Selector::Person(identifier) = selector {
            for name in self.linked(identifier) {
                let number = self.store().session(Session::new()).person(&name).unwrap().number;
                self.dead_people.insert(number.0);
            }
        }
    }

    /// Nobody of them goes after all.
    pub fn forget_numbers(&mut self) {
        self.dead_people.clear();
    }

    /// Who is known now.
    pub fn known(&self) -> Vec<String> {
        self.people.iter().filter(|(_, living)| **living).map(|(name, _)| name.clone()).collect()
    }

    /// The records that live.
    pub fn records(&self) -> Vec<Record> {
        self.said.iter().filter(|s| s.living).map(|s| s.record.clone()).collect()
    }

    /// Remembers which files the acknowledged erasure left, and its epoch.
    pub fn acknowledged(&mut self) {
        let file = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
        let there: BTreeSet<String> = self.disk.snapshot().keys().filter_map(|p| file(p)).collect();
        for op in self.disk.log() {
            if let Op::Create { path, .. } = op
                && let Some(name) = file(&path)
                && !there.contains(&name)
            {
                self.buried.insert(name);
            }
        }
        self.epoch = self.store().key_status().epoch.0;
        self.erasures += 1;
    }

    /// Whether every record stands in a segment.
    fn is_rolled(&self) -> bool {
        let stats = self.store.as_ref().and_then(|store| store.stats().ok());
        stats.is_some_and(|stats| stats.journal_records == 0)
    }

    /// What the attacker holds now.
    pub fn scene(&self) -> Scene {
        let living_words = |said: &&Said| said.living;
        let living: Vec<String> =
            self.said.iter().filter(living_words).flat_map(|s| s.marks.written()).collect();
        let names = |living: bool| -> Vec<String> {
            self.people.iter().filter(|(_, l)| **l == living).map(|(n, _)| n.clone()).collect()
        };
        let (living_names, dead_names) = (names(true), names(false));
        let conversations: BTreeSet<&String> = self
            .said
            .iter()
            .filter(living_words)
            .map(|s| &s.record.conversation)
            .chain(self.joins.iter().map(|join| &join.conversation))
            .collect();
        let mut dead: BTreeSet<String> = self.said.iter().flat_map(|s| s.marks.written()).collect();
        let gone = self.said.iter().filter(|s| !s.living);
        dead.extend(gone.filter_map(|s| s.marks.body.as_ref()).map(|body| body.folded.clone()));
        dead.extend(self.said.iter().map(|s| s.record.conversation.clone()));
        dead.extend(dead_names.iter().filter_map(|n| n.strip_suffix("@example.org")).map(str::to_owned));
        dead.retain(|word| !living.contains(word) && !conversations.contains(word));
        Scene {
            log: self.disk.log(),
            slot: self.disk.snapshot().get(&PathBuf::from(SLOT)).cloned().unwrap_or_default(),
            keys: Vec::new(),
            locks: Vec::new(),
            places: self.places.clone(),
            dead: dead.into_iter().collect(),
            dead_names,
            dead_people: self.dead_people.clone(),
            buried: self.buried.clone(),
            epoch: self.epoch,
            living: living.into_iter().chain(conversations.into_iter().cloned()).collect(),
            living_names,
            words: self.said.iter().filter(living_words).flat_map(|s| words_of(&s.record)).collect(),
            rolled: self.is_rolled(),
            deep: self.options.deep,
        }
    }

    /// Judges the store as it is now, by what it answers too.
    ///
    /// # Panics
    /// If the store knows somebody or something who was erased, or not somebody who lives.
    pub fn verdict(&self) -> Verdict {
        self.assert_answers();
        verdict(&self.scene())
    }

    fn assert_answers(&self) {
        let reading = self.store().session(Session::new());
        for (name, living) in &self.people {
            assert_eq!(reading.person(name).is_ok(), *living, "{name}");
        }
        let authors = reading.facet("*", "author").unwrap();
        assert!(authors.iter().all(|(name, _)| self.people.get(name) == Some(&true)), "{authors:?}");
        for said in &self.said {
            let id = said.record.id.as_deref().unwrap();
            let hits = match reading.get(id, None) {
                Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
                hits => hits.unwrap(),
            };
            assert_eq!(hits.len(), usize::from(said.living), "{id}");
            if let Some(hit) = hits.first() {
                assert!(hit.body == said.record.body && hit.tags == said.record.tags);
                let author = said.signed.then_some(&said.record.author);
                assert_eq!(hit.author.as_ref(), author);
            }
            assert_words(&reading, said);
        }
        let living = self.said.iter().filter(|s| s.living).count() as u64;
        assert_eq!(reading.count("*").unwrap(), living);
        assert_eq!(reading.count("tag:common").unwrap(), living);
    }
}

/// Every way to ask for the words of a record finds it, or nothing once it is erased.
fn assert_words(reading: &Reading<'_>, said: &Said) {
    let Some(BodyMarks { word, folded }) = &said.marks.body else { return };
    let living = usize::from(said.living);
    for query in [
        word.clone(),
        format!("\"{word} {folded}\""),
        format!("{}*", &folded[..10]),
        format!("{word}.{}*", &folded[..1]),
        format!("{}~1", &word[1..]),
        format!("{folded}q~1 -tag:none"),
    ] {
        assert_eq!(reading.count(&query).unwrap(), living as u64, "{query}");
        if !query.ends_with('*') {
            continue;
        }
        let options = SearchOptions::new().order(Order::Relevance).snippets(true);
        let hits = reading.search(&query, &options).unwrap();
        assert_eq!(hits.len(), living, "{query}, by relevance");
        for hit in hits {
            let snippet = hit.snippet.unwrap();
            assert!(hit.id == *said.record.id.as_ref().unwrap() && !snippet.marks.is_empty(), "{query}");
        }
    }
}
