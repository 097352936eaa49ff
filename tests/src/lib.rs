//! What the whole-system tests stand on. Faults, recordings and crashes are put under the engine
//! through its file seam; nothing here is known to the engine.
//!
//! - [`recording_vfs`]: a disk in memory that logs every operation and keeps every byte; [`gate`] holds calls back.
//! - [`crash`]: the states a power cut or a kill may leave behind, from such a log.
//! - [`faulty_vfs`]: calls that fail, [`failing`]: histories in which they do; [`quota`]: a disk that is full.
//! - [`entropy`], [`clock`], [`rng`]: seeded randomness and time.
//! - [`rot`]: damage to files at rest, and what a store must still answer.
//! - [`evidence`], [`sealed`]: all sealed objects ever written, and what a set of keys opens.
//! - [`two_passes`]: an erasure that was stopped between its passes.
//! - [`memory`], [`child`]: what stands in the memory of a process, and the process that is looked at.
//! - [`killed`]: a process that works until it is killed, and what it said before.
//! - [`chats`], [`canary`]: random histories, and words that must vanish with a person.
//! - [`words`]: what a query for words finds, by a look at the whole text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "support of tests: what can't go on is a failed test"
)]

pub mod cache;
pub mod call;
pub mod canary;
pub mod chats;
#[cfg(unix)]
pub mod child;
pub mod clock;
pub mod cow;
pub mod crash;
pub mod entropy;
pub mod evidence;
pub mod export;
pub mod failing;
pub mod faulty_vfs;
pub mod gate;
#[cfg(unix)]
pub mod killed;
mod layout;
#[cfg(unix)]
pub mod memory;
pub mod quota;
pub mod recording_vfs;
pub mod rng;
pub mod rot;
pub mod sealed;
pub mod two_passes;
pub mod words;
