//! The verdict over an erasure: what an attacker learns who kept every byte ever written and
//! takes every key that survives. The tests and the mutants are judged by this one function.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use crate::canary;
use crate::evidence::{Evidence, Kind};
use crate::recording_vfs::Op;
use crate::sealed::{Depth, Hunt, Opened, Place, Secret, hunt_with, windows};

/// What the attacker holds, and what must be gone and what must be there.
#[derive(Clone, Default)]
pub struct Scene {
    /// Every operation on the disk.
    pub log: Vec<Op>,
    /// The slot's bytes now.
    pub slot: Vec<u8>,
    /// Keys that the attacker has besides; none, unless a mutant keeps one.
    pub keys: Vec<Secret>,
    /// Second locks that he has besides.
    pub locks: Vec<[u8; 16]>,
    /// Body blocks that he knows from before the erasure.
    pub places: BTreeSet<Place>,
    /// Random words that stood in what was erased only.
    pub dead: Vec<String>,
    /// Identifiers of the erased.
    pub dead_names: Vec<String>,
    /// Their numbers.
    pub dead_people: BTreeSet<u64>,
    /// Files that were gone when the last erasure was acknowledged: journals that mentioned the
    /// erased, indexes that were written anew.
    pub buried: BTreeSet<String>,
    /// Epoch since the last erasure.
    pub epoch: u64,
    /// Random words that stand in what lives.
    pub living: Vec<String>,
    /// Identifiers of the living.
    pub living_names: Vec<String>,
    /// The words of all texts that live.
    pub words: BTreeSet<String>,
    /// Whether no text stands in a journal only: then each of these words stands in an index.
    pub rolled: bool,
    /// How hard to look.
    pub deep: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Each leak, with where it stands. Empty is good.
    pub leaks: Vec<String>,
    /// What the living lost. Empty is good.
    pub lost: Vec<String>,
    /// Sealed objects that opened.
    pub opened: usize,
    /// Sealed objects that did not.
    pub shut: usize,
}

impl Verdict {
    /// Whether a leak of this sort was found.
    pub fn tells(&self, sort: &str) -> bool {
        self.leaks.iter().any(|l| l.starts_with(sort))
    }

    /// Fails the test unless nothing leaked and nothing was lost.
    ///
    /// # Panics
    /// Then.
    #[track_caller]
    pub fn assert_clean(&self, told: &str) {
        assert!(self.leaks.is_empty(), "{told}: {:#?}", self.leaks);
        assert!(self.lost.is_empty(), "{told}: {:#?}", self.lost);
    }
}

impl Scene {
    fn has_word(&self, word: &[u8]) -> bool {
        std::str::from_utf8(word).is_ok_and(|word| self.words.contains(word))
    }
}

/// Opens what opens.
pub fn open(scene: &Scene) -> Hunt {
    let mut keys: Vec<Secret> = windows(&scene.slot).collect();
    keys.extend(&scene.keys);
    let depth = if scene.deep { Depth::Windows } else { Depth::Formats };
    hunt_with(&Evidence::of_log(&scene.log), &keys, &scene.locks, &scene.places, depth)
}

/// Judges a scene.
pub fn verdict(scene: &Scene) -> Verdict {
    let hunt = open(scene);
    let mut v = Verdict { opened: hunt.opened.len(), shut: hunt.unopened.len(), ..Verdict::default() };
    let needles = Needles::new(&scene.dead);
    for o in &hunt.opened {
        if let Some(word) = needles.first_in(&o.text) {
            v.leaks.push(format!("word: `{word}` in {}", place(o)));
        }
        let stale = match o.kind {
            Kind::Head => o.epoch < scene.epoch,
            Kind::Frame | Kind::IndexPage | Kind::Body => scene.buried.contains(&o.file),
            Kind::Node | Kind::Free => false,
        };
        if stale {
            v.leaks.push(format!("stale: {} of an earlier epoch opens", place(o)));
        }
    }
    for (kind, file, offset) in &hunt.reused {
        v.leaks.push(format!("reuse: a key that opens {kind:?} {file} at {offset} opens something else too"));
    }
    let words = hunt.words();
    for (word, file) in words.iter().filter(|(word, _)| !scene.has_word(word)) {
        let word = String::from_utf8_lossy(word);
        v.leaks.push(format!("dictionary: `{word}` in {file}, a word of no text that lives"));
    }
    for name in scene.dead_names.iter().filter(|n| hunt.has_tag(n)) {
        v.leaks.push(format!("name: the tag of `{name}`"));
    }
    for number in hunt.people.intersection(&scene.dead_people) {
        v.leaks.push(format!("person: keys of number {number}"));
    }
    v.leaks.extend(raw(&scene.log, &needles).map(|what| format!("raw: {what}")));

    for word in &scene.living {
        if hunt.find(word.as_bytes()).iter().all(|o| !matches!(o.kind, Kind::Frame | Kind::Body)) {
            v.lost.push(format!("`{word}` stands in no record that opens"));
        }
    }
    for word in scene.words.iter().filter(|w| scene.rolled && !words.contains_key(w.as_bytes())) {
        v.lost.push(format!("the word `{word}` stands in no index that opens"));
    }
    // People who stand in a journal only have no entry in the tree yet.
    for name in scene.living_names.iter().filter(|n| hunt.find(n.as_bytes()).is_empty()) {
        v.lost.push(format!("nothing names `{name}`"));
    }
    v
}

fn place(o: &Opened) -> String {
    format!("{:?} {} at {}", o.kind, o.file, o.offset)
}

/// Canaries in bytes as they were written, and in names of files.
fn raw(log: &[Op], needles: &Needles) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let mut paths: HashMap<usize, PathBuf> = HashMap::new();
    for op in log {
        let (path, inode) = match op {
            Op::Create { inode, path } | Op::Rename { inode, to: path, .. } => (path, *inode),
            Op::Write { inode, bytes, offset } => {
                if let Some(word) = needles.first_in(bytes) {
                    let file = paths.get(inode).cloned().unwrap_or_default();
                    found.push(format!("`{word}` in {} at {offset}", file.display()));
                }
                continue;
            }
            _ => continue,
        };
        if let Some(word) = needles.first_in(path.to_string_lossy().as_bytes()) {
            found.push(format!("`{word}` in the name {}", path.display()));
        }
        paths.insert(inode, path.clone());
    }
    found.into_iter()
}

/// Words in every form, whole or halved: a dictionary that shares prefixes holds only an end.
pub struct Needles {
    words: Vec<String>,
    /// By the first four bytes: the rest, and the word.
    by_start: HashMap<[u8; 4], Vec<(Vec<u8>, usize)>>,
    /// Whether a needle begins with these two bytes.
    starts: Vec<bool>,
}

impl Needles {
    /// Forms of `words`, which are of 16 random letters.
    ///
    /// # Panics
    /// If a word is short: then a half of it may stand somewhere by chance.
    pub fn new(words: &[String]) -> Self {
        let mut all = Self { words: words.to_vec(), by_start: HashMap::new(), starts: vec![false; 65536] };
        for (i, word) in words.iter().enumerate() {
            assert!(word.len() >= 16 && word.is_ascii(), "no canary: {word}");
            for half in [&word[..8], &word[word.len() - 8..]] {
                for form in canary::forms(half) {
                    let start = *form.first_chunk().unwrap();
                    all.starts[usize::from(u16::from_be_bytes([start[0], start[1]]))] = true;
                    all.by_start.entry(start).or_default().push((form, i));
                }
            }
        }
        all
    }

    /// The first word that stands in `bytes` in some form.
    pub fn first_in(&self, bytes: &[u8]) -> Option<&str> {
        bytes.windows(4).enumerate().find_map(|(at, start)| {
            if !self.starts[usize::from(u16::from_be_bytes([start[0], start[1]]))] {
                return None;
            }
            let here = self.by_start.get(start)?;
            let (_, word) = here.iter().find(|(form, _)| bytes[at..].starts_with(form))?;
            Some(self.words[*word].as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_found_in_every_form() {
        let needles = Needles::new(&["abcdefghijklmnop".into()]);
        for text in
            ["..abcdefgh..", "ijklmnop", "xxIJKLMNOPxx", "i\0j\0k\0l\0m\0n\0o\0p\0", "696a6b6c6d6e6f70"]
        {
            assert_eq!(needles.first_in(text.as_bytes()), Some("abcdefghijklmnop"), "{text:?}");
        }
        assert_eq!(needles.first_in(b"abcdefg ijklmno"), None);
    }
}
