//! Checkpoints (C2SP tlog-checkpoint): the signed head of a log.
//!
//! ```text
//! escrowdb.local/3f...                origin: which log
//! 1042                                how many leaves
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=          root over them
//!
//! — escrowdb.local/3f... Az3grlgt...
//! ```
//!
//! A store that has a region says so in a fourth line, `region eu`: an extension line of C2SP, which readers
//! who don't know it leave alone.
//!
//! Who keeps one outside of the store can show later that the log was cut, put back or changed: no
//! other tree of so many leaves has that root. A log never signs two that are not one the
//! continuation of the other.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::error::{Error, Result};
use crate::merkle::hash::Hash;
use crate::merkle::note::{Note, NoteSignature};
use crate::merkle::signer::{KeyKind, Signer, VerifierKey, is_name};

/// Beginning of the extension line that names a region.
const REGION: &str = "region ";

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed, without extension lines.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, encode_hash(&self.root))
    }

    /// Reads the text of a note. Extension lines are left alone; the signature covers them.
    ///
    /// # Errors
    /// *Corrupt* if it is none of a checkpoint.
    pub fn from_text(text: &str) -> Result<Self> {
        let wrong =
            || Error::corrupt("it is no checkpoint: three lines, origin, size and root, stand in one");
        let mut lines = text.strip_suffix('\n').ok_or_else(wrong)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong());
        };
        if !is_name(origin) || lines.any(str::is_empty) {
            return Err(wrong());
        }
        let size = number(size).ok_or_else(wrong)?;
        let root = decode_hash(root).ok_or_else(wrong)?;
        if size == 0 && root != Hash::empty_root() {
            return Err(Error::corrupt("a log without leaves has another root"));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// Whom somebody believes that a log has a head: the log's key ([`VerifierKey`]), or a
/// [`Policy`](crate::merkle::policy::Policy) of witnesses too.
pub trait Trust {
    /// Whether the signatures of a checkpoint are enough.
    ///
    /// # Errors
    /// *Corrupt* if not; it says what is missing.
    fn check(&self, head: &SignedCheckpoint) -> Result<()>;

    /// The keys of the log of this origin, under which other notes of that log are believed. Empty if it is
    /// not known.
    fn keys_of(&self, origin: &str) -> Vec<&VerifierKey>;
}

/// The log's key, and no witness.
impl Trust for VerifierKey {
    fn check(&self, head: &SignedCheckpoint) -> Result<()> {
        if self.kind() != KeyKind::Log {
            return Err(
                Error::corrupt("a witness's key makes no checkpoints").hint("check with the log's key")
            );
        }
        if self.name() != head.checkpoint.origin {
            return Err(Error::corrupt("it is the checkpoint of another log")
                .hint("its first line names the log; check with the key of that one"));
        }
        head.note.verify(&[self])?;
        Ok(())
    }

    fn keys_of(&self, origin: &str) -> Vec<&VerifierKey> {
        let is_its = self.kind() == KeyKind::Log && self.name() == origin;
        is_its.then_some(self).into_iter().collect()
    }
}

/// A checkpoint and its signatures. What it says counts only behind [`SignedCheckpoint::verify`].
///
/// ```
/// use escrowdb::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
/// use escrowdb::merkle::{hash::Hash, signer::Signer};
/// let signer = Signer::new("log.example/chats", &[7; 32])?;
/// let head = Checkpoint { origin: "log.example/chats".into(), size: 0, root: Hash::empty_root() };
/// let signed = SignedCheckpoint::sign(head, &signer)?;
/// let read = SignedCheckpoint::parse(signed.to_string().as_bytes())?;
/// assert_eq!(read.verify(&signer.verifier_key())?.size, 0);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Signs it by the log's key.
    ///
    /// # Errors
    /// *Invalid* if the key has another name than the log.
    pub fn sign(checkpoint: Checkpoint, signer: &Signer) -> Result<Self> {
        Self::sign_in(checkpoint, "", signer)
    }

    /// The same with the region of the store, if it has one, in an extension line.
    ///
    /// # Errors
    /// As of [`sign`](Self::sign).
    pub fn sign_in(checkpoint: Checkpoint, region: &str, signer: &Signer) -> Result<Self> {
        if signer.verifier_key().name() != checkpoint.origin {
            return Err(Error::invalid("a log is signed by the key of its name"));
        }
        let mut text = checkpoint.to_text();
        // A line that others could not read back is none.
        if !region.is_empty() && !region.contains(char::is_control) {
            text.push_str(&format!("{REGION}{region}\n"));
        }
        Ok(Self { note: signer.sign(&text)?, checkpoint })
    }

    /// The region that it names, if it names one. The signature covers it.
    pub fn region(&self) -> Option<&str> {
        self.note.text().lines().skip(3).find_map(|line| line.strip_prefix(REGION))
    }

    /// Reads one. Nothing is verified.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let note = Note::parse(bytes)?;
        Ok(Self { checkpoint: Checkpoint::from_text(note.text())?, note })
    }

    /// What it says, if it is signed as `trust` wants: by the key of the log, or as a policy says.
    ///
    /// # Errors
    /// *Corrupt* if not.
    pub fn verify(&self, trust: &dyn Trust) -> Result<&Checkpoint> {
        trust.check(self)?;
        Ok(&self.checkpoint)
    }

    /// The same with signatures of others beside it, one a key: of two by the same key the one in
    /// `others` stays. Nothing is verified.
    ///
    /// # Errors
    /// *Invalid* if it would be too many, or if one claims to be of a key that signed it as the log.
    pub fn with(&self, others: &[NoteSignature]) -> Result<Self> {
        let mut all: Vec<NoteSignature> = self.note.signatures().to_vec();
        for other in others {
            if other.name == self.checkpoint.origin {
                return Err(Error::invalid("a cosignature has the name of the log"));
            }
            all.retain(|s| (&s.name, s.id) != (&other.name, other.id));
            all.push(other.clone());
        }
        let note = Note::new(self.note.text().to_owned(), all)?;
        Ok(Self { checkpoint: self.checkpoint.clone(), note })
    }

    /// The same without a look at any signature.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Text and signatures.
    pub fn note(&self) -> &Note {
        &self.note
    }
}

/// The note.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// A number in its one decimal form.
pub(crate) fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash as notes and proofs write it.
pub(crate) fn encode_hash(hash: &Hash) -> String {
    Base64::encode_string(&hash.0)
}

/// Reads [`encode_hash`].
pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    let mut hash = [0; Hash::LEN];
    let decoded = Base64::decode(text, &mut hash).ok()?;
    (decoded.len() == Hash::LEN).then_some(Hash(hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of C2SP tlog-cosignature: a log's signature, and that of a witness beside it.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

    fn signer() -> Signer {
        Signer::new("log.example/chats", &[7; 32]).unwrap()
    }

    fn signed(size: u64) -> SignedCheckpoint {
        let root = if size == 0 { Hash::empty_root() } else { Hash([size as u8; 32]) };
        let origin = "log.example/chats".to_owned();
        SignedCheckpoint::sign(Checkpoint { origin, size, root }, &signer()).unwrap()
    }

    #[test]
    fn a_region_is_signed_and_left_alone_by_who_does_not_know_it() {
        let head = signed(5).unverified().clone();
        assert_eq!(SignedCheckpoint::sign_in(head.clone(), "", &signer()).unwrap(), signed(5));
        let there = SignedCheckpoint::sign_in(head.clone(), "eu", &signer()).unwrap();
        let read = SignedCheckpoint::parse(there.to_string().as_bytes()).unwrap();
        assert_eq!(read.verify(&signer().verifier_key()).unwrap(), &head);
        assert_eq!((read.region(), signed(5).region()), (Some("eu"), None));
        let moved = there.to_string().replace("region eu", "region us");
        assert!(SignedCheckpoint::parse(moved.as_bytes()).unwrap().verify(&signer().verifier_key()).is_err());
        assert_eq!(SignedCheckpoint::sign_in(head, "e\nu", &signer()).unwrap().region(), None);
    }

    #[test]
    fn the_published_example_reads_and_prints_the_same() {
        let read = SignedCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
        let Checkpoint { origin, size, root } = read.unverified();
        assert_eq!((&**origin, *size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(&root.to_string()[..8], "0ac5186a");
        assert_eq!(read.to_string(), EXAMPLE);
        assert_eq!(read.note().signatures().len(), 2);
    }

    /// Pinned, as another implementation of Ed25519 makes it: a change would make every checkpoint that
    /// somebody kept worthless.
    #[test]
    fn is_pinned() {
        assert_eq!(
            signed(1042).to_string(),
            "log.example/chats\n1042\nEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISEhI=\n\n— log.example/chats DEIk27sYlHESfQ7DNyx8e8gs+B/hj1Gz9w8HGlpZOucMRttozS5SuDey0vU1CTzYs45cDYEv9v+Pg1NpnYhCht3bcwA=\n"
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let (note, key) = (signed(1042).to_string(), signer().verifier_key());
        SignedCheckpoint::parse(note.as_bytes()).unwrap().verify(&key).unwrap();
        let opens = |bytes: &[u8]| SignedCheckpoint::parse(bytes).is_ok_and(|read| read.verify(&key).is_ok());
        for bit in 0..note.len() * 8 {
            let mut bytes = note.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&bytes), "bit {bit}");
        }
        for len in 0..note.len() {
            assert!(!opens(&note.as_bytes()[..len]), "{len} bytes");
        }
    }

    #[test]
    fn only_the_key_of_the_log_counts() {
        let checkpoint = signed(5);
        // The same key under another name, and another key under the same name.
        assert!(checkpoint.verify(&Signer::new("other", &[7; 32]).unwrap().verifier_key()).is_err());
        assert!(
            checkpoint.verify(&Signer::new("log.example/chats", &[8; 32]).unwrap().verifier_key()).is_err()
        );
        let foreign = Checkpoint { origin: "other".into(), ..checkpoint.unverified().clone() };
        assert!(SignedCheckpoint::sign(foreign, &signer()).is_err());
    }

    #[test]
    fn texts_of_the_specification() {
        let root = encode_hash(&Hash([1; 32]));
        let empty = encode_hash(&Hash::empty_root());
        for good in
            [format!("o\n1\n{root}\n"), format!("o\n0\n{empty}\n"), format!("o\n7\n{root}\nmore\nand more\n")]
        {
            assert!(Checkpoint::from_text(&good).is_ok(), "{good}");
        }
        for bad in [
            String::new(),
            format!("o\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("o o\n1\n{root}\n"),
            format!("o\n01\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n1 \n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("o\n0\n{root}\n"),
            format!("o\n1\n{}\n", &root[..43]),
            format!("o\n1\n{}\n", &root[4..]),
            format!("o\n1\n{root}\n\n"),
            format!("o\n1\n{root}\n\nx\n"),
        ] {
            assert!(Checkpoint::from_text(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_reads_or_is_refused(text in "[a-z ]{0,4}\n[0-9+]{0,21}\n[A-Za-z0-9+/]{0,44}=?\n([a-z\n]{0,5}\n)?") {
            if let Ok(read) = Checkpoint::from_text(&text) {
                prop_assert!(text.starts_with(&read.to_text()));
            }
        }
    }
}
