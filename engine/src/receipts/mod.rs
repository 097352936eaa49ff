//! Acts as records: what was done with the store, by whom, and how much of it.
//!
//! An *act* names people by number and counts; what was typed (queries, purposes, names) stands in its
//! *detail*, a record of its own that dies much sooner and that erasures look through. Here is how
//! both are written and read, and what a store believes of the time; no file is touched here.

mod act;
mod detail;
pub mod when;

pub use act::{Act, Deed};
pub use detail::{Detail, DetailField};
