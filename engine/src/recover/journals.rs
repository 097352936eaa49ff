//! Journals as a stop left them: read, put into the live index, and after an unclean stop rolled.

use std::path::PathBuf;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, PersonNumber, SegmentId, Seq};
use crate::index::LiveIndex;
use crate::ingest::frame;
use crate::journal::{Frame, FrameKind, Journal, Replay, parity};
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
    current: Standing,
    next: Standing,
    /// Whether records may stand there that were written and lost again.
    unclean: bool,
    /// Positions whose frames are lost: the first, and how many.
    pub(super) lost: Vec<(Seq, u64)>,
}

/// A journal that the key tree names, as it stands.
struct Standing {
    file: FileId,
    /// What was read; `None` if the file is gone or can't be read, and is not waited for.
    replay: Option<Replay>,
    /// See [`Replay::lost`].
    lost: (u64, u64),
}

impl Standing {
    fn frames(&self) -> &[Frame] {
        self.replay.as_ref().map_or(&[], |replay| &replay.frames)
    }

    fn batches(&self) -> impl Iterator<Item = &Frame> {
        self.frames().iter().filter(|frame| frame.kind == FrameKind::Batch)
    }

    fn is_at_rest(&self) -> bool {
        self.replay.as_ref().is_some_and(|replay| replay.at_rest)
    }

    /// Whether it may be written on as it is.
    fn is_whole(&self) -> bool {
        self.lost == (0, 0) && self.replay.as_ref().is_some_and(|replay| !replay.torn)
    }
}

impl Journals {
    pub(super) fn replay(env: &Env, tree: &Tree, keys: &Keys, past_damage: bool) -> Result<Self> {
        let open = |role, may_be_gone: bool| {
            let entry = catalog::journal(tree, role)?;
            let file = entry.file;
            let path = env.dir.join(journal_name(file));
            let is_gone = !env.vfs.exists(&path).map_err(|e| Error::io("look for a journal", e))?;
            if may_be_gone && is_gone {
                return Ok(Standing { file, replay: None, lost: (0, 0) });
            }
            let replay = if past_damage { Journal::replay_what_is_left } else { Journal::replay };
            let replay = replay(&*env.vfs, &env.dir, env.store, file, keys.insert(&entry.key)?)?;
            Ok(Standing { file, lost: replay.lost, replay: Some(replay) })
        };
        let mut current = open(JournalRole::Current, past_damage)?;
        // Where the current journal was closed, the next one is empty, readable or not, or gone.
        let mut next = match open(JournalRole::Next, past_damage || current.is_at_rest()) {
            Err(e) if current.is_at_rest() && e.kind() == ErrorKind::Io => {
                let file = catalog::journal(tree, JournalRole::Next)?.file;
                Standing { file, replay: None, lost: (0, 0) }
            }
            other => other?,
        };
        // How many records stood in a file that is gone nobody can say, unless some follow.
        if current.replay.is_none() {
            current.lost = (1, u64::from(next.batches().next().is_none()));
        }
        if next.replay.is_none() && !current.is_at_rest() {
            next.lost = (0, 1);
        }
        let repaired = [&current, &next].into_iter().flat_map(|found| &found.replay).map(|r| r.repaired);
        (0..repaired.sum()).for_each(|_| env.repairs.count());
        let closed = current.frames().last().is_some_and(|f| f.kind == FrameKind::Closed);
        let unclean = !closed || !current.is_whole() || !next.is_whole() || !next.frames().is_empty();
        Ok(Self { current, next, unclean, lost: Vec::new() })
    }

    pub(super) fn names(&self) -> Vec<PathBuf> {
        let ids = [self.current.file, self.next.file];
        ids.into_iter().flat_map(|id| [parity::file_name(id), journal_name(id)]).collect()
    }

    /// Both, to be written on; `None` if they must be rolled.
    pub(super) fn clean(self) -> Option<(Journal, Journal)> {
        let (current, next) = (self.current.replay?, self.next.replay?);
        (!self.unclean).then_some((current.journal, next.journal))
    }

    /// Puts every record into the live index: `current` first, then `next`.
    pub(super) fn fill(&mut self, view: &mut View, mut counters: Counters) -> Result<Counters> {
        let mut may_lack = false;
        for found in [&self.current, &self.next] {
            may_lack |= found.lost.0 > 0;
            for f in found.batches() {
                for e in frame::decode(&f.payload)? {
                    if may_lack && e.seq > counters.seq {
                        note_lost(&mut self.lost, counters.seq, e.seq.0 - counters.seq.0);
                        counters.seq = e.seq;
                    }
                    if e.seq != counters.seq {
                        return Err(Error::corrupt(format!(
                            "journal {}.jrn: log position {} follows where {} should",
                            found.file, e.seq, counters.seq
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
            if found.lost.1 > 0 {
                note_lost(&mut self.lost, counters.seq, found.lost.1);
                counters.seq = Seq(counters.seq.0 + found.lost.1);
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
