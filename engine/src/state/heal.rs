//! A segment whose index can't be read any more gets a new one, built from its bodies.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::index::IndexData;
use crate::index::file::file_name;
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::keyring::losses::{By, Loss, What};
use crate::roll;
use crate::state::{State, commit};
use crate::view::Rolled;

/// Heals every segment whose index is damaged beyond rescue. With `give_up`, one whose block table
/// is lost leaves the store: nothing opens its bodies. Answers how many were healed. The caller
/// keeps erasures and compactions away.
pub fn all(state: &Arc<State>, give_up: bool, by: By) -> Result<u64> {
    let segments = state.view.read().segments.clone();
    let mut healed = 0;
    for segment in segments {
        if !segment.part.verify(false).is_empty() {
            one(state, &segment, give_up, by)?;
            healed += 1;
        }
    }
    Ok(healed)
}

/// Heals one segment by an ordinary commit; answers what is lost, which stands in the key tree from
/// then on.
pub fn one(state: &State, segment: &Rolled, give_up: bool, by: By) -> Result<Vec<String>> {
    let known = |n: PersonNumber| state.view.read().knows(n).unwrap_or(false);
    let (data, mut lost) = match segment.part.rebuild_readable(&known) {
        Ok(rebuilt) => rebuilt,
        Err(e) if give_up && e.kind() == ErrorKind::Corrupt => {
            (IndexData::default(), vec![format!("{e}; all of its bodies are lost with it")])
        }
        Err(e) => return Err(e),
    };
    let gone = u64::from(segment.entry.docs).saturating_sub(data.docs.len() as u64);
    if gone > 0 {
        let (first, last) = (segment.entry.min_seq, segment.entry.max_seq);
        lost.push(format!("{gone} records of positions {first} to {last} are lost and left the index"));
    }
    let env = &state.env;
    let fresh = if data.docs.is_empty() {
        None
    } else {
        let (file, old) = (env.file_id()?, &segment.entry);
        let build = || {
            let (entry, digest) =
                roll::write_index(env, &data, file, old.bodies.clone(), old.generation + 1)?;
            env.sync_dir()?;
            env.evict(file_name(file))?;
            let opened = commit::open_segment(state, segment.id, &entry, &state.keys.read().clone())?;
            opened.part.read_back(&digest, None)?;
            Ok((entry, opened))
        };
        Some(build().inspect_err(|_: &Error| drop(env.unlink(file_name(file))))?)
    };
    let keyring = state.keyring.lock();
    let mut changes = Changes::new();
    match &fresh {
        Some((entry, _)) => catalog::put_segment(&mut changes, segment.id, entry)?,
        None => catalog::remove_segment(&mut changes, segment.id),
    }
    if gone > 0 {
        let loss = Loss {
            what: What::Records,
            by,
            at: env.clock.now(),
            segment: Some(segment.id),
            number: gone,
            first: segment.entry.min_seq,
            last: segment.entry.max_seq,
        };
        catalog::add_losses(&mut changes, &keyring.tree(), &[loss])?;
    }
    let log = keyring.head().log;
    let bodies = if fresh.is_none() { segment.entry.body_names() } else { Vec::new() };
    let new_file = fresh.as_ref().map(|(entry, _)| file_name(entry.index));
    let published = commit::commit_locked(state, &keyring, &changes, log, |view| {
        match fresh {
            Some((_, opened)) => {
                for old in view.segments.iter_mut().filter(|s| s.id == segment.id) {
                    *old = opened.clone();
                }
            }
            None => view.segments.retain(|s| s.id != segment.id),
        }
        view.clear_caches();
        view.generation += 1;
    });
    if let Err(e) = published {
        // After a failed commit that poisons nobody knows what HEAD says: the next opening does.
        if let (Some(name), false) = (new_file, state.is_poisoned()) {
            let _ = env.unlink(name);
        }
        return Err(e);
    }
    for name in bodies.into_iter().chain([file_name(segment.entry.index).into()]) {
        // A file that stays is a stranger to the next opening.
        let _ = env.unlink(name);
    }
    Ok(lost)
}
