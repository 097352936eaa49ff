//! Decisions: pure functions of an action, facts and the time. Every write that removes or hides
//! something passes [`decide`], whichever path it comes by; there is no second door.
//!
//! It allows everything for now. Holds, locks, consents and approvals will be facts, and their
//! refusals will come out here and nowhere else.

use crate::id::{Micros, PersonNumber};

pub mod aggregate;
mod basis;
pub mod calendar;
pub mod precedence;
pub mod selector;
pub mod span;

pub use basis::Basis;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Erase a person.
    ErasePerson(PersonNumber),
    /// Erase a conversation.
    EraseConversation,
    /// Erase one record.
    EraseRecord,
    /// Let acts go, or their details, whose date has come.
    ExpireActs,
}

/// What the decision rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Records that would go.
    pub records: u64,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Do it.
    Allow,
    /// Don't, for this reason.
    Refuse(Ground),
    /// Hide the records, but keep them.
    Restrict(Ground),
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ground {
    /// A legal hold.
    Hold,
    /// A retention lock.
    Lock,
}

/// Decides about an action that removes or hides records.
pub fn decide(_action: Action, _facts: Facts, _now: Micros) -> Decision {
    Decision::Allow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_everything_until_rules_exist() {
        let action = Action::ErasePerson(PersonNumber(1));
        assert_eq!(decide(action, Facts { records: 3 }, Micros(0)), Decision::Allow);
    }
}
