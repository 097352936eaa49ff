//! A disk that fails in the middle of a commit.

use super::*;

/// A disk whose Nth call from now fails, and every one after it; or that one only.
#[derive(Clone)]
struct Failing {
    disk: MemoryVfs,
    left: Arc<Left>,
}

struct Left {
    calls: AtomicUsize,
    once: bool,
}

struct FailingFile(Box<dyn VfsFile>, Arc<Left>);

fn step(left: &Left) -> io::Result<()> {
    let next = |n: usize| n.checked_sub(1).or(left.once.then_some(usize::MAX));
    let before = left.calls.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    if matches!(before, Err(_) | Ok(0)) { Err(io::Error::other("injected")) } else { Ok(()) }
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
fn fails_anywhere(base: &MemoryVfs, more: &Changes, once: bool) -> (usize, usize) {
    let before = all(&open(base).tree());
    let mut whole = before.clone();
    whole.extend(more.iter().filter_map(|(k, v)| Some((k.clone(), v.as_ref()?.to_vec()))));
    let (mut poisoned, mut plain) = (0, 0);
    for n in 0.. {
        let disk = copy(base);
        let left = Arc::new(Left { calls: AtomicUsize::new(usize::MAX), once });
        let k = open_as(Failing { disk: disk.clone(), left: Arc::clone(&left) }, 1).unwrap();
        left.calls.store(n, Ordering::SeqCst);
        let done = k.prepare(more, LOG, None);
        left.calls.store(usize::MAX, Ordering::SeqCst);
        let after = open(&copy(&disk));
        sound(&after);
        let there = all(&after.tree());
        if done.is_ok() {
            assert!(there == whole);
            break;
        }
        assert!(there == before || there == whole);
        assert!(all(&k.tree()) == before);
        if k.is_poisoned() {
            poisoned += 1;
            assert_eq!(k.prepare(&set(0..1), LOG, None).err().unwrap().kind(), ErrorKind::Poisoned);
        } else {
            plain += 1;
            assert!(there == before);
            commit(&k, more);
            sound(&k);
        }
    }
    (poisoned, plain)
}

#[test]
fn a_commit_that_fails_anywhere_is_whole_or_absent() {
    let base = MemoryVfs::new();
    let first = create(&base, &set(0..2000));
    commit(&first, &set(2000..2010));
    commit(&first, &set(2010..2020));
    for once in [false, true] {
        let (poisoned, plain) = fails_anywhere(&base, &set(3000..3100), once);
        assert!(poisoned >= 5 && plain >= 4, "{poisoned} {plain}");
    }
}

/// The same for a commit so large that it is written while it is sealed.
#[test]
fn a_large_commit_that_fails_anywhere_is_whole_or_absent() {
    let large = |with: u8| -> Changes {
        (0..1300).map(|i| (pair(i).0, Some(Zeroizing::new(vec![with; 1000])))).collect()
    };
    let base = MemoryVfs::new();
    let first = create(&base, &large(1));
    commit(&first, &set(2000..2010));
    commit(&first, &set(2010..2020));
    for once in [false, true] {
        let (poisoned, plain) = fails_anywhere(&base, &large(2), once);
        assert!(poisoned >= 5 && plain >= 4, "{poisoned} {plain}");
    }
}
