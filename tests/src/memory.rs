//! What stands in the memory of another process. The search runs in the tester's process, so
//! that looking leaves no copies behind in the one that is looked at.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Bytes in a row that count as a find. Freed memory loses its first bytes to the allocator's
/// own lists and its middle to whoever comes next, so a part says as much as the whole.
pub const FRAGMENT: usize = 10;

const CHUNK: usize = 1 << 20;

/// A program that waits for orders, one a line (see [`crate::child`]).
pub struct Subject {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Bytes to look for, by name.
#[derive(Default)]
pub struct Needles {
    all: Vec<(String, Vec<u8>)>,
}

/// By name of the needle: where parts of it stand, and how many of its bytes in a row.
pub type Found = BTreeMap<String, Vec<(String, usize)>>;

impl Subject {
    /// Starts a program.
    pub fn start(program: &str) -> Self {
        let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, orders, answers: BufReader::new(answers) }
    }

    /// Gives an order and waits until it is done.
    ///
    /// # Panics
    /// If the program answers anything but `done`.
    pub fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "done", "{order}");
    }

    /// Looks for `needles` in every part of its memory that it can write.
    ///
    /// # Panics
    /// If the operating system forbids it.
    pub fn search(&self, needles: &Needles) -> Found {
        let process = self.process.id();
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory = File::open(format!("/proc/{process}/mem"))
            .expect("a parent must be allowed to read the memory of its child");
        let index = Index::of(needles);
        let (mut found, mut looked) = (Found::new(), 0);
        for line in maps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if !words[1].starts_with("rw") {
                continue;
            }
            let (from, to) = words[0].split_once('-').unwrap();
            let [from, to] = [from, to].map(|n| u64::from_str_radix(n, 16).unwrap());
            let name = words.get(5).unwrap_or(&"anonymous");
            let mut buffer = vec![0; CHUNK + FRAGMENT];
            let mut at = from;
            while at < to {
                let len = buffer.len().min((to - at) as usize);
                if memory.read_exact_at(&mut buffer[..len], at).is_err() {
                    break; // Guard pages; a mapping that can't be read holds nothing.
                }
                looked += len;
                index.search(needles, &buffer[..len], name, &mut found);
                at += CHUNK as u64;
            }
        }
        assert!(looked > 100_000, "only {looked} bytes of memory could be read");
        found
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Needles {
    /// Adds a needle of at least [`FRAGMENT`] bytes.
    pub fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        assert!(bytes.len() >= FRAGMENT);
        self.all.push((name.into(), bytes));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Every window of every needle by its first eight bytes.
struct Index {
    first_two: Vec<bool>,
    windows: HashMap<[u8; 8], Vec<(usize, usize)>>,
}

impl Index {
    fn of(needles: &Needles) -> Self {
        let mut index = Self { first_two: vec![false; 1 << 16], windows: HashMap::new() };
        for (n, (_, bytes)) in needles.all.iter().enumerate() {
            for at in 0..=bytes.len() - FRAGMENT {
                let start: [u8; 8] = *bytes[at..].first_chunk().unwrap();
                index.first_two[two(&start)] = true;
                index.windows.entry(start).or_default().push((n, at));
            }
        }
        index
    }

    fn search(&self, needles: &Needles, memory: &[u8], place: &str, found: &mut Found) {
        let mut at = 0;
        while at + FRAGMENT <= memory.len() {
            if self.first_two[two(&memory[at..])]
                && let Some(windows) = self.windows.get(&memory[at..at + 8])
            {
                let longest = windows
                    .iter()
                    .map(|(n, from)| (common(&needles.all[*n].1[*from..], &memory[at..]), *n))
                    .max();
                if let Some((len, n)) = longest.filter(|(len, _)| *len >= FRAGMENT) {
                    found.entry(needles.all[n].0.clone()).or_default().push((place.to_owned(), len));
                    at += len;
                    continue;
                }
            }
            at += 1;
        }
    }
}

fn two(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_needle_are_found() {
        let mut needles = Needles::default();
        needles.add("a", *b"0123456789abcdef");
        needles.add("b", *b"zyxwvutsrqponmlk");
        let look = |memory: &[u8]| {
            let mut found = Found::new();
            Index::of(&needles).search(&needles, memory, "here", &mut found);
            found.into_iter().map(|(name, at)| (name, at[0].1, at.len())).collect::<Vec<_>>()
        };
        assert_eq!(look(b"..0123456789abcdef..0123456789abcdef"), [("a".into(), 16, 2)]);
        assert_eq!(look(b"..3456789abcde..wvutsrqpon"), [("a".into(), 12, 1), ("b".into(), 10, 1)]);
        assert_eq!(look(b"..012345678.."), []);
    }
}
