//! `shell`: from a script, and on a terminal.

#[path = "../support/mod.rs"]
mod support;

mod script;
mod terminal;
