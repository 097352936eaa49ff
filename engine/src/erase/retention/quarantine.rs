//! What stayed in quarantine as long as it may: nobody allowed that it is kept, so it goes.

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::id::{Micros, Seq};
use crate::index::Mask;
use crate::policy::{self, Action, Facts, Ground};
use crate::query::held::Keeps;
use crate::record::quarantine::came_at;
use crate::view::View;

/// What becomes of records in quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InQuarantine {
    /// All of them.
    pub records: u64,
    /// Those that a run erases: their time is over, and nothing keeps them.
    pub due: u64,
    /// Those that a hold or a restriction keeps.
    pub held: u64,
    /// Those that a class keeps whose shortest time is not over.
    pub locked: u64,
    /// When the time of the next is over, of those whose time is not.
    pub next: Option<Micros>,
}

/// What is due at an instant, and the log positions of it; but for what `mask` hides. `None` where nothing was ever put
/// in quarantine. Time runs from when a record came in; of one that doesn't say, from its own.
///
/// # Errors
/// Unreadable files.
pub(super) fn look(
    view: &View,
    keeps: &Keeps<'_>,
    at: Micros,
    mask: &Mask,
) -> Result<Option<(InQuarantine, Vec<Seq>)>> {
    let settings = &view.rules().settings;
    if !settings.has_quarantine {
        return Ok(None);
    }
    let (shown, mut found) = (view.shown(None)?, InQuarantine::default());
    let mut over = Vec::new();
    // What is hidden by an erasure that runs is seen as it is by the parts themselves.
    for part in shown.parts() {
        let docs = part.quarantined()?;
        let hidden = if docs.is_empty() { RoaringBitmap::new() } else { mask.docs_in(part)? };
        let mut over_here = RoaringBitmap::new();
        for doc in docs - hidden {
            found.records += 1;
            let stored = Zeroizing::new(part.record(doc)?);
            let end = settings.quarantine.after(came_at(&stored).unwrap_or(stored.time));
            match end.filter(|end| *end > at) {
                None if end.is_some() => drop(over_here.insert(doc)),
                None => {}
                Some(end) => found.next = Some(found.next.map_or(end, |next| next.min(end))),
            }
        }
        over.push(over_here);
    }
    let kept = keeps.among(&over)?;
    let mut due = Vec::new();
    for (nth, (part, over)) in shown.parts().iter().zip(&over).enumerate() {
        let mut free = RoaringBitmap::new();
        for doc in over {
            let facts = Facts { past_maximum: true, ..kept.facts((nth, doc)) };
            match policy::ask(Action::ExpireClass, &facts, at) {
                Ok(_) => drop(free.insert(doc)),
                Err(Ground::Lock { .. }) => found.locked += 1,
                Err(_) => found.held += 1,
            }
        }
        found.due += free.len();
        due.extend(part.seqs(&free)?);
    }
    Ok(Some((found, due)))
}
