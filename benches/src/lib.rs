//! Measures the engine on the machine it runs on, over deterministic chat records.
//!
//! ```text
//! workload   the records: two shapes of chat, the same bytes for the same arguments
//! measure    one figure after the other, each a row of a table
//! compare    EscrowDB beside SQLite and a hand-sealed redb, with ratios and goals; words beside more
//! names      the key tree with a million people and more
//! duplicates the acknowledged path over many segments
//! watch      a file seam that notes who was written and synced when
//! japanese   texts without spaces for the workload
//! meter      clocks, memory, percentiles
//! table      rows to Markdown
//! ```

pub mod compare;
pub mod duplicates;
pub mod japanese;
pub mod measure;
pub mod meter;
pub mod names;
pub mod table;
pub mod watch;
pub mod workload;

/// What can go wrong while measuring.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// Result of a measurement.
pub type Result<T> = std::result::Result<T, Error>;
