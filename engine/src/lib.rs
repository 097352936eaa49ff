//! EscrowDB: an embedded, searchable, encrypted archive of chat records that can really forget.

pub mod clock;
pub mod codec;
pub mod crypto;
pub mod env;
pub mod erase;
pub mod error;
pub mod id;
pub mod index;
pub mod ingest;
pub mod journal;
pub mod keyring;
pub mod log;
pub mod merkle;
pub mod policy;
pub mod query;
pub mod record;
pub mod recover;
pub mod roll;
pub mod segment;
pub mod session;
pub mod state;
pub mod store;
pub mod text;
pub mod verify;
pub mod vfs;
pub mod view;

pub use error::{Error, ErrorKind, Result};
pub use store::Store;

/// Version of the on-disk format.
pub const FORMAT_VERSION: u32 = 1;
