//! A disk that does not overwrite the slot with zeros.

use std::io;
use std::path::Path;
use std::sync::Arc;

use escrowdb::vfs::{Layer, ReadAt, Vfs, VfsFile};
use escrowdb_tests::call::Class;
use parking_lot::Mutex;

/// What becomes of zeros that are written into the slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// They are read back, but the old sectors stay: flash behind its translation layer.
    Swallows,
    /// Nothing.
    Ignores,
}

/// Another disk with such a slot.
pub(crate) struct LyingSlot {
    inner: Arc<dyn Vfs>,
    what: What,
    zeroed: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl LyingSlot {
    pub(crate) fn new(inner: Arc<dyn Vfs>, what: What) -> Self {
        Self { inner, what, zeroed: Arc::default() }
    }
}

struct SlotFile {
    file: Box<dyn VfsFile>,
    what: What,
    zeroed: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl Layer for LyingSlot {
    fn below(&self) -> &dyn Vfs {
        &*self.inner
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let file = self.inner.open(path)?;
        if Class::of(path) != Class::Slot {
            return Ok(file);
        }
        Ok(Box::new(SlotFile { file, what: self.what, zeroed: Arc::clone(&self.zeroed) }))
    }
}

impl ReadAt for SlotFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = self.file.read_at(buf, offset)?;
        if self.what == What::Swallows {
            for (i, byte) in buf[..n].iter_mut().enumerate() {
                let at = offset + i as u64;
                if self.zeroed.lock().iter().any(|(from, len)| (*from..from + *len as u64).contains(&at)) {
                    *byte = 0;
                }
            }
        }
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl VfsFile for SlotFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let place = (offset, bytes.len());
        if bytes.iter().all(|b| *b == 0) {
            self.zeroed.lock().push(place);
            return Ok(());
        }
        self.zeroed.lock().retain(|z| *z != place);
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
