//! The Merkle tree of the log: RFC 6962 section 2.1 hashing, RFC 9162 proofs, C2SP tile
//! geometry, signed notes and checkpoints. Pure: reads through [`proof::Hashes`], writes nothing,
//! never sees plaintext except to commit to it.
//!
//! A node of height `h` and index `i` is the root of the complete subtree over the leaves
//! `i * 2^h .. (i + 1) * 2^h`. Such a node never changes once its last leaf is there; only the
//! nodes on the right edge (drawn with `*`) depend on the size of the tree. Five leaves:
//!
//! ```text
//! height 3                    root*                  root = H(n20, l4)
//!                          /         \
//! height 2             n20            \
//!                    /     \           \
//! height 1        n10       n11         \
//!                /   \     /   \         \
//! height 0      l0   l1   l2   l3         l4         l_i = SHA-256(0x00 ‖ C_i)
//!               |    |    |    |          |
//! seq           0    1    2    3          4
//! ```
//!
//! The *frontier* of this tree is `[n20, l4]`: one node for each one-bit of the size, largest
//! first. It is all that appending needs. The inclusion proof of leaf 2 lists the siblings on
//! its way up, `[l3, n10, l4]`, and a verifier folds them: `H(l2,l3)`, `H(n10,·)`, `H(·,l4)`,
//! which must be the root.
//!
//! Leaves commit to the record and a salt, not to ciphertext ([`commitment`]), so rolling,
//! compaction and erasure leave the tree as it is; after an erasure the salt is gone and the
//! leaf says nothing.
//!
//! ```
//! use escrowdb::id::Seq;
//! use escrowdb::merkle::{hash::leaf_hash, proof::Inclusion, tree::Frontier};
//!
//! let l: Vec<_> = [b"a", b"b", b"c", b"d", b"e"].iter().map(|b| leaf_hash(&b[..])).collect();
//! let mut tree = Frontier::default();
//! for leaf in &l {
//!     tree.append(*leaf);
//! }
//! let n10 = escrowdb::merkle::hash::node_hash(&l[0], &l[1]);
//! let proof = Inclusion { index: Seq(2), size: 5, path: vec![l[3], n10, l[4]] };
//! proof.verify(&l[2], &tree.root())?;
//! # Ok::<(), escrowdb::Error>(())
//! ```

pub mod checkpoint;
pub mod commitment;
pub mod cosign;
pub mod hash;
pub mod multi;
pub mod note;
pub mod policy;
pub mod proof;
pub mod rotation;
pub mod signer;
pub mod tail;
pub mod text;
pub mod tile;
pub mod tree;
pub mod witness;
