//! One pass over the store for everything that waits to be erased: E1 to E7.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::MutexGuard;
use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::erase::finish;
use crate::erase::target;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, PersonNumber, RequestId, SegmentId};
use crate::index::file::file_name as index_file_name;
use crate::index::rewrite::{self, Removal};
use crate::index::{Mask, Part};
use crate::ingest::Queue;
use crate::journal::Journal;
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::{Journal as JournalEntry, Segment as SegmentEntry};
use crate::keyring::pending::{Pending, Target, Waiting};
use crate::keyring::{Changes, Keyring, LogHead, Prepared, RootKey, SlotRecord, Tree};
use crate::log::Log;
use crate::policy::{self, Decision, Facts};
use crate::roll;
use crate::segment::BodyPlace;
use crate::state::{State, Writer, commit, journal_name};
use crate::view::Rolled;

/// Body files of a segment from which on a rewrite gathers them in one.
const BODIES_GATHERED: usize = 32;

/// Runs passes until the request's act is in the log.
pub fn run_until_done(state: &Arc<State>, queue: &Queue, request: RequestId) -> Result<()> {
    let _one = state.pass.lock();
    loop {
        if !catalog::has_pending(&state.view.read().tree, request)? {
            return Ok(());
        }
        if let PassEnd::Held = run(state, queue)? {
            return Err(Error::new(ErrorKind::Refused, "a hold was placed while the erasure ran")
                .hint("the erasure is completed when the hold is lifted"));
        }
    }
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassEnd {
    /// What waited is gone, or nothing waited.
    Done,
    /// Keys are destroyed, but more segments wait for the next pass.
    More,
    /// A hold ended the pass; nothing was changed.
    Held,
}

/// Runs one pass. The caller holds the `pass` lock or is recovery.
pub fn run(state: &Arc<State>, queue: &Queue) -> Result<PassEnd> {
    let _no_rolls = state.forbid_rolls();
    let result = try_run(state, queue).map_err(|e| match e.kind() {
        // A sync that failed is never tried again as if nothing had been.
        ErrorKind::Io => state.poison(e),
        _ => e,
    });
    if state.is_poisoned() {
        return result;
    }
    unmask(state)?;
    if matches!(result, Ok(PassEnd::Held)) {
        // What was frozen is rolled as it is.
        commit::roll_frozen(state)?;
    }
    result
}

/// After a pass only that stays masked of which a part is gone already.
fn unmask(state: &State) -> Result<()> {
    let mut view = state.view.write();
    let mut mask = Mask::default();
    for (_, waiting) in catalog::waiting(&view.tree)? {
        if waiting.progress.epoch_after.0 > 0 {
            target::mask(&mut mask, &waiting.target);
        }
    }
    if mask.persons.is_empty() {
        view.leaving.clear();
    }
    view.mask = mask;
    Ok(())
}

fn try_run(state: &Arc<State>, queue: &Queue) -> Result<PassEnd> {
    let batch = mask_and_flush(state)?;
    if batch.is_empty() {
        finish::record_and_clear(state, queue, None)?;
        return Ok(PassEnd::Done);
    }
    let mut pass = Pass::new(state, batch)?;
    let result = pass.execute();
    if !matches!(result, Ok(PassEnd::Done | PassEnd::More)) && !state.is_poisoned() {
        commit::forget_leaves(state);
        pass.remove_new_files();
    }
    let end = result?;
    if end == PassEnd::Done {
        let requests: Vec<RequestId> = pass.batch.iter().map(|(request, _)| *request).collect();
        finish::record_and_clear(state, queue, Some((state.env.clock.now(), &requests)))?;
    }
    Ok(end)
}

/// E1. Searches no longer see what waits; appends and selectors for it answer busy; frames that
/// were being written are written. No roll runs and none starts.
fn mask_and_flush(state: &Arc<State>) -> Result<Vec<(RequestId, Waiting)>> {
    loop {
        let batch = {
            let keyring = state.keyring.lock();
            let batch = catalog::waiting(&keyring.tree())?;
            let mut mask = Mask::default();
            for (_, waiting) in &batch {
                target::mask(&mut mask, &waiting.target);
            }
            let mut view = state.view.write();
            view.mask = mask;
            view.note_leaving()?;
            view.clear_caches();
            batch
        };
        // Whoever writes a frame has finished it when this lock is ours; later drafts see the mask.
        drop(state.writer.lock());
        let now = catalog::waiting(&state.keyring.lock().tree())?;
        if now.len() == batch.len() {
            return Ok(batch);
        }
    }
}

struct Pass<'a> {
    state: &'a Arc<State>,
    batch: Vec<(RequestId, Waiting)>,
    dead: Vec<PersonNumber>,
    before: u64,
    removed: u64,
    rolled: u64,
    rewritten: Vec<(SegmentId, Option<SegmentEntry>)>,
    fresh_bodies: BTreeSet<SegmentId>,
    /// Hashes of the rewritten indexes' texts.
    digests: BTreeMap<SegmentId, roll::Digest>,
    roll: Option<Switched>,
    new_files: Vec<PathBuf>,
    old_files: Vec<PathBuf>,
    more: bool,
}

/// What a pass that touched the journal made.
struct Switched {
    built: roll::Rolled,
    spare: Option<Journal>,
    spare_entry: JournalEntry,
}

/// What was opened from the device before the commit point.
struct Reopened {
    arena: Keys,
    segments: Vec<Rolled>,
    active: crate::crypto::Key,
    spare: crate::crypto::Key,
    cursor: crate::crypto::Key,
}

impl<'a> Pass<'a> {
    fn new(state: &'a Arc<State>, batch: Vec<(RequestId, Waiting)>) -> Result<Self> {
        let mut dead: Vec<PersonNumber> = Vec::new();
        for (_, waiting) in &batch {
            if let Target::Persons(numbers) = &waiting.target {
                dead.extend(numbers);
            }
        }
        dead.sort_unstable();
        dead.dedup();
        Ok(Self {
            state,
            batch,
            dead,
            before: 0,
            removed: 0,
            rolled: 0,
            rewritten: Vec::new(),
            fresh_bodies: BTreeSet::new(),
            digests: BTreeMap::new(),
            roll: None,
            new_files: Vec::new(),
            old_files: Vec::new(),
            more: false,
        })
    }

    fn execute(&mut self) -> Result<PassEnd> {
        self.switch_journal()?;
        self.rewrite_segments()?;
        self.state.env.sync_dir()?;

        let state = self.state;
        let keyring = state.keyring.lock();
        // After a failed E5 the slot may name the root of the alternate HEAD record: another pass
        // would overwrite it, and nothing would open any more.
        state.check_not_poisoned()?;
        let epoch = keyring.head().epoch;
        let next_epoch = Epoch(epoch.0 + 1);
        let root = RootKey::generate(&*state.env.entropy, state.env.store)?;
        let (changes, log) = self.changes(&keyring, epoch)?;
        let prepared = keyring
            .prepare(&changes, log, Some((&root, next_epoch)))
            .map_err(|e| if keyring.is_poisoned() { state.poison(e) } else { e })?;
        let reopened = match self.read_back(&keyring, &prepared) {
            Ok(reopened) => reopened,
            Err(e) => {
                keyring.discard(prepared);
                return Err(e);
            }
        };
        // From here to the end of E6 no append is admitted: whoever holds the writer's lock keeps
        // them out.
        let mut writer = state.writer.lock();
        if self.is_held() {
            keyring.discard(prepared);
            return Ok(PassEnd::Held);
        }
        let record = SlotRecord { store: state.env.store, epoch: next_epoch, root };
        // E5. After an error nobody knows which root a restart will find: stop, and let recovery
        // decide.
        state.slot.stage(&record).map_err(|e| state.poison(e))?;
        // E6.
        state.slot.destroy_others(next_epoch).map_err(|e| state.poison(e))?;
        self.switch_memory(&keyring, prepared, &mut writer, reopened).map_err(|e| state.poison(e))?;
        drop(writer);
        drop(keyring);
        for file in &self.old_files {
            // A file that can't be removed is unopenable bytes; the next open removes it.
            let _ = state.env.unlink(file);
        }
        Ok(if self.more { PassEnd::More } else { PassEnd::Done })
    }

    /// E2, first half: if a frame mentions the erased, the journal that holds it must die. A
    /// journal whose roll or pass failed before is taken along.
    fn switch_journal(&mut self) -> Result<()> {
        let state = self.state;
        let (live_touched, waits) = {
            let view = state.view.read();
            let mut touched = false;
            for (_, waiting) in &self.batch {
                touched |= target::mentions(&view.live, &waiting.target)?;
            }
            (touched, view.frozen.is_some())
        };
        if !live_touched && !waits {
            return Ok(());
        }
        if live_touched {
            commit::roll_frozen(state)?;
            if !commit::freeze(state)? {
                return Err(Error::new(ErrorKind::Busy, "the next journal is still in use"));
            }
        }
        let frozen = state.view.read().frozen.clone().unwrap_or_default();
        let skip = self.take_matching(&*frozen)?;
        let id = catalog::counters(&state.view.read().tree)?.segment;
        let built = commit::build_roll(state, &frozen, &skip, &self.dead, id)?;
        if let Some((_, segment)) = &built.segment {
            self.new_files.extend(segment.file_names());
            self.rolled = u64::from(segment.docs);
        }
        commit::write_leaves(state, &frozen)?;
        let (spare, spare_entry) = commit::new_journal(&state.env, &state.keys.read())?;
        self.new_files.push(journal_name(spare_entry.file));
        for (_, waiting) in &mut self.batch {
            waiting.progress.journals += 1;
        }
        self.roll = Some(Switched { built, spare: Some(spare), spare_entry });
        Ok(())
    }

    /// Documents of a part that go. Each counts for the first request that names it.
    fn take_matching(&mut self, part: &dyn Part) -> Result<RoaringBitmap> {
        let mut all = RoaringBitmap::new();
        for (_, waiting) in &mut self.batch {
            let docs = target::matching_in(part, &waiting.target)?;
            waiting.progress.removed += (&docs - &all).len();
            all |= docs;
        }
        self.removed += all.len();
        Ok(all)
    }

    /// E2, second half: canonical new indexes, re-formed blocks.
    fn rewrite_segments(&mut self) -> Result<()> {
        let state = self.state;
        let segments = state.view.read().segments.clone();
        self.before = segments.iter().map(|s| u64::from(s.entry.docs)).sum();
        let pass_bytes = state.reserve.pass_bytes(state.settings.pass_bytes);
        let mut bytes = 0u64;
        for segment in segments {
            let mut touched = false;
            for (_, waiting) in &self.batch {
                touched |= target::mentions(&*segment.part, &waiting.target)?;
            }
            if !touched {
                continue;
            }
            if bytes >= pass_bytes {
                self.more = true;
                break;
            }
            for (_, waiting) in &mut self.batch {
                if target::mentions(&*segment.part, &waiting.target)? {
                    waiting.progress.segments += 1;
                }
            }
            let docs = self.take_matching(&*segment.part)?;
            let fresh = self.rewrite(&segment, &docs)?;
            bytes += fresh.as_ref().map_or(0, |f| u64::from(f.index_pages) * 4096);
            self.rewritten.push((segment.id, fresh));
        }
        Ok(())
    }

    fn rewrite(&mut self, segment: &Rolled, docs: &RoaringBitmap) -> Result<Option<SegmentEntry>> {
        let env = &self.state.env;
        let old = &segment.entry;
        self.old_files.push(index_file_name(old.index).into());
        if docs.len() == u64::from(old.docs) {
            self.old_files.extend(old.body_names());
            return Ok(None);
        }
        let data = segment.part.decode_all()?;
        let body = env.file_id()?;
        // A segment names at most BODIES_MAX body files: gather them in one when they get many.
        let gather = old.bodies.len() >= BODIES_GATHERED;
        let removal = Removal { docs, people: &self.dead, reform_all: gather };
        let mut bodies = if gather { Vec::new() } else { old.bodies.clone() };
        let index = u8::try_from(bodies.len()).map_err(|_| Error::corrupt("too many body files"))?;
        let place = BodyPlace { dir: &env.dir, store: env.store, file: body, index };
        let to = rewrite::Target {
            vfs: &*env.vfs,
            body: place,
            keys: &*self.state.subjects,
            entropy: &*env.entropy,
        };
        // Named before they are written: a part of a file is removed too.
        self.new_files.push(crate::segment::writer::file_name(body).into());
        let reformed = rewrite::rewrite(&segment.part, data, &removal, &to)?;
        if gather {
            self.old_files.extend(old.body_names());
        }
        if reformed.body_written {
            bodies.push(body);
            self.fresh_bodies.insert(segment.id);
        }
        let index = env.file_id()?;
        self.new_files.push(index_file_name(index).into());
        let (entry, digest) = roll::write_index(env, &reformed.data, index, bodies, old.generation + 1)?;
        self.digests.insert(segment.id, digest);
        Ok(Some(entry))
    }

    /// E3: what the new tree holds and what it doesn't.
    fn changes(&mut self, keyring: &Keyring, epoch: Epoch) -> Result<(Changes, LogHead)> {
        let state = self.state;
        let tree = &keyring.tree();
        let tagger = state.view.read().tagger().clone();
        let mut changes = Changes::new();
        // A digest of a whole file is one of everybody's words in it.
        catalog::remove_import_progress(&mut changes, tree)?;
        let mut handles = Vec::new();
        for number in &self.dead {
            if let Some(person) = catalog::person(tree, *number)? {
                handles.push((*number, person.handle, true));
                catalog::remove_person(&mut changes, tree, &tagger, *number)?;
            } else if let Some(handle) = self.handle_in_journal(*number) {
                handles.push((*number, handle, false));
            }
        }
        for (id, fresh) in &self.rewritten {
            match fresh {
                Some(segment) => catalog::put_segment(&mut changes, *id, segment)?,
                None => catalog::remove_segment(&mut changes, *id),
            }
        }
        let mut log = keyring.head().log;
        if let Some(switched) = &self.roll {
            changes.extend(switched.built.people.clone());
            let mut counters = catalog::counters(tree)?;
            let id = counters.segment;
            if let Some((id, segment)) = &switched.built.segment {
                catalog::put_segment(&mut changes, *id, segment)?;
            }
            let retired = commit::put_journals(&mut changes, tree, &switched.spare_entry)?;
            self.old_files.push(journal_name(retired.file));
            counters = commit::rolled_counters(state, tree, id)?;
            counters.removed += self.removed;
            catalog::put_counters(&mut changes, &counters)?;
            log = commit::log_head(&state.log.lock());
        } else {
            let mut counters = catalog::counters(tree)?;
            counters.person = state.writer.lock().next_person;
            counters.removed += self.removed;
            catalog::put_counters(&mut changes, &counters)?;
        }
        let committed = state.env.clock.now();
        for (request, waiting) in &mut self.batch {
            let progress = &mut waiting.progress;
            if let Target::Persons(numbers) = &waiting.target {
                for (_, handle, keyed) in handles.iter().filter(|h| numbers.contains(&h.0)) {
                    if !progress.handles.contains(handle) {
                        progress.handles.push(*handle);
                        progress.content_keys += u64::from(*keyed);
                    }
                }
            }
            progress.what = waiting.target.code();
            if progress.epoch_after.0 == 0 {
                progress.epoch_before = epoch;
            }
            progress.epoch_after = Epoch(epoch.0 + 1);
            progress.committed = committed;
            let pending = if self.more {
                // More segments wait: the selector must stay until the last pass, the names and
                // the reason need not.
                Pending::Waiting(Waiting { reason: None, ..waiting.clone() })
            } else {
                Pending::Done(progress.clone())
            };
            catalog::put_pending(&mut changes, *request, &pending)?;
        }
        Ok((changes, log))
    }

    fn handle_in_journal(&self, number: PersonNumber) -> Option<crate::id::Handle> {
        let view = self.state.view.read();
        let frozen = view.frozen.as_ref()?;
        (0..frozen.doc_count()).find_map(|d| {
            let person = frozen.record(d).ok()?.person?;
            (person.number == number).then_some(person.handle)
        })
    }

    /// E4: everything that the new root must open is read from the device and opened with it.
    fn read_back(&self, keyring: &Keyring, prepared: &Prepared) -> Result<Reopened> {
        let state = self.state;
        let before = state.view.read().segments.clone();
        let tree = keyring.read_back(prepared)?;
        let arena = Keys::new();
        let subjects = crate::state::keys::ContentKeys::new(tree.clone());
        let mut docs = 0;
        let mut segments = Vec::new();
        for (id, segment) in catalog::segments(&tree)? {
            docs += u64::from(segment.docs);
            let rewritten = self.rewritten.iter().any(|(r, _)| *r == id);
            let is_new = self.roll.as_ref().and_then(|s| s.built.segment.as_ref()).is_some_and(|s| s.0 == id);
            if rewritten || is_new {
                for name in segment.file_names() {
                    if self.new_files.contains(&name) {
                        let evict = state.env.vfs.open(&state.env.path(&name)).and_then(|f| f.evict());
                        evict.map_err(|e| Error::io("read back a new file", e))?;
                    }
                }
                let check = commit::open_segment_in(&state.env, id, &segment, &arena, subjects.clone())?;
                let newest = u8::try_from(segment.bodies.len().saturating_sub(1)).unwrap_or(u8::MAX);
                let fresh_body = (is_new || self.fresh_bodies.contains(&id)).then_some(newest);
                let digest = match &self.roll {
                    Some(switched) if is_new => Some(&switched.built.digest),
                    _ => self.digests.get(&id),
                };
                digest
                    .ok_or_else(|| Error::corrupt("nobody wrote it"))
                    .and_then(|digest| check.part.read_back(digest, fresh_body))
                    .map_err(|e| e.context(format!("segment {id} does not read back")))?;
                if check.part.doc_count() != segment.docs {
                    return Err(Error::corrupt(format!("segment {id} reads back with another count")));
                }
                segments.push(rekeyed(&check, segment, &arena, state)?);
                continue;
            }
            // Its files did not change: only page 0 is opened with what the new tree holds.
            let same = before
                .iter()
                .find(|s| s.id == id && s.entry.index == segment.index && s.entry.bodies == segment.bodies);
            segments.push(match same {
                Some(same) => rekeyed(same, segment, &arena, state)?,
                None => commit::open_segment_in(&state.env, id, &segment, &arena, state.subjects.clone())?,
            });
        }
        if docs != self.before - self.removed_from_segments() + self.rolled {
            return Err(Error::corrupt("the new tree holds another number of records than it should"));
        }
        if self.roll.is_some() {
            let head = commit::log_head(&state.log.lock());
            let log = Log::open(Arc::clone(&state.env.vfs), &state.env.dir, head.size)?;
            if commit::log_head(&log).root != head.root {
                return Err(Error::corrupt("the log reads back with another root"));
            }
        }
        Ok(Reopened {
            active: insert(&arena, &catalog::journal(&tree, JournalRole::Current)?)?,
            spare: insert(&arena, &catalog::journal(&tree, JournalRole::Next)?)?,
            cursor: arena.insert(&*catalog::tag_key(&tree)?)?,
            arena,
            segments,
        })
    }

    /// Of the records that go, those that stood in segments.
    fn removed_from_segments(&self) -> u64 {
        self.removed - self.roll.as_ref().map_or(0, |s| s.built.left_out)
    }

    /// Whether a hold was placed on something of this pass since it was announced.
    fn is_held(&self) -> bool {
        self.batch.iter().any(|(_, waiting)| {
            let facts = Facts { records: waiting.progress.removed };
            let now = self.state.env.clock.now();
            policy::decide(target::action(&waiting.target), facts, now) != Decision::Allow
        })
    }

    /// E7: handles, caches and views of the old tree end here.
    fn switch_memory(
        &mut self,
        keyring: &Keyring,
        prepared: Prepared,
        writer: &mut MutexGuard<'_, Writer>,
        reopened: Reopened,
    ) -> Result<()> {
        let state = self.state;
        keyring.publish(prepared)?;
        let tree: Tree = keyring.tree();
        state.subjects.set(tree.clone());
        let mut view = state.view.write();
        view.tree = tree;
        view.clear_caches();
        view.segments = reopened.segments;
        view.generation += 1;
        let dead = &self.dead;
        match &mut self.roll {
            Some(switched) => {
                view.frozen = None;
                view.remove_born(|n| dead.contains(&n) || switched.built.minted.contains(&n));
                writer.spare = switched.spare.take();
            }
            None => view.remove_born(|n| dead.contains(&n)),
        }
        drop(view);
        writer.active.rekey(reopened.active);
        if let Some(spare) = &mut writer.spare {
            spare.rekey(reopened.spare);
        }
        *state.cursor_key.write() = reopened.cursor;
        let old = std::mem::replace(&mut *state.keys.write(), reopened.arena);
        old.wipe();
        Ok(())
    }

    fn remove_new_files(&self) {
        for file in &self.new_files {
            let _ = self.state.env.unlink(file);
        }
    }
}

/// The files of an open segment under the key that `entry` holds for them.
fn rekeyed(open: &Rolled, entry: SegmentEntry, arena: &Keys, state: &State) -> Result<Rolled> {
    let part = open
        .part
        .under(arena.insert(&entry.key)?, state.subjects.clone())
        .map_err(|e| e.context(format!("segment {}", open.id)))?;
    Ok(Rolled { id: open.id, entry: Arc::new(entry), part: Arc::new(part) })
}

fn insert(arena: &Keys, journal: &JournalEntry) -> Result<crate::crypto::Key> {
    arena.insert(&journal.key)
}
