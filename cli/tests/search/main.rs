//! What is found: words, neighbours, and what an answer says that it lacks.

#[path = "../support/mod.rs"]
mod support;

mod amended;
mod around;
mod lost_files;
mod words;
