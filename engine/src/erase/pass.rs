//! One pass over the store for everything that waits to be erased: E1 to E7.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::crypto::Keys;
use crate::erase::alone;
use crate::erase::details;
use crate::erase::family;
use crate::erase::finish;
use crate::erase::log_key;
use crate::erase::pace::Pace;
use crate::erase::redact;
use crate::erase::retention;
use crate::erase::rules;
use crate::erase::target;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, PersonNumber, RequestId, SegmentId, Seq};
use crate::index::{Batch, Mask};
use crate::ingest::{Queue, own};
use crate::journal::Journal;
use crate::keyring::catalog;
use crate::keyring::entry::{Journal as JournalEntry, Segment as SegmentEntry};
use crate::keyring::losses::{By, Loss};
use crate::keyring::pending::{Target, Waiting};
use crate::keyring::{Keyring, Prepared, RootKey, SlotRecord, Tree};
use crate::query::held::Keeps;
use crate::roll;
use crate::state::heal::{self, GiveUp};
use crate::state::{State, Writer, commit};
use crate::view::Rolled;

mod build;
mod redacted;
mod tree;

/// Body files of a segment from which on a rewrite gathers them in one.
const BODIES_GATHERED: usize = 32;

/// Runs passes until the request's act is in the log.
pub fn run_until_done(state: &Arc<State>, queue: &Queue, request: RequestId) -> Result<()> {
    let _one = state.pass();
    loop {
        if !catalog::has_pending(&state.view.read().tree, request)? {
            return Ok(());
        }
        let view = state.view.read();
        let own = catalog::waiting(&view.tree)?.into_iter().find(|(id, _)| *id == request);
        if let Some((_, own)) = own
            && rules::free(state, &view, vec![(request, own)])?.is_empty()
        {
            return PassEnd::Held.went_on();
        }
        drop(view);
        run(state, queue)?.went_on()?;
    }
}

/// The same with the room that is kept for erasures, for what comes on its date: damage is not mended for it.
pub fn run_with_room(state: &Arc<State>, queue: &Queue, request: RequestId) -> Result<()> {
    let done =
        state.reserve.retry(&state.env, || !state.is_poisoned(), || run_until_done(state, queue, request));
    state.keep_reserve();
    done
}

/// What waits and no hold keeps.
fn waiting(state: &State) -> Result<Vec<(RequestId, Waiting)>> {
    let view = state.view.read();
    rules::free(state, &view, catalog::waiting(&view.tree)?)
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
    /// A segment can't be read, and nobody asked for what waits: nothing was changed.
    Waits,
}

impl PassEnd {
    /// Refuses to try once more where nothing was changed.
    ///
    /// # Errors
    /// *Refused* by a hold; *corrupt* where it waits for a segment.
    pub fn went_on(self) -> Result<()> {
        match self {
            Self::Done | Self::More => Ok(()),
            Self::Held => Err(Error::new(ErrorKind::Refused, "a hold was placed on what is being erased")
                .hint("the erasure is completed when the hold is lifted")),
            Self::Waits => Err(waits()),
        }
    }
}

/// Why what nobody asked for is not done. An erasure that somebody asked for takes a segment along that
/// can't be read, for whom it names is not known; a date that has come, or a new key, is no reason for that.
pub fn waits() -> Error {
    Error::corrupt("a segment can't be read, and this must not take it away")
        .hint("`escrow verify` names it; put its file back, or give it up with --repair --accept-losses")
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
    for (_, mut waiting) in catalog::waiting(&view.tree)? {
        if waiting.progress.epoch_after.0 > 0 {
            waiting.family = family::kept(&view, &waiting)?;
            target::mask(&mut mask, &waiting);
        }
        redact::mask_copy(&view, &waiting, &mut mask)?;
    }
    if mask.persons.is_empty() {
        view.leaving.clear();
    }
    view.set_mask(mask);
    // A search that came behind the last clearing asked for what was masked, by name.
    view.forget_terms();
    Ok(())
}

fn try_run(state: &Arc<State>, queue: &Queue) -> Result<PassEnd> {
    // What can be read again, or in part, stays as far as it goes. Before anything is read of what
    // waits, for healing counts there what is gone; and before it is asked who is left alone.
    redact::answer_due(state, queue)?;
    let waiting = waiting(state)?;
    let asked = waiting.iter().find(|(_, waiting)| waiting.was_asked_for());
    match asked {
        Some((request, _)) => heal::missing(state, GiveUp::Bodies, By::Erasure(*request))?,
        None => heal::missing(state, GiveUp::Nothing, By::Opening)?,
    }
    if asked.is_none() && !state.view.read().missing.is_empty() {
        finish::record_and_clear(state, queue, None)?;
        return Ok(PassEnd::Waits);
    }
    let batch = mask_and_flush(state)?;
    if batch.is_empty() && !log_key::waits(&state.view.read().tree)? {
        finish::record_and_clear(state, queue, None)?;
        return Ok(PassEnd::Done);
    }
    let pace = Pace::of(state, batch.iter().map(|(_, waiting)| waiting));
    let mut pass = Pass::new(state, batch, pace)?;
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
    let mut alone: BTreeMap<RequestId, Vec<PersonNumber>> = BTreeMap::new();
    let mut families: BTreeMap<RequestId, Vec<Seq>> = BTreeMap::new();
    loop {
        let (mut batch, segments) = {
            let keyring = state.keyring.lock();
            let mut batch = rules::free(state, &state.view.read(), catalog::waiting(&keyring.tree())?)?;
            let mut mask = Mask::default();
            let mut view = state.view.write();
            for (request, waiting) in &mut batch {
                waiting.forgotten.extend(alone.get(request).into_iter().flatten());
                waiting.family = match families.get(request) {
                    Some(family) => family.clone(),
                    None => family::kept(&view, waiting)?,
                };
                target::mask(&mut mask, waiting);
                redact::mask_copy(&view, waiting, &mut mask)?;
            }
            view.set_mask(mask);
            view.note_leaving()?;
            view.forget_found();
            (batch, view.segments.clone())
        };
        // Beside readers and appends, for it takes a while: whoever had opened something has let go of the view, and
        // whoever opens something from here on sees the mask. It is cleared once more when it ends.
        segments.iter().for_each(|segment| segment.part.clear());
        retention::open_if_asked(state, &batch);
        // Whoever writes a frame has finished it when this lock is ours; later drafts see the mask.
        drop(state.writer.lock());
        let mut now = waiting(state)?;
        if now.len() != batch.len() {
            continue;
        }
        // Whoever speaks of what goes is masked too; a frame that was on its way may do so.
        let mut is_whole = true;
        {
            let view = state.view.read();
            let keeps = Keeps::of(&view, rules::believed(state, &view.tree)?)?;
            for (request, waiting) in &batch {
                let family = family::find(&view, waiting, &keeps)?;
                is_whole &= family == waiting.family;
                families.insert(*request, family);
            }
        }
        if !is_whole {
            continue;
        }
        for ((_, now), (_, waiting)) in now.iter_mut().zip(&batch) {
            now.family.clone_from(&waiting.family);
        }
        // Whoever is alone in what goes is masked too, and looked for again: a frame that was on its
        // way may name him.
        let found = alone::of_batch(state, &now)?;
        if found == alone {
            batch.iter_mut().for_each(|(_, waiting)| waiting.forgotten.sort_unstable());
            // No detail is drafted while there is a mask, and whatever was is written: the writer's lock
            // was ours in between. What names what goes stands by now, and reading it keeps nobody.
            details::find(state, &mut batch, &alone)?;
            return Ok(batch);
        }
        alone = found;
    }
}

struct Pass<'a> {
    state: &'a Arc<State>,
    pace: Pace,
    batch: Vec<(RequestId, Waiting)>,
    dead: Vec<PersonNumber>,
    before: u64,
    removed: u64,
    /// What nothing brought back, and leaves the store with this pass.
    lost: Vec<Loss>,
    rolled: u64,
    rewritten: Vec<(SegmentId, Option<SegmentEntry>)>,
    fresh_bodies: BTreeSet<SegmentId>,
    /// Hashes of the rewritten indexes' texts.
    digests: BTreeMap<SegmentId, roll::Digest>,
    roll: Option<Switched>,
    new_files: Vec<PathBuf>,
    old_files: Vec<PathBuf>,
    more: bool,
    /// Requests for a part of a record that lives on.
    named: Vec<RequestId>,
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
    fn new(state: &'a Arc<State>, batch: Vec<(RequestId, Waiting)>, pace: Pace) -> Result<Self> {
        let mut dead: Vec<PersonNumber> = Vec::new();
        for (_, waiting) in &batch {
            if let Target::Persons(numbers) | Target::Audit { numbers, .. } = &waiting.target {
                dead.extend(numbers);
            }
            dead.extend(&waiting.forgotten);
        }
        dead.sort_unstable();
        dead.dedup();
        Ok(Self {
            state,
            pace,
            batch,
            dead,
            before: 0,
            removed: 0,
            lost: Vec::new(),
            rolled: 0,
            rewritten: Vec::new(),
            fresh_bodies: BTreeSet::new(),
            digests: BTreeMap::new(),
            roll: None,
            new_files: Vec::new(),
            old_files: Vec::new(),
            more: false,
            named: Vec::new(),
        })
    }

    fn execute(&mut self) -> Result<PassEnd> {
        self.switch_journal()?;
        self.rewrite_segments()?;
        let forms = self.redacted_forms()?;
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
        retention::open_if_asked(state, &self.batch);
        // From here to the end of E6 no append is admitted: whoever holds the writer's lock keeps
        // them out.
        let mut writer = state.writer.lock();
        if self.is_kept(epoch) {
            keyring.discard(prepared);
            return Ok(PassEnd::Held);
        }
        // What takes the place of redacted records is durable before those go; it is seen when they are gone.
        let added = match own::write(state, &mut writer, forms) {
            Ok(added) => added,
            Err(e) => {
                keyring.discard(prepared);
                return Err(e);
            }
        };
        let record = SlotRecord { store: state.env.store, epoch: next_epoch, root };
        // E5. After an error nobody knows which root a restart will find: stop, and let recovery
        // decide.
        state.slot.stage(&record).map_err(|e| state.poison(e))?;
        // E6.
        state.slot.destroy_others(next_epoch).map_err(|e| state.poison(e))?;
        let before = self
            .switch_memory(&keyring, prepared, &mut writer, (reopened, added))
            .map_err(|e| state.poison(e))?;
        drop(writer);
        drop(keyring);
        // Whoever still read in one of them opens nothing any more; what was opened goes.
        before.iter().for_each(|segment| segment.part.clear());
        for file in &self.old_files {
            // A file that can't be removed is unopenable bytes; the next open removes it.
            let _ = state.env.unlink(file);
        }
        Ok(if self.more { PassEnd::More } else { PassEnd::Done })
    }

    /// Whether a rule came to keep something of this pass since it was announced. What a hold's query
    /// would find nobody knows who can't ask it: then it is kept.
    fn is_kept(&self, epoch: Epoch) -> bool {
        // Of what an earlier pass has met a hold comes too late.
        let first = |waiting: &Waiting| waiting.progress.epoch_before == epoch;
        let batch = self.batch.iter().map(|(_, waiting)| waiting).filter(|waiting| first(waiting));
        rules::are_any_kept(self.state, batch).unwrap_or(true)
    }

    /// E7: handles, caches and views of the old tree end here.
    fn switch_memory(
        &mut self,
        keyring: &Keyring,
        prepared: Prepared,
        writer: &mut MutexGuard<'_, Writer>,
        (reopened, added): (Reopened, Vec<Batch<'static>>),
    ) -> Result<Vec<Rolled>> {
        let state = self.state;
        keyring.publish(prepared)?;
        let tree: Tree = keyring.tree();
        state.subjects.set(tree.clone());
        let mut view = state.view.write();
        view.tree = tree;
        view.forget_found();
        let before = std::mem::replace(&mut view.segments, reopened.segments);
        view.missing.clear();
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
        added.into_iter().try_for_each(|batch| view.add_batch(batch))?;
        // What goes with a class are records of callers, and what says who somebody is: nothing of a register. What
        // was lost may have been of one.
        if !self.lost.is_empty() || !self.batch.iter().all(|(_, waiting)| waiting.is_of_class()) {
            view.settle_rules_again()?;
        }
        view.settle_overlays();
        drop(view);
        if self.roll.is_some() {
            // Noted in the tree that is published.
            state.log.lock().loss_is_noted();
        }
        writer.active.rekey(reopened.active);
        if let Some(spare) = &mut writer.spare {
            spare.rekey(reopened.spare);
        }
        *state.cursor_key.write() = reopened.cursor;
        let old = std::mem::replace(&mut *state.keys.write(), reopened.arena);
        old.wipe();
        Ok(before)
    }

    fn remove_new_files(&self) {
        for file in &self.new_files {
            let _ = self.state.env.unlink(file);
        }
    }
}
