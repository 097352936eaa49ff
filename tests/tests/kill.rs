//! kill -9 on the real disk. A process appends, erases, rolls and reads on several threads; it is
//! killed at any moment, also while it opens the store. After each kill every acknowledged record
//! is there once, every acknowledged erasure holds, `verify` is content; then it goes on with the
//! same store. Whoever copied the folder after every kill and takes the slot at last finds nothing
//! of the erased.
//!
//! Fifteen rounds in every run, five hundred with `ESCROW_TEST=full`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use escrowdb::store::Level;
use escrowdb_tests::crash::explore::is_full;
use escrowdb_tests::killed::archive::Archive;
use escrowdb_tests::killed::told::Told;
use escrowdb_tests::killed::work::builder;
use escrowdb_tests::rng::Rng;

/// Rounds after which a new store is begun, so that a round stays short; every second one keeps acts.
fn rounds_a_store() -> u64 {
    if is_full() { 25 } else { 8 }
}

/// A process is killed after this time at last.
const LONG: Duration = Duration::from_secs(10);
/// One that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(60);

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// When the process is killed.
enum Moment {
    /// So long after its start: while it opens the store.
    Start(Duration),
    /// After so many lines.
    Lines(usize),
    /// So long after it asked for an erasure for the n-th time.
    Asked(usize, Duration),
}

impl Moment {
    fn any(rng: &mut Rng) -> Self {
        let micros = |n: usize| Duration::from_micros(n as u64);
        match rng.below(10) {
            0 | 1 => Self::Start(micros(rng.below(12_000))),
            2..5 => Self::Lines(1 + rng.below(120)),
            _ => Self::Asked(rng.below(8), micros(rng.below(12_000))),
        }
    }
}

/// Runs the process and kills it. Answers what it said.
fn killed(program: &Path, dir: &Path, round: u64, seed: u64, moment: Moment) -> Vec<String> {
    let mut child = Command::new(program)
        .args([dir.as_os_str(), round.to_string().as_ref(), seed.to_string().as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in out.lines() {
            let _ = send.send(line.unwrap());
        }
    });
    let mut said = Vec::new();
    let end = Instant::now() + LONG;
    let mut asked = 0;
    loop {
        match &moment {
            Moment::Start(after) => {
                thread::sleep(*after);
                break;
            }
            Moment::Lines(n) if said.len() >= *n => break,
            Moment::Asked(n, after) if asked > *n => {
                thread::sleep(*after);
                break;
            }
            // On a busy machine the moment may not come soon; this one is as good.
            _ if Instant::now() > end => break,
            _ => {}
        }
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                asked += usize::from(line.starts_with("ask"));
                said.push(line);
            }
            Err(e) => {
                let last = &said[said.len().saturating_sub(30)..];
                panic!("{e}: after {} lines, {asked} requests, {:?}: {last:#?}", said.len(), child.try_wait())
            }
        }
    }
    assert!(child.try_wait().unwrap().is_none(), "the process ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    said.extend(lines.try_iter());
    said
}

#[test]
fn whatever_was_acknowledged_survives_kill_9() {
    let rounds = if is_full() { 500 } else { 15 };
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // Threads and clocks make each run another one; the seed only spreads the moments.
    let rounds_a_store = rounds_a_store();
    let mut rng = Rng::new(start.as_nanos() as u64);
    let scratch = Scratch(std::env::temp_dir().join(format!("escrowdb-kill-{}", std::process::id())));
    let _ = fs::remove_dir_all(&scratch.0);
    fs::create_dir_all(&scratch.0).unwrap();
    // A long run outlives another build.
    let program = scratch.0.join("killed");
    fs::copy(env!("CARGO_BIN_EXE_killed"), &program).unwrap();
    let (mut told, mut archive) = (Told::default(), Archive::default());
    let mut figures = told.figures.clone();
    let mut hunts = 0;
    let began = Instant::now();
    let mut unchecked = false;
    for round in 0..rounds {
        let dir = scratch.0.join(format!("{}/store", round / rounds_a_store));
        let slot = dir.with_file_name("store.slot");
        if round % rounds_a_store == 0 {
            if let Some(before) = (round / rounds_a_store).checked_sub(1) {
                let _ = fs::remove_dir_all(scratch.0.join(before.to_string()));
            }
            fs::create_dir_all(dir.parent().unwrap()).unwrap();
            let keeps_acts = round / rounds_a_store % 2 == 1;
            let level = if keeps_acts { Level::All } else { Level::Off };
            builder(&dir, 1).audit(level).create().unwrap().close().unwrap();
            told = Told::with(figures.clone());
            archive.clear();
        }
        let seed = rng.next();
        told.hear(round, &killed(&program, &dir, round, seed, Moment::any(&mut rng)));
        figures = told.figures.clone();
        let last = round + 1 == rounds || (round + 1) % rounds_a_store == 0;
        archive.add(&dir);
        // Now and then the next process finds what this one left, and may be killed over it.
        if rng.chance(25) && !last {
            unchecked = true;
            continue;
        }
        let before = if unchecked { "not checked" } else { "checked" };
        let fail = |what: String| -> ! {
            panic!("round {round}, the one before {before}: {what}; kept in {}", dir.display())
        };
        let store = builder(&dir, seed).open().unwrap_or_else(|e| fail(format!("{:?}: {e}", e.kind())));
        told.check(&store).unwrap_or_else(|v| fail(format!("{}: {}", v.check, v.what)));
        figures = told.figures.clone();
        unchecked = false;
        store.close().unwrap();
        if last || rng.chance(20) {
            hunts += 1;
            let found = archive.hunt(&slot);
            for word in told.dead_words() {
                if let Some(hit) = found.find(word.as_bytes()).first() {
                    fail(format!("{word} opens in {:?} {} at {}", hit.kind, hit.file, hit.offset));
                }
            }
            archive.clear();
            archive.add(&dir);
            let found = archive.hunt(&slot);
            for word in told.living_words() {
                assert!(!found.find(word.as_bytes()).is_empty(), "the control does not find {word}");
            }
        }
    }
    println!("{rounds} rounds in {:?}, {hunts} hunts: {figures:?}", began.elapsed());
    assert!(figures.acts > 0, "{figures:?}");
    assert!(figures.records > 100 && figures.erasures > 5 && figures.checks > rounds as usize / 3);
}
