//! Ordinary commits: what a roll publishes, what an erasure announces. None of them touches the
//! slot. A roll switches appends to the next journal first, then the frozen one is built into a
//! segment in the background, then one commit publishes it.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, SegmentId, Seq};
use crate::index::{LiveIndex, Part, Segment, SegmentFiles};
use crate::journal::Journal;
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::{Counters, Journal as JournalEntry, Segment as SegmentEntry};
use crate::keyring::{Changes, LogHead, Tree};
use crate::log::Log;
use crate::roll::{self, Roll};
use crate::state::{State, journal_name};
use crate::view::Rolled;

/// Commits `changes` under the current root. The log's head stays as it is.
pub fn ordinary(state: &State, changes: &Changes) -> Result<()> {
    let keyring = state.keyring.lock();
    let log = keyring.head().log;
    commit_locked(state, &keyring, changes, log)
}

/// The same, by whoever holds the committer's lock already.
pub fn commit_locked(
    state: &State,
    keyring: &crate::keyring::Keyring,
    changes: &Changes,
    log: LogHead,
) -> Result<()> {
    state.check_writable()?;
    let prepared = keyring.prepare(changes, log, None).map_err(|e| match e.kind() {
        // Nothing of the current state was touched, and a full disk says nothing about it.
        ErrorKind::NoSpace => e,
        _ => state.poison(e),
    })?;
    keyring.publish(prepared)?;
    let tree = keyring.tree();
    state.subjects.set(tree.clone());
    state.view.write().tree = tree;
    Ok(())
}

/// Rolls the journal if it reached a limit: on a thread of its own, or at once.
pub fn roll_if_due(state: &Arc<State>) {
    let due = {
        let view = state.view.read();
        view.frozen.is_none()
            && (view.live.doc_count() >= state.settings.roll_records
                || view.live.bytes() as u64 >= state.settings.roll_bytes)
    };
    if !due || !start_roll(state) {
        return;
    }
    if !state.settings.background {
        // The records are safe in the journal; a roll that failed is tried again by the next
        // append, which reports the trouble.
        let _ = finish_roll(state);
        return;
    }
    let shared = Arc::clone(state);
    let spawned = std::thread::Builder::new().name("escrowdb-roll".into()).spawn(move || {
        let _ = finish_roll(&shared);
    });
    match spawned {
        Ok(handle) => {
            let old = state.rolls.lock().thread.replace(handle);
            if let Some(old) = old {
                let _ = old.join();
            }
        }
        Err(_) => {
            let _ = finish_roll(state);
        }
    }
}

/// Rolls whatever stands in journals, at once.
pub fn roll_now(state: &Arc<State>) -> Result<()> {
    state.check_writable()?;
    state.wait_for_roll();
    if state.view.read().frozen.is_some() {
        retry_roll(state)?;
    }
    if state.view.read().live.doc_count() > 0 && start_roll(state) {
        finish_roll(state)?;
    }
    Ok(())
}

/// Makes an append wait while the active journal is full and the other one is being rolled. If
/// that roll failed, it is tried again here and its error is the append's.
pub fn wait_for_room(state: &Arc<State>) -> Result<()> {
    let full = |state: &State| {
        let view = state.view.read();
        view.frozen.is_some()
            && (view.live.doc_count() >= state.settings.roll_records
                || view.live.bytes() as u64 >= state.settings.roll_bytes)
    };
    if !full(state) {
        return Ok(());
    }
    state.wait_for_roll();
    if full(state) && !state.rolls.lock().forbidden {
        return retry_roll(state);
    }
    Ok(())
}

/// Builds and publishes a journal whose roll failed before.
pub fn retry_roll(state: &Arc<State>) -> Result<()> {
    {
        let mut rolls = state.rolls.lock();
        if rolls.running {
            return Ok(());
        }
        rolls.running = true;
    }
    finish_roll(state)
}

/// Switches appends to the next journal. False if a roll is running or forbidden.
fn start_roll(state: &Arc<State>) -> bool {
    {
        let mut rolls = state.rolls.lock();
        if rolls.running || rolls.forbidden {
            return false;
        }
        rolls.running = true;
    }
    match freeze(state) {
        Ok(true) => true,
        Ok(false) | Err(_) => {
            end_roll(state);
            false
        }
    }
}

/// Switches appends to the next journal and freezes what stands in the other one.
pub fn freeze(state: &State) -> Result<bool> {
    let mut writer = state.writer.lock();
    if writer.spare.is_none() {
        return Ok(false);
    }
    writer.ensure_opened(&state.env).map_err(|e| state.poison(e))?;
    writer.active.sync().map_err(|e| state.poison(e))?;
    let Some(spare) = writer.spare.take() else { return Ok(false) };
    if !spare.is_empty() {
        return Err(state.poison(Error::corrupt("the next journal holds frames before it is used")));
    }
    writer.active = spare;
    let mut view = state.view.write();
    let frozen = std::mem::replace(&mut view.live, LiveIndex::new());
    view.frozen = Some(Arc::new(frozen));
    Ok(true)
}

fn end_roll(state: &State) {
    state.rolls.lock().running = false;
    state.rolls_changed.notify_all();
}

/// Builds the frozen journal into a segment and publishes it.
fn finish_roll(state: &Arc<State>) -> Result<()> {
    // A full disk says nothing about what is written already: the next append tries again. After
    // any other failure nobody knows what a sync left behind.
    let result = build_and_publish(state).map_err(|e| match e.kind() {
        ErrorKind::NoSpace => e,
        _ => state.poison(e),
    });
    end_roll(state);
    result
}

fn build_and_publish(state: &Arc<State>) -> Result<()> {
    let frozen = state.view.read().frozen.clone();
    let Some(frozen) = frozen else { return Ok(()) };
    let id = catalog::counters(&state.view.read().tree)?.segment;
    let built = build_roll(state, &frozen, &RoaringBitmap::new(), &[], id)?;
    write_leaves(state, &frozen)?;
    let journal = new_journal(&state.env, &state.keys.read())?;
    state.env.sync_dir()?;

    let keyring = state.keyring.lock();
    let mut changes = built.people.clone();
    let counters = rolled_counters(state, &keyring.tree(), id)?;
    if let Some((id, segment)) = &built.segment {
        catalog::put_segment(&mut changes, *id, segment)?;
    }
    let retired = put_journals(&mut changes, &keyring.tree(), &journal.1)?;
    catalog::put_counters(&mut changes, &counters)?;
    let log = log_head(&state.log.lock());
    let arena = state.keys.read().clone();
    let opened = match &built.segment {
        Some((id, segment)) => Some(open_segment(state, *id, segment, &arena)?),
        None => None,
    };
    commit_locked(state, &keyring, &changes, log)?;
    {
        // The frozen index leaves in the moment in which the segment comes.
        let mut writer = state.writer.lock();
        let mut view = state.view.write();
        view.frozen = None;
        view.segments.extend(opened);
        view.remove_born(|n| built.minted.contains(&n));
        writer.spare = Some(journal.0);
    }
    drop(keyring);
    state.env.unlink(journal_name(retired.file))
}

/// Builds a frozen journal into files.
pub fn build_roll(
    state: &State,
    frozen: &LiveIndex,
    skip: &RoaringBitmap,
    dead: &[PersonNumber],
    id: SegmentId,
) -> Result<roll::Rolled> {
    let (tree, tagger) = {
        let view = state.view.read();
        (view.tree.clone(), view.tagger().clone())
    };
    let knows = |n: PersonNumber| catalog::has_person(&tree, n);
    Roll {
        env: &state.env,
        frozen,
        skip,
        dead,
        knows: &knows,
        keys: state.subjects.clone(),
        tagger: &tagger,
        id,
    }
    .build()
}

/// Writes the leaves of a frozen journal at their positions.
pub fn write_leaves(state: &State, frozen: &LiveIndex) -> Result<()> {
    roll::write_leaves(&mut state.log.lock(), frozen)
}

/// Head of the log as its files stand.
pub fn log_head(log: &Log) -> LogHead {
    LogHead { size: log.frontier().size(), root: log.frontier().root().0 }
}

/// Counters after the frozen journal went into segment `id`.
pub fn rolled_counters(state: &State, tree: &Tree, id: SegmentId) -> Result<Counters> {
    let old = catalog::counters(tree)?;
    let next_seq = Seq(state.log.lock().frontier().size());
    // The writer's counter may be ahead because of frames in the other journal; a number given
    // there must not be given again even if that journal dies.
    let next_person = state.writer.lock().next_person;
    Ok(Counters { seq: next_seq, person: next_person, segment: SegmentId(id.0 + 1), ..old })
}

/// Creates a journal under a fresh key. Answers the journal and its entry.
pub fn new_journal(env: &Env, arena: &Keys) -> Result<(Journal, JournalEntry)> {
    let file = env.file_id()?;
    let key = env.random_key(&file.0)?;
    let journal = Journal::create(&*env.vfs, &env.dir, env.store, file, arena.insert(&key)?)?;
    Ok((journal, JournalEntry { file, key }))
}

/// `next` becomes `current`, `fresh` becomes `next`. Answers the entry that leaves.
pub fn put_journals(changes: &mut Changes, tree: &Tree, fresh: &JournalEntry) -> Result<JournalEntry> {
    let retired = catalog::journal(tree, JournalRole::Current)?;
    catalog::put_journal(changes, JournalRole::Current, &catalog::journal(tree, JournalRole::Next)?)?;
    catalog::put_journal(changes, JournalRole::Next, fresh)?;
    Ok(retired)
}

/// Opens the files of a segment.
pub fn open_segment(state: &State, id: SegmentId, entry: &SegmentEntry, arena: &Keys) -> Result<Rolled> {
    open_segment_in(&state.env, id, entry, arena, state.subjects.clone())
}

/// The same without a state.
pub fn open_segment_in(
    env: &Env,
    id: SegmentId,
    entry: &SegmentEntry,
    arena: &Keys,
    subjects: Arc<dyn crate::segment::SubjectKeys>,
) -> Result<Rolled> {
    let part = Segment::open(
        &*env.vfs,
        SegmentFiles { dir: &env.dir, store: env.store, index: entry.index, bodies: &entry.bodies },
        arena.insert(&entry.key)?,
        subjects,
    )
    .map_err(|e| e.context(format!("segment {id}")))?;
    Ok(Rolled { id, entry: Arc::new(entry.clone()), part: Arc::new(part) })
}
