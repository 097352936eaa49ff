//! The forensic test: every byte ever written and the slot, in the hands of an attacker.

mod acts;
mod compact;
mod erasures;
mod mutants;
