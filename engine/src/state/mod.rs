//! The open store: its parts, and which lock guards which.
//!
//! Locks are taken in this order, each may be left out: `pass` (one erasure at a time), that of
//! `audit` (who seals acts), `keyring`
//! (one committer), `writer` (one frame at a time; whoever holds it keeps appends out), `view`
//! (what readers see), `log`, `tail`, `queue` and `rolls` (never held while another is taken).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::crypto::{Key, Keys};
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, PersonNumber, Seq};
use crate::journal::Journal;
use crate::keyring::{Keyring, Slot};
use crate::log::Log;
use crate::merkle::tail::Tail;
use crate::vfs::LockGuard;
use crate::view::View;

pub mod audit;
pub mod commit;
pub mod compacting;
pub mod evidence;
pub mod heal;
pub mod keys;
pub mod log_key;
pub mod reserve;
pub mod rest;
pub mod settings;
pub mod tree_now;
pub mod upgrade;

pub use crate::keyring::entry::Preset;
pub use reserve::{RESERVE_FILE, Reserve};
pub use settings::{Durability, Settings};

/// The open store.
pub struct State {
    /// Files, clock, randomness.
    pub env: Env,
    /// What the caller and `init` chose.
    pub settings: Settings,
    /// Where the root key lives.
    pub slot: Box<dyn Slot>,
    /// Path of the slot, for messages.
    pub slot_name: String,
    /// One erasure pass at a time.
    pass: Mutex<()>,
    /// How many wait for the pass that runs, or for a right that it keeps from them.
    waits: AtomicU32,
    /// One committer.
    pub keyring: Mutex<Keyring>,
    /// The journals and the counters that appends move.
    pub writer: Mutex<Writer>,
    /// What readers see.
    pub view: RwLock<View>,
    /// Tiles of the log. Written only while a roll or a pass is built, of which there is one.
    pub log: Mutex<Log>,
    /// Leaves of records that stand in journals, as far as they were asked for.
    tail: Mutex<Tail>,
    /// Content keys of people, for opening bodies.
    pub subjects: Arc<keys::ContentKeys>,
    /// Key of cursors.
    pub cursor_key: RwLock<Key>,
    /// The arena of the current key tree; replaced and wiped by an erasing commit.
    pub keys: RwLock<Keys>,
    /// The roll in flight.
    pub rolls: Mutex<Rolls>,
    /// Signalled when `rolls` changes.
    pub rolls_changed: Condvar,
    /// Room on the disk for erasures.
    pub reserve: Reserve,
    /// What is recorded of acts.
    pub audit: audit::Audit,
    /// Whether the compaction in flight is to stop. Changed under `rolls`.
    compaction_cancelled: AtomicBool,
    poisoned: AtomicBool,
    closed: AtomicBool,
    _lock: Vec<Box<dyn LockGuard>>,
}

/// The journals and the counters that appends move.
pub struct Writer {
    /// The journal that is written.
    pub active: Journal,
    /// The next journal, empty; `None` while the other one is being rolled.
    pub spare: Option<Journal>,
    /// Whether the mark `opened` stands in the active journal behind any mark `closed`.
    pub opened: bool,
    /// The next log position.
    pub next_seq: Seq,
    /// The next person's number.
    pub next_person: PersonNumber,
}

/// Rolls and what keeps them from starting.
#[derive(Default)]
pub struct Rolls {
    /// A roll is being built or published: somebody holds a [`Rolling`].
    running: bool,
    /// An erasure is running, which holds a [`NoRolls`]: no roll starts.
    forbidden: bool,
    /// A compaction is being built or published: somebody holds a [`compacting::Compacting`].
    compacting: Option<compacting::By>,
    /// How many hold a [`compacting::NoCompactions`].
    compactions_forbidden: u32,
    /// How many rolls, erasures, checks and compactions by callers have ended.
    ended: u64,
    /// The thread of the last roll.
    pub thread: Option<std::thread::JoinHandle<()>>,
}

/// The right to roll; one at a time, and none while an erasure runs. Given back on drop.
pub struct Rolling(Arc<State>);

/// No roll runs and none starts while this lives: it belongs to the pass of an erasure.
pub struct NoRolls<'a>(&'a State);

/// What [`State::new`] puts together.
pub struct Parts {
    /// See [`State`].
    pub env: Env,
    /// See [`State`].
    pub settings: Settings,
    /// See [`State`].
    pub slot: Box<dyn Slot>,
    /// See [`State`].
    pub slot_name: String,
    /// See [`State`].
    pub keyring: Keyring,
    /// See [`State`].
    pub writer: Writer,
    /// See [`State`].
    pub view: View,
    /// See [`State`].
    pub log: Log,
    /// See [`State`].
    pub subjects: Arc<keys::ContentKeys>,
    /// See [`State`].
    pub cursor_key: Key,
    /// See [`State`].
    pub keys: Keys,
    /// See [`State`].
    pub reserve: Reserve,
    /// See [`State`].
    pub lock: Vec<Box<dyn LockGuard>>,
}

/// How often something is done beside erasures that end.
const ATTEMPTS: usize = 4;

/// Does again what an erasure revoked that ended on its way, a few times: what was begun with the old key tree
/// goes on with the new one.
///
/// # Errors
/// Those of `work`; *revoked* if one erasure ends after the other.
pub fn beside_erasures<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut done = work();
    for _ in 1..ATTEMPTS {
        match done {
            Err(e) if e.kind() == ErrorKind::Revoked => done = work(),
            done => return done,
        }
    }
    done
}

impl State {
    /// Puts an open store together.
    pub fn new(p: Parts) -> Arc<Self> {
        Arc::new(Self {
            env: p.env,
            settings: p.settings,
            slot: p.slot,
            slot_name: p.slot_name,
            pass: Mutex::new(()),
            waits: AtomicU32::new(0),
            keyring: Mutex::new(p.keyring),
            writer: Mutex::new(p.writer),
            view: RwLock::new(p.view),
            log: Mutex::new(p.log),
            tail: Mutex::default(),
            subjects: p.subjects,
            cursor_key: RwLock::new(p.cursor_key),
            keys: RwLock::new(p.keys),
            rolls: Mutex::default(),
            rolls_changed: Condvar::new(),
            reserve: p.reserve,
            audit: audit::Audit::default(),
            compaction_cancelled: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            _lock: p.lock,
        })
    }

    /// Fails if writes are refused: after a failed sync, or after closing.
    pub fn check_writable(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the store was closed"));
        }
        self.check_not_poisoned()
    }

    /// Fails after a failed sync or write.
    pub fn check_not_poisoned(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::Poisoned,
                "an earlier write or sync failed, so what the disk holds is not known",
            )
            .hint("reopen the store; everything acknowledged before is there"));
        }
        Ok(())
    }

    /// Refuses writes from now on, and hands the error on.
    pub fn poison(&self, error: Error) -> Error {
        self.poisoned.store(true, Ordering::Release);
        match error.kind() {
            ErrorKind::NoSpace => error
                .hint("free space on the disk, then open the store again; what was acknowledged is there"),
            _ => error,
        }
    }

    /// Refuses writes from now on because the store is closing. False if it was closed already.
    pub fn start_closing(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Whether the store is closing or closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether an earlier failure poisoned the store.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// The right to run a pass, or to have none run. A pass that nobody asked for hurries when somebody waits for it.
    pub fn pass(&self) -> MutexGuard<'_, ()> {
        match self.pass.try_lock() {
            Some(right) => right,
            None => {
                let _waits = self.waits();
                self.pass.lock()
            }
        }
    }

    /// The same for who waits until a time at most.
    pub fn pass_until(&self, end: Instant) -> Option<MutexGuard<'_, ()>> {
        let _waits = self.waits();
        self.pass.try_lock_until(end)
    }

    /// Counts somebody who waits as long as the answer lives.
    fn waits(&self) -> Waits<'_> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Waits(&self.waits)
    }

    /// Whether somebody waits for the pass that runs, or the store closes.
    pub fn is_waited_for(&self) -> bool {
        self.waits.load(Ordering::Relaxed) > 0 || self.is_closed()
    }

    /// Waits until no roll runs, cancels a compaction, and lets none of both start while the answer
    /// lives.
    pub fn forbid_rolls(&self) -> NoRolls<'_> {
        let mut rolls = self.rolls.lock();
        rolls.forbidden = true;
        self.end_compaction(&mut rolls);
        while rolls.running {
            self.rolls_changed.wait(&mut rolls);
        }
        NoRolls(self)
    }

    /// The right to roll; `None` while another roll or an erasure runs.
    pub fn try_rolling(self: &Arc<Self>) -> Option<Rolling> {
        let mut rolls = self.rolls.lock();
        if rolls.running || rolls.forbidden {
            return None;
        }
        rolls.running = true;
        Some(Rolling(Arc::clone(self)))
    }

    /// The right to roll, once no other roll and no erasure runs.
    pub fn rolling(self: &Arc<Self>) -> Rolling {
        let _waits = self.waits();
        let mut rolls = self.rolls.lock();
        while rolls.running || rolls.forbidden {
            self.rolls_changed.wait(&mut rolls);
        }
        rolls.running = true;
        Rolling(Arc::clone(self))
    }

    /// Keeps as much room as an erasure may need: an index is written anew, and the journal
    /// becomes a segment.
    pub fn keep_reserve(&self) {
        let longest = {
            let view = self.view.read();
            view.segments.iter().map(|s| u64::from(s.entry.index_pages) * 4096).max().unwrap_or(0)
        };
        let journal = self.writer.lock().active.len();
        self.reserve.keep(&self.env, reserve::RESERVE_LEN_MIN + 2 * (longest + journal));
    }

    /// The same, only if the journal outgrew what is kept: some way ahead of it, for as long as
    /// there is no segment each append would make the file longer, and sync it, otherwise.
    pub fn keep_reserve_for_journal(&self) {
        let wanted = self.reserve.wanted_for_journal();
        if !self.reserve.is_short_of(wanted) {
            return;
        }
        self.reserve.keep(&self.env, wanted + reserve::RESERVE_AHEAD);
        if self.reserve.lacks(wanted) {
            // A disk that is nearly full may have just enough.
            self.keep_reserve();
        }
    }

    /// Waits until no roll runs.
    pub fn wait_for_roll(&self) {
        let mut rolls = self.rolls.lock();
        while rolls.running {
            self.rolls_changed.wait(&mut rolls);
        }
    }

    fn end_roll(&self, change: impl FnOnce(&mut Rolls)) {
        if std::thread::panicking() {
            // What is in memory may be half changed.
            self.poisoned.store(true, Ordering::Release);
        }
        {
            let mut rolls = self.rolls.lock();
            change(&mut rolls);
        }
        self.rolls_changed.notify_all();
    }
}

/// One who waits.
struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Rolling {
    fn drop(&mut self) {
        self.0.end_roll(|rolls| {
            rolls.running = false;
            // A compaction that publishes has the right to roll too, and is no news to itself.
            rolls.ended += u64::from(rolls.compacting.is_none());
        });
    }
}

impl Drop for NoRolls<'_> {
    fn drop(&mut self) {
        self.0.end_roll(|rolls| {
            rolls.forbidden = false;
            rolls.ended += 1;
        });
    }
}

impl Writer {
    /// Whether an error of the active journal leaves it as it was: the store goes on.
    pub fn survives(&self, e: &Error) -> bool {
        match e.kind() {
            ErrorKind::Invalid => true,
            // No room was given, and nothing was written.
            ErrorKind::NoSpace => !self.active.is_broken(),
            _ => false,
        }
    }

    /// Writes the mark `opened` before the first frame of this opening, so that a crash after it
    /// is seen as unclean even if that frame is lost.
    pub fn ensure_opened(&mut self, env: &Env) -> Result<()> {
        if !self.opened {
            self.active.mark_opened(&*env.vfs, &env.dir, &*env.entropy)?;
            self.opened = true;
        }
        Ok(())
    }
}

/// Names of a journal's file and of a segment's files.
pub fn journal_name(id: FileId) -> PathBuf {
    PathBuf::from(format!("{id}.jrn"))
}
