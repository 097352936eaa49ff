//! The store: what an embedding program holds. It owns the open parts and calls one room a verb.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::compact::{self, Background};
use crate::erase::keeper::Keeper;
use crate::error::{Error, Result};
use crate::id::{Epoch, SegmentId, Seq, StoreId};
use crate::ingest::Queue;
use crate::ingest::queue::WhenFull;
use crate::keyring::{Changes, Grade, catalog};
use crate::query::parse;
use crate::recover::Opened;
use crate::session::Session;
use crate::state::{State, commit, upgrade};
use crate::verify::interval::{Publisher, Sink};
use crate::verify::{self, probe};
use crate::view::Missing;

mod acts;
mod amend;
mod builder;
mod evidence;
mod names;
mod redact;
mod requests;
mod retention;
mod rules;

pub use builder::Builder;
pub use requests::RequestPlan;

pub use crate::compact::{CompactOptions, CompactReport, Space};
pub use crate::erase::redact::{Agreed, Plan as RedactionPlan};
pub use crate::erase::retention::deleted::TakenBack;
pub use crate::erase::retention::quarantine::InQuarantine;
pub use crate::erase::retention::review::ForReview;
pub use crate::erase::retention::{ClassReport, RetentionReport};
pub use crate::erase::{Certificate, EraseOptions, Plan, Redaction, Selector};
pub use crate::ingest::register::{Said, Who};
pub use crate::ingest::{Outcome, Rehearsal};
pub use crate::keyring::entry::{AuditRules, Level};
pub use crate::keyring::losses::{By as GivenUpBy, Loss, What as Lost};
pub use crate::keyring::progress::ImportProgress;
pub use crate::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
pub use crate::merkle::rotation::SignedRotation;
pub use crate::merkle::text::{Advance, RecordProof};
pub use crate::query::acts::{ActOptions, ActView, Exported};
pub use crate::query::around::Around;
pub use crate::query::exec::Order;
pub use crate::query::explain::Explain;
pub use crate::query::hit::{Hit, PersonView};
pub use crate::query::options::SearchOptions;
pub use crate::query::publish::Published;
pub use crate::query::quarantine::Quarantined;
pub use crate::query::reading::Reading;
pub use crate::query::snippet::Snippet;
pub use crate::query::thread::Threaded;
pub use crate::receipts::{Act, Deed, Detail, DetailField};
pub use crate::record::Record;
pub use crate::record::time::Period;
pub use crate::state::log_key::LogKeyReport;
pub use crate::state::upgrade::UpgradeReport;
pub use crate::state::{Durability, Preset};
pub use crate::verify::against::Against;
pub use crate::verify::probe::SealedObject;
pub use crate::verify::{Share, VerifyOptions, VerifyProgress, VerifyReport};

/// An open store. Share it between threads by reference or in an `Arc`; dropping it closes it.
///
/// ```
/// use std::sync::Arc;
/// use escrowdb::id::Micros;
/// use escrowdb::session::Session;
/// use escrowdb::store::{EraseOptions, Record, Selector, Store};
/// use escrowdb::vfs::MemoryVfs;
///
/// let disk = Arc::new(MemoryVfs::new());
/// let store = Store::builder("/chats").vfs(disk).create()?;
/// store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").tag("dept:sales")])?;
/// let reading = store.session(Session::new());
/// assert_eq!(reading.count("tag:dept:sales")?, 1);
/// store.erase(&Selector::Person("anna@example.org".into()), &EraseOptions::default())?;
/// assert_eq!(reading.count("*")?, 0);
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub struct Store {
    /// The open parts; each lock's owner is named there.
    state: Arc<State>,
    /// Appends that wait. Has its own lock, which is never held while another is taken.
    queue: Queue,
    /// The thread that compacts. Taken when the store closes.
    background: Mutex<Background>,
    /// The thread that lets acts go on their date. Taken when the store closes.
    keeper: Mutex<Keeper>,
    /// The thread that signs checkpoints. Taken when the store closes.
    publisher: Mutex<Publisher>,
}

/// Numbers about a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records of the default kinds.
    pub records: u64,
    /// People who are known.
    pub people: u64,
    /// Rolled segments.
    pub segments: u64,
    /// Records, of whatever kind, that stand only in journals.
    pub journal_records: u64,
    /// Log positions given.
    pub log_size: u64,
    /// Bytes of all files in the folder.
    pub bytes: u64,
    /// The same by part, and what of them is dead.
    pub space: Space,
    /// What reading has set right in memory since the store was opened; `verify` with `repair`
    /// writes it back.
    pub repaired: u64,
    /// Records that were ever given up: nothing brought them back ([`Store::losses`]).
    pub lost: u64,
}

/// A segment that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its number.
    pub segment: SegmentId,
    /// How many records it holds.
    pub records: u64,
    /// Their lowest log position.
    pub first: Seq,
    /// Their highest log position; others between stand elsewhere.
    pub last: Seq,
    /// In words: file, damage, positions.
    pub what: String,
}

/// Where the root key lives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// The slot.
    pub slot: String,
    /// How surely it forgets: `A`, `B` or `C`.
    pub grade: &'static str,
    /// One more at every erasing commit.
    pub epoch: Epoch,
    /// Whether keys in memory are locked against swapping.
    pub memory_locked: bool,
}

impl Store {
    /// Starts with a folder. The slot lies beside it (`DIR.slot`) unless another is named.
    pub fn builder(dir: impl Into<PathBuf>) -> Builder {
        Builder::new(dir.into())
    }

    /// Appends a batch: one outcome for each record, in order. The records added are durable and
    /// found by searches when the call returns; after a crash a batch is there whole or not at
    /// all. Waits while too many bytes of other callers wait.
    ///
    /// # Errors
    /// Trouble with the store. Trouble with one record is its outcome.
    pub fn append(&self, records: &[Record]) -> Result<Vec<Outcome>> {
        self.queue.append(&self.state, records, WhenFull::Wait)
    }

    /// The same, but answers *busy* instead of waiting.
    ///
    /// # Errors
    /// As [`Store::append`], and *busy*.
    pub fn try_append(&self, records: &[Record]) -> Result<Vec<Outcome>> {
        self.queue.append(&self.state, records, WhenFull::Refuse)
    }

    /// Appends that only look: each answers what a real one would, had all before been real ones,
    /// and nothing is written. It keeps some hundred bytes a record that would be added.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// let hello = Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1");
    /// let mut rehearsal = store.rehearsal();
    /// assert!(matches!(rehearsal.append(&[hello.clone()])?[..], [Outcome::Added(_)]));
    /// assert!(matches!(rehearsal.append(&[hello.clone()])?[..], [Outcome::Duplicate(_)]));
    /// assert!(matches!(store.append(&[hello])?[..], [Outcome::Added(_)]));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    pub fn rehearsal(&self) -> Rehearsal<'_> {
        Rehearsal::new(&self.state)
    }

    /// Reads as somebody, for a purpose, in a case: who it was and what he did is recorded as far as
    /// [`Builder::audit`] says.
    pub fn session(&self, session: Session) -> Reading<'_> {
        Reading::new(&self.state, &self.queue, session)
    }

    /// Links two people, who are erased together from then on; at most 16 are linked. If one of
    /// them stands in the journal only, it is rolled first.
    ///
    /// # Errors
    /// *Not found* if one is unknown, *busy* while one is being erased, *invalid* over the limit.
    pub fn link(&self, a: &str, b: &str) -> Result<()> {
        self.link_as(&Session::new(), a, b)
    }

    /// How far the last import came that was cut. Nothing is known after an erasure.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn import_progress(&self) -> Result<Option<ImportProgress>> {
        catalog::import_progress(&self.state.view.read().tree)
    }

    /// Notes how far an import came (`None`: it is finished). An ordinary commit; call it once in
    /// many batches.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn note_import(&self, progress: Option<&ImportProgress>) -> Result<()> {
        let mut changes = Changes::new();
        match progress {
            Some(progress) => catalog::put_import_progress(&mut changes, progress)?,
            None => {
                let tree = self.state.view.read().tree.clone();
                catalog::remove_import_progress(&mut changes, &tree)?;
            }
        }
        if changes.is_empty() { Ok(()) } else { commit::ordinary(&self.state, &changes) }
    }

    /// Erases a person, a conversation or a record. When it returns, no byte ever written to the
    /// store together with every key that exists tells anything of it.
    ///
    /// # Errors
    /// *Not found*, *busy* while it is being erased already, *refused* by a rule, or because it is not what was planned
    /// for the request that it names, *no space* (the request is kept and done by the next erasure or opening).
    pub fn erase(&self, selector: &Selector, options: &EraseOptions) -> Result<Certificate> {
        self.check_erasure(selector, options)?;
        crate::erase::erase(&self.state, &self.queue, selector, options)
    }

    /// Merges small segments, lays those that overlap in time one behind the other, and gives back
    /// what erasures left dead in body files. Searches and appends go on; an erasure cancels it.
    /// `each` is called after every step that is published.
    ///
    /// # Errors
    /// *Busy* if an erasure or a check came, *no space*; what was published stays, and nothing is lost.
    pub fn compact(
        &self,
        options: &CompactOptions,
        each: impl FnMut(&CompactReport),
    ) -> Result<CompactReport> {
        compact::compact(&self.state, options, each)
    }

    /// Version of the store's format. One that is older than [`crate::FORMAT_VERSION`] is read and
    /// written as it is: format 1 has no index of words, so queries for words are refused.
    pub fn format(&self) -> u32 {
        upgrade::format(&self.state.view.read().tree)
    }

    /// Brings the store to the format of this program: from then on no older program opens it, and each
    /// index is written anew with words. Searches and appends go on, queries for words are refused until
    /// the last index is written. `each` is called after every commit. Once it was stopped, it is called
    /// again and goes on with what is left.
    ///
    /// # Errors
    /// *Busy* if an erasure waits, *no space*; what was published stays, and nothing is lost.
    pub fn upgrade(&self, each: impl FnMut(&UpgradeReport)) -> Result<UpgradeReport> {
        upgrade::upgrade(&self.state, each)
    }

    /// Checks the store; damage is in the report. Appends wait while it reads.
    ///
    /// # Errors
    /// Trouble that keeps it from looking.
    pub fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        verify::verify(&self.state, options, &mut |_| ())
    }

    /// The same; `each` is told how far it came, before the first segment and behind each.
    ///
    /// # Errors
    /// As of [`Self::verify`].
    pub fn verify_each(
        &self,
        options: &VerifyOptions,
        mut each: impl FnMut(VerifyProgress),
    ) -> Result<VerifyReport> {
        verify::verify(&self.state, options, &mut each)
    }

    /// Numbers about the store.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn stats(&self) -> Result<Stats> {
        let reading = self.session(Session::new()).quietly();
        let (segments, journal_records) = {
            let view = self.state.view.read();
            (view.segments.len() as u64, view.journal_len())
        };
        let space = compact::space::measure(&self.state)?;
        Ok(Stats {
            records: reading.count("*")?,
            people: reading.count("kind:person")?,
            segments,
            journal_records,
            log_size: self.state.writer.lock().next_seq.0,
            bytes: space.total(),
            space,
            repaired: self.state.env.repairs.total(),
            lost: catalog::losses(&self.state.view.read().tree)?.records(),
        })
    }

    /// Segments that can't be read, because their index is lost beyond rescue: what they hold is
    /// missing in every answer, until their files are back or they are given up, by an erasure or by
    /// [`Store::verify`] with [`VerifyOptions::accept_losses`]. Empty for a sound store.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        let of = |missing: &Missing| Unreadable {
            segment: missing.id,
            records: missing.entry.docs.into(),
            first: missing.entry.min_seq,
            last: missing.entry.max_seq,
            what: missing.to_string(),
        };
        self.state.view.read().missing.iter().map(of).collect()
    }

    /// What was ever found damaged beyond repair and given up: an erasure goes on past damage, and
    /// what nothing opens any more leaves the store with it. It stands in the key tree, sealed, from
    /// the commit on that gave it up. Empty for a store that never lost anything.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        Ok(catalog::losses(&self.state.view.read().tree)?.iter().copied().collect())
    }

    /// Where the root key lives.
    pub fn key_status(&self) -> KeyStatus {
        KeyStatus {
            slot: self.state.slot_name.clone(),
            grade: Grade::name(self.state.slot.grade()),
            epoch: self.state.keyring.lock().head().epoch,
            memory_locked: self.state.keys.read().is_locked(),
        }
    }

    /// Random name of the store.
    pub fn id(&self) -> StoreId {
        self.state.env.store
    }

    /// Rolls the journal into a segment now.
    ///
    /// # Errors
    /// Trouble with the store; the records stay safe in the journal.
    pub fn roll(&self) -> Result<()> {
        commit::roll_now(&self.state)
    }

    /// Every sealed object that holds a record or a term of a person.
    ///
    /// # Errors
    /// *Not found* if she is unknown.
    pub fn sealed_objects_holding(&self, identifier: &str) -> Result<Vec<SealedObject>> {
        probe::holding(&self.state, identifier)
    }

    /// How many of `objects`, as they lie in `folder` (the store's own or a copy), open with any
    /// key that exists.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn opened_by_living_keys(&self, folder: &Path, objects: &[SealedObject]) -> Result<usize> {
        probe::opened(&self.state, folder, objects)
    }

    /// Checks that a query is well formed.
    ///
    /// # Errors
    /// *Invalid*, with the place.
    pub fn check_query(&self, query: &str) -> Result<()> {
        parse::parse(query, self.state.env.clock.now()).map(drop)
    }

    /// Has checkpoints signed at an interval from now on.
    fn publish(&self, wanted: Option<(Duration, Sink)>) {
        if let Some((interval, sink)) = wanted {
            *self.publisher.lock() = Publisher::start(&self.state, interval, sink);
        }
    }

    /// Closes the store cleanly: has the last checkpoint handed out
    /// ([`Builder::checkpoint_every`]), waits for the roll in flight, rolls a journal that is worth it,
    /// and marks the journal closed.
    ///
    /// # Errors
    /// What went wrong; everything acknowledged is safe all the same.
    pub fn close(self) -> Result<()> {
        self.close_inner()
    }

    fn close_inner(&self) -> Result<()> {
        let state = &self.state;
        let publisher = std::mem::take(&mut *self.publisher.lock());
        publisher.end();
        // What a compaction has not published would keep the close waiting.
        let no_compactions = state.forbid_compactions();
        let live = u64::from(state.settings.close_roll_records);
        let rolled = if !state.is_poisoned() && state.view.read().journal_len() > live {
            commit::roll_now(state)
        } else {
            Ok(())
        };
        // A roll in flight publishes before commits are refused.
        state.wait_for_roll();
        if !state.start_closing() {
            return Ok(());
        }
        drop(no_compactions);
        self.background.lock().join();
        self.keeper.lock().join();
        let thread = state.rolls.lock().thread.take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        rolled?;
        if state.is_poisoned() || state.view.read().frozen.is_some() {
            return Ok(());
        }
        let mut writer = state.writer.lock();
        // A fresh journal gets its mark too; without it the next opening would take it for an unclean
        // stop, and put others in the place of both.
        if writer.opened || writer.active.is_empty() {
            let env = &state.env;
            writer.active.close(&*env.vfs, &env.dir, &*env.entropy)?;
            writer.opened = false;
        }
        Ok(())
    }
}

/// A store is shared between threads; what it hands out may be sent.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Store>();
    shared::<Reading<'static>>();
    shared::<Builder>();
    shared::<Hit>();
    shared::<Certificate>();
    shared::<Error>();
};

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.close_inner();
    }
}

impl From<Opened> for Store {
    fn from(opened: Opened) -> Self {
        let background = Mutex::new(Background::start(&opened.state));
        let keeper = Mutex::new(Keeper::start(&opened.state));
        let publisher = Mutex::default();
        Self { state: opened.state, queue: opened.queue, background, keeper, publisher }
    }
}

#[cfg(test)]
mod tests;
