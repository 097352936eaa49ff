//! The primitives, and what is put on top of them.

mod salamander;
mod vectors;
