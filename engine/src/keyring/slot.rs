//! The slot: where the root key lives, outside the store's folder. The only thing whose
//! overwriting must succeed for an erasure to be one.
//!
//! ```text
//! file of 16 KiB: record 0 ×2, record 1 ×2, each copy on its own page of 4 KiB
//!  0  magic "ESCDSLOT"   8  version   9  algorithm   10  zero ×6
//! 16  store id          32  epoch    40  root key 32   72  BLAKE3 of the 72 bytes before, 32   zeros
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use crate::codec::{Reader, Write};
use crate::crypto::{ALGORITHM, Entropy, Secret, hedged_secret};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, StoreId};
use crate::vfs::{Vfs, VfsFile};

const PAGE_LEN: usize = 4096;
const COPIES: usize = 4;
const MAGIC: [u8; 8] = *b"ESCDSLOT";
const VERSION: u8 = 1;
const CHECKED_LEN: usize = 72;

/// The key everything hangs on. Wiped on drop; never printed.
pub struct RootKey(Secret);

impl RootKey {
    /// A fresh random key.
    pub fn generate(entropy: &dyn Entropy, store: StoreId) -> Result<Self> {
        hedged_secret(entropy, b"root key", &store.0).map(Self).map_err(|e| Error::io("read random bytes", e))
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The bytes, for a slot to keep.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a slot keeps.
pub struct SlotRecord {
    /// Whose root it is.
    pub store: StoreId,
    /// One more with each new root.
    pub epoch: Epoch,
    /// The root key.
    pub root: RootKey,
}

/// How surely a destroyed root is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Grade {
    /// An object of a hardware module for each epoch.
    A,
    /// A TPM or vault that rotates.
    B,
    /// An overwritten file; flash and copy-on-write file systems may keep old sectors.
    C,
}

impl Grade {
    /// The letter that stands in certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// A place for root keys.
pub trait Slot: Send + Sync {
    /// Whether there is such a slot at all.
    fn exists(&self) -> Result<bool>;
    /// Makes a new slot with this record; fails if there is one.
    fn create(&self, record: &SlotRecord) -> Result<()>;
    /// The valid record of the highest epoch; `None` if the slot is missing or was never written.
    fn load(&self) -> Result<Option<SlotRecord>>;
    /// Adds a record of a higher epoch beside the current one, durably. The commit point.
    fn stage(&self, record: &SlotRecord) -> Result<()>;
    /// Rewrites every copy of the record that [`Self::load`] chose, durably, and makes the slot's
    /// name durable.
    fn heal(&self, record: &SlotRecord) -> Result<()>;
    /// Overwrites every record but that of epoch `keep`, whatever it looks like, durably, and
    /// reads back that it is gone. Refuses if the record to keep is not whole. The destruction
    /// point.
    fn destroy_others(&self, keep: Epoch) -> Result<()>;
    /// How surely a destroyed root is gone.
    fn grade(&self) -> Grade;
    /// Name of the file system it lies on, if it does and that is known.
    fn file_system(&self) -> Option<String> {
        None
    }
}

/// A slot in a file.
pub struct FileSlot {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
}

impl FileSlot {
    /// The slot at `path`, which must not lie in the store's folder.
    pub fn new(vfs: Arc<dyn Vfs>, path: impl Into<PathBuf>) -> Self {
        Self { vfs, path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<Box<dyn VfsFile>> {
        self.vfs.open(&self.path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::WrongKey, "the slot is missing"),
            _ => Error::io("open the slot", e),
        })
    }

    /// The other record, beside the one that [`Slot::load`] chose, if a copy of it is whole: an erasure
    /// was stopped between its commit and its destruction.
    pub fn other(&self, chosen: &SlotRecord) -> Result<Option<SlotRecord>> {
        let pages = read(self.open()?.as_ref())?;
        for copy in pages.chunks_exact(PAGE_LEN) {
            if let Some(record) = decode(copy)?
                && record.epoch != chosen.epoch
                && record.store == chosen.store
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn sync_folder(&self) -> Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new(""));
        self.vfs.sync_dir(dir).map_err(|e| Error::io("sync the slot's folder", e))
    }
}

impl Slot for FileSlot {
    fn exists(&self) -> Result<bool> {
        self.vfs.exists(&self.path).map_err(|e| Error::io("look for the slot", e))
    }

    fn create(&self, record: &SlotRecord) -> Result<()> {
        let file = self.vfs.create(&self.path).map_err(|e| Error::io("create the slot", e))?;
        file.allocate((COPIES * PAGE_LEN) as u64).map_err(|e| Error::io("reserve the slot", e))?;
        write(file.as_ref(), 0, &encode(record))?;
        self.sync_folder()
    }

    fn load(&self) -> Result<Option<SlotRecord>> {
        if !self.exists()? {
            return Ok(None);
        }
        let pages = read(self.open()?.as_ref())?;
        if pages.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        match highest(&pages)? {
            Some((_, record)) => Ok(Some(record)),
            None if pages.chunks_exact(PAGE_LEN).any(|c| c[..8] == MAGIC) => {
                Err(Error::corrupt("the slot holds no whole record")
                    .hint("put the slot's file back from its copy, or recover from a backup"))
            }
            None => Err(Error::new(ErrorKind::WrongKey, "the file named as slot is none")
                .hint("give the right slot with --slot file:PATH")),
        }
    }

    fn stage(&self, record: &SlotRecord) -> Result<()> {
        let file = self.open()?;
        let Some((index, current)) = highest(&read(file.as_ref())?)? else {
            return Err(Error::corrupt("the slot holds no whole record"));
        };
        if record.store != current.store || record.epoch <= current.epoch {
            return Err(Error::invalid("a staged root is of the same store and of a later epoch"));
        }
        write(file.as_ref(), 1 - index, &encode(record))
    }

    fn heal(&self, record: &SlotRecord) -> Result<()> {
        let file = self.open()?;
        match highest(&read(file.as_ref())?)? {
            Some((index, held)) if held.epoch == record.epoch && held.store == record.store => {
                write(file.as_ref(), index, &encode(record))?;
                // Whoever made the slot may have been killed before its name was durable.
                self.sync_folder()
            }
            _ => Err(Error::invalid("the slot's highest record is another one")),
        }
    }

    fn destroy_others(&self, keep: Epoch) -> Result<()> {
        let file = self.open()?;
        let evict = || file.evict().map_err(|e| Error::io("evict the slot", e));
        evict()?;
        let Some((index, kept)) = highest(&read(file.as_ref())?)?.filter(|(_, r)| r.epoch == keep) else {
            return Err(Error::invalid(
                "the record to keep is not the slot's highest; nothing was destroyed",
            ));
        };
        // A copy of the kept record may be torn, or still hold what stood there before.
        let whole = encode(&kept);
        if copies(&read(file.as_ref())?, index).any(|c| c != &whole[..]) {
            write(file.as_ref(), index, &whole)?;
        }
        write(file.as_ref(), 1 - index, &Zeroizing::new(vec![0; PAGE_LEN]))?;
        evict()?;
        let after = read(file.as_ref())?;
        let kept = copies(&after, index).all(|c| c == &whole[..]);
        if !kept || copies(&after, 1 - index).any(|c| c.iter().any(|b| *b != 0)) {
            return Err(Error::new(ErrorKind::Io, "the slot reads back other than it was written")
                .hint("move the slot to a sound device"));
        }
        Ok(())
    }

    fn grade(&self) -> Grade {
        Grade::C
    }

    fn file_system(&self) -> Option<String> {
        self.vfs.file_system(&self.path).ok().flatten()
    }
}

fn encode(record: &SlotRecord) -> Zeroizing<Vec<u8>> {
    let mut page = Zeroizing::new(Vec::with_capacity(PAGE_LEN));
    page.put_bytes(&MAGIC);
    page.put_bytes(&[VERSION, ALGORITHM, 0, 0, 0, 0, 0, 0]);
    page.put_bytes(&record.store.0);
    page.put_u64(record.epoch.0);
    page.put_bytes(record.root.bytes());
    let sum = checksum(&page);
    page.put_bytes(&sum);
    page.resize(PAGE_LEN, 0);
    page
}

/// What tells a whole record from a torn one; it protects nothing against intent.
fn checksum(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    let sum = hasher.finalize().into();
    hasher.zeroize();
    sum
}

/// A copy: `None` if it is not whole.
fn decode(page: &[u8]) -> Result<Option<SlotRecord>> {
    let mut r = Reader::new(page);
    let checked = r.bytes(CHECKED_LEN)?;
    let whole = checksum(checked) == r.array::<32>()?;
    if !whole || checked[..8] != MAGIC {
        return Ok(None);
    }
    let mut r = Reader::new(&checked[8..]);
    let [version, algorithm, ..] = r.array::<8>()?;
    if version != VERSION || algorithm != ALGORITHM {
        return Err(newer(version, algorithm));
    }
    Ok(Some(SlotRecord {
        store: StoreId(r.array()?),
        epoch: Epoch(r.u64()?),
        root: RootKey::from_bytes(
            r.bytes(32)?.try_into().map_err(|_| Error::corrupt("slot record too short"))?,
        ),
    }))
}

/// Which record holds the highest epoch.
fn highest(pages: &[u8]) -> Result<Option<(usize, SlotRecord)>> {
    let mut best: Option<(usize, SlotRecord)> = None;
    for index in 0..2 {
        // A newer version may check itself in another way; one flipped byte must not lock a store.
        let mut versions = copies(pages, index).filter(|c| c[..8] == MAGIC).map(|c| (c[8], c[9]));
        if let (Some(a), Some(b)) = (versions.next(), versions.next())
            && a == b
            && a != (VERSION, ALGORITHM)
        {
            return Err(newer(a.0, a.1));
        }
        for copy in copies(pages, index) {
            if let Some(record) = decode(copy)?
                && best.as_ref().is_none_or(|(_, b)| b.epoch < record.epoch)
            {
                best = Some((index, record));
            }
        }
    }
    Ok(best)
}

fn newer(version: u8, algorithm: u8) -> Error {
    Error::newer(format!("slot version {version} algorithm {algorithm} is unknown"))
}

fn copies(pages: &[u8], index: usize) -> impl Iterator<Item = &[u8]> {
    pages.chunks_exact(PAGE_LEN).skip(index * 2).take(2)
}

/// The whole file; what lies behind its end, or can't be read, counts as zeros.
fn read(file: &dyn VfsFile) -> Result<Zeroizing<Vec<u8>>> {
    let mut pages = Zeroizing::new(vec![0; COPIES * PAGE_LEN]);
    let mut failed = 0;
    for (i, page) in pages.chunks_exact_mut(PAGE_LEN).enumerate() {
        match file.read_exact_at(page, (i * PAGE_LEN) as u64) {
            Ok(()) => {}
            // What was read before the end stays.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(e) => {
                page.fill(0);
                failed += 1;
                if failed == COPIES {
                    return Err(Error::io("read the slot", e));
                }
            }
        }
    }
    Ok(pages)
}

/// Both copies of a record, durable.
fn write(file: &dyn VfsFile, index: usize, page: &[u8]) -> Result<()> {
    for copy in [index * 2, index * 2 + 1] {
        file.write_at(page, (copy * PAGE_LEN) as u64).map_err(|e| Error::io("write the slot", e))?;
    }
    file.sync().map_err(|e| Error::io("sync the slot", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;

    fn record(epoch: u64) -> SlotRecord {
        SlotRecord {
            store: StoreId([7; 16]),
            epoch: Epoch(epoch),
            root: RootKey::from_bytes(&[epoch as u8; 32]),
        }
    }

    fn slot(disk: &MemoryVfs) -> FileSlot {
        FileSlot::new(Arc::new(disk.clone()), "/k.slot")
    }

    fn epoch(disk: &MemoryVfs) -> u64 {
        slot(disk).load().unwrap().unwrap().epoch.0
    }

    fn bytes(disk: &MemoryVfs) -> Vec<u8> {
        disk.snapshot()[Path::new("/k.slot")].clone()
    }

    fn disk(bytes: Vec<u8>) -> MemoryVfs {
        MemoryVfs::from_files([(PathBuf::from("/k.slot"), bytes)])
    }

    #[test]
    fn a_root_lives_and_dies() {
        let d = MemoryVfs::new();
        assert!(slot(&d).load().unwrap().is_none() && !slot(&d).exists().unwrap());
        slot(&d).create(&record(1)).unwrap();
        assert!(slot(&d).create(&record(9)).is_err());
        assert_eq!((epoch(&d), bytes(&d).len()), (1, 16384));
        assert!(slot(&d).stage(&record(1)).is_err());
        for e in 2..6 {
            slot(&d).stage(&record(e)).unwrap();
            assert_eq!(epoch(&d), e);
            assert!(slot(&d).destroy_others(Epoch(e - 1)).is_err());
            slot(&d).destroy_others(Epoch(e)).unwrap();
            let loaded = slot(&d).load().unwrap().unwrap();
            assert_eq!((loaded.store, loaded.root.bytes()), (StoreId([7; 16]), &[e as u8; 32]));
            assert!(!bytes(&d).windows(32).any(|w| w == [e as u8 - 1; 32]));
        }
        let other = SlotRecord { store: StoreId([8; 16]), ..record(9) };
        assert!(slot(&d).stage(&other).is_err());
    }

    #[test]
    fn every_flipped_byte_is_survived() {
        let d = MemoryVfs::new();
        slot(&d).create(&record(1)).unwrap();
        slot(&d).stage(&record(2)).unwrap();
        let good = bytes(&d);
        for i in 0..good.len() {
            let mut b = good.clone();
            b[i] ^= 0x23;
            let d = disk(b);
            assert_eq!(epoch(&d), 2);
            let r = slot(&d).load().unwrap().unwrap();
            slot(&d).heal(&r).unwrap();
            slot(&d).destroy_others(Epoch(2)).unwrap();
            assert!(!bytes(&d).windows(32).any(|w| w == [1; 32]), "byte {i}");
        }
    }

    /// A stage that was cut anywhere leaves the old root or the new one; after `heal` and
    /// `destroy_others` the other is gone, also where only half of it had come to the disk.
    #[test]
    fn a_torn_stage_or_destroy_leaves_one_root() {
        let d = MemoryVfs::new();
        slot(&d).create(&record(1)).unwrap();
        let before = bytes(&d);
        slot(&d).stage(&record(2)).unwrap();
        let staged = bytes(&d);
        slot(&d).destroy_others(Epoch(2)).unwrap();
        let destroyed = bytes(&d);
        for (from, to) in [(&before, &staged), (&staged, &destroyed)] {
            for cut in (0..from.len()).step_by(8) {
                for reversed in [false, true] {
                    let torn = if reversed {
                        [&from[..cut], &to[cut..]].concat()
                    } else {
                        [&to[..cut], &from[cut..]].concat()
                    };
                    let d = disk(torn);
                    let r = slot(&d).load().unwrap().unwrap();
                    slot(&d).heal(&r).unwrap();
                    slot(&d).destroy_others(r.epoch).unwrap();
                    let dead = [3 - r.epoch.0 as u8; 8];
                    assert!(!bytes(&d).windows(8).any(|w| w == dead), "cut {cut}");
                    assert_eq!(epoch(&d), r.epoch.0);
                }
            }
        }
    }

    #[test]
    fn newer_versions_and_ruins_are_refused() {
        let d = MemoryVfs::new();
        slot(&d).create(&record(1)).unwrap();
        let mut b = bytes(&d);
        (b[8], b[4096 + 8]) = (2, 2);
        assert_eq!(slot(&disk(b)).load().err().unwrap().kind(), ErrorKind::Unsupported);
        assert!(slot(&disk(vec![0; 16384])).load().unwrap().is_none());
        assert!(slot(&disk(vec![])).load().unwrap().is_none());
        assert_eq!(slot(&disk(vec![1; 16384])).load().err().unwrap().kind(), ErrorKind::WrongKey);
        let mut b = bytes(&d);
        (b[50], b[4096 + 50]) = (0, 0);
        assert_eq!(slot(&disk(b)).load().err().unwrap().kind(), ErrorKind::Corrupt);
        assert_eq!(epoch(&disk(bytes(&d)[..200].to_vec())), 1, "a short file is read as far as it goes");
    }
}
