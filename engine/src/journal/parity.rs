//! Parity of a journal at rest: a file that stands beside a journal that was closed cleanly.
//!
//! ```text
//! F.par   header page │ the same │ parity pages, groups interleaved as in other files
//! header  "EDPR" │ version │ algorithm │ 0 u16 │ journal 16 │ bytes u64 │ frames u64 │ BLAKE3 32 │ zeros
//!         the hash is that of what stands before it and of all parity
//! ```
//!
//! It says how many bytes of frames there are, so that the loss of the last page doesn't look like
//! a frame that was torn. It is durable before the mark `closed` is, which it covers: that mark is
//! sealed first and written last. Frames only ever follow, so what it says stays true of its part
//! of the journal, whatever becomes of the file behind.

use std::path::{Path, PathBuf};

use crate::codec::{Reader, Write};
use crate::crypto::ALGORITHM;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::parity::{Encoder, PAGE_LEN, Page, pages_for, xor};
use crate::vfs::{ReadAt, Vfs};

const MAGIC: [u8; 4] = *b"EDPR";
const VERSION: u8 = 1;
/// Bytes under the checksum.
const CHECKED_LEN: usize = 40;
/// Pages before the parity.
const HEADER_PAGES: u64 = 2;

/// The mark `closed` is shorter.
const MARK_LEN_MAX: u64 = PAGE_LEN as u64;

/// What is known of a journal that was closed.
pub(super) struct Closed {
    parity: Vec<u8>,
    /// Bytes of all frames.
    pub(super) len: u64,
    /// Number of all frames.
    pub(super) frames: u64,
}

/// Name of the parity of a journal.
pub fn file_name(id: FileId) -> PathBuf {
    PathBuf::from(format!("{id}.par"))
}

/// Path of the parity of a journal.
pub fn path(dir: &Path, id: FileId) -> PathBuf {
    dir.join(file_name(id))
}

/// Writes and syncs the parity of a journal that has `len` bytes of frames, the last of them,
/// `last`, not written yet.
pub(super) fn write(
    vfs: &dyn Vfs,
    dir: &Path,
    id: FileId,
    journal: &dyn ReadAt,
    last: &[u8],
    [len, frames]: [u64; 2],
) -> Result<()> {
    let io = |e| Error::io(format!("write {id}.par"), e);
    let path = path(dir, id);
    match vfs.remove(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    let mut parity = Encoder::new(len.div_ceil(PAGE_LEN as u64));
    let (mut at, end) = (0, len - last.len() as u64);
    let mut piece = vec![0; 64 * PAGE_LEN];
    while at < end {
        let n = piece.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        journal.read_exact_at(&mut piece[..n], at).map_err(io)?;
        parity.update(&piece[..n]);
        at += n as u64;
    }
    parity.update(last);
    let parity = parity.finish();
    let header = header(id, len, frames, &parity);
    let bytes = [&header[..], &header, &parity].concat();
    let file = vfs.create(&path).map_err(io)?;
    file.write_at(&bytes, 0).map_err(io)?;
    file.sync().map_err(io)?;
    vfs.sync_dir(dir).map_err(io)
}

impl Closed {
    /// The parity of a journal, if it was closed and this much is known of it.
    pub(super) fn find(vfs: &dyn Vfs, dir: &Path, id: FileId) -> Option<Self> {
        let path = path(dir, id);
        if !vfs.exists(&path).ok()? {
            return None;
        }
        let file: Box<dyn ReadAt> = vfs.open(&path).ok()?;
        let len = file.len().ok()?.checked_sub(HEADER_PAGES * PAGE_LEN as u64)?;
        // The length is proved by nothing yet. The mark that is covered may reach over the journal's end.
        let journal = vfs.open(&super::path(dir, id)).ok()?.len().ok()?;
        if len > pages_for((journal + MARK_LEN_MAX).div_ceil(PAGE_LEN as u64)) * PAGE_LEN as u64 {
            return None;
        }
        let mut parity = vec![0; usize::try_from(len).ok()?];
        file.read_exact_at(&mut parity, HEADER_PAGES * PAGE_LEN as u64).ok()?;
        let (len, frames) = (0..HEADER_PAGES).find_map(|page| {
            let mut header = vec![0; PAGE_LEN];
            file.read_exact_at(&mut header, page * PAGE_LEN as u64).ok()?;
            decode(&header, id, &parity)
        })?;
        let closed = Self { parity, len, frames };
        (closed.parity.len() as u64 == closed.groups() * PAGE_LEN as u64).then_some(closed)
    }

    /// Groups whose parity doesn't fit the journal, or in which a page can't be read: in each, what
    /// the pages and their parity add up to.
    pub(super) fn wrong_groups(&self, journal: &dyn ReadAt) -> Vec<Wrong> {
        (0..self.groups()).filter_map(|group| self.check(journal, group)).collect()
    }

    /// Pages of frames.
    pub(super) const fn pages(&self) -> u64 {
        self.len.div_ceil(PAGE_LEN as u64)
    }

    /// Groups of pages.
    pub(super) const fn groups(&self) -> u64 {
        pages_for(self.pages())
    }

    /// A page of the journal as far as frames reach, zeros behind. So are zeros what a file that
    /// ends before says: the parity is durable before the file grows for the mark that it covers.
    pub(super) fn page(&self, journal: &dyn ReadAt, number: u64) -> Option<Page> {
        let from = number * PAGE_LEN as u64;
        let there = journal.len().ok()?.min(self.len).saturating_sub(from);
        let mut page = Box::new([0; PAGE_LEN]);
        journal.read_exact_at(&mut page[..there.min(PAGE_LEN as u64) as usize], from).ok()?;
        Some(page)
    }

    fn check(&self, journal: &dyn ReadAt, group: u64) -> Option<Wrong> {
        let mut sum = Box::new([0; PAGE_LEN]);
        let mut unreadable = None;
        for page in (group..self.pages()).step_by(self.groups() as usize) {
            match self.page(journal, page) {
                Some(bytes) => xor(&mut *sum, &*bytes),
                // Two of one group are beyond rescue.
                None if unreadable.is_some() => return None,
                None => unreadable = Some(page),
            }
        }
        xor(&mut *sum, self.parity.get(group as usize * PAGE_LEN..)?);
        let wrong = unreadable.is_some() || sum.iter().any(|b| *b != 0);
        wrong.then_some(Wrong { group, sum, unreadable })
    }
}

/// A group that doesn't fit its parity.
pub(super) struct Wrong {
    /// Which.
    pub(super) group: u64,
    /// XOR of all its pages that can be read, and its parity.
    sum: Page,
    /// The page that can't be read.
    unreadable: Option<u64>,
}

impl Wrong {
    /// What a page of the group held, if it is the one that was lost.
    pub(super) fn rebuilt(&self, closed: &Closed, journal: &dyn ReadAt, number: u64) -> Option<Page> {
        let mut page = self.sum.clone();
        match self.unreadable {
            Some(lost) if lost != number => return None,
            Some(_) => {}
            None => xor(&mut *page, &*closed.page(journal, number)?),
        }
        Some(page)
    }
}

fn header(id: FileId, len: u64, frames: u64, parity: &[u8]) -> Vec<u8> {
    let mut page = Vec::with_capacity(PAGE_LEN);
    page.put_bytes(&MAGIC);
    page.put_bytes(&[VERSION, ALGORITHM, 0, 0]);
    page.put_bytes(&id.0);
    page.put_u64(len);
    page.put_u64(frames);
    let checksum = checksum(&page, parity);
    page.put_bytes(&checksum);
    page.resize(PAGE_LEN, 0);
    page
}

/// The parity is under it too: after a crash a header may stand there whole and its parity not,
/// and that must not count.
fn checksum(checked: &[u8], parity: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(checked).update(parity).finalize().as_bytes()
}

/// Bytes and number of frames, if all is whole and of this journal.
fn decode(page: &[u8], id: FileId, parity: &[u8]) -> Option<(u64, u64)> {
    let (checked, rest) = page.split_at_checked(CHECKED_LEN)?;
    if *rest.get(..32)? != checksum(checked, parity) {
        return None;
    }
    let mut r = Reader::new(checked);
    if r.array::<4>().ok()? != MAGIC || r.array::<4>().ok()? != [VERSION, ALGORITHM, 0, 0] {
        return None;
    }
    if r.array::<16>().ok()? != id.0 {
        return None;
    }
    Some((r.u64().ok()?, r.u64().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Key, Keys, OsEntropy};
    use crate::error::ErrorKind;
    use crate::id::StoreId;
    use crate::journal::{FrameKind, Journal, Replay, path as journal_path};
    use crate::vfs::MemoryVfs;

    const STORE: StoreId = StoreId([1; 16]);
    const ID: FileId = FileId([2; 16]);

    #[test]
    fn a_header_is_whole_or_absent() {
        let id = FileId([7; 16]);
        let page = header(id, 5000, 9, b"parity");
        assert_eq!(page.len(), PAGE_LEN);
        assert_eq!(decode(&page, id, b"parity"), Some((5000, 9)));
        assert_eq!(decode(&page, id, b"parlty"), None);
        assert_eq!(decode(&page, FileId([8; 16]), b"parity"), None);
        assert_eq!(decode(&page[..60], id, b"parity"), None);
        for bit in 0..72 * 8 {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped, id, b"parity"), None, "{bit}");
        }
    }

    fn key() -> Key {
        Keys::new().insert(&[9; 32]).unwrap()
    }

    fn replay(vfs: &MemoryVfs) -> Result<Replay> {
        Journal::replay(vfs, Path::new("/s"), STORE, ID, key())
    }

    /// Frames of all sizes, then closed; how many.
    fn closed() -> (MemoryVfs, Journal, usize) {
        let vfs = MemoryVfs::new();
        let mut j = Journal::create(&vfs, Path::new("/s"), STORE, ID, key()).unwrap();
        let sizes = [10, 3000, 300, 4000, 20_000, 90_000, 500, 500, 40_000];
        for len in sizes {
            j.append(&OsEntropy, FrameKind::Batch, &vec![len as u8; len]).unwrap();
        }
        j.close(&vfs, Path::new("/s"), &OsEntropy).unwrap();
        (vfs, j, sizes.len() + 1)
    }

    fn lose(vfs: &MemoryVfs, path: &Path, pages: std::ops::Range<u64>, junk: u8) {
        let file = vfs.open(path).unwrap();
        for page in pages {
            file.write_at(&[junk; PAGE_LEN], page * PAGE_LEN as u64).unwrap();
        }
    }

    #[test]
    fn any_lost_page_of_a_closed_journal_comes_back() {
        let (vfs, journal, count) = closed();
        let whole = vfs.snapshot();
        let pages = journal.len().div_ceil(PAGE_LEN as u64);
        assert!(pages > 32);
        for page in 0..pages {
            for (wide, junk) in [(1, 0), (1, 0xa5), (2, 0)] {
                let disk = MemoryVfs::from_files(whole.clone());
                lose(&disk, &journal_path(Path::new("/s"), ID), page..(page + wide).min(pages), junk);
                let r = replay(&disk).unwrap();
                assert_eq!(r.frames.len(), count, "page {page}");
                assert!(r.at_rest && r.repaired > 0);
                let bytes = &disk.snapshot()[&journal_path(Path::new("/s"), ID)];
                let end = journal.len() as usize;
                assert!(bytes[..end] == whole[&journal_path(Path::new("/s"), ID)][..end], "mended");
            }
        }
        // The parity itself may be lost, a page at a time.
        for page in 0..HEADER_PAGES + pages_for(pages) {
            let disk = MemoryVfs::from_files(whole.clone());
            lose(&disk, &path(Path::new("/s"), ID), page..page + 1, 0);
            let r = replay(&disk).unwrap();
            assert!(r.frames.len() == count && r.repaired == 0 && !r.torn);
            assert_eq!(r.at_rest, page < HEADER_PAGES);
        }
    }

    #[test]
    fn a_lost_end_is_damage_and_not_torn() {
        let (vfs, journal, _) = closed();
        let last = (journal.len() - 1) / PAGE_LEN as u64;
        // Two pages of one group: beyond parity.
        let group = pages_for(journal.len().div_ceil(PAGE_LEN as u64));
        lose(&vfs, &journal_path(Path::new("/s"), ID), last..last + 1, 0);
        lose(&vfs, &journal_path(Path::new("/s"), ID), last - group..last - group + 1, 0);
        assert_eq!(replay(&vfs).err().unwrap().kind(), ErrorKind::Corrupt);
    }

    /// A stop between the parity and the mark that it covers, with the mark reaching over the end
    /// of the file as it was: the page behind that end could not be read, the mark not be rebuilt,
    /// and the journal was told as lost.
    #[test]
    fn a_stop_before_a_mark_that_makes_the_file_grow_costs_nothing() {
        let (vfs, dir) = (MemoryVfs::new(), Path::new("/s"));
        let mut j = Journal::create(&vfs, dir, STORE, ID, key()).unwrap();
        let before = vfs.open(&journal_path(dir, ID)).unwrap().len().unwrap();
        let mut frames = 0;
        while j.len() + 336 <= before {
            j.append(&OsEntropy, FrameKind::Batch, &[7; 10]).unwrap();
            frames += 1;
        }
        assert!(j.len() < before && j.len() + 336 > before, "the mark reaches over the end");
        let journal = vfs.snapshot()[&journal_path(dir, ID)].clone();
        j.close(&vfs, dir, &OsEntropy).unwrap();
        let mut files = vfs.snapshot();
        files.insert(journal_path(dir, ID), journal);
        let r = replay(&MemoryVfs::from_files(files)).unwrap();
        assert_eq!((r.frames.len(), r.at_rest), (frames + 1, true));
    }

    #[test]
    fn the_mark_opened_ends_it() {
        let (vfs, mut journal, count) = closed();
        journal.mark_opened(&vfs, Path::new("/s"), &OsEntropy).unwrap();
        assert!(!vfs.exists(&path(Path::new("/s"), ID)).unwrap());
        let r = replay(&vfs).unwrap();
        assert!(r.frames.len() == count + 1 && !r.at_rest);
    }
}
