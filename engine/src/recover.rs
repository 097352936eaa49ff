//! Everything that happens when a store is made or opened. Recovery can be killed at any point
//! and run again.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::crypto::{Entropy, Keys};
use crate::env::Env;
use crate::erase::{self, Asked, expire};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, Handle, Micros, PersonNumber, StoreId};
use crate::ingest::Queue;
use crate::keyring::catalog::{self, JournalRole, Tagger};
use crate::keyring::entry::{
    AuditRules, Counters, Journal as JournalEntry, Level, Person, Settings as SettingsEntry,
};
use crate::keyring::losses::By;
use crate::keyring::{Changes, FileSlot, Keyring, LogHead, RootKey, Slot, SlotRecord, Tree};
use crate::log::Log;
use crate::merkle::hash::Hash;
use crate::policy::{self, Action, Facts, Ground};
use crate::register::transfer;
use crate::state::heal::{self, Found, GiveUp};
use crate::state::keys::ContentKeys;
use crate::state::{Parts, Reserve, Settings, State, Writer, commit, journal_name};
use crate::vfs::Vfs;
use crate::view::{Rolled, View};

mod folder;
mod half_erased;
mod journals;

use folder::{INIT_FILE, unlink_strangers};
use half_erased::{check_whole, finish_pending};
use journals::{Journals, roll_recovered};

/// What to make or open.
pub struct Request {
    /// The file seam.
    pub vfs: Arc<dyn Vfs>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The store's folder.
    pub dir: PathBuf,
    /// The slot's file, outside the folder.
    pub slot: PathBuf,
    /// Limits and, for a new store, its origin, region and preset.
    pub settings: Settings,
    /// The erasure for which alone losses are accepted.
    pub to_erase: Option<Asked>,
}

/// An open store: what it is, and the queue of its appends.
pub struct Opened {
    /// The store.
    pub state: Arc<State>,
    /// Appends that wait.
    pub queue: Queue,
}

impl Request {
    /// Makes a new store. Its slot is written last: before that there is no store, and what an
    /// interrupted `init` left is cleared by the next one.
    pub fn create(self) -> Result<Opened> {
        self.check_slot_is_outside()?;
        let unfinished = self.check_folder_is_ours()?;
        let slot = FileSlot::new(Arc::clone(&self.vfs), &self.slot);
        if slot.exists()? {
            match slot.load() {
                // The last `init` was stopped before the root stood in it.
                Ok(None) => {
                    self.vfs.remove(&self.slot).map_err(|e| Error::io("remove an empty slot", e))?;
                }
                // Or between the slot and the end: the store is whole.
                Ok(Some(_)) if unfinished => return self.open(),
                _ => {
                    return Err(Error::invalid("the slot exists already")
                        .hint("choose another place for the slot; an existing one may open a store"));
                }
            }
        }
        let io = |e| Error::io("make the store's folder", e);
        self.vfs.create_dir(&self.dir).map_err(io)?;
        let lock = self.lock()?;
        self.clear_unfinished_init()?;
        let marker = self.dir.join(INIT_FILE);
        self.vfs.create(&marker).and_then(|f| f.sync()).map_err(io)?;
        self.vfs.sync_dir(&self.dir).map_err(io)?;
        if let Some(parent) = self.dir.parent() {
            self.vfs.sync_dir(parent).map_err(io)?;
        }

        let mut env = self.env(StoreId::default());
        env.store = StoreId(env.random(b"store id")?);
        let keys = Keys::new();
        let (first, current) = commit::new_journal(&env, &keys)?;
        let (second, next) = commit::new_journal(&env, &keys)?;
        drop((first, second));
        let log = Log::create(Arc::clone(&env.vfs), &env.dir)?;
        let root = RootKey::generate(&*env.entropy, env.store)?;
        let entries = self.first_entries(&env, &current, &next)?;
        Keyring::create(
            Arc::clone(&env.vfs),
            &env.dir,
            Arc::clone(&env.entropy),
            env.store,
            &root,
            Epoch(1),
            &entries,
            commit::log_head(&log),
        )?;
        env.sync_dir()?;
        slot.create(&SlotRecord { store: env.store, epoch: Epoch(1), root })?;
        env.unlink(INIT_FILE)?;
        env.sync_dir()?;
        drop(lock);
        self.open()
    }

    /// Opens a store and brings it to order.
    pub fn open(self) -> Result<Opened> {
        self.check_is_store()?;
        let lock = self.lock()?;
        let slot = FileSlot::new(Arc::clone(&self.vfs), &self.slot);
        let record = match slot.load()? {
            Some(record) => record,
            None => return Err(no_root_key(slot.exists()?)),
        };
        let env = self.env(record.store);
        let keyring = Keyring::open(
            Arc::clone(&env.vfs),
            &env.dir,
            Arc::clone(&env.entropy),
            env.store,
            &record.root,
            record.epoch,
        )?;
        let proved_newest = keyring.proved_newest();
        // The record may stand in one copy or in the cache only.
        slot.heal(&record)?;
        let tree = keyring.tree();
        let settings = self.settings_of(&tree)?;
        check_place(&settings, self.clock.now())?;
        let keys = Keys::new();
        let subjects = ContentKeys::new(tree.clone(), self.settings.index_bytes);
        let (mut segments, mut missing) = (Vec::new(), Vec::new());
        for (id, entry) in catalog::segments(&tree)? {
            match heal::find(&env, id, entry, &keys, subjects.clone())? {
                Found::Whole(segment) => segments.push(segment),
                Found::ToRebuild(_, lost) | Found::Lost(lost) => missing.push(lost),
            }
        }
        if !catalog::pending(&tree)?.is_empty() {
            check_whole(&env, (&slot, &record), &keyring, &segments, &missing)?;
        }
        let head = keyring.head();
        let (mut log, repaired) = open_log(&env, &head.log, &segments)?;
        (0..repaired).for_each(|_| env.repairs.count());
        log.settle_parity()?;
        let mut journals = Journals::replay(&env, &tree, &keys, self.settings.accept_losses)?;
        let mut view = View::new(tree.clone(), segments, Tagger::new(&*catalog::tag_key(&tree)?));
        view.missing = missing;
        let counters = journals.fill(&mut view, catalog::counters(&tree)?)?;
        view.settle_rules()?;
        if let Some(asked) = &self.to_erase
            && !journals.lost.is_empty()
            && catalog::pending(&tree)?.is_empty()
        {
            // Nothing was written so far.
            erase::check_follows(&view, asked)?;
        }
        // Only now is it known that this root opens all there is.
        slot.destroy_others(record.epoch)?;

        let lost = std::mem::take(&mut journals.lost);
        let old = journals.names();
        let reserve = Reserve::find(&env)?;
        let (active, spare, fresh) = if let Some((active, spare)) = journals.clean() {
            (active, spare, None)
        } else {
            let (active, current) = reserve.retry(&env, || true, || commit::new_journal(&env, &keys))?;
            let (spare, next) = reserve.retry(&env, || true, || commit::new_journal(&env, &keys))?;
            env.sync_dir()?;
            view.frozen = Some(Arc::new(view.take_live()));
            (active, spare, Some((current, next)))
        };
        let writer = Writer {
            active,
            spare: Some(spare),
            opened: false,
            next_seq: counters.seq,
            next_person: counters.person,
        };
        let state = State::new(Parts {
            cursor_key: keys.insert(&*catalog::tag_key(&tree)?)?,
            slot_name: self.slot.display().to_string(),
            slot: Box::new(slot),
            settings,
            keyring,
            writer,
            view,
            log,
            subjects,
            keys,
            reserve,
            lock,
            env,
        });
        let queue = Queue::default();
        if let Some((current, next)) = fresh {
            let rolled = state.reserve.retry(
                &state.env,
                || !state.is_poisoned(),
                || roll_recovered(&state, &current, &next, &lost),
            );
            if let Err(e) = rolled {
                if e.kind() == ErrorKind::NoSpace && !state.is_poisoned() {
                    // On a full disk every opening would leave two more.
                    for journal in [&current, &next] {
                        let _ = state.env.unlink(journal_name(journal.file));
                    }
                }
                return Err(e);
            }
            for name in old {
                // One that stays is a stranger to the next opening.
                let _ = state.env.unlink(name);
            }
        }
        heal::missing(&state, GiveUp::Nothing, By::Opening)?;
        match state.reserve.retry(&state.env, || !state.is_poisoned(), || finish_pending(&state, &queue)) {
            // What waits stays out of sight as far as it is gone, and goes on when there is room.
            Err(e) if e.kind() == ErrorKind::NoSpace && !state.is_poisoned() => {}
            other => other?,
        }
        state.settle_audit()?;
        state.env.unlink(INIT_FILE)?;
        if proved_newest {
            // What was finished above may have started a roll, whose files no tree names yet.
            state.wait_for_roll();
            unlink_strangers(&state)?;
        }
        expire_due(&state, &queue)?;
        state.keep_reserve();
        Ok(Opened { state, queue })
    }

    fn env(&self, store: StoreId) -> Env {
        Env {
            vfs: Arc::clone(&self.vfs),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            dir: self.dir.clone(),
            store,
            repairs: Arc::default(),
        }
    }

    fn first_entries(&self, env: &Env, current: &JournalEntry, next: &JournalEntry) -> Result<Changes> {
        let mut changes = Changes::new();
        let tag_key = env.random_key(b"tag key")?;
        let own = Person {
            handle: Handle(env.random(b"handle of the store")?),
            content: env.random_key(b"content key of the store")?,
            evidence: env.random_key(b"evidence key of the store")?,
            state: 0,
            identifiers: 0,
            linked: Vec::new(),
        };
        catalog::put_person(&mut changes, &Tagger::new(&tag_key), PersonNumber::STORE, &own, &[])?;
        catalog::put_journal(&mut changes, JournalRole::Current, current)?;
        catalog::put_journal(&mut changes, JournalRole::Next, next)?;
        catalog::put_tag_key(&mut changes, &tag_key)?;
        catalog::put_signing_key(&mut changes, &*env.random_key(b"signing key")?)?;
        catalog::put_counters(&mut changes, &Counters { person: PersonNumber(1), ..Counters::default() })?;
        let origin = match self.settings.origin.as_str() {
            "" => format!("escrowdb.local/{}", env.store),
            given => given.to_owned(),
        };
        let settings =
            SettingsEntry { origin, region: self.settings.region.clone(), preset: self.settings.preset };
        catalog::put_settings(&mut changes, &settings)?;
        if self.settings.audit > Level::Off {
            catalog::put_audit_rules(&mut changes, &AuditRules::new(self.settings.audit))?;
        }
        Ok(changes)
    }

    fn settings_of(&self, tree: &Tree) -> Result<Settings> {
        let fixed = catalog::settings(tree)?;
        Ok(Settings {
            preset: fixed.preset,
            origin: fixed.origin,
            region: fixed.region,
            ..self.settings.clone()
        })
    }
}

/// Refuses to open a store outside of its region, unless a basis was named for that. Nothing was written so far.
fn check_place(settings: &Settings, now: Micros) -> Result<()> {
    let place = settings.here.as_deref().unwrap_or(&settings.region);
    let elsewhere = transfer::is_elsewhere(&settings.region, place) && settings.basis.is_none();
    match policy::decide(Action::Read, &Facts { elsewhere, ..Facts::default() }, now).ground() {
        Some(Ground::Region) => Err(Error::new(ErrorKind::Refused, "the store's region is another one")
            .hint(
                "open it there, or name the basis of a transfer (GDPR articles 44 to 49): --transfer-basis",
            )),
        _ => Ok(()),
    }
}

/// Acts whose date has come go before the store serves. Trouble with that is none with the store,
/// unless it is poisoned: what is due stays due.
fn expire_due(state: &Arc<State>, queue: &Queue) -> Result<()> {
    match expire::expire(state, queue) {
        Err(e) if state.is_poisoned() => Err(e),
        _ => Ok(()),
    }
}

/// Opens the log; one that is damaged beyond parity is made again from the records that live, as far
/// as they go. A page that was lost, or the whole of it, counts as one repair.
fn open_log(env: &Env, head: &LogHead, segments: &[Rolled]) -> Result<(Log, u64)> {
    let root = Hash(head.root);
    match Log::open_to(Arc::clone(&env.vfs), &env.dir, head.size, root) {
        Err(e) if e.kind() == ErrorKind::Corrupt => {
            let living = heal::leaves_of(segments);
            let log = Log::rebuild(Arc::clone(&env.vfs), &env.dir, head.size, root, &living)?;
            let repaired = u64::from(log.loss().is_none());
            Ok((log, repaired))
        }
        opened => opened,
    }
}

fn no_root_key(exists: bool) -> Error {
    let message = if exists { "the slot holds no root key" } else { "the slot is missing" };
    Error::new(ErrorKind::WrongKey, message)
        .hint("give the right slot with --slot file:PATH; without it the store can't be opened")
}
