//! Queries: the language, and its execution over the searchable parts of a store.
//!
//! Text → tree ([`parse`], [`ast`]) → [`plan`] with people as numbers → bitmaps of each part
//! ([`eval`]) → counts and hits ([`exec`]), facets and histograms ([`facet`]), tables
//! for the world ([`publish`]), the neighbours of a record ([`around`]). A page ends with a
//! sealed [`cursor`]. The language is described in `docs/QUERY.md`.
//!
//! What leaves is recorded first, as far as the store records acts ([`acts`]); nothing else of a query
//! outlives its call. What is kept of the store
//! between calls (pages of indexes, names of people) stands in the rooms below, and an erasure drops it.

pub mod acts;
pub mod around;
pub(crate) mod asked;
pub mod ast;
pub mod breach;
pub mod cursor;
mod dates;
pub mod eval;
pub mod exec;
pub mod explain;
pub mod facet;
pub(crate) mod held;
pub mod hit;
pub mod masked;
pub mod options;
pub mod parse;
pub mod plan;
mod prove;
pub mod publish;
pub mod quarantine;
pub mod reading;
pub mod relevance;
pub mod snippet;
mod tally;
pub mod thread;
pub(crate) mod walk;
pub mod words;

#[cfg(test)]
mod tests;
