//! The log on disk: every hash of the tree that is stored, one append-only file a tile level.
//!
//! ```text
//! log/level-0    leaf 0 | leaf 1 | ...                     32 bytes each, no header
//! log/level-1    node over leaves 0..256 | 256..512 | ...
//! log/level-2    node over leaves 0..65536 | ...
//! log/parity-N   XOR of each 32 pages of level N
//! ```
//!
//! Hash `i` of a level stands at byte `32 * i`, so a level file is the concatenation of the C2SP
//! tiles of that level. Hashes are public: they reveal nothing without the records' salts, so
//! the files are not sealed. How many of them count is said from outside (HEAD): a file may be
//! longer after a crash, and the rest is overwritten.
//!
//! ```
//! use std::{path::Path, sync::Arc};
//! use escrowdb::id::Seq;
//! use escrowdb::log::Log;
//! use escrowdb::merkle::{hash::leaf_hash, proof::Inclusion};
//!
//! let vfs = Arc::new(escrowdb::vfs::MemoryVfs::new());
//! let mut log = Log::create(vfs, Path::new("/store"))?;
//! let leaves: Vec<_> = (0..300u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
//! log.append(&leaves)?;
//! log.sync()?;
//! let proof = Inclusion::prove(&log, Seq(7), log.frontier().size())?;
//! proof.verify(&leaves[7], &log.frontier().root())?;
//! # Ok::<(), escrowdb::Error>(())
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parity::{Tail, parity_name};

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::merkle::hash::{Hash, subtree_root};
use crate::merkle::proof::Hashes;
use crate::merkle::tile::{self, LEVELS, Place, WIDTH};
use crate::merkle::tree::Frontier;
use crate::parity::{PAGE_LEN, Page};
use crate::vfs::{Vfs, VfsFile};

pub mod cosigned;
mod lost;
mod parity;
mod rescue;

pub use lost::{LOST, LostLeaves};
pub(crate) use rescue::damaged;

/// Hashes of a page.
const HASHES_A_PAGE: u64 = (PAGE_LEN / Hash::LEN) as u64;

/// The hashes of a store's log.
pub struct Log {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    levels: [Level; LEVELS as usize],
    /// A level file was created whose name is not durable yet.
    new_names: bool,
    frontier: Frontier,
    /// Pages that parity gave back and that the file doesn't hold.
    overlay: BTreeMap<(u8, u64), Page>,
    /// What it lacks and nobody has noted.
    loss: Option<LostLeaves>,
    /// All leaves, where the files don't hold them.
    unwritten: Option<Vec<Hash>>,
    /// Parity files may know of hashes that don't count: an append failed, or was taken back.
    parity_is_ahead: bool,
}

/// File of a tile level, once there is one.
#[derive(Default)]
struct Level {
    file: Option<Box<dyn VfsFile>>,
    /// Written since the last sync.
    dirty: bool,
    /// Parity of the level.
    parity: Option<Box<dyn VfsFile>>,
    parity_dirty: bool,
    tail: Tail,
}

impl Log {
    /// An empty log in the store folder `dir`, durable on return. Leftovers of an init that was
    /// cut off are fine as long as they hold no hash.
    pub fn create(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self> {
        let mut log = Self::bare(vfs, dir);
        log.vfs.create_dir(&log.folder).map_err(|e| Error::io("create the log folder", e))?;
        if log.file(0)?.len().map_err(|e| failed("measure", 0, e))? > 0 {
            return Err(Error::invalid("the folder holds a log already"));
        }
        log.levels[0].dirty = true;
        log.new_names = true;
        log.sync()?;
        log.vfs.sync_dir(dir).map_err(|e| Error::io("sync the store folder", e))?;
        Ok(log)
    }

    /// The first `size` leaves of the log in the store folder `dir`. A log that is shorter is
    /// refused, the missing range by name; parents that a crash or damage cut off are computed
    /// again. The last parent of each level is checked; that the whole is right the caller sees
    /// from the root, and [`Self::scrub`] says which part is not.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path, size: u64) -> Result<Self> {
        let mut log = Self::unread(vfs, dir, size)?;
        for level in 1..LEVELS {
            if let Some(last) = tile::entries(level, size).checked_sub(1) {
                log.check_parent(level, last)?;
            }
        }
        log.frontier = Frontier::read(&Stored(&log), size)?;
        Ok(log)
    }

    /// Writes `leaves` behind the last one, and every parent that they complete. After an error
    /// the log is as before and the call may be repeated; after a crash, appending the same
    /// leaves at the same size writes the same bytes.
    pub fn append(&mut self, leaves: &[Hash]) -> Result<()> {
        self.write_anew()?;
        // If it can't be, what is appended is as safe as before.
        let _ = self.settle_if_ahead();
        self.append_all(leaves)
    }

    fn append_all(&mut self, leaves: &[Hash]) -> Result<()> {
        let size = self.frontier.size();
        let mut frontier = self.frontier.clone();
        let mut rows: [Vec<u8>; LEVELS as usize] = Default::default();
        rows[0].reserve(leaves.len() * Hash::LEN);
        for leaf in leaves {
            rows[0].extend_from_slice(leaf.as_bytes());
            frontier.append_each(*leaf, |height, _, hash| {
                if height % tile::HEIGHT == 0 {
                    rows[usize::from(height / tile::HEIGHT)].extend_from_slice(hash.as_bytes());
                }
            });
        }
        let mut tails: [Option<Tail>; LEVELS as usize] = Default::default();
        let was_ahead = std::mem::replace(&mut self.parity_is_ahead, true);
        for (level, row) in (0..LEVELS).zip(&rows).filter(|(_, row)| !row.is_empty()) {
            let first = tile::entries(level, size);
            self.write(level, first, row)?;
            let mut tail = self.levels[usize::from(level)].tail.clone();
            let (group, pages) = tail.extend(first * Hash::LEN as u64, row);
            self.write_parity(level, group, &pages)?;
            tails[usize::from(level)] = Some(tail);
        }
        for (state, tail) in self.levels.iter_mut().zip(tails) {
            if let Some(tail) = tail {
                state.tail = tail;
            }
        }
        self.frontier = frontier;
        self.parity_is_ahead = was_ahead;
        Ok(())
    }

    /// Makes everything that was appended durable. After an error nothing is known of it.
    pub fn sync(&mut self) -> Result<()> {
        for (level, state) in (0..LEVELS).zip(&mut self.levels) {
            if let (true, Some(file)) = (state.dirty, &state.file) {
                file.sync().map_err(|e| failed("sync", level, e))?;
                state.dirty = false;
            }
            if let (true, Some(file)) = (state.parity_dirty, &state.parity) {
                file.sync().map_err(|e| failed_file("sync", &parity_name(level), e))?;
                state.parity_dirty = false;
            }
        }
        if self.new_names {
            self.vfs.sync_dir(&self.folder).map_err(|e| Error::io("sync the log folder", e))?;
            self.new_names = false;
        }
        Ok(())
    }

    /// Forgets the leaves behind the first `size`, in memory: their bytes stay until the next
    /// append overwrites them. For leaves whose journal frame failed.
    pub fn truncate_memory_to(&mut self, size: u64) -> Result<()> {
        if size > self.size() {
            return Err(Error::invalid(format!("the log holds {} leaves, not {size}", self.size())));
        }
        if size < self.size() {
            self.frontier = Frontier::read(self, size)?;
            self.parity_is_ahead = true;
        }
        self.settle_if_ahead()
    }

    /// Size and root.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The leaf at a position.
    pub fn leaf(&self, seq: Seq) -> Result<Hash> {
        if let Some(leaf) = self.unwritten.as_ref().and_then(|all| all.get(usize::try_from(seq.0).ok()?)) {
            return Ok(*leaf);
        }
        self.entry(0, seq.0)
    }

    /// Hash `index` of a tile level: the tree node of height `8 * level`.
    pub fn entry(&self, level: u8, index: u64) -> Result<Hash> {
        self.hash(level.saturating_mul(tile::HEIGHT), index)
    }

    /// A log whose files are there, and long enough.
    fn unread(vfs: Arc<dyn Vfs>, dir: &Path, size: u64) -> Result<Self> {
        let mut log = Self::bare(vfs, dir);
        for level in 0..LEVELS {
            log.open_level(level, size)?;
            log.find_parity(level)?;
        }
        Ok(log)
    }

    fn bare(vfs: Arc<dyn Vfs>, dir: &Path) -> Self {
        let levels = Default::default();
        let (frontier, overlay) = (Frontier::default(), BTreeMap::new());
        let folder = dir.join("log");
        Self {
            vfs,
            folder,
            levels,
            new_names: false,
            frontier,
            overlay,
            loss: None,
            unwritten: None,
            parity_is_ahead: false,
        }
    }

    /// Opens a level and makes sure of the entries that `size` leaves need.
    fn open_level(&mut self, level: u8, size: u64) -> Result<()> {
        let need = tile::entries(level, size);
        if need == 0 {
            return Ok(());
        }
        let path = self.path(level);
        let there = self.vfs.exists(&path).map_err(|e| failed("find", level, e))?;
        if level == 0 && !there {
            return Err(Error::corrupt(format!("{} is missing; the head says {need} leaves", name(0))));
        }
        let bytes = self.file(level)?.len().map_err(|e| failed("measure", level, e))?;
        let have = bytes / Hash::LEN as u64;
        if level == 0 && have < need {
            return Err(Error::corrupt(format!(
                "{} is shorter than the head says: leaves {have} to {} are missing",
                name(0),
                need - 1
            ))
            .hint("restore the log from a backup"));
        }
        for index in have..need {
            let node = self.fold_tile(level - 1, index)?;
            self.write(level, index, node.as_bytes())?;
        }
        Ok(())
    }

    /// The file of a level, opened or created when first needed.
    fn file(&mut self, level: u8) -> Result<&dyn VfsFile> {
        let path = self.path(level);
        let state = &mut self.levels[usize::from(level)];
        let file = match state.file.take() {
            Some(file) => file,
            None if self.vfs.exists(&path).map_err(|e| failed("find", level, e))? => {
                self.vfs.open(&path).map_err(|e| failed("open", level, e))?
            }
            None => {
                let file = self.vfs.create(&path).map_err(|e| failed("create", level, e))?;
                self.new_names = true;
                file
            }
        };
        Ok(&**state.file.insert(file))
    }

    fn write(&mut self, level: u8, index: u64, bytes: &[u8]) -> Result<()> {
        let offset = index * Hash::LEN as u64;
        self.file(level)?.write_at(bytes, offset).map_err(|e| failed("write", level, e))?;
        self.levels[usize::from(level)].dirty = true;
        self.overlay_written(level, offset, bytes);
        Ok(())
    }

    fn path(&self, level: u8) -> PathBuf {
        self.folder.join(format!("level-{level}"))
    }

    fn size(&self) -> u64 {
        self.frontier.size()
    }

    fn check_parent(&self, level: u8, index: u64) -> Result<()> {
        let stored = self.read(level, index, 1)?;
        if stored.first() == Some(&self.fold_tile(level - 1, index)?) {
            return Ok(());
        }
        let (first, below) = (index * WIDTH, level - 1);
        Err(Error::corrupt(format!(
            "{} hash {index} does not match {} hashes {first} to {}",
            name(level),
            name(below),
            first + WIDTH - 1
        )))
    }

    /// Root of a full tile.
    fn fold_tile(&self, level: u8, index: u64) -> Result<Hash> {
        self.fold(Place { level, first: index * WIDTH, count: WIDTH })
    }

    fn read_bytes(&self, level: u8, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let missing = || Error::corrupt(format!("{} is missing", name(level)));
        let file = self.levels.get(usize::from(level)).and_then(|l| l.file.as_deref()).ok_or_else(missing)?;
        if !self.overlay.is_empty() && self.read_overlaid(level, offset, bytes) {
            return Ok(());
        }
        file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                let first = offset / Hash::LEN as u64;
                let last = (first + (bytes.len() / Hash::LEN) as u64).saturating_sub(1);
                Error::corrupt(format!("{} ends before hashes {first} to {last}", name(level)))
            }
            _ => failed("read", level, e),
        })
    }

    /// Pages in memory in place of lost ones follow what is written.
    fn overlay_written(&mut self, level: u8, offset: u64, bytes: &[u8]) {
        let page_len = PAGE_LEN as u64;
        for page in offset / page_len..(offset + bytes.len() as u64).div_ceil(page_len) {
            let Some(overlaid) = self.overlay.get_mut(&(level, page)) else { continue };
            let from = (page * page_len).max(offset);
            let to = ((page + 1) * page_len).min(offset + bytes.len() as u64);
            let there = (from - page * page_len) as usize..(to - page * page_len) as usize;
            let here = (from - offset) as usize..(to - offset) as usize;
            if let (Some(there), Some(here)) = (overlaid.get_mut(there), bytes.get(here)) {
                there.copy_from_slice(here);
            }
        }
    }

    /// Reads page by page if one of them is overlaid; false if none is.
    fn read_overlaid(&self, level: u8, offset: u64, bytes: &mut [u8]) -> bool {
        let page_len = PAGE_LEN as u64;
        let pages = offset / page_len..(offset + bytes.len() as u64).div_ceil(page_len);
        if !pages.clone().any(|page| self.overlay.contains_key(&(level, page))) {
            return false;
        }
        let Some(file) = self.levels.get(usize::from(level)).and_then(|l| l.file.as_deref()) else {
            return false;
        };
        for page in pages {
            let from = offset.max(page * page_len);
            let to = (offset + bytes.len() as u64).min((page + 1) * page_len);
            let Some(part) = bytes.get_mut((from - offset) as usize..(to - offset) as usize) else {
                return false;
            };
            match self.overlay.get(&(level, page)) {
                Some(rebuilt) => {
                    part.copy_from_slice(&rebuilt[(from % page_len) as usize..][..(to - from) as usize]);
                }
                None if file.read_exact_at(part, from).is_ok() => {}
                None => return false,
            }
        }
        true
    }

    fn fold(&self, place: Place) -> Result<Hash> {
        let hashes = self.read(place.level, place.first, place.count)?;
        subtree_root(&hashes).ok_or_else(|| Error::invalid("the log has no such node"))
    }

    fn read(&self, level: u8, first: u64, count: u64) -> Result<Vec<Hash>> {
        let mut bytes = vec![0; count as usize * Hash::LEN];
        self.read_bytes(level, first.saturating_mul(Hash::LEN as u64), &mut bytes)?;
        Ok(bytes.as_chunks::<{ Hash::LEN }>().0.iter().map(|b| Hash(*b)).collect())
    }
}

/// Nodes over the leaves that count.
impl Hashes for Log {
    fn hash(&self, height: u8, index: u64) -> Result<Hash> {
        if self.size().checked_shr(height.into()).is_none_or(|nodes| index >= nodes) {
            let size = self.size();
            return Err(Error::invalid(format!(
                "a log of {size} leaves has no node {index} of height {height}"
            )));
        }
        Stored(self).hash(height, index)
    }
}

/// Nodes over all leaves that stand in the files, counted or not.
struct Stored<'a>(&'a Log);

impl Hashes for Stored<'_> {
    fn hash(&self, height: u8, index: u64) -> Result<Hash> {
        match Place::of(height, index) {
            Some(place) => self.0.fold(place),
            None => Err(Error::invalid(format!("no tree has a node {index} of height {height}"))),
        }
    }
}

fn name(level: u8) -> String {
    format!("log/level-{level}")
}

fn failed(what: &str, level: u8, e: std::io::Error) -> Error {
    failed_file(what, &name(level), e)
}

fn failed_file(what: &str, name: &str, e: std::io::Error) -> Error {
    Error::io(format_args!("{what} {name}"), e)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;
    use crate::merkle::hash::leaf_hash;
    use crate::merkle::proof::{Consistency, Inclusion};
    use crate::merkle::tile::Tile;
    use crate::vfs::MemoryVfs;

    const DIR: &str = "/store";

    fn leaves(range: std::ops::Range<u64>) -> Vec<Hash> {
        range.map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn filled(size: u64) -> (MemoryVfs, Log) {
        let disk = MemoryVfs::new();
        let mut log = Log::create(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
        log.append(&leaves(0..size)).unwrap();
        log.sync().unwrap();
        (disk, log)
    }

    fn open(disk: &MemoryVfs, size: u64) -> Result<Log> {
        Log::open(Arc::new(disk.clone()), Path::new(DIR), size)
    }

    fn file(disk: &MemoryVfs, level: u8) -> Box<dyn VfsFile> {
        disk.open(&Path::new(DIR).join(name(level))).unwrap()
    }

    #[test]
    fn level_files_are_the_tiles() {
        let size = 65_536 + 256 * 3 + 5;
        let (disk, mut log) = filled(size);
        for tile in Tile::all(size) {
            for i in tile.first()..tile.first() + u64::from(tile.width) {
                let mut bytes = [0; 32];
                file(&disk, tile.level).read_exact_at(&mut bytes, i * 32).unwrap();
                assert_eq!(log.entry(tile.level, i).unwrap(), Hash(bytes));
            }
        }
        let lens: Vec<_> = (0..3).map(|l| file(&disk, l).len().unwrap() / 32).collect();
        assert_eq!(lens, [size, 259, 1]);
        assert_eq!(log.scrub(false), []);
        assert_eq!(open(&disk, size).unwrap().frontier(), log.frontier());
    }

    #[test]
    fn a_second_create_is_refused_only_over_hashes() {
        let disk = MemoryVfs::new();
        Log::create(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
        Log::create(Arc::new(disk.clone()), Path::new(DIR)).unwrap().append(&leaves(0..1)).unwrap();
        assert!(Log::create(Arc::new(disk), Path::new(DIR)).is_err());
    }

    #[test]
    fn a_shorter_log_is_named() {
        let (disk, _) = filled(600);
        file(&disk, 0).set_len(590 * 32 + 31).unwrap();
        let e = open(&disk, 600).err().unwrap();
        assert_eq!(e.kind(), ErrorKind::Corrupt);
        assert!(e.to_string().contains("leaves 590 to 599 are missing"), "{e}");
        assert_eq!(open(&disk, 590).unwrap().frontier().size(), 590);
        disk.remove(&Path::new(DIR).join("log/level-0")).unwrap();
        assert_eq!(open(&disk, 600).err().unwrap().kind(), ErrorKind::Corrupt);
        assert_eq!(open(&disk, 0).unwrap().frontier().root(), Hash::empty_root());
    }

    #[test]
    fn lost_parents_are_computed_again() {
        let (disk, log) = filled(1030);
        file(&disk, 1).set_len(32).unwrap();
        assert_eq!(open(&disk, 1030).unwrap().frontier(), log.frontier());
        assert_eq!(file(&disk, 1).len().unwrap(), 4 * 32);
        disk.remove(&Path::new(DIR).join("log/level-1")).unwrap();
        let mut again = open(&disk, 1030).unwrap();
        again.sync().unwrap();
        assert!(again.scrub(false).is_empty());
    }

    #[test]
    fn a_flipped_bit_is_found_and_named() {
        for (level, index, line) in [
            (0, 300, "log/level-1 hash 1 does not match log/level-0 hashes 256 to 511"),
            (1, 1, "log/level-1 hash 1 does not match log/level-0 hashes 256 to 511"),
            (0, 1029, "log: the 1030 stored leaves do not lead to the root"),
        ] {
            let (disk, mut log) = filled(1030);
            let (file, mut byte) = (file(&disk, level), [0]);
            file.read_exact_at(&mut byte, index * 32 + 5).unwrap();
            file.write_at(&[byte[0] ^ 4], index * 32 + 5).unwrap();
            let found = log.scrub(false);
            assert!(found.iter().any(|damage| damage.what.contains(line)), "{line}: {found:?}");
        }
        let (disk, _) = filled(1030);
        // The last full tile is the right edge: found at open.
        file(&disk, 0).write_at(&[0; 32], 1000 * 32).unwrap();
        assert!(open(&disk, 1030).err().unwrap().to_string().contains("level-1 hash 3"));
    }

    #[test]
    fn a_cut_tail_is_overwritten() {
        let (disk, mut log) = filled(700);
        log.truncate_memory_to(500).unwrap();
        assert!(log.truncate_memory_to(501).is_err());
        let other: Vec<_> = (0..100u64).map(|i| leaf_hash(&(i + 9000).to_be_bytes())).collect();
        log.append(&other).unwrap();
        let mut want = Frontier::default();
        leaves(0..500).iter().chain(&other).for_each(|l| want.append(*l));
        assert_eq!(log.frontier(), &want);
        assert_eq!(open(&disk, 600).unwrap().frontier(), &want);
        assert_eq!(log.scrub(false), []);
    }

    #[test]
    fn absent_nodes_are_errors() {
        let (disk, log) = filled(10);
        assert!(log.leaf(Seq(10)).is_err());
        file(&disk, 0).write_at(&[1; 32], 320).unwrap();
        assert!(log.leaf(Seq(10)).is_err(), "in the file, but not counted");
        assert!(log.leaf(Seq(u64::MAX)).is_err());
        for height in [4, 8, 63, 64, 255] {
            assert!(log.hash(height, 0).is_err(), "{height}");
            assert!(log.hash(height, u64::MAX).is_err(), "{height}");
        }
        assert!(log.entry(255, 0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Any split into batches and reopenings gives the same log, and its proofs hold.
        #[test]
        fn batches_do_not_matter(cuts in proptest::collection::vec(0u64..400, 0..6), at in any::<u64>()) {
            let (disk, mut log) = filled(0);
            let mut size = 0;
            for cut in cuts {
                log.append(&leaves(size..size + cut)).unwrap();
                // A crash after the write, before anybody counted it: the same leaves again.
                log = open(&disk, size).unwrap();
                log.settle_parity().unwrap();
                log.append(&leaves(size..size + cut)).unwrap();
                size += cut;
                log = open(&disk, size).unwrap();
                log.settle_parity().unwrap();
            }
            let (whole_disk, whole) = filled(size);
            prop_assert_eq!(log.frontier(), whole.frontier());
            prop_assert_eq!(disk.snapshot(), whole_disk.snapshot());
            if size > 0 {
                let index = at % size;
                let root = log.frontier().root();
                let proof = Inclusion::prove(&log, Seq(index), size).unwrap();
                prop_assert!(proof.verify(&log.leaf(Seq(index)).unwrap(), &root).is_ok());
                let proof = Consistency::prove(&log, index, size).unwrap();
                let earlier = Frontier::read(&log, index).unwrap().root();
                prop_assert!(proof.verify(&earlier, &root).is_ok());
            }
        }
    }
}
