//! Evidence from the command line: heads, proofs, exports with proof, witnesses, and the page that shows it all.

#[path = "../support/mod.rs"]
mod support;

mod exports;
mod heads;
mod page;
mod witness;
