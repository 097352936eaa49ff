//! What is shown to others: heads of the log, proofs, certificates, exports, and attacks on them.

mod against;
mod certificate;
mod checkpoint_interval;
mod cross_note;
mod cross_tlog;
mod export;
mod history;
mod kept;
mod rotation;
