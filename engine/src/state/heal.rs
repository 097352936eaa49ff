//! A segment of which something is lost beyond rescue. An index gets a new one, built from bodies,
//! as long as a block table and the bodies are there; what is lost for good leaves the store only
//! when somebody gives it up, and stands in the key tree from then on.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::Keys;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, SegmentId, Seq};
use crate::index::IndexData;
use crate::index::file::file_name;
use crate::index::rewrite::{self, Removal};
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::keyring::entry::Segment as SegmentEntry;
use crate::keyring::losses::{By, Loss, What};
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
            }
            Found::ToRebuild(found, _) => match one(state, &found, give_up, by) {
                // It stays missing, with all that it holds.
                Err(e) if !state.is_poisoned() && stays(&e) => {}
                healed => drop(healed?),
            },
            Found::Lost(_) if give_up == GiveUp::Segments => {
                publish(state, Old::Missing(&lost), None, &lost.of_all(state, by), Vec::new())?;
            }
            Found::Lost(_) => {}
        }
    }
    Ok(())
}

/// Trouble that leaves a segment as it is: damage, or no room to build another.
fn stays(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NoSpace)
}

/// Heals every segment whose index is damaged beyond rescue, and gives up what nothing opens.
/// Answers how many were healed. The caller keeps erasures and compactions away.
pub fn all(state: &Arc<State>, by: By) -> Result<u64> {
    let segments = state.view.read().segments.clone();
    let mut healed = 0;
    for segment in segments {
        if !segment.part.verify(false).is_empty() {
            one(state, &segment, GiveUp::Segments, by)?;
            healed += 1;
        }
    }
    Ok(healed)
}

/// Builds the index of a segment anew by an ordinary commit; answers what is lost, which stands in
/// the key tree from then on.
pub fn one(state: &State, segment: &Rolled, give_up: GiveUp, by: By) -> Result<Vec<String>> {
    let known = |n: PersonNumber| state.view.read().knows(n).unwrap_or(false);
    let (data, mut lost) = match segment.part.rebuild_readable(&known) {
        Ok(rebuilt) => rebuilt,
        Err(e) if give_up == GiveUp::Segments && e.kind() == ErrorKind::Corrupt => {
            (IndexData::default(), vec![format!("{e}; all of its bodies are lost with it")])
        }
        Err(e) => return Err(e),
    };
    let (entry, now) = (&segment.entry, data.docs.len() as u64);
    let gone = u64::from(entry.docs).saturating_sub(now);
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
    publish(state, Old::Open(segment), fresh, &loss.into_iter().collect::<Vec<_>>(), Vec::new())?;
    Ok(lost)
}

/// Takes the bodies that nothing opens out of a segment whose index is whole, and seals all others
/// anew, in one file. Answers how many records were lost.
pub fn without_lost_bodies(state: &State, segment: &Rolled, by: By) -> Result<u64> {
    let (env, old) = (&state.env, &segment.entry);
    let (body, index) = (env.file_id()?, env.file_id()?);
    let place = BodyPlace { dir: &env.dir, store: env.store, file: body, index: 0 };
    let to = rewrite::Target { vfs: &*env.vfs, body: place, keys: &*state.subjects, entropy: &*env.entropy };
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
        let (docs, text) = (&reformed.data.docs, &reformed.text);
        let write = || roll::write_encoded(env, docs, text, index, vec![body], old.generation + 1);
        Some(open_fresh(state, segment.id, index, Some(0), write).inspect_err(|_| undo())?)
    };
    publish(state, Old::Open(segment), fresh, &losses, vec![body_name(body)])?;
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

/// What is replaced.
enum Old<'a> {
    Open(&'a Rolled),
    Missing(&'a Missing),
}

/// Puts `fresh` in the place of a segment, or nothing, and notes what is lost, in one commit. Files
/// that nobody names any more go; `new_bodies` too if it fails.
fn publish(
    state: &State,
    old: Old<'_>,
    fresh: Option<Rolled>,
    losses: &[Loss],
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
    catalog::add_losses(&mut changes, &keyring.tree(), losses)?;
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
}
