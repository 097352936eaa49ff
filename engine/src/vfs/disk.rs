//! The file seam over the operating system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate, statvfs};

use crate::vfs::mapped::MappedFile;
use crate::vfs::{Layer, LockGuard, ReadAt, Vfs, VfsFile, without_dots, write_pieces};

/// Two files are written at once from so many bytes on: below, a thread costs more.
const BESIDE: usize = 256 << 10;

/// Files are readable by their owner only.
const MODE: u32 = 0o600;

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskVfs;

impl Vfs for DiskVfs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(DiskFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(MappedFile::new(&File::open(path)?)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // An empty path is the current folder.
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let path = std::path::absolute(path)?;
        for existing in path.ancestors() {
            if let (Ok(real), Ok(rest)) = (existing.canonicalize(), path.strip_prefix(existing)) {
                return Ok(without_dots(&real.join(rest)));
            }
        }
        Ok(without_dots(&path))
    }

    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let stat = statvfs(dir)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    fn file_system(&self, path: &Path) -> io::Result<Option<String>> {
        file_system(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(FileLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

/// The operating system's files, none of them mapped. A page that the disk can't read, or a file
/// that somebody cuts short, is an error here; in a mapping it ends the process (SIGBUS). The price
/// is a system call a read, and two open files a segment.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{store::Store, vfs::UnmappedVfs};
/// # let dir = std::env::temp_dir().join(format!("escrowdb-unmapped-{}", std::process::id()));
/// # let slot = dir.with_extension("slot");
/// let store = Store::builder(&dir).slot(&slot).vfs(Arc::new(UnmappedVfs)).create()?;
/// # store.close()?;
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # std::fs::remove_file(&slot).unwrap();
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct UnmappedVfs;

impl Layer for UnmappedVfs {
    fn below(&self) -> &dyn Vfs {
        &DiskVfs
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(DiskFile(File::open(path)?)))
    }
}

/// Names of file systems by the magic number that statfs(2) answers (linux/magic.h, and of those that are
/// not part of Linux, their own headers).
#[cfg(target_os = "linux")]
const FILE_SYSTEMS: [(u64, &str); 15] = [
    (0xef53, "ext2/3/4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0xf2f5_2010, "f2fs"),
    (0x3434, "nilfs2"),
    (0x794c_7630, "overlay"),
    (0x0102_1994, "tmpfs"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x4d44, "vfat"),
];

#[cfg(target_os = "linux")]
fn file_system(path: &Path) -> io::Result<Option<String>> {
    // The type is signed on some machines, of 32 bits on some.
    let magic = rustix::fs::statfs(path)?.f_type as u64 & 0xffff_ffff;
    let known = FILE_SYSTEMS.iter().find(|(known, _)| *known == magic);
    Ok(known.map(|(_, name)| (*name).to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> io::Result<Option<String>> {
    Ok(None)
}

/// Closing the file releases the lock.
struct FileLock(File);

impl LockGuard for FileLock {}

/// Closing is not enough: a child that was forked a moment ago and runs no other program yet has the file open
/// too, and with it the lock.
impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing releases it a little later.
        let _ = self.0.unlock();
    }
}

struct DiskFile(File);

impl ReadAt for DiskFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl VfsFile for DiskFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            // File systems without preallocation still get the length.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                if self.len()? < len {
                    self.0.set_len(len)?;
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write_with(&self, other: &dyn VfsFile, pieces: &[(u64, &[u8])]) -> [io::Result<()>; 2] {
        let write = |file: &dyn VfsFile| write_pieces(file, pieces);
        if pieces.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < BESIDE {
            return [write(self), write(other)];
        }
        beside(|| write(self), || write(other))
    }

    fn sync_with(&self, other: &dyn VfsFile) -> [io::Result<()>; 2] {
        beside(|| self.sync(), || other.sync())
    }

    fn evict(&self) -> io::Result<()> {
        fadvise(&self.0, 0, None, Advice::DontNeed)?;
        Ok(())
    }
}

/// Runs both, the second in a thread of its own if the system gives one.
fn beside(
    own: impl Fn() -> io::Result<()>,
    other: impl Fn() -> io::Result<()> + Send + Sync,
) -> [io::Result<()>; 2] {
    std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, &other) {
        Ok(beside) => {
            let own = own();
            [own, beside.join().unwrap_or_else(|_| Err(io::Error::other("a thread that wrote panicked")))]
        }
        Err(_) => [own(), other()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("escrowdb-disk-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn write_sync_map() {
        let dir = scratch("map");
        let path = dir.join("f");
        let file = DiskVfs.create(&path).unwrap();
        assert!(DiskVfs.create(&path).is_err());
        file.allocate(8192).unwrap();
        file.write_at(b"hello", 4096).unwrap();
        file.sync().unwrap();
        file.evict().unwrap();
        let map = DiskVfs.map(&path).unwrap();
        let mut b = [0; 5];
        map.read_exact_at(&mut b, 4096).unwrap();
        assert_eq!(&b, b"hello");
        assert!(map.read_exact_at(&mut b, 8190).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }

    /// A program that ran others beside found its store locked right behind closing it, now and then: a fork
    /// that has not come to its exec has every file open. A second handle of the same file stands for it here.
    #[test]
    fn a_lock_ends_though_somebody_else_has_the_file_open() {
        let dir = scratch("forked");
        let path = dir.join("LOCK");
        let file = File::create(&path).unwrap();
        file.try_lock().unwrap();
        let forked = file.try_clone().unwrap();
        drop(FileLock(file));
        assert!(DiskVfs.lock(&path).unwrap().is_some());
        drop(forked);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn lock_is_exclusive() {
        let dir = scratch("lock");
        let held = DiskVfs.lock(&dir.join("LOCK")).unwrap();
        assert!(held.is_some());
        assert!(DiskVfs.lock(&dir.join("LOCK")).unwrap().is_none());
        drop(held);
        assert!(DiskVfs.lock(&dir.join("LOCK")).unwrap().is_some());
        fs::remove_dir_all(&dir).unwrap();
    }
}
