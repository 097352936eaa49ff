//! The frontier: the little of a tree that appending and the root need.

use crate::error::Result;
use crate::merkle::hash::{Hash, node_hash};
use crate::merkle::proof::Hashes;

/// Roots of the complete subtrees that a tree of `size` leaves falls into, largest first: one
/// for each one-bit of `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the first `size` leaves of a stored tree.
    pub fn read(hashes: &dyn Hashes, size: u64) -> Result<Self> {
        Ok(Self { size, nodes: range_nodes(hashes, 0, size)? })
    }

    /// Adds a leaf.
    pub fn append(&mut self, leaf: Hash) {
        self.append_each(leaf, |_, _, _| {});
    }

    /// Adds a leaf and tells `done` each inner node that it completes, as (height, index, hash),
    /// lowest first.
    pub fn append_each(&mut self, leaf: Hash, mut done: impl FnMut(u8, u64, Hash)) {
        // Like a carry in binary addition: each trailing one-bit is a subtree that closes.
        let merged = self.size.trailing_ones() as usize;
        let (mut node, mut height) = (leaf, 0u8);
        for left in self.nodes.drain(self.nodes.len() - merged..).rev() {
            node = node_hash(&left, &node);
            height += 1;
            done(height, self.size >> height, node);
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree (RFC 9162 section 2.1.1).
    pub fn root(&self) -> Hash {
        join(&self.nodes).unwrap_or_else(Hash::empty_root)
    }
}

/// Root of the leaves `start..end`, as they hang in a tree of `end` leaves or, if the range is a
/// complete subtree, in any larger one. `start` must be a multiple of the smallest power of two
/// that is not below `end - start`, and the range not empty.
pub(crate) fn range_root(hashes: &dyn Hashes, start: u64, end: u64) -> Result<Hash> {
    Ok(join(&range_nodes(hashes, start, end)?).unwrap_or_else(Hash::empty_root))
}

fn range_nodes(hashes: &dyn Hashes, start: u64, end: u64) -> Result<Vec<Hash>> {
    let len = end - start;
    let mut at = start;
    let mut nodes = Vec::new();
    for height in (0..64u8).rev().filter(|h| len >> h & 1 == 1) {
        nodes.push(hashes.hash(height, at >> height)?);
        at = at.wrapping_add(1 << height); // Wraps only behind the very last leaf of 2^64.
    }
    Ok(nodes)
}

/// The smaller trees hang below the larger ones' right siblings: fold from the right.
fn join(nodes: &[Hash]) -> Option<Hash> {
    nodes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::hash::leaf_hash;
    use crate::merkle::proof::{MemoryTree, naive_root};

    /// Inputs and roots of the reference test data of Certificate Transparency.
    const INPUTS: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_of_the_reference_data() {
        let mut tree = Frontier::default();
        assert_eq!(tree.root(), Hash::empty_root());
        for (input, root) in INPUTS.iter().zip(ROOTS) {
            tree.append(leaf_hash(input));
            assert_eq!(tree.root().to_string(), root, "size {}", tree.size());
        }
    }

    #[test]
    fn completed_nodes_are_told() {
        let memory = MemoryTree::of(256);
        let mut tree = Frontier::default();
        let mut told = 0;
        for leaf in &memory.0 {
            tree.append_each(*leaf, |height, index, hash| {
                assert_eq!(memory.hash(height, index).unwrap(), hash);
                told += 1;
            });
        }
        assert_eq!(told, 255);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn root_is_the_definition(size in 0u64..700) {
            let memory = MemoryTree::of(size);
            let mut grown = Frontier::default();
            memory.0.iter().for_each(|l| grown.append(*l));
            prop_assert_eq!(grown.root(), naive_root(&memory.0));
            prop_assert_eq!(Frontier::read(&memory, size).unwrap(), grown);
        }
    }
}
