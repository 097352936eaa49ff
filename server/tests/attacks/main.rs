//! Attacks on the server: bytes that no honest caller sends, over a socket, to a process of its own. Whatever comes, the
//! answer is what stands here, and the server lives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

mod bodies;
mod frames;
mod heads;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod wire;
mod words;
