//! Append: records are checked, numbered, sealed as one frame, synced, indexed, acknowledged.

pub mod assemble;
pub mod frame;
pub mod link;
pub mod queue;

pub use assemble::Outcome;
pub use queue::Queue;
