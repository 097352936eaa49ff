//! Damage to files at rest: one wrong bit, one lost page, of a small store that was closed.
//!
//! [`small`] makes the store, [`damage`] lists what can happen to it, [`answers`] asks it
//! everything, [`verdict`] compares, [`campaign`] runs many cases and counts.

pub mod answers;
pub mod campaign;
pub mod damage;
pub mod disk;
pub mod small;
pub mod verdict;
