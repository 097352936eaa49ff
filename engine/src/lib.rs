//! EscrowDB: an embedded, searchable, encrypted archive of chat records that can really forget.

pub mod codec;
pub mod error;
pub mod id;
pub mod index;
pub mod merkle;
pub mod record;

pub use error::{Error, ErrorKind, Result};
