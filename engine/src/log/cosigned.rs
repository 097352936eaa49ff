//! Checkpoints that others cosigned, kept beside the log: `log/cosigned/SIZE`.
//!
//! A convenience: the next proof can be made in a head that witnesses have seen. It is no evidence
//! against who writes to the folder, programs that don't know it leave it alone, and nothing is
//! believed that is read from it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::merkle::checkpoint::{SignedCheckpoint, number};
use crate::merkle::note::NOTE_MAX;
use crate::vfs::Vfs;

/// How many are kept.
pub const KEPT: usize = 8;

/// Where they stand in the store folder `dir`.
fn folder(dir: &Path) -> PathBuf {
    dir.join("log").join("cosigned")
}

/// Keeps a checkpoint, in the place of one of the same size, and removes the shortest of more than
/// [`KEPT`]. It outlives a power cut.
///
/// # Errors
/// The folder can't be written.
pub fn keep(vfs: &dyn Vfs, dir: &Path, checkpoint: &SignedCheckpoint) -> Result<()> {
    let folder = folder(dir);
    let size = checkpoint.unverified().size;
    let written = || {
        if !vfs.exists(&folder)? {
            vfs.create_dir(&folder)?;
            vfs.sync_dir(&dir.join("log"))?;
        }
        let part = folder.join("part");
        if vfs.exists(&part)? {
            vfs.remove(&part)?;
        }
        let file = vfs.create(&part)?;
        file.write_at(checkpoint.to_string().as_bytes(), 0)?;
        file.sync()?;
        drop(file);
        vfs.rename(&part, &folder.join(size.to_string()))?;
        let mut sizes = sizes(vfs, &folder)?;
        sizes.sort_unstable();
        for old in sizes.iter().take(sizes.len().saturating_sub(KEPT)) {
            vfs.remove(&folder.join(old.to_string()))?;
        }
        vfs.sync_dir(&folder)
    };
    written().map_err(|e| Error::io("keep a cosigned checkpoint", e))
}

/// What is kept, the longest first. Files that are none are left out. Nothing is verified.
///
/// # Errors
/// The folder can't be read.
pub fn kept(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<SignedCheckpoint>> {
    let folder = folder(dir);
    let failed = |e| Error::io("read cosigned checkpoints", e);
    let mut sizes = sizes(vfs, &folder).map_err(failed)?;
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = Vec::new();
    for size in sizes.into_iter().take(KEPT) {
        let file = vfs.open(&folder.join(size.to_string())).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= NOTE_MAX) else { continue };
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        found.extend(SignedCheckpoint::parse(&bytes).ok().filter(|head| head.unverified().size == size));
    }
    Ok(found)
}

/// Sizes that names stand for; other files are not ours.
fn sizes(vfs: &dyn Vfs, folder: &Path) -> std::io::Result<Vec<u64>> {
    match vfs.list(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => Ok(listed?.iter().filter_map(|name| number(name)).collect()),
    }
}
