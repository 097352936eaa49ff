//! EscrowDB: an embedded, searchable, encrypted archive of chat records that can really forget.

pub mod clock;
pub mod codec;
pub mod crypto;
pub mod error;
pub mod id;
pub mod index;
pub mod journal;
pub mod keyring;
pub mod log;
pub mod merkle;
pub mod policy;
pub mod query;
pub mod record;
pub mod segment;
pub mod session;
pub mod text;
pub mod vfs;

pub use error::{Error, ErrorKind, Result};
