//! Damage at rest: bits, pages and whole files that are lost, turned or put where others belong.

mod lost_files;
mod repair;
mod rot;
mod splice;
mod verify_positions;
