//! EscrowDB: an embedded, searchable, encrypted archive of chat records that can really forget.
//!
//! A store is a folder of sealed files and, outside of it, a *slot* with one root key. Records
//! are appended, searched by tag, person, conversation, channel, kind, id and time, and erased by
//! person, conversation or single record. When [`Store::erase`] returns, the bytes that were ever
//! written to the folder, together with every key that still exists, tell nothing of what was
//! erased: also not an old copy of the folder, as long as nobody kept an old copy of the slot.
//!
//! # What it is not
//!
//! - Not a message broker: it keeps what was said, it delivers nothing.
//! - Not a key management service: it needs a place for one small key and trusts that place.
//! - Not a full-text engine yet: words in bodies are sealed and stored, but not indexed. A query
//!   for words is refused, never answered with less.
//! - No protection against whoever controls the running process: he sees what is opened.
//! - One process per store. There is no network server yet.
//!
//! # The whole life
//!
//! ```
//! use std::sync::Arc;
//!
//! use escrowdb::record::time;
//! use escrowdb::session::Session;
//! use escrowdb::store::{EraseOptions, Record, SearchOptions, Selector, Store, VerifyOptions};
//! use escrowdb::vfs::MemoryVfs;
//!
//! // On a disk: `Store::builder("chats").create()?`, and `.open()?` from the second time on.
//! let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
//!
//! // A batch is durable and found when the call returns; after a crash it is there whole or not
//! // at all.
//! let at = time::parse("2026-01-31T12:00:00Z")?;
//! store.append(&[
//!     Record::new("c1", "anna@example.org", at, "Hello").id("m1").tag("dept:sales"),
//!     Record::new("c1", "ben@example.org", at, "Hello Anna").id("m2").tag("dept:sales"),
//! ])?;
//!
//! let reading = store.session(Session::new().actor("dana").purpose("support"));
//! let hits = reading.search("tag:dept:sales author:anna@example.org", &SearchOptions::new())?;
//! assert_eq!(hits[0].body, "Hello");
//! assert_eq!(reading.conversation("c1")?.len(), 2);
//!
//! // A plan changes nothing; an erasure can't be undone.
//! let anna = Selector::Person("anna@example.org".into());
//! assert_eq!(store.plan(&anna)?.mention_total, 1);
//! let certificate = store.erase(&anna, &EraseOptions::default())?;
//! assert_eq!(certificate.what, "person");
//!
//! // The erased are unknown: every answer is that of a store that never held them.
//! assert!(reading.person("anna@example.org").is_err());
//! assert_eq!(reading.count("*")?, 1);
//!
//! let report = store.verify(&VerifyOptions::new().read_data(true))?;
//! assert!(report.damage.is_empty());
//! store.close()?;
//! # Ok::<(), escrowdb::Error>(())
//! ```
//!
//! The same on a real disk, with more words: `cargo run -p escrowdb --example live_chat`. Shorter
//! ones: `import_file` (a file of JSON Lines, good and bad lines), `search_pages` (cursors),
//! `erase_person` (plan, certificate, the same answer twice).
//!
//! # Where to start
//!
//! - [`store`]: everything an embedding program needs; [`record`]: what is appended;
//!   [`session`]: who reads; [`error`]: what can go wrong and what to do then.
//! - [`query`]: searching. The language is described in `docs/QUERY.md`.
//! - [`vfs`], [`clock`], [`crypto::Entropy`]: the seams where a program (or a test) puts its own
//!   files, time and randomness.
//!
//! The other rooms are open so that tests and tools can look into the files of a store; programs
//! should not build on them. The house, floor by floor, is in `docs/ARCHITECTURE.md`, every byte
//! on disk in `docs/FORMAT.md`, the erasure in `docs/ERASURE.md`, what is claimed and what is not
//! in `docs/THREATS.md`.
//!
//! # For embedding programs
//!
//! - Keys live in an arena that is locked in memory where the system allows it and left out of
//!   core dumps ([`store::KeyStatus::memory_locked`] says so). Opened text lives in ordinary
//!   memory and in what is handed to the caller. To wipe freed text too, give the program a
//!   wiping allocator, one line:
//!   `#[global_allocator] static A: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);`
//!   The binary `escrow` does so.
//! - Calls block; a [`Store`] is shared between threads by reference or in an `Arc`.
//! - After an error of kind [`ErrorKind::Poisoned`] drop the store and open it again.
//!
//! # Features
//!
//! None. The crate has one form, and it wipes key schedules and hashes by the features it asks
//! of its dependencies. It runs on Unix systems.

pub mod clock;
pub mod codec;
pub mod compact;
pub mod crypto;
pub mod env;
pub mod erase;
pub mod error;
pub mod export;
pub mod id;
pub mod index;
pub mod ingest;
pub mod journal;
pub mod keyring;
pub mod log;
pub mod merkle;
pub mod parity;
pub mod policy;
pub mod query;
pub mod receipts;
pub mod record;
pub mod recover;
pub mod register;
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
pub use keyring::head::FORMAT_VERSION;
pub use store::Store;

/// The README's example compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
