//! Whatever a witness is sent, the heads it accepts are one history.

use proptest::prelude::*;

use super::*;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::cosign::Cosigner;
use crate::merkle::hash::Hash;
use crate::merkle::proof::{Consistency, MemoryTree, naive_root};
use crate::merkle::signer::Signer;

const ORIGIN: &str = "log.example";

fn log() -> Signer {
    Signer::new(ORIGIN, &[7; 32]).unwrap()
}

fn keys() -> [VerifierKey; 1] {
    [log().verifier_key()]
}

/// A tree that parts from that of branch 0 at leaf `at`.
fn branch(branch: u8, at: usize, size: u64) -> MemoryTree {
    let mut tree = MemoryTree::of(size);
    tree.0.iter_mut().skip(at).for_each(|leaf| leaf.0[0] ^= branch);
    tree
}

fn head(tree: &MemoryTree, size: u64) -> SignedCheckpoint {
    let root = naive_root(&tree.0[..size as usize]);
    SignedCheckpoint::sign(Checkpoint { origin: ORIGIN.into(), size, root }, &log()).unwrap()
}

fn body(tree: &MemoryTree, from: u64, to: u64) -> Vec<u8> {
    let path = Consistency::prove(tree, from, to).unwrap().path;
    Advance { from, path, checkpoint: head(tree, to) }.to_string().into_bytes()
}

fn ask(body: &[u8], last: Option<&SignedCheckpoint>) -> Answer {
    Request::parse(body).unwrap().decide(&keys(), last)
}

/// What is answered of HTTP, also to what is no request.
fn status(body: &[u8], last: Option<&SignedCheckpoint>) -> u16 {
    Request::parse(body).map_or(400, |request| request.decide(&keys(), last).status())
}

/// The attack: a log with two histories asks in all orders, with every proof it can make, until the
/// witness takes something of each. 1,000 interleavings.
#[test]
fn two_forks_are_never_both_cosigned() {
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut taken_of, mut forks) = ([0u32; 2], 0);
    for _ in 0..1_000 {
        let part = random(12) as usize;
        let trees = [branch(0, part, 24), branch(1, part, 24)];
        let (mut last, mut taken): (Option<SignedCheckpoint>, Vec<(usize, u64)>) = (None, Vec::new());
        for _ in 0..12 {
            let side = random(2) as usize;
            let to = random(25);
            let kept = last.as_ref().map_or(0, |l| l.unverified().size);
            // Mostly from where the witness is, as the log learns from its refusals.
            let from = if random(4) > 0 { kept } else { random(25) }.min(to);
            match ask(&body(&trees[side], from, to), last.as_ref()) {
                Answer::Accepted(head) => {
                    taken.push((side, to));
                    taken_of[side] += 1;
                    last = Some(head);
                }
                Answer::Fork { kept, sent } => {
                    assert_eq!(kept.unverified().size, sent.unverified().size);
                    assert_ne!(kept.unverified().root, sent.unverified().root);
                    forks += 1;
                }
                Answer::Conflict(size) => assert_eq!(size, kept),
                Answer::Unproved => {}
                other => panic!("{other:?}"),
            }
        }
        // Everything that was taken lies on one branch, and only grew.
        assert!(taken.windows(2).all(|w| w[0].1 <= w[1].1), "{taken:?}");
        let behind: Vec<_> = taken.iter().filter(|(_, size)| *size > part as u64).map(|(s, _)| s).collect();
        assert!(behind.windows(2).all(|w| w[0] == w[1]), "parted at {part}: {taken:?}");
    }
    assert!(
        taken_of.iter().all(|n| *n > 500) && forks > 20,
        "the test asks too little: {taken_of:?} {forks}"
    );
}

#[test]
fn each_answer_has_its_status() {
    let tree = branch(0, 0, 20);
    let other = branch(1, 0, 20);
    let ten = head(&tree, 10);
    let status = |body: &[u8], last: Option<&SignedCheckpoint>| status(body, last);
    assert_eq!(status(&body(&tree, 0, 10), None), 200);
    assert_eq!(status(&body(&tree, 10, 20), Some(&ten)), 200);
    assert_eq!(status(&body(&tree, 10, 10), Some(&ten)), 200, "the same again, at a later time");
    assert_eq!(status(b"hello", None), 400);
    assert_eq!(status(&body(&tree, 3, 20), Some(&ten)), 409);
    assert_eq!(ask(&body(&tree, 3, 20), None), Answer::Conflict(0));
    assert_eq!(ask(&body(&tree, 3, 20), Some(&ten)), Answer::Conflict(10));
    assert_eq!(ask(&body(&tree, 0, 4), Some(&ten)), Answer::Conflict(10), "shorter");
    assert_eq!(status(&body(&other, 10, 20), Some(&ten)), 422);
    let fork = ask(&body(&other, 10, 10), Some(&ten));
    assert!(matches!(&fork, Answer::Fork { kept, .. } if *kept == ten), "{fork:?}");
    assert_eq!(fork.status(), 409);
    // A fork is told from whatever size the proof begins.
    assert!(matches!(ask(&body(&other, 4, 10), Some(&ten)), Answer::Fork { .. }));
    // Backwards.
    let back = Advance { from: 21, path: vec![], checkpoint: head(&tree, 20) };
    assert_eq!(status(back.to_string().as_bytes(), None), 400);
    // A first head needs no proof and takes none.
    let proof = Advance { from: 0, path: vec![Hash([1; 32])], checkpoint: head(&tree, 20) };
    assert_eq!(status(proof.to_string().as_bytes(), None), 422);
    let long = Advance { from: 1, path: vec![Hash([1; 32]); 64], checkpoint: head(&tree, 20) };
    assert_eq!(status(long.to_string().as_bytes(), None), 400);
}

#[test]
fn only_the_keys_of_the_log_are_believed_and_kept() {
    let tree = branch(0, 0, 20);
    let request = Request::parse(&body(&tree, 0, 10)).unwrap();
    let other = Signer::new("other.example", &[7; 32]).unwrap().verifier_key();
    assert_eq!(request.decide(std::slice::from_ref(&other), None), Answer::Unknown);
    assert_eq!(request.decide(&[], None), Answer::Unknown);
    let new = Signer::new(ORIGIN, &[8; 32]).unwrap().verifier_key();
    assert_eq!(request.decide(std::slice::from_ref(&new), None), Answer::Unsigned);
    assert_eq!(request.decide(&[other, new, log().verifier_key()], None).status(), 200);
    // A witness's key with the name of the log is no key of the log.
    let named = Cosigner::new(ORIGIN, &[9; 32]).unwrap();
    let line = named.cosign(&head(&tree, 10), 5).unwrap();
    let note = Note::new(head(&tree, 10).note().text().to_owned(), vec![line]).unwrap();
    let alone = Request::parse(format!("old 0\n\n{note}").as_bytes()).unwrap();
    assert_eq!(alone.decide(&[named.verifier_key()], None), Answer::Unsigned);
    // What others wrote beside it is not kept, and a forged line of the log spoils it.
    let stranger = Cosigner::new("w.example", &[9; 32]).unwrap().cosign(&head(&tree, 10), 5).unwrap();
    let both = head(&tree, 10).with(&[stranger]).unwrap();
    let more = Request::parse(format!("old 0\n\n{both}").as_bytes()).unwrap();
    assert_eq!(more.decide(&keys(), None), Answer::Accepted(head(&tree, 10)));
    let mut bytes = body(&tree, 0, 10);
    let at = bytes.len() - 10;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(ask(&bytes, None), Answer::Unsigned);
}

#[test]
fn a_changed_bit_is_never_accepted() {
    let tree = branch(0, 0, 20);
    let (bytes, ten) = (body(&tree, 10, 20), head(&tree, 10));
    assert_eq!(status(&bytes, Some(&ten)), 200);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(status(&changed, Some(&ten)), 200, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn rubbish_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0usize..300) {
        prop_assert_eq!(status(&bytes, None), 400);
        let whole = body(&branch(0, 0, 20), 0, 10);
        let mut begun = whole.clone();
        begun.truncate(keep);
        begun.extend_from_slice(&bytes);
        // Nothing taken and nothing added is no rubbish.
        prop_assert_eq!(status(&begun, None) == 200, begun == whole);
    }

    #[test]
    fn a_body_longer_than_the_bound_is_refused(more in 0usize..3) {
        let mut bytes = body(&branch(0, 0, 20), 0, 10);
        bytes.resize(BODY_MAX + more, b'\n');
        prop_assert_eq!(status(&bytes, None), 400);
    }
}
