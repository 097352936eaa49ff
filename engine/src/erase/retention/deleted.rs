//! What users took back, where the store is set to erase that: a deletion hides at once, and the next run takes what it
//! hid, once the grace behind it is over.
//!
//! Each record is asked for by itself. A hold keeps it, a lock does, and so does a restriction, by which a person asked
//! that it stay (GDPR article 18 (1) (b)): it stays hidden, and the next run asks again. What speaks of it goes with it,
//! as with every erasure.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::overlay::TakenBack as Deleted;
use crate::index::{Mask, Part};
use crate::policy::{self, Action, Ground};
use crate::query::held::{At, Keeps, place};
use crate::record::quarantine::came_at;
use crate::register::settings::Deletion;
use crate::view::View;

/// What becomes of records that users took back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenBack {
    /// Those that a run erases: their grace is over, and nothing keeps them.
    pub due: u64,
    /// Those that a hold or a restriction keeps.
    pub held: u64,
    /// Those whose shortest time is not over.
    pub locked: u64,
    /// When the grace of the next is over, of those whose grace is not.
    pub next: Option<Micros>,
}

/// When a record was taken back: twice, and the later one says when. By its author, by somebody whose record it is, or
/// by who is linked to them; `None` if others did it, whose deletions hide and no more.
fn taken_back_at(view: &View, parts: &[&dyn Part], taken: &Deleted, root: At) -> Result<Option<Micros>> {
    let read = |(nth, doc): At| match parts.get(nth).map(|part| part.record(doc)) {
        // What can't be read says nobody.
        Some(Err(e)) if e.kind() == ErrorKind::Corrupt => Ok(None),
        Some(stored) => stored.map(Zeroizing::new).map(Some),
        None => Ok(None),
    };
    let Some(root) = read(root)? else { return Ok(None) };
    let mut last = None;
    for seq in &taken.deletions {
        let Some(deletion) = place(parts, *seq)?.map(read).transpose()?.flatten() else { continue };
        let by = view.linked(deletion.author)?;
        let is_own = |number: &PersonNumber| {
            *number != PersonNumber::STORE && (root.author == *number || root.subjects.contains(number))
        };
        if by.iter().any(is_own) {
            // The time that it bears is what somebody says; when it came, the store does.
            let at = came_at(&deletion).map_or(deletion.time, |came| came.max(deletion.time));
            last = last.max(Some(at));
        }
    }
    Ok(last)
}

/// What is due at an instant, and the log positions of it, ascending; but for what `mask` hides, or something that
/// speaks of it. `None` where deletions hide only.
///
/// # Errors
/// Unreadable files.
pub(super) fn look(
    view: &View,
    keeps: &Keeps<'_>,
    at: Micros,
    mask: &Mask,
) -> Result<Option<(TakenBack, Vec<Seq>)>> {
    let settings = &view.rules().settings;
    if settings.deletion == Deletion::Hide {
        return Ok(None);
    }
    let parts = view.parts();
    let masked: Vec<RoaringBitmap> = parts.iter().map(|part| mask.docs_in(*part)).collect::<Result<_>>()?;
    let is_masked = |(nth, doc): At| masked.get(nth).is_some_and(|docs| docs.contains(doc));
    let mut found = TakenBack::default();
    let mut over: BTreeMap<Seq, At> = BTreeMap::new();
    'each: for taken in view.taken_back()? {
        let Some(root) = place(&parts, taken.root)? else { continue };
        for seq in taken.family.iter().chain([&taken.root]) {
            if place(&parts, *seq)?.is_some_and(is_masked) {
                continue 'each;
            }
        }
        let Some(last) = taken_back_at(view, &parts, &taken, root)? else { continue };
        let end = settings.grace.map_or(at, |grace| grace.after(last).unwrap_or(Micros::MAX));
        if end <= at {
            over.insert(taken.root, root);
        } else {
            found.next = Some(found.next.map_or(end, |next| next.min(end)));
        }
    }
    if over.is_empty() {
        return Ok(Some((found, Vec::new())));
    }
    let mut going = vec![RoaringBitmap::new(); parts.len()];
    for (nth, doc) in over.values() {
        going.get_mut(*nth).into_iter().for_each(|docs| _ = docs.insert(*doc));
    }
    let kept = keeps.among(&going)?;
    let mut due = Vec::with_capacity(over.len());
    for (seq, at_doc) in over {
        let facts = kept.facts(at_doc);
        match policy::ask(Action::UserErase, &facts, at) {
            // Who had it restricted asked that it stay; who took it back may be another.
            Ok(_) if facts.restricted => found.held += 1,
            Ok(_) => due.push(seq),
            Err(Ground::Lock { .. }) => found.locked += 1,
            Err(_) => found.held += 1,
        }
    }
    found.due = due.len() as u64;
    Ok(Some((found, due)))
}
