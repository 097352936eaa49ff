//! What a power cut may keep of the writes that were not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cow::CowFile;
use crate::crash::{CrashOptions, Image};
use crate::recording_vfs::{Inode, Op};
use crate::rng::Rng;

/// Writes within one sector are whole or not there.
const SECTOR: usize = 512;

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
