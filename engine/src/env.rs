//! What an open store stands on: files, clock, randomness, its folder and its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use crate::clock::Clock;
use crate::crypto::kdf::{Label, expand};
use crate::crypto::{Entropy, Secret, hedged, hedged_secret};
use crate::error::{Error, Result};
use crate::id::{FileId, StoreId};
use crate::parity::Repairs;
use crate::vfs::Vfs;

/// Files, clock, randomness, folder and name of a store. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// The file seam.
    pub vfs: Arc<dyn Vfs>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The store's folder.
    pub dir: PathBuf,
    /// The store's random name.
    pub store: StoreId,
    /// What reading has set right.
    pub repairs: Arc<Repairs>,
}

impl Env {
    /// A random key; `content` is what it will protect, or a description of its place.
    pub fn random_key(&self, content: &[u8]) -> Result<Secret> {
        hedged_secret(&*self.entropy, &self.store.0, content)
            .map_err(|e| Error::io("read the random generator", e))
    }

    /// `N` random bytes, hashed with `content`.
    pub fn random<const N: usize>(&self, content: &[u8]) -> Result<[u8; N]> {
        hedged(&*self.entropy, &self.store.0, content).map_err(|e| Error::io("read the random generator", e))
    }

    /// Fills `out` with random bytes, hashed with all of `contents`: one draw for many values.
    pub fn random_fill(&self, contents: &[&[u8]], out: &mut [u8]) -> Result<()> {
        let mut digest = blake3::Hasher::new();
        for content in contents {
            digest.update(&(content.len() as u64).to_le_bytes());
            digest.update(content);
        }
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(self.random(digest.finalize().as_bytes())?);
        digest.zeroize();
        expand(Label::Random, &[&*seed, b"many"], out);
        Ok(())
    }

    /// A fresh file name.
    pub fn file_id(&self) -> Result<FileId> {
        Ok(FileId(self.random(b"file name")?))
    }

    /// Path of a file in the store's folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes new and removed names durable.
    pub fn sync_dir(&self) -> Result<()> {
        self.vfs.sync_dir(&self.dir).map_err(|e| Error::io("sync the store's folder", e))
    }

    /// Lets the next read of a new file come from the device.
    pub fn evict(&self, name: impl AsRef<Path>) -> Result<()> {
        let evicted = self.vfs.open(&self.path(name)).and_then(|file| file.evict());
        evicted.map_err(|e| Error::io("read back a new file", e))
    }

    /// Removes a file that the key tree no longer names. A file that is gone already is fine.
    pub fn unlink(&self, name: impl AsRef<Path>) -> Result<()> {
        match self.vfs.remove(&self.path(name)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("remove a file that is no longer used", e)),
        }
    }
}
