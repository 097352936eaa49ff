//! The forensic test: every byte ever written and the slot, in the hands of an attacker.

use std::time::Duration;

use escrowdb::store::Selector;

mod acts;
mod compact;
mod erasures;
mod mutants;
mod names;
mod redactions;
mod registers;

/// How long is waited for what must come.
const WAIT: Duration = Duration::from_secs(60);

fn person(name: &str) -> Selector {
    Selector::Person(name.into())
}
