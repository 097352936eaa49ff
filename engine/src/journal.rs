//! Journals: where a record is written first, to be safe.
//!
//! A journal is a preallocated file of frames. Grammar:
//!
//! ```text
//! journal = *frame zeros
//! frame   = header(16) salt(16) seal(48) ciphertext(padded length)
//! header  = "EJF1" version(1) algorithm(1) flags(2) padded-length(4) 0(4)
//! text    = length(4) payload zeros        ; a multiple of 256 bytes
//! payload = 0x01 batch | 0x02 opened | 0x03 closed
//! ```
//!
//! The key of a frame is derived from the journal's key and the frame's salt; header, store,
//! file, frame number and the previous frame's seal are associated data, so no frame can be
//! moved, left out or put first. One frame is written and synced at a time: one wrong bit of a
//! frame is set right; else a frame that does not open and is followed by none was never
//! acknowledged (a torn write); one that is followed by another is damage and is reported. Only
//! frames with flag 1 were written before the frames in front of them were synced (the caller chose
//! so): after a power cut one may stand where its predecessor was lost, and both are left out.
//!
//! The marks `opened` and `closed` tell a clean stop from an unclean one: after an unclean stop a
//! frame may have been written and lost again, and might mention anybody, so recovery gives both
//! journals fresh keys.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::crypto::{Entropy, Key, Label, OneTime, SEAL_LEN, Seal, derive, hedged};
use crate::error::{Error, Result};
use crate::id::{FileId, StoreId};
use crate::vfs::{Vfs, VfsFile};

mod header;
pub mod parity;
mod replay;
mod rescue;

use header::{HEADER_LEN, has_known_flags, header, text_len};
pub use replay::Replay;

const SALT_LEN: usize = 16;
/// Bytes before the ciphertext.
const FRONT_LEN: usize = HEADER_LEN + SALT_LEN + SEAL_LEN;
/// Texts are padded to a multiple of this.
const PAD: usize = 256;
/// Largest padded text; a batch over it is refused before it is written.
pub const TEXT_LEN_MAX: usize = 64 * 1024 * 1024;
/// The file grows by this much ahead of the writes.
const ALLOCATE_STEP: u64 = 4 * 1024 * 1024;
/// Room that a new journal reserves.
const ALLOCATE_FIRST: u64 = 64 * 1024;

/// A journal open for appending.
pub struct Journal {
    file: Box<dyn VfsFile>,
    id: FileId,
    store: StoreId,
    key: Key,
    frames: u64,
    end: u64,
    allocated: u64,
    previous: Seal,
    /// Whether every frame written is durable.
    synced: bool,
    /// Whether a write or a sync failed.
    broken: bool,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Records.
    Batch = 1,
    /// The store was opened for writing.
    Opened = 2,
    /// The store was closed cleanly.
    Closed = 3,
}

/// A frame that was opened.
pub struct Frame {
    /// What it says.
    pub kind: FrameKind,
    /// Its payload without the kind.
    pub payload: Zeroizing<Vec<u8>>,
}

/// An error if a payload of this length is too long for a frame.
pub fn check_batch_len(len: usize) -> Result<()> {
    if len > TEXT_LEN_MAX - (4 + 1) {
        return Err(Error::invalid(format!("a batch of {len} bytes is over the limit of {TEXT_LEN_MAX}"))
            .hint("append fewer records at once"));
    }
    Ok(())
}

/// Path of a journal in a store's folder.
pub fn path(dir: &Path, id: FileId) -> PathBuf {
    dir.join(format!("{id}.jrn"))
}

impl Journal {
    /// Creates an empty journal and syncs it; the caller syncs the folder.
    pub fn create(vfs: &dyn Vfs, dir: &Path, store: StoreId, id: FileId, key: Key) -> Result<Self> {
        let io = |e| Error::io(format!("create journal {id}.jrn"), e);
        let file = vfs.create(&path(dir, id)).map_err(io)?;
        file.allocate(ALLOCATE_FIRST).map_err(io)?;
        file.sync().map_err(io)?;
        Ok(Self {
            file,
            id,
            store,
            key,
            frames: 0,
            end: 0,
            allocated: ALLOCATE_FIRST,
            previous: [0; SEAL_LEN],
            synced: true,
            broken: false,
        })
    }

    /// Writes the mark `closed`, and before it the parity of the journal with that mark. A disk
    /// that has no room for parity is no reason not to close.
    pub fn close(&mut self, vfs: &dyn Vfs, dir: &Path, entropy: &dyn Entropy) -> Result<()> {
        self.sync()?;
        let (frame, seal) = self.seal_frame(entropy, FrameKind::Closed, &[])?;
        let ends = [self.end + frame.len() as u64, self.frames + 1];
        if parity::write(vfs, dir, self.id, &*self.file, &frame, ends).is_err() {
            self.remove_parity(vfs, dir)?;
        }
        self.write_frame(&frame, seal)?;
        self.sync()
    }

    /// Writes the mark `opened`. The parity of the last closing goes first: as long as it stands,
    /// nothing stands behind what it counts.
    pub fn mark_opened(&mut self, vfs: &dyn Vfs, dir: &Path, entropy: &dyn Entropy) -> Result<()> {
        self.remove_parity(vfs, dir)?;
        self.append(entropy, FrameKind::Opened, &[])?;
        self.sync()
    }

    fn remove_parity(&self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let io = |e| Error::io(format!("remove {}.par", self.id), e);
        match vfs.remove(&parity::path(dir, self.id)) {
            Ok(()) => vfs.sync_dir(dir).map_err(io),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(io(e)),
        }
    }

    /// How many frames from the first on open with a key, and nothing else about the file.
    pub fn frames_opened_by(vfs: &dyn Vfs, dir: &Path, store: StoreId, id: FileId, key: Key) -> Result<u64> {
        let mut journal = Self::open(vfs, dir, store, id, key)?;
        while let Read::Frame { seal, end, .. } =
            journal.read_frame(journal.end, journal.frames, &journal.previous)?
        {
            (journal.frames, journal.end, journal.previous) = (journal.frames + 1, end, seal);
        }
        Ok(journal.frames)
    }

    /// An open file of which nothing is read yet.
    fn open(vfs: &dyn Vfs, dir: &Path, store: StoreId, id: FileId, key: Key) -> Result<Self> {
        let io = |e| Error::io(format!("open journal {id}.jrn"), e);
        let file = vfs.open(&path(dir, id)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::corrupt(format!("journal {id}.jrn is missing")).hint(
                "restore the file from a backup, for acknowledged records stand in it; or give up what it \
                     held: `escrow verify --repair --accept-losses`",
            ),
            _ => io(e),
        })?;
        // After a kill the frames may stand in the cache only.
        file.sync().map_err(io)?;
        let allocated = file.len().map_err(io)?;
        let previous = [0; SEAL_LEN];
        Ok(Self { file, id, store, key, frames: 0, end: 0, allocated, previous, synced: true, broken: false })
    }

    /// Name of the file.
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// Uses another handle of the same key, from the arena of a new key tree.
    pub fn rekey(&mut self, key: Key) {
        self.key = key;
    }

    /// Frames written.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of frames written.
    pub const fn len(&self) -> u64 {
        self.end
    }

    /// Whether no frame was written.
    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Whether a write or a sync failed: what the file holds behind its last synced frame is not
    /// known, and it must not be used again.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Seals a frame and writes it. After an error see [`Self::is_broken`].
    pub fn append(&mut self, entropy: &dyn Entropy, kind: FrameKind, payload: &[u8]) -> Result<()> {
        let (frame, seal) = self.seal_frame(entropy, kind, payload)?;
        self.write_frame(&frame, seal)
    }

    /// The next frame, sealed.
    fn seal_frame(&self, entropy: &dyn Entropy, kind: FrameKind, payload: &[u8]) -> Result<(Vec<u8>, Seal)> {
        check_batch_len(payload.len())?;
        let text_len = (4 + 1 + payload.len()).next_multiple_of(PAD);
        let mut frame = vec![0u8; FRONT_LEN + text_len];
        frame[..HEADER_LEN].copy_from_slice(&header(text_len as u32, !self.synced));
        let (front, text) = frame.split_at_mut(FRONT_LEN);
        text[..4].copy_from_slice(&((payload.len() + 1) as u32).to_le_bytes());
        text[4] = kind as u8;
        text[5..5 + payload.len()].copy_from_slice(payload);
        let salt: [u8; SALT_LEN] = self
            .key
            .with(|key| hedged(entropy, key, text))?
            .map_err(|e| Error::io("read the random generator", e))?;
        let seal = self.one_time(&front[..HEADER_LEN], &salt, self.frames, &self.previous)?.seal(text)?;
        front[HEADER_LEN..HEADER_LEN + SALT_LEN].copy_from_slice(&salt);
        front[HEADER_LEN + SALT_LEN..FRONT_LEN].copy_from_slice(&seal);
        Ok((frame, seal))
    }

    fn write_frame(&mut self, frame: &[u8], seal: Seal) -> Result<()> {
        let io = |e| Error::io(format!("write journal {}.jrn", self.id), e);
        let end = self.end + frame.len() as u64;
        if end > self.allocated {
            // Ahead of the writes, or, on a disk that is nearly full, just enough.
            let (ahead, enough) = (end.next_multiple_of(ALLOCATE_STEP), end.next_multiple_of(4096));
            self.allocated = match self.file.allocate(ahead) {
                Ok(()) => ahead,
                Err(_) => self.file.allocate(enough).map(|()| enough).map_err(io)?,
            };
        }
        self.broken = true;
        self.file.write_at(frame, self.end).map_err(io)?;
        self.broken = false;
        self.frames += 1;
        self.end = end;
        self.previous = seal;
        self.synced = false;
        Ok(())
    }

    /// Makes the frames durable.
    pub fn sync(&mut self) -> Result<()> {
        if !self.synced {
            self.broken = true;
            self.file.sync().map_err(|e| Error::io(format!("sync journal {}.jrn", self.id), e))?;
            (self.synced, self.broken) = (true, false);
        }
        Ok(())
    }

    fn one_time(&self, header: &[u8], salt: &[u8], number: u64, previous: &Seal) -> Result<OneTime> {
        let mut aad = Vec::with_capacity(HEADER_LEN + 16 + 16 + 8 + SEAL_LEN);
        aad.put_bytes(header);
        aad.put_bytes(&self.store.0);
        aad.put_bytes(&self.id.0);
        aad.put_u64(number);
        aad.put_bytes(previous);
        self.key.with(|key| derive(Label::JournalFrame, &[key], salt, &aad))
    }

    fn read_frame(&self, offset: u64, number: u64, previous: &Seal) -> Result<Read> {
        let mut front = [0u8; FRONT_LEN];
        if !self.read(&mut front, offset)? {
            return Ok(Read::Nothing);
        }
        let Some(text_len) = text_len(&front[..HEADER_LEN])? else {
            let empty = front.iter().all(|b| *b == 0);
            return Ok(if empty { Read::Nothing } else { Read::Broken });
        };
        if offset + (FRONT_LEN + text_len) as u64 > self.allocated {
            return Ok(Read::Broken);
        }
        let mut text = Zeroizing::new(vec![0u8; text_len]);
        if !self.read(&mut text, offset + FRONT_LEN as u64)? {
            return Ok(Read::Broken);
        }
        Ok(self.open_frame(&front, text, offset, number, previous)?.unwrap_or(Read::Broken))
    }

    /// Opens what was read; `None` if it does not open.
    fn open_frame(
        &self,
        front: &[u8; FRONT_LEN],
        mut text: Zeroizing<Vec<u8>>,
        offset: u64,
        number: u64,
        previous: &Seal,
    ) -> Result<Option<Read>> {
        let (header, rest) = front.split_at(HEADER_LEN);
        let (salt, sealed) = rest.split_at(SALT_LEN);
        let mut seal = [0; SEAL_LEN];
        seal.copy_from_slice(sealed);
        if self.one_time(header, salt, number, previous)?.open(&seal, &mut text).is_err() {
            return Ok(None);
        }
        let end = offset + (FRONT_LEN + text.len()) as u64;
        if !has_known_flags(header) {
            return Ok(Some(Read::Newer));
        }
        Ok(Some(parse(&text)?.map_or(Read::Newer, |frame| Read::Frame { frame, seal, end })))
    }

    /// Fills `buf`; false if the file ends before.
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<bool> {
        match self.file.read_exact_at(buf, offset) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(Error::io(format!("read journal {}.jrn", self.id), e)),
        }
    }
}

enum Read {
    Frame {
        frame: Frame,
        seal: Seal,
        end: u64,
    },
    /// It opens, and a later version wrote it.
    Newer,
    Nothing,
    Broken,
}

/// What stands in a text; `None` if its kind is unknown.
fn parse(text: &[u8]) -> Result<Option<Frame>> {
    let mut r = Reader::new(text);
    let len = r.u32()? as usize;
    let mut payload = Reader::new(r.bytes(len)?);
    let kind = match payload.u8()? {
        1 => FrameKind::Batch,
        2 => FrameKind::Opened,
        3 => FrameKind::Closed,
        _ => return Ok(None),
    };
    Ok(Some(Frame { kind, payload: Zeroizing::new(payload.tail().to_vec()) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Keys, OsEntropy};
    use crate::error::ErrorKind;
    use crate::vfs::MemoryVfs;

    const STORE: StoreId = StoreId([1; 16]);
    const ID: FileId = FileId([2; 16]);

    fn key() -> Key {
        Keys::new().insert(&[9; 32]).unwrap()
    }

    fn dir() -> &'static Path {
        Path::new("/s")
    }

    fn with_frames(payloads: &[&[u8]]) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        let mut j = Journal::create(&vfs, dir(), STORE, ID, key()).unwrap();
        for p in payloads {
            j.append(&OsEntropy, FrameKind::Batch, p).unwrap();
            j.sync().unwrap();
        }
        vfs
    }

    fn replay(vfs: &MemoryVfs) -> Result<Replay> {
        Journal::replay(vfs, dir(), STORE, ID, key())
    }

    #[test]
    fn what_was_appended_is_replayed() {
        let vfs = with_frames(&[b"one", &vec![7; 70_000], b""]);
        let r = replay(&vfs).unwrap();
        let got: Vec<&[u8]> = r.frames.iter().map(|f| &f.payload[..]).collect();
        assert_eq!(got, [b"one".as_slice(), &vec![7; 70_000], b""]);
        assert!(!r.torn);
    }

    #[test]
    fn a_torn_last_frame_is_left_out_and_reported() {
        let vfs = with_frames(&[b"one", b"two"]);
        let file = vfs.open(&path(dir(), ID)).unwrap();
        let second = (FRONT_LEN + PAD) as u64;
        file.write_at(&[0xee; 16], second + FRONT_LEN as u64 + 3).unwrap();
        let r = replay(&vfs).unwrap();
        assert_eq!(r.frames.len(), 1);
        assert!(r.torn);
        assert_eq!(r.journal.len(), second);
    }

    #[test]
    fn a_damaged_frame_before_a_good_one_is_damage() {
        let vfs = with_frames(&[b"one", b"two"]);
        vfs.open(&path(dir(), ID)).unwrap().write_at(&[0xee; 16], FRONT_LEN as u64 + 3).unwrap();
        assert_eq!(replay(&vfs).err().unwrap().kind(), ErrorKind::Corrupt);
    }

    /// Frames that were written without a sync between them may reach the disk in any order. The
    /// second one alone is no damage: neither was promised to survive.
    #[test]
    fn an_unsynced_frame_behind_a_lost_one_is_left_out() {
        let vfs = MemoryVfs::new();
        let mut j = Journal::create(&vfs, dir(), STORE, ID, key()).unwrap();
        j.append(&OsEntropy, FrameKind::Batch, b"one").unwrap();
        j.sync().unwrap();
        for p in [b"two", b"six"] {
            j.append(&OsEntropy, FrameKind::Batch, p).unwrap();
        }
        let second = (FRONT_LEN + PAD) as u64;
        vfs.open(&path(dir(), ID)).unwrap().write_at(&[0; PAD], second + FRONT_LEN as u64).unwrap();
        let r = replay(&vfs).unwrap();
        assert_eq!(r.frames.len(), 1);
        assert!(r.torn);
    }

    #[test]
    fn a_frame_of_another_place_store_or_file_is_refused() {
        let vfs = with_frames(&[b"one", b"two"]);
        let other = Journal::replay(&vfs, dir(), StoreId([3; 16]), ID, key());
        assert_eq!(other.err().unwrap().kind(), ErrorKind::Corrupt);
        let file = vfs.open(&path(dir(), ID)).unwrap();
        let n = FRONT_LEN + PAD;
        let (mut a, mut b) = (vec![0; n], vec![0; n]);
        file.read_exact_at(&mut a, 0).unwrap();
        file.read_exact_at(&mut b, n as u64).unwrap();
        file.write_at(&b, 0).unwrap();
        file.write_at(&a, n as u64).unwrap();
        assert_eq!(replay(&vfs).err().unwrap().kind(), ErrorKind::Corrupt);
    }

    /// A frame with an unknown flag, number or kind was taken as torn, and what stood in it and
    /// behind it was gone without a word.
    #[test]
    fn a_frame_of_a_later_version_is_refused_and_not_torn() {
        for (at, byte) in [(6, 2), (7, 1), (12, 1), (15, 1), (FRONT_LEN + 4, 4)] {
            let vfs = MemoryVfs::new();
            let mut j = Journal::create(&vfs, dir(), STORE, ID, key()).unwrap();
            j.append(&OsEntropy, FrameKind::Batch, b"one").unwrap();
            let (mut frame, _) = j.seal_frame(&OsEntropy, FrameKind::Batch, b"two").unwrap();
            let (front, text) = frame.split_at_mut(FRONT_LEN);
            let (header, rest) = front.split_at_mut(HEADER_LEN);
            let (salt, seal) = rest.split_at_mut(SALT_LEN);
            let place = (j.frames, j.previous);
            let old: Seal = (&*seal).try_into().unwrap();
            j.one_time(header, salt, place.0, &place.1).unwrap().open(&old, text).unwrap();
            if at < HEADER_LEN {
                header[at] = byte
            } else {
                text[at - FRONT_LEN] = byte
            }
            let fresh = j.one_time(header, salt, place.0, &place.1).unwrap().seal(text).unwrap();
            seal.copy_from_slice(&fresh);
            j.write_frame(&frame, fresh).unwrap();
            for past_damage in [false, true] {
                let again = Journal::open(&vfs, dir(), STORE, ID, key()).unwrap();
                let refused = again.read_all(&vfs, dir(), past_damage).err().unwrap();
                assert_eq!(refused.kind(), ErrorKind::Unsupported, "{at}");
            }
        }
    }

    /// The parity of an earlier closing came back from a backup: what was written since that closing
    /// was taken for damage that costs nothing, and was gone.
    #[test]
    fn parity_of_an_earlier_closing_hides_nothing() {
        let vfs = MemoryVfs::new();
        let mut j = Journal::create(&vfs, dir(), STORE, ID, key()).unwrap();
        j.append(&OsEntropy, FrameKind::Batch, b"one").unwrap();
        j.close(&vfs, dir(), &OsEntropy).unwrap();
        let old = vfs.snapshot()[&parity::path(dir(), ID)].clone();
        j.mark_opened(&vfs, dir(), &OsEntropy).unwrap();
        j.append(&OsEntropy, FrameKind::Batch, b"two").unwrap();
        j.sync().unwrap();
        vfs.create(&parity::path(dir(), ID)).unwrap().write_at(&old, 0).unwrap();
        let r = replay(&vfs).unwrap();
        assert_eq!(r.frames.len(), 4);
        assert!(&r.frames[3].payload[..] == b"two" && !r.at_rest && !r.torn);
    }

    #[test]
    fn a_newer_version_is_refused() {
        let vfs = with_frames(&[b"one"]);
        vfs.open(&path(dir(), ID)).unwrap().write_at(&[2], 4).unwrap();
        assert_eq!(replay(&vfs).err().unwrap().kind(), ErrorKind::Unsupported);
    }
}
