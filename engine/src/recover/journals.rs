//! Journals as a stop left them: read, put into the live index, and after an unclean stop rolled.

use std::path::PathBuf;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, SegmentId, Seq};
use crate::index::LiveIndex;
use crate::ingest::frame;
use crate::journal::{FrameKind, Journal, Replay, parity};
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::{Counters, Journal as JournalEntry};
use crate::keyring::losses::{By, Loss, What};
use crate::keyring::{LogHead, Tree};
use crate::log::LOST;
use crate::roll::Rolled as Built;
use crate::state::{State, commit, journal_name};
use crate::view::View;

/// Both journals as they were found.
pub(super) struct Journals {
    pub(super) current: Replay,
    pub(super) next: Replay,
    /// Whether records may stand there that were written and lost again.
    pub(super) unclean: bool,
    /// Positions whose frames are damaged beyond rescue: the first, and how many.
    pub(super) lost: Vec<(Seq, u64)>,
}

impl Journals {
    pub(super) fn replay(env: &Env, tree: &Tree, keys: &Keys, past_damage: bool) -> Result<Self> {
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

    pub(super) fn names(&self) -> Vec<PathBuf> {
        let ids = [self.current.journal.id(), self.next.journal.id()];
        ids.into_iter().flat_map(|id| [parity::file_name(id), journal_name(id)]).collect()
    }

    /// Puts every record into the live index: `current` first, then `next`.
    pub(super) fn fill(&mut self, view: &mut View, mut counters: Counters) -> Result<Counters> {
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
pub(super) fn roll_recovered(
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
