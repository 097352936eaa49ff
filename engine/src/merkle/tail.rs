//! A tree in memory behind a stored one: leaves that have no place on disk yet.
//!
//! ```text
//! stored tree      leaves 0 .. base            read through [`Hashes`]
//! tail             leaves base .. size         every node that they complete, in memory
//! ```
//!
//! A node that closes over leaves of both is the tail's. So any proof of the whole can be made, and
//! once the leaves are stored, the stored tree of that size is this one.

use crate::error::{Error, Result};
use crate::merkle::hash::Hash;
use crate::merkle::proof::Hashes;
use crate::merkle::tree::Frontier;

/// Leaves behind those of another tree, 64 bytes of memory each.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    base: Frontier,
    frontier: Frontier,
    /// Of each height the nodes that the leaves complete, from the first that the base has not.
    rows: Vec<Vec<Hash>>,
}

impl Tail {
    /// No leaves behind those of `base`.
    pub fn behind(base: Frontier) -> Self {
        Self { frontier: base.clone(), base, rows: Vec::new() }
    }

    /// Adds a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let rows = &mut self.rows;
        let mut put = |height: u8, node: Hash| {
            let height = usize::from(height);
            if rows.len() <= height {
                rows.resize_with(height + 1, Vec::new);
            }
            rows[height].push(node);
        };
        put(0, leaf);
        self.frontier.append_each(leaf, |height, _, node| put(height, node));
    }

    /// The tree behind which it stands.
    pub const fn base(&self) -> &Frontier {
        &self.base
    }

    /// Size and root of the whole.
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The whole as a tree; `base` must be the one that the tail stands behind.
    pub const fn over<'a>(&'a self, base: &'a dyn Hashes) -> Grown<'a> {
        Grown { base, tail: self }
    }
}

/// A stored tree and its tail.
#[derive(Clone, Copy)]
pub struct Grown<'a> {
    base: &'a dyn Hashes,
    tail: &'a Tail,
}

impl Hashes for Grown<'_> {
    fn hash(&self, height: u8, index: u64) -> Result<Hash> {
        let stored = self.tail.base.size().checked_shr(height.into()).unwrap_or(0);
        let Some(behind) = index.checked_sub(stored) else { return self.base.hash(height, index) };
        let row = self.tail.rows.get(usize::from(height));
        let node = usize::try_from(behind).ok().and_then(|at| row?.get(at));
        node.copied().ok_or_else(|| {
            let size = self.tail.frontier.size();
            Error::invalid(format!("a tree of {size} leaves has no node {index} of height {height}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Seq;
    use crate::merkle::proof::{Consistency, Inclusion, MemoryTree, naive_root};

    fn tail_of(tree: &MemoryTree, base: u64) -> Tail {
        let mut tail = Tail::behind(Frontier::read(tree, base).unwrap());
        tree.0[base as usize..].iter().for_each(|leaf| tail.append(*leaf));
        tail
    }

    #[test]
    fn every_node_of_every_small_split() {
        for size in 0..35 {
            let tree = MemoryTree::of(size);
            for base in 0..=size {
                let (tail, stored) = (tail_of(&tree, base), MemoryTree::of(base));
                assert_eq!(tail.frontier().root(), naive_root(&tree.0), "{base} of {size}");
                let grown = tail.over(&stored);
                for height in 0..6 {
                    for index in 0..size >> height {
                        assert_eq!(grown.hash(height, index).unwrap(), tree.hash(height, index).unwrap());
                    }
                    assert!(grown.hash(height, size >> height).is_err(), "{base} of {size}, height {height}");
                }
                for height in [63, 64, 255] {
                    assert!(grown.hash(height, 0).is_err() && grown.hash(height, u64::MAX).is_err());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn proofs_are_those_of_the_whole_tree((size, base, index) in (1u64..900).prop_flat_map(|s| (Just(s), 0..=s, 0..s))) {
            let tree = MemoryTree::of(size);
            let (tail, stored) = (tail_of(&tree, base), MemoryTree::of(base));
            let grown = tail.over(&stored);
            prop_assert_eq!(
                Inclusion::prove(&grown, Seq(index), size).unwrap(),
                Inclusion::prove(&tree, Seq(index), size).unwrap()
            );
            prop_assert_eq!(
                Consistency::prove(&grown, index, size).unwrap(),
                Consistency::prove(&tree, index, size).unwrap()
            );
        }
    }
}
