//! Exports: whole files, forms for people, packages for the person, and schemas.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails where it stands, or says that it did not run"
)]

mod access;
mod crypt;
mod files;
mod forms;
mod schemas;
#[path = "../support/mod.rs"]
mod support;
mod told;
mod vcon;
