//! Queries against parts of plain records.

mod random;
mod rows;
mod stories;
