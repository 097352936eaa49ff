//! Proofs as texts that others read too: of a record as C2SP tlog-proof, of a continuation as the
//! body of a call to a C2SP witness.
//!
//! ```text
//! c2sp.org/tlog-proof@v1              old 1000
//! extra base64(opening)               base64(hash)
//! index 17                            ...
//! base64(hash)
//! ...                                 checkpoint, verbatim
//!
//! checkpoint, verbatim
//!
//! opening = 1 ‖ salt 16 ‖ canonical record
//! ```
//!
//! The entry of the log that a tlog-proof speaks of is the commitment C of the record
//! ([`commitment`](crate::merkle::commitment)). The opening says what C commits to; nothing of it
//! is believed, C is computed from it.

use std::fmt::{self, Write as _};

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::merkle::checkpoint::{Checkpoint, SignedCheckpoint, Trust, decode_hash, encode_hash, number};
use crate::merkle::commitment::{SALT_LEN, leaf};
use crate::merkle::hash::Hash;
use crate::merkle::proof::{Consistency, Inclusion};

/// First line of a proof of inclusion.
const PROOF: &str = "c2sp.org/tlog-proof@v1";
/// Version of an opening.
const VERSION: u8 = 1;
/// Hashes of a proof at most: a tree of 2^64 leaves needs no more, for inclusion or continuation.
const PATH_MAX: usize = 64;

/// What a leaf commits to. It is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// Salt of the record.
    pub salt: Zeroizing<[u8; SALT_LEN]>,
    /// Canonical bytes of the record.
    pub canonical: Zeroizing<Vec<u8>>,
}

impl Opening {
    /// The leaf that commits to it.
    pub fn leaf(&self) -> Hash {
        leaf(&self.salt, &self.canonical)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + SALT_LEN + self.canonical.len()));
        bytes.push(VERSION);
        bytes.extend_from_slice(&*self.salt);
        bytes.extend_from_slice(&self.canonical);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::corrupt("the proof opens no record");
        let (version, rest) = bytes.split_first().ok_or_else(wrong)?;
        if *version != VERSION {
            // Nobody signed the version.
            return Err(Error::corrupt("the proof opens its record in a way that this program doesn't know")
                .hint("it was changed, or a newer program made it"));
        }
        let (salt, canonical) = rest.split_first_chunk().ok_or_else(wrong)?;
        Ok(Self { salt: Zeroizing::new(*salt), canonical: Zeroizing::new(canonical.to_vec()) })
    }
}

/// Without content.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

/// Proof that a record stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    /// The record and its salt.
    pub opening: Opening,
    /// Its way to the root.
    pub inclusion: Inclusion,
    /// The head of the log.
    pub checkpoint: SignedCheckpoint,
}

impl RecordProof {
    /// Checks everything: the record leads to the leaf, the leaf to the root, and the root is signed as `trust` wants.
    ///
    /// # Errors
    /// *Corrupt* if one of these is not so.
    pub fn verify(&self, trust: &dyn Trust) -> Result<&Checkpoint> {
        let head = self.checkpoint.verify(trust)?;
        if self.inclusion.size != head.size {
            return Err(Error::corrupt("the proof is of another tree than the checkpoint"));
        }
        self.inclusion.verify(&self.opening.leaf(), &head.root)?;
        Ok(head)
    }

    /// The text. It holds the record; so does every copy of it.
    pub fn to_text(&self) -> Zeroizing<String> {
        let opening = Zeroizing::new(Base64::encode_string(&self.opening.encode()));
        // Long enough at once: what grows leaves a copy behind.
        let fixed = opening.len() + 45 * self.inclusion.path.len() + 128;
        let checkpoint = self.checkpoint.to_string();
        let mut text = Zeroizing::new(String::with_capacity(fixed + checkpoint.len()));
        let _ = write!(*text, "{PROOF}\nextra {}\nindex {}\n", *opening, self.inclusion.index);
        put_path(&mut text, &self.inclusion.path);
        text.push_str(&checkpoint);
        text
    }

    /// Reads one. Nothing is verified. There is one form: it prints as the same bytes.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::corrupt(format!("it is no proof of a record: {what}"));
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let rest = text.strip_prefix(PROOF).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or_else(|| wrong("it does not begin as a C2SP tlog-proof"))?;
        let rest = rest.strip_prefix("extra ").ok_or_else(|| wrong("it opens no record"))?;
        let (opening, rest) = rest.split_once('\n').ok_or_else(|| wrong("it is cut"))?;
        let opening = Base64::decode_vec(opening).map_err(|_| wrong("its second line is not base64"))?;
        let opening = Opening::decode(&Zeroizing::new(opening))?;
        let (index, rest) = rest.split_once('\n').ok_or_else(|| wrong("it is cut"))?;
        let index = index.strip_prefix("index ").and_then(number);
        let index = Seq(index.ok_or_else(|| wrong("it names no position"))?);
        let (path, checkpoint) = path(rest).ok_or_else(|| wrong("a line of it is no hash"))?;
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        let inclusion = Inclusion { index, size: checkpoint.unverified().size, path };
        Ok(Self { opening, inclusion, checkpoint })
    }
}

/// Proof that a checkpoint continues an earlier one: what a C2SP witness is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Leaves of the earlier log.
    pub from: u64,
    /// Nodes from which both roots follow.
    pub path: Vec<Hash>,
    /// The later head.
    pub checkpoint: SignedCheckpoint,
}

impl Advance {
    /// Checks that both are signed as `trust` wants and that the later one continues the earlier one.
    ///
    /// # Errors
    /// *Corrupt* if one of these is not so.
    pub fn verify(&self, earlier: &SignedCheckpoint, trust: &dyn Trust) -> Result<&Checkpoint> {
        let (from, to) = (earlier.verify(trust)?, self.checkpoint.verify(trust)?);
        self.continues(from)?;
        Ok(to)
    }

    /// Whether it leads from an earlier head to the later one. No signature is looked at.
    pub(super) fn continues(&self, from: &Checkpoint) -> Result<()> {
        if from.size != self.from {
            return Err(Error::corrupt("the proof begins at another tree than the earlier checkpoint"));
        }
        let to = self.checkpoint.unverified();
        let proof = Consistency { from: self.from, to: to.size, path: self.path.clone() };
        proof.verify(&from.root, &to.root)
    }

    /// Reads one. Nothing is verified. There is one form: it prints as the same bytes.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::corrupt(format!("it is no proof of a continuation: {what}"));
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let (old, rest) = text.split_once('\n').ok_or_else(|| wrong("it is cut"))?;
        let from = old.strip_prefix("old ").and_then(number);
        let from = from.ok_or_else(|| wrong("it does not say from where"))?;
        let (path, checkpoint) = path(rest).ok_or_else(|| wrong("a line of it is no hash"))?;
        Ok(Self { from, path, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }
}

/// The text.
impl fmt::Display for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("old {}\n", self.from);
        put_path(&mut text, &self.path);
        write!(f, "{text}{}", self.checkpoint)
    }
}

/// Hashes, one a line, and an empty line.
fn put_path(text: &mut String, path: &[Hash]) {
    for hash in path {
        text.push_str(&encode_hash(hash));
        text.push('\n');
    }
    text.push('\n');
}

/// Reads [`put_path`]; answers what stands behind it too.
fn path(mut text: &str) -> Option<(Vec<Hash>, &str)> {
    let mut path = Vec::new();
    loop {
        let (line, rest) = text.split_once('\n')?;
        text = rest;
        if line.is_empty() {
            return Some((path, text));
        }
        if path.len() == PATH_MAX {
            return None;
        }
        path.push(decode_hash(line)?);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::proof::{MemoryTree, naive_root};
    use crate::merkle::signer::Signer;

    const ORIGIN: &str = "log.example/chats";

    fn signer() -> Signer {
        Signer::new(ORIGIN, &[7; 32]).unwrap()
    }

    fn opening() -> Opening {
        Opening { salt: Zeroizing::new([3; SALT_LEN]), canonical: Zeroizing::new(b"record".to_vec()) }
    }

    /// A tree in which the record stands at `index`.
    fn tree(size: u64, index: u64) -> MemoryTree {
        let mut tree = MemoryTree::of(size);
        tree.0[index as usize] = opening().leaf();
        tree
    }

    fn head(tree: &MemoryTree, size: u64) -> SignedCheckpoint {
        let root = naive_root(&tree.0[..size as usize]);
        SignedCheckpoint::sign(Checkpoint { origin: ORIGIN.into(), size, root }, &signer()).unwrap()
    }

    fn proof(size: u64, index: u64) -> RecordProof {
        let tree = tree(size, index);
        let inclusion = Inclusion::prove(&tree, Seq(index), size).unwrap();
        RecordProof { opening: opening(), inclusion, checkpoint: head(&tree, size) }
    }

    fn advance(from: u64, to: u64) -> (SignedCheckpoint, Advance) {
        let tree = tree(to, 0);
        let path = Consistency::prove(&tree, from, to).unwrap().path;
        (head(&tree, from), Advance { from, path, checkpoint: head(&tree, to) })
    }

    #[test]
    fn it_reads_as_it_was_printed_and_verifies() {
        let key = signer().verifier_key();
        for (size, index) in [(1, 0), (2, 1), (300, 17), (256, 255)] {
            let proof = proof(size, index);
            let read = RecordProof::parse(proof.to_text().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(read.verify(&key).unwrap().size, size);
            let (earlier, advance) = advance(index, size);
            let read = Advance::parse(advance.to_string().as_bytes()).unwrap();
            assert_eq!(read, advance);
            assert_eq!(read.verify(&earlier, &key).unwrap().size, size);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let key = signer().verifier_key();
        let text = proof(11, 6).to_text();
        let (earlier, advance) = advance(6, 11);
        let steps = advance.to_string();
        let proves = |b: &[u8]| RecordProof::parse(b).is_ok_and(|p| p.verify(&key).is_ok());
        let continues = |b: &[u8]| Advance::parse(b).is_ok_and(|p| p.verify(&earlier, &key).is_ok());
        assert!(proves(text.as_bytes()) && continues(steps.as_bytes()));
        for (bytes, holds) in
            [(text.as_bytes(), &proves as &dyn Fn(&[u8]) -> bool), (steps.as_bytes(), &continues)]
        {
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!holds(&changed), "bit {bit}");
            }
            for len in 0..bytes.len() {
                assert!(!holds(&bytes[..len]), "{len} bytes");
            }
            assert!(!holds(&[bytes, b"\n"].concat()));
        }
    }

    #[test]
    fn a_proof_of_another_tree_size_or_log_is_refused() {
        let key = signer().verifier_key();
        let good = proof(11, 6);
        let later = head(&tree(12, 6), 12);
        let swapped = RecordProof { checkpoint: later.clone(), ..good.clone() };
        assert!(swapped.verify(&key).is_err());
        let resized =
            RecordProof { inclusion: Inclusion { size: 12, ..good.inclusion.clone() }, ..good.clone() };
        assert!(resized.verify(&key).is_err());
        let other = Signer::new(ORIGIN, &[8; 32]).unwrap().verifier_key();
        assert!(good.verify(&other).is_err());
        // An advance says nothing of a third checkpoint.
        let (_, steps) = advance(6, 11);
        assert!(steps.verify(&head(&tree(11, 0), 7), &key).is_err());
        assert!(steps.verify(&head(&MemoryTree::of(11), 6), &key).is_err(), "a fork of the same size");
        // Nor does one that is shorter.
        let back = Advance { from: 12, path: Vec::new(), checkpoint: head(&tree(11, 0), 11) };
        assert!(back.verify(&head(&tree(12, 0), 12), &key).is_err());
    }

    #[test]
    fn an_opening_shows_no_content() {
        assert!(!format!("{:?}", proof(2, 1)).contains("record\""));
        // Nobody signed the version, so another one is no sign of a newer program.
        assert!(matches!(Opening::decode(&[2; 40]), Err(e) if e.kind() == crate::error::ErrorKind::Corrupt));
        assert!(Opening::decode(&[1; 16]).is_err() && Opening::decode(&[]).is_err());
    }

    proptest! {
        #[test]
        fn anything_reads_and_prints_the_same_or_is_refused(
            text in "(c2sp.org/tlog-proof@v1\nextra [A-Za-z0-9+/]{24}\nindex 0?[0-9]\n|old [0-9]{1,3}\n)([A-Za-z0-9+/]{43}=\n){0,2}\no\n1\n[A-Za-z0-9+/]{43}=\n\n\u{2014} o AAAAAAAA\n"
        ) {
            if let Ok(read) = RecordProof::parse(text.as_bytes()) {
                prop_assert_eq!(&*read.to_text(), &text);
            }
            if let Ok(read) = Advance::parse(text.as_bytes()) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
