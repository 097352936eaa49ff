//! What the machine does to a store: locks, clocks, clones, disks that go away.

mod access;
mod clocks;
mod clones;
mod unmapped;
