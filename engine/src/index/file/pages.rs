//! Sealed pages of an index file: sealed and written, read and opened, and set right where they don't.

use std::path::Path;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::crypto::stack::{burn_long_hash, wipe};
use crate::error::{Error, ErrorKind, Result};
use crate::index::file::{Encoded, IndexFile, file_name};
use crate::index::page::{self, PAGE_LEN, PageFile, TEXT_LEN};
use crate::index::shared::{self, Hands};
use crate::parity::{Encoder, Page, ParityFile, pages_for};
use crate::vfs::Vfs;

/// Bytes of text that one thread takes at a time.
const PIECE_LEN: usize = shared::PAGES * TEXT_LEN;

/// Digest of a plaintext, whole pages, to compare with what reads back: the BLAKE3 hash of those of its
/// pieces, which so many threads make.
pub(super) fn digest(text: &Encoded, hands: Hands) -> Result<Zeroizing<[u8; 32]>> {
    let mut hashes = Zeroizing::new(vec![[0u8; 32]; text.len().div_ceil(PIECE_LEN)]);
    let jobs = (0..text.len()).step_by(PIECE_LEN).zip(hashes.iter_mut()).map(Ok);
    let rooms = Rooms::default();
    shared::share(hands, jobs, |(from, hash)| {
        let mut piece = rooms.take(PIECE_LEN.min(text.len() - from));
        text.copy_to(from, &mut piece);
        *hash = piece_hash(&piece);
        rooms.give(piece);
        Ok(())
    })?;
    Ok(digest_of(&hashes))
}

/// Memory for some pages at a time, used again and again: memory that is given back to the system and
/// asked for anew each time costs more than what is done in it. Wiped on drop.
#[derive(Default)]
struct Rooms(Mutex<Vec<Zeroizing<Vec<u8>>>>);

impl Rooms {
    /// Room for so many bytes, with whatever was there before.
    fn take(&self, len: usize) -> Zeroizing<Vec<u8>> {
        let used = self.0.lock().pop();
        // No more than the sealed pages of a piece.
        let mut room = used.unwrap_or_else(|| Zeroizing::new(Vec::with_capacity(shared::PAGES * PAGE_LEN)));
        room.resize(len, 0);
        room
    }

    fn give(&self, room: Zeroizing<Vec<u8>>) {
        self.0.lock().push(room);
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.0.get_mut().iter_mut().for_each(wipe);
    }
}

fn piece_hash(text: &[u8]) -> [u8; 32] {
    let hash = *blake3::hash(text).as_bytes();
    burn_long_hash();
    hash
}

fn digest_of(hashes: &[[u8; 32]]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(piece_hash(hashes.as_flattened()))
}

/// Seals a plaintext, whole pages, into a new file.
pub(crate) fn write_text(
    vfs: &dyn Vfs,
    dir: &Path,
    of: PageFile,
    key: &[u8; 32],
    text: &Encoded,
    hands: Hands,
) -> Result<u32> {
    let name = file_name(of.file);
    let pages = page_count(text.len())?;
    let mut out = vec![0; (pages as usize + pages_for(pages.into()) as usize) * PAGE_LEN];
    let (data, parity_pages) = out.split_at_mut(pages as usize * PAGE_LEN);
    let jobs = (0u32..).step_by(shared::PAGES).zip(data.chunks_mut(shared::PAGES * PAGE_LEN));
    shared::share(hands, jobs.map(Ok), |(first, pages)| {
        (first..).zip(pages.as_chunks_mut().0).try_for_each(|(number, page)| {
            text.copy_to(number as usize * TEXT_LEN, page::text_mut(page));
            page::seal_in_place(of, key, number, page)
        })
    })?;
    let mut parity = Encoder::new(pages.into());
    parity.update(data);
    parity_pages.copy_from_slice(&parity.finish());
    let disk = vfs.create(&dir.join(&name)).map_err(|e| Error::io(format!("create {name}"), e))?;
    disk.write_at(&out, 0).map_err(|e| Error::io(format!("write {name}"), e))?;
    disk.sync().map_err(|e| Error::io(format!("sync {name}"), e))?;
    Ok(pages)
}

impl IndexFile {
    /// Bytes of the pages' texts. Pages are copied, and the copies are opened.
    pub(super) fn text(&self, offset: u64, len: u64) -> Result<Zeroizing<Vec<u8>>> {
        let held = self.held.read();
        let range = offset as usize..(offset + len) as usize;
        if let Some(part) = held.as_ref().and_then(|held| held.get(range)) {
            return Ok(Zeroizing::new(part.to_vec()));
        }
        drop(held);
        let mut text = Zeroizing::new(Vec::with_capacity(len as usize));
        let mut page = Zeroizing::new([0u8; PAGE_LEN]);
        let end = offset + len;
        let mut at = offset;
        while at < end {
            let number = at / TEXT_LEN as u64;
            let from = (at % TEXT_LEN as u64) as usize;
            let to = TEXT_LEN.min(from + (end - at) as usize);
            let opened = self.page(number as u32, &mut page)?;
            text.extend_from_slice(&opened[from..to]);
            at += (to - from) as u64;
        }
        Ok(text)
    }

    /// Bytes of the pages' texts at several places, each an offset and a length, as they stand in the
    /// file, without rescue; so many threads open them.
    pub(super) fn texts_shared(
        &self,
        places: &[(u64, u64)],
        hands: Hands,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>> {
        let first = |offset: u64| offset / TEXT_LEN as u64;
        let pages = |(offset, len): &(u64, u64)| (offset + len).div_ceil(TEXT_LEN as u64) - first(*offset);
        let room = |place| Zeroizing::new(vec![0u8; pages(place) as usize * TEXT_LEN]);
        let mut texts: Vec<_> = places.iter().map(room).collect();
        let pieces = texts.iter_mut().zip(places).flat_map(|(text, (offset, _))| {
            let numbers = (first(*offset) as u32..).step_by(shared::PAGES);
            numbers.zip(text.chunks_mut(PIECE_LEN)).map(|(number, out)| (number, out.len() / TEXT_LEN, out))
        });
        self.open_pieces(
            pieces,
            hands,
            |_| (),
            |out, pages| {
                for (out, page) in out.chunks_exact_mut(TEXT_LEN).zip(pages) {
                    out.copy_from_slice(page::text(page));
                }
            },
        )?;
        for (text, (offset, len)) in texts.iter_mut().zip(places) {
            let from = (offset - first(*offset) * TEXT_LEN as u64) as usize;
            if from > 0 {
                text.copy_within(from..from + *len as usize, 0);
            }
            // Not cut to its length: what stands behind it is wiped with it.
            text.truncate(*len as usize);
        }
        Ok(texts)
    }

    /// The digest of the text of all pages as they stand in the file; see [`digest`]. No more of it
    /// than some pages is in memory at once.
    pub(super) fn digest_shared(
        &self,
        hands: Hands,
        each: impl FnMut(&[u8]) + Send,
    ) -> Result<Zeroizing<[u8; 32]>> {
        let pages = self.table().pages as usize;
        let mut hashes = Zeroizing::new(vec![[0u8; 32]; pages.div_ceil(shared::PAGES)]);
        let firsts = (0..pages).step_by(shared::PAGES);
        let pieces =
            firsts.map(|first| (first as u32, (pages - first).min(shared::PAGES))).zip(hashes.iter_mut());
        let pieces = pieces.map(|((first, count), hash)| (first, count, hash));
        let texts = Rooms::default();
        self.open_pieces(pieces, hands, each, |hash, pages| {
            let mut text = texts.take(pages.len() * TEXT_LEN);
            for (text, page) in text.chunks_exact_mut(TEXT_LEN).zip(pages) {
                text.copy_from_slice(page::text(page));
            }
            *hash = piece_hash(&text);
            texts.give(text);
        })?;
        Ok(digest_of(&hashes))
    }

    /// Opens pages as they stand in the file, some at a time: each piece says which is the first and how
    /// many they are, and `put` is given them with it. They are read in order, and `each` sees them as
    /// they were read; so many threads open them.
    fn open_pieces<T>(
        &self,
        pieces: impl Iterator<Item = (u32, usize, T)> + Send,
        hands: Hands,
        mut each: impl FnMut(&[u8]) + Send,
        put: impl Fn(T, &[[u8; PAGE_LEN]]) + Sync,
    ) -> Result<()> {
        let rooms = Rooms::default();
        let jobs = pieces.map(|(number, count, piece)| {
            let mut pages = rooms.take(count * PAGE_LEN);
            for (number, page) in (number..).zip(pages.as_chunks_mut().0) {
                self.read(number, page)?;
            }
            each(&pages);
            Ok((number, pages, piece))
        });
        shared::share(hands, jobs, |(number, mut pages, piece)| {
            let all = pages.as_chunks_mut().0;
            for (number, page) in (number..).zip(all.iter_mut()) {
                self.open_in_place(number, page)?;
            }
            put(piece, all);
            rooms.give(pages);
            Ok(())
        })
    }

    /// Opens a page; one that was lost or has a wrong bit is set right in memory and counted.
    fn page<'a>(&self, number: u32, page: &'a mut [u8; PAGE_LEN]) -> Result<&'a [u8]> {
        match self.page_as_it_is(number, page) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Io | ErrorKind::Unsupported) => {
                self.rescue_into(number, page)?.ok_or_else(|| lost(number, &e))?;
                self.repairs.count();
            }
            Err(e) => return Err(e),
        }
        Ok(page::text(page))
    }

    /// Whether a page opens as it stands in the file.
    pub(crate) fn check_page(&self, number: u32) -> Result<()> {
        self.page_as_it_is(number, &mut Zeroizing::new([0u8; PAGE_LEN]))
    }

    /// The file with its parity.
    pub(crate) fn parity_file(&self) -> &ParityFile {
        &self.file
    }

    /// Opens a page as it stands in the file.
    fn page_as_it_is(&self, number: u32, page: &mut [u8; PAGE_LEN]) -> Result<()> {
        self.read(number, page)?;
        self.open_in_place(number, page)
    }

    pub(super) fn read(&self, number: u32, page: &mut [u8; PAGE_LEN]) -> Result<()> {
        self.file
            .read(page, u64::from(number) * PAGE_LEN as u64)
            .map_err(|e| Error::io(format!("read file {} page {number}", self.name()), e))
    }

    pub(super) fn open_in_place(&self, number: u32, page: &mut [u8; PAGE_LEN]) -> Result<()> {
        self.pages_opened.fetch_add(1, Ordering::Relaxed);
        let opened = self.key.with(|key| page::open(self.of, key, number, page).map(|_| ())).flatten();
        opened.map_err(|e| e.context(format!("file {} page {number}", self.name())))
    }

    /// What a page was that doesn't open: by its parity, which is cheap, then by turning each bit.
    /// Both are proved by the seal.
    pub(crate) fn rescue(&self, number: u32) -> Result<Option<Page>> {
        self.rescue_into(number, &mut Zeroizing::new([0u8; PAGE_LEN]))
    }

    /// The same, which leaves the page opened in `opened`: there, for the caller wipes it.
    fn rescue_into(&self, number: u32, opened: &mut [u8; PAGE_LEN]) -> Result<Option<Page>> {
        if let Ok(page) = self.file.reconstruct(number.into()) {
            *opened = *page;
            if self.open_in_place(number, opened).is_ok() {
                return Ok(Some(page));
            }
        }
        let Ok(mut page) = self.file.page(number.into()) else { return Ok(None) };
        if !self.key.with(|key| page::set_bit_right(self.of, key, number, &mut page))? {
            return Ok(None);
        }
        *opened = *page;
        self.open_in_place(number, opened)?;
        Ok(Some(page))
    }
}

/// What neither parity nor a bit brings back; an error of the system counts as loss then. Only the first
/// page can say that the file is of a newer format: all others have its version.
fn lost(number: u32, e: &Error) -> Error {
    let newer = number == 0 && e.kind() == ErrorKind::Unsupported;
    let kind = if newer { ErrorKind::Unsupported } else { ErrorKind::Corrupt };
    Error::new(kind, e.to_string())
        .hint("run `escrow verify --repair`; what can't be repaired must come from a backup")
}

/// Pages of a text.
pub(super) fn page_count(text_len: usize) -> Result<u32> {
    u32::try_from(text_len / TEXT_LEN).map_err(|_| Error::invalid("an index file is over its limit"))
}
