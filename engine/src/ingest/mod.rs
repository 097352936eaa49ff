//! Append: records are checked, numbered, sealed as one frame, synced, indexed, acknowledged.

mod about;
pub mod acts;
pub mod amend;
pub mod asked;
pub mod assemble;
pub mod bell;
pub mod change;
mod customer;
pub mod frame;
pub(crate) mod gate;
pub mod link;
pub mod made;
pub mod own;
pub mod past;
pub mod queue;
pub mod refused;
pub mod register;
pub mod rehearse;

pub use acts::Acts;
pub use assemble::Outcome;
pub use queue::Queue;
pub use rehearse::Rehearsal;
