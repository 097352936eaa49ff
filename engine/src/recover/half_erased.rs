//! Erasures that a stop interrupted: what must be whole before the old root dies, and the rest of
//! the way.

use std::sync::Arc;

use crate::env::Env;
use crate::erase::{self, finish, pass};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SegmentId;
use crate::ingest::Queue;
use crate::keyring::catalog;
use crate::keyring::entry::Segment as SegmentEntry;
use crate::keyring::{FileSlot, Keyring, Report, SlotRecord};
use crate::state::State;
use crate::view::{Missing, Rolled};

/// Before the other root may go, everything that this one must open is read once more. What the
/// other root would open no better is no reason to keep it.
pub(super) fn check_whole(
    env: &Env,
    (slot, record): (&FileSlot, &SlotRecord),
    keyring: &Keyring,
    segments: &[Rolled],
    missing: &[Missing],
) -> Result<()> {
    let refuse = |damage: String| {
        Err(Error::corrupt(damage)
            .hint("nothing was destroyed; restore the named file from a backup and open again"))
    };
    let mut pages = Report::default();
    keyring.verify(true, &mut pages)?;
    if let Some(damage) = pages.damage.into_iter().next() {
        return refuse(damage);
    }
    let mut damaged: Vec<_> = missing.iter().map(|m| (m.id, &m.entry, m.why.clone())).collect();
    for segment in segments {
        let rewritten = segment.entry.generation > 0;
        // What is newer stands under the other root too, or is as bad as damage here.
        let damage = match segment.part.verify_fresh(rewritten) {
            Ok(damage) => damage.into_iter().next(),
            Err(e) => Some(e.to_string()),
        };
        damaged.extend(damage.map(|damage| (segment.id, &segment.entry, damage)));
    }
    if damaged.is_empty() {
        return Ok(());
    }
    let Some(older) = older_segments(env, slot, record)? else { return Ok(()) };
    for (id, entry, damage) in damaged {
        let same = |(i, e): &(SegmentId, SegmentEntry)| {
            *i == id && e.index == entry.index && e.bodies == entry.bodies
        };
        if !older.iter().any(same) {
            return refuse(format!("segment {id}: {damage}"));
        }
    }
    Ok(())
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

/// Goes on with erasures that were accepted before the stop.
pub(super) fn finish_pending(state: &Arc<State>, queue: &Queue) -> Result<()> {
    match finish_all(state, queue) {
        Err(e) if e.kind() == ErrorKind::Corrupt && !state.is_poisoned() => {
            let waiting = catalog::waiting(&state.view.read().tree)?;
            let healed = waiting.first().map_or(Ok(0), |(request, _)| erase::heal_all(state, *request))?;
            if healed == 0 { Err(e) } else { finish_all(state, queue) }
        }
        finished => finished,
    }
}

fn finish_all(state: &Arc<State>, queue: &Queue) -> Result<()> {
    finish::record_and_clear(state, queue, None)?;
    let waits = || -> Result<bool> {
        let tree = state.view.read().tree.clone();
        Ok(!catalog::waiting(&tree)?.is_empty() || erase::log_key::waits(&tree)?)
    };
    while waits()? {
        if pass::run(state, queue)?.went_on().is_err() {
            break;
        }
    }
    Ok(())
}
