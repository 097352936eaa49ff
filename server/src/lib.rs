//! What of EscrowDB listens on a network: the server of stores, `escrowd`, and the witness of logs ([`witness`]).
//!
//! The server calls the same verbs of the engine as the command line, through the same policy. It adds who is calling:
//! tenants ([`tenants`]), tokens and roles ([`access`]), and one table of every way in ([`http::routes`]), each with the
//! permission that it takes.

pub mod access;
pub mod demo;
mod durable;
pub mod http;
mod hurry;
pub mod ops;
pub mod problem;
pub mod sample;
pub mod serve;
pub mod shape;
pub mod tenants;
pub mod witness;
