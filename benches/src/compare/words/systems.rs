//! The systems that this build can set beside each other.

use crate::compare::words::peer::System;
use crate::compare::words::sheet::OURS;
use crate::compare::words::{fts5, ours, redb};

/// All of them, ours first.
pub fn all() -> Vec<System> {
    let mut systems = vec![
        System { key: OURS, name: "EscrowDB", open: ours::open, parts: true },
        System { key: "sqlite", name: "SQLite FTS5", open: fts5::open, parts: true },
    ];
    #[cfg(feature = "sqlcipher")]
    systems.push(System { key: "sqlcipher", name: "SQLCipher FTS5", open: fts5::open_cipher, parts: true });
    #[cfg(feature = "tantivy")]
    {
        use crate::compare::words::tantivy;
        systems.push(System { key: "tantivy", name: "tantivy", open: tantivy::open, parts: true });
        systems.push(System {
            key: "tantivy-bulk",
            name: "tantivy, bulk",
            open: tantivy::open_bulk,
            parts: false,
        });
    }
    systems.push(System { key: "redb", name: "redb, sealed", open: redb::open, parts: false });
    #[cfg(feature = "fjall")]
    systems.push(System {
        key: "fjall",
        name: "fjall, sealed",
        open: crate::compare::words::fjall::open,
        parts: false,
    });
    #[cfg(feature = "postgres")]
    if crate::compare::words::postgres::installed() {
        systems.push(System {
            key: "postgres",
            name: "PostgreSQL GIN",
            open: crate::compare::words::postgres::open,
            parts: false,
        });
    }
    systems
}

/// What is missing here, and why.
pub fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if cfg!(not(feature = "sqlcipher")) {
        missing.push("SQLCipher left out: build with `--features peers`");
    }
    if cfg!(not(feature = "tantivy")) {
        missing.push("tantivy left out: build with `--features peers`");
    }
    if cfg!(not(feature = "fjall")) {
        missing.push("fjall left out: build with `--features peers`");
    }
    #[cfg(not(feature = "postgres"))]
    missing.push("PostgreSQL left out: build with `--features peers`");
    #[cfg(feature = "postgres")]
    if !crate::compare::words::postgres::installed() {
        missing.push("PostgreSQL left out: `initdb` and `pg_ctl` are not on the path");
    }
    missing
}
