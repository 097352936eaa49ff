//! A disk in memory that logs every operation in order and keeps every byte ever written, also
//! of files that were cut, overwritten or removed.
//!
//! The log feeds three things: the crash states ([`crate::crash`]), the hunt for keys and plaintext
//! ([`crate::sealed`]) and the assertion that every write, sync and rename site was hit. Clones
//! share one disk. Dropping a store and opening it again on the same disk is a kill: what was not
//! synced stays in the cache and may still be lost by a later power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::vfs::{LockGuard, ReadAt, Vfs, VfsFile};
use parking_lot::Mutex;

use crate::call::{Aim, Call, Class, Counts};
use crate::cow::CowFile;
use crate::gate::{Gate, Gates};

/// Number of a file of the disk; a new file under an old name has a new number.
pub type Inode = usize;

/// One logged operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the arguments of the call")]
pub enum Op {
    Create {
        inode: Inode,
        path: PathBuf,
    },
    Remove {
        inode: Inode,
        path: PathBuf,
    },
    Rename {
        inode: Inode,
        from: PathBuf,
        to: PathBuf,
    },
    MakeDir {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    Write {
        inode: Inode,
        offset: usize,
        bytes: Arc<[u8]>,
    },
    SetLen {
        inode: Inode,
        len: usize,
    },
    Allocate {
        inode: Inode,
        len: usize,
    },
    Sync {
        inode: Inode,
    },
    /// A sync that failed: what it covered is never durable until it is written again.
    SyncFailed {
        inode: Inode,
    },
    /// A remark of the test, for example an acknowledgement.
    Mark {
        label: String,
    },
}

/// The recording disk.
#[derive(Clone, Default)]
pub struct RecordingVfs(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    gates: Gates,
}

#[derive(Default)]
struct State {
    inodes: Vec<CowFile>,
    names: BTreeMap<PathBuf, Inode>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    log: Vec<Op>,
    counts: Counts,
    failing_syncs: Vec<(Aim, u64)>,
}

impl RecordingVfs {
    /// An empty disk whose root folder exists.
    pub fn new() -> Self {
        let disk = Self::default();
        disk.0.state.lock().dirs.insert(PathBuf::from("/"));
        disk
    }

    /// The disk after these operations, with the same log: goes on from any prefix of a history.
    pub fn replay(ops: &[Op]) -> Self {
        let disk = Self::new();
        {
            let mut state = disk.0.state.lock();
            for op in ops {
                state.apply(op);
            }
            state.log = ops.to_vec();
        }
        disk
    }

    /// A disk with these files, all durable.
    pub fn from_files(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        let disk = Self::new();
        let mut dirs = BTreeSet::new();
        for (path, bytes) in files {
            for dir in path.ancestors().skip(1) {
                disk.make_dirs(dir);
                dirs.insert(dir.to_path_buf());
            }
            let mut state = disk.0.state.lock();
            let inode = state.inodes.len();
            state.put(Op::Create { inode, path });
            state.put(Op::Write { inode, offset: 0, bytes: bytes.into() });
            state.put(Op::Sync { inode });
        }
        for path in dirs {
            disk.0.state.lock().put(Op::SyncDir { path });
        }
        disk
    }

    /// Puts a remark into the log.
    pub fn mark(&self, label: impl Into<String>) {
        self.0.state.lock().put(Op::Mark { label: label.into() });
    }

    /// Puts a barrier before the call that is hit after `skip` others that are hit too.
    pub fn block(&self, aim: Aim, skip: u64) -> Gate {
        self.0.gates.block(aim, skip)
    }

    /// Random small sleeps before `percent` of a hundred calls; 0 ends it.
    pub fn stir(&self, seed: u64, percent: u64) {
        self.0.gates.stir(seed, percent);
    }

    /// Lets one sync of `class` fail, after `skip` that succeed. What it covered is lost for good.
    pub fn fail_sync(&self, class: Class, skip: u64) {
        self.0.state.lock().failing_syncs.push((Aim::at(class, Call::Sync), skip));
    }

    /// The log so far.
    pub fn log(&self) -> Vec<Op> {
        self.0.state.lock().log.clone()
    }

    /// Number of logged operations so far.
    pub fn log_len(&self) -> usize {
        self.0.state.lock().log.len()
    }

    /// How often each call site was hit.
    pub fn counts(&self) -> Counts {
        self.0.state.lock().counts.clone()
    }

    /// Every file as it stands now, the cache included.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.state.lock();
        state.names.iter().map(|(p, i)| (p.clone(), state.inodes[*i].to_vec())).collect()
    }

    fn enter(&self, class: Class, call: Call) {
        self.0.gates.pass(class, call);
        *self.0.state.lock().counts.entry((class, call)).or_default() += 1;
    }

    fn at(&self, path: &Path, call: Call) {
        self.enter(Class::of(path), call);
    }

    fn make_dirs(&self, dir: &Path) {
        let mut state = self.0.state.lock();
        let missing: Vec<_> =
            dir.ancestors().filter(|d| !state.dirs.contains(*d)).map(Path::to_path_buf).collect();
        for path in missing.into_iter().rev().filter(|p| !p.as_os_str().is_empty()) {
            state.put(Op::MakeDir { path });
        }
    }

    fn file(&self, inode: Inode, path: &Path) -> RecordedFile {
        RecordedFile { disk: self.clone(), inode, class: Class::of(path) }
    }

    fn find(&self, path: &Path) -> io::Result<RecordedFile> {
        let inode = self.0.state.lock().names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(inode, path))
    }
}

impl State {
    fn put(&mut self, op: Op) {
        self.apply(&op);
        self.log.push(op);
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { inode, path } => {
                assert_eq!(*inode, self.inodes.len(), "inodes are numbered in order of creation");
                self.inodes.push(CowFile::default());
                self.names.insert(path.clone(), *inode);
            }
            Op::Remove { path, .. } => {
                self.names.remove(path);
            }
            Op::Rename { inode, from, to } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *inode);
            }
            Op::MakeDir { path } => {
                self.dirs.insert(path.clone());
            }
            Op::Write { inode, offset, bytes } => self.inodes[*inode].write(*offset, bytes),
            Op::SetLen { inode, len } => self.inodes[*inode].set_len(*len),
            Op::Allocate { inode, len } => self.inodes[*inode].grow(*len),
            Op::SyncDir { .. } | Op::Sync { .. } | Op::SyncFailed { .. } | Op::Mark { .. } => {}
        }
    }

    fn sync_fails(&mut self, class: Class) -> bool {
        let hit = self.failing_syncs.iter().position(|(aim, skip)| aim.hits(class, Call::Sync) && *skip == 0);
        for (aim, skip) in &mut self.failing_syncs {
            if aim.hits(class, Call::Sync) {
                *skip = skip.saturating_sub(1);
            }
        }
        hit.map(|i| self.failing_syncs.remove(i)).is_some()
    }
}

impl Vfs for RecordingVfs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.at(path, Call::Create);
        let mut state = self.0.state.lock();
        if state.names.contains_key(path) || state.dirs.contains(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if path.parent().is_some_and(|d| !d.as_os_str().is_empty() && !state.dirs.contains(d)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = state.inodes.len();
        state.put(Op::Create { inode, path: path.to_path_buf() });
        Ok(Box::new(self.file(inode, path)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.at(path, Call::Open);
        Ok(Box::new(self.find(path)?))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        self.at(path, Call::Map);
        Ok(Box::new(self.find(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.at(path, Call::Remove);
        let mut state = self.0.state.lock();
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.put(Op::Remove { inode, path: path.to_path_buf() });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.at(to, Call::Rename);
        let mut state = self.0.state.lock();
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.put(Op::Rename { inode, from: from.to_path_buf(), to: to.to_path_buf() });
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.at(dir, Call::List);
        let state = self.0.state.lock();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names: BTreeSet<_> = state
            .names
            .keys()
            .chain(&state.dirs)
            .filter(|p| p.parent() == Some(dir))
            .filter_map(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()))
            .collect();
        Ok(names.into_iter().collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.at(dir, Call::CreateDir);
        self.make_dirs(dir);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.at(dir, Call::SyncDir);
        self.0.state.lock().put(Op::SyncDir { path: dir.to_path_buf() });
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.at(path, Call::Exists);
        let state = self.0.state.lock();
        Ok(state.names.contains_key(path) || state.dirs.contains(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.at(path, Call::Lock);
        let mut state = self.0.state.lock();
        if !state.names.contains_key(path) {
            let inode = state.inodes.len();
            state.put(Op::Create { inode, path: path.to_path_buf() });
        }
        if !state.locks.insert(path.to_path_buf()) {
            return Ok(None);
        }
        Ok(Some(Box::new(RecordedLock { disk: self.clone(), path: path.to_path_buf() })))
    }
}

struct RecordedLock {
    disk: RecordingVfs,
    path: PathBuf,
}

impl LockGuard for RecordedLock {}

impl Drop for RecordedLock {
    fn drop(&mut self) {
        self.disk.0.state.lock().locks.remove(&self.path);
    }
}

struct RecordedFile {
    disk: RecordingVfs,
    inode: Inode,
    class: Class,
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl RecordedFile {
    fn put(&self, call: Call, op: Op) {
        self.disk.enter(self.class, call);
        self.disk.0.state.lock().put(op);
    }
}

impl ReadAt for RecordedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.enter(self.class, Call::Read);
        Ok(self.disk.0.state.lock().inodes[self.inode].read(buf, offset))
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.enter(self.class, Call::Len);
        Ok(self.disk.0.state.lock().inodes[self.inode].len() as u64)
    }
}

impl VfsFile for RecordedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = place(offset)?;
        self.put(Call::Write, Op::Write { inode: self.inode, offset, bytes: bytes.into() });
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.put(Call::SetLen, Op::SetLen { inode: self.inode, len: place(len)? });
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.put(Call::Allocate, Op::Allocate { inode: self.inode, len: place(len)? });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.enter(self.class, Call::Sync);
        let mut state = self.disk.0.state.lock();
        if state.sync_fails(self.class) {
            state.put(Op::SyncFailed { inode: self.inode });
            return Err(io::Error::other("sync failed"));
        }
        state.put(Op::Sync { inode: self.inode });
        Ok(())
    }

    fn evict(&self) -> io::Result<()> {
        self.disk.enter(self.class, Call::Evict);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_overwritten_and_removed() {
        let disk = RecordingVfs::new();
        let dir = Path::new("/s");
        disk.create_dir(dir).unwrap();
        let f = disk.create(&dir.join("a.jrn")).unwrap();
        f.write_at(b"first", 0).unwrap();
        f.write_at(b"other", 0).unwrap();
        f.set_len(0).unwrap();
        f.sync().unwrap();
        disk.mark("ack");
        disk.remove(&dir.join("a.jrn")).unwrap();
        let log = disk.log();
        assert!(log.iter().any(|op| matches!(op, Op::Write { bytes, .. } if **bytes == *b"first")));
        assert!(disk.snapshot().is_empty());
        assert_eq!(disk.counts()[&(Class::Journal, Call::Write)], 2);
        let again = RecordingVfs::replay(&log[..4]);
        assert_eq!(again.snapshot()[&dir.join("a.jrn")], b"other");
        assert_eq!(again.list(dir).unwrap(), ["a.jrn"]);
        assert_eq!(again.log(), log[..4]);
    }

    #[test]
    fn an_open_handle_outlives_the_name() {
        let disk = RecordingVfs::new();
        let f = disk.create(Path::new("/f")).unwrap();
        disk.remove(Path::new("/f")).unwrap();
        let g = disk.create(Path::new("/f")).unwrap();
        f.write_at(b"old", 0).unwrap();
        assert_eq!((f.len().unwrap(), g.len().unwrap()), (3, 0));
        assert!(disk.create(Path::new("/f")).is_err());
        assert!(disk.create(Path::new("/no/f")).is_err());
    }

    #[test]
    fn a_chosen_sync_fails_once() {
        let disk = RecordingVfs::new();
        let f = disk.create(Path::new("/a.jrn")).unwrap();
        disk.fail_sync(Class::Journal, 1);
        assert!(f.sync().is_ok() && f.sync().is_err() && f.sync().is_ok());
    }

    #[test]
    fn locks_are_exclusive() {
        let disk = RecordingVfs::new();
        let held = disk.lock(Path::new("/LOCK")).unwrap();
        assert!(held.is_some() && disk.lock(Path::new("/LOCK")).unwrap().is_none());
        drop(held);
        assert!(disk.lock(Path::new("/LOCK")).unwrap().is_some());
    }
}
