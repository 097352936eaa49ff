//! Key derivation: BLAKE3 `derive_key` with written-out contexts.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use zeroize::Zeroize;

use crate::crypto::stack::{self, burn};

/// What a derivation is for. One label, one context string, one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Label {
    /// Page of the keyring below the root page.
    KeyringPage,
    /// Root page of the keyring.
    KeyringRoot,
    /// List of free pages of the keyring.
    KeyringFree,
    /// HEAD record.
    Head,
    /// Frame of a journal.
    JournalFrame,
    /// Body block; both locks go in.
    Body,
    /// Page of an index file.
    IndexPage,
    /// Keyed tag of a person's identifier.
    NameTag,
    /// Key of a leaf's commitment, from the record's salt.
    LeafCommitment,
    /// Mark of a record in the erasure feed, from the record's salt.
    Feed,
    /// Hedged randomness.
    Random,
    /// Cursor of a search.
    Cursor,
    /// Id that is made for a record which has none, so that it is the same when it is given again.
    RecordId,
    /// Id of a join that the store makes.
    JoinId,
    /// Mark of a conversation in a register.
    ConversationMark,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 15] = [
        Self::KeyringPage,
        Self::KeyringRoot,
        Self::KeyringFree,
        Self::Head,
        Self::JournalFrame,
        Self::Body,
        Self::IndexPage,
        Self::NameTag,
        Self::LeafCommitment,
        Self::Feed,
        Self::Random,
        Self::Cursor,
        Self::RecordId,
        Self::JoinId,
        Self::ConversationMark,
    ];

    /// A hasher in `derive_key` mode. The key of a context is hashed once a process.
    pub fn hasher(self) -> blake3::Hasher {
        static KEYS: LazyLock<Vec<(Label, ContextKey)>> = LazyLock::new(|| {
            Label::ALL.iter().map(|label| (*label, hash_derive_key_context(label.context()))).collect()
        });
        match KEYS.iter().find(|(label, _)| *label == self) {
            Some((_, key)) => blake3::Hasher::new_from_context_key(key),
            None => blake3::Hasher::new_derive_key(self.context()),
        }
    }

    /// The context string.
    pub const fn context(self) -> &'static str {
        match self {
            Self::KeyringPage => "EscrowDB 2026-11-24 keyring page v1",
            Self::KeyringRoot => "EscrowDB 2026-11-24 keyring root page v1",
            Self::KeyringFree => "EscrowDB 2026-11-24 keyring free list v1",
            Self::Head => "EscrowDB 2026-11-24 HEAD record v1",
            Self::JournalFrame => "EscrowDB 2026-11-24 journal frame v1",
            Self::Body => "EscrowDB 2026-11-24 body block v1",
            Self::IndexPage => "EscrowDB 2026-11-24 index page v1",
            Self::NameTag => "EscrowDB 2026-11-24 name tag v1",
            Self::LeafCommitment => "EscrowDB 2026-11-24 leaf commitment v1",
            Self::Feed => "EscrowDB 2026-11-24 erasure feed v1",
            Self::Random => "EscrowDB 2026-11-24 hedged randomness v1",
            Self::Cursor => "EscrowDB 2026-11-24 cursor v1",
            Self::RecordId => "EscrowDB 2026-11-24 record id v1",
            Self::JoinId => "EscrowDB 2026-11-24 join id v1",
            Self::ConversationMark => "EscrowDB 2026-11-30 mark of a conversation v1",
        }
    }
}

/// Fills `out` from `parts` under `label`. Each part goes in behind its length (8 bytes,
/// little-endian), so no two lists of parts collide.
pub fn expand(label: Label, parts: &[&[u8]], out: &mut [u8]) {
    hash(label, parts, out);
    burn::<{ stack::HASH }>();
}

#[inline(never)]
fn hash(label: Label, parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = label.hasher();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut reader = hasher.finalize_xof();
    reader.fill(out);
    reader.zeroize();
    hasher.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_differ() {
        let mut all: Vec<_> = Label::ALL.iter().map(|l| l.context()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Label::ALL.len());
    }

    #[test]
    fn parts_are_framed() {
        let run = |parts: &[&[u8]]| {
            let mut out = [0; 32];
            expand(Label::Body, parts, &mut out);
            out
        };
        assert_ne!(run(&[b"ab", b"c"]), run(&[b"a", b"bc"]));
        assert_ne!(run(&[b"abc"]), run(&[b"abc", b""]));
    }
}
