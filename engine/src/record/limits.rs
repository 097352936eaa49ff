//! Limits of a record from outside. Lengths are in bytes of UTF-8. Sealed records are not held
//! to them, so a later version may change a limit and still read what stands.

/// Longest body: 1 MiB.
pub const BODY_LEN_MAX: usize = 1 << 20;
/// Longest id, conversation, channel, id answered and identifier of a person; for identifiers
/// both as written and in NFC.
pub const TEXT_LEN_MAX: usize = 512;
/// Most tags of a record.
pub const TAGS_MAX: usize = 64;
/// Longest tag.
pub const TAG_LEN_MAX: usize = 256;
/// Most subjects of a record; each opens every body of the record with its own key.
pub const SUBJECTS_MAX: usize = 16;
/// Most participants a record may name.
pub const PARTICIPANTS_MAX: usize = 64;
/// Most fields kept by lenient imports.
pub const EXTRA_MAX: usize = 64;
/// Longest name of a field kept by lenient imports.
pub const EXTRA_NAME_LEN_MAX: usize = 256;
/// Longest JSON text of all fields kept by lenient imports together: 256 KiB.
pub const EXTRA_LEN_MAX: usize = 256 << 10;
/// Longest line of JSON Lines: 8 MiB, so the longest body fits even if every byte is escaped.
pub const LINE_LEN_MAX: usize = 8 << 20;
