//! What the whole-system tests stand on. Faults, recordings and crashes are put under the engine
//! through its file seam; nothing here is known to the engine.
//!
//! - [`recording_vfs`]: a disk in memory that logs every operation and keeps every byte.
//! - [`crash`]: the states a power cut or a kill may leave behind, from such a log.
//! - [`faulty_vfs`]: calls that fail.
//! - [`entropy`], [`clock`], [`rng`]: seeded randomness and time.
//! - [`sealed`]: what a set of keys opens among all sealed objects ever written.
//! - [`chats`]: random histories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "support of tests: what can't go on is a failed test"
)]

pub mod call;
pub mod cow;
pub mod crash;
pub mod entropy;
pub mod faulty_vfs;
pub mod gate;
pub mod recording_vfs;
pub mod rng;
