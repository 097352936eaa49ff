//! E8 and E9: the act is appended once, then `pending` leaves the key tree.

use std::sync::Arc;

use crate::erase::certificate::{Certificate, Destruction};
use crate::erase::{log_key, redact, rules};
use crate::error::Result;
use crate::id::{Micros, RequestId};
use crate::ingest::Queue;
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::state::State;

/// Appends the `erased` record of everything that is done, unless it stands already, and takes
/// its `pending` out of the tree. `destroyed` is when the old root was destroyed, and for which
/// requests that is known; after a crash, or after an act that could not be appended, only an
/// upper limit is.
pub fn record_and_clear(
    state: &Arc<State>,
    queue: &Queue,
    destroyed: Option<(Micros, &[RequestId])>,
) -> Result<()> {
    let tree = state.view.read().tree.clone();
    let done = catalog::done(&tree)?;
    let new_key = log_key::act(state, &tree)?;
    if done.is_empty() && new_key.is_none() {
        return Ok(());
    }
    let losses = catalog::losses(&tree)?;
    let now = state.env.clock.now();
    let with_evidence = tree.head().has_evidence();
    let is_new_key = new_key.is_some();
    let acts = done
        .iter()
        .map(|(request, done)| {
            let known = destroyed.filter(|(_, requests)| requests.contains(request)).map(|(at, _)| at);
            let (at, late) = (known.unwrap_or(now), known.is_none());
            let after =
                done.redacted.iter().find_map(|of| redact::copy_of(&state.view.read(), of).transpose());
            let lost = losses.records_of(*request);
            let destruction = Destruction {
                at,
                not_later_than: late,
                slot_grade: state.slot.grade().name(),
                slot_file_system: state.slot.file_system(),
                origin: &state.settings.origin,
                after: after.transpose()?,
            };
            Ok(Certificate::from_done(*request, done, lost, destruction).to_record(with_evidence))
        })
        .chain(new_key.map(Ok))
        .collect::<Result<_>>()?;
    queue.append_own(state, acts)?;
    // The act must be durable before what it is written from leaves the tree. Where an append syncs
    // it is; a journal that was frozen meanwhile was synced then.
    state.writer.lock().active.sync().map_err(|e| state.poison(e))?;
    // Before it leaves the tree, so that no crash leaves open what is kept of somebody.
    for (request, done) in &done {
        if let Some(number) = done.restricts {
            rules::restrict(state, queue, number, *request)?;
        }
    }
    let mut changes = Changes::new();
    for (request, _) in &done {
        catalog::remove_pending(&mut changes, *request);
    }
    if is_new_key {
        log_key::act_is_written(&mut changes, &tree)?;
    }
    // What the certificate is proved in is signed; where hashes of the log are lost it can't be.
    let head = if with_evidence { state.head_to_note().ok().flatten() } else { None };
    state.commit_noting(changes, head.as_ref())
}
