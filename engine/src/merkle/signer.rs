//! Keys of signed notes (C2SP signed-note): who signs, and who checks.
//!
//! ```text
//! verifier key   <name>+<key id, 8 hexadecimal digits>+<base64 of type ‖ Ed25519 public key 32>
//! type           1 signs notes: keys of logs; 4 cosigns heads of logs: keys of witnesses
//! key id         first 4 bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key)
//! ```
//!
//! The id says which key a signature claims to be of; it proves nothing.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::merkle::cosign;
use crate::merkle::note::{Note, NoteSignature};

/// Longest name of a key, in bytes. The longest origin of a store is shorter.
const NAME_MAX: usize = 1024;

/// First bytes of the hash of a key and its name.
pub type KeyId = [u8; 4];

/// What a key signs. Its number stands in the key and in its id, so that no signature of one kind
/// counts as one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The text of a note: the key of a log.
    Log = 1,
    /// That and when a head of a log was seen to continue the earlier ones: the key of a witness
    /// ([`crate::merkle::cosign`]).
    Witness = 4,
}

/// A public key under a name: what whoever checks notes must have from somebody he trusts.
///
/// ```
/// use escrowdb::merkle::signer::{Signer, VerifierKey};
/// let signer = Signer::new("log.example/chats", &[7; 32])?;
/// let note = signer.sign("hello\n")?;
/// let key: VerifierKey = signer.verifier_key().to_string().parse()?;
/// note.verify(&[&key])?;
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public: VerifyingKey,
}

impl VerifierKey {
    /// The key of a log under a name.
    ///
    /// # Errors
    /// *Invalid* if it is no name of a key, or no key that can sign.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<Self> {
        Self::of_kind(KeyKind::Log, name, public)
    }

    /// The key of a kind under a name.
    ///
    /// # Errors
    /// *Invalid* if it is no name of a key, or no key that can sign.
    pub fn of_kind(kind: KeyKind, name: &str, public: &[u8; 32]) -> Result<Self> {
        check_name(name)?;
        let public = VerifyingKey::from_bytes(public).ok().filter(|key| !key.is_weak());
        let public = public.ok_or_else(|| Error::invalid("it is no Ed25519 key that signs"))?;
        Ok(Self { name: name.to_owned(), kind, public })
    }

    pub(super) fn from_parts(name: &str, kind: KeyKind, public: VerifyingKey) -> Self {
        Self { name: name.to_owned(), kind, public }
    }

    /// What it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key without name and kind.
    pub fn public(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// Its name; of a log's key that is the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which key a signature claims to be of.
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new().chain_update(&self.name).chain_update(b"\n").chain_update(self.typed());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        [a, b, c, d]
    }

    /// Whether a signature is of this key over this text.
    pub(super) fn signed(&self, text: &str, signature: &[u8]) -> bool {
        // Strict: nobody makes a second signature from one, and no key signs everything.
        let holds = |message: &str, signature: &[u8]| {
            Signature::from_slice(signature)
                .is_ok_and(|s| self.public.verify_strict(message.as_bytes(), &s).is_ok())
        };
        match self.kind {
            KeyKind::Log => holds(text, signature),
            KeyKind::Witness => {
                cosign::split(signature).is_some_and(|(time, s)| holds(&cosign::message(time, text), s))
            }
        }
    }

    fn typed(&self) -> [u8; 33] {
        let mut typed = [self.kind as u8; 33];
        typed[1..].copy_from_slice(self.public.as_bytes());
        typed
    }
}

/// As it is handed out.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, Base64::encode_string(&self.typed()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what `Display` prints; every other form is refused.
impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::invalid(format!("it is no verifier key: {what}"))
                .hint("name+key id+base64, one line, as `escrow key public` prints it")
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it has no three parts"));
        };
        let typed = Base64::decode_vec(typed).map_err(|_| wrong("its last part is not base64"))?;
        let kind = match typed.first() {
            Some(1) => KeyKind::Log,
            Some(4) => KeyKind::Witness,
            _ => return Err(wrong("only Ed25519 keys of logs (type 1) and of witnesses (type 4) are known")),
        };
        let public = typed[1..].try_into().map_err(|_| wrong("it has another length"))?;
        let key = Self::of_kind(kind, name, public)?;
        if key.to_string() != text {
            return Err(wrong("its id is not that of its name and key"));
        }
        Ok(key)
    }
}

/// A log's secret key under a name. It is wiped on drop.
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl Signer {
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
        VerifierKey { name: self.name.clone(), kind: KeyKind::Log, public: self.key.verifying_key() }
    }

    /// The text with a signature. The same text gives the same bytes.
    ///
    /// # Errors
    /// *Invalid* if the text can't stand in a note.
    pub fn sign(&self, text: &str) -> Result<Note> {
        let bytes = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        let signature = NoteSignature { name: self.name.clone(), id: self.verifier_key().id(), bytes };
        Note::new(text.to_owned(), vec![signature])
    }
}

/// Whether it can stand as a name in a line of a signature and in a verifier key.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

pub(super) fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::invalid("it is not the name of a key")
        .hint("one or more characters without white space, control characters and +"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example key of the Go package golang.org/x/mod/sumdb/note, of which C2SP made its specification.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_published_example_is_a_key() {
        let key: VerifierKey = PETER.parse().unwrap();
        assert_eq!((key.name(), key.id()), ("PeterNeumann", [0xc7, 0x4f, 0x20, 0xa3]));
        assert_eq!(key.to_string(), PETER);
    }

    #[test]
    fn every_changed_character_is_refused() {
        for at in 0..PETER.len() {
            for other in ['A', 'b', '0', '+', '/', ' ', 'é', '\n'] {
                let mut text = PETER.to_owned();
                text.replace_range(at..=at, &other.to_string());
                assert!(text == PETER || text.parse::<VerifierKey>().is_err(), "{text}");
            }
            assert!(PETER[..at].parse::<VerifierKey>().is_err());
        }
    }

    #[test]
    fn other_types_and_keys_that_sign_everything_are_refused() {
        let text = |kind: u8, public: [u8; 32]| {
            let typed = [&[kind][..], &public].concat();
            let id = Sha256::new().chain_update(b"n\n").chain_update(&typed).finalize();
            let id: String = id[..4].iter().map(|b| format!("{b:02x}")).collect();
            format!("n+{id}+{}", Base64::encode_string(&typed))
        };
        let good = *SigningKey::from_bytes(&[1; 32]).verifying_key().as_bytes();
        assert_eq!(text(1, good).parse::<VerifierKey>().unwrap().kind(), KeyKind::Log);
        assert_eq!(text(4, good).parse::<VerifierKey>().unwrap().kind(), KeyKind::Witness);
        for kind in [0, 2, 3, 5, 6, 255] {
            assert!(text(kind, good).parse::<VerifierKey>().is_err(), "{kind}");
        }
        // The neutral point: under it a signature of zeros would hold for any text.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(text(1, neutral).parse::<VerifierKey>().is_err());
    }

    #[test]
    fn names() {
        for good in ["a", "log.example/chats", "escrowdb.local/00ff", "日本"] {
            assert!(Signer::new(good, &[1; 32]).is_ok(), "{good}");
        }
        for bad in
            ["", " ", "a b", "a+b", "a\n", "a\u{a0}b", "a\u{2003}b", "a\u{7f}", "\u{85}", &"n".repeat(1025)]
        {
            assert!(Signer::new(bad, &[1; 32]).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_a_key_or_refused(text in "[a-z+]{0,9}[+]?[0-9a-f]{0,8}[+]?[A-Za-z0-9+/=]{0,48}") {
            if let Ok(key) = text.parse::<VerifierKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }

        #[test]
        fn keys_round_trip(name in "[^\\s+\\p{Cc}]{1,20}", seed in any::<[u8; 32]>()) {
            let key = Signer::new(&name, &seed).unwrap().verifier_key();
            prop_assert_eq!(key.to_string().parse::<VerifierKey>().unwrap(), key);
        }
    }
}
