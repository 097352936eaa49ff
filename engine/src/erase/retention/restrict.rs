//! Classes whose records are restricted when their longest time is over (GDPR article 18): kept, and seen by who holds
//! a case. What the register says of it once holds whatever the clock says later.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::erase::retention::ClassReport;
use crate::error::Result;
use crate::id::Micros;
use crate::index::Part;
use crate::ingest::{Queue, refused, register};
use crate::policy::{self, Action, Facts};
use crate::query::held::Starts;
use crate::register::Event;
use crate::register::class::{Event as Change, Kept, Over};
use crate::session::Session;
use crate::state::State;
use crate::view::View;

/// What is to be restricted of a class.
pub(super) struct Ending {
    code: String,
    over: Vec<Over>,
}

/// Conversations in one record of the register: it has room for some more.
const TOGETHER: usize = 500;

/// What a run restricts of a class; of what is over already it only counts. Holds and locks keep nothing open.
///
/// # Errors
/// Unreadable files.
pub(super) fn look(
    view: &View,
    class: &Kept,
    (parts, of_class): (&[&dyn Part], &[RoaringBitmap]),
    at: Micros,
    report: &mut ClassReport,
) -> Result<Option<Ending>> {
    let starts = Starts::of(view, class, parts, of_class)?;
    let mut over = starts.ended(parts, |start| super::is_past(class, start, at))?;
    let before = view.rules().classes.restricted(class.class.number).cloned().unwrap_or_default();
    let mut after = before.clone();
    over.iter().for_each(|over| after.add(over));
    for (nth, (part, docs)) in parts.iter().zip(of_class).enumerate() {
        let [before, after] = [&before, &after].map(|of| view.ended_of(*part, docs, of));
        let (before, after) = (before?, after?);
        report.restricted += before.len();
        report.due += (&after - before).len();
        let (_, next) = starts.over(*part, nth, &(docs - after), |start| super::is_past(class, start, at))?;
        let next = next.and_then(|start| class.maximum?.after(start));
        report.next = [report.next, next].into_iter().flatten().min();
    }
    if report.due == 0 {
        return Ok(None);
    }
    // Of the others the register says so already.
    over.retain(|over| {
        let mut then = before.clone();
        then.add(over);
        then != before
    });
    Ok(Some(Ending { code: class.class.code.clone(), over }))
}

/// Restricts it: from here on it is so for every query, and after a crash.
///
/// # Errors
/// Trouble with the store.
pub(super) fn apply(state: &Arc<State>, queue: &Queue, endings: Vec<Ending>, at: Micros) -> Result<()> {
    let mut events = Vec::new();
    for Ending { code, over } in endings {
        let facts = Facts { past_maximum: true, ..Facts::default() };
        policy::ask(Action::Restrict, &facts, at).map_err(|ground| refused::error(&ground))?;
        let event = |over: &[Over]| Change::Restrict { code: code.clone(), over: over.to_vec() };
        events.extend(over.chunks(TOGETHER).map(|over| Event::Class(event(over))));
    }
    if events.is_empty() {
        return Ok(());
    }
    register::change(state, queue, &Session::new(), events).map(drop)
}
