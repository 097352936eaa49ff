//! Small histories on a disk of which one call fails, or every call from some point on. Whatever
//! fails: the caller is told or nothing was lost by it, and afterwards, on a sound disk, the store
//! opens and holds what it promised.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::store::VerifyOptions;
use escrowdb::vfs::Vfs;
use parking_lot::Mutex;

use crate::call::{Aim, Call, Class, Counts};
use crate::crash::check::{check, guarded, whole};
use crate::crash::ledger::{Facts, Ledger, Target};
use crate::crash::world::{Setup, World, person};
use crate::faulty_vfs::{Fault, FaultyVfs, Plan};
use crate::recording_vfs::RecordingVfs;

/// Threads that run cases.
const THREADS: usize = 2;
const LIMIT: Duration = Duration::from_secs(20);

/// A history: it begins on a disk with a store (or none yet), does something while a call fails,
/// and notes what was promised.
pub struct History {
    /// Its name.
    pub name: &'static str,
    /// The files it begins with and what was promised about them; none: a new store is made before
    /// anything fails.
    pub begin: Option<(Files, Ledger)>,
    /// What it does. Answers the kinds of the errors it was told.
    pub act: fn(&Faulty<'_>) -> Vec<ErrorKind>,
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The store of a history, to be opened or open already.
pub struct Faulty<'a> {
    world: Mutex<Option<World>>,
    disk: &'a RecordingVfs,
    faulty: &'a FaultyVfs,
}

fn setup() -> Setup {
    // Every erasure takes two passes where two segments are touched.
    Setup { seed: 31, pass_bytes: 1, ..Setup::default() }
}

/// Every history.
pub fn histories() -> Vec<History> {
    let new = |name, act| History { name, begin: None, act };
    let with = |name, begin, act| History { name, begin: Some(begin), act };
    vec![
        new("append, roll, erase", live),
        new("compact", compact),
        new("close", close),
        with("open after a clean close", lived_in(true), open),
        with("open after a kill", lived_in(false), open),
        with("open in an erasure, announced", held(Aim::at(Class::Index, Call::Create), 0), open),
        with("open in an erasure, committed", held(Aim::at(Class::Slot, Call::Write), 2), open),
        with("open between two passes", held(Aim::at(Class::Slot, Call::Write), 6), open),
        with("verify", lived_in(true), verify),
    ]
}

/// Appends, rolls and erases; goes on after errors.
fn live(f: &Faulty<'_>) -> Vec<ErrorKind> {
    let world = f.world.lock();
    let w = world.as_ref().expect("a store");
    let results = [
        w.try_append(&["x0 X", "y0 Y c2", "y1 Y"]),
        w.try_append(&["x1 X c2", "z0 Z", "z1 Z c2"]),
        w.try_append(&["x2 X", "y2 Y"]),
        w.erase(1, Target::Person(person("X"))).map(drop),
        w.try_append(&["y3 Y", "x3 X"]),
        w.erase_conversation(2, "c2").map(drop),
        w.store.roll(),
        w.try_append(&["y4 Y"]),
        w.erase_record(3, "y1").map(drop),
    ];
    results.into_iter().filter_map(|r| r.err().map(|e| e.kind())).collect()
}

/// Many small segments, dead blocks in one of them, compacted twice.
fn compact(f: &Faulty<'_>) -> Vec<ErrorKind> {
    let world = f.world.lock();
    let w = world.as_ref().expect("a store");
    let small = |texts: &[&str]| w.try_append(texts).and_then(|()| w.store.roll());
    let compact = || w.try_compact().map(drop);
    let results = [
        small(&["x0 X", "y0 Y c2"]),
        small(&["x1 X", "y1 Y", "z1 Z c2"]),
        w.erase(1, Target::Person(person("X"))).map(drop),
        compact(),
        small(&["z2 Z", "y2 Y"]),
        small(&["x2 X"]),
        w.erase_record(2, "y2").map(drop),
        compact(),
    ];
    results.into_iter().filter_map(|r| r.err().map(|e| e.kind())).collect()
}

/// Appends and closes, which rolls; the rest of the history is a closed store.
fn close(f: &Faulty<'_>) -> Vec<ErrorKind> {
    let World { store, .. } = {
        let mut world = f.world.lock();
        let w = world.take().expect("a store");
        let told = w.try_append(&["x0 X", "y0 Y c2", "y1 Y"]).err();
        if let Some(e) = told {
            return vec![e.kind()];
        }
        w
    };
    store.close().err().map(|e| e.kind()).into_iter().collect()
}

fn open(f: &Faulty<'_>) -> Vec<ErrorKind> {
    match setup().builder(Arc::new(f.faulty.clone()), 5).open() {
        Ok(store) => {
            let w = World { disk: f.disk.clone(), store, facts: Facts::default(), setup: setup() };
            *f.world.lock() = Some(w);
            Vec::new()
        }
        Err(e) => vec![e.kind()],
    }
}

fn verify(f: &Faulty<'_>) -> Vec<ErrorKind> {
    let told = open(f);
    let world = f.world.lock();
    let Some(w) = world.as_ref() else { return told };
    match w.store.verify(&VerifyOptions::new().read_data(true)) {
        Ok(report) if report.damage.is_empty() => told,
        Ok(_) => vec![ErrorKind::Io],
        Err(e) => vec![e.kind()],
    }
}

fn lived_in(close: bool) -> (Files, Ledger) {
    let w = World::create(setup());
    w.append(&["x0 X", "y0 Y", "z0 Z c2"]);
    w.append(&["x1 X c2", "y1 Y"]);
    w.erase_person(1, "X");
    w.append(&["y2 Y", "z2 Z c2"]);
    w.append(&["v0 V"]);
    let ledger = w.ledger(true);
    let World { disk, store, .. } = w;
    if close {
        store.close().expect("close");
    }
    (disk.snapshot(), ledger)
}

/// The disk in the middle of an erasure of a conversation in several passes, before the call that
/// is hit after `skip` others.
fn held(aim: Aim, skip: u64) -> (Files, Ledger) {
    let w = World::create(setup());
    // The records that stay share blocks with those that go.
    w.append(&["x0 X", "y0 Y c1", "y1 Y c2", "z0 Z c2", "z1 Z c1"]);
    w.append(&["x1 X c2", "y2 Y", "z3 Z c2", "y4 Y"]);
    w.append(&["x2 X c2", "y3 Y"]);
    let gate = w.disk.block(aim, skip);
    thread::scope(|s| {
        // Let go on a panic too, or the scope waits for ever.
        let gate = gate;
        let erasure = s.spawn(|| w.erase_conversation(1, "c2").expect("erase"));
        assert!(gate.reached(LIMIT));
        let state = (w.disk.snapshot(), w.ledger(true));
        gate.open();
        erasure.join().expect("a thread");
        state
    })
}

/// How a case ended.
struct End {
    fired: bool,
    told: Vec<ErrorKind>,
    counts: Counts,
}

impl History {
    /// Runs it with a fault. Answers whether the call was reached.
    fn run(&self, plan: Option<Plan>) -> Result<End, String> {
        let disk = match &self.begin {
            Some((files, _)) => RecordingVfs::from_files(files.clone()),
            None => RecordingVfs::new(),
        };
        let faulty = FaultyVfs::new(Arc::new(disk.clone()));
        let world = match &self.begin {
            Some(_) => None,
            None => {
                let store = setup().builder(Arc::new(faulty.clone()), 0).create();
                let store = store.map_err(|e| e.to_string())?;
                Some(World { disk: disk.clone(), store, facts: Facts::default(), setup: setup() })
            }
        };
        let before = faulty.counts();
        let facts = world.as_ref().map(|w| w.facts.clone());
        let f = Faulty { world: Mutex::new(world), disk: &disk, faulty: &faulty };
        if let Some(plan) = plan {
            faulty.arm(plan);
        }
        let mut told = Vec::new();
        let act = guarded(|| {
            told = (self.act)(&f);
            Ok(())
        });
        act.map_err(|v| v.what)?;
        let fired = faulty.fired() > 0;
        faulty.disarm();
        let mut counts = faulty.counts();
        for (site, n) in before {
            *counts.get_mut(&site).expect("counts only grow") -= n;
        }
        let ledger = || match (&self.begin, &facts) {
            (Some((_, ledger)), _) => ledger.clone(),
            (None, Some(facts)) => {
                let ops = disk.log();
                facts.at(&ops, ops.len(), false)
            }
            (None, None) => Ledger::default(),
        };
        let told_of = |v: crate::crash::check::Violation| format!("{}: {}", v.check, v.what);
        // Unless it is poisoned the open store goes on as if nothing had been.
        let open = f.world.into_inner();
        if let Some(w) = &open {
            // Not by a roll where an append will do: it would write from memory what a journal lost.
            let next = match &self.begin {
                None => w.try_append(&["y9 Y"]),
                Some(_) => w.store.roll(),
            };
            let poisoned = next.is_err_and(|e| e.kind() == ErrorKind::Poisoned);
            if !poisoned {
                let mut ledger = Ledger { running: true, ..ledger() };
                // On a full disk a store opens with an erasure that waits for room.
                ledger.erasures.iter_mut().for_each(|e| e.accepted = None);
                whole(&w.store, &ledger).map_err(|v| format!("while open: {}", told_of(v)))?;
            }
        }
        drop(open);
        let ledger = ledger();
        let vfs: Arc<dyn Vfs> = Arc::new(disk);
        check(&vfs, &setup(), &ledger, 1000).map_err(|v| format!("reopened: {}", told_of(v)))?;
        Ok(End { fired, told, counts })
    }

    /// How often it calls each site if nothing fails.
    ///
    /// # Panics
    /// If something fails then.
    pub fn counts(&self) -> Counts {
        let end = self.run(None).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        assert_eq!(end.told, [], "{}", self.name);
        end.counts
    }
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// One of each site (kind of call on a kind of file) in the first history, some in the others.
    Sites,
    /// Every one.
    Every,
}

/// How a call fails in a campaign.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Its name in tables.
    pub name: &'static str,
    /// Which calls.
    pub aim: Aim,
    /// How.
    pub fault: Fault,
    /// Whether all later ones fail too.
    pub sticky: bool,
    /// Whether nobody may notice.
    pub harmless: bool,
}

/// Every way.
pub const WAYS: &[Way] = &[
    way("EIO", Aim::ANY, Fault::Eio),
    way("ENOSPC", Aim::CHANGES, Fault::NoSpace),
    way("EINTR", Aim::CHANGES, Fault::Interrupted),
    way("half a write", Aim::call(Call::Write), Fault::TornWrite),
    Way { harmless: true, ..way("EINTR on read", Aim::call(Call::Read), Fault::Interrupted) },
    Way { harmless: true, ..way("half a read", Aim::call(Call::Read), Fault::ShortRead) },
    Way { sticky: true, ..way("the device is gone", Aim::ANY, Fault::Eio) },
    Way { sticky: true, ..way("the disk stays full", Aim::CHANGES, Fault::NoSpace) },
];

const fn way(name: &'static str, aim: Aim, fault: Fault) -> Way {
    Way { name, aim, fault, sticky: false, harmless: false }
}

/// What a campaign saw.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<(usize, usize), Row>,
    names: Vec<&'static str>,
    /// Broken promises, some of them.
    pub broken: BTreeSet<String>,
    /// How many.
    pub broken_count: usize,
}

#[derive(Default)]
struct Row {
    calls: u64,
    cases: usize,
    told: usize,
    kinds: BTreeSet<&'static str>,
}

impl Table {
    /// Runs every history with every way.
    pub fn run(histories: &[History], effort: Effort) -> Self {
        let mut work: Vec<(usize, usize, Aim, u64)> = Vec::new();
        let mut table = Self { names: histories.iter().map(|h| h.name).collect(), ..Self::default() };
        for (h, history) in histories.iter().enumerate() {
            let counts = history.counts();
            for (w, way) in WAYS.iter().enumerate() {
                let sites: Vec<_> =
                    counts.iter().filter(|((c, k), n)| way.aim.hits(*c, *k) && **n > 0).collect();
                let calls = sites.iter().map(|(_, n)| **n).sum();
                table.rows.insert((h, w), Row { calls, ..Row::default() });
                if effort == Effort::Every {
                    work.extend((0..calls).map(|nth| (h, w, way.aim, nth)));
                    continue;
                }
                // In the first history every site, once; in the others some.
                let step = if h == 0 && !way.sticky { 1 } else { sites.len().div_ceil(4).max(1) };
                for (i, ((class, call), n)) in sites.iter().enumerate().skip((h + w) % step).step_by(step) {
                    // The last of its kind has no roll behind it that writes everything again.
                    let last = matches!(way.fault, Fault::Eio | Fault::TornWrite);
                    let nth = if last { **n - 1 } else { (i as u64 * 7 + w as u64 * 3) % **n };
                    work.push((h, w, Aim::at(*class, *call), nth));
                }
            }
        }
        let (next, table) = (AtomicUsize::new(0), Mutex::new(table));
        thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    while let Some((h, w, aim, nth)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let way = WAYS[*w];
                        let plan = Plan { aim: *aim, nth: *nth, fault: way.fault, sticky: way.sticky };
                        let end = histories[*h].run(Some(plan));
                        table.lock().note((*h, *w), *nth, end);
                    }
                });
            }
        });
        table.into_inner()
    }

    fn note(&mut self, place: (usize, usize), nth: u64, end: Result<End, String>) {
        let way = WAYS[place.1];
        let row = self.rows.get_mut(&place).expect("a row for each pair");
        row.cases += 1;
        let broken = match end {
            Err(what) => Some(what),
            Ok(end) if way.harmless && !end.told.is_empty() => Some(format!("noticed: {:?}", end.told)),
            Ok(end) => {
                row.told += usize::from(!end.told.is_empty());
                row.kinds.extend(end.told.iter().map(|k| k.name()));
                // A thread may be late, but the first call is always met.
                (nth == 0 && !end.fired).then(|| "never fired".into())
            }
        };
        if let Some(what) = broken {
            self.broken_count += 1;
            if self.broken.len() < 20 {
                self.broken.insert(format!("{}, {} at call {nth}: {what}", self.names[place.0], way.name));
            }
        }
    }

    /// Cases in all.
    pub fn cases(&self) -> usize {
        self.rows.values().map(|r| r.cases).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| history | fault | calls | cases | told | as |\n|---|---|---|---|---|---|")?;
        for ((h, w), row) in &self.rows {
            let kinds: Vec<_> = row.kinds.iter().copied().collect();
            let (name, way, kinds) = (self.names[*h], WAYS[*w].name, kinds.join(", "));
            writeln!(f, "| {name} | {way} | {} | {} | {} | {kinds} |", row.calls, row.cases, row.told)?;
        }
        write!(f, "{} cases, {} broken promises", self.cases(), self.broken_count)
    }
}
