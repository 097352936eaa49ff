//! A file seam over another one that notes what was written, synced and opened, and when: the
//! steps of an erasure are read from it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use escrowdb::vfs::{DiskVfs, Layer, ReadAt, Vfs, VfsFile};

use crate::meter::kind_of;

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It was created.
    Create,
    /// Bytes were written.
    Write,
    /// It was synced.
    Sync,
    /// Its pages were dropped from the cache.
    Evict,
    /// It was removed.
    Remove,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What.
    pub op: Op,
    /// To what kind of file.
    pub kind: &'static str,
    /// How many bytes were written.
    pub bytes: u64,
    /// When it began, from the first event on.
    pub from: Duration,
    /// When it ended.
    pub to: Duration,
}

/// What was noted.
pub struct Notes {
    start: Instant,
    events: Mutex<Vec<Event>>,
    read: AtomicU64,
}

impl Notes {
    /// Everything since the last call.
    pub fn take(&self) -> Vec<Event> {
        self.read.store(0, Ordering::Relaxed);
        std::mem::take(&mut *self.events())
    }

    /// Bytes read since [`Notes::take`].
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Now, on the clock of the events.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(&self, op: Op, kind: &'static str, bytes: u64, f: impl FnOnce() -> T) -> T {
        let from = self.now();
        let result = f();
        let to = self.now();
        self.events().push(Event { op, kind, bytes, from, to });
        result
    }
}

/// The operating system's files, watched.
#[derive(Clone)]
pub struct Watch {
    notes: Arc<Notes>,
}

impl Watch {
    /// Nothing noted yet.
    pub fn new() -> Self {
        let notes = Notes { start: Instant::now(), events: Mutex::new(Vec::new()), read: AtomicU64::new(0) };
        Self { notes: Arc::new(notes) }
    }

    /// What is noted.
    pub fn notes(&self) -> Arc<Notes> {
        Arc::clone(&self.notes)
    }

    fn file(&self, path: &Path, inner: Box<dyn VfsFile>) -> Box<dyn VfsFile> {
        Box::new(Watched { inner, kind: kind_of(path), notes: self.notes() })
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

struct Watched {
    inner: Box<dyn VfsFile>,
    kind: &'static str,
    notes: Arc<Notes>,
}

impl ReadAt for Watched {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = self.inner.read_at(buf, offset)?;
        self.notes.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

impl VfsFile for Watched {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.notes.note(Op::Write, self.kind, bytes.len() as u64, || self.inner.write_at(bytes, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.notes.note(Op::Sync, self.kind, 0, || self.inner.sync())
    }

    fn sync_with(&self, other: &dyn VfsFile) -> [io::Result<()>; 2] {
        // At once, as below; the other file notes its own.
        self.notes.note(Op::Sync, self.kind, 0, || self.inner.sync_with(other))
    }

    fn evict(&self) -> io::Result<()> {
        self.notes.note(Op::Evict, self.kind, 0, || self.inner.evict())
    }
}

struct WatchedMap {
    inner: Box<dyn ReadAt>,
    notes: Arc<Notes>,
}

impl ReadAt for WatchedMap {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = self.inner.read_at(buf, offset)?;
        self.notes.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

impl Layer for Watch {
    fn below(&self) -> &dyn Vfs {
        &DiskVfs
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let inner = self.notes.note(Op::Create, kind_of(path), 0, || DiskVfs.create(path))?;
        Ok(self.file(path, inner))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(self.file(path, DiskVfs.open(path)?))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(WatchedMap { inner: DiskVfs.map(path)?, notes: self.notes() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.notes.note(Op::Remove, kind_of(path), 0, || DiskVfs.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.notes.note(Op::Sync, "folder", 0, || DiskVfs.sync_dir(dir))
    }
}
