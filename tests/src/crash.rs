//! The states a crash may leave behind.
//!
//! Model: a write, length or allocation is durable after a sync of its file; a made, removed or
//! renamed name after a sync of its folder. Everything else may be on the device or not, each for
//! itself; a write above one sector may be there in part, and overlapping writes in any order. A
//! kill keeps the cache; a power cut keeps any part of it.

pub mod check;
pub mod explore;
pub mod ledger;
pub mod told;
pub mod world;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};

use escrowdb::vfs::{MemoryVfs, Vfs};

use crate::cache::CacheModel;
use crate::cow::CowFile;
use crate::recording_vfs::{Op, RecordingVfs};

/// How many states of each crash point are made.
#[derive(Clone, Debug)]
pub struct CrashOptions {
    /// Crash points: numbers of operations that were done.
    pub points: Range<usize>,
    /// All subsets are made up to this many unsynced changes.
    pub exhaustive_max: usize,
    /// Random subsets (with torn writes and reorderings) beyond that.
    pub random: usize,
    /// Random sector patterns of each write.
    pub torn: usize,
    /// Seed of all choices.
    pub seed: u64,
}

impl Default for CrashOptions {
    fn default() -> Self {
        Self { points: 0..usize::MAX, exhaustive_max: 5, random: 16, torn: 2, seed: 1 }
    }
}

/// Distinct states over all crash points of a log.
pub struct Crashes<'a> {
    ops: &'a [Op],
    options: CrashOptions,
    disk: CacheModel,
    done: usize,
    ready: VecDeque<Image>,
    seen: HashSet<[u8; 16]>,
    distinct: usize,
}

/// One state: what a machine finds on disk after a crash.
#[derive(Clone)]
pub struct Image {
    /// How many operations of the log were done.
    pub at: usize,
    /// What was kept, for messages.
    pub what: String,
    pub(crate) files: BTreeMap<PathBuf, CowFile>,
    pub(crate) dirs: BTreeSet<PathBuf>,
}

/// Every distinct state that a crash within `options.points` may leave.
pub fn crashes(ops: &[Op], options: CrashOptions) -> Crashes<'_> {
    Crashes {
        ops,
        options,
        disk: CacheModel::new(),
        done: 0,
        ready: VecDeque::new(),
        seen: HashSet::new(),
        distinct: 0,
    }
}

/// The remarks of the log before a crash point.
pub fn marks(ops: &[Op], at: usize) -> Vec<&str> {
    ops[..at]
        .iter()
        .filter_map(|op| match op {
            Op::Mark { label } => Some(label.as_str()),
            _ => None,
        })
        .collect()
}

impl Crashes<'_> {
    /// How many distinct states (between two remarks) were met so far.
    pub const fn distinct(&self) -> usize {
        self.distinct
    }
}

impl Iterator for Crashes<'_> {
    type Item = Image;

    fn next(&mut self) -> Option<Image> {
        loop {
            if let Some(image) = self.ready.pop_front() {
                return Some(image);
            }
            if self.done > self.ops.len() || self.done >= self.options.points.end {
                return None;
            }
            // A remark changes no state, but what must hold after it: look at the states again.
            if self.done > 0 && matches!(self.ops[self.done - 1], Op::Mark { .. }) {
                self.seen.clear();
            }
            if self.options.points.contains(&self.done) {
                let mut found = Vec::new();
                self.disk.images(self.done, &self.options, &mut |image| found.push(image));
                found.retain(|image| self.seen.insert(image.hash()));
                self.distinct += found.len();
                self.ready.extend(found);
            }
            if let Some(op) = self.ops.get(self.done) {
                self.disk.apply(op);
            }
            self.done += 1;
        }
    }
}

impl Image {
    /// The state as a disk.
    pub fn disk(&self) -> MemoryVfs {
        let disk = MemoryVfs::from_files(self.files.iter().map(|(p, f)| (p.clone(), f.to_vec())));
        for dir in &self.dirs {
            let _ = disk.create_dir(dir);
        }
        disk
    }

    /// The state as a recording disk, for a second crash during recovery.
    pub fn recording(&self) -> RecordingVfs {
        RecordingVfs::from_files(self.files.iter().map(|(p, f)| (p.clone(), f.to_vec())))
    }

    /// Names of the files.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Content of a file.
    pub fn file(&self, path: &Path) -> Option<Vec<u8>> {
        self.files.get(path).map(CowFile::to_vec)
    }

    /// Hash of all names and contents.
    pub fn hash(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for dir in &self.dirs {
            hasher.update(dir.as_os_str().as_encoded_bytes()).update(b"/\0");
        }
        for (path, file) in &self.files {
            hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
            file.hash_into(&mut hasher);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        short
    }
}

#[cfg(test)]
mod tests;
