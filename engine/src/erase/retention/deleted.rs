//! What users took back, where the store is set to erase that: a deletion hides at once, and the next run takes what it
//! hid, once the grace behind it is over.
//!
//! Each record is asked for by itself. A hold keeps it, a lock does, and so does a restriction, by which a person asked
//! that it stay (GDPR article 18 (1) (b)): it stays hidden, and the next run asks again. What speaks of it goes with it,
//! as with every erasure.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{Micros, Seq};
use crate::index::Mask;
use crate::policy::{self, Action, Ground};
use crate::query::held::{At, Keeps, place};
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
        // Twice taken back: the later one says when.
        let mut last = Micros::MIN;
        for seq in taken.family.iter().chain([&taken.root]) {
            let Some((nth, doc)) = place(&parts, *seq)? else { continue };
            if is_masked((nth, doc)) {
                continue 'each;
            }
            if taken.deletions.contains(seq)
                && let Some(part) = parts.get(nth)
            {
                last = last.max(part.key(doc)?.time);
            }
        }
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
