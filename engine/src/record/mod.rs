//! Records: what callers write, and what is sealed.
//!
//! A caller writes a [`Record`], by hand or as a line of [`jsonl`]; people stand in it by
//! identifier. What is sealed is a [`Stored`]; people stand in it by number.

pub mod canonical;
pub mod input;
pub mod jsonl;
pub mod kind;
pub mod limits;
pub mod quarantine;
pub mod stored;
pub mod subjects;
pub mod time;

mod cbor;

pub use input::Record;
pub use kind::Kind;
pub use stored::{PersonFields, Stored, StoredRef};
pub use subjects::Subjects;
