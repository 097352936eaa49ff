//! A process that works on a store on the real disk until it is killed, and its tester.
//!
//! [`work`] is the process. Before it asks anything of the store, and after each answer, it says so
//! on a pipe, a line each, so that what was acknowledged outlives it. [`told`] makes a ledger of
//! these lines and holds the store against it; [`archive`] keeps what lay on the disk after each
//! kill, for whoever takes the slot at last.

pub mod archive;
pub mod told;
pub mod work;
