//! Everything that happens when a store is made or opened. Recovery can be killed at any point
//! and run again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::clock::Clock;
use crate::crypto::{Entropy, Keys};
use crate::env::Env;
use crate::erase::{finish, pass};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, FileId, Handle, PersonNumber, SegmentId, Seq, StoreId};
use crate::index::{LiveIndex, Part};
use crate::ingest::{Queue, frame};
use crate::journal::{FrameKind, Journal, Replay, parity};
use crate::keyring::catalog::{self, JournalRole, Tagger};
use crate::keyring::entry::{
    Counters, Journal as JournalEntry, Person, Segment as SegmentEntry, Settings as SettingsEntry,
};
use crate::keyring::losses::{By, Loss, What};
use crate::keyring::{Changes, FileSlot, Keyring, LogHead, Report, RootKey, Slot, SlotRecord, Tree};
use crate::log::{LOST, Log};
use crate::merkle::commitment::Committer;
use crate::merkle::hash::Hash;
use crate::roll::Rolled as Built;
use crate::state::heal::{self, Found, GiveUp};
use crate::state::keys::ContentKeys;
use crate::state::{Parts, RESERVE_FILE, Reserve, Settings, State, Writer, commit, journal_name};
use crate::vfs::{LockGuard, Vfs};
use crate::view::{Rolled, View};

/// Stands in the folder while `init` is not finished.
const INIT_FILE: &str = "INIT";
/// Holds the hashes of the log.
const LOG_FOLDER: &str = "log";
/// Held by the process that has the store open.
const LOCK_FILE: &str = "LOCK";

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
            // An erasure was under way: before the other root may go, everything that this one
            // must open is read once more.
            let mut pages = Report::default();
            keyring.verify(true, &mut pages)?;
            if let Some(damage) = pages.damage.into_iter().next() {
                return Err(Error::corrupt(damage)
                    .hint("nothing was destroyed; restore the named file from a backup and open again"));
            }
            let mut damaged: Vec<_> =
                missing.iter().map(|m| (m.id, m.entry.clone(), m.why.clone())).collect();
            for segment in &segments {
                let rewritten = segment.entry.generation > 0;
                let damage = segment.part.verify_fresh(rewritten).into_iter().next();
                damaged.extend(damage.map(|damage| (segment.id, segment.entry.clone(), damage)));
            }
            // What the other root would open no better is no reason to keep it.
            let older = if damaged.is_empty() { None } else { older_segments(&env, &slot, &record)? };
            for (id, entry, damage) in damaged {
                let same = |(i, e): &(SegmentId, SegmentEntry)| {
                    *i == id && e.index == entry.index && e.bodies == entry.bodies
                };
                if older.as_ref().is_some_and(|older| !older.iter().any(same)) {
                    return Err(Error::corrupt(format!("segment {id}: {damage}"))
                        .hint("nothing was destroyed; restore the named file from a backup and open again"));
                }
            }
        }
        let head = keyring.head();
        let (mut log, repaired) = open_log(&env, &head.log, &segments)?;
        (0..repaired).for_each(|_| env.repairs.count());
        log.settle_parity()?;
        let settings = self.settings_of(&tree)?;
        let mut journals = Journals::replay(&env, &tree, &keys, self.settings.accept_losses)?;
        let mut view = View::new(tree.clone(), segments, Tagger::new(&*catalog::tag_key(&tree)?));
        view.missing = missing;
        let counters = journals.fill(&mut view, catalog::counters(&tree)?)?;
        // Only now is it known that this root opens all there is.
        slot.destroy_others(record.epoch)?;

        let unclean = journals.unclean;
        let lost = std::mem::take(&mut journals.lost);
        let old = journals.names();
        let reserve = Reserve::find(&env)?;
        let (active, spare, fresh) = if unclean {
            let (active, current) = reserve.retry(&env, || true, || commit::new_journal(&env, &keys))?;
            let (spare, next) = reserve.retry(&env, || true, || commit::new_journal(&env, &keys))?;
            env.sync_dir()?;
            view.frozen = Some(Arc::new(std::mem::replace(&mut view.live, LiveIndex::new())));
            (active, spare, Some((current, next)))
        } else {
            (journals.current.journal, journals.next.journal, None)
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
        state.env.unlink(INIT_FILE)?;
        if proved_newest {
            // What was finished above may have started a roll, whose files no tree names yet.
            state.wait_for_roll();
            unlink_strangers(&state)?;
        }
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

    fn check_slot_is_outside(&self) -> Result<()> {
        let resolve = |path| self.vfs.resolve(path).map_err(|e| Error::io("look for the slot's place", e));
        if resolve(&self.slot)?.starts_with(resolve(&self.dir)?) {
            return Err(Error::invalid("the slot must not lie in the store's folder")
                .hint("a copy of the folder would carry the root key; choose a place outside"));
        }
        Ok(())
    }

    /// Takes the store's lock, and that of HEAD where there is one: somebody may have removed a
    /// LOCK that looked left over, and nobody removes HEAD.
    fn lock(&self) -> Result<Vec<Box<dyn LockGuard>>> {
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

    fn check_is_store(&self) -> Result<()> {
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
    fn check_folder_is_ours(&self) -> Result<bool> {
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
    fn clear_unfinished_init(&self) -> Result<()> {
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

/// Opens the log; one that is damaged beyond parity is made again from the records that live, as far
/// as they go. A page that was lost, or the whole of it, counts as one repair.
fn open_log(env: &Env, head: &LogHead, segments: &[Rolled]) -> Result<(Log, u64)> {
    let root = Hash(head.root);
    match Log::open_to(Arc::clone(&env.vfs), &env.dir, head.size, root) {
        Err(e) if e.kind() == ErrorKind::Corrupt => {
            let mut living = HashMap::new();
            let mut committer = Committer::new();
            for segment in segments {
                for doc in 0..segment.part.doc_count() {
                    // What doesn't open gives no leaf.
                    let Ok(record) = segment.part.stored_with_salt(doc) else { continue };
                    living.insert(record.seq.0, committer.leaf(&record.salt, &record.canonical));
                }
            }
            let log = Log::rebuild(Arc::clone(&env.vfs), &env.dir, head.size, root, &living)?;
            let repaired = u64::from(log.loss().is_none());
            Ok((log, repaired))
        }
        opened => opened,
    }
}

/// The segments that the slot's other root opens; `None` if there is no such root, or it opens nothing.
fn older_segments(
    env: &Env,
    slot: &FileSlot,
    chosen: &SlotRecord,
) -> Result<Option<Vec<(SegmentId, SegmentEntry)>>> {
    let Some(other) = slot.other(chosen)? else { return Ok(None) };
    let looked = Keyring::look(&*env.vfs, &env.dir, env.store, &other.root, other.epoch);
    match looked.and_then(|tree| catalog::segments(&tree)) {
        Ok(segments) => Ok(Some(segments)),
        Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::WrongKey) => Ok(None),
        Err(e) => Err(e),
    }
}

fn no_root_key(exists: bool) -> Error {
    let message = if exists { "the slot holds no root key" } else { "the slot is missing" };
    Error::new(ErrorKind::WrongKey, message)
        .hint("give the right slot with --slot file:PATH; without it the store can't be opened")
}

/// Both journals as they were found.
struct Journals {
    current: Replay,
    next: Replay,
    unclean: bool,
    /// Positions whose frames are damaged beyond rescue: the first, and how many.
    lost: Vec<(Seq, u64)>,
}

impl Journals {
    fn replay(env: &Env, tree: &Tree, keys: &Keys, past_damage: bool) -> Result<Self> {
        let open = |role| {
            let entry = catalog::journal(tree, role)?;
            let replay = if past_damage { Journal::replay_what_is_left } else { Journal::replay };
            replay(&*env.vfs, &env.dir, env.store, entry.file, keys.insert(&entry.key)?)
        };
        let current = open(JournalRole::Current)?;
        let next = match open(JournalRole::Next) {
            // Where the current journal was closed, the next one is empty, readable or not.
            Err(e) if current.at_rest && e.kind() == ErrorKind::Io => {
                let entry = catalog::journal(tree, JournalRole::Next)?;
                let key = keys.insert(&entry.key)?;
                Journal::unreadable(&*env.vfs, &env.dir, env.store, entry.file, key)?
            }
            other => other?,
        };
        for _ in 0..current.repaired + next.repaired {
            env.repairs.count();
        }
        let closed = current.frames.last().is_some_and(|f| f.kind == FrameKind::Closed);
        let damaged = current.lost != (0, 0) || next.lost != (0, 0);
        let unclean = !closed || current.torn || next.torn || !next.frames.is_empty() || damaged;
        Ok(Self { current, next, unclean, lost: Vec::new() })
    }

    fn names(&self) -> Vec<PathBuf> {
        let ids = [self.current.journal.id(), self.next.journal.id()];
        ids.into_iter().flat_map(|id| [parity::file_name(id), journal_name(id)]).collect()
    }

    /// Puts every record into the live index: `current` first, then `next`.
    fn fill(&mut self, view: &mut View, mut counters: Counters) -> Result<Counters> {
        let mut may_lack = false;
        for replay in [&self.current, &self.next] {
            may_lack |= replay.lost.0 > 0;
            for f in replay.frames.iter().filter(|f| f.kind == FrameKind::Batch) {
                for e in frame::decode(&f.payload)? {
                    if may_lack && e.seq > counters.seq {
                        note_lost(&mut self.lost, counters.seq, e.seq.0 - counters.seq.0);
                        counters.seq = e.seq;
                    }
                    if e.seq != counters.seq {
                        return Err(Error::corrupt(format!(
                            "journal {}.jrn: log position {} follows where {} should",
                            replay.journal.id(),
                            e.seq,
                            counters.seq
                        ))
                        .hint("a journal is older than the key tree; restore both from one backup"));
                    }
                    counters.seq = Seq(e.seq.0 + 1);
                    if let Some(person) = &e.stored.person {
                        let after = PersonNumber(person.number.0.saturating_add(1));
                        counters.person = counters.person.max(after);
                    }
                    if may_lack {
                        // Numbers that were given in the frame that is lost are not given again.
                        let named = e.stored.subjects.iter().chain([&e.stored.author]).max();
                        let after = PersonNumber(named.map_or(0, |number| number.0.saturating_add(1)));
                        counters.person = counters.person.max(after);
                    }
                    view.add_born(&e.stored);
                    // Who that is stood in the frame that is lost: nobody could ask for its erasure.
                    if may_lack && !knows_all(view, &e.stored.subjects)? {
                        note_lost(&mut self.lost, e.seq, 1);
                        continue;
                    }
                    view.add_live(e)?;
                }
            }
            // How many records stood in the last frames nobody can say; at least one in each.
            if replay.lost.1 > 0 {
                note_lost(&mut self.lost, counters.seq, replay.lost.1);
                counters.seq = Seq(counters.seq.0 + replay.lost.1);
            }
        }
        Ok(counters)
    }
}

fn knows_all(view: &View, people: &[PersonNumber]) -> Result<bool> {
    for person in people {
        if !view.knows(*person)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Notes positions that are lost; neighbours become one.
fn note_lost(lost: &mut Vec<(Seq, u64)>, first: Seq, number: u64) {
    match lost.last_mut() {
        Some((before, n)) if before.0 + *n == first.0 => *n += number,
        _ => lost.push((first, number)),
    }
}

/// After an unclean stop both journals go into one segment and two fresh ones take their place:
/// a frame that was written and lost again might mention anybody.
fn roll_recovered(
    state: &Arc<State>,
    current: &JournalEntry,
    next: &JournalEntry,
    lost: &[(Seq, u64)],
) -> Result<()> {
    let frozen = state.view.read().frozen.clone().unwrap_or_default();
    let id = catalog::counters(&state.view.read().tree)?.segment;
    let built = commit::build_roll(state, &frozen, &RoaringBitmap::new(), &[], id)?;
    let published = publish_recovered(state, &frozen, &built, id, [current, next], lost);
    if let Err(e) = &published
        && e.kind() == ErrorKind::NoSpace
        && !state.is_poisoned()
    {
        built.remove_files(&state.env);
    }
    published
}

fn publish_recovered(
    state: &State,
    frozen: &LiveIndex,
    built: &Built,
    id: SegmentId,
    [current, next]: [&JournalEntry; 2],
    lost: &[(Seq, u64)],
) -> Result<()> {
    commit::write_leaves(state, frozen)?;
    if let Some((first, number)) = lost.last() {
        let mut log = state.log.lock();
        let end = first.0 + number;
        let missing = end.saturating_sub(log.frontier().size());
        log.append(&vec![LOST; missing as usize])?;
        log.sync()?;
    }
    state.env.sync_dir()?;
    let keyring = state.keyring.lock();
    let mut changes = built.people.clone();
    let mut opened = None;
    if let Some((id, segment)) = &built.segment {
        catalog::put_segment(&mut changes, *id, segment)?;
        opened = Some(commit::open_segment(state, *id, segment, &state.keys.read())?);
    }
    catalog::put_journal(&mut changes, JournalRole::Current, current)?;
    catalog::put_journal(&mut changes, JournalRole::Next, next)?;
    let counters = commit::rolled_counters(state, &keyring.tree(), id)?;
    catalog::put_counters(&mut changes, &counters)?;
    let mut losses: Vec<Loss> = commit::lost_leaves(state, By::Opening).into_iter().collect();
    losses.extend(lost.iter().map(|(first, number)| Loss {
        what: What::Records,
        by: By::Opening,
        at: state.env.clock.now(),
        segment: None,
        number: *number,
        first: *first,
        last: Seq(first.0 + number - 1),
    }));
    catalog::add_losses(&mut changes, &keyring.tree(), &losses)?;
    let log: LogHead = commit::log_head(&state.log.lock());
    commit::commit_locked(state, &keyring, &changes, log, |view| {
        view.frozen = None;
        view.segments.extend(opened);
        view.remove_born(|n| built.minted.contains(&n));
    })?;
    state.log.lock().loss_is_noted();
    Ok(())
}

/// Goes on with erasures that were accepted before the stop.
fn finish_pending(state: &Arc<State>, queue: &Queue) -> Result<()> {
    finish::record_and_clear(state, queue, None)?;
    while !catalog::waiting(&state.view.read().tree)?.is_empty() {
        if pass::run(state, queue)? == pass::PassEnd::Held {
            break;
        }
    }
    Ok(())
}

/// Removes files that the key tree does not name: what an interrupted roll or erasure left.
fn unlink_strangers(state: &State) -> Result<()> {
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
