//! Keys in memory: after an erasure no byte of the process that did it holds a key that was
//! destroyed. The process is another one than the test's, which knows the keys.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use escrowdb_tests::evidence::{Evidence, files_at_rest};
use escrowdb_tests::rng::Rng;
use escrowdb_tests::sealed::{Depth, Hunt, Secret, hunt, windows};

/// The process with the store.
struct Holder {
    child: Child,
    answers: BufReader<ChildStdout>,
    dir: PathBuf,
}

impl Holder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("escrowdb-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_holder"))
            .arg(dir.join("store"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers, dir }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "ok", "{}", &line[..1]);
    }

    fn slot(&self) -> Vec<u8> {
        fs::read(self.dir.join("store.slot")).unwrap()
    }

    /// Every file of the store.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files_at_rest(&self.dir.join("store"))
    }

    /// What the slot opens of the files as they are.
    fn opens(&self) -> Hunt {
        let keys: Vec<Secret> = windows(&self.slot()).collect();
        hunt(&Evidence::of_files(self.files()), &keys, &BTreeSet::new(), Depth::Formats)
    }

    /// Which of `needles` stand in the memory of the process.
    fn holds(&self, needles: &[Vec<u8>]) -> Vec<usize> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut memory = File::open(proc.join("mem")).unwrap();
        let mut found = BTreeSet::new();
        let mut scanned = 0;
        for map in fs::read_to_string(proc.join("maps")).unwrap().lines() {
            let mut words = map.split_ascii_whitespace();
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            let (from, to) = range.split_once('-').unwrap();
            let number = |hex| u64::from_str_radix(hex, 16).unwrap();
            if !rights.starts_with("rw") {
                continue;
            }
            let mut bytes = vec![0; (number(to) - number(from)) as usize];
            // Guard pages and devices can't be read.
            if memory.seek(SeekFrom::Start(number(from))).is_err() || memory.read_exact(&mut bytes).is_err() {
                continue;
            }
            scanned += bytes.len();
            for (i, needle) in needles.iter().enumerate() {
                if !found.contains(&i) && find(&bytes, needle) {
                    found.insert(i);
                }
            }
        }
        assert!(scanned > 100_000, "only {scanned} bytes could be read");
        found.into_iter().collect()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> bool {
    let (first, rest) = needle.split_first().unwrap();
    let mut at = 0;
    while let Some(n) = bytes[at..].iter().position(|b| b == first) {
        at += n + 1;
        if bytes[at..].starts_with(rest) {
            return true;
        }
    }
    false
}

fn word(rng: &mut Rng) -> String {
    (0..16).map(|_| char::from(b'a' + rng.below(26) as u8)).collect()
}

#[test]
fn no_destroyed_key_stays_in_memory() {
    let mut rng = Rng::new(5);
    let mut holder = Holder::new("memory");
    let people = [word(&mut rng), word(&mut rng)];
    let say = |holder: &mut Holder, i: usize, rng: &mut Rng| {
        let (name, id, body) = (&people[i], word(rng), word(rng));
        holder.tell(&format!(
            "+{{\"id\":\"{id}\",\"conversation\":\"c\",\"author\":\"{name}\",\"time\":\"2026-01-31T12:00:00Z\",\"body\":\"{body}\"}}"
        ));
    };
    for i in 0..20 {
        say(&mut holder, i % 2, &mut rng);
    }
    holder.tell("roll");
    say(&mut holder, 0, &mut rng);
    holder.tell(&format!("?{}", people[0]));

    let before = holder.opens();
    let roots: BTreeSet<Secret> = windows(&holder.slot()).collect();
    let root = before.keys.iter().find(|k| roots.contains(*k)).unwrap().to_vec();
    assert_eq!(holder.holds(std::slice::from_ref(&root)), [0], "the scan sees where the root stands");
    holder.tell(&format!("-{}", people[0]));
    let living = holder.opens().keys;
    let destroyed: Vec<Vec<u8>> = before.keys.difference(&living).map(|k| k.to_vec()).collect();
    // Root, her key, the index, both journals' or one of them, pages.
    assert!(destroyed.len() >= 4, "{}", destroyed.len());
    assert!(destroyed.contains(&root));
    let left = holder.holds(&destroyed);
    assert!(left.is_empty(), "{} of {} destroyed keys stand in memory", left.len(), destroyed.len());
    // The control: keys that live are found, so the scan sees where keys stand.
    let living: Vec<Vec<u8>> = living.iter().map(|k| k.to_vec()).collect();
    assert!(!holder.holds(&living).is_empty());
}

/// Texts of a person who was rolled and read leave memory with her. (They stood on after the drop
/// of decoded records, of copies in the queue, and of vectors that had grown.)
#[test]
fn no_text_of_the_erased_stays_in_memory() {
    let mut rng = Rng::new(5);
    let mut holder = Holder::new("texts");
    let people = [word(&mut rng), word(&mut rng)];
    let mut words = [Vec::new(), Vec::new()];
    for i in 0..20 {
        let name = &people[i % 2];
        // Freed places of a few bytes are overwritten by the allocator itself: be longer.
        let fill = "and so on ".repeat(20);
        let body = word(&mut rng);
        holder.tell(&format!(
            "+{{\"id\":\"m{i}\",\"conversation\":\"c\",\"author\":\"{name}\",\"time\":\"2026-01-31T12:00:00Z\",\
             \"body\":\"{fill}{body}{fill}\"}}"
        ));
        words[i % 2].push(body.into_bytes());
    }
    assert_eq!(holder.holds(&words[0]).len(), 10, "the live index holds them");
    holder.tell("roll");
    holder.tell(&format!("?{}", people[0]));
    holder.tell(&format!("-{}", people[0]));
    let left = holder.holds(&words[0]);
    assert!(left.is_empty(), "{left:?} of 10 texts stand in memory");
}

/// Who asks for words opens dictionaries, and in these stand everybody's: they go with an erasure,
/// whatever the allocator is.
#[test]
fn no_dictionary_of_the_erased_stays_in_memory() {
    let mut rng = Rng::new(6);
    let mut holder = Holder::new("dictionaries");
    let people = [word(&mut rng), word(&mut rng)];
    let mut words = [Vec::new(), Vec::new()];
    let mut say = |holder: &mut Holder, i: usize| {
        let own = word(&mut rng);
        holder.tell(&format!(
            "+{{\"id\":\"m{i}\",\"conversation\":\"c\",\"author\":\"{}\",\"time\":\"2026-01-31T12:00:00Z\",\
             \"body\":\"well then {own} and so on\"}}",
            people[i % 2]
        ));
        words[i % 2].push(own);
    };
    for i in 0..400 {
        say(&mut holder, i);
        if i == 200 {
            holder.tell("roll");
        }
    }
    holder.tell("roll");
    for i in 400..420 {
        say(&mut holder, i);
    }
    let bytes = |words: &[String]| words.iter().map(|w| w.as_bytes()[4..].to_vec()).collect::<Vec<_>>();
    let hers = bytes(&words[0]);
    for word in &words[1] {
        let near = format!("{}~1", &word[1..]);
        for query in [word.clone(), format!("\"then {word} and\""), format!("{}*", &word[..3]), near] {
            holder.tell(&format!("={query}"));
        }
    }
    let found = holder.holds(&hers).len();
    assert!(found > 200, "the control: of her 210 words {found} stand in the live index and in dictionaries");
    holder.tell(&format!("-{}", people[0]));
    let left = holder.holds(&hers);
    assert!(left.is_empty(), "{} of her words stand in memory", left.len());
    // The control: those of the living stand there again when they are asked for.
    holder.tell(&format!("={}*", &words[1][0][..1]));
    assert!(holder.holds(&bytes(&words[1])).len() > 100);
}
