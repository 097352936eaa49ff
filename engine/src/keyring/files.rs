//! The two page files. Page `i` stands at `i * 4096` in both, with the same bytes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::StoreId;
use crate::keyring::page::{self, Lock, PAGE_LEN};
use crate::keyring::rescue;
use crate::vfs::{Vfs, VfsFile};

/// Names of the two files in the store's folder.
pub const PAGE_FILES: [&str; 2] = ["keyring.a", "keyring.b"];

pub(super) struct Files {
    copies: [Box<dyn VfsFile>; 2],
    store: StoreId,
    repaired: AtomicU64,
}

/// A page read from one copy: its bytes and its text.
pub(super) struct Opened {
    pub(super) raw: Vec<u8>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What became of a page of which a copy was bad.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mended {
    /// Both copies were good.
    Whole,
    /// So many copies were bad and were written anew.
    Rewritten(u64),
    /// Copies are bad and were left so.
    Bad {
        /// The first of them.
        copy: usize,
        /// The other too: the page was had from what is good in each.
        both: bool,
    },
}

impl Files {
    pub(super) fn create(vfs: &dyn Vfs, dir: &Path, store: StoreId) -> Result<Self> {
        let make =
            |name: &str| vfs.create(&dir.join(name)).map_err(|e| Error::io(format_args!("create {name}"), e));
        Ok(Self { copies: [make(PAGE_FILES[0])?, make(PAGE_FILES[1])?], store, repaired: AtomicU64::new(0) })
    }

    /// Opens both. If one is missing it is made empty: its pages are written anew as they are met.
    pub(super) fn open(vfs: &dyn Vfs, dir: &Path, store: StoreId) -> Result<Self> {
        let there = |name: &str| {
            vfs.exists(&dir.join(name)).map_err(|e| Error::io(format_args!("look for {name}"), e))
        };
        let any = there(PAGE_FILES[0])? || there(PAGE_FILES[1])?;
        let get = |name: &str| {
            let path = dir.join(name);
            let file = if there(name)? || !any { vfs.open(&path) } else { vfs.create(&path) };
            file.map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Error::corrupt(format!("{name} is missing")),
                _ => Error::io(format_args!("open {name}"), e),
            })
        };
        Ok(Self { copies: [get(PAGE_FILES[0])?, get(PAGE_FILES[1])?], store, repaired: AtomicU64::new(0) })
    }

    pub(super) fn store(&self) -> StoreId {
        self.store
    }

    /// How many bad copies were written anew.
    pub(super) fn repaired(&self) -> u64 {
        self.repaired.load(Ordering::Relaxed)
    }

    /// The text of a page from whichever copy is good, or from both; a bad first copy is mended if
    /// asked.
    pub(super) fn read(&self, place: u32, lock: Lock<'_>, repair: bool) -> Result<Zeroizing<Vec<u8>>> {
        let first = match self.read_copy(0, place, lock) {
            Ok(opened) => return Ok(opened.body),
            Err(e) => e,
        };
        let (opened, bad) = match self.read_copy(1, place, lock) {
            Ok(opened) => (opened, 1),
            Err(second) => (self.rescue(place, lock).ok_or_else(|| lost(place, &first, &second))?, 2),
        };
        if repair {
            for copy in &self.copies[..bad] {
                // A failure to mend is no failure to read; the bad copy is met again.
                if copy.write_at(&opened.raw, offset(place)).is_ok() {
                    self.repaired.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(opened.body)
    }

    /// The text of a page after looking at both copies.
    pub(super) fn read_both(
        &self,
        place: u32,
        lock: Lock<'_>,
        repair: bool,
    ) -> Result<(Zeroizing<Vec<u8>>, Mended)> {
        let (bad, good) = match (self.read_copy(0, place, lock), self.read_copy(1, place, lock)) {
            (Ok(a), Ok(b)) if a.raw == b.raw => return Ok((a.body, Mended::Whole)),
            (Ok(a), _) => (1..2, a),
            (Err(_), Ok(b)) => (0..1, b),
            (Err(a), Err(b)) => (0..2, self.rescue(place, lock).ok_or_else(|| lost(place, &a, &b))?),
        };
        if !repair {
            return Ok((good.body, Mended::Bad { copy: bad.start, both: bad.len() == 2 }));
        }
        for (copy, name) in self.copies.iter().zip(PAGE_FILES).take(bad.end).skip(bad.start) {
            copy.write_at(&good.raw, offset(place))
                .map_err(|e| Error::io(format_args!("mend {name} page {place}"), e))?;
        }
        let mended = bad.len() as u64;
        self.repaired.fetch_add(mended, Ordering::Relaxed);
        Ok((good.body, Mended::Rewritten(mended)))
    }

    /// A page that opens in neither copy.
    fn rescue(&self, place: u32, lock: Lock<'_>) -> Option<Opened> {
        let copies: Vec<_> = (0..self.copies.len()).filter_map(|copy| self.raw(copy, place).ok()).collect();
        rescue::rescue(&copies, lock, self.store, place)
    }

    /// Makes room for `pages` pages.
    pub(super) fn reserve(&self, pages: u32) -> Result<()> {
        // What the file has is reserved; to reserve it again is work that grows with it.
        self.each("reserve room in", |f| {
            if f.len()? < offset(pages) { f.allocate(offset(pages)) } else { Ok(()) }
        })
    }

    /// Writes pages (numbers ascending, bytes in the same order), runs of neighbours at once.
    pub(super) fn write(&self, places: &[u32], bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for run in places.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            let (piece, more) = rest
                .split_at_checked(run.len() * PAGE_LEN)
                .ok_or_else(|| Error::invalid("keyring: a page to write has no bytes"))?;
            pieces.push((offset(run[0]), piece));
            rest = more;
        }
        let [a, b] = &self.copies;
        for (result, name) in a.write_with(b.as_ref(), &pieces).into_iter().zip(PAGE_FILES) {
            result.map_err(|e| Error::io(format_args!("write {name}"), e))?;
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<()> {
        let [a, b] = &self.copies;
        for (result, name) in a.sync_with(b.as_ref()).into_iter().zip(PAGE_FILES) {
            result.map_err(|e| Error::io(format_args!("sync {name}"), e))?;
        }
        Ok(())
    }

    pub(super) fn evict(&self) -> Result<()> {
        self.each("evict", |f| f.evict())
    }

    fn each(&self, what: &str, f: impl Fn(&dyn VfsFile) -> std::io::Result<()>) -> Result<()> {
        for (copy, name) in self.copies.iter().zip(PAGE_FILES) {
            f(copy.as_ref()).map_err(|e| Error::io(format_args!("{what} {name}"), e))?;
        }
        Ok(())
    }

    fn read_copy(&self, copy: usize, place: u32, lock: Lock<'_>) -> Result<Opened> {
        let raw = self.raw(copy, place)?;
        let body = page::open(&raw, lock, self.store, place)?;
        Ok(Opened { raw, body })
    }

    fn raw(&self, copy: usize, place: u32) -> Result<Vec<u8>> {
        let mut raw = vec![0; PAGE_LEN];
        self.copies[copy].read_exact_at(&mut raw, offset(place)).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::corrupt("the file ends before it"),
            _ => Error::io("read", e),
        })?;
        Ok(raw)
    }
}

fn offset(place: u32) -> u64 {
    u64::from(place) * PAGE_LEN as u64
}

fn lost(place: u32, a: &Error, b: &Error) -> Error {
    let kind = match (a.kind(), b.kind()) {
        (ErrorKind::Io, ErrorKind::Io) => ErrorKind::Io,
        (ErrorKind::Unsupported, ErrorKind::Unsupported) => ErrorKind::Unsupported,
        _ => ErrorKind::Corrupt,
    };
    let message = format!("{} page {place}: {a}; {} page {place}: {b}", PAGE_FILES[0], PAGE_FILES[1]);
    match kind {
        ErrorKind::Unsupported => Error::newer(message),
        kind => Error::new(kind, message).hint("restore the keyring from a backup"),
    }
}
