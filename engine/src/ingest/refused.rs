//! Every refusal is a record: who wanted what, of whom, and why not.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Micros, PersonNumber};
use crate::ingest::{Acts, Queue};
use crate::policy::{Action, Ground};
use crate::receipts::{Act, Deed};
use crate::record::{Stored, time};
use crate::state::State;

/// Something that a rule forbade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What somebody wanted to do.
    pub action: Action,
    /// Why it is not done.
    pub ground: Ground,
    /// Of how many records.
    pub records: u64,
    /// Of whom.
    pub people: Vec<PersonNumber>,
}

impl Refusal {
    fn body(&self) -> String {
        let none = Vec::new();
        let (holds, missing) = match &self.ground {
            Ground::Hold { codes } => (codes, &none),
            Ground::Consent { missing } => (&none, missing),
            _ => (&none, &none),
        };
        let mut body = serde_json::json!({
            "action": self.action.name(),
            "ground": self.ground.name(),
            "holds": holds,
        });
        if let (Some(body), false) = (body.as_object_mut(), missing.is_empty()) {
            body.insert("purposes".to_owned(), serde_json::json!(missing));
        }
        body.to_string()
    }

    /// Adds it to others, to the one of the same kind if there is one.
    pub fn join(self, all: &mut Vec<Self>) {
        let is_same = |one: &&mut Self| {
            (one.action, &one.ground, &one.people) == (self.action, &self.ground, &self.people)
        };
        match all.iter_mut().find(is_same) {
            Some(one) => one.records += self.records,
            None => all.push(self),
        }
    }
}

/// The refusal as its caller gets it; who knows better what to do says so.
pub fn error(ground: &Ground) -> Error {
    let refused = |message: String| Error::new(ErrorKind::Refused, message);
    match ground {
        Ground::Hold { codes } => refused(format!("held: {}", codes.join(", ")))
            .hint("`escrow hold list` says what for; it can go once the hold is lifted"),
        Ground::Lock { until: Micros::MAX } => {
            refused("kept by law, until a date that is not known".to_owned())
                .hint("`escrow class list` says by what; it may run from an event that has not come")
        }
        Ground::Lock { until } => refused(format!("kept by law until {}", time::format(*until))),
        Ground::Consent { missing } => refused(format!("there is no consent for: {}", missing.join(", ")))
            .hint("`escrow consent give` notes one; `escrow gate show` says what is asked of which records, and for which \
                 purposes: one that was retired is allowed by nobody"),
        Ground::Approval { .. } => refused("somebody else must approve it".to_owned())
            .hint("`escrow request` plans it and has it approved"),
        other => refused(format!("a rule forbids it: {}", other.name())),
    }
}

/// Appends the act of a refusal, where the store has rules.
///
/// # Errors
/// Trouble with the store.
pub fn record(state: &Arc<State>, queue: &Queue, actor: Option<&str>, refusal: &Refusal) -> Result<()> {
    if !state.view.read().tree.head().has_rules() {
        return Ok(());
    }
    let persons = state.audit_persons()?;
    let mark = Handle(state.env.random(b"refusal")?);
    let act = Act::new(Deed::Refused, refusal.records).of(refusal.people.iter().copied());
    let record = Stored {
        subjects: vec![persons.acts],
        body: refusal.body(),
        ..act.to_record(format!("refused/{mark}"), state.env.clock.now())
    };
    let generation = state.view.read().generation;
    let actor = actor.map(str::to_owned);
    queue.append_acts(state, Acts { actor, generation, records: vec![record] }).map(drop)
}
