//! A log whose leaves are lost beyond parity. Living records give theirs again; what the dead had is
//! gone, and so is the root. The log goes on with zeros in these places, in memory first: the files
//! and the root that HEAD names stay as they are until leaves have to be written, and the commit
//! that names another root notes the loss.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::log::{HASHES_A_PAGE, Log, name};
use crate::merkle::hash::{Hash, subtree_root};
use crate::merkle::tile::{self, LEVELS, WIDTH};
use crate::merkle::tree::Frontier;
use crate::vfs::Vfs;

/// Stands for a leaf that is lost.
pub const LOST: Hash = Hash([0; 32]);

/// Leaves that nothing gives any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostLeaves {
    /// How many.
    pub number: u64,
    /// The first of them.
    pub first: Seq,
    /// The last of them.
    pub last: Seq,
    /// Root of the log before.
    pub root: Hash,
}

impl Log {
    /// The log of `size` leaves with this root, from what is left of its files and from the leaves of
    /// the records that live. If all of it is there again, the files are written anew; else the log
    /// has another root, and [`Self::loss`] says what it lacks.
    pub fn rebuild(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        size: u64,
        root: Hash,
        living: &HashMap<u64, Hash>,
    ) -> Result<Self> {
        let mut log = Self::bare(vfs, dir);
        for level in 0..LEVELS {
            let there = log.vfs.exists(&log.path(level)).map_err(|e| Error::io("find the log", e))?;
            if there {
                log.file(level)?;
            }
            log.find_parity(level)?;
        }
        let mut leaves = log.stored_leaves(size);
        for (leaf, seq) in leaves.iter_mut().zip(0..) {
            *leaf = living.get(&seq).copied().unwrap_or(*leaf);
        }
        log.overlay.clear();
        if frontier(&leaves).root() != root {
            log.mark_unproved(&mut leaves, living);
            let lost = leaves.iter().zip(0..).filter(|(leaf, _)| **leaf == LOST);
            let lost: Vec<Seq> = lost.map(|(_, seq)| Seq(seq)).collect();
            let (Some(first), Some(last)) = (lost.first(), lost.last()) else {
                return Err(Error::corrupt("the log has another root than HEAD says"));
            };
            let number = lost.len() as u64;
            log.loss = Some(LostLeaves { number, first: *first, last: *last, root });
        }
        log.frontier = frontier(&leaves);
        log.unwritten = Some(leaves);
        if log.loss.is_none() {
            log.write_anew()?;
            log.sync()?;
        }
        Ok(log)
    }

    /// What the log lacks since it was opened; nobody has noted it yet.
    pub const fn loss(&self) -> Option<LostLeaves> {
        self.loss
    }

    /// The commit that names the new root has noted what is lost.
    pub fn loss_is_noted(&mut self) {
        self.loss = None;
    }

    /// Writes every leaf anew, if the files don't hold what counts.
    pub fn write_anew(&mut self) -> Result<()> {
        let Some(leaves) = self.unwritten.take() else { return Ok(()) };
        let counted = std::mem::take(&mut self.frontier);
        for level in &mut self.levels {
            level.tail = Default::default();
        }
        let written = self.append_all(&leaves);
        if written.is_err() {
            self.frontier = counted;
            self.unwritten = Some(leaves);
        }
        written
    }

    /// Leaves as they stand in the file; what can't be read counts as lost.
    fn stored_leaves(&self, size: u64) -> Vec<Hash> {
        let mut leaves = Vec::with_capacity(size as usize);
        for first in (0..size).step_by(HASHES_A_PAGE as usize) {
            let count = HASHES_A_PAGE.min(size - first);
            match self.read(0, first, count) {
                Ok(page) => leaves.extend(page),
                // The file may end within the page.
                Err(_) => leaves.extend(
                    (first..first + count)
                        .map(|n| self.read(0, n, 1).ok().and_then(|l| l.first().copied()).unwrap_or(LOST)),
                ),
            }
        }
        leaves
    }

    /// What neither a record nor a parent proves is lost.
    fn mark_unproved(&self, leaves: &mut [Hash], living: &HashMap<u64, Hash>) {
        let parents = tile::entries(1, leaves.len() as u64);
        for (tile, index) in leaves.chunks_mut(WIDTH as usize).zip(0..) {
            let parent = (index < parents).then(|| self.read(1, index, 1).ok()?.first().copied()).flatten();
            if parent.is_some() && parent == subtree_root(tile) {
                continue;
            }
            for (leaf, seq) in tile.iter_mut().zip(index * WIDTH..) {
                if !living.contains_key(&seq) {
                    *leaf = LOST;
                }
            }
        }
    }

    /// What is wrong with a log that lacks leaves, in words.
    pub(super) fn loss_in_words(&self) -> Option<String> {
        self.loss.map(|loss| {
            format!(
                "{}: {} hashes between positions {} and {} are lost and no living record gives them again; put \
                 the folder `log` back from a backup, or give them up with --repair --accept-losses",
                name(0),
                loss.number,
                loss.first,
                loss.last
            )
        })
    }
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::hash::leaf_hash;
    use crate::parity::PAGE_LEN;
    use crate::vfs::MemoryVfs;

    const DIR: &str = "/store";

    fn filled(size: u64) -> (MemoryVfs, Vec<Hash>, Hash) {
        let disk = MemoryVfs::new();
        let mut log = Log::create(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
        let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        log.append(&leaves).unwrap();
        log.sync().unwrap();
        (disk, leaves, log.frontier().root())
    }

    fn rebuild(disk: &MemoryVfs, size: u64, root: Hash, living: &HashMap<u64, Hash>) -> Log {
        Log::rebuild(Arc::new(disk.clone()), Path::new(DIR), size, root, living).unwrap()
    }

    #[test]
    fn living_records_give_their_leaves_again() {
        for size in [1, 255, 256, 700, 70_000] {
            let (disk, leaves, root) = filled(size);
            let whole = disk.snapshot();
            let mut files = whole.clone();
            files.retain(|path, _| !path.ends_with("level-0"));
            let disk = MemoryVfs::from_files(files);
            let living = (0..).zip(leaves).collect();
            let log = rebuild(&disk, size, root, &living);
            assert_eq!((log.frontier().root(), log.loss()), (root, None));
            assert_eq!(disk.snapshot(), whole, "the same bytes");
        }
    }

    #[test]
    fn what_the_dead_had_is_named_and_the_log_goes_on() {
        let (disk, leaves, root) = filled(700);
        let file = disk.open(&Path::new(DIR).join("log/level-0")).unwrap();
        // The last tile, and its parity.
        file.set_len(600 * 32).unwrap();
        disk.open(&Path::new(DIR).join("log/parity-0")).unwrap().write_at(&[7; PAGE_LEN], 0).unwrap();
        let living: HashMap<u64, Hash> = (0..).zip(leaves.clone()).filter(|(n, _)| n % 10 != 0).collect();
        let before = disk.snapshot();
        let mut log = rebuild(&disk, 700, root, &living);
        let loss = log.loss().unwrap();
        // Of the full tiles all is proved; of the last one what was written by the dead is not.
        assert_eq!((loss.first, loss.last, loss.number), (Seq(520), Seq(690), 18));
        assert_eq!(loss.root, root);
        assert_eq!(log.leaf(Seq(511)).unwrap(), leaves[511]);
        assert_eq!(log.leaf(Seq(520)).unwrap(), LOST);
        assert_eq!(log.scrub(true).len(), 1);
        assert_eq!(disk.snapshot(), before, "nothing is given up by looking");
        // Again, and on from there.
        let mut again = rebuild(&disk, 700, root, &living);
        assert_eq!((again.loss(), again.frontier()), (log.loss(), log.frontier()));
        log.append(&[leaf_hash(b"new")]).unwrap();
        log.sync().unwrap();
        log.loss_is_noted();
        let (mut opened, _) =
            Log::open_to(Arc::new(disk.clone()), Path::new(DIR), 701, log.frontier().root()).unwrap();
        opened.settle_parity().unwrap();
        assert_eq!(opened.scrub(false), []);
        // Killed before the commit: HEAD still names the old root, the zeros are known as lost.
        again = rebuild(&disk, 700, root, &living);
        assert_eq!(again.loss().unwrap().number, 18);
    }
}
