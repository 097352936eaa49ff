//! The memory of another process, searched from outside for what should be gone.

mod erased;
mod keys;
mod zeroize;
