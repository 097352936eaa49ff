//! Places, systems and disks that are not as they should be.

#[path = "../support/mod.rs"]
mod support;

mod full_disk;
mod places;
mod system;
