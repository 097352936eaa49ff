//! Hashes of leaves and nodes (RFC 6962 section 2.1).
//!
//! The prefixes 0x00 and 0x01 keep the two apart: without them an inner node could be shown as
//! a leaf and a shorter tree pass for a longer one.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a leaf or node of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; Hash::LEN]);

impl Hash {
    /// Bytes of a hash.
    pub const LEN: usize = 32;

    /// Root of the tree without leaves: SHA-256 of nothing.
    pub fn empty_root() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl From<[u8; Self::LEN]> for Hash {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// SHA-256(0x00 ‖ `entry`).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0]).chain_update(entry).finalize().into())
}

/// SHA-256(0x01 ‖ `left` ‖ `right`).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // One buffer: 65 bytes in one update are faster than three updates.
    let mut bytes = [1u8; 1 + 2 * Hash::LEN];
    bytes[1..=Hash::LEN].copy_from_slice(&left.0);
    bytes[1 + Hash::LEN..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// Root of the complete subtree over `nodes`; their number must be a power of two, otherwise
/// (and for none) there is no such subtree.
pub fn subtree_root(nodes: &[Hash]) -> Option<Hash> {
    if !nodes.len().is_power_of_two() {
        return None;
    }
    let mut row = nodes.to_vec();
    while row.len() > 1 {
        for i in 0..row.len() / 2 {
            row[i] = node_hash(&row[2 * i], &row[2 * i + 1]);
        }
        row.truncate(row.len() / 2);
    }
    row.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_separate_leaf_from_node() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let inner = [a.0, b.0].concat();
        assert_ne!(node_hash(&a, &b), leaf_hash(&inner));
        assert_ne!(node_hash(&a, &b), node_hash(&b, &a));
    }

    #[test]
    fn published_values() {
        assert_eq!(
            Hash::empty_root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn subtree_needs_a_power_of_two() {
        let l: Vec<_> = (0u8..4).map(|i| leaf_hash(&[i])).collect();
        assert_eq!(subtree_root(&[]), None);
        assert_eq!(subtree_root(&l[..3]), None);
        assert_eq!(subtree_root(&l[..1]), Some(l[0]));
        let want = node_hash(&node_hash(&l[0], &l[1]), &node_hash(&l[2], &l[3]));
        assert_eq!(subtree_root(&l), Some(want));
    }
}
