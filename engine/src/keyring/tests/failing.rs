//! A disk that fails in the middle of a commit.

use super::*;

/// A disk whose Nth call from now fails, and every one after it.
#[derive(Clone)]
struct Failing {
    disk: MemoryVfs,
    left: Arc<AtomicUsize>,
}

struct FailingFile(Box<dyn VfsFile>, Arc<AtomicUsize>);

fn step(left: &AtomicUsize) -> io::Result<()> {
    let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err();
    if spent { Err(io::Error::other("injected")) } else { Ok(()) }
}

impl ReadAt for FailingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

impl VfsFile for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(e) = step(&self.1) {
            // Torn.
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(e);
        }
        self.0.write_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        step(&self.1).and_then(|()| self.0.set_len(len))
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        step(&self.1).and_then(|()| self.0.allocate(len))
    }
    fn sync(&self) -> io::Result<()> {
        step(&self.1).and_then(|()| self.0.sync())
    }
    fn evict(&self) -> io::Result<()> {
        self.0.evict()
    }
}

impl Layer for Failing {
    fn below(&self) -> &dyn Vfs {
        &self.disk
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(FailingFile(self.disk.create(path)?, Arc::clone(&self.left))))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(FailingFile(self.disk.open(path)?, Arc::clone(&self.left))))
    }
}

/// Every write, allocation and sync of a commit fails in turn: the old state or the new one is
/// there after reopening, and a failed sync or HEAD write poisons.
#[test]
fn a_commit_that_fails_anywhere_is_whole_or_absent() {
    let base = MemoryVfs::new();
    let first = create(&base, &set(0..2000));
    commit(&first, &set(2000..2010));
    commit(&first, &set(2010..2020));
    let (mut poisoned, mut plain) = (0, 0);
    for n in 0.. {
        let disk = copy(&base);
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let k = open_as(Failing { disk: disk.clone(), left: Arc::clone(&left) }, 1).unwrap();
        left.store(n, Ordering::SeqCst);
        let done = k.prepare(&set(3000..3100), LOG, None);
        left.store(usize::MAX, Ordering::SeqCst);
        let after = open(&copy(&disk));
        sound(&after);
        let count = all(&after.tree()).len();
        if done.is_ok() {
            assert_eq!(count, 2120);
            break;
        }
        assert!(count == 2020 || count == 2120);
        assert_eq!(all(&k.tree()).len(), 2020);
        if k.is_poisoned() {
            poisoned += 1;
            assert_eq!(k.prepare(&set(0..1), LOG, None).err().unwrap().kind(), ErrorKind::Poisoned);
        } else {
            plain += 1;
            assert_eq!(count, 2020);
            commit(&k, &set(3000..3100));
            sound(&k);
        }
    }
    assert!(poisoned >= 5 && plain >= 4, "{poisoned} {plain}");
}
