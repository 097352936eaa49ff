//! What of EscrowDB listens on a network. So far that is the witness of logs ([`witness`]); the
//! server of stores comes later and will call the same verbs through the same policy.

pub mod shape;
pub mod witness;
