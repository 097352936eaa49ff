//! The states a crash may leave behind.
//!
//! Model: a write, length or allocation is durable after a sync of its file; a made, removed or
//! renamed name after a sync of its folder. Everything else may be on the device or not, each for
//! itself; a write above one sector may be there in part, and overlapping writes in any order. A
//! kill keeps the cache; a power cut keeps any part of it.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::vfs::{MemoryVfs, Vfs};

use crate::cow::CowFile;
use crate::recording_vfs::{Inode, Op, RecordingVfs};
use crate::rng::Rng;

/// Writes within one sector are whole or not there.
const SECTOR: usize = 512;

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
    files: BTreeMap<PathBuf, CowFile>,
    dirs: BTreeSet<PathBuf>,
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

/// What is durable, and what stands only in the cache.
#[derive(Clone, Default)]
pub struct CacheModel {
    files: Vec<FileModel>,
    names: BTreeMap<PathBuf, Inode>,
    dirs: BTreeSet<PathBuf>,
    pending_names: Vec<NameChange>,
}

#[derive(Clone, Default)]
struct FileModel {
    durable: CowFile,
    pending: Vec<Change>,
    /// How many of them a failed sync covered: no later sync makes these durable.
    lost: usize,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    SetLen(usize),
    Grow(usize),
}

#[derive(Clone)]
enum NameChange {
    Add { path: PathBuf, inode: Inode },
    Remove { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, inode: Inode },
    Dir { path: PathBuf },
}

impl NameChange {
    fn touches(&self, dir: &Path) -> bool {
        let inside = |p: &Path| p.parent() == Some(dir);
        match self {
            Self::Add { path, .. } | Self::Remove { path } | Self::Dir { path } => inside(path),
            Self::Rename { from, to, .. } => inside(from) || inside(to),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Inode>, dirs: &mut BTreeSet<PathBuf>) {
        match self {
            Self::Add { path, inode } => {
                names.insert(path.clone(), *inode);
            }
            Self::Remove { path } => {
                names.remove(path);
            }
            Self::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Dir { path } => {
                dirs.insert(path.clone());
            }
        }
    }
}

/// What of one unsynced change is on the device.
#[derive(Clone)]
enum Keep {
    No,
    All,
    /// Whether each touched sector is there.
    Sectors(Vec<bool>),
    /// The new length without the bytes.
    Length,
}

/// What of all unsynced changes is on the device: data changes first, then names.
#[derive(Clone)]
struct Choice {
    data: Vec<Keep>,
    names: Vec<bool>,
    /// Order of the data changes, if not their own.
    order: Option<Vec<usize>>,
}

impl CacheModel {
    /// An empty disk.
    pub fn new() -> Self {
        Self { dirs: BTreeSet::from([PathBuf::from("/")]), ..Self::default() }
    }

    /// Takes in the next operation.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { inode, path } => {
                self.files.resize_with(self.files.len().max(inode + 1), FileModel::default);
                self.pending_names.push(NameChange::Add { path: path.clone(), inode: *inode });
            }
            Op::Remove { path, .. } => self.pending_names.push(NameChange::Remove { path: path.clone() }),
            Op::Rename { inode, from, to } => self.pending_names.push(NameChange::Rename {
                from: from.clone(),
                to: to.clone(),
                inode: *inode,
            }),
            Op::MakeDir { path } => self.pending_names.push(NameChange::Dir { path: path.clone() }),
            Op::SyncDir { path } => {
                let (synced, rest) = std::mem::take(&mut self.pending_names)
                    .into_iter()
                    .partition::<Vec<_>, _>(|change| change.touches(path));
                synced.iter().for_each(|c| c.apply(&mut self.names, &mut self.dirs));
                self.pending_names = rest;
            }
            Op::Write { inode, offset, bytes } => {
                let change = Change::Write { offset: *offset, bytes: Arc::clone(bytes) };
                self.files[*inode].pending.push(change);
            }
            Op::SetLen { inode, len } => self.files[*inode].pending.push(Change::SetLen(*len)),
            Op::Allocate { inode, len } => self.files[*inode].pending.push(Change::Grow(*len)),
            Op::Sync { inode } => {
                let file = &mut self.files[*inode];
                let kept = file.pending.split_off(file.lost);
                // The worst case: what a failed sync covered counts as written and never is.
                file.pending.clear();
                file.lost = 0;
                for change in &kept {
                    change.apply(&Keep::All, &mut file.durable);
                }
            }
            Op::SyncFailed { inode } => self.files[*inode].lost = self.files[*inode].pending.len(),
            Op::Mark { .. } => {}
        }
    }

    /// Makes the states that a crash now may leave. Equal states may come twice.
    pub fn images(&self, at: usize, options: &CrashOptions, visit: &mut dyn FnMut(Image)) {
        let places: Vec<(Inode, usize)> = self
            .files
            .iter()
            .enumerate()
            .flat_map(|(inode, f)| (0..f.pending.len()).map(move |i| (inode, i)))
            .collect();
        let (d, n) = (places.len(), self.pending_names.len());
        let mut make = |what: String, choice: Choice| visit(self.image(at, what, &places, &choice));
        let whole = |keep: bool| Choice {
            data: vec![if keep { Keep::All } else { Keep::No }; d],
            names: vec![keep; n],
            order: None,
        };
        make("cache kept".into(), whole(true));
        if d + n == 0 {
            return;
        }
        make("nothing unsynced kept".into(), whole(false));
        let set = |choice: &mut Choice, i: usize, keep: bool| {
            if i < d {
                choice.data[i] = if keep { Keep::All } else { Keep::No };
            } else {
                choice.names[i - d] = keep;
            }
        };
        if d + n <= options.exhaustive_max {
            for bits in 0..1usize << (d + n) {
                let mut choice = whole(false);
                (0..d + n).for_each(|i| set(&mut choice, i, bits >> i & 1 == 1));
                make(format!("subset {bits:b}"), choice);
            }
        } else {
            for keep in [true, false] {
                for i in 0..d + n {
                    let mut choice = whole(!keep);
                    set(&mut choice, i, keep);
                    make(format!("change {i} alone {}", if keep { "kept" } else { "lost" }), choice);
                }
            }
        }
        let mut rng = Rng::new(options.seed ^ (at as u64) << 20);
        for (i, (inode, index)) in places.iter().enumerate() {
            let Change::Write { offset, bytes } = &self.files[*inode].pending[*index] else { continue };
            let sectors = sectors(*offset, bytes.len());
            let grows = offset + bytes.len() > self.files[*inode].durable.len();
            for others in [true, false] {
                let mut tear = |what: &str, keep: Keep| {
                    let mut choice = whole(others);
                    // A torn write in a file without a name shows nothing.
                    choice.names.fill(true);
                    choice.data[i] = keep;
                    make(
                        format!("change {i} {what}, others {}", if others { "kept" } else { "lost" }),
                        choice,
                    );
                };
                if grows {
                    tear("length only", Keep::Length);
                }
                if sectors > 1 {
                    tear("first half", Keep::Sectors((0..sectors).map(|s| s < sectors / 2).collect()));
                    tear("second half", Keep::Sectors((0..sectors).map(|s| s >= sectors / 2).collect()));
                    for _ in 0..options.torn {
                        tear("random sectors", Keep::Sectors((0..sectors).map(|_| rng.chance(50)).collect()));
                    }
                }
            }
        }
        if d + n > 1 {
            for r in 0..options.random {
                make(format!("random {r}"), self.random(&places, &mut rng));
            }
        }
    }

    fn random(&self, places: &[(Inode, usize)], rng: &mut Rng) -> Choice {
        let share = [20, 50, 80][rng.below(3)];
        let data = places
            .iter()
            .map(|(inode, index)| match &self.files[*inode].pending[*index] {
                Change::Write { offset, bytes } if rng.chance(25) => {
                    Keep::Sectors((0..sectors(*offset, bytes.len())).map(|_| rng.chance(share)).collect())
                }
                _ if rng.chance(share) => Keep::All,
                _ => Keep::No,
            })
            .collect();
        let names = self.pending_names.iter().map(|_| rng.chance(share.max(50))).collect();
        let mut order: Vec<_> = (0..places.len()).collect();
        let shuffle = rng.chance(50);
        if shuffle {
            rng.shuffle(&mut order);
        }
        Choice { data, names, order: shuffle.then_some(order) }
    }

    fn image(&self, at: usize, what: String, places: &[(Inode, usize)], choice: &Choice) -> Image {
        let mut changed: BTreeMap<Inode, CowFile> = BTreeMap::new();
        let mut put = |i: usize| {
            let (inode, index) = places[i];
            if !matches!(choice.data[i], Keep::No) {
                let file = changed.entry(inode).or_insert_with(|| self.files[inode].durable.clone());
                self.files[inode].pending[index].apply(&choice.data[i], file);
            }
        };
        match &choice.order {
            Some(order) => order.iter().for_each(|i| put(*i)),
            None => (0..places.len()).for_each(put),
        }
        let mut names = self.names.clone();
        let mut dirs = self.dirs.clone();
        for (change, keep) in self.pending_names.iter().zip(&choice.names) {
            if *keep {
                change.apply(&mut names, &mut dirs);
            }
        }
        // What lies in a folder that is not there is not there.
        let reachable = |p: &Path, dirs: &BTreeSet<PathBuf>| {
            p.ancestors().skip(1).filter(|a| !a.as_os_str().is_empty()).all(|a| dirs.contains(a))
        };
        let kept_dirs: BTreeSet<_> = dirs.iter().filter(|p| reachable(p, &dirs)).cloned().collect();
        let files = names
            .into_iter()
            .filter(|(p, _)| reachable(p, &kept_dirs))
            .map(|(p, inode)| {
                let file = changed.get(&inode).unwrap_or(&self.files[inode].durable).clone();
                (p, file)
            })
            .collect();
        Image { at, what, files, dirs: kept_dirs }
    }
}

impl Change {
    fn apply(&self, keep: &Keep, file: &mut CowFile) {
        match (self, keep) {
            (_, Keep::No) => {}
            (Self::Write { offset, bytes }, Keep::All) => file.write(*offset, bytes),
            (Self::Write { offset, bytes }, Keep::Length) => file.grow(offset + bytes.len()),
            (Self::Write { offset, bytes }, Keep::Sectors(kept)) => {
                let mut from = *offset;
                for keep in kept {
                    let to = ((from / SECTOR + 1) * SECTOR).min(offset + bytes.len());
                    if *keep {
                        file.write(from, &bytes[from - offset..to - offset]);
                    }
                    from = to;
                }
            }
            (Self::SetLen(len), _) => file.set_len(*len),
            (Self::Grow(len), _) => file.grow(*len),
        }
    }
}

/// How many sectors a write touches.
const fn sectors(offset: usize, len: usize) -> usize {
    if len == 0 { 0 } else { (offset + len - 1) / SECTOR - offset / SECTOR + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> RecordingVfs {
        let disk = RecordingVfs::new();
        disk.create_dir(Path::new("/s")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk
    }

    fn last(disk: &RecordingVfs, options: CrashOptions) -> Vec<Image> {
        let log = disk.log();
        let points = log.len()..log.len() + 1;
        crashes(&log, CrashOptions { points, ..options }).collect()
    }

    fn contents(images: &[Image], path: &str) -> BTreeSet<Option<Vec<u8>>> {
        images.iter().map(|i| i.file(Path::new(path))).collect()
    }

    #[test]
    fn synced_is_in_every_state() {
        let d = disk();
        let f = d.create(Path::new("/s/a")).unwrap();
        f.write_at(b"one", 0).unwrap();
        f.sync().unwrap();
        // The content is durable, the name is not.
        let images = last(&d, CrashOptions::default());
        assert_eq!(contents(&images, "/s/a"), BTreeSet::from([None, Some(b"one".to_vec())]));
        d.sync_dir(Path::new("/s")).unwrap();
        let images = last(&d, CrashOptions::default());
        assert_eq!(images.len(), 1);
        assert_eq!(contents(&images, "/s/a"), BTreeSet::from([Some(b"one".to_vec())]));
    }

    #[test]
    fn unsynced_writes_come_in_every_subset_torn_and_reordered() {
        let d = disk();
        let f = d.create(Path::new("/s/a")).unwrap();
        f.allocate(2048).unwrap();
        f.sync().unwrap();
        d.sync_dir(Path::new("/s")).unwrap();
        f.write_at(&[1; 1024], 0).unwrap();
        f.write_at(&[2; 1024], 1024).unwrap();
        let images = last(&d, CrashOptions::default());
        let heads: BTreeSet<Vec<u8>> = contents(&images, "/s/a")
            .into_iter()
            .map(|c| c.unwrap().chunks(512).map(|s| s[0]).collect())
            .collect();
        for want in [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2], [1, 1, 2, 2], [1, 0, 2, 2], [0, 1, 0, 0]] {
            assert!(heads.contains(&want[..]), "{want:?} of {heads:?}");
        }
        // Two writes of one place: the older may win.
        f.sync().unwrap();
        f.write_at(&[3; 512], 0).unwrap();
        f.write_at(&[4; 512], 0).unwrap();
        let images = last(&d, CrashOptions { random: 200, ..CrashOptions::default() });
        let first: BTreeSet<u8> = contents(&images, "/s/a").into_iter().map(|c| c.unwrap()[0]).collect();
        assert_eq!(first, BTreeSet::from([1, 3, 4]));
        assert_eq!(images.len(), 3, "states are distinct");
    }

    #[test]
    fn a_sector_is_never_torn() {
        let d = disk();
        let f = d.create(Path::new("/s/a")).unwrap();
        f.allocate(4096).unwrap();
        f.sync().unwrap();
        d.sync_dir(Path::new("/s")).unwrap();
        f.write_at(&[1; 2000], 300).unwrap();
        for image in last(&d, CrashOptions { random: 200, torn: 50, ..CrashOptions::default() }) {
            let bytes = image.file(Path::new("/s/a")).unwrap();
            for (i, sector) in bytes.chunks(512).enumerate() {
                let touched = &sector[300usize.saturating_sub(i * 512)..(2300 - i * 512).min(512)];
                assert!(touched.windows(2).all(|w| w[0] == w[1]), "sector {i}: {}", image.what);
                if i == 4 {
                    break;
                }
            }
        }
    }

    #[test]
    fn names_come_and_go_on_their_own() {
        let d = disk();
        for name in ["/s/a", "/s/b"] {
            d.create(Path::new(name)).unwrap().sync().unwrap();
        }
        d.sync_dir(Path::new("/s")).unwrap();
        d.remove(Path::new("/s/a")).unwrap();
        d.create(Path::new("/s/c")).unwrap();
        d.rename(Path::new("/s/c"), Path::new("/s/b")).unwrap();
        let all: BTreeSet<Vec<_>> = last(&d, CrashOptions::default())
            .iter()
            .map(|i| i.names().map(|p| p.file_name().unwrap().to_str().unwrap().to_string()).collect())
            .collect();
        let has = |names: &[&str]| all.contains(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(has(&["a", "b"]) && has(&["b"]) && has(&["a", "b", "c"]) && has(&["b", "c"]));
    }

    #[test]
    fn a_folder_that_was_not_synced_may_be_missing_with_all_in_it() {
        let d = RecordingVfs::new();
        d.create_dir(Path::new("/s")).unwrap();
        d.create(Path::new("/s/a")).unwrap().sync().unwrap();
        d.sync_dir(Path::new("/s")).unwrap();
        let images = last(&d, CrashOptions::default());
        assert_eq!(images.iter().filter(|i| i.names().next().is_none()).count(), 1);
        let empty = images.iter().find(|i| i.names().next().is_none()).unwrap();
        assert!(!empty.disk().exists(Path::new("/s")).unwrap());
    }

    #[test]
    fn a_failed_sync_makes_nothing_durable_ever() {
        let d = disk();
        let f = d.create(Path::new("/s/a.jrn")).unwrap();
        f.allocate(3).unwrap();
        f.sync().unwrap();
        d.sync_dir(Path::new("/s")).unwrap();
        d.fail_sync(crate::call::Class::Journal, 0);
        f.write_at(b"one", 0).unwrap();
        f.sync().unwrap_err();
        f.sync().unwrap();
        let images = last(&d, CrashOptions::default());
        assert!(contents(&images, "/s/a.jrn").contains(&Some(b"\0\0\0".to_vec())));
    }

    #[test]
    fn remarks_say_what_was_promised() {
        let d = disk();
        let f = d.create(Path::new("/s/a")).unwrap();
        d.mark("created");
        f.write_at(b"x", 0).unwrap();
        d.mark("written");
        let log = d.log();
        let mut promised = BTreeSet::new();
        for image in crashes(&log, CrashOptions::default()) {
            promised.insert(marks(&log, image.at).len());
        }
        assert_eq!(promised, BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn many_states_are_cheap() {
        let d = disk();
        let f = d.create(Path::new("/s/keyring.a")).unwrap();
        f.allocate(64 * 4096).unwrap();
        f.sync().unwrap();
        d.sync_dir(Path::new("/s")).unwrap();
        for i in 0..20u8 {
            f.write_at(&[i; 4096], u64::from(i) * 4096).unwrap();
        }
        let log = d.log();
        let start = std::time::Instant::now();
        let all = crashes(&log, CrashOptions { random: 500, ..CrashOptions::default() });
        let n = all.filter(|i| i.disk().exists(Path::new("/s")).unwrap()).count();
        println!("{n} states in {:?}", start.elapsed());
        assert!(n > 5000);
    }
}
