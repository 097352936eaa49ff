//! What is done with a store is recorded in it, tells nothing of the erased, and dies on its date.

mod expire;
mod recorded;
