//! One proof of inclusion for many leaves: every node that is needed stands in it once.
//!
//! ```text
//!                  root                     leaves 1 and 2 of five are known
//!               /        \
//!            .            \                 gaps, from left to right:  0..1   3..4   4..5
//!         /     \          \                proof: their nodes         l0     l3     l4
//!        .       .          \
//!      /   \   /   \         \
//!     l0  (1) (2)   l3        l4
//! ```
//!
//! The walk is that of RFC 9162 section 2.1.1, left before right. Where a part of the tree holds no
//! known leaf its node is taken from the proof; where it is one known leaf, that is the node; anything
//! else is the hash over its two parts. With one leaf it has the nodes of an inclusion proof, with all
//! of them none, with none the root.

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::merkle::hash::{Hash, node_hash};
use crate::merkle::proof::{Hashes, split};
use crate::merkle::tree::range_root;

/// The parts of a tree that hold no known leaf, as `start..end`, from left to right.
pub struct Gaps<'a>(Vec<(u64, u64, &'a [Seq])>);

impl<'a> Gaps<'a> {
    /// Those of a tree of `size` leaves; `known` ascends strictly and is below `size`.
    pub fn new(size: u64, known: &'a [Seq]) -> Self {
        Self(if size == 0 { Vec::new() } else { vec![(0, size, known)] })
    }
}

impl Iterator for Gaps<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        while let Some((start, end, known)) = self.0.pop() {
            if known.is_empty() {
                return Some((start, end));
            }
            if end - start == 1 {
                continue;
            }
            let middle = start + split(end - start);
            let (left, right) = known.split_at(known.partition_point(|seq| seq.0 < middle));
            self.0.push((middle, end, right));
            self.0.push((start, middle, left));
        }
        None
    }
}

/// The node over a gap.
///
/// # Errors
/// A tree that can't be read.
pub fn node(tree: &dyn Hashes, (start, end): (u64, u64)) -> Result<Hash> {
    range_root(tree, start, end)
}

/// The root of a tree of `size` leaves, from those that are known, ascending, and the nodes over its
/// gaps, which `node` hands out one by one. Whether it takes all of them the caller sees.
///
/// ```
/// use escrowdb::id::Seq;
/// use escrowdb::merkle::hash::{leaf_hash, node_hash};
/// use escrowdb::merkle::multi;
/// let [a, b, c] = [b"a", b"b", b"c"].map(|entry| leaf_hash(entry));
/// // Of three leaves the second is known; the nodes are the first and the third.
/// let mut nodes = [a, c].into_iter();
/// let root = multi::root(3, &[(Seq(1), b)], &mut || Ok(nodes.next().unwrap()))?;
/// assert_eq!(root, node_hash(&node_hash(&a, &b), &c));
/// # Ok::<(), escrowdb::Error>(())
/// ```
///
/// # Errors
/// *Corrupt* if the leaves don't ascend or stand outside of the tree; what `node` fails with.
pub fn root(size: u64, known: &[(Seq, Hash)], node: &mut dyn FnMut() -> Result<Hash>) -> Result<Hash> {
    if !known.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Error::corrupt("positions of a proof stand twice"));
    }
    if known.last().is_some_and(|(seq, _)| seq.0 >= size) {
        return Err(Error::corrupt("a position of a proof stands outside of the tree"));
    }
    if size == 0 { Ok(Hash::empty_root()) } else { part_root(0, size, known, node) }
}

/// At most 64 calls deep.
fn part_root(
    start: u64,
    end: u64,
    known: &[(Seq, Hash)],
    node: &mut dyn FnMut() -> Result<Hash>,
) -> Result<Hash> {
    match known {
        [] => node(),
        [(_, leaf)] if end - start == 1 => Ok(*leaf),
        _ => {
            let middle = start + split(end - start);
            let (left, right) = known.split_at(known.partition_point(|(seq, _)| seq.0 < middle));
            let left = part_root(start, middle, left, node)?;
            Ok(node_hash(&left, &part_root(middle, end, right, node)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::proof::{Inclusion, MemoryTree, naive_root};

    fn nodes(tree: &MemoryTree, size: u64, known: &[Seq]) -> Vec<Hash> {
        Gaps::new(size, known).map(|gap| node(tree, gap).unwrap()).collect()
    }

    /// The root, if it takes exactly these nodes.
    fn root_of(size: u64, known: &[(Seq, Hash)], nodes: &[Hash]) -> Option<Hash> {
        let mut left = nodes.iter();
        let mut next = || left.next().copied().ok_or_else(|| Error::corrupt("no more"));
        let found = root(size, known, &mut next).ok()?;
        left.next().is_none().then_some(found)
    }

    fn leaves(tree: &MemoryTree, known: &[Seq]) -> Vec<(Seq, Hash)> {
        known.iter().map(|seq| (*seq, tree.0[seq.0 as usize])).collect()
    }

    /// Every set of leaves of every small tree.
    #[test]
    fn every_set_of_every_small_tree() {
        for size in 0..9u64 {
            let tree = MemoryTree::of(size);
            for set in 0..1u64 << size {
                let known: Vec<Seq> = (0..size).filter(|i| set >> i & 1 == 1).map(Seq).collect();
                let nodes = nodes(&tree, size, &known);
                let root = root_of(size, &leaves(&tree, &known), &nodes);
                assert_eq!(root, Some(naive_root(&tree.0)), "{set:b} of {size}");
            }
        }
    }

    #[test]
    fn one_leaf_has_the_nodes_of_its_inclusion_proof() {
        let tree = MemoryTree::of(37);
        for index in (0..37).map(Seq) {
            let mut path = Inclusion::prove(&tree, index, 37).unwrap().path;
            let mut nodes = nodes(&tree, 37, &[index]);
            path.sort_unstable();
            nodes.sort_unstable();
            assert_eq!(nodes, path, "{index}");
        }
        assert!(nodes(&tree, 37, &(0..37).map(Seq).collect::<Vec<_>>()).is_empty());
    }

    /// Numbers from outside may be anything; nothing panics or runs long.
    #[test]
    fn extreme_and_false_positions() {
        let h = Hash([1; 32]);
        let end = &mut || Err(Error::corrupt("no more"));
        for known in [vec![3, 3], vec![4, 3], vec![9], vec![u64::MAX]] {
            let known: Vec<_> = known.into_iter().map(|seq| (Seq(seq), h)).collect();
            assert!(root(5, &known, end).is_err());
        }
        let far = [(Seq(0), h), (Seq(u64::MAX - 1), h)];
        let mut taken = 0;
        let mut any = || {
            taken += 1;
            Ok(h)
        };
        assert!(root(u64::MAX, &far, &mut any).is_ok());
        assert!(taken < 128);
        assert!(root(0, &far[..1], end).is_err() && root(0, &[], end).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// A leaf or node changed, left out, added or put elsewhere leads to another root or to none.
        #[test]
        fn it_holds_and_mutants_fail(
            (size, known) in (1u64..300).prop_flat_map(|s| (Just(s), proptest::collection::btree_set(0..s, 1..20))),
            bit in 0usize..256, at in any::<proptest::sample::Index>(),
        ) {
            let tree = MemoryTree::of(size);
            let known: Vec<Seq> = known.into_iter().map(Seq).collect();
            let (nodes, leaves) = (nodes(&tree, size, &known), leaves(&tree, &known));
            let truth = Some(naive_root(&tree.0));
            prop_assert_eq!(root_of(size, &leaves, &nodes), truth);
            let mut changed = leaves.clone();
            changed[at.index(leaves.len())].1.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(root_of(size, &changed, &nodes), truth);
            let mut fewer = leaves.clone();
            fewer.remove(at.index(leaves.len()));
            prop_assert_ne!(root_of(size, &fewer, &nodes), truth);
            prop_assert_ne!(root_of(size, &leaves, &[&nodes[..], &[Hash([0; 32])]].concat()), truth);
            if !nodes.is_empty() {
                let mut other = nodes.clone();
                other[at.index(nodes.len())].0[bit / 8] ^= 1 << (bit % 8);
                prop_assert_ne!(root_of(size, &leaves, &other), truth);
                let mut fewer = nodes.clone();
                fewer.remove(at.index(nodes.len()));
                prop_assert_ne!(root_of(size, &leaves, &fewer), truth);
            }
        }
    }
}
