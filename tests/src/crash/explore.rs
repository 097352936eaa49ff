//! Every crash of a workload: each state is opened and checked; on a sample of them recovery
//! itself is recorded and crashed as well, after a power cut and after a kill.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use escrowdb::vfs::Vfs;

use crate::call::{Call, Class, Counts};
use crate::crash::check::{self, Violation};
use crate::crash::ledger::{Fact, Facts, Ledger, Rec};
use crate::crash::world::{Setup, World, rec};
use crate::crash::{CrashOptions, Image, crashes};
use crate::recording_vfs::{Op, RecordingVfs};
use crate::rng::Rng;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Random states at each crash point.
    pub random: usize,
    /// Of a hundred states (beside two at each point), how many are opened.
    pub percent: u64,
    /// Of a thousand states, in how many recovery is crashed too.
    pub deep: u64,
    /// Of a thousand crash points, after how many a kill comes first and the power cut later.
    pub kills: u64,
    /// Of a thousand states, in how many every byte ever written is searched.
    pub hunts: u64,
}

impl Effort {
    /// In every run.
    pub const GATE: Self = Self { random: 4, percent: 5, deep: 2, kills: 15, hunts: 10 };
    /// With `ESCROW_TEST=full`.
    pub const FULL: Self = Self { random: 40, percent: 100, deep: 30, kills: 400, hunts: 20 };

    /// Which of them the environment asks for.
    pub fn chosen() -> Self {
        if is_full() { Self::FULL } else { Self::GATE }
    }
}

/// Whether big figures are wanted.
pub fn is_full() -> bool {
    std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full")
}

/// A workload that was run.
pub struct Workload {
    /// Its name, for messages.
    pub name: &'static str,
    /// How its store was opened.
    pub setup: Setup,
    /// Whether nothing ran beside anything.
    pub sequential: bool,
    /// The first crash point: before it there was no store.
    pub from: usize,
    /// Its disk.
    pub disk: RecordingVfs,
    /// Its promises.
    pub facts: Facts,
}

/// What was looked at.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Distinct states of the disk that were opened, by hash.
    pub states: HashSet<[u8; 16]>,
    /// Of them, states left by a crash inside recovery.
    pub nested: usize,
    /// Searches of every byte ever written.
    pub hunts: usize,
    /// Broken promises.
    pub violations: Vec<String>,
    /// How often each call site was hit.
    pub counts: Counts,
}

impl Figures {
    /// Adds those of another workload.
    pub fn add(&mut self, other: Self) {
        self.states.extend(other.states);
        self.nested += other.nested;
        self.hunts += other.hunts;
        self.violations.extend(other.violations);
        for (site, n) in other.counts {
            *self.counts.entry(site).or_default() += n;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, nested, hunts) = (self.states.len(), self.nested, self.hunts);
        write!(f, "{n} distinct states ({nested} inside recovery), {hunts} hunts, ")?;
        write!(f, "{} violations", self.violations.len())
    }
}

impl Workload {
    /// Ends a workload; `from` is the first crash point.
    pub fn end(name: &'static str, world: World, sequential: bool, from: usize) -> Self {
        let World { disk, store, facts, setup } = world;
        drop(store);
        Self { name, setup, sequential, from, disk, facts }
    }

    /// Crashes it everywhere. Stops at the tenth broken promise.
    pub fn explore(&self, effort: Effort, figures: &mut Figures) {
        let ops = self.disk.log();
        for (site, n) in self.disk.counts() {
            *figures.counts.entry(site).or_default() += n;
        }
        let mut run = Run { work: self, ops: &ops, effort, rng: Rng::new(self.setup.seed), figures };
        run.states();
        run.kills();
    }
}

struct Run<'a> {
    work: &'a Workload,
    ops: &'a [Op],
    effort: Effort,
    rng: Rng,
    figures: &'a mut Figures,
}

impl Run<'_> {
    fn options(&self, from: usize, random: usize) -> CrashOptions {
        let points = from..usize::MAX;
        CrashOptions { points, exhaustive_max: 3, random, torn: 1, seed: self.work.setup.seed }
    }

    fn full(&self) -> bool {
        self.figures.violations.len() >= 10
    }

    fn judge(&mut self, image: &Image, how: &str, verdict: Result<(), Violation>) {
        if let Err(Violation { check, what }) = verdict {
            let Workload { name, setup, .. } = self.work;
            let (at, kept) = (image.at, &image.what);
            self.figures.violations.push(format!("{check}: {what} [{name}, {setup:?}, {how} {at}: {kept}]"));
        }
    }

    fn ledger(&self, at: usize) -> Ledger {
        self.work.facts.at(self.ops, at, self.work.sequential)
    }

    fn states(&mut self) {
        let mut at = (usize::MAX, Ledger::default(), 0);
        for image in crashes(self.ops, self.options(self.work.from, self.effort.random)) {
            if self.full() {
                return;
            }
            if at.0 != image.at {
                at = (image.at, self.ledger(image.at), 0);
            }
            at.2 += 1;
            if at.2 > 2 && !self.rng.chance(self.effort.percent) {
                continue;
            }
            let hash = image.hash();
            if !self.figures.states.insert(hash) {
                // The same bytes after another promise: opening them is enough.
                let disk: Arc<dyn Vfs> = Arc::new(image.disk());
                let verdict = check::check_opening(&disk, &self.work.setup, &at.1, salt(&hash));
                self.judge(&image, "state", verdict);
                continue;
            }
            let disk: Arc<dyn Vfs> = Arc::new(image.disk());
            let verdict = check::check(&disk, &self.work.setup, &at.1, salt(&hash));
            self.judge(&image, "state", verdict);
            if self.rng.next() % 1000 < self.effort.hunts {
                self.hunt(&image, &at.1);
            }
            if self.rng.next() % 1000 < self.effort.deep {
                self.deep(&image, &at.1);
            }
        }
    }

    /// Every byte ever written and the slot after recovery open nothing of the erased.
    fn hunt(&mut self, image: &Image, ledger: &Ledger) {
        self.figures.hunts += 1;
        let disk = image.recording();
        let verdict = check::guarded(|| {
            let setup = Setup { background: false, ..self.work.setup };
            let opened = World::open(disk.clone(), Facts::default(), setup, 77);
            let opened = opened.map_err(|e| Violation { check: "S3", what: e.to_string() })?;
            let done = check::done(&opened.store);
            drop(opened);
            check::nothing_opens(&self.ops[..image.at], &disk, ledger, &done)
        });
        self.judge(image, "hunt", verdict);
    }

    /// Crashes the recovery from a state.
    fn deep(&mut self, image: &Image, ledger: &Ledger) {
        let disk = image.recording();
        let from = disk.log_len();
        let setup = Setup { background: false, ..self.work.setup };
        let Ok(opened) = World::open(disk.clone(), Facts::default(), setup, 78) else { return };
        drop(opened);
        let ops = disk.log();
        for inner in crashes(&ops, self.options(from, self.effort.random.div_ceil(4))) {
            if self.full() || !self.nested(&inner) {
                continue;
            }
            let vfs: Arc<dyn Vfs> = Arc::new(inner.disk());
            let verdict = check::check(&vfs, &self.work.setup, ledger, salt(&inner.hash()));
            self.judge(&inner, &format!("recovery from {}: {}, at", image.at, image.what), verdict);
        }
    }

    fn nested(&mut self, image: &Image) -> bool {
        let fresh = self.rng.chance(self.effort.percent.max(30)) && self.figures.states.insert(image.hash());
        self.figures.nested += usize::from(fresh);
        fresh
    }

    /// A kill leaves the cache as it is, and unsynced: the store is opened on it, promises
    /// something, and then the power goes.
    fn kills(&mut self) {
        for at in self.work.from..=self.ops.len() {
            if self.full() || self.rng.next() % 1000 >= self.effort.kills {
                continue;
            }
            let disk = RecordingVfs::replay(&self.ops[..at]);
            let ledger = self.ledger(at);
            let setup = Setup { background: false, ..self.work.setup };
            let facts = Facts::default();
            let Ok(opened) = World::open(disk.clone(), facts.clone(), setup, 79) else {
                self.figures
                    .violations
                    .push(format!("S3: {} does not open after a kill at {at}", self.work.name));
                continue;
            };
            let done = check::done(&opened.store);
            disk.mark("opened");
            opened.facts.note(&disk, Fact::Tried(vec![rec("killed Y")]));
            let appended = opened.store.append(&[rec("killed Y").record()]);
            if appended.is_ok() {
                disk.mark("promised");
            }
            drop(opened);
            let ops = disk.log();
            for inner in crashes(&ops, self.options(at + 1, self.effort.random.div_ceil(4))) {
                if self.full() || !self.nested(&inner) {
                    continue;
                }
                let marks = crate::crash::marks(&ops[at..], inner.at - at);
                let mut ledger = ledger.clone();
                if marks.contains(&"opened") {
                    // What the opened store did is done for good.
                    ledger.erasures.iter_mut().filter(|e| done.contains(&e.request)).for_each(|e| {
                        e.accepted = e.accepted.or(Some(at));
                    });
                    late(&mut ledger, &rec("killed Y"), at, marks.contains(&"promised"));
                }
                let vfs: Arc<dyn Vfs> = Arc::new(inner.disk());
                let verdict = check::check(&vfs, &self.work.setup, &ledger, salt(&inner.hash()));
                self.judge(&inner, &format!("kill at {at}, then"), verdict);
            }
        }
    }
}

fn late(ledger: &mut Ledger, rec: &Rec, at: usize, acked: bool) {
    let tried = crate::crash::ledger::Tried { rec: rec.clone(), tried: at, acked: acked.then_some(at + 1) };
    ledger.records.insert(rec.id.clone(), tried);
}

fn salt(hash: &[u8; 16]) -> u64 {
    u64::from_le_bytes(*hash.first_chunk().expect("16 bytes"))
}

/// Sites that change the disk and were hit.
pub fn sites(counts: &Counts) -> BTreeSet<(Class, Call)> {
    counts.keys().filter(|(_, call)| call.changes()).copied().collect()
}
