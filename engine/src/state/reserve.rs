//! Room on the disk that is kept for erasures. A full disk must not keep anybody from being
//! forgotten, so a file of allocated bytes lies in the folder: an erasure that meets a full disk
//! removes it, goes on in passes that fit the room it gave, and makes it again when it has ended.
//!
//! Its size tells nothing that the other files don't: it follows the longest index and the length
//! of the journal.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::VfsFile;

/// Name of the file.
pub const RESERVE_FILE: &str = "RESERVE";
/// Room for key tree, journals and log, whatever the store holds.
pub const RESERVE_LEN_MIN: u64 = 256 * 1024;
/// How far ahead of the journal the file is made longer.
pub const RESERVE_AHEAD: u64 = 256 * 1024;

/// What the file holds.
#[derive(Default)]
pub struct Reserve {
    /// Its length; 0 if there is none.
    held: AtomicU64,
    /// Room that was given up and is not held again yet; 0 if none.
    given: AtomicU64,
    /// The length that a full disk refused last.
    refused: AtomicU64,
    /// Length of the journal after the last append.
    journal: AtomicU64,
}

impl Reserve {
    /// The reserve that lies in the folder, if there is one.
    pub fn find(env: &Env) -> Result<Self> {
        let io = |e| Error::io("look for the reserve", e);
        let path = env.path(RESERVE_FILE);
        let held = if env.vfs.exists(&path).map_err(io)? {
            env.vfs.open(&path).and_then(|f| f.len()).map_err(io)?
        } else {
            0
        };
        Ok(Self { held: AtomicU64::new(held), ..Self::default() })
    }

    /// Runs a step; if the disk is full and the step `may` be repeated, once more without the
    /// reserve. A step that poisoned the store must not be: a second HEAD record would overwrite
    /// the one that the slot may already name.
    pub fn retry<R>(
        &self,
        env: &Env,
        may: impl Fn() -> bool,
        mut step: impl FnMut() -> Result<R>,
    ) -> Result<R> {
        match step() {
            Err(e) if e.kind() == ErrorKind::NoSpace && may() && self.give_up(env) => step(),
            other => other,
        }
    }

    /// Removes the file. False if there is none, or it can't be removed.
    fn give_up(&self, env: &Env) -> bool {
        let held = self.held.load(Ordering::Acquire);
        if held == 0 || env.unlink(RESERVE_FILE).and_then(|()| env.sync_dir()).is_err() {
            return false;
        }
        self.held.store(0, Ordering::Release);
        self.given.store(held, Ordering::Release);
        true
    }

    /// Notes how long an append has made the journal. Who looks after the reserve needs no lock
    /// then: whoever holds the writer's syncs the next frame.
    pub fn note_journal(&self, len: u64) {
        self.journal.store(len, Ordering::Release);
    }

    /// What is wanted for the journal as it was noted last.
    pub fn wanted_for_journal(&self) -> u64 {
        RESERVE_LEN_MIN + 2 * self.journal.load(Ordering::Acquire)
    }

    /// Whether an append has made so much that a longer reserve is due.
    pub fn is_short_of(&self, wanted: u64) -> bool {
        wanted > self.held.load(Ordering::Acquire).max(self.refused.load(Ordering::Acquire))
    }

    /// Whether the file is shorter than this.
    pub fn lacks(&self, wanted: u64) -> bool {
        self.held.load(Ordering::Acquire) < wanted
    }

    /// Makes the file at least `wanted` long. On a full disk it stays as it is.
    pub fn keep(&self, env: &Env, wanted: u64) {
        let held = self.held.load(Ordering::Acquire);
        if wanted <= held {
            return;
        }
        if self.allocate(env, held, wanted).is_ok() {
            self.held.store(wanted, Ordering::Release);
            self.given.store(0, Ordering::Release);
            self.refused.store(0, Ordering::Release);
        } else {
            self.refused.store(wanted, Ordering::Release);
            if held == 0 {
                let _ = env.unlink(RESERVE_FILE);
            }
        }
    }

    fn allocate(&self, env: &Env, held: u64, wanted: u64) -> std::io::Result<()> {
        let path = env.path(RESERVE_FILE);
        let file = if held == 0 { env.vfs.create(&path)? } else { env.vfs.open(&path)? };
        file.allocate(wanted)?;
        VfsFile::sync(&*file)?;
        env.vfs.sync_dir(&env.dir)
    }

    /// Bytes of new index files in one pass: `usual`, or what fits the room that was given up
    /// beside the bodies and the key tree.
    pub fn pass_bytes(&self, usual: u64) -> u64 {
        match self.given.load(Ordering::Acquire) {
            0 => usual,
            given => usual.min(given / 4),
        }
    }
}
