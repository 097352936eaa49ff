//! A file system for work in the background: writes go in pieces, the disk gets each piece before
//! the next, and between two pieces the work rests and asks whether it should go on.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::vfs::{Layer, ReadAt, Vfs, VfsFile};

/// Asked between pieces; an error ends the work.
pub type GoOn = dyn Fn(usize) -> io::Result<()> + Send + Sync;

/// A file system whose writes go in pieces.
pub struct PacedVfs {
    inner: Arc<dyn Vfs>,
    rest: Rest,
}

/// What a file knows of the work it belongs to.
#[derive(Clone)]
struct Rest {
    go_on: Arc<GoOn>,
    failed: Arc<AtomicBool>,
}

/// Bytes of a piece. What is written is synced by the piece too, so that no sync of an append
/// waits for much of it.
pub const PIECE_LEN: usize = 512 * 1024;

impl PacedVfs {
    /// `go_on` is asked before each piece, with its length.
    pub fn new(inner: Arc<dyn Vfs>, go_on: Arc<GoOn>) -> Self {
        Self { inner, rest: Rest { go_on, failed: Arc::default() } }
    }

    /// Turns true when a write or a sync fails for another reason than a full disk.
    pub fn failed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.rest.failed)
    }
}

impl Layer for PacedVfs {
    fn below(&self) -> &dyn Vfs {
        &*self.inner
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        (self.rest.go_on)(0)?;
        Ok(Box::new(PacedFile { inner: self.inner.create(path)?, rest: self.rest.clone() }))
    }
}

struct PacedFile {
    inner: Box<dyn VfsFile>,
    rest: Rest,
}

impl Rest {
    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        let is_failure =
            |e: &io::Error| !matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if result.as_ref().is_err_and(is_failure) {
            self.failed.store(true, Ordering::Release);
        }
        result
    }
}

impl ReadAt for PacedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

impl VfsFile for PacedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut at = offset;
        for piece in bytes.chunks(PIECE_LEN) {
            (self.rest.go_on)(piece.len())?;
            self.rest.note(self.inner.write_at(piece, at))?;
            at += piece.len() as u64;
            if bytes.len() > PIECE_LEN {
                self.rest.note(self.inner.sync())?;
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        (self.rest.go_on)(0)?;
        self.rest.note(self.inner.sync())
    }

    fn evict(&self) -> io::Result<()> {
        self.inner.evict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_long_write_asks_before_each_piece() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let go_on = move |len: usize| {
            let n = count.fetch_add(usize::from(len > 0), Ordering::Relaxed);
            if n < 3 { Ok(()) } else { Err(io::Error::other("stop")) }
        };
        let disk = MemoryVfs::new();
        let paced = PacedVfs::new(Arc::new(disk), Arc::new(go_on));
        let file = Vfs::create(&paced, Path::new("/f")).unwrap();
        file.write_at(&vec![1; 3 * PIECE_LEN], 0).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert!(file.write_at(&[2], 0).is_err());
        assert_eq!(file.len().unwrap(), 3 * PIECE_LEN as u64);
    }
}
