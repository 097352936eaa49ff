//! A disk with one place that can't be read. Writing over it whole heals it, as a drive gives a
//! bad sector a new place; writing a part of it fails, for the rest would have to be read.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::vfs::{Layer, MemoryVfs, ReadAt, Vfs, VfsFile};
use parking_lot::Mutex;

type Bad = Arc<Mutex<Option<(PathBuf, Range<u64>)>>>;

/// The disk. Clones share it.
#[derive(Clone)]
pub struct BadPageVfs {
    inner: MemoryVfs,
    bad: Bad,
}

impl BadPageVfs {
    /// `inner`, of which `range` of the file `path` can't be read.
    pub fn new(inner: MemoryVfs, path: &Path, range: Range<u64>) -> Self {
        Self { inner, bad: Arc::new(Mutex::new(Some((path.to_path_buf(), range)))) }
    }

    fn forget(&self, path: &Path) {
        let mut bad = self.bad.lock();
        if bad.as_ref().is_some_and(|(p, _)| p == path) {
            *bad = None;
        }
    }

    fn file<F: ?Sized>(&self, path: &Path, file: Box<F>) -> BadFile<F> {
        BadFile { file, path: path.to_path_buf(), bad: Arc::clone(&self.bad) }
    }
}

impl Layer for BadPageVfs {
    fn below(&self) -> &dyn Vfs {
        &self.inner
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(self.file(path, self.inner.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(self.file(path, self.inner.open(path)?)))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(self.file(path, self.inner.map(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)?;
        self.forget(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.forget(to);
        if let Some((path, _)) = self.bad.lock().as_mut().filter(|(p, _)| p == from) {
            *path = to.to_path_buf();
        }
        Ok(())
    }
}

struct BadFile<F: ?Sized> {
    path: PathBuf,
    bad: Bad,
    file: Box<F>,
}

impl<F: ReadAt + ?Sized> BadFile<F> {
    /// The bad range, if it is of this file and `len` bytes at `offset` touch it.
    fn touched(&self, offset: u64, len: usize) -> Option<Range<u64>> {
        let bad = self.bad.lock();
        let (path, range) = bad.as_ref()?;
        let touches = offset < range.end && range.start < offset + len as u64;
        (*path == self.path && touches).then(|| range.clone())
    }
}

impl<F: ReadAt + ?Sized> ReadAt for BadFile<F> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.touched(offset, buf.len()) {
            Some(_) => Err(io::Error::from_raw_os_error(5)),
            None => self.file.read_at(buf, offset),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl VfsFile for BadFile<dyn VfsFile> {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Some(range) = self.touched(offset, bytes.len()) {
            let end = range.end.min(self.file.len()?);
            if offset > range.start || offset + (bytes.len() as u64) < end {
                return Err(io::Error::from_raw_os_error(5));
            }
            *self.bad.lock() = None;
        }
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn evict(&self) -> io::Result<()> {
        self.file.evict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fails_where_it_is_bad_and_heals_when_written_whole() {
        let inner = MemoryVfs::from_files([(PathBuf::from("/f"), vec![1; 10])]);
        let disk = BadPageVfs::new(inner, Path::new("/f"), 4..8);
        let file = Vfs::open(&disk, Path::new("/f")).unwrap();
        let mut b = [0; 4];
        file.read_exact_at(&mut b, 0).unwrap();
        assert!(file.read_exact_at(&mut b, 1).is_err() && file.read_exact_at(&mut b, 7).is_err());
        assert!(file.write_at(&[2; 3], 4).is_err() && file.write_at(&[2; 6], 5).is_err());
        file.write_at(&[2; 4], 4).unwrap();
        file.read_exact_at(&mut b, 4).unwrap();
        assert_eq!(b, [2; 4]);
    }
}
