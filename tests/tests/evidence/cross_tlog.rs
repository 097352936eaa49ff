//! Roots and proofs of the log against somebody else's RFC 6962 tree (the crate `ct-merkle`): each
//! side verifies what the other one proves, and refuses it for another position.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::sync::Arc;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use escrowdb::id::Seq;
use escrowdb::log::Log;
use escrowdb::merkle::hash::{Hash, leaf_hash};
use escrowdb::merkle::proof::{Consistency, Inclusion};
use escrowdb::merkle::tail::Tail;
use escrowdb::merkle::tree::Frontier;
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::rng::Rng;
use sha2::Sha256;

/// One tree, as both sides have it.
struct Both {
    log: Log,
    theirs: MemoryBackedTree<Sha256, Vec<u8>>,
}

impl Both {
    fn new() -> Self {
        let log = Log::create(Arc::new(MemoryVfs::new()), Path::new("/s")).unwrap();
        Self { log, theirs: MemoryBackedTree::new() }
    }

    /// Grows both to `size` leaves.
    fn grow(&mut self, size: u64) {
        let entries: Vec<Vec<u8>> = (self.log.frontier().size()..size).map(entry).collect();
        self.log.append(&entries.iter().map(|e| leaf_hash(e)).collect::<Vec<_>>()).unwrap();
        entries.into_iter().for_each(|e| self.theirs.push(e));
        assert_eq!(&self.log.frontier().root().0[..], &self.theirs.root().as_bytes()[..], "{size} leaves");
    }

    fn root(&self, size: u64) -> Hash {
        Frontier::read(&self.log, size).unwrap().root()
    }

    fn include(&self, index: u64) {
        let (size, root) = (self.log.frontier().size(), self.log.frontier().root());
        let ours = Inclusion::prove(&self.log, Seq(index), size).unwrap();
        let theirs = InclusionProof::<Sha256>::try_from_bytes(bytes(&ours.path)).unwrap();
        self.theirs.root().verify_inclusion(&entry(index), index, &theirs).unwrap();
        let path = hashes(self.theirs.prove_inclusion(index as usize).as_bytes());
        assert_eq!(path, ours.path, "leaf {index} of {size}");
        Inclusion { path, ..ours }.verify(&leaf_hash(&entry(index)), &root).unwrap();
        assert!(self.theirs.root().verify_inclusion(&entry(index + 1), index, &theirs).is_err());
    }

    fn continues(&self, from: u64) {
        let (to, root) = (self.log.frontier().size(), self.log.frontier().root());
        let ours = Consistency::prove(&self.log, from, to).unwrap();
        let theirs = ConsistencyProof::<Sha256>::try_from_bytes(bytes(&ours.path)).unwrap();
        let earlier = RootHash::<Sha256>::new(self.root(from).0.into(), from);
        self.theirs.root().verify_consistency(&earlier, &theirs).unwrap();
        let path = hashes(self.theirs.prove_consistency((to - from) as usize).as_bytes());
        assert_eq!(path, ours.path, "{from} to {to}");
        Consistency { path, ..ours }.verify(&self.root(from), &root).unwrap();
        let forked = RootHash::<Sha256>::new([7; 32].into(), from);
        assert!(self.theirs.root().verify_consistency(&forked, &theirs).is_err());
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn bytes(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks(32).map(|hash| Hash(hash.try_into().unwrap())).collect()
}

#[test]
fn every_proof_of_every_small_tree() {
    let mut both = Both::new();
    for size in 1..=140 {
        both.grow(size);
        (0..size).for_each(|index| both.include(index));
        (1..=size).for_each(|from| both.continues(from));
    }
}

#[test]
fn some_proofs_of_larger_trees() {
    let (mut both, mut rng) = (Both::new(), Rng::new(5));
    for size in [255, 256, 257, 511, 1_000, 65_535, 65_536, 65_537, 70_000] {
        both.grow(size);
        for _ in 0..40 {
            let at = rng.below(size as usize) as u64;
            both.include(at);
            both.continues(at.max(1));
        }
    }
}

/// Leaves that stand in no file lead to the same roots.
#[test]
fn a_tail_in_memory_is_the_same_tree() {
    let (mut both, mut rng) = (Both::new(), Rng::new(6));
    both.grow(300);
    let mut tail = Tail::behind(both.log.frontier().clone());
    for size in 301..700 {
        tail.append(leaf_hash(&entry(size - 1)));
        both.theirs.push(entry(size - 1));
        assert_eq!(&tail.frontier().root().0[..], &both.theirs.root().as_bytes()[..]);
        let grown = tail.over(&both.log);
        let index = rng.below(size as usize) as u64;
        let ours = Inclusion::prove(&grown, Seq(index), size).unwrap();
        assert_eq!(bytes(&ours.path), both.theirs.prove_inclusion(index as usize).as_bytes());
        let from = index.max(1);
        let ours = Consistency::prove(&grown, from, size).unwrap();
        assert_eq!(bytes(&ours.path), both.theirs.prove_consistency((size - from) as usize).as_bytes());
    }
}
