//! A frame that does not open: is a bit of it wrong, was it torn by a crash, or is it damage?
//!
//! One wrong bit is set right. A frame was torn only if nothing was written behind it, for the
//! next one is written after it was synced: a header of a later frame proves damage, unless its
//! flag says that it was written before a sync.

use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::crypto::{SEAL_LEN, Seal};
use crate::error::Result;
use crate::journal::header::{FLAG_AFTER_UNSYNCED, HEADER_LEN, is_header, text_len};
use crate::journal::parity::Closed;
use crate::journal::{FRONT_LEN, Journal, PAD, Read, SALT_LEN};
use crate::parity::{PAGE_LEN, Page};

/// Pages that parity gave back.
type Overlay = BTreeMap<u64, Page>;

/// Texts up to this are tried bit by bit.
const TRIED_LEN_MAX: usize = 4096;
/// Texts up to this are tried with every bit of the tag.
const TAG_TRIED_LEN_MAX: usize = 1 << 20;
/// Sealed text has no run of zeros of this length; a place that was not written has.
const ZERO_RUN: usize = 32;
/// Frames begin at multiples of this.
const STEP: usize = 16;

const _: () = assert!(FRONT_LEN.is_multiple_of(STEP) && PAD.is_multiple_of(STEP));

impl Journal {
    /// Reads the frame at `offset` with the one bit turned that opens it, and mends the file.
    pub(super) fn rescue(&self, offset: u64, number: u64, previous: &Seal) -> Result<Option<Read>> {
        let mut front = [0u8; FRONT_LEN];
        if !self.read(&mut front, offset)? || front.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        for bit in 0..FRONT_LEN * 8 {
            let mut tried = front;
            flip(&mut tried, bit);
            if self.fits(&tried, number, previous)?
                && !is_tag(bit)
                && let Some(text) = self.text(&tried, offset)?
                && let Some(read) = self.mended(tried, text, offset, number, previous)?
            {
                return Ok(Some(read));
            }
        }
        if !self.fits(&front, number, previous)? {
            return Ok(None);
        }
        // Header, salt and commitment are right: the tag or the text is not.
        let Some(text) = self.text(&front, offset)? else { return Ok(None) };
        if text.chunks(ZERO_RUN).any(|run| run.iter().all(|b| *b == 0)) {
            return Ok(None);
        }
        if text.len() <= TAG_TRIED_LEN_MAX {
            for bit in (0..FRONT_LEN * 8).filter(|bit| is_tag(*bit)) {
                let mut tried = front;
                flip(&mut tried, bit);
                if let Some(read) = self.mended(tried, text.clone(), offset, number, previous)? {
                    return Ok(Some(read));
                }
            }
        }
        if text.len() <= TRIED_LEN_MAX {
            for bit in 0..text.len() * 8 {
                let mut tried = text.clone();
                flip(&mut tried, bit);
                if let Some(read) = self.mended(front, tried, offset, number, previous)? {
                    return Ok(Some(read));
                }
            }
        }
        Ok(None)
    }

    /// Reads the frame at `offset` of a journal that was closed, with a page or two neighbours of it
    /// from parity, and mends the file. Which groups are wrong says which pages are tried.
    pub(super) fn rescue_by_parity(
        &self,
        closed: &Closed,
        offset: u64,
        number: u64,
        previous: &Seal,
    ) -> Result<Option<Read>> {
        let wrong = closed.wrong_groups(&*self.file);
        let rebuilt = |page: u64| {
            let of = wrong.iter().find(|w| w.group == page % closed.groups())?;
            of.rebuilt(closed, &*self.file, page)
        };
        let first = offset / PAGE_LEN as u64;
        // The length stands in the header, which may lie on the lost page, or on two of them.
        let mut starts = vec![Overlay::default()];
        for pages in [&[first][..], &[first + 1], &[first, first + 1]] {
            starts.extend(pages.iter().map(|p| Some((*p, rebuilt(*p)?))).collect::<Option<Overlay>>());
        }
        for start in starts {
            let Some(front) = self.front(closed, &start, offset) else { continue };
            // What looks like a newer version may be a turned bit of this one.
            let Ok(Some(len)) = text_len(&front[..HEADER_LEN]) else { continue };
            let end = offset + (FRONT_LEN + len) as u64;
            if end > closed.len {
                continue;
            }
            let last = (end - 1) / PAGE_LEN as u64;
            let mut overlays = vec![start.clone()];
            for page in first..=last {
                for next in [page, page + 1] {
                    let both = [page, next].map(|p| Some((p, rebuilt(p)?)));
                    let added = both.into_iter().collect::<Option<Overlay>>();
                    overlays.extend(added.map(|added| start.clone().into_iter().chain(added).collect()));
                }
            }
            for overlay in overlays {
                let Some(bytes) = self.overlaid(closed, &overlay, offset..end) else { continue };
                let Some((front, text)) = bytes.split_first_chunk::<FRONT_LEN>() else { continue };
                let text = Zeroizing::new(text.to_vec());
                if let Some(read) = self.mended(*front, text, offset, number, previous)? {
                    return Ok(Some(read));
                }
            }
        }
        Ok(None)
    }

    fn front(&self, closed: &Closed, overlay: &Overlay, offset: u64) -> Option<[u8; FRONT_LEN]> {
        let bytes = self.overlaid(closed, overlay, offset..offset + FRONT_LEN as u64)?;
        bytes.first_chunk().copied()
    }

    /// Bytes of the file, some pages from elsewhere.
    fn overlaid(&self, closed: &Closed, overlay: &Overlay, range: Range<u64>) -> Option<Vec<u8>> {
        let pages = range.start / PAGE_LEN as u64..range.end.div_ceil(PAGE_LEN as u64);
        let mut bytes = Vec::with_capacity((pages.end - pages.start) as usize * PAGE_LEN);
        let from = (range.start - pages.start * PAGE_LEN as u64) as usize;
        for page in pages {
            match overlay.get(&page) {
                Some(rebuilt) => bytes.extend_from_slice(&**rebuilt),
                None => bytes.extend_from_slice(&*closed.page(&*self.file, page)?),
            }
        }
        Some(bytes.get(from..from + (range.end - range.start) as usize)?.to_vec())
    }

    /// Whether the frame that comes next is damaged and not torn.
    pub(super) fn has_damage(&self) -> Result<bool> {
        Ok(self.bytes_behind()? && self.synced_frame_behind(self.end)?.is_some())
    }

    /// Goes on to the first frame behind a damaged one that opens: the damaged one's seal is needed for
    /// that, and is proved by it. Answers how many frames were passed over, or, as an error, how many
    /// there are if none behind them opens.
    pub(super) fn skip_damage(&mut self, limit: u64) -> Result<std::result::Result<u64, u64>> {
        let (mut damaged, mut lost) = (self.end, 1);
        loop {
            let Some(next) = self.frame_behind(damaged, limit, false)? else { return Ok(Err(lost)) };
            let mut seal = [0; SEAL_LEN];
            if self.read(&mut seal, damaged + (HEADER_LEN + SALT_LEN) as u64)?
                && matches!(
                    self.read_frame(next, self.frames + lost, &seal),
                    Ok(Read::Frame { .. } | Read::Newer)
                )
            {
                (self.frames, self.end, self.previous) = (self.frames + lost, next, seal);
                return Ok(Ok(lost));
            }
            (damaged, lost) = (next, lost + 1);
        }
    }

    /// Where a frame begins behind `offset` that was written after everything before it was synced.
    pub(super) fn synced_frame_behind(&self, offset: u64) -> Result<Option<u64>> {
        self.frame_behind(offset, self.allocated, true)
    }

    fn frame_behind(&self, offset: u64, limit: u64, synced: bool) -> Result<Option<u64>> {
        let mut buf = vec![0u8; 64 * 1024];
        let mut at = offset + STEP as u64;
        while at + (HEADER_LEN as u64) <= limit {
            let n = buf.len().min(usize::try_from(limit - at).unwrap_or(usize::MAX));
            if !self.read(&mut buf[..n], at)? {
                break;
            }
            for (i, bytes) in (0u64..).zip(buf[..n].chunks_exact(STEP)) {
                if is_header(bytes) && (!synced || bytes[6] & FLAG_AFTER_UNSYNCED == 0) {
                    return Ok(Some(at + i * STEP as u64));
                }
            }
            at += n as u64;
        }
        Ok(None)
    }

    /// Whether the commitment of a front fits its header, salt and place.
    fn fits(&self, front: &[u8; FRONT_LEN], number: u64, previous: &Seal) -> Result<bool> {
        if !is_header(&front[..HEADER_LEN]) {
            return Ok(false);
        }
        let (header, salt) = (&front[..HEADER_LEN], &front[HEADER_LEN..HEADER_LEN + SALT_LEN]);
        Ok(self.one_time(header, salt, number, previous)?.fits(&seal_of(front)))
    }

    fn text(&self, front: &[u8; FRONT_LEN], offset: u64) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(len) = text_len(&front[..HEADER_LEN])? else { return Ok(None) };
        let from = offset + FRONT_LEN as u64;
        if from + len as u64 > self.allocated {
            return Ok(None);
        }
        let mut text = Zeroizing::new(vec![0; len]);
        Ok(self.read(&mut text, from)?.then_some(text))
    }

    /// Opens a frame with a turned bit; if that is right, writes it back.
    fn mended(
        &self,
        front: [u8; FRONT_LEN],
        text: Zeroizing<Vec<u8>>,
        offset: u64,
        number: u64,
        previous: &Seal,
    ) -> Result<Option<Read>> {
        let whole = [&front[..], &text].concat();
        let Some(read) = self.open_frame(&front, text, offset, number, previous)? else { return Ok(None) };
        // What can't be mended is met again by the next opening.
        let _ = self.file.write_at(&whole, offset).and_then(|()| self.file.sync());
        Ok(Some(read))
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// Whether a bit of a front belongs to the tag, which only opening tests.
const fn is_tag(bit: usize) -> bool {
    bit / 8 >= FRONT_LEN - 16
}

fn seal_of(front: &[u8; FRONT_LEN]) -> Seal {
    let mut seal = [0; SEAL_LEN];
    seal.copy_from_slice(&front[HEADER_LEN + SALT_LEN..]);
    seal
}

#[cfg(test)]
mod tests {
    use crate::crypto::{Key, Keys, OsEntropy};
    use crate::error::ErrorKind;
    use crate::id::{FileId, StoreId};
    use crate::journal::{FRONT_LEN, FrameKind, Journal, PAD, Replay, path};
    use crate::vfs::{MemoryVfs, Vfs};
    use std::path::Path;

    const STORE: StoreId = StoreId([1; 16]);
    const ID: FileId = FileId([2; 16]);
    const FRAME: usize = FRONT_LEN + PAD;

    fn key() -> Key {
        Keys::new().insert(&[9; 32]).unwrap()
    }

    /// Three frames, each synced.
    fn disk() -> MemoryVfs {
        let vfs = MemoryVfs::new();
        let mut j = Journal::create(&vfs, Path::new("/s"), STORE, ID, key()).unwrap();
        for payload in [b"one", b"two", b"six"] {
            j.append(&OsEntropy, FrameKind::Batch, payload).unwrap();
            j.sync().unwrap();
        }
        vfs
    }

    fn replay(vfs: &MemoryVfs) -> crate::error::Result<Replay> {
        Journal::replay(vfs, Path::new("/s"), STORE, ID, key())
    }

    fn with(vfs: &MemoryVfs, change: impl FnOnce(&mut [u8])) {
        let mut bytes = vfs.snapshot()[&path(Path::new("/s"), ID)].clone();
        change(&mut bytes);
        vfs.open(&path(Path::new("/s"), ID)).unwrap().write_at(&bytes, 0).unwrap();
    }

    #[test]
    fn every_single_wrong_bit_is_set_right() {
        let vfs = disk();
        let whole = vfs.snapshot();
        for bit in (0..3 * FRAME * 8).step_by(37) {
            with(&vfs, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let r = replay(&vfs).unwrap();
            assert_eq!(r.frames.len(), 3, "bit {bit}");
            assert!(!r.torn);
            assert_eq!(vfs.snapshot(), whole, "bit {bit} is mended");
        }
    }

    #[test]
    fn a_lost_front_with_frames_behind_it_is_damage() {
        for frame in 0..2 {
            let vfs = disk();
            with(&vfs, |bytes| bytes[frame * FRAME..][..FRAME].fill(0));
            assert_eq!(replay(&vfs).err().unwrap().kind(), ErrorKind::Corrupt, "frame {frame}");
        }
        let vfs = disk();
        with(&vfs, |bytes| bytes[2 * FRAME..][..FRONT_LEN].fill(0));
        let r = replay(&vfs).unwrap();
        assert!(r.frames.len() == 2 && r.torn);
    }
}
