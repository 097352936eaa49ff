//! Parity of the growing level files, in files of their own.
//!
//! ```text
//! log/level-N    group 0: pages 0 to 31 │ group 1: pages 32 to 63 │ …
//! log/parity-N   XOR of group 0         │ XOR of group 1          │ …
//! ```
//!
//! Bytes behind the last hash that counts are zeros here, whatever stands in the file. The page of
//! the last group is written anew at each append; its XOR is kept in memory, so that an append
//! reads nothing, and bakes in no damage that came since.

use crate::log::{Log, failed_file};
use crate::merkle::hash::Hash;
use crate::merkle::tile::{self, LEVELS};
use crate::parity::{PAGE_LEN, PER_GROUP, Page, xor};
use crate::vfs::VfsFile;

use crate::error::Result;

/// Bytes of a group.
pub(super) const GROUP_LEN: u64 = PER_GROUP * PAGE_LEN as u64;

/// XOR of what counts of a level's last group; zeros if that is complete.
#[derive(Clone)]
pub(super) struct Tail(Page);

impl Default for Tail {
    fn default() -> Self {
        Self(Box::new([0; PAGE_LEN]))
    }
}

impl Tail {
    /// Takes bytes that come to stand at `offset`. Answers the first group touched and the parity
    /// pages from there on.
    pub(super) fn extend(&mut self, offset: u64, mut bytes: &[u8]) -> (u64, Vec<u8>) {
        let first = offset / GROUP_LEN;
        let (mut at, mut pages) = (offset, Vec::new());
        while !bytes.is_empty() {
            let in_page = (at % PAGE_LEN as u64) as usize;
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE_LEN - in_page));
            xor(&mut self.0[in_page..], now);
            (at, bytes) = (at + now.len() as u64, rest);
            if at.is_multiple_of(GROUP_LEN) || bytes.is_empty() {
                pages.extend_from_slice(&*self.0);
            }
            if at.is_multiple_of(GROUP_LEN) {
                *self = Self::default();
            }
        }
        (first, pages)
    }
}

impl Log {
    /// Makes parity fit the hashes that count, once these are known to be right: after a crash the
    /// page of the last group may know of hashes that don't count, and a lost file is made again.
    pub fn settle_parity(&mut self) -> Result<()> {
        if self.unwritten.is_some() {
            return Ok(());
        }
        for level in 0..LEVELS {
            self.levels[usize::from(level)].tail = Tail::default();
            let len = tile::entries(level, self.size()) * Hash::LEN as u64;
            if len == 0 {
                continue;
            }
            let groups = len.div_ceil(GROUP_LEN);
            let stored = self.parity_file(level)?;
            let there = stored.len().map_err(|e| failed_file("measure", &parity_name(level), e))?;
            let first = (there / PAGE_LEN as u64).min(groups - 1);
            let last_is_open = !len.is_multiple_of(GROUP_LEN);
            for group in first..groups {
                let old = self.parity_page(level, group);
                let page = match (self.group_sum(level, group, len), &old) {
                    (Ok(sum), Some(old)) if sum == *old || self.tiles_fit(level, group) => sum,
                    (Ok(sum), None) => sum,
                    // A page of the group is lost: its parity must stay as it is.
                    (_, Some(old)) => old.clone(),
                    (Err(_), None) => continue,
                };
                if old.as_ref() != Some(&page) {
                    self.write_parity(level, group, &*page)?;
                }
                if group + 1 == groups && last_is_open {
                    self.levels[usize::from(level)].tail = Tail(page);
                }
            }
        }
        self.parity_is_ahead = false;
        Ok(())
    }

    /// The same, if an append that failed or was taken back may have left it ahead. Not where the
    /// files don't say what counts: parity must not be made to fit that.
    pub(super) fn settle_if_ahead(&mut self) -> Result<()> {
        if self.parity_is_ahead && self.edge(self.size())? == self.frontier {
            self.settle_parity()?;
        }
        Ok(())
    }

    /// Whether the full tiles of a group fit their parents. What isn't full is known by the root.
    fn tiles_fit(&self, level: u8, group: u64) -> bool {
        let tiles = GROUP_LEN / (tile::WIDTH * Hash::LEN as u64);
        let full = tile::entries(level + 1, self.size());
        (group * tiles..full.min((group + 1) * tiles)).all(|tile| self.check_parent(level + 1, tile).is_ok())
    }

    /// XOR of the pages of a group, of which the first `len` bytes of the level count.
    pub(super) fn group_sum(&self, level: u8, group: u64, len: u64) -> Result<Page> {
        let mut sum = Box::new([0; PAGE_LEN]);
        let end = len.min((group + 1) * GROUP_LEN);
        let mut bytes = vec![0; end.saturating_sub(group * GROUP_LEN) as usize];
        self.read_bytes(level, group * GROUP_LEN, &mut bytes)?;
        bytes.chunks(PAGE_LEN).for_each(|page| xor(&mut *sum, page));
        Ok(sum)
    }

    /// A parity page as it stands in its file.
    pub(super) fn parity_page(&self, level: u8, group: u64) -> Option<Page> {
        let file = self.levels.get(usize::from(level))?.parity.as_deref()?;
        let mut page = Box::new([0; PAGE_LEN]);
        file.read_exact_at(&mut *page, group * PAGE_LEN as u64).ok()?;
        Some(page)
    }

    pub(super) fn write_parity(&mut self, level: u8, group: u64, pages: &[u8]) -> Result<()> {
        let file = self.parity_file(level)?;
        file.write_at(pages, group * PAGE_LEN as u64)
            .map_err(|e| failed_file("write", &parity_name(level), e))?;
        self.levels[usize::from(level)].parity_dirty = true;
        Ok(())
    }

    /// Opens the parity of a level, if there is one.
    pub(super) fn find_parity(&mut self, level: u8) -> Result<()> {
        let path = self.folder.join(format!("parity-{level}"));
        if self.vfs.exists(&path).map_err(|e| failed_file("find", &parity_name(level), e))? {
            self.parity_file(level)?;
        }
        Ok(())
    }

    fn parity_file(&mut self, level: u8) -> Result<&dyn VfsFile> {
        let (name, path) = (parity_name(level), self.folder.join(format!("parity-{level}")));
        let state = &mut self.levels[usize::from(level)];
        let file = match state.parity.take() {
            Some(file) => file,
            None if self.vfs.exists(&path).map_err(|e| failed_file("find", &name, e))? => {
                self.vfs.open(&path).map_err(|e| failed_file("open", &name, e))?
            }
            None => {
                let file = self.vfs.create(&path).map_err(|e| failed_file("create", &name, e))?;
                self.new_names = true;
                file
            }
        };
        Ok(&**state.parity.insert(file))
    }
}

pub(super) fn parity_name(level: u8) -> String {
    format!("log/parity-{level}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_do_not_matter() {
        let bytes: Vec<u8> = (0..2 * GROUP_LEN + 5000).map(|i| (i % 251) as u8).collect();
        let (first, whole) = Tail::default().extend(0, &bytes);
        assert_eq!((first, whole.len()), (0, 3 * PAGE_LEN));
        for step in [32, 4096, 100_000] {
            let (mut tail, mut file) = (Tail::default(), vec![0; 3 * PAGE_LEN]);
            for (i, part) in bytes.chunks(step).enumerate() {
                let (first, pages) = tail.extend((i * step) as u64, part);
                let at = first as usize * PAGE_LEN;
                file[at..at + pages.len()].copy_from_slice(&pages);
            }
            assert!(file == whole, "{step}");
        }
    }
}
