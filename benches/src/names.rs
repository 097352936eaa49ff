//! The key tree with very many people in it, without any records: lookups, commits of new people,
//! opening, memory.
//!
//! People come in ascending order, as their numbers do. Names stand under keyed tags, that is in
//! random order; they are put in sorted, two thirds first and then the last third between them, so
//! that the leaves end about three quarters full, as many small commits would leave them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use escrowdb::crypto::{OsEntropy, Secret};
use escrowdb::id::{Epoch, Handle, PersonNumber, StoreId};
use escrowdb::keyring::catalog::{self, Tagger};
use escrowdb::keyring::entry::{Entry as _, Person};
use escrowdb::keyring::{Changes, Keyring, LogHead, RootKey};
use escrowdb::vfs::DiskVfs;

use crate::Result;
use crate::compare::report::{Figure, Goal, Report, Row};
use crate::meter::{self, median};
use crate::table::number;
use crate::workload::Random;

/// What to measure.
pub struct Options {
    /// People.
    pub people: u64,
    /// Folder; made, and removed at the end.
    pub dir: PathBuf,
    /// JSON Lines instead of a table.
    pub json: bool,
}

const CHUNK: usize = 100_000;
const LOOKUPS: usize = 20_000;
const OPENINGS: usize = 7;
const COMMITS: u64 = 24;
const NEW_PEOPLE: u64 = 1_000;
/// Up to so many people the goals of a million count.
const MILLION: u64 = 2_000_000;

const STORE: StoreId = StoreId([7; 16]);
const ROOT: [u8; 32] = [8; 32];
const LOG: LogHead = LogHead { size: 0, root: [0; 32] };

/// Measures and answers the table.
pub fn run(options: &Options) -> Result<String> {
    std::fs::create_dir(&options.dir)?;
    let result = measure(options);
    std::fs::remove_dir_all(&options.dir)?;
    result
}

fn measure(options: &Options) -> Result<String> {
    let tagger = Tagger::new(&[9; 32]);
    let start = Instant::now();
    build(&options.dir, &tagger, options.people)?;
    let mut report = Report::default();
    let built = Figure::Time(start.elapsed());
    report.add(Row::new("building it").figures([Some(built), None, None]))?;
    let bytes = meter::bytes_by_kind(&options.dir)?.iter().map(|k| k.1).sum::<u64>();
    let bytes = bytes as f64 / options.people as f64;
    report.add(Row::new("bytes a person, both files").figures([
        Some(Figure::PerRecord(bytes)),
        None,
        None,
    ]))?;

    meter::reset_peak();
    let before = meter::peak();
    let mut samples = Vec::new();
    for _ in 0..OPENINGS {
        let begin = Instant::now();
        let keyring = open(&options.dir)?;
        samples.push(begin.elapsed());
        drop(keyring);
    }
    let opening = median(&mut samples);
    report.add(judged("open", opening, 1e3, " ms", Goal::AtMost { must: 50.0, aim: 10.0 }))?;

    let keyring = open(&options.dir)?;
    lookups(&keyring, &tagger, options.people, &mut report)?;
    commits(&keyring, &tagger, options.people, &mut report)?;
    let grown = Figure::Bytes(meter::peak().saturating_sub(before));
    report.add(Row::new("memory, all of this").figures([Some(grown), None, None]))?;
    if options.json {
        return Ok(report.json());
    }
    Ok(report.plain(&format!("{} people", number(options.people))))
}

fn judged(what: &str, d: Duration, scale: f64, unit: &'static str, goal: Goal) -> Row {
    Row::new(what)
        .figures([Some(Figure::Time(d)), None, None])
        .judged(d.as_secs_f64() * scale, unit)
        .goal(goal)
}

fn name(n: u64) -> String {
    format!("person{n}@example.org")
}

fn person(n: u64) -> Person {
    let mut random = Random::new(n);
    let mut bytes = [0u8; 80];
    for word in bytes.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next().to_le_bytes());
    }
    let (mut handle, mut content, mut evidence) = ([0; 16], [0; 32], [0; 32]);
    handle.copy_from_slice(&bytes[..16]);
    content.copy_from_slice(&bytes[16..48]);
    evidence.copy_from_slice(&bytes[48..]);
    Person {
        handle: Handle(handle),
        content: Secret::from_bytes(&content),
        evidence: Secret::from_bytes(&evidence),
        state: 0,
        identifiers: 1,
        linked: Vec::new(),
    }
}

/// Everything of person `n`, as a roll sets it.
fn put(changes: &mut Changes, tagger: &Tagger, n: u64) -> Result<()> {
    Ok(catalog::put_person(changes, tagger, PersonNumber(n), &person(n), &[name(n)])?)
}

fn commit(keyring: &Keyring, changes: &Changes) -> Result<()> {
    let prepared = keyring.prepare(changes, LOG, None)?;
    Ok(keyring.publish(prepared)?)
}

fn build(dir: &Path, tagger: &Tagger, people: u64) -> Result<()> {
    let (vfs, entropy) = (Arc::new(DiskVfs), Arc::new(OsEntropy));
    let root = RootKey::from_bytes(&ROOT);
    let keyring = Keyring::create(vfs, dir, entropy, STORE, &root, Epoch(1), &Changes::new(), LOG)?;
    let mut names = Vec::with_capacity(people as usize);
    let mut changes = Changes::new();
    for n in 1..=people {
        let key = tagger.name_key(&name(n));
        put(&mut changes, tagger, n)?;
        changes.remove(&key);
        names.push((<[u8; 17]>::try_from(key).map_err(|_| "a name key of another length")?, n));
        if changes.len() >= CHUNK || n == people {
            commit(&keyring, &changes)?;
            changes.clear();
        }
    }
    names.sort_unstable();
    for last_third in [false, true] {
        for (at, (key, n)) in names.iter().enumerate() {
            if (at % 3 == 2) == last_third {
                changes.insert(key.to_vec(), Some(PersonNumber(*n).encode()?));
            }
            if changes.len() >= CHUNK || at + 1 == names.len() {
                commit(&keyring, &changes)?;
                changes.clear();
            }
        }
    }
    Ok(())
}

fn open(dir: &Path) -> Result<Keyring> {
    let (vfs, entropy) = (Arc::new(DiskVfs), Arc::new(OsEntropy));
    Ok(Keyring::open(vfs, dir, entropy, STORE, &RootKey::from_bytes(&ROOT), Epoch(1))?)
}

fn lookups(keyring: &Keyring, tagger: &Tagger, people: u64, report: &mut Report) -> Result<()> {
    let tree = keyring.tree();
    let mut random = Random::new(3);
    let find = |n: u64| -> Result<Duration> {
        let name = name(n);
        let start = Instant::now();
        let found = catalog::number(&tree, tagger, &name)?;
        let took = start.elapsed();
        if found != Some(PersonNumber(n)) {
            return Err("a lookup found somebody else".into());
        }
        Ok(took)
    };
    // Whoever is looked up is another one each time: inner pages are warm, most leaves are not.
    let mut any = (0..2 * LOOKUPS).map(|_| find(1 + random.below(people))).collect::<Result<Vec<_>>>()?;
    let mut any = any.split_off(LOOKUPS);
    let mut few = Vec::new();
    for round in 0..4 {
        for n in 0..300 {
            let took = find(1 + n * (people / 301))?;
            if round > 0 {
                few.push(took);
            }
        }
    }
    let goal = Goal::AtMost { must: 10.0, aim: 4.0 };
    report.add(judged("lookup of anybody, inner pages warm", median(&mut any), 1e6, " µs", goal))?;
    report.add(judged("lookup of one of 300 again and again", median(&mut few), 1e6, " µs", goal))
}

fn commits(keyring: &Keyring, tagger: &Tagger, people: u64, report: &mut Report) -> Result<()> {
    let mut samples = Vec::new();
    let mut cpu = Vec::new();
    for round in 0..COMMITS {
        let mut changes = Changes::new();
        for n in 0..NEW_PEOPLE {
            put(&mut changes, tagger, people + 1 + round * NEW_PEOPLE + n)?;
        }
        let (start, used) = (Instant::now(), meter::process_cpu());
        commit(keyring, &changes)?;
        samples.push(start.elapsed());
        cpu.push(meter::process_cpu() - used);
    }
    let goal = match people {
        0..=MILLION => Goal::AtMost { must: 50.0, aim: 20.0 },
        _ => Goal::AtMost { must: 120.0, aim: 35.0 },
    };
    report.add(judged("commit of 1,000 new people", median(&mut samples), 1e3, " ms", goal))?;
    let cpu = Figure::Time(median(&mut cpu));
    report.add(Row::new("… its processor time").figures([Some(cpu), None, None]))
}
