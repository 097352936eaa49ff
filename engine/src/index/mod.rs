//! The index: how records are found. One [`Part`] is one rolled segment or the live index.

pub mod part;

pub use part::{Field, Part, SortKey, Term};
