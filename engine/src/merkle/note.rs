//! Signed notes (C2SP signed-note): a text, an empty line, and who signed it.
//!
//! ```text
//! text, one line or more
//!                                                        an empty line: the last one of the note
//! — name base64(key id 4 ‖ signature)
//! — ...
//! ```
//!
//! A signature covers the text with its last newline, without the empty line. Signatures of keys
//! that nobody knows are left alone: so witnesses add theirs and keys change. One that claims to be
//! of a known key and is not makes the whole note worthless.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::error::{Error, Result};
use crate::merkle::signer::{KeyId, VerifierKey, is_name};

/// Signatures of a note at most. C2SP wants 16 or more.
pub const SIGNATURES_MAX: usize = 64;
/// Bytes of a signature at most; those of quantum-safe algorithms have up to 5,000.
const SIGNATURE_MAX: usize = 8 * 1024;
/// Bytes of a note at most.
pub const NOTE_MAX: usize = 1024 * 1024;
/// How a line of a signature begins.
const DASH: &str = "\u{2014} ";

/// A signed note. What it says counts only behind [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: KeyId,
    /// What its algorithm made.
    pub bytes: Vec<u8>,
}

impl Note {
    /// A note of these parts.
    ///
    /// # Errors
    /// *Invalid* if it would not read back as it is.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self> {
        let note = Self { text, signatures };
        match Self::parse(note.to_string().as_bytes()) {
            Ok(read) if read == note => Ok(note),
            _ => Err(Error::invalid("that is no text of a note, or no signatures of one")),
        }
    }

    /// Reads a note. There is one form: what is read prints as the same bytes.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::corrupt(format!("it is no signed note: {what}"));
        if bytes.len() > NOTE_MAX {
            return Err(wrong("it is too long"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(wrong("it holds control characters"));
        }
        let split = note.rfind("\n\n").ok_or_else(|| wrong("it has no empty line"))?;
        let (text, rest) = note.split_at(split + 1);
        let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or_else(|| wrong("it does not end behind a signature"))?;
        let signatures: Option<Vec<_>> =
            lines.split('\n').take(SIGNATURES_MAX + 1).map(NoteSignature::parse).collect();
        let signatures = signatures.ok_or_else(|| wrong("a line behind the empty one is no signature"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(wrong("it has too many signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature, known or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Which of `keys` signed the text.
    ///
    /// # Errors
    /// *Corrupt* if none did, or if a signature that names one of them is not of it.
    pub fn verify<'k>(&self, keys: &[&'k VerifierKey]) -> Result<Vec<&'k VerifierKey>> {
        let signed = self.signed_by(keys)?;
        if signed.is_empty() {
            let is_of = |key: &&VerifierKey| self.signatures.iter().any(|s| s.name == key.name());
            return Err(match keys.iter().copied().find(is_of) {
                // What was signed before a change of key stays signed by the old one.
                Some(key) => Error::corrupt(format!("another key of {} signed it, not one that was given", key.name()))
                    .hint("a log's key may change: check with the one of then, or with a policy that has a line \
                           `log` for each; the note of the change (`escrow verify-key`) leads from one to the next"),
                None => Error::corrupt("no known key signed it")
                    .hint("check with the key of the log that it claims to be of"),
            });
        }
        Ok(signed)
    }

    /// The same where it may be none.
    ///
    /// # Errors
    /// *Corrupt* if a signature that names one of them is not of it.
    pub(super) fn signed_by<'k>(&self, keys: &[&'k VerifierKey]) -> Result<Vec<&'k VerifierKey>> {
        let mut signed = Vec::new();
        for key in keys.iter().copied() {
            let id = key.id();
            let mut lines = self.signatures.iter().filter(|s| s.name == key.name() && s.id == id).peekable();
            if lines.peek().is_none() {
                continue;
            }
            if !lines.all(|line| key.signed(&self.text, &line.bytes)) {
                return Err(Error::corrupt(format!("the signature of {} does not fit the text", key.name()))
                    .hint("the text was changed, or the signature is forged"));
            }
            signed.push(key);
        }
        Ok(signed)
    }
}

impl NoteSignature {
    /// Reads a line without its newline.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        if !is_name(name) || encoded.len() > SIGNATURE_MAX * 2 {
            return None;
        }
        let decoded = Base64::decode_vec(encoded).ok()?;
        let (id, bytes) = decoded.split_first_chunk()?;
        let fits = !bytes.is_empty() && bytes.len() <= SIGNATURE_MAX;
        fits.then(|| Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.text, self.signatures.iter().map(ToString::to_string).collect::<String>())
    }
}

/// The line, with its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = Base64::encode_string(&[&self.id[..], &self.bytes].concat());
        writeln!(f, "{DASH}{} {encoded}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::signer::Signer;

    /// The example of the Go package golang.org/x/mod/sumdb/note: two signatures, one key known.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SPEECH: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn key(text: &str) -> VerifierKey {
        text.parse().unwrap()
    }

    #[test]
    fn the_published_example_verifies() {
        let note = Note::parse(SPEECH.as_bytes()).unwrap();
        assert_eq!(note.verify(&[&key(PETER)]).unwrap(), [&key(PETER)]);
        assert_eq!(note.to_string(), SPEECH);
        assert!(note.text().ends_with("problem is.\n"));
    }

    /// Whatever byte is changed, by whatever bit, the note is refused.
    #[test]
    fn every_flipped_bit_is_refused() {
        let key = key(PETER);
        for bit in 0..SPEECH.len() * 8 {
            let mut bytes = SPEECH.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = Note::parse(&bytes).and_then(|note| note.verify(&[&key]).map(drop));
            assert!(opened.is_err(), "bit {bit}");
        }
        for len in 0..SPEECH.len() {
            let opened =
                Note::parse(&SPEECH.as_bytes()[..len]).and_then(|note| note.verify(&[&key]).map(drop));
            assert!(opened.is_err(), "{len} bytes");
        }
    }

    #[test]
    fn unknown_keys_are_left_alone_and_forged_ones_are_not() {
        let (a, b) = (Signer::new("a", &[1; 32]).unwrap(), Signer::new("b", &[2; 32]).unwrap());
        let (key_a, key_b) = (a.verifier_key(), b.verifier_key());
        let (by_a, by_b) = (a.sign("x\n").unwrap(), b.sign("x\n").unwrap());
        let both = [by_a.signatures(), by_b.signatures()].concat();
        let note = Note::new("x\n".into(), both.clone()).unwrap();
        assert_eq!(note.verify(&[&key_a]).unwrap(), [&key_a]);
        assert_eq!(note.verify(&[&key_b, &key_a]).unwrap(), [&key_b, &key_a]);
        assert!(by_a.verify(&[&key_b]).is_err(), "only another key signed");
        assert!(by_a.verify(&[]).is_err());
        // The right name and id over a signature of another text.
        let forged = Note::new("y\n".into(), both).unwrap();
        assert!(forged.verify(&[&key_a]).is_err());
        // A good signature beside a bad one of the same key saves nothing.
        let mut bad = by_a.signatures()[0].clone();
        bad.bytes[3] ^= 1;
        let twice = Note::new("x\n".into(), vec![by_a.signatures()[0].clone(), bad]).unwrap();
        assert!(twice.verify(&[&key_a]).is_err());
        // Another name, or another id, is another key.
        let renamed = NoteSignature { name: "c".into(), ..by_a.signatures()[0].clone() };
        assert!(Note::new("x\n".into(), vec![renamed]).unwrap().verify(&[&key_a]).is_err());
    }

    #[test]
    fn texts_and_lines_of_the_specification() {
        let signer = Signer::new("a", &[1; 32]).unwrap();
        // The last empty line splits, so a text may hold others, and end with one.
        for text in ["\n", "a\n", "a\n\nb\n", "a\n\n", "\n\n\n", "é\u{2014}\n"] {
            let note = signer.sign(text).unwrap();
            assert_eq!(Note::parse(note.to_string().as_bytes()).unwrap().text(), text);
        }
        for text in ["", "a", "a\tb\n", "a\r\n", "\0\n"] {
            assert!(signer.sign(text).is_err(), "{text:?}");
        }
        let line = signer.sign("x\n").unwrap().signatures()[0].to_string();
        for bad in [
            "x\n\n".to_owned(),
            format!("x\n{line}"),
            format!("x\n\n{line}\n"),
            format!("x\n\n{}", line.trim_end()),
            format!("x\n\n {line}"),
            format!("x\n\n{}", line.replacen('\u{2014}', "-", 1)),
            format!("x\n\n{}", line.replacen(' ', "  ", 1)),
            format!("x\n\n{}", line.replacen("a ", "a+ ", 1)),
            format!("x\n\n{}", line.replacen("=\n", "\n", 1)),
            "x\n\n\u{2014} a AAAA\n".to_owned(),
            "x\n\n\u{2014} a \n".to_owned(),
            format!("x\n\n{}", line.repeat(SIGNATURES_MAX + 1)),
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Note::parse(format!("x\n\n{}", line.repeat(SIGNATURES_MAX)).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn anything_reads_and_prints_the_same_or_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(note) = Note::parse(&bytes) {
                prop_assert_eq!(note.to_string().into_bytes(), bytes);
            }
        }

        #[test]
        fn what_looks_like_a_note_reads_and_prints_the_same(
            note in "[a-z\n\u{2014} ]{0,20}\n\n(\u{2014} [a-z+]{0,3} [A-Za-z0-9+/]{0,8}={0,2}\n){0,3}"
        ) {
            if let Ok(read) = Note::parse(note.as_bytes()) {
                prop_assert_eq!(read.to_string(), note);
            }
        }
    }
}
