//! What changes a store: erasures, compactions, and the acts that tell of them.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod compact;
mod names;
mod persons;
mod redact;
