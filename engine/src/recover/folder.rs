//! The store's folder before anything in it is believed: whose it is, who holds it, and what does
//! not belong there.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::id::FileId;
use crate::journal::parity;
use crate::keyring::catalog::{self, JournalRole};
use crate::recover::Request;
use crate::state::{RESERVE_FILE, State, journal_name};
use crate::vfs::LockGuard;

/// Stands in the folder while `init` is not finished.
pub(super) const INIT_FILE: &str = "INIT";
/// Holds the hashes of the log.
const LOG_FOLDER: &str = "log";
/// Held by the process that has the store open.
const LOCK_FILE: &str = "LOCK";

impl Request {
    pub(super) fn check_slot_is_outside(&self) -> Result<()> {
        let resolve = |path| self.vfs.resolve(path).map_err(|e| Error::io("look for the slot's place", e));
        if resolve(&self.slot)?.starts_with(resolve(&self.dir)?) {
            return Err(Error::invalid("the slot must not lie in the store's folder")
                .hint("a copy of the folder would carry the root key; choose a place outside"));
        }
        Ok(())
    }

    /// Takes the store's lock, and that of HEAD where there is one: somebody may have removed a
    /// LOCK that looked left over, and nobody removes HEAD.
    pub(super) fn lock(&self) -> Result<Vec<Box<dyn LockGuard>>> {
        let head = self.dir.join("HEAD");
        let has_head = self.vfs.exists(&head).map_err(|e| Error::io("look into the store's folder", e))?;
        let files = std::iter::once(self.dir.join(LOCK_FILE)).chain(has_head.then_some(head));
        files
            .map(|file| {
                self.vfs.lock(&file).map_err(|e| Error::io("lock the store", e))?.ok_or_else(|| {
                    Error::new(ErrorKind::Locked, "another process has the store open")
                        .hint("close it there, or talk to that process")
                })
            })
            .collect()
    }

    pub(super) fn check_is_store(&self) -> Result<()> {
        let exists = |name: &str| {
            self.vfs.exists(&self.dir.join(name)).map_err(|e| Error::io("look into the store's folder", e))
        };
        if exists("HEAD")? || exists("keyring.a")? || exists("keyring.b")? {
            return Ok(());
        }
        let folder = self.vfs.exists(&self.dir).map_err(|e| Error::io("look for the store's folder", e))?;
        let message = if folder { "the folder holds no store" } else { "there is no folder of this name" };
        Err(Error::new(ErrorKind::Unsupported, message)
            .hint("make one with `escrow init`, or give the right folder with --store DIR"))
    }

    /// Refuses a folder with foreign content. Answers whether an interrupted `init` left it.
    pub(super) fn check_folder_is_ours(&self) -> Result<bool> {
        let io = |e| Error::io("look into the store's folder", e);
        if !self.vfs.exists(&self.dir).map_err(io)? {
            return Ok(false);
        }
        let names = self.vfs.list(&self.dir).map_err(io)?;
        if names.is_empty() || names == [LOCK_FILE] {
            return Ok(false);
        }
        // Somebody else's folder may hold a file of this name too; ours is empty.
        let marked = names.iter().any(|n| n == INIT_FILE)
            && self.vfs.open(&self.dir.join(INIT_FILE)).and_then(|f| f.is_empty()).unwrap_or(false);
        let own = |name: &String| {
            [LOCK_FILE, INIT_FILE, RESERVE_FILE, LOG_FOLDER, "HEAD", "keyring.a", "keyring.b"]
                .contains(&name.as_str())
                || file_id(name).is_some()
        };
        if marked
            && names.iter().all(own)
            && self.log_names()?.iter().all(|n| n.starts_with("level-") || n.starts_with("parity-"))
        {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::Unsupported, "the folder is not empty")
            .hint("choose a new or empty folder for the store"))
    }

    fn log_names(&self) -> Result<Vec<String>> {
        let io = |e| Error::io("look into the store's folder", e);
        let log = self.dir.join(LOG_FOLDER);
        if self.vfs.exists(&log).map_err(io)? { self.vfs.list(&log).map_err(io) } else { Ok(Vec::new()) }
    }

    /// Clears what an interrupted `init` left: the slot does not exist, so it never was a store.
    pub(super) fn clear_unfinished_init(&self) -> Result<()> {
        if !self.check_folder_is_ours()? {
            return Ok(());
        }
        let remove = |path: PathBuf| {
            self.vfs.remove(&path).map_err(|e| Error::io("clear what an interrupted init left", e))
        };
        for name in self.log_names()? {
            remove(self.dir.join(LOG_FOLDER).join(name))?;
        }
        let names = self.vfs.list(&self.dir).map_err(|e| Error::io("look into the store's folder", e))?;
        for name in names.iter().filter(|n| ![LOCK_FILE, INIT_FILE, LOG_FOLDER].contains(&n.as_str())) {
            remove(self.dir.join(name))?;
        }
        // Last, so that a second interruption still finds its mark.
        remove(self.dir.join(INIT_FILE))
    }
}

/// Removes files that the key tree does not name: what an interrupted roll or erasure left.
pub(super) fn unlink_strangers(state: &State) -> Result<()> {
    let tree = state.view.read().tree.clone();
    let mut named: Vec<PathBuf> = Vec::new();
    for (_, segment) in catalog::segments(&tree)? {
        named.extend(segment.file_names());
    }
    for role in [JournalRole::Current, JournalRole::Next] {
        let journal = catalog::journal(&tree, role)?.file;
        named.extend([journal_name(journal), parity::file_name(journal)]);
    }
    let names = state.env.vfs.list(&state.env.dir).map_err(|e| Error::io("list the store's folder", e))?;
    for name in names {
        if file_id(&name).is_some() && !named.iter().any(|n| n == Path::new(&name)) {
            state.env.unlink(&name)?;
        }
    }
    Ok(())
}

/// The id in the name of a file of ours.
fn file_id(name: &str) -> Option<FileId> {
    let (id, kind) = name.split_once('.')?;
    ["jrn", "par", "idx", "seg"].contains(&kind).then(|| FileId::parse(id)).flatten()
}
