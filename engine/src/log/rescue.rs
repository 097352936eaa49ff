//! A page of a level that was lost comes back from its parity; a parent hash, or the root, says
//! whether it is right.
//!
//! A page holds 128 hashes and a tile 256, so a page belongs to one tile, and what proves the tile
//! proves all of the page that counts.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::parity::GROUP_LEN;
use crate::log::{HASHES_A_PAGE, Log, Stored, name};
use crate::merkle::hash::Hash;
use crate::merkle::tile::{self, LEVELS, WIDTH};
use crate::merkle::tree::Frontier;
use crate::parity::{Damage, Fate, PAGE_LEN, PER_GROUP, Page, xor};
use crate::vfs::Vfs;

/// Pages of a tile.
const TILE_PAGES: u64 = WIDTH * Hash::LEN as u64 / PAGE_LEN as u64;

const _: () = assert!(TILE_PAGES == 2);

impl Log {
    /// Like [`Log::open`], for a log whose root is known: a lost page of its right edge is rebuilt
    /// and written back. Answers how many were.
    pub fn open_to(vfs: Arc<dyn Vfs>, dir: &Path, size: u64, root: Hash) -> Result<(Self, u64)> {
        let mut log = Self::unread(vfs, dir, size)?;
        let failed = match log.edge(size) {
            Ok(edge) if edge.root() == root => {
                log.frontier = edge;
                return Ok((log, 0));
            }
            Ok(_) => Error::corrupt("the log has another root than HEAD says"),
            Err(e) => e,
        };
        let mut tried = vec![Vec::new()];
        for level in 0..LEVELS {
            let entries = tile::entries(level, size);
            let first = entries / WIDTH * TILE_PAGES;
            let end = (entries * Hash::LEN as u64).div_ceil(PAGE_LEN as u64);
            // One lost page a level: levels are different files.
            let mut more = Vec::new();
            for page in first..end.max(first) {
                let Some(rebuilt) = log.rebuilt(level, page, entries) else { continue };
                for before in &tried {
                    let mut next: Vec<(u8, u64, Page)> = before.clone();
                    next.push((level, page, rebuilt.clone()));
                    more.push(next);
                }
            }
            tried.extend(more);
        }
        tried.sort_by_key(Vec::len);
        for pages in tried.into_iter().skip(1) {
            log.overlay = pages.iter().map(|(level, page, bytes)| ((*level, *page), bytes.clone())).collect();
            let edge = log.edge(size);
            if let Ok(edge) = edge
                && edge.root() == root
            {
                for (level, page, bytes) in &pages {
                    // What can't be written back is met again by the next opening.
                    if log.put_back(*level, *page, bytes, size).is_ok() {
                        log.overlay.remove(&(*level, *page));
                    }
                }
                log.frontier = edge;
                return Ok((log, pages.len() as u64));
            }
        }
        Err(failed.hint("restore the folder `log` from a backup"))
    }

    /// Looks at every hash and every parity page. What parity gives back is written if `repair`.
    pub fn scrub(&mut self, repair: bool) -> Vec<Damage> {
        if let Some(loss) = self.loss_in_words() {
            return vec![lost(loss)];
        }
        // What an append that failed left on a full disk is no damage.
        let _ = self.settle_if_ahead();
        let size = self.size();
        let mut found = Vec::new();
        for level in 1..LEVELS {
            let (mended, lost) = self.mend_level(level, 0..tile::entries(level, size), repair);
            // What stood in the way of another page may be mended now.
            let (later, lost) = self.mend_level(level, lost.into_iter().map(|(index, _)| index), repair);
            found.extend(mended.into_iter().chain(later).chain(lost.into_iter().map(|(_, damage)| damage)));
        }
        match self.edge(size) {
            Ok(edge) if edge == self.frontier => {}
            Ok(_) => found.push(lost(format!("log: the {size} stored leaves do not lead to the root"))),
            Err(e) => found.push(lost(e.to_string())),
        }
        if found.iter().all(|damage| damage.fate != Fate::Lost) {
            found.extend(self.scrub_parity(repair));
        }
        found
    }

    /// Looks at the tiles on the way from a leaf to the root: whoever proves something reads no others. What
    /// parity gives back counts from here on, and is written by [`Self::scrub`]. Answers how many were damaged.
    ///
    /// # Errors
    /// *Corrupt* if one is lost.
    pub fn mend_way(&mut self, leaf: u64) -> Result<u64> {
        let (mut mended, mut lost) = (0, Vec::new());
        for level in 1..LEVELS {
            let index = leaf >> (tile::HEIGHT * level);
            if index >= tile::entries(level, self.size()) {
                break;
            }
            let (found, left) = self.mend_level(level, std::iter::once(index), false);
            mended += found.len() as u64;
            lost.extend(left.into_iter().map(|(index, _)| (level, index)));
        }
        // What stood in the way of another page may be mended now.
        for (level, index) in lost {
            if let (_, left) = self.mend_level(level, std::iter::once(index), false)
                && let Some((_, damage)) = left.first()
            {
                return Err(damaged(&damage.what));
            }
            mended += 1;
        }
        match self.edge(self.size()) {
            Ok(edge) if edge == self.frontier => Ok(mended),
            _ => Err(damaged("the stored leaves do not lead to the root")),
        }
    }

    /// Mends the parents of a level that don't fit their tiles; answers what is mended, and what is not
    /// with its index.
    fn mend_level(
        &mut self,
        level: u8,
        parents: impl Iterator<Item = u64>,
        repair: bool,
    ) -> (Vec<Damage>, Vec<(u64, Damage)>) {
        let (mut mended, mut lost) = (Vec::new(), Vec::new());
        for index in parents {
            let Err(damage) = self.check_parent(level, index) else { continue };
            match self.mend_parent(level, index, repair, &damage) {
                damage if damage.fate == Fate::Lost => lost.push((index, damage)),
                damage => mended.push(damage),
            }
        }
        (mended, lost)
    }

    /// A parent and its tile that don't fit: which of three pages was lost?
    fn mend_parent(&mut self, level: u8, index: u64, repair: bool, damage: &Error) -> Damage {
        let below = level - 1;
        let first = index * TILE_PAGES;
        let parent = index * Hash::LEN as u64 / PAGE_LEN as u64;
        for (level_of, page) in [(below, first), (below, first + 1), (level, parent)] {
            let entries = tile::entries(level_of, self.size());
            let Some(rebuilt) = self.rebuilt(level_of, page, entries) else { continue };
            self.overlay.insert((level_of, page), rebuilt.clone());
            // The tile proves all hashes of its own pages, and one of its parent's.
            let proved = match level_of == level {
                true => self.fits_below(level, page),
                false => self.check_parent(level, index).is_ok(),
            };
            if proved {
                let written = repair && self.put_back(level_of, page, &rebuilt, self.size()).is_ok();
                if written {
                    self.overlay.remove(&(level_of, page));
                }
                let done = if written { "written back from parity" } else { "can be had from parity" };
                return Damage {
                    what: format!("{} page {page}: {damage}; {done}", name(level_of)),
                    fate: Fate::of(written),
                };
            }
            self.overlay.remove(&(level_of, page));
        }
        self.fold_again(level, index, repair, damage).unwrap_or_else(|| lost(damage.to_string()))
    }

    /// A parent computed again from its tile, if what stands above says that it is the right one.
    fn fold_again(&mut self, level: u8, index: u64, repair: bool, damage: &Error) -> Option<Damage> {
        let folded = self.fold_tile(level - 1, index).ok()?;
        let (page, at) = (index / HASHES_A_PAGE, (index % HASHES_A_PAGE) as usize * Hash::LEN);
        let (from, len) = (page * PAGE_LEN as u64, tile::entries(level, self.size()) * Hash::LEN as u64);
        let mut bytes: Page = Box::new([0; PAGE_LEN]);
        self.read_bytes(level, from, &mut bytes[..(len - from).min(PAGE_LEN as u64) as usize]).ok()?;
        bytes[at..at + Hash::LEN].copy_from_slice(&folded.0);
        let before = self.overlay.insert((level, page), bytes.clone());
        let above = (level + 1, index / WIDTH);
        let proved = match above.0 < LEVELS && above.1 < tile::entries(above.0, self.size()) {
            true => self.check_parent(above.0, above.1).is_ok(),
            false => self.edge(self.size()).is_ok_and(|edge| edge == self.frontier),
        };
        let written = proved && repair && self.put_back(level, page, &bytes, self.size()).is_ok();
        match before {
            Some(before) if !proved => drop(self.overlay.insert((level, page), before)),
            None if !proved || written => drop(self.overlay.remove(&(level, page))),
            _ => {}
        }
        let done = if written { "computed again and written" } else { "can be computed again" };
        let what = format!("{} page {page}: {damage}; {done}", name(level));
        proved.then(|| Damage { what, fate: Fate::of(written) })
    }

    /// Whether every hash of a page is that of its tile.
    fn fits_below(&self, level: u8, page: u64) -> bool {
        let end = tile::entries(level, self.size()).min((page + 1) * HASHES_A_PAGE);
        (page * HASHES_A_PAGE..end).all(|index| self.check_parent(level, index).is_ok())
    }

    fn scrub_parity(&mut self, repair: bool) -> Vec<Damage> {
        let mut found = Vec::new();
        for level in 0..LEVELS {
            let len = tile::entries(level, self.size()) * Hash::LEN as u64;
            for group in 0..len.div_ceil(GROUP_LEN) {
                let Ok(sum) = self.group_sum(level, group, len) else { continue };
                if self.parity_page(level, group).as_ref() == Some(&sum) {
                    continue;
                }
                let written = repair && self.write_parity(level, group, &*sum).is_ok() && self.sync().is_ok();
                let done = if written { "written anew" } else { "can be written anew" };
                let what = format!("log/parity-{level} page {group}: parity is wrong; {done}");
                found.push(Damage { what, fate: Fate::of(written) });
            }
        }
        found
    }

    /// Frontier as the files say.
    pub(super) fn edge(&self, size: u64) -> Result<Frontier> {
        Frontier::read(&Stored(self), size)
    }

    /// What a page of a level with so many entries held, if all others of its group are right.
    fn rebuilt(&self, level: u8, page: u64, entries: u64) -> Option<Page> {
        let len = entries * Hash::LEN as u64;
        let group = page / PER_GROUP;
        let mut sum = self.parity_page(level, group)?;
        let end = len.div_ceil(PAGE_LEN as u64).min((group + 1) * PER_GROUP);
        for other in (group * PER_GROUP..end).filter(|other| *other != page) {
            let from = other * PAGE_LEN as u64;
            let mut bytes = vec![0; (len - from).min(PAGE_LEN as u64) as usize];
            self.read_bytes(level, from, &mut bytes).ok()?;
            xor(&mut *sum, &bytes);
        }
        Some(sum)
    }

    /// Writes as much of a page as counts.
    fn put_back(&mut self, level: u8, page: u64, bytes: &Page, size: u64) -> Result<()> {
        let from = page * PAGE_LEN as u64;
        let len = (tile::entries(level, size) * Hash::LEN as u64 - from).min(PAGE_LEN as u64);
        self.write(level, from / Hash::LEN as u64, &bytes[..len as usize])?;
        self.sync()
    }
}

/// Nothing can be said of the history of a log that can't be read.
pub(crate) fn damaged(what: &str) -> Error {
    Error::corrupt(format!("hashes of the log are damaged: {what}")).hint(
        "`escrow verify --repair` mends what can be mended; else put the folder `log` back from a backup",
    )
}

fn lost(what: String) -> Damage {
    Damage { what, fate: Fate::Lost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::id::Seq;
    use crate::merkle::hash::leaf_hash;
    use crate::vfs::{Layer, MemoryVfs, ReadAt, VfsFile};

    const DIR: &str = "/store";

    fn filled(size: u64) -> (MemoryVfs, Hash) {
        let disk = MemoryVfs::new();
        let mut log = Log::create(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
        for from in (0..size).step_by(1000) {
            let leaves: Vec<_> = (from..size.min(from + 1000)).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            log.append(&leaves).unwrap();
        }
        log.sync().unwrap();
        (disk, log.frontier().root())
    }

    fn open(disk: &MemoryVfs, size: u64, root: Hash) -> Result<(Log, u64)> {
        let (mut log, repaired) = Log::open_to(Arc::new(disk.clone()), Path::new(DIR), size, root)?;
        log.settle_parity()?;
        Ok((log, repaired))
    }

    fn file(disk: &MemoryVfs, name: &str) -> Box<dyn VfsFile> {
        disk.open(&Path::new(DIR).join(name)).unwrap()
    }

    #[test]
    fn any_lost_page_comes_back() {
        for size in [1, 100, 255, 256, 300, 1030, 9000, 66_000] {
            let (disk, root) = filled(size);
            let whole = disk.snapshot();
            for (path, bytes) in &whole {
                for page in (0..bytes.len().div_ceil(PAGE_LEN)).step_by(if size > 10_000 { 37 } else { 1 }) {
                    let mut files = whole.clone();
                    let end = bytes.len().min((page + 1) * PAGE_LEN);
                    files.get_mut(path).unwrap()[page * PAGE_LEN..end].fill(0x5a);
                    let disk = MemoryVfs::from_files(files);
                    let (mut log, _) = open(&disk, size, root).unwrap();
                    let found = log.scrub(true);
                    assert!(
                        found.iter().all(|d| d.fate == Fate::Repaired),
                        "{size} {} {page}: {found:?}",
                        path.display()
                    );
                    assert_eq!(log.scrub(false), []);
                    assert_eq!(disk.snapshot(), whole, "{size} {} {page}", path.display());
                }
            }
        }
    }

    /// One wrong hash above the leaves, and another place of its parity wrong: the page from parity
    /// fitted where it was looked at, and was written with a hash that had been right lost in it.
    #[test]
    fn a_page_of_parents_is_proved_whole() {
        let (disk, root) = filled(66_000);
        let whole = disk.snapshot();
        file(&disk, "log/level-1").write_at(&[0x5a; 32], 5 * 32).unwrap();
        file(&disk, "log/parity-1").write_at(&[0x5a; 32], 60 * 32).unwrap();
        let (mut log, _) = open(&disk, 66_000, root).unwrap();
        let found = log.scrub(true);
        assert!(found.iter().all(|d| d.fate == Fate::Repaired), "{found:?}");
        assert_eq!(log.scrub(false), []);
        assert_eq!(disk.snapshot(), whole);
    }

    /// A page of the edge that was rebuilt at opening stayed in memory in place of the file's, so
    /// leaves appended to it later read back as zeros; also where the disk refuses to have it back.
    #[test]
    fn what_is_appended_to_a_rebuilt_page_is_read_back() {
        for refuses in [false, true] {
            let (disk, root) = filled(1030);
            file(&disk, "log/level-0").write_at(&[0x5a; 6 * 32], 1024 * 32).unwrap();
            let refusing = Arc::new(AtomicBool::new(refuses));
            let vfs = Arc::new(Refusing(disk, Arc::clone(&refusing)));
            let (mut log, repaired) = Log::open_to(vfs, Path::new(DIR), 1030, root).unwrap();
            assert_eq!(repaired, 1);
            log.settle_parity().unwrap();
            refusing.store(false, Ordering::Relaxed);
            let late: Vec<_> = (5000..5100u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            log.append(&late).unwrap();
            for (hash, seq) in late.iter().zip(1030..) {
                assert_eq!(log.leaf(Seq(seq)).unwrap(), *hash, "{refuses} {seq}");
            }
        }
    }

    /// A roll failed on a full disk behind the parity of its leaves, which could not be taken back
    /// there: until the next roll `verify` found the parity wrong, though there was room again.
    #[test]
    fn parity_that_a_full_disk_left_ahead_fits_once_there_is_room() {
        let (disk, root) = filled(1030);
        let full = Arc::new(AtomicBool::new(false));
        let vfs = Arc::new(Refusing(disk, Arc::clone(&full)));
        let (mut log, _) = Log::open_to(vfs, Path::new(DIR), 1030, root).unwrap();
        log.append(&[leaf_hash(b"late")]).unwrap();
        full.store(true, Ordering::Relaxed);
        assert!(log.truncate_memory_to(1030).is_err());
        assert_eq!(log.scrub(false).len(), 1);
        full.store(false, Ordering::Relaxed);
        assert_eq!(log.scrub(false), []);
        assert_eq!(log.frontier().root(), root);
    }

    /// A disk that refuses repairs was told as repaired.
    #[test]
    fn what_can_not_be_written_back_is_no_repair() {
        let (disk, root) = filled(1030);
        file(&disk, "log/level-0").write_at(&[0; 32], 0).unwrap();
        let vfs = Arc::new(Refusing(disk, Arc::new(AtomicBool::new(true))));
        let (mut log, _) = Log::open_to(vfs, Path::new(DIR), 1030, root).unwrap();
        let found = log.scrub(true);
        assert_eq!(found.iter().map(|d| d.fate).collect::<Vec<_>>(), [Fate::Rescued], "{found:?}");
    }

    /// A disk that refuses writes to open files while it is told to.
    struct Refusing(MemoryVfs, Arc<AtomicBool>);

    struct RefusingFile(Box<dyn VfsFile>, Arc<AtomicBool>);

    impl Layer for Refusing {
        fn below(&self) -> &dyn Vfs {
            &self.0
        }

        fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
            Ok(Box::new(RefusingFile(self.0.open(path)?, Arc::clone(&self.1))))
        }
    }

    impl ReadAt for RefusingFile {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(buf, offset)
        }

        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
    }

    impl VfsFile for RefusingFile {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            match self.1.load(Ordering::Relaxed) {
                true => Err(io::ErrorKind::PermissionDenied.into()),
                false => self.0.write_at(bytes, offset),
            }
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        fn allocate(&self, len: u64) -> io::Result<()> {
            self.0.allocate(len)
        }

        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }

        fn evict(&self) -> io::Result<()> {
            self.0.evict()
        }
    }

    #[test]
    fn two_lost_pages_of_a_group_are_named() {
        let (disk, root) = filled(9000);
        file(&disk, "log/level-0").write_at(&[0; 2 * PAGE_LEN], 0).unwrap();
        let (mut log, _) = open(&disk, 9000, root).unwrap();
        let found = log.scrub(true);
        assert!(
            found.iter().any(|d| d.fate == Fate::Lost && d.what.contains("log/level-0 hashes 0 to 255")),
            "{found:?}"
        );
    }
}
