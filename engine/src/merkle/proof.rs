//! Inclusion and consistency proofs (RFC 9162 sections 2.1.3 and 2.1.4).
//!
//! Proving reads a tree through [`Hashes`]; verifying needs the proof and the roots only.

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::merkle::hash::{Hash, node_hash};
use crate::merkle::tree::range_root;

/// A tree that can be read.
pub trait Hashes {
    /// The node of `height` and `index`: root of the complete subtree over the leaves
    /// `index * 2^height .. (index + 1) * 2^height`. An error if not all of them are there.
    fn hash(&self, height: u8, index: u64) -> Result<Hash>;
}

/// Proof that a leaf stands at a position of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Position of the leaf.
    pub index: Seq,
    /// Leaves of the tree.
    pub size: u64,
    /// Siblings on the way from the leaf to the root.
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// Proves the leaf at `index` in the tree of the first `size` leaves.
    pub fn prove(tree: &dyn Hashes, index: Seq, size: u64) -> Result<Self> {
        if index.0 >= size {
            return Err(Error::invalid(format!("leaf {index} is outside of a tree of {size} leaves")));
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index.0 < middle {
                path.push(range_root(tree, middle, end)?);
                end = middle;
            } else {
                path.push(range_root(tree, start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(Self { index, size, path })
    }

    /// Checks that `leaf` stands at `index` in the tree with this size and `root`.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<()> {
        match self.root(leaf) {
            Some(found) if found == *root => Ok(()),
            _ => Err(Error::corrupt(format!(
                "inclusion proof of leaf {} does not lead to the root",
                self.index
            ))),
        }
    }

    /// The root that the proof leads to; `None` if its length does not fit the position.
    fn root(&self, leaf: &Hash) -> Option<Hash> {
        let mut walk = Walk::new(self.index.0, self.size.checked_sub(1)?)?;
        let mut root = *leaf;
        for sibling in &self.path {
            root = match walk.up()? {
                Side::Left => node_hash(sibling, &root),
                Side::Right => node_hash(&root, sibling),
            };
        }
        walk.at_root().then_some(root)
    }
}

/// Proof that a tree is a continuation of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// Leaves of the earlier tree.
    pub from: u64,
    /// Leaves of the later tree.
    pub to: u64,
    /// Nodes from which both roots follow; none if both trees have the same size or the earlier
    /// one is empty.
    pub path: Vec<Hash>,
}

impl Consistency {
    /// Proves that the tree of the first `to` leaves continues the tree of the first `from`.
    pub fn prove(tree: &dyn Hashes, from: u64, to: u64) -> Result<Self> {
        if from > to {
            return Err(Error::invalid(format!("a tree of {to} leaves can't continue one of {from}")));
        }
        let mut path = Vec::new();
        if from > 0 && from < to {
            let (mut start, mut end) = (0, to);
            while end != from {
                let middle = start + split(end - start);
                if from <= middle {
                    path.push(range_root(tree, middle, end)?);
                    end = middle;
                } else {
                    path.push(range_root(tree, start, middle)?);
                    start = middle;
                }
            }
            // The node `start..from`; if it is the whole earlier tree the verifier has it.
            if start > 0 {
                path.push(range_root(tree, start, end)?);
            }
            path.reverse();
        }
        Ok(Self { from, to, path })
    }

    /// Checks that the tree with root `to` continues the tree with root `from`.
    pub fn verify(&self, from: &Hash, to: &Hash) -> Result<()> {
        match self.roots(from, to) {
            Some(found) if found == (*from, *to) => Ok(()),
            _ => Err(Error::corrupt(format!(
                "the tree of {} leaves is not proved to continue the tree of {}",
                self.to, self.from
            ))),
        }
    }

    /// Both roots that the proof leads to; `None` if its length does not fit the sizes.
    fn roots(&self, from: &Hash, to: &Hash) -> Option<(Hash, Hash)> {
        if self.from == 0 || self.from == self.to {
            let earlier = if self.from == 0 { Hash::empty_root() } else { *from };
            let later = if self.from == self.to { earlier } else { *to };
            return self.path.is_empty().then_some((earlier, later));
        }
        let mut walk = Walk::new(self.from - 1, self.to.checked_sub(1)?)?;
        walk.skip_right_edge();
        let (first, rest) =
            if self.from.is_power_of_two() { (from, &self.path[..]) } else { self.path.split_first()? };
        let (mut earlier, mut later) = (*first, *first);
        for node in rest {
            match walk.up()? {
                Side::Left => {
                    earlier = node_hash(node, &earlier);
                    later = node_hash(node, &later);
                }
                Side::Right => later = node_hash(&later, node),
            }
        }
        walk.at_root().then_some((earlier, later))
    }
}

/// The way from a node to the root: `fn` and `sn` of RFC 9162 section 2.1.3.2.
struct Walk {
    node: u64,
    last: u64,
}

/// Where the sibling stands.
enum Side {
    Left,
    Right,
}

impl Walk {
    fn new(node: u64, last: u64) -> Option<Self> {
        (node <= last).then_some(Self { node, last })
    }

    /// Goes to the parent and says on which side the sibling was; `None` at the root. Levels at
    /// which the right edge has no sibling are skipped.
    fn up(&mut self) -> Option<Side> {
        if self.at_root() {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            while self.node & 1 == 0 && self.node != 0 {
                self.shift();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.shift();
        Some(side)
    }

    /// Goes up while the node is a right child.
    fn skip_right_edge(&mut self) {
        while self.node & 1 == 1 {
            self.shift();
        }
    }

    fn shift(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn at_root(&self) -> bool {
        self.last == 0
    }
}

/// Largest power of two below `len`, which is at least 2.
pub(super) fn split(len: u64) -> u64 {
    1 << (63 - (len - 1).leading_zeros())
}

#[cfg(test)]
pub(crate) use tests::{MemoryTree, naive_root};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::hash::{leaf_hash, subtree_root};

    /// All leaves of a tree.
    pub(crate) struct MemoryTree(pub(crate) Vec<Hash>);

    impl MemoryTree {
        pub(crate) fn of(size: u64) -> Self {
            Self((0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect())
        }

        fn root(&self, size: u64) -> Hash {
            naive_root(&self.0[..size as usize])
        }
    }

    impl Hashes for MemoryTree {
        fn hash(&self, height: u8, index: u64) -> Result<Hash> {
            let (first, len) = ((index << height) as usize, 1usize << height);
            Ok(subtree_root(&self.0[first..first + len]).unwrap())
        }
    }

    /// The definition of RFC 9162 section 2.1.1, word by word.
    pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::empty_root(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn flipped(hash: Hash, bit: usize) -> Hash {
        let mut bytes = hash.0;
        bytes[bit / 8 % 32] ^= 1 << (bit % 8);
        Hash(bytes)
    }

    /// Every way to spoil a path: a changed, missing, doubled or added node, and swapped ones.
    fn spoiled(path: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
        let mut all = vec![[path, &[Hash([0; 32])]].concat(), [&[Hash([0; 32])], path].concat()];
        for i in 0..path.len() {
            let mut changed = path.to_vec();
            changed[i] = flipped(changed[i], bit);
            let mut missing = path.to_vec();
            missing.remove(i);
            let mut doubled = path.to_vec();
            doubled.insert(i, path[i]);
            all.extend([changed, missing, doubled]);
            if i > 0 {
                let mut swapped = path.to_vec();
                swapped.swap(0, i);
                all.push(swapped);
            }
        }
        all
    }

    #[test]
    fn every_small_tree() {
        let tree = MemoryTree::of(34);
        for size in 0..=34 {
            let root = tree.root(size);
            for index in 0..size {
                let leaf = &tree.0[index as usize];
                let proof = Inclusion::prove(&tree, Seq(index), size).unwrap();
                proof.verify(leaf, &root).unwrap();
                // The path fits no other position and no other leaf.
                for other in (0..size + 2).filter(|i| *i != index) {
                    assert!(Inclusion { index: Seq(other), ..proof.clone() }.verify(leaf, &root).is_err());
                }
                assert!(proof.verify(&flipped(*leaf, 9), &root).is_err());
            }
            assert!(Inclusion::prove(&tree, Seq(size), size).is_err());
            for from in 0..=size {
                let proof = Consistency::prove(&tree, from, size).unwrap();
                let earlier = tree.root(from);
                proof.verify(&earlier, &root).unwrap();
                assert!(proof.verify(&flipped(earlier, 3), &root).is_err(), "{from} {size}");
                if from > 0 {
                    assert!(proof.verify(&earlier, &flipped(root, 3)).is_err(), "{from} {size}");
                }
            }
            assert!(Consistency::prove(&tree, size + 1, size).is_err());
        }
    }

    /// Proofs of the reference test data of Certificate Transparency.
    #[test]
    fn proofs_of_the_reference_data() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let tree = MemoryTree(inputs.iter().map(|i| leaf_hash(i)).collect());
        let text = |path: Vec<Hash>| path.iter().map(Hash::to_string).collect::<Vec<_>>();
        assert_eq!(
            text(Inclusion::prove(&tree, Seq(0), 8).unwrap().path),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            text(Inclusion::prove(&tree, Seq(5), 8).unwrap().path),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            text(Consistency::prove(&tree, 6, 8).unwrap().path),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    /// Sizes from outside may be anything; verifying must not panic or run long.
    #[test]
    fn extreme_sizes() {
        let h = Hash([1; 32]);
        for (a, b) in [(0, 0), (1, 0), (u64::MAX, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
            let path = vec![h; 64];
            let _ = Inclusion { index: Seq(a), size: b, path: path.clone() }.verify(&h, &h);
            assert!(Consistency { from: a, to: b, path }.verify(&h, &h).is_err());
        }
        assert!(Consistency { from: 0, to: 0, path: vec![] }.verify(&h, &h).is_err());
        assert!(Consistency { from: 5, to: 3, path: vec![] }.verify(&h, &h).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn inclusion_holds_and_mutants_fail((size, index) in (1u64..1200).prop_flat_map(|s| (Just(s), 0..s)), bit in 0usize..256) {
            let tree = MemoryTree::of(size);
            let (leaf, root) = (&tree.0[index as usize], tree.root(size));
            let proof = Inclusion::prove(&tree, Seq(index), size).unwrap();
            prop_assert!(proof.verify(leaf, &root).is_ok());
            prop_assert!(proof.verify(leaf, &flipped(root, bit)).is_err());
            for path in spoiled(&proof.path, bit) {
                let spoiled = Inclusion { path, ..proof.clone() };
                prop_assert!(spoiled.verify(leaf, &root).is_err());
            }
        }

        #[test]
        fn consistency_holds_and_mutants_fail((to, from) in (1u64..1200).prop_flat_map(|s| (Just(s), 0..=s)), bit in 0usize..256) {
            let tree = MemoryTree::of(to);
            let (earlier, later) = (tree.root(from), tree.root(to));
            let proof = Consistency::prove(&tree, from, to).unwrap();
            prop_assert!(proof.verify(&earlier, &later).is_ok());
            for path in spoiled(&proof.path, bit) {
                let spoiled = Consistency { path, ..proof.clone() };
                prop_assert!(spoiled.verify(&earlier, &later).is_err());
            }
        }

        /// A tree that shares all leaves but one is no continuation.
        #[test]
        fn forked_tree_is_refused((to, from, bad) in (2u64..300).prop_flat_map(|s| (Just(s), 1..s)).prop_flat_map(|(t, f)| (Just(t), Just(f), 0..f))) {
            let mut tree = MemoryTree::of(to);
            let earlier = tree.root(from);
            tree.0[bad as usize] = flipped(tree.0[bad as usize], 0);
            let proof = Consistency::prove(&tree, from, to).unwrap();
            prop_assert!(proof.verify(&earlier, &tree.root(to)).is_err());
        }
    }
}
