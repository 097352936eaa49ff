//! Imports: good lines, bad ones, and what a dry run says of them.

#[path = "../support/mod.rs"]
mod support;

mod bad_lines;
mod dry_run;
mod lines;
