//! `checkpoint --tiles`: a log as files that any web server can hand out (C2SP tlog-tiles).
//!
//! Everything is written before the checkpoint that counts it, and a file is whole or not there, so
//! a reader that begins at the checkpoint finds what it needs whenever this was cut off.

use std::fs;
use std::path::{Path, PathBuf};

use escrowdb::Error;
use escrowdb::merkle::tile::WIDTH;
use escrowdb::store::{SignedCheckpoint, Store};

use crate::args::Global;
use crate::commands::evidence;
use crate::durable;
use crate::exit::Failure;
use crate::outside::Outside;

/// A folder to publish in.
pub(super) struct Folder(Outside);

impl Folder {
    pub(super) fn of(global: &Global, folder: &Path) -> Result<Self, Failure> {
        Ok(Self(Outside::of(global, &folder.join("checkpoint"))?))
    }

    /// Writes what is new; answers how many tiles.
    pub(super) fn write(&self, store: &Store, checkpoint: &SignedCheckpoint) -> Result<u64, Failure> {
        let place = self.0.path();
        let folder = place.parent().unwrap_or(Path::new(""));
        let from = self.published(store, checkpoint)?;
        let (mut written, mut full) = (0, Vec::new());
        let mut failed = None;
        let done = store.tiles(from, checkpoint, &mut |tile, bytes| {
            let path = folder.join(tile.to_string());
            // The engine's errors are not ours: one of a file is kept beside.
            write(&path, bytes).map_err(|failure| {
                failed = Some(failure);
                Error::invalid("a tile can't be written")
            })?;
            written += 1;
            if u64::from(tile.width) == WIDTH {
                full.push(path.with_extension("p"));
            }
            Ok(())
        });
        if let Some(failure) = failed {
            return Err(failure);
        }
        done?;
        durable::write(&self.0, checkpoint.to_string().as_bytes())?;
        open_to_all(place);
        // Parts of tiles that are whole now: nobody asks for them at the new checkpoint.
        full.iter().for_each(|parts| drop(fs::remove_dir_all(parts)));
        Ok(written)
    }

    /// Positions of the checkpoint that stands there; of one that is longer, or of another log, nothing
    /// is replaced.
    fn published(&self, store: &Store, checkpoint: &SignedCheckpoint) -> Result<u64, Failure> {
        let place = self.0.path();
        if !place.exists() {
            return Ok(0);
        }
        let there = evidence::checkpoint(place)?;
        let against = store.verify_against(&there).map_err(|e| evidence::named(place, e))?;
        if !against.holds() {
            return Err(Error::corrupt(format!("{}: {against}", place.display())).into());
        }
        let (from, to) = (there.unverified(), checkpoint.unverified());
        if from.size > to.size {
            return Err(Failure::usage(format!(
                "{} positions are published there, more than these {}",
                from.size, to.size
            )));
        }
        Ok(from.size)
    }
}

/// A file of hashes that all may read, whole or not there.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e| Failure::io(format!("write {}", path.display()), e);
    let parts: PathBuf = path.parent().unwrap_or(Path::new("")).to_owned();
    fs::create_dir_all(&parts).map_err(failed)?;
    durable::write(&Outside::apart(None, None, path)?, bytes)?;
    open_to_all(path);
    Ok(())
}

/// It is meant to be handed out.
fn open_to_all(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o644));
    }
    #[cfg(not(unix))]
    let _ = path;
}
