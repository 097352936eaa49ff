//! One process a store. A second one, writing or only reading, is told so and changes nothing; a
//! LOCK that a dead process left locks nobody out; one that somebody removes lets nobody in.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use escrowdb::session::Session;
use escrowdb::store::{Record, Store, VerifyOptions};
use escrowdb::{ErrorKind, id::Micros};

/// A process with a store in a folder of its own.
struct Holder {
    process: Child,
    answers: BufReader<ChildStdout>,
    home: PathBuf,
    dir: PathBuf,
}

impl Holder {
    fn new(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("escrowdb-two-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        let dir = home.join("store");
        let mut process = Command::new(env!("CARGO_BIN_EXE_holder"))
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut holder = Self { process, answers, home, dir };
        holder.append("m0");
        holder
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "ok", "{order}");
    }

    fn append(&mut self, id: &str) {
        self.tell(&format!(
            r#"+{{"id":"{id}","conversation":"c","author":"anna","time":"2026-01-01T00:00:00Z","body":"words"}}"#
        ));
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn open(dir: &Path) -> escrowdb::Result<Store> {
    Store::builder(dir).open()
}

fn kind(opened: escrowdb::Result<Store>) -> Option<ErrorKind> {
    opened.err().map(|e| e.kind())
}

/// Every file of the folder, the slot too.
fn bytes(holder: &Holder) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![holder.home.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { all.push((path.clone(), fs::read(path).unwrap())) }
        }
    }
    all.sort();
    all
}

#[track_caller]
fn assert_holds(store: &Store, ids: &[&str]) {
    let reading = store.session(Session::new());
    for id in ids {
        assert_eq!(reading.get(id, None).unwrap().len(), 1, "{id}");
    }
    assert_eq!(reading.count("*").unwrap(), ids.len() as u64);
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}

#[test]
fn a_second_process_is_told_and_changes_nothing() {
    let mut holder = Holder::new("second");
    let mut ids = vec!["m0".to_owned()];
    for round in 1..8 {
        let before = bytes(&holder);
        assert_eq!(kind(open(&holder.dir)), Some(ErrorKind::Locked));
        // By another path to the same folder too.
        assert_eq!(kind(open(&holder.dir.join("../store"))), Some(ErrorKind::Locked));
        assert!(kind(Store::builder(&holder.dir).create()).is_some());
        assert!(bytes(&holder) == before, "a refused opening wrote something");
        ids.push(format!("m{round}"));
        let id = ids[round].clone();
        holder.append(&id);
        if round % 3 == 0 {
            holder.tell("roll");
        }
    }
    holder.kill();
    let store = open(&holder.dir).unwrap();
    // And within one process.
    assert_eq!(kind(open(&holder.dir)), Some(ErrorKind::Locked));
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_holds(&store, &ids);
}

#[test]
fn a_lock_that_a_dead_process_left_locks_nobody_out() {
    let mut holder = Holder::new("stale");
    holder.kill();
    let lock = holder.dir.join("LOCK");
    assert!(lock.exists());
    // What stands in it is nobody's business.
    fs::write(&lock, format!("{}\n", holder.process.id())).unwrap();
    let store = open(&holder.dir).unwrap();
    assert_holds(&store, &["m0"]);
    store.close().unwrap();
    fs::remove_file(&lock).unwrap();
    assert_holds(&open(&holder.dir).unwrap(), &["m0"]);
}

/// Somebody saw a LOCK, took it for one that a crash had left and removed it, while the process
/// that held it was at work. The next process made a new file, locked that, took the running
/// process for a dead one, rolled its journal and wrote beside it: what the first one acknowledged
/// from then on went into a journal that the key tree no longer named. HEAD is locked too.
#[test]
fn a_lock_that_was_removed_lets_nobody_in() {
    let mut holder = Holder::new("removed");
    fs::remove_file(holder.dir.join("LOCK")).unwrap();
    assert_eq!(kind(open(&holder.dir)), Some(ErrorKind::Locked));
    holder.append("m1");
    assert_eq!(kind(open(&holder.dir)), Some(ErrorKind::Locked));
    holder.append("m2");
    holder.kill();
    let store = open(&holder.dir).unwrap();
    assert_holds(&store, &["m0", "m1", "m2"]);
    store.append(&[Record::new("c", "anna", Micros(0), "words").id("m3")]).unwrap();
    assert_holds(&store, &["m0", "m1", "m2", "m3"]);
}
