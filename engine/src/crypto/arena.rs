//! The key arena: keys lie in pages that are locked in memory, left out of core dumps and wiped
//! in forked children, and are used by handle. One of the two files that may hold unsafe code.
//!
//! [`Keys::wipe`] zeroes every page and makes every handle given before it answer *revoked*; so
//! after an erasing commit no handle of the old key tree works, wherever it was kept.

#![expect(unsafe_code, reason = "mlock and madvise are unsafe calls; see the notes beside them")]

use std::sync::Arc;

use memmap2::MmapMut;
use parking_lot::Mutex;
use rustix::mm::{Advice, madvise, mlock};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a key.
pub const KEY_LEN: usize = 32;
/// Bytes of one chunk of the arena.
const CHUNK_LEN: usize = 16 * 1024;

/// An arena of keys. Clones share it.
#[derive(Clone, Default)]
pub struct Keys(Arc<Mutex<Arena>>);

/// Handle of a key in an arena; dropping it wipes the key.
pub struct Key {
    arena: Keys,
    place: usize,
    generation: u64,
}

#[derive(Default)]
struct Arena {
    chunks: Vec<MmapMut>,
    free: Vec<usize>,
    generation: u64,
    locked: bool,
}

impl Keys {
    /// An empty arena.
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies a key into the arena. The caller wipes its copy.
    pub fn insert(&self, key: &[u8; KEY_LEN]) -> Result<Key> {
        let mut arena = self.0.lock();
        let place = arena.take()?;
        arena.slot(place).copy_from_slice(key);
        Ok(Key { arena: self.clone(), place, generation: arena.generation })
    }

    /// Wipes every key and revokes every handle.
    pub fn wipe(&self) {
        let mut arena = self.0.lock();
        for chunk in &mut arena.chunks {
            chunk.zeroize();
        }
        arena.generation += 1;
        let places = arena.chunks.len() * (CHUNK_LEN / KEY_LEN);
        arena.free = (0..places).rev().collect();
    }

    /// Whether the operating system locks the arena's pages in memory.
    pub fn is_locked(&self) -> bool {
        self.0.lock().locked
    }
}

impl Key {
    /// Lends the key's bytes to `f`; the copy lent is wiped afterwards.
    pub fn with<R>(&self, f: impl FnOnce(&[u8; KEY_LEN]) -> R) -> Result<R> {
        let mut copy = Zeroizing::new([0u8; KEY_LEN]);
        {
            let mut arena = self.arena.0.lock();
            if arena.generation != self.generation {
                return Err(Error::new(ErrorKind::Revoked, "the key was destroyed by an erasure"));
            }
            copy.copy_from_slice(arena.slot(self.place));
        }
        Ok(f(&copy))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let mut arena = self.arena.0.lock();
        if arena.generation == self.generation {
            let place = self.place;
            arena.slot(place).zeroize();
            arena.free.push(place);
        }
    }
}

impl Arena {
    fn take(&mut self) -> Result<usize> {
        if let Some(place) = self.free.pop() {
            return Ok(place);
        }
        let chunk = MmapMut::map_anon(CHUNK_LEN).map_err(|e| Error::io("map memory for keys", e))?;
        let base = chunk.as_ptr().cast_mut().cast();
        // SAFETY: `base` and `CHUNK_LEN` are the whole mapping just made and still owned here.
        // Neither call changes its content. A refusal (small RLIMIT_MEMLOCK, old kernel) is no
        // error: `is_locked` reports it.
        self.locked = unsafe {
            let _ = madvise(base, CHUNK_LEN, Advice::LinuxDontDump);
            let _ = madvise(base, CHUNK_LEN, Advice::LinuxWipeOnFork);
            mlock(base, CHUNK_LEN).is_ok()
        } && (self.locked || self.chunks.is_empty());
        let first = self.chunks.len() * (CHUNK_LEN / KEY_LEN);
        self.chunks.push(chunk);
        self.free.extend((first + 1..first + CHUNK_LEN / KEY_LEN).rev());
        Ok(first)
    }

    fn slot(&mut self, place: usize) -> &mut [u8] {
        let per_chunk = CHUNK_LEN / KEY_LEN;
        let at = place % per_chunk * KEY_LEN;
        &mut self.chunks[place / per_chunk][at..at + KEY_LEN]
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for chunk in &mut self.chunks {
            chunk.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_die_with_a_wipe() {
        let keys = Keys::new();
        let a = keys.insert(&[1; 32]).unwrap();
        assert!(a.with(|k| *k == [1; 32]).unwrap());
        keys.wipe();
        assert_eq!(a.with(|_| ()).unwrap_err().kind(), ErrorKind::Revoked);
        let b = keys.insert(&[2; 32]).unwrap();
        drop(a);
        assert!(b.with(|k| *k == [2; 32]).unwrap());
    }

    #[test]
    fn a_dropped_key_is_wiped_and_its_place_reused() {
        let keys = Keys::new();
        let a = keys.insert(&[3; 32]).unwrap();
        let place = a.place;
        drop(a);
        assert_eq!(keys.0.lock().slot(place), [0; 32]);
        let many: Vec<_> = (0..1000).map(|i| keys.insert(&[i as u8; 32]).unwrap()).collect();
        assert!(many.iter().enumerate().all(|(i, k)| k.with(|b| b[0] == i as u8).unwrap()));
    }
}
