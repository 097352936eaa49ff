//! A witness of logs (C2SP tlog-witness): a second machine that cosigns a head of a log only if it
//! continues the one that it cosigned before. Who asks for its cosignature can't be shown another
//! history than everybody else.
//!
//! - [`folder`]: what it keeps, and the one step of checking and keeping.
//! - [`serve`]: the call `add-checkpoint` over HTTP, on the machine's own address or with TLS.
//!
//! What is answered decides [`escrowdb::merkle::witness`], without files and network.

pub mod folder;
pub mod serve;
