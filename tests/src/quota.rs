//! A disk of a certain size: what would grow over it fails, what is removed gives room back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::vfs::{Layer, MemoryVfs, ReadAt, Vfs, VfsFile};
use parking_lot::Mutex;

/// A disk in memory that can be full. Clones share it.
#[derive(Clone)]
pub struct QuotaVfs {
    inner: MemoryVfs,
    state: Arc<Mutex<State>>,
}

struct State {
    limit: u64,
    lens: BTreeMap<PathBuf, u64>,
}

impl QuotaVfs {
    /// An empty disk without a limit.
    #[expect(clippy::new_without_default, reason = "a disk is made on purpose")]
    pub fn new() -> Self {
        let state = State { limit: u64::MAX, lens: BTreeMap::new() };
        Self { inner: MemoryVfs::new(), state: Arc::new(Mutex::new(state)) }
    }

    /// A copy of another disk, as after a kill; as full as that.
    pub fn of(other: &Self) -> Self {
        let inner = MemoryVfs::from_files(other.inner.snapshot());
        let state = other.state.lock();
        let state = State { limit: state.limit, lens: state.lens.clone() };
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    /// From now on all files together may have `free` bytes more than they have.
    pub fn leave(&self, free: u64) {
        let mut state = self.state.lock();
        state.limit = state.lens.values().sum::<u64>() + free;
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<PathBuf> {
        self.inner.snapshot().into_keys().collect()
    }

    /// From now on there is room.
    pub fn unlimited(&self) {
        self.state.lock().limit = u64::MAX;
    }

    fn grow(&self, path: &Path, end: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let old = state.lens.get(path).copied().unwrap_or(0);
        if end > old {
            let used = state.lens.values().sum::<u64>();
            if used + (end - old) > state.limit {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.lens.insert(path.to_path_buf(), end);
        }
        Ok(())
    }

    fn file(&self, path: &Path, file: Box<dyn VfsFile>) -> Box<dyn VfsFile> {
        Box::new(QuotaFile { file, disk: self.clone(), path: path.to_path_buf() })
    }
}

impl Layer for QuotaVfs {
    fn below(&self) -> &dyn Vfs {
        &self.inner
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(self.file(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(self.file(path, self.inner.open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)?;
        self.state.lock().lens.remove(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        let mut state = self.state.lock();
        let len = state.lens.remove(from).unwrap_or(0);
        state.lens.insert(to.to_path_buf(), len);
        Ok(())
    }
}

struct QuotaFile {
    file: Box<dyn VfsFile>,
    disk: QuotaVfs,
    path: PathBuf,
}

impl ReadAt for QuotaFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl VfsFile for QuotaFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.grow(&self.path, offset + bytes.len() as u64)?;
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.grow(&self.path, len)?;
        self.file.set_len(len)?;
        self.disk.state.lock().lens.insert(self.path.clone(), len);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.grow(&self.path, len)?;
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn evict(&self) -> io::Result<()> {
        self.file.evict()
    }
}
