//! Acts and details whose date has come: their keys die by the way of every erasure.

use std::sync::Arc;

use crate::erase::certificate::{self, Certificate};
use crate::erase::{pass, rules};
use crate::error::Result;
use crate::id::{PersonNumber, RequestId};
use crate::ingest::{Queue, refused};
use crate::keyring::entry::Class;
use crate::keyring::pending::{Target, Waiting};
use crate::keyring::{Changes, catalog};
use crate::policy::{self, Action, Facts};
use crate::state::{State, commit};

/// Periods that go with one request at most, so that an entry holds them: of evidence there is one a person.
const TOGETHER_MAX: usize = 128;

/// Destroys the keys of the periods of acts and of details whose date has come, in the time that the
/// store believes. Answers a certificate a class; none if nothing was due.
///
/// While a segment can't be read nothing expires: it would have to go too, and nobody asked for that. What
/// is due stays due.
pub fn expire(state: &Arc<State>, queue: &Queue) -> Result<Vec<Certificate>> {
    {
        let view = state.view.read();
        if !view.missing.is_empty() || catalog::audit_periods(&view.tree)?.is_empty() {
            return Ok(Vec::new());
        }
    }
    state.check_writable()?;
    let seen = state.look_at_clock()?;
    let mut requests = Vec::new();
    for class in Class::ALL {
        let keyring = state.keyring.lock();
        let tree = keyring.tree();
        let due = catalog::audit_periods(&tree)?.into_iter();
        let due = due.filter(|(_, period)| period.class == class && period.until <= seen.believed);
        let numbers: Vec<PersonNumber> = due.map(|(number, _)| number).collect();
        let is_of =
            |waiting: &Waiting| matches!(&waiting.target, Target::Audit { class: of, .. } if *of == class);
        // One that waits already, for room or for a hold, is gone on with first.
        let waiting = catalog::waiting(&tree)?.into_iter().filter(|(_, w)| is_of(w));
        let before = requests.len();
        requests.extend(waiting.map(|(request, _)| request));
        if requests.len() > before {
            continue;
        }
        let now = state.env.clock.now();
        let mut changes = Changes::new();
        for numbers in numbers.chunks(TOGETHER_MAX) {
            let request = RequestId(state.env.random(b"request")?);
            let waiting = Waiting::new(Target::Audit { class, numbers: numbers.to_vec() }, now);
            let facts = Facts { past_maximum: true, ..Facts::default() };
            let (permit, _) =
                policy::ask(Action::ExpireActs, &facts, now).map_err(|ground| refused::error(&ground))?;
            rules::accept(permit, &mut changes, &tree, request, waiting)?;
            requests.push(request);
        }
        if !changes.is_empty() {
            commit::commit_locked(state, &keyring, &changes, keyring.head().log, |_| {})?;
        }
    }
    state.forget_audit_persons();
    let mut failed = None;
    for request in &requests {
        let done = pass::run_with_room(state, queue, *request);
        // What keeps one class need not keep the other.
        failed = failed.or(done.err());
    }
    if let Some(e) = failed {
        return Err(e);
    }
    let view = state.view.read();
    requests.iter().filter_map(|request| certificate::find(&view, *request).transpose()).collect()
}
