//! What `init` fixed and what the opener chose.

use crate::keyring::entry::{Level, Preset};

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When it survives power loss. Callers who wait at the same time share one sync.
    #[default]
    Synced,
    /// When the operating system has it: survives a killed process, not power loss. Synced by
    /// the next roll, erasure or close.
    Written,
}

/// Limits and choices of an open store.
#[derive(Clone)]
pub struct Settings {
    /// Records of a journal after which it is rolled.
    pub roll_records: u32,
    /// Bytes of a journal after which it is rolled.
    pub roll_bytes: u64,
    /// Records of a journal above which a clean close rolls it.
    pub close_roll_records: u32,
    /// Bytes of new index files in one pass of an erasure.
    pub pass_bytes: u64,
    /// Bytes of opened indexes that are kept in memory.
    pub index_bytes: usize,
    /// Bytes of records that may wait to be written before appends block.
    pub queue_bytes: usize,
    /// Whether rolls run on a thread of their own.
    pub background: bool,
    /// Whether segments are compacted in the background.
    pub compaction: bool,
    /// Whether an opening gives up a frame of the journal that is damaged beyond rescue.
    pub accept_losses: bool,
    /// When an append is acknowledged.
    pub durability: Durability,
    /// What is recorded of acts at least; in a new store, from then on.
    pub audit: Level,
    /// Who is the subject of a record that names none.
    pub preset: Preset,
    /// Name of the log.
    pub origin: String,
    /// Where the data lives, as `init` was told.
    pub region: String,
    /// Where this program runs, as it was told; where the data lives if it was not.
    pub here: Option<String>,
    /// On which basis records may be where they do not live.
    pub basis: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            roll_records: 32_768,
            roll_bytes: 64 << 20,
            close_roll_records: 4_096,
            pass_bytes: 256 << 20,
            index_bytes: crate::segment::budget::LIMIT,
            queue_bytes: 64 << 20,
            background: true,
            compaction: true,
            accept_losses: false,
            durability: Durability::Synced,
            audit: Level::Off,
            preset: Preset::Peer,
            origin: String::new(),
            region: String::new(),
            here: None,
            basis: None,
        }
    }
}
