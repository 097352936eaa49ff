//! Queries against parts of plain records.

mod around;
mod random;
mod rows;
mod stories;
