//! Read-only mappings of rolled files. One of the two files that may hold unsafe code.
//!
//! The promise relied on: a rolled file (`.seg`, `.idx`) is completely written and synced before
//! it is mapped, is never written or truncated again by this engine, and the store's lock keeps
//! other processes of ours out. Bytes are copied out of the mapping once and only the copy is
//! verified and parsed, so a change made by a foreign process can spoil a read but is caught by
//! the authentication of the copy. A truncation by a foreign process ends in SIGBUS: it is a
//! structured stop of the process, never a wrong answer. Whoever can't have that maps nothing:
//! [`UnmappedVfs`](crate::vfs::UnmappedVfs).

#![expect(unsafe_code, reason = "mapping a file is unsafe; the promise is in the module docs")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

use crate::vfs::ReadAt;

/// A mapped immutable file.
pub struct MappedFile {
    map: Option<Mmap>,
}

impl MappedFile {
    /// Maps all of `file`.
    pub fn new(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self { map: None });
        }
        // SAFETY: callers map rolled files only, which nobody writes or truncates any more (see
        // the module docs).
        let map = unsafe { Mmap::map(file)? };
        Ok(Self { map: Some(map) })
    }
}

impl ReadAt for MappedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.map.as_deref().unwrap_or_default();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let n = buf.len().min(bytes.len() - from);
        buf[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.map.as_deref().unwrap_or_default().len() as u64)
    }
}
