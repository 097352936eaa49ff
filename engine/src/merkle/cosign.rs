//! Cosignatures (C2SP tlog-cosignature, Ed25519): a witness says that and when it saw a head of a
//! log continue all that it saw of that log before.
//!
//! ```text
//! line of a note     — name of the witness base64(key id 4 ‖ time 8 ‖ Ed25519 signature 64)
//! what is signed     cosignature/v1\n
//!                    time 1679315147\n          seconds since 1970, the same number as in the line
//!                    text of the checkpoint     with its last newline
//! ```
//!
//! Lines of other algorithms (ML-DSA-44, type 6) are of unknown keys here and left alone.

use std::fmt;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::note::{NoteSignature, SIGNATURES_MAX};
use crate::merkle::signer::{KeyKind, VerifierKey, check_name};

/// Latest time that may stand in a cosignature.
const TIME_MAX: u64 = i64::MAX as u64;
/// How the seed of a witness is written.
const SECRET: &str = "PRIVATE+KEY+";

/// A witness's secret key under a name. It is wiped on drop.
///
/// ```
/// use escrowdb::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
/// use escrowdb::merkle::{cosign::Cosigner, hash::Hash, policy::Policy, signer::Signer};
/// let (log, witness) = (Signer::new("log.example", &[7; 32])?, Cosigner::new("w.example", &[8; 32])?);
/// let head = Checkpoint { origin: "log.example".into(), size: 0, root: Hash::empty_root() };
/// let signed = SignedCheckpoint::sign(head, &log)?;
/// let both = signed.with(&[witness.cosign(&signed, 1_679_315_147)?])?;
/// let policy = format!("log {}\nwitness w {}\nquorum w\n", log.verifier_key(), witness.verifier_key());
/// let policy = Policy::parse(policy.as_bytes())?;
/// assert!(policy.verify(&signed).is_err());
/// assert_eq!(policy.verify(&both)?.size, 0);
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub struct Cosigner {
    name: String,
    key: SigningKey,
}

impl Cosigner {
    /// The key of this seed under a name.
    ///
    /// # Errors
    /// *Invalid* if it is no name of a key.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    /// What checks its signatures.
    pub fn verifier_key(&self) -> VerifierKey {
        VerifierKey::from_parts(&self.name, KeyKind::Witness, self.key.verifying_key())
    }

    /// Its line for a checkpoint, at `time` in seconds since 1970. Whether the checkpoint continues
    /// what was seen before is asked elsewhere ([`witness`](crate::merkle::witness)).
    ///
    /// # Errors
    /// *Invalid* if the time is out of range.
    pub fn cosign(&self, head: &SignedCheckpoint, time: u64) -> Result<NoteSignature> {
        if time > TIME_MAX {
            return Err(Error::invalid("no such time can stand in a cosignature"));
        }
        let signature = self.key.sign(message(time, head.note().text()).as_bytes());
        let bytes = [&time.to_be_bytes()[..], &signature.to_bytes()].concat();
        Ok(NoteSignature { name: self.name.clone(), id: self.verifier_key().id(), bytes })
    }

    /// The seed and the name, as a file keeps them: `PRIVATE+KEY+name+id+base64(4 ‖ seed)`, a line.
    pub fn to_secret(&self) -> Zeroizing<String> {
        let mut typed = Zeroizing::new([KeyKind::Witness as u8; 33]);
        typed[1..].copy_from_slice(self.key.as_bytes());
        let encoded = Zeroizing::new(Base64::encode_string(&*typed));
        let id = u32::from_be_bytes(self.verifier_key().id());
        Zeroizing::new(format!("{SECRET}{}+{id:08x}+{}\n", self.name, *encoded))
    }

    /// Reads [`Cosigner::to_secret`].
    ///
    /// # Errors
    /// *Corrupt* if it is none; nothing of it is repeated.
    pub fn from_secret(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::corrupt("it is no secret key of a witness");
        let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
        let mut parts = text.strip_prefix(SECRET).ok_or_else(wrong)?.trim_end().splitn(3, '+');
        let (Some(name), Some(_), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let mut buffer = Zeroizing::new([0; 33]);
        let typed = Base64::decode(typed, &mut *buffer).map_err(|_| wrong())?;
        let read = match typed.split_first() {
            Some((4, seed)) => Self::new(name, seed.try_into().map_err(|_| wrong())?)?,
            _ => return Err(wrong()),
        };
        // The id says that name and seed belong together.
        if *read.to_secret() != text {
            return Err(wrong());
        }
        Ok(read)
    }
}

/// Without the key.
impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// When a cosignature says that it was made, in seconds since 1970; `None` if it can't be one.
pub fn time(line: &NoteSignature) -> Option<u64> {
    split(&line.bytes).map(|(time, _)| time)
}

/// When `witness` says that it cosigned a head, in seconds since 1970; the latest time, if it says several.
/// Nothing is verified.
pub fn latest(head: &SignedCheckpoint, witness: &VerifierKey) -> Option<u64> {
    let is_its = |s: &&NoteSignature| s.name == witness.name() && s.id == witness.id();
    head.note().signatures().iter().filter(is_its).filter_map(time).max()
}

/// Reads lines of signatures, as a witness answers them: one or more, each with its newline.
///
/// # Errors
/// *Corrupt* if there are none, too many, or if one is no line of a signature.
pub fn lines(bytes: &[u8]) -> Result<Vec<NoteSignature>> {
    let wrong = || Error::corrupt("these are no lines of cosignatures");
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n')).ok_or_else(wrong)?;
    let lines: Option<Vec<_>> = text.split('\n').take(SIGNATURES_MAX + 1).map(NoteSignature::parse).collect();
    lines.filter(|lines| lines.len() <= SIGNATURES_MAX).ok_or_else(wrong)
}

/// Time and signature of a cosignature.
pub(super) fn split(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = bytes.split_first_chunk()?;
    let time = u64::from_be_bytes(*time);
    (time <= TIME_MAX && signature.len() == 64).then_some((time, signature))
}

/// What a witness signs.
pub(super) fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::checkpoint::Checkpoint;
    use crate::merkle::hash::Hash;
    use crate::merkle::note::Note;
    use crate::merkle::policy::Policy;
    use crate::merkle::signer::Signer;

    /// A head of a public log of certificates and what a public witness said of it, and the key that this
    /// witness announces.
    const PUBLIC: &str = "coachandhorses2026h1.staging.certificate.transparency.goog\n\
        185550722\n\
        YXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=\n\
        \n\
        — coachandhorses2026h1.staging.certificate.transparency.goog MpXgsHy8ZwxXnO+WjtVrPxAzL49Rs1gWTkNVNeEa//5peAzaocRCB3qt3EaibjzY5GILLtGgBP7dBhgcSHy+JQh0OAc=\n\
        — witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==\n";
    const WITNESS: &str =
        "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G";

    fn log() -> Signer {
        Signer::new("log.example", &[7; 32]).unwrap()
    }

    fn head(size: u64) -> SignedCheckpoint {
        let root = Hash([size as u8; 32]);
        SignedCheckpoint::sign(Checkpoint { origin: "log.example".into(), size, root }, &log()).unwrap()
    }

    fn witness() -> Cosigner {
        Cosigner::new("w.example", &[8; 32]).unwrap()
    }

    fn policy() -> Policy {
        let (log, witness) = (log().verifier_key(), witness().verifier_key());
        Policy::parse(format!("log {log}\nwitness w {witness}\nquorum w\n").as_bytes()).unwrap()
    }

    #[test]
    fn a_cosignature_of_a_public_witness_verifies() {
        let (note, key) = (Note::parse(PUBLIC.as_bytes()).unwrap(), WITNESS.parse::<VerifierKey>().unwrap());
        assert_eq!(note.verify(&[&key]).unwrap(), [&key]);
        assert_eq!(time(&note.signatures()[1]), Some(1_785_704_691));
        // The log's own signature is no cosignature: by its size, whatever it says.
        assert_eq!(time(&note.signatures()[0]), None);
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let policy = policy();
        let both =
            head(1042).with(&[witness().cosign(&head(1042), 1_700_000_000).unwrap()]).unwrap().to_string();
        policy.verify(&SignedCheckpoint::parse(both.as_bytes()).unwrap()).unwrap();
        for bit in 0..both.len() * 8 {
            let mut bytes = both.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = SignedCheckpoint::parse(&bytes).and_then(|read| policy.verify(&read).map(drop));
            assert!(opened.is_err(), "bit {bit}");
        }
    }

    /// Pinned: what a witness said must be read by every later program.
    #[test]
    fn is_pinned() {
        assert_eq!(
            message(5, head(1).note().text()),
            format!("cosignature/v1\ntime 5\n{}", head(1).note().text())
        );
        assert_eq!(
            witness().cosign(&head(1042), 1_700_000_000).unwrap().to_string(),
            "\u{2014} w.example KGuapQAAAABlU/EAx4784+CUL6Jlx64sAN/iAXb+/6OTKRX/cxGoS4UFIqjWGbWyUiRDs9GCad3HuWViCp10NdI97E5VXdXn6S4RAA==\n"
        );
    }

    #[test]
    fn keys_of_one_kind_do_not_count_as_the_other() {
        let seed = [8; 32];
        let (as_log, as_witness) = (Signer::new("w.example", &seed).unwrap(), witness());
        assert_ne!(as_log.verifier_key().id(), as_witness.verifier_key().id());
        let text = head(5).note().text().to_owned();
        // The bytes of a plain signature under the id of a witness, with a time before them or not.
        let plain = as_log.sign(&text).unwrap().signatures()[0].bytes.clone();
        for bytes in [plain.clone(), [&[0; 8][..], &plain].concat()] {
            let line = NoteSignature { bytes, ..as_witness.cosign(&head(5), 0).unwrap() };
            assert!(
                Note::new(text.clone(), vec![line]).unwrap().verify(&[&as_witness.verifier_key()]).is_err()
            );
        }
        // And nobody's head is taken by the key of a witness that has the log's name.
        let named = Cosigner::new("log.example", &[7; 32]).unwrap();
        let line = named.cosign(&head(5), 0).unwrap();
        assert!(head(5).with(std::slice::from_ref(&line)).is_err());
        let alone = Note::new(text, vec![line]).unwrap().to_string();
        let alone = SignedCheckpoint::parse(alone.as_bytes()).unwrap();
        assert!(alone.verify(&named.verifier_key()).is_err());
    }

    #[test]
    fn times_and_lines() {
        let line = witness().cosign(&head(5), TIME_MAX).unwrap();
        assert!(policy().verify(&head(5).with(std::slice::from_ref(&line)).unwrap()).is_ok());
        assert!(witness().cosign(&head(5), TIME_MAX + 1).is_err());
        let mut late = line.clone();
        late.bytes[0] = 0x80;
        assert!(policy().verify(&head(5).with(&[late]).unwrap()).is_err());
        // A later one of the same witness takes the place of the earlier.
        let twice = head(5)
            .with(std::slice::from_ref(&line))
            .unwrap()
            .with(&[witness().cosign(&head(5), 9).unwrap()])
            .unwrap();
        assert_eq!(twice.note().signatures().len(), 2);
        assert_eq!(policy().cosigned(&twice).unwrap()[0].1, 9);
        assert_eq!(lines(format!("{line}{line}").as_bytes()).unwrap(), [line.clone(), line.clone()]);
        let text = line.to_string();
        for bad in [String::new(), "\n".into(), text.trim_end().into(), format!("{text}\n"), text.repeat(65)]
        {
            assert!(lines(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_round_trip_and_every_change_is_refused() {
        let text = witness().to_secret();
        let read = Cosigner::from_secret(text.as_bytes()).unwrap();
        assert_eq!(read.verifier_key(), witness().verifier_key());
        assert!(!format!("{read:?}").contains(&text[40..60]));
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(Cosigner::from_secret(&bytes).is_err(), "{at}");
            assert!(Cosigner::from_secret(&text.as_bytes()[..at]).is_err());
        }
    }

    proptest! {
        #[test]
        fn anything_is_lines_or_refused(text in "(\u{2014} [a-z+]{0,3} [A-Za-z0-9+/]{0,12}={0,2}\n?){0,3}") {
            if let Ok(read) = lines(text.as_bytes()) {
                prop_assert_eq!(read.iter().map(ToString::to_string).collect::<String>(), text);
            }
        }
    }
}
