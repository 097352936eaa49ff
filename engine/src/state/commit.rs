//! Ordinary commits: what a roll publishes, what an erasure announces. None of them touches the
//! slot. A roll switches appends to the next journal first, then the frozen one is built into a
//! segment in the background, then one commit publishes it.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::crypto::stack::burn_work;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, SegmentId, Seq};
use crate::index::{LiveIndex, Part, Segment, SegmentFiles, tier};
use crate::journal::Journal;
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::{Counters, Journal as JournalEntry, Segment as SegmentEntry};
use crate::keyring::losses::{By, Loss, What};
use crate::keyring::{Changes, Keyring, LogHead, Tree};
use crate::log::Log;
use crate::roll::{self, Roll};
use crate::state::{State, journal_name};
use crate::view::{Rolled, View};

/// Commits `changes` under the current root. The log's head stays as it is.
pub fn ordinary(state: &State, changes: &Changes) -> Result<()> {
    let keyring = state.keyring.lock();
    let log = keyring.head().log;
    commit_locked(state, &keyring, changes, log, |_| {})
}

/// The same, by whoever holds the committer's lock already. `also` changes the view in the moment
/// in which the new tree comes.
pub fn commit_locked(
    state: &State,
    keyring: &Keyring,
    changes: &Changes,
    log: LogHead,
    also: impl FnOnce(&mut View),
) -> Result<()> {
    commit_needing(state, keyring, changes, log, 0, also)
}

/// The same, from which on the store needs more of its readers: bits of *needed* in HEAD.
pub fn commit_needing(
    state: &State,
    keyring: &Keyring,
    changes: &Changes,
    log: LogHead,
    more: u32,
    also: impl FnOnce(&mut View),
) -> Result<()> {
    state.check_writable()?;
    let prepared = keyring.prepare_needing(changes, log, None, more).map_err(|e| match e.kind() {
        // Nothing of the current state was touched, and a full disk says nothing about it.
        ErrorKind::NoSpace if !keyring.is_poisoned() => e,
        _ => state.poison(e),
    })?;
    keyring.publish(prepared).map_err(|e| state.poison(e))?;
    let tree = keyring.tree();
    state.subjects.set(tree.clone());
    let mut view = state.view.write();
    view.tree = tree;
    also(&mut view);
    Ok(())
}

/// Rolls the journal if it reached a limit: on a thread of its own, or at once. The records are
/// safe in the journal; a roll that fails is tried again by an append that needs its room, which
/// reports the trouble.
pub fn roll_if_due(state: &Arc<State>) {
    state.keep_reserve_for_journal();
    let due = {
        let view = state.view.read();
        view.frozen.is_none() && is_full(state, &view)
    };
    if !due {
        return make_tier_if_due(state);
    }
    let Some(rolling) = state.try_rolling() else { return };
    if !matches!(freeze(state), Ok(true)) {
        return;
    }
    in_background(state, rolling, |state| {
        let _ = roll_frozen(state);
    });
}

/// Puts sixteen segments behind a common filter of ids, if as many have none. It is made under the
/// right to roll, so an erasure waits for it and meets no plaintext that it does not know of.
fn make_tier_if_due(state: &Arc<State>) {
    if state.view.read().without_tier().is_none() {
        return;
    }
    let Some(rolling) = state.try_rolling() else { return };
    in_background(state, rolling, |state| {
        // One behind the other, for as long as nobody waits for the right to roll.
        while let Some(segments) = tier_wanted(state) {
            tier::build(&segments);
        }
    });
}

/// The segments of the next tier, unless something else is more urgent.
fn tier_wanted(state: &State) -> Option<Vec<Arc<Segment>>> {
    if state.is_closed() || state.rolls.lock().forbidden {
        return None;
    }
    let view = state.view.read();
    if is_full(state, &view) { None } else { view.without_tier() }
}

/// Runs `work`, which holds the right to roll, on a thread of its own, or at once.
fn in_background(
    state: &Arc<State>,
    rolling: impl Send + 'static,
    work: impl FnOnce(&State) + Send + 'static,
) {
    if !state.settings.background {
        return work(state);
    }
    let shared = Arc::clone(state);
    let spawned = std::thread::Builder::new().name("escrowdb-roll".into()).spawn(move || {
        let _rolling = rolling;
        work(&shared);
        burn_work();
    });
    if let Ok(thread) = spawned {
        let old = state.rolls.lock().thread.replace(thread);
        if let Some(old) = old {
            let _ = old.join();
        }
    }
}

/// Rolls whatever stands in journals, at once, or when the erasure that runs has ended.
pub fn roll_now(state: &Arc<State>) -> Result<()> {
    let _rolling = state.rolling();
    state.check_writable()?;
    roll_frozen(state)?;
    if state.view.read().live.doc_count() > 0 && freeze(state)? {
        roll_frozen(state)?;
    }
    Ok(())
}

/// Makes an append wait while the active journal is full and the other one is being rolled. If
/// that roll failed, it is tried again here and its error is the append's. While an erasure runs
/// the journal grows over its limit.
pub fn wait_for_room(state: &Arc<State>) -> Result<()> {
    let full = |state: &State| {
        let view = state.view.read();
        view.frozen.is_some() && is_full(state, &view)
    };
    if !full(state) {
        return Ok(());
    }
    state.wait_for_roll();
    if full(state)
        && let Some(_rolling) = state.try_rolling()
    {
        return roll_frozen(state);
    }
    Ok(())
}

fn is_full(state: &State, view: &View) -> bool {
    view.live.doc_count() >= state.settings.roll_records
        || view.live.bytes() as u64 >= state.settings.roll_bytes
}

/// Switches appends to the next journal and freezes what stands in the other one.
pub fn freeze(state: &State) -> Result<bool> {
    let mut writer = state.writer.lock();
    if writer.spare.is_none() {
        return Ok(false);
    }
    let opened = writer.ensure_opened(&state.env).and_then(|()| writer.active.sync());
    opened.map_err(|e| if writer.survives(&e) { e } else { state.poison(e) })?;
    let Some(spare) = writer.spare.take() else { return Ok(false) };
    if !spare.is_empty() {
        return Err(state.poison(Error::corrupt("the next journal holds frames before it is used")));
    }
    writer.active = spare;
    let mut view = state.view.write();
    view.frozen = Some(Arc::new(view.take_live()));
    Ok(true)
}

/// Builds the frozen journal, if there is one, into a segment and publishes it. The caller holds
/// the right to roll, or keeps others from it.
pub fn roll_frozen(state: &State) -> Result<()> {
    let frozen = state.view.read().frozen.clone();
    let Some(frozen) = frozen else { return Ok(()) };
    // A full disk says nothing about what is written already: it is tried again. After any other
    // failure nobody knows what a sync left behind.
    build_and_publish(state, &frozen).map_err(|e| match e.kind() {
        ErrorKind::NoSpace => e,
        _ => state.poison(e),
    })
}

fn build_and_publish(state: &State, frozen: &LiveIndex) -> Result<()> {
    let id = catalog::counters(&state.view.read().tree)?.segment;
    let built = build_roll(state, frozen, &RoaringBitmap::new(), &[], id)?;
    let (spare, next) = match new_journal(&state.env, &state.keys.read()) {
        Ok(journal) => journal,
        Err(e) => {
            built.remove_files(&state.env);
            return Err(e);
        }
    };
    let published = publish_roll(state, frozen, &built, &next, id);
    match published {
        Ok(retired) => {
            state.writer.lock().spare = Some(spare);
            // A file that can't be removed is a stranger to the next opening, which removes it.
            let _ = state.env.unlink(journal_name(retired.file));
            state.keep_reserve();
            Ok(())
        }
        Err(e) => {
            if !state.is_poisoned() {
                forget_leaves(state);
                built.remove_files(&state.env);
                let _ = state.env.unlink(journal_name(next.file));
            }
            Err(e)
        }
    }
}

fn publish_roll(
    state: &State,
    frozen: &LiveIndex,
    built: &roll::Rolled,
    next: &JournalEntry,
    id: SegmentId,
) -> Result<JournalEntry> {
    write_leaves(state, frozen)?;
    state.env.sync_dir()?;
    let keyring = state.keyring.lock();
    let mut changes = built.people.clone();
    let counters = rolled_counters(state, &keyring.tree(), id)?;
    let mut opened = None;
    if let Some((id, segment)) = &built.segment {
        catalog::put_segment(&mut changes, *id, segment)?;
        opened = Some(open_segment(state, *id, segment, &state.keys.read().clone())?);
    }
    let retired = put_journals(&mut changes, &keyring.tree(), next)?;
    catalog::put_counters(&mut changes, &counters)?;
    catalog::add_losses(&mut changes, &keyring.tree(), lost_leaves(state, By::Opening).as_slice())?;
    let log = log_head(&state.log.lock());
    commit_locked(state, &keyring, &changes, log, |view| {
        // The frozen index leaves in the moment in which the segment comes.
        view.frozen = None;
        view.segments.extend(opened);
        view.remove_born(|n| built.minted.contains(&n));
    })?;
    state.log.lock().loss_is_noted();
    Ok(retired)
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
    // Hashed before anybody has to wait for the log.
    let leaves = roll::leaves(frozen);
    roll::write_leaves(&mut state.log.lock(), leaves)
}

/// Forgets leaves that were written for a segment that was not published: the log in memory is
/// as long as the key tree says again. The next roll writes the same leaves at the same places.
pub fn forget_leaves(state: &State) {
    let size = state.keyring.lock().head().log.size;
    // If it can't be read, the next roll tries again before it writes.
    let _ = state.log.lock().truncate_memory_to(size);
}

/// Hashes that the log lacks: the commit that names its new root notes them.
pub fn lost_leaves(state: &State, by: By) -> Option<Loss> {
    let lost = state.log.lock().loss()?;
    let (what, at) = (What::Leaves { root: lost.root.0 }, state.env.clock.now());
    Some(Loss { what, by, at, segment: None, number: lost.number, first: lost.first, last: lost.last })
}

/// Gives up the hashes that the log lacks, by a commit of their own. Answers whether there were any.
pub fn give_up_leaves(state: &State, by: By) -> Result<bool> {
    let Some(loss) = lost_leaves(state, by) else { return Ok(false) };
    {
        let mut log = state.log.lock();
        log.write_anew()?;
        log.sync()?;
    }
    let keyring = state.keyring.lock();
    let mut changes = Changes::new();
    catalog::add_losses(&mut changes, &keyring.tree(), &[loss])?;
    let head = log_head(&state.log.lock());
    commit_locked(state, &keyring, &changes, head, |_| {})?;
    state.log.lock().loss_is_noted();
    Ok(true)
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
    match Journal::create(&*env.vfs, &env.dir, env.store, file, arena.insert(&key)?) {
        Ok(journal) => Ok((journal, JournalEntry { file, key })),
        Err(e) => {
            let _ = env.unlink(journal_name(file));
            Err(e)
        }
    }
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
        SegmentFiles {
            dir: &env.dir,
            store: env.store,
            index: entry.index,
            bodies: &entry.bodies,
            pages: Some(entry.index_pages),
            repairs: &env.repairs,
        },
        arena.insert(&entry.key)?,
        subjects,
    )
    .map_err(|e| e.context(format!("segment {id}")))?;
    Ok(Rolled { id, entry: Arc::new(entry.clone()), part: Arc::new(part) })
}
