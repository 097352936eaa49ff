//! How the program is called: options, exit codes, shapes of JSON, completions, files it must not write to.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod doors;
mod exit_codes;
mod json_shapes;
mod own_files;
