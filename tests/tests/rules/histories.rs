//! Random histories of chats, registers, erasures and runs of retention, each done to a store and to plain lists:
//! both answer the same, refuse the same, show the same and are left with the same, whatever is rolled, compacted,
//! reopened or killed in between. A failure prints its seed and what was done; `ESCROW_SEED=n` replays that history
//! alone, `ESCROW_TEST=full` runs many more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "what can't go on is a failed test, and says how to repeat it"
)]

mod appends;
mod changes;
mod compare;
mod erasures;
mod keeps;
mod model;
mod registers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::session::Session;
use escrowdb::store::{Builder, CompactOptions, Record, Store, VerifyOptions};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{Error, ErrorKind};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::rng::Rng;

use model::{DAY, Model, Pid};

const GATE: u64 = 240;
const FULL: u64 = 10_000;
const STEPS: usize = 70;
/// Steps between two looks at everything.
const LOOK_EVERY: usize = 6;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const PEOPLE: [&str; 5] = ["anna", "ben", "cleo", "дора", "eve@example.org"];
const STAFF: [&str; 2] = ["dana", "kim"];
const CONVERSATIONS: [&str; 3] = ["c1", "c2", "room three"];
const PURPOSES: [&str; 3] = ["support", "offers", "care"];

/// What a history may do next. Somebody who changes a name, or has an identifier taken from her, comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Append,
    Speak,
    Tag,
    Correct,
    Release,
    Notice,
    Purpose,
    Consent,
    Class,
    Begin,
    Hold,
    LiftHold,
    Restrict,
    Request,
    Disclose,
    Settings,
    Link,
    Unlink,
    Identifier,
    ErasePerson,
    EraseConversation,
    EraseRecord,
    Redact,
    Retention,
    Clock,
    Roll,
    Compact,
    Reopen,
    Kill,
}

/// What a history is about more than others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    All,
    Quarantine,
    Retention,
    Holds,
    Deletions,
}

impl Theme {
    /// How much more often a step comes.
    const fn boost(self, step: Step) -> usize {
        match (self, step) {
            (Self::Quarantine, Step::Consent) => 4,
            (Self::Quarantine, Step::Release) => 6,
            (Self::Quarantine | Self::Retention | Self::Deletions, Step::Retention | Step::Clock) => 3,
            (Self::Deletions, Step::Speak) => 3,
            (Self::Holds, Step::ErasePerson | Step::LiftHold | Step::Retention) => 4,
            (Self::Holds, Step::Hold | Step::Clock) => 2,
            (Self::Holds, Step::Class) => 0,
            _ => 1,
        }
    }
}

/// How often, of about a thousand.
const WEIGHTS: [(Step, usize); 29] = [
    (Step::Append, 240),
    (Step::Speak, 120),
    (Step::Tag, 35),
    (Step::Correct, 35),
    (Step::Release, 25),
    (Step::Notice, 35),
    (Step::Purpose, 20),
    (Step::Consent, 70),
    (Step::Class, 35),
    (Step::Begin, 10),
    (Step::Hold, 40),
    (Step::LiftHold, 50),
    (Step::Restrict, 15),
    (Step::Request, 60),
    (Step::Disclose, 15),
    (Step::Settings, 30),
    (Step::Link, 10),
    (Step::Unlink, 10),
    (Step::Identifier, 10),
    (Step::ErasePerson, 35),
    (Step::EraseConversation, 10),
    (Step::EraseRecord, 20),
    (Step::Redact, 20),
    (Step::Retention, 30),
    (Step::Clock, 40),
    (Step::Roll, 20),
    (Step::Compact, 10),
    (Step::Reopen, 10),
    (Step::Kill, 10),
];

/// How often each step was done, how often it was refused, and what was met on the way.
#[derive(Default)]
struct Figures {
    steps: BTreeMap<Step, (u64, u64)>,
    met: BTreeMap<&'static str, u64>,
}

/// What must be met, or the histories try too little.
const MET: [&str; 14] = [
    "held in part",
    "whole person",
    "whole conversation",
    "conversation in part",
    "with evidence",
    "forgotten with what went",
    "in quarantine",
    "released",
    "due of a class",
    "taken back and due",
    "over in quarantine",
    "completed later",
    "believed a leap",
    "came after what speaks of it",
];

#[test]
fn random_histories_are_told_by_plain_lists() {
    let figures = Mutex::new(Figures::default());
    if let Ok(seed) = std::env::var("ESCROW_SEED") {
        return History::run(seed.parse().unwrap(), &figures);
    }
    let cases = if std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full") { FULL } else { GATE };
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let figures = &figures;
            scope.spawn(move || {
                (first..cases).step_by(threads as usize).for_each(|seed| History::run(seed, figures));
            });
        }
    });
    let figures = figures.into_inner().unwrap();
    let Figures { steps, met } = figures;
    let all: u64 = steps.values().map(|(done, _)| done).sum();
    println!("{cases} histories, {all} steps: {steps:?}\n{met:?}");
    for (step, _) in WEIGHTS {
        let (done, refused) = steps.get(&step).copied().unwrap_or_default();
        assert!(done > refused, "{step:?} is never done: {done}, refused {refused}");
    }
    for step in [Step::Append, Step::Speak, Step::Consent, Step::Hold, Step::ErasePerson, Step::Redact] {
        assert!(steps[&step].1 > 0, "{step:?} is never refused");
    }
    for what in MET {
        assert!(met.get(what).is_some_and(|times| *times > 0), "never met: {what}");
    }
}

struct History {
    seed: u64,
    theme: Theme,
    rng: Rng,
    disk: MemoryVfs,
    clock: Arc<ManualClock>,
    openings: u64,
    roll_records: u32,
    pass_bytes: u64,
    store: Option<Store>,
    model: Model,
    sent: Vec<Record>,
    ids: u64,
    /// What was done, for who looks for the reason of a failure.
    told: Vec<String>,
    refused: bool,
    met: Vec<&'static str>,
}

/// Says how to repeat a history that failed, and what it did last.
impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.told.len().saturating_sub(70);
            eprintln!("{}", self.told[from..].join("\n"));
            eprintln!(
                "repeat with ESCROW_SEED={} cargo test -p escrowdb-tests --test rules histories",
                self.seed
            );
        }
    }
}

impl History {
    fn run(seed: u64, figures: &Mutex<Figures>) {
        let mut history = Self::new(seed);
        for n in 1..=STEPS {
            let step = history.choose();
            history.refused = false;
            history.step(step);
            let mut figures = figures.lock().unwrap();
            let (done, refused) = figures.steps.entry(step).or_default();
            *done += 1;
            *refused += u64::from(history.refused);
            for what in history.met.drain(..) {
                *figures.met.entry(what).or_default() += 1;
            }
            drop(figures);
            if n % LOOK_EVERY == 0 || n == STEPS {
                history.look();
            }
        }
        history.reopen();
        history.look();
        let report = history.store().verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert_eq!(report.damage, Vec::<String>::new());
    }

    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let themes = [Theme::All, Theme::Quarantine, Theme::Retention, Theme::Holds, Theme::Deletions];
        let mut history = Self {
            seed,
            theme: *rng.pick(&themes),
            disk: MemoryVfs::new(),
            clock: Arc::new(ManualClock::new(Micros(START))),
            openings: 0,
            roll_records: *rng.pick(&[6, 25, 1000]),
            pass_bytes: *rng.pick(&[1, 1 << 28]),
            store: None,
            model: Model::new(START),
            sent: Vec::new(),
            ids: 0,
            told: Vec::new(),
            refused: false,
            met: Vec::new(),
            rng,
        };
        history.store = Some(history.builder().create().unwrap());
        history.look_at_clock();
        for (code, actor) in PURPOSES.into_iter().zip(["dana", "dana", "kim"]) {
            let needs_consent = code != "care";
            let basis = if needs_consent { LawfulBasis::Consent } else { LawfulBasis::Contract };
            let purpose =
                Purpose { code: code.into(), title: code.into(), basis, class: None, needs_consent };
            history.change_as(actor, Event::Purpose(purpose::Event::Define(purpose)));
        }
        for name in STAFF {
            let pid = history.model.person(name).unwrap();
            history.model.people[pid].staff = true;
        }
        history.begin_theme();
        history
    }

    /// Another seed each time: what a closed store drew must not come again.
    fn builder(&mut self) -> Builder {
        self.openings += 1;
        Store::builder("/s")
            .vfs(Arc::new(self.disk.clone()))
            .clock(Arc::clone(&self.clock) as Arc<dyn escrowdb::clock::Clock>)
            .entropy(Arc::new(SeededEntropy::new(self.seed * 1000 + self.openings)))
            .roll_records(self.roll_records)
            .close_roll_records(20)
            .pass_bytes(self.pass_bytes)
            .background(false)
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn note(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }

    fn choose(&mut self) -> Step {
        let weights = WEIGHTS.map(|(step, weight)| (step, weight * self.theme.boost(step)));
        let mut at = self.rng.below(weights.iter().map(|(_, weight)| weight).sum());
        for (step, weight) in weights {
            if at < weight {
                return step;
            }
            at -= weight;
        }
        Step::Append
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append => self.append(),
            Step::Speak => self.speak(),
            Step::Tag => self.tag(),
            Step::Correct => self.correct(),
            Step::Release => self.release(),
            Step::Notice => self.notice(),
            Step::Purpose => self.purpose(),
            Step::Consent => self.consent(),
            Step::Class => self.class(),
            Step::Begin => self.begin(),
            Step::Hold => self.hold(),
            Step::LiftHold => self.lift_hold(),
            Step::Restrict => self.restrict(),
            Step::Request => self.request(),
            Step::Disclose => self.disclose(),
            Step::Settings => self.settings(),
            Step::Link => self.link(),
            Step::Unlink => self.unlink(),
            Step::Identifier => self.identifier(),
            Step::ErasePerson => self.erase_person(),
            Step::EraseConversation => self.erase_conversation(),
            Step::EraseRecord => self.erase_record(),
            Step::Redact => self.redact(),
            Step::Retention => self.retention(),
            Step::Clock => self.turn_clock(),
            Step::Roll => self.store().roll().unwrap(),
            Step::Compact => drop(self.store().compact(&CompactOptions::default(), |_| ()).unwrap()),
            Step::Reopen => self.reopen(),
            Step::Kill => self.kill(),
        }
    }

    fn actor(&mut self) -> &'static str {
        STAFF[self.rng.below(STAFF.len())]
    }

    fn session(actor: &str) -> Session {
        Session::new().actor(actor)
    }

    /// Holds an answer against what the lists say.
    fn same<T: std::fmt::Debug>(&mut self, got: &Result<T, Error>, want: Result<(), ErrorKind>) {
        self.refused |= want == Err(ErrorKind::Refused);
        let kind = got.as_ref().map(drop).map_err(Error::kind);
        assert_eq!(kind, want, "seed {}, got {got:?}", self.seed);
    }

    /// The clock moves, and the store looks at it.
    fn turn_clock(&mut self) {
        let hour = DAY / 24;
        let by = match self.rng.below(12) {
            0..4 => 3 * hour,
            4..7 => 2 * DAY,
            7..9 => 20 * DAY,
            9 => 3_650 * DAY,
            10 => -3_650 * DAY,
            _ => -5 * DAY,
        };
        // Years that have never been are few.
        let by = if (START - 4_000 * DAY..START + 12_000 * DAY).contains(&(self.model.now + by)) {
            by
        } else {
            DAY
        };
        self.model.now += by;
        self.clock.set(Micros(self.model.now));
        self.note(format!("clock by {} hours", by / hour));
        self.look_at_clock();
    }

    fn look_at_clock(&mut self) {
        let before = self.model.time.believed;
        self.model.time.look(self.model.now);
        if self.model.time.believed > before + 1_000 * DAY {
            self.met.push("believed a leap");
        }
        let at = self.store().retention(true).unwrap().at;
        assert_eq!(at.0, self.model.rules_now(), "seed {}: what the store believes of the time", self.seed);
    }

    fn reopen(&mut self) {
        self.note("reopened");
        self.store.take().unwrap().close().unwrap();
        self.store = Some(self.builder().open().unwrap());
    }

    /// The process dies: what the file system has stays.
    fn kill(&mut self) {
        self.note("killed");
        self.disk = MemoryVfs::from_files(self.disk.snapshot());
        drop(self.store.take());
        self.store = Some(self.builder().open().unwrap());
    }

    /// Somebody by a name that may be known or not.
    fn who(&mut self) -> String {
        let names: Vec<String> =
            self.model.people.iter().filter(|p| p.alive && !p.staff).flat_map(|p| p.names.clone()).collect();
        if !names.is_empty() && self.rng.chance(60) {
            return self.rng.pick(&names).clone();
        }
        (*self.rng.pick(&PEOPLE)).to_owned()
    }

    /// The number of somebody, as she is or as she was.
    fn number_of(&mut self, name: &str) -> Option<u64> {
        match self.model.person(name) {
            Some(pid) => {
                let number = self.store().number_of(name).unwrap().0;
                self.model.people[pid].number = Some(number);
                Some(number)
            }
            None => {
                let got = self.store().number_of(name).map_err(|e| e.kind());
                assert_eq!(got.map(|n| n.0), Err(ErrorKind::NotFound), "seed {}: {name}", self.seed);
                let erased: Vec<u64> = self.model.people.iter().filter_map(|p| p.number).collect();
                if erased.is_empty() { None } else { Some(*self.rng.pick(&erased)) }
            }
        }
    }

    fn pid_of(&mut self, actor: &str) -> Pid {
        self.model.person_or_new(actor)
    }
}
