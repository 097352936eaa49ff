//! The file seam in memory: for embedders' tests and for ours. Clones share one disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::vfs::{LockGuard, ReadAt, Vfs, VfsFile};

type Bytes = Arc<RwLock<Vec<u8>>>;

/// A disk in memory.
#[derive(Clone, Default)]
pub struct MemoryVfs {
    files: Arc<Mutex<BTreeMap<PathBuf, Bytes>>>,
    dirs: Arc<Mutex<BTreeSet<PathBuf>>>,
    locks: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl MemoryVfs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with these files, as after a power cut; nothing is locked.
    pub fn from_files(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        let disk = Self::new();
        {
            let mut map = disk.files.lock();
            let mut dirs = disk.dirs.lock();
            for (path, bytes) in files {
                dirs.extend(path.ancestors().skip(1).map(Path::to_path_buf));
                map.insert(path, Arc::new(RwLock::new(bytes)));
            }
        }
        disk
    }

    /// A copy of every file.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files.lock().iter().map(|(p, b)| (p.clone(), b.read().clone())).collect()
    }

    fn find(&self, path: &Path) -> io::Result<Bytes> {
        self.files.lock().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Vfs for MemoryVfs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let mut files = self.files.lock();
        if files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = Bytes::default();
        files.insert(path.to_path_buf(), Arc::clone(&bytes));
        Ok(Box::new(MemoryFile(bytes)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(MemoryFile(self.find(path)?)))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(MemoryFile(self.find(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.lock().remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files.lock();
        let bytes = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_path_buf(), bytes);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = BTreeSet::new();
        if !self.exists(dir)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = |p: &Path| {
            p.strip_prefix(dir)
                .ok()
                .and_then(|rest| rest.components().next())
                .map(|c| c.as_os_str().to_string_lossy().into_owned())
        };
        names.extend(self.files.lock().keys().filter_map(|p| below(p)));
        names.extend(self.dirs.lock().iter().filter_map(|p| below(p)));
        Ok(names.into_iter().collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.dirs.lock().extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.files.lock().contains_key(path) || self.dirs.lock().contains(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.files.lock().entry(path.to_path_buf()).or_default();
        if !self.locks.lock().insert(path.to_path_buf()) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock { locks: Arc::clone(&self.locks), path: path.to_path_buf() })))
    }
}

struct MemoryLock {
    locks: Arc<Mutex<BTreeSet<PathBuf>>>,
    path: PathBuf,
}

impl LockGuard for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.locks.lock().remove(&self.path);
    }
}

struct MemoryFile(Bytes);

impl ReadAt for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.read();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let n = buf.len().min(bytes.len() - from);
        buf[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().len() as u64)
    }
}

impl VfsFile for MemoryFile {
    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.write();
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let to = from.checked_add(new.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if bytes.len() < to {
            bytes.resize(to, 0);
        }
        bytes[from..to].copy_from_slice(new);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.0.write().resize(len, 0);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.len()? < len { self.set_len(len) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn evict(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_disk() {
        let disk = MemoryVfs::new();
        let dir = Path::new("/s");
        disk.create_dir(dir).unwrap();
        let f = disk.create(&dir.join("a")).unwrap();
        f.write_at(b"xy", 3).unwrap();
        assert_eq!(f.len().unwrap(), 5);
        assert!(disk.create(&dir.join("a")).is_err());
        disk.rename(&dir.join("a"), &dir.join("b")).unwrap();
        assert_eq!(disk.list(dir).unwrap(), ["b"]);
        assert_eq!(disk.snapshot()[&dir.join("b")], b"\0\0\0xy");
        let lock = disk.lock(&dir.join("L")).unwrap();
        assert!(lock.is_some() && disk.lock(&dir.join("L")).unwrap().is_none());
        drop(lock);
        assert!(disk.lock(&dir.join("L")).unwrap().is_some());
    }
}
