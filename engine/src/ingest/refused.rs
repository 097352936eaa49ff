//! Every refusal is a record: who wanted what, of whom, and why not.

use std::sync::Arc;

use crate::error::Result;
use crate::id::{Handle, PersonNumber};
use crate::ingest::{Acts, Queue};
use crate::policy::{Action, Ground};
use crate::receipts::{Act, Deed};
use crate::record::Stored;
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
