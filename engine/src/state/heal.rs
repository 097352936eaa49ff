//! A segment of which something is lost beyond rescue. An index gets a new one, built from bodies,
//! as long as a block table and the bodies are there; what is lost for good leaves the store only
//! when somebody gives it up, and stands in the key tree from then on.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, RequestId, SegmentId, Seq};
use crate::index::check::Rebuilt;
use crate::index::file::file_name;
use crate::index::rewrite::{self, Removal};
use crate::index::{Hands, Part};
use crate::keyring::catalog;
use crate::keyring::entry::Segment as SegmentEntry;
use crate::keyring::losses::{By, Loss, What};
use crate::keyring::pending::{Pending, Target, Waiting};
use crate::keyring::{Changes, Tree};
use crate::log::Log;
use crate::merkle::commitment::Committer;
use crate::merkle::hash::Hash;
use crate::roll::{self, Digest};
use crate::segment::writer::file_name as body_name;
use crate::segment::{BodyPlace, SubjectKeys};
use crate::state::{State, commit};
use crate::view::{Missing, Rolled, View};

/// What may be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GiveUp {
    /// Nothing: heal what can be healed whole.
    Nothing,
    /// Bodies that nothing opens.
    Bodies,
    /// Segments too of which nothing opens.
    Segments,
}

/// How a segment of the key tree was found.
pub enum Found {
    /// It opens. Single pages or bodies of it may still be lost.
    Whole(Rolled),
    /// Its block table opens, the rest of its index is of no use.
    ToRebuild(Rolled, Missing),
    /// It doesn't open.
    Lost(Missing),
}

/// Looks for a segment. An error of the system that is not about this segment's bytes is handed on.
pub fn find(
    env: &Env,
    id: SegmentId,
    entry: SegmentEntry,
    arena: &Keys,
    subjects: Arc<dyn SubjectKeys>,
) -> Result<Found> {
    let missing = |why| Missing { id, entry: Arc::new(entry.clone()), why };
    match commit::open_segment_in(env, id, &entry, arena, subjects) {
        Ok(found) if found.part.to_rebuild() => {
            let why = format!("file {} is damaged beyond its parity", file_name(entry.index));
            Ok(Found::ToRebuild(found, missing(why)))
        }
        Ok(found) => Ok(Found::Whole(found)),
        Err(e) if e.kind() == ErrorKind::Corrupt => Ok(Found::Lost(missing(e.to_string()))),
        Err(e) => Err(e),
    }
}

/// Looks once more for the segments that could not be read, and heals what can be healed. Those
/// that still can't be read stay missing, unless they may be given up. The caller keeps rolls,
/// erasures and compactions away.
pub fn missing(state: &State, give_up: GiveUp, by: By) -> Result<()> {
    let all = state.view.read().missing.clone();
    for lost in all {
        let arena = state.keys.read().clone();
        let entry = (*lost.entry).clone();
        match find(&state.env, lost.id, entry, &arena, state.subjects.clone())? {
            Found::Whole(found) => {
                let mut view = state.view.write();
                view.missing.retain(|m| m.id != found.id);
                view.segments.push(found);
                view.generation += 1;
                view.settle_rules()?;
            }
            Found::ToRebuild(found, _) => match one(state, &found, give_up, by) {
                // It stays missing, with all that it holds.
                Err(e) if !state.is_poisoned() && stays(&e) => {}
                healed => drop(healed?),
            },
            Found::Lost(_) if give_up == GiveUp::Segments => {
                let left = Left { losses: lost.of_all(state, by), removed: Vec::new() };
                publish(state, Old::Missing(&lost), None, &left, Vec::new())?;
            }
            Found::Lost(_) => {}
        }
    }
    Ok(())
}

/// Trouble that leaves a segment as it is: damage, a newer format, or no room to build another.
fn stays(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::NoSpace)
}

/// Leaves of all records of segments that open.
pub fn leaves_of(segments: &[Rolled]) -> HashMap<u64, Hash> {
    let (mut living, mut committer) = (HashMap::new(), Committer::new());
    for segment in segments {
        for doc in 0..segment.part.doc_count() {
            // What doesn't open gives no leaf.
            let Ok(record) = segment.part.stored_with_salt(doc) else { continue };
            living.insert(record.seq.0, committer.leaf(&record.salt, &record.canonical));
        }
    }
    living
}

/// Computes the log again from what is left of its files and from the records that live; whether it could.
/// What nothing gives any more is given up only if that is allowed: the log has another root then. The
/// caller keeps erasures away.
pub fn log(state: &Arc<State>, give_up: bool) -> Result<bool> {
    let _no_roll = state.rolling();
    let living = leaves_of(&state.view.read().segments.clone());
    let head = state.keyring.lock().head().log;
    {
        let mut log = state.log.lock();
        let (vfs, dir) = (Arc::clone(&state.env.vfs), &state.env.dir);
        let rebuilt = Log::rebuild(vfs, dir, head.size, Hash(head.root), &living)?;
        if rebuilt.loss().is_some() && !give_up {
            return Ok(false);
        }
        *log = rebuilt;
    }
    commit::give_up_leaves(state, By::Repair)?;
    Ok(true)
}

/// Heals every segment whose index is damaged beyond rescue, and gives up what nothing opens.
/// Answers how many were healed. The caller keeps erasures and compactions away.
///
/// # Errors
/// *Unsupported* if an index is of a newer format: it is no damage, and stays as it is.
pub fn all(state: &Arc<State>, by: By) -> Result<u64> {
    let segments = state.view.read().segments.clone();
    let mut healed = 0;
    for segment in segments {
        if !segment.part.verify(false)?.is_empty() {
            one(state, &segment, GiveUp::Segments, by)?;
            healed += 1;
        }
    }
    Ok(healed)
}

/// Builds the index of a segment anew by an ordinary commit, with words if the store's indexes may have
/// them; answers what is lost, which stands in the key tree from then on.
///
/// # Errors
/// *Unsupported* if it is of a newer format; *corrupt* if more is lost than may be given up.
pub fn one(state: &State, segment: &Rolled, give_up: GiveUp, by: By) -> Result<Vec<String>> {
    segment.part.check_known()?;
    let known = |n: PersonNumber| state.view.read().knows(n);
    let erasures = begun(&state.view.read().tree)?;
    let erased = |n: PersonNumber| Ok(erasures.iter().any(|(_, people)| people.contains(&n)) && !known(n)?);
    let with_words = state.view.read().tree.head().has_words();
    let Rebuilt { data, mut lost, gone } = match segment.part.rebuild_readable(&known, &erased, with_words) {
        Ok(rebuilt) => rebuilt,
        Err(e) if give_up == GiveUp::Segments && e.kind() == ErrorKind::Corrupt => {
            Rebuilt { lost: vec![format!("{e}; all of its bodies are lost with it")], ..Rebuilt::default() }
        }
        Err(e) => return Err(e),
    };
    let (entry, now) = (&segment.entry, data.docs.len() as u64);
    let away = u64::from(entry.docs).saturating_sub(now);
    let removed = removed_by(&erasures, segment, &gone, away, lost.is_empty());
    let gone = away.saturating_sub(removed.iter().map(|(_, number)| number).sum());
    if gone > 0 {
        let (first, last) = (entry.min_seq, entry.max_seq);
        lost.push(format!("{gone} records of positions {first} to {last} are lost and left the index"));
        if give_up == GiveUp::Nothing {
            let what =
                format!("{gone} of {} records between positions {first} and {last} are lost", entry.docs);
            return Err(Error::corrupt(what));
        }
    }
    let loss = (gone > 0).then(|| loss(state, segment.id, gone, (entry.min_seq, entry.max_seq), by));
    let fresh = if data.docs.is_empty() {
        None
    } else {
        let file = state.env.file_id()?;
        let write = || roll::write_index(&state.env, &data, file, entry.bodies.clone(), entry.generation + 1);
        Some(open_fresh(state, segment.id, file, None, write)?)
    };
    let left = Left { losses: loss.into_iter().collect(), removed };
    publish(state, Old::Open(segment), fresh, &left, Vec::new())?;
    Ok(lost)
}

/// Erasures of which a pass has run, and whose keys died with it: what is left of these people opens
/// no more, and is no loss.
fn begun(tree: &Tree) -> Result<Vec<(RequestId, Vec<PersonNumber>)>> {
    let waiting = catalog::waiting(tree)?.into_iter().filter(|(_, w)| w.progress.epoch_after.0 > 0);
    let people = |waiting: Waiting| match waiting.target {
        Target::Persons(mut people) | Target::Audit { numbers: mut people, .. } => {
            people.extend(waiting.forgotten);
            people
        }
        _ => waiting.forgotten,
    };
    Ok(waiting.map(|(request, waiting)| (request, people(waiting))).collect())
}

/// How many records each erasure has removed with the blocks that are `gone`. Where the index no longer
/// tells, and others are lost too, they count as lost.
fn removed_by(
    erasures: &[(RequestId, Vec<PersonNumber>)],
    segment: &Rolled,
    gone: &[(u32, Vec<PersonNumber>)],
    away: u64,
    nothing_lost: bool,
) -> Vec<(RequestId, u64)> {
    let names = |(_, people): &&(RequestId, Vec<PersonNumber>), subjects: &[PersonNumber]| {
        subjects.iter().any(|subject| people.contains(subject))
    };
    let of =
        |subjects: &[PersonNumber]| erasures.iter().find(|e| names(e, subjects)).map(|(request, _)| *request);
    let blocks: Vec<u32> = gone.iter().map(|(block, _)| *block).collect();
    let mut removed: Vec<(RequestId, u64)> = Vec::new();
    let mut add = |request: Option<RequestId>, number: u64| {
        let Some(request) = request else { return };
        match removed.iter_mut().find(|(other, _)| *other == request) {
            Some((_, sum)) => *sum += number,
            None => removed.push((request, number)),
        }
    };
    match segment.part.docs_in(&blocks) {
        Ok(numbers) if numbers.iter().sum::<u64>() <= away => {
            gone.iter().zip(numbers).for_each(|((_, subjects), number)| add(of(subjects), number));
        }
        _ if nothing_lost => add(gone.first().and_then(|(_, subjects)| of(subjects)), away),
        _ => {}
    }
    removed
}

/// Takes the bodies that nothing opens out of a segment whose index is whole, and seals all others
/// anew, in one file. Answers how many records were lost.
pub fn without_lost_bodies(state: &State, segment: &Rolled, by: By) -> Result<u64> {
    let (env, old) = (&state.env, &segment.entry);
    let (body, index) = (env.file_id()?, env.file_id()?);
    let place = BodyPlace { dir: &env.dir, store: env.store, file: body, index: 0 };
    let to = rewrite::Target {
        vfs: &*env.vfs,
        body: place,
        keys: &*state.subjects,
        entropy: &*env.entropy,
        hands: Hands::Two,
    };
    let removal = Removal { docs: &RoaringBitmap::new(), people: &[], reform_all: true };
    let undo = || drop(env.unlink(body_name(body)));
    let reformed = rewrite::rewrite(&segment.part, &removal, &to).inspect_err(|_| undo())?;
    let span = reformed.lost.iter().min().copied().zip(reformed.lost.iter().max().copied());
    let number = reformed.lost.len() as u64;
    let losses: Vec<Loss> = span.map(|span| loss(state, segment.id, number, span, by)).into_iter().collect();
    let fresh = if reformed.data.docs.is_empty() {
        undo();
        None
    } else {
        let (data, generation) = (&reformed.data, old.generation + 1);
        let (docs, file) = (&data.docs, (index, data.with_words));
        let write =
            || roll::write_encoded(env, (docs, &reformed.text), file, vec![body], generation, Hands::Two);
        Some(open_fresh(state, segment.id, index, Some(0), write).inspect_err(|_| undo())?)
    };
    let left = Left { losses, removed: Vec::new() };
    publish(state, Old::Open(segment), fresh, &left, vec![body_name(body)])?;
    Ok(number)
}

fn loss(state: &State, segment: SegmentId, number: u64, (first, last): (Seq, Seq), by: By) -> Loss {
    let (at, segment) = (state.env.clock.now(), Some(segment));
    Loss { what: What::Records, by, at, segment, number, first, last }
}

impl Missing {
    fn of_all(&self, state: &State, by: By) -> Vec<Loss> {
        let span = (self.entry.min_seq, self.entry.max_seq);
        vec![loss(state, self.id, self.entry.docs.into(), span, by)]
    }
}

/// Writes an index, reads it back from the device and opens it; `body` is the place of a body file
/// that was written with it.
fn open_fresh(
    state: &State,
    id: SegmentId,
    file: crate::id::FileId,
    body: Option<u8>,
    write: impl FnOnce() -> Result<(SegmentEntry, Digest)>,
) -> Result<Rolled> {
    let env = &state.env;
    let build = || {
        let (entry, digest) = write()?;
        env.sync_dir().map_err(|e| state.poison(e))?;
        env.evict(file_name(file))?;
        if body.is_some() {
            entry.body_names().iter().try_for_each(|name| env.evict(name))?;
        }
        let opened = commit::open_segment(state, id, &entry, &state.keys.read().clone())?;
        opened.part.read_back(&digest, body)?;
        Ok(opened)
    };
    build().inspect_err(|_: &Error| drop(env.unlink(file_name(file))))
}

/// What leaves the store.
struct Left {
    /// What nothing brings back.
    losses: Vec<Loss>,
    /// Records that erasures under way would have taken.
    removed: Vec<(RequestId, u64)>,
}

impl Left {
    /// Notes it in the commit that gives it up.
    fn note(&self, changes: &mut Changes, tree: &Tree) -> Result<()> {
        catalog::add_losses(changes, tree, &self.losses)?;
        if self.removed.is_empty() {
            return Ok(());
        }
        let mut counters = catalog::counters(tree)?;
        for (request, mut waiting) in catalog::waiting(tree)? {
            let Some((_, number)) = self.removed.iter().find(|(of, _)| *of == request) else { continue };
            counters.removed += number;
            waiting.progress.removed += number;
            // Its key dies with the next pass, as those of other segments.
            waiting.progress.segments += 1;
            catalog::put_pending(changes, request, &Pending::Waiting(waiting))?;
        }
        catalog::put_counters(changes, &counters)
    }
}

/// What is replaced.
enum Old<'a> {
    Open(&'a Rolled),
    Missing(&'a Missing),
}

/// Puts `fresh` in the place of a segment, or nothing, and notes what is `left`, in one commit. Files
/// that nobody names any more go; `new_bodies` too if it fails.
fn publish(
    state: &State,
    old: Old<'_>,
    fresh: Option<Rolled>,
    left: &Left,
    new_bodies: Vec<String>,
) -> Result<()> {
    let (id, entry) = match old {
        Old::Open(segment) => (segment.id, &segment.entry),
        Old::Missing(missing) => (missing.id, &missing.entry),
    };
    let env = &state.env;
    let keyring = state.keyring.lock();
    let mut changes = Changes::new();
    match &fresh {
        Some(fresh) => catalog::put_segment(&mut changes, id, &fresh.entry)?,
        None => catalog::remove_segment(&mut changes, id),
    }
    left.note(&mut changes, &keyring.tree())?;
    let log = keyring.head().log;
    let new_index = fresh.as_ref().map(|fresh| file_name(fresh.entry.index));
    let kept = fresh.as_ref().map(|fresh| fresh.entry.file_names()).unwrap_or_default();
    let published = commit::commit_locked(state, &keyring, &changes, log, |view| replace(view, id, fresh));
    if let Err(e) = published {
        // After a failed commit that poisons nobody knows what HEAD says: the next opening does.
        if !state.is_poisoned() {
            for name in new_bodies.into_iter().chain(new_index) {
                let _ = env.unlink(name);
            }
        }
        return Err(e);
    }
    for name in entry.file_names().into_iter().filter(|name| !kept.contains(name)) {
        // A file that stays is a stranger to the next opening.
        let _ = env.unlink(name);
    }
    Ok(())
}

fn replace(view: &mut View, id: SegmentId, fresh: Option<Rolled>) {
    view.missing.retain(|m| m.id != id);
    match (fresh, view.segments.iter_mut().find(|s| s.id == id)) {
        (Some(fresh), Some(old)) => *old = fresh,
        (Some(fresh), None) => view.segments.push(fresh),
        (None, _) => view.segments.retain(|s| s.id != id),
    }
    view.clear_caches();
    view.generation += 1;
    // Registers may stand in what is read again. If they still can't be read, those known before stay.
    let _ = view.settle_rules();
}
