//! Decisions: pure functions of an action, facts and the time. Every write that removes or hides
//! something passes [`ask`], whichever path it comes by: what it answers is the right to do it, and nothing
//! else makes one.

use crate::id::Micros;

pub mod aggregate;
mod basis;
pub mod calendar;
pub mod precedence;
pub mod selector;
pub mod span;

pub use basis::Basis;
pub use precedence::{Action, Approvals, Decision, Facts, Ground, Held, Lock, Reach, decide};

/// The right to do what was decided. It can't be made elsewhere, copied or kept.
#[derive(Debug)]
pub struct Permit(());

/// Decides about an action that removes, hides or changes records.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::policy::{Action, Facts, Ground, Held, Reach, ask};
/// assert!(ask(Action::EraseRecord, &Facts::default(), Micros(0)).is_ok());
/// let held = Held { reach: Reach::All, codes: vec!["tax".into()] };
/// let refused = ask(Action::EraseRecord, &Facts { held, ..Facts::default() }, Micros(0));
/// assert_eq!(refused.map(drop), Err(Ground::Hold { codes: vec!["tax".into()] }));
/// ```
///
/// # Errors
/// The ground on which it may not be done. What would be hidden in place of being done is not done either:
/// hiding is an act of its own.
pub fn ask(action: Action, facts: &Facts, now: Micros) -> Result<(Permit, Decision), Ground> {
    match decide(action, facts, now) {
        decision @ (Decision::Allow | Decision::Part { .. }) => Ok((Permit(()), decision)),
        Decision::Restrict(ground) | Decision::Refuse(ground) => Err(ground),
    }
}
