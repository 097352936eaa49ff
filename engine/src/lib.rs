//! EscrowDB: an embedded, searchable, encrypted archive of chat records that can really forget.

pub mod codec;
pub mod crypto;
pub mod error;
pub mod id;
pub mod index;
pub mod keyring;
pub mod record;
pub mod vfs;

pub use error::{Error, ErrorKind, Result};
