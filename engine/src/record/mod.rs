//! Records: what callers write, and what is sealed.

pub mod kind;
pub mod stored;

pub use kind::Kind;
pub use stored::{PersonFields, Stored};
