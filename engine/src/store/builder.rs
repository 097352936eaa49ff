//! What is chosen before a store is made or opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Bounded, Clock, SystemClock};
use crate::crypto::{Entropy, OsEntropy};
use crate::erase::{Asked, Selector};
use crate::error::Result;
use crate::id::RequestId;
use crate::keyring::entry::Level;
use crate::recover::{Opened, Request};
use crate::register::Event;
use crate::register::transfer::{self, Transfer, What};
use crate::session::Session;
use crate::state::{Durability, Preset, Settings};
use crate::store::{SignedCheckpoint, Store};
use crate::verify::interval::Sink;
use crate::vfs::{DiskVfs, Vfs};

/// How to make or open a store.
///
/// ```no_run
/// use escrowdb::store::{Durability, Preset, Store};
///
/// // The first time. The slot holds the root key and must lie outside of the folder.
/// let store = Store::builder("chats")
///     .slot("/media/keys/chats.slot")
///     .preset(Preset::Customer)
///     .create()?;
/// store.close()?;
/// // Later. What was chosen for a new store stands in it.
/// let store = Store::builder("chats")
///     .slot("/media/keys/chats.slot")
///     .durability(Durability::Synced)
///     .open()?;
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub struct Builder {
    dir: PathBuf,
    slot: Option<PathBuf>,
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    to_erase: Option<Asked>,
    checkpoints: Option<(Duration, Sink)>,
    /// Who names the basis of a transfer.
    transferring: Session,
}

impl Builder {
    /// On the operating system's files, with its clock and randomness.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            slot: None,
            vfs: Arc::new(DiskVfs),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            settings: Settings::default(),
            to_erase: None,
            checkpoints: None,
            transferring: Session::new(),
        }
    }

    /// The slot's file.
    #[must_use]
    pub fn slot(mut self, path: impl Into<PathBuf>) -> Self {
        self.slot = Some(path.into());
        self
    }

    /// Another file system than the operating system's.
    #[must_use]
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = vfs;
        self
    }

    /// Another clock. It is believed within the years 0001 to 9999.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Arc::new(Bounded(clock));
        self
    }

    /// Another source of randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Records of a journal after which it is rolled (default 32,768).
    #[must_use]
    pub const fn roll_records(mut self, records: u32) -> Self {
        self.settings.roll_records = records;
        self
    }

    /// Bytes of a journal in memory after which it is rolled (default 64 MiB).
    #[must_use]
    pub const fn roll_bytes(mut self, bytes: u64) -> Self {
        self.settings.roll_bytes = bytes;
        self
    }

    /// Records of a journal above which a clean close rolls it (default 4,096).
    #[must_use]
    pub const fn close_roll_records(mut self, records: u32) -> Self {
        self.settings.close_roll_records = records;
        self
    }

    /// Bytes of new index files in one pass of an erasure (default 256 MiB).
    #[must_use]
    pub const fn pass_bytes(mut self, bytes: u64) -> Self {
        self.settings.pass_bytes = bytes;
        self
    }

    /// Bytes of opened indexes that are kept in memory, of all segments together (default 256 MiB):
    /// queries over more read indexes anew each time.
    #[must_use]
    pub const fn index_bytes(mut self, bytes: usize) -> Self {
        self.settings.index_bytes = bytes;
        self
    }

    /// Bytes of records that may wait to be written (default 64 MiB).
    #[must_use]
    pub const fn queue_bytes(mut self, bytes: usize) -> Self {
        self.settings.queue_bytes = bytes;
        self
    }

    /// Whether rolls run on a thread of their own (default) or in the append that makes them due.
    #[must_use]
    pub const fn background(mut self, yes: bool) -> Self {
        self.settings.background = yes;
        self
    }

    /// Whether small, thinned and overlapping segments are compacted on a thread of their own
    /// (default), slowly and only as far as it pays. Without [`Self::background`] nothing is.
    #[must_use]
    pub const fn compaction(mut self, yes: bool) -> Self {
        self.settings.compaction = yes;
        self
    }

    /// When an append is acknowledged.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Name of the log of a new store (default `escrowdb.local/<store id>`).
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.origin = origin.into();
        self
    }

    /// Whether an opening gives up what nothing brings back and what it can't do without: records in a
    /// frame of the journal that is damaged beyond rescue. Otherwise it fails, and changes nothing. What
    /// is given up is named by [`Store::losses`] from then on.
    #[must_use]
    pub const fn accept_losses(mut self, yes: bool) -> Self {
        self.settings.accept_losses = yes;
        self
    }

    /// The same for an opening of which the only purpose is an erasure: what is lost is given up if
    /// there is something to erase, or an erasure that was begun waits to be finished. If nobody has
    /// that name the answer is *not found*, the store isn't opened and nothing is given up: a copy of
    /// the journal may still have all of it.
    #[must_use]
    pub fn accept_losses_to_erase(mut self, selector: Selector, request: Option<RequestId>) -> Self {
        self.settings.accept_losses = true;
        self.to_erase = Some(Asked { selector, request });
        self
    }

    /// Where this program runs, as whoever runs it says. A store whose region is another one is not opened,
    /// unless [`transfer_basis`](Self::transfer_basis) names why it may be. Without this the store's own region
    /// is believed. Nobody can check it: it keeps honest people from a mistake.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{session::Session, store::*, vfs::MemoryVfs};
    /// let disk = Arc::new(MemoryVfs::new());
    /// let builder = || Store::builder("/chats").vfs(disk.clone());
    /// builder().region("eu").create()?.close()?;
    /// assert!(builder().here("us").open().is_err());
    /// let store = builder().here("us").transfer_basis("GDPR 46 (2) (c)", &Session::new()).open()?;
    /// let registers = store.registers();
    /// assert_eq!(registers.transfers.iter().map(|made| &*made.transfer.region).collect::<Vec<_>>(), ["us"]);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    #[must_use]
    pub fn here(mut self, region: impl Into<String>) -> Self {
        self.settings.here = Some(region.into());
        self
    }

    /// The basis on which a store may be opened, and its records exported, outside of its region (GDPR
    /// articles 44 to 49), and who names it. Each opening and each export there is a record of the log.
    #[must_use]
    pub fn transfer_basis(mut self, basis: impl Into<String>, by: &Session) -> Self {
        self.settings.basis = Some(basis.into());
        self.transferring = by.clone();
        self
    }

    /// Where a new store's data lives: letters, digits, `-`, `_` and `.`. Signed heads of its log name it.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.settings.region = region.into();
        self
    }

    /// What is recorded of acts: in a new store from then on, in one that exists for as long as it is
    /// open, if it says less itself (default [`Level::Off`]). Nothing is recorded in a store of format 1 or 2.
    #[must_use]
    pub const fn audit(mut self, level: Level) -> Self {
        self.settings.audit = level;
        self
    }

    /// Who is the subject of a record that names none, in a new store.
    #[must_use]
    pub const fn preset(mut self, preset: Preset) -> Self {
        self.settings.preset = preset;
        self
    }

    /// Has the log's head signed at an interval, wherever the log has grown since the last, and hands it
    /// to `sink`, which keeps it elsewhere: publishes tiles, asks witnesses. An append is covered about an
    /// interval later, if `sink` is as quick.
    ///
    /// The first comes an interval after the opening whether the log grew or not, for nobody notes what
    /// `sink` did with the last. Closing signs a last one, if the log grew, and waits for `sink`. It is
    /// done on a thread of its own; without [`Self::background`] nothing is: call
    /// [`Store::checkpoint`] behind the appends.
    ///
    /// `sink` is told what keeps the head from being signed (a full disk, a log that doesn't continue
    /// what its key signed), as by [`Store::checkpoint`], and again after each interval until it is
    /// mended; of a store that needs to be opened again it is told once. It runs without locks and may call
    /// the store, by a [`Weak`](std::sync::Weak) reference: one that keeps the store alive keeps it from
    /// closing. If it closes the store itself, no last one is signed. A panic of `sink` ends that call,
    /// nothing else: its checkpoint counts as handed out.
    ///
    /// ```
    /// # use std::sync::{Arc, mpsc};
    /// # use std::time::Duration;
    /// # use escrowdb::{id::Micros, store::*, vfs::MemoryVfs};
    /// let (sender, published) = mpsc::channel();
    /// let sink = move |signed: escrowdb::Result<SignedCheckpoint>| match signed {
    ///     Ok(checkpoint) => drop(sender.send(checkpoint)),
    ///     Err(e) => eprintln!("no checkpoint: {e}"),
    /// };
    /// let store = Store::builder("/chats")
    ///     .checkpoint_every(Duration::from_secs(60), sink)
    /// #   .vfs(Arc::new(MemoryVfs::new()))
    ///     .create()?;
    /// store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello")])?;
    /// let key: escrowdb::merkle::signer::VerifierKey = store.verifier_key()?.parse()?;
    /// store.close()?;
    /// // Her message, and the record that says who she is.
    /// let kept: Vec<SignedCheckpoint> = published.iter().collect();
    /// assert_eq!(kept[0].verify(&key)?.size, 2);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    #[must_use]
    pub fn checkpoint_every(
        mut self,
        interval: Duration,
        sink: impl Fn(Result<SignedCheckpoint>) + Send + Sync + 'static,
    ) -> Self {
        self.checkpoints = Some((interval, Arc::new(sink)));
        self
    }

    /// Makes a new store and opens it.
    ///
    /// # Errors
    /// A folder that is not empty, a slot that exists, a slot inside the folder.
    pub fn create(self) -> Result<Store> {
        if !self.settings.region.is_empty() {
            transfer::check_region(&self.settings.region)?;
        }
        self.start(Request::create)
    }

    /// Opens a store and brings it to order after a crash.
    ///
    /// # Errors
    /// *Unsupported* (no store, or a newer one), *locked*, *wrong key*, *corrupt*; *refused* outside of the
    /// store's region.
    pub fn open(self) -> Result<Store> {
        self.start(Request::open)
    }

    fn start(mut self, opened: impl FnOnce(Request) -> Result<Opened>) -> Result<Store> {
        let checkpoints = self.checkpoints.take();
        let by = std::mem::take(&mut self.transferring);
        let store = opened(self.request()).map(Store::from)?;
        let settings = &store.state.settings;
        if let (Some(region), Some(basis)) = (&settings.here, &settings.basis)
            && transfer::is_elsewhere(&settings.region, region)
        {
            let transfer = Transfer { what: What::Opened, region: region.clone(), basis: basis.clone() };
            store.change(&by, Event::Transfer(transfer))?;
        }
        store.publish(checkpoints);
        Ok(store)
    }

    fn request(self) -> Request {
        let slot = self.slot.unwrap_or_else(|| {
            let mut name = self.dir.file_name().unwrap_or_default().to_owned();
            name.push(".slot");
            self.dir.with_file_name(name)
        });
        Request {
            vfs: self.vfs,
            clock: self.clock,
            entropy: self.entropy,
            dir: self.dir,
            slot,
            settings: self.settings,
            to_erase: self.to_erase,
        }
    }
}
