//! Exports: files that an import reads again, and forms for people.

#[path = "../support/mod.rs"]
mod support;

mod files;
mod forms;
