//! A disk whose calls fail when told to.

use std::io;
use std::path::Path;
use std::sync::Arc;

use escrowdb::vfs::{LockGuard, ReadAt, Vfs, VfsFile};
use parking_lot::Mutex;

use crate::call::{Aim, Call, Class, Counts};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An I/O error; nothing was done.
    Eio,
    /// The disk is full; nothing was done.
    NoSpace,
    /// Interrupted; nothing was done, a repetition succeeds.
    Interrupted,
    /// A read gives about half of what it could. Other calls succeed.
    ShortRead,
    /// A write puts its first half and fails. Other calls fail with an I/O error.
    TornWrite,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Eio, Self::NoSpace, Self::Interrupted, Self::ShortRead, Self::TornWrite];

    fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            Self::Interrupted => io::ErrorKind::Interrupted.into(),
            _ => io::Error::from_raw_os_error(5),
        }
    }
}

/// Which call fails, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The calls that count.
    pub aim: Aim,
    /// Number of the failing call among them, from 0, counted from when the plan is armed.
    pub nth: u64,
    /// How it fails.
    pub fault: Fault,
    /// Whether all later ones fail too (a device that is gone, a disk that stays full).
    pub sticky: bool,
}

/// Another disk, with faults.
#[derive(Clone)]
pub struct FaultyVfs {
    inner: Arc<dyn Vfs>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    plans: Vec<(Plan, u64)>,
    fired: u64,
    counts: Counts,
}

impl FaultyVfs {
    /// Faults over `inner`; none until armed.
    pub fn new(inner: Arc<dyn Vfs>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Adds a plan.
    pub fn arm(&self, plan: Plan) {
        self.state.lock().plans.push((plan, 0));
    }

    /// Removes all plans.
    pub fn disarm(&self) {
        self.state.lock().plans.clear();
    }

    /// How many calls failed so far.
    pub fn fired(&self) -> u64 {
        self.state.lock().fired
    }

    /// How many calls of this aim there were so far.
    pub fn calls(&self, aim: Aim) -> u64 {
        self.state
            .lock()
            .counts
            .iter()
            .filter(|((class, call), _)| aim.hits(*class, *call))
            .map(|(_, n)| n)
            .sum()
    }

    /// How often each site was called.
    pub fn counts(&self) -> Counts {
        self.state.lock().counts.clone()
    }

    fn fault(&self, class: Class, call: Call) -> Option<Fault> {
        let mut state = self.state.lock();
        *state.counts.entry((class, call)).or_default() += 1;
        let mut hit = None;
        for (plan, seen) in &mut state.plans {
            if plan.aim.hits(class, call) {
                if *seen == plan.nth || plan.sticky && *seen > plan.nth {
                    hit = hit.or(Some(plan.fault));
                }
                *seen += 1;
            }
        }
        state.fired += u64::from(hit.is_some());
        hit
    }

    fn enter(&self, class: Class, call: Call) -> io::Result<()> {
        match self.fault(class, call) {
            None | Some(Fault::ShortRead) => Ok(()),
            Some(fault) => Err(fault.error()),
        }
    }

    fn at(&self, path: &Path, call: Call) -> io::Result<()> {
        self.enter(Class::of(path), call)
    }
}

impl Vfs for FaultyVfs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.at(path, Call::Create)?;
        let file = self.inner.create(path)?;
        Ok(Box::new(FaultyFile { file, disk: self.clone(), class: Class::of(path) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.at(path, Call::Open)?;
        let file = self.inner.open(path)?;
        Ok(Box::new(FaultyFile { file, disk: self.clone(), class: Class::of(path) }))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        self.at(path, Call::Map)?;
        let file = self.inner.map(path)?;
        Ok(Box::new(FaultyFile { file, disk: self.clone(), class: Class::of(path) }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.at(path, Call::Remove)?;
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.at(to, Call::Rename)?;
        self.inner.rename(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.at(dir, Call::List)?;
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.at(dir, Call::CreateDir)?;
        self.inner.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.at(dir, Call::SyncDir)?;
        self.inner.sync_dir(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.at(path, Call::Exists)?;
        self.inner.exists(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.at(path, Call::Lock)?;
        self.inner.lock(path)
    }
}

struct FaultyFile<F: ?Sized> {
    disk: FaultyVfs,
    class: Class,
    file: Box<F>,
}

impl<F: ReadAt + ?Sized> ReadAt for FaultyFile<F> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.disk.fault(self.class, Call::Read) {
            None => self.file.read_at(buf, offset),
            Some(Fault::ShortRead) => {
                let half = buf.len().div_ceil(2);
                self.file.read_at(&mut buf[..half], offset)
            }
            Some(fault) => Err(fault.error()),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.enter(self.class, Call::Len)?;
        self.file.len()
    }
}

impl VfsFile for FaultyFile<dyn VfsFile> {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.disk.fault(self.class, Call::Write) {
            None | Some(Fault::ShortRead) => self.file.write_at(bytes, offset),
            Some(fault) => {
                if fault == Fault::TornWrite {
                    self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
                }
                Err(fault.error())
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.enter(self.class, Call::SetLen)?;
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.enter(self.class, Call::Allocate)?;
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.enter(self.class, Call::Sync)?;
        self.file.sync()
    }

    fn evict(&self) -> io::Result<()> {
        self.disk.enter(self.class, Call::Evict)?;
        self.file.evict()
    }
}

#[cfg(test)]
mod tests {
    use escrowdb::vfs::MemoryVfs;

    use super::*;

    fn disk() -> (FaultyVfs, Box<dyn VfsFile>) {
        let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
        let file = disk.create(Path::new("/a.jrn")).unwrap();
        (disk, file)
    }

    #[test]
    fn the_nth_call_fails_and_no_other() {
        let (disk, file) = disk();
        let plan = Plan { aim: Aim::call(Call::Sync), nth: 1, fault: Fault::NoSpace, sticky: false };
        disk.arm(plan);
        file.write_at(b"x", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(file.sync().unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.sync().unwrap();
        assert_eq!((disk.fired(), disk.calls(plan.aim), disk.calls(Aim::ANY)), (1, 3, 5));
        disk.arm(Plan { nth: 0, sticky: true, ..plan });
        assert!(file.sync().is_err() && file.sync().is_err());
        disk.disarm();
        file.sync().unwrap();
    }

    #[test]
    fn short_reads_and_interruptions_are_carried_by_read_exact() {
        let (disk, file) = disk();
        file.write_at(b"0123456789", 0).unwrap();
        for fault in [Fault::ShortRead, Fault::Interrupted] {
            disk.arm(Plan { aim: Aim::call(Call::Read), nth: 0, fault, sticky: false });
            let mut b = [0; 10];
            file.read_exact_at(&mut b, 0).unwrap();
            assert_eq!(&b, b"0123456789");
        }
        assert_eq!(disk.fired(), 2);
    }

    #[test]
    fn a_torn_write_leaves_its_half() {
        let (disk, file) = disk();
        disk.arm(Plan {
            aim: Aim::at(Class::Journal, Call::Write),
            nth: 0,
            fault: Fault::TornWrite,
            sticky: false,
        });
        assert!(file.write_at(b"abcd", 0).is_err());
        assert_eq!(file.len().unwrap(), 2);
    }
}
