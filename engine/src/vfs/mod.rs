//! The file seam: everything the engine knows of disks. Faults, recordings and crashes are put
//! here from outside.
//!
//! Durability contract: a write, a new length or an allocation survives power loss only after
//! [`VfsFile::sync`] of that file returned; a created, renamed or removed name only after
//! [`Vfs::sync_dir`] of its folder returned. Nothing is assumed about the order of writes that
//! were not synced, nor about writes above 512 bytes being whole.

use std::io;
use std::path::{Component, Path, PathBuf};

pub mod disk;
pub mod layer;
pub mod mapped;
pub mod memory;
pub mod paced;

pub use disk::{DiskVfs, UnmappedVfs};
pub use layer::Layer;
pub use memory::MemoryVfs;
pub use paced::PacedVfs;

/// Keeps a lock until it is dropped.
pub trait LockGuard: Send + Sync {}

/// Positioned reads.
pub trait ReadAt: Send + Sync {
    /// Copies bytes from `offset` into `buf`; fewer than asked only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// An open file for positioned reads and writes.
pub trait VfsFile: ReadAt {
    /// Writes all of `bytes` at `offset`, growing the file; durable only after [`Self::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or grows (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes the same pieces, each at its place, to this file and to another one; at once where that
    /// is quicker, and else the other one only if nothing failed here.
    fn write_with(&self, other: &dyn VfsFile, pieces: &[(u64, &[u8])]) -> [io::Result<()>; 2] {
        match write_pieces(self, pieces) {
            Ok(()) => [Ok(()), write_pieces(other, pieces)],
            Err(e) => [Err(e), Ok(())],
        }
    }

    /// Makes the file at least `len` bytes long with blocks reserved.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes all writes to this file durable. After an error nothing is known about them, and
    /// calling again proves nothing.
    fn sync(&self) -> io::Result<()>;

    /// Syncs this file and another one, both even if one fails; at once where that is quicker.
    fn sync_with(&self, other: &dyn VfsFile) -> [io::Result<()>; 2] {
        [self.sync(), other.sync()]
    }

    /// Asks that the next read comes from the device rather than from a cache. Call after
    /// [`Self::sync`].
    fn evict(&self) -> io::Result<()>;
}

/// Writes pieces one after the other.
pub(crate) fn write_pieces<F: VfsFile + ?Sized>(file: &F, pieces: &[(u64, &[u8])]) -> io::Result<()> {
    pieces.iter().try_for_each(|(at, bytes)| file.write_at(bytes, *at))
}

/// A file system as the engine needs it.
pub trait Vfs: Send + Sync {
    /// Creates a new file; fails if the name exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;
    /// Opens a file that is never written again for reading.
    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Names of the files and folders in a folder, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a folder and its missing parents; an existing one is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes created, renamed and removed names of a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The path without detours, to compare places: absolute, links followed as far as it exists.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(without_dots(path))
    }
    /// Bytes that may still be written below a folder, where that is known.
    fn free_space(&self, _: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }
    /// Name of the file system on which a file lies, where that is known.
    fn file_system(&self, _: &Path) -> io::Result<Option<String>> {
        Ok(None)
    }
    /// Whether a file or folder of this name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Takes the exclusive lock of a file, creating it; `None` if somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>>;
}

/// The path without `.` and `..`, by its text alone.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
