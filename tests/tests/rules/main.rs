//! Registers, and the rules that they make: what may be kept, read, changed and erased.

mod aggregates;
mod amended;
mod beside;
mod consents;
mod deleted;
mod doors;
mod gate;
mod histories;
mod holds;
mod kept;
mod lacking;
mod named_rows;
mod names;
mod quarantine;
mod redact;
mod residency;
mod restricted;
mod retention;
mod unseen;
mod versions;
