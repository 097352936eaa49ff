//! Queries: the language, and its execution over the searchable parts of a store.
//!
//! Text → [`ast::Ast`] ([`parse`]) → a plan with people as numbers ([`eval`]) → bitmaps of each
//! part → counts, facets, histograms and pages of hits ([`exec`]). A page ends with a sealed
//! [`cursor`]. The language is described in `docs/QUERY.md`.

pub mod ast;
pub mod dates;
mod kinds;
pub mod parse;
