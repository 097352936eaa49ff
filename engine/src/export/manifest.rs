//! The manifest of an export: what was asked and what came of it, signed by the log's key.
//!
//! ```text
//! file      BODY,"signature":"SIGNATURES"}\n            one line of JSON
//! signed    note of the text   escrowdb/export/v1\nBODY}\n      with these signatures
//! ```
//!
//! So the signature covers every byte of the file but its own. The first line of the text is no origin
//! of a log that is followed by a number: no note is both statement and checkpoint.

use std::fmt;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::export::members::{Members, digest, maybe, text};
use crate::export::terms::Terms;
use crate::id::{Handle, Micros};
use crate::merkle::checkpoint::{SignedCheckpoint, Trust};
use crate::merkle::note::{NOTE_MAX, Note};
use crate::merkle::signer::Signer;
use crate::record::jsonl::put_text;
use crate::record::time;
use crate::session::Session;

/// First line of what is signed.
pub const STATEMENT: &str = "escrowdb/export/v1";
/// Version of the form; 1 was not signed.
const VERSION: u64 = 2;
/// Version of one that has [`Terms`].
const VERSION_TERMS: u64 = 3;
/// Version of one of a package that says something beside its records.
const VERSION_TOLD: u64 = 4;
/// What stands between the body and its signatures.
const SIGNATURE: &str = ",\"signature\":";

/// Length and hash of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything of which a person is a subject.
    Subject(String),
    /// A conversation.
    Conversation(String),
    /// What a query finds.
    Query(String),
}

/// The proof beside a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Its name.
    pub file: String,
    /// Its content.
    pub digest: Digest,
    /// People of whom a record says who they are.
    pub people: u64,
    /// People who are named without such a record.
    pub named: u64,
}

/// What the log's key says of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the file.
    pub file: String,
    /// `jsonl`, `html`, `csv` or `vcon`.
    pub format: String,
    /// How many records.
    pub count: u64,
    /// Its content.
    pub digest: Digest,
    /// The proof of its records.
    pub proof: Option<ProofFile>,
    /// What was asked for.
    pub asked: Asked,
    /// The random handle of the person, if everything of one was asked for.
    pub handle: Option<Handle>,
    /// Who asked, why, in which case, as far as it was given.
    pub actor: Option<String>,
    /// See `actor`.
    pub purpose: Option<String>,
    /// See `actor`.
    pub case: Option<String>,
    /// When.
    pub at: Micros,
    /// Whether every part of the store could be read.
    pub complete: bool,
    /// Of an access package, and of an export that is encrypted.
    pub terms: Terms,
    /// The store at that moment.
    pub checkpoint: SignedCheckpoint,
}

/// A manifest and who signed it. What it says counts only behind [`SignedManifest::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedManifest {
    manifest: Manifest,
    note: Note,
}

impl Manifest {
    /// The same with who asked, and why.
    #[must_use]
    pub fn session(self, session: &Session) -> Self {
        let of = |text: Option<&str>| text.map(str::to_owned);
        let (actor, purpose, case) = (session.actor_name(), session.purpose_name(), session.case_name());
        Self { actor: of(actor), purpose: of(purpose), case: of(case), ..self }
    }

    /// What is signed.
    pub fn to_statement(&self) -> String {
        format!("{STATEMENT}\n{}}}\n", self.body())
    }

    /// The file, with the signatures of a note over the statement.
    pub(super) fn with_signature(&self, note: &Note) -> String {
        let mut file = self.body() + SIGNATURE;
        put_text(&mut file, &note.signatures().iter().map(ToString::to_string).collect::<String>());
        file + "}\n"
    }

    /// An object without its last brace.
    fn body(&self) -> String {
        let mut s = Members::new();
        let has_told = self.terms.package.as_ref().is_some_and(|package| package.told.is_some());
        let version = match (self.terms.is_empty(), has_told) {
            (true, _) => VERSION,
            (false, false) => VERSION_TERMS,
            (false, true) => VERSION_TOLD,
        };
        s.raw("version", version).text("file", &self.file).text("format", &self.format);
        s.raw("count", self.count).digest(&self.digest).raw("signed", true).raw("complete", self.complete);
        match &self.proof {
            None => s.raw("proof", "null"),
            Some(proof) => {
                let mut inner = Members::new();
                inner.text("file", &proof.file).digest(&proof.digest);
                inner.raw("people", proof.people).raw("named", proof.named);
                s.raw("proof", inner.finish())
            }
        };
        let (name, value) = match &self.asked {
            Asked::Subject(of) => ("subject", of),
            Asked::Conversation(of) => ("conversation", of),
            Asked::Query(of) => ("query", of),
        };
        let mut asked = Members::new();
        asked.text(name, value);
        s.raw("asked", asked.finish());
        s.maybe("handle", self.handle.map(|handle| handle.to_string()).as_deref());
        s.maybe("actor", self.actor.as_deref()).maybe("purpose", self.purpose.as_deref());
        s.maybe("case", self.case.as_deref()).text("exported", &time::format(self.at));
        if !self.terms.is_empty() {
            self.terms.put(&mut s);
        }
        s.text("checkpoint", &self.checkpoint.to_string());
        s.open()
    }

    /// Reads what [`Self::body`] prints, and nothing else.
    fn from_body(body: &str) -> Option<Self> {
        let Ok(Value::Object(all)) = serde_json::from_str::<Value>(&format!("{body}}}")) else { return None };
        let proof = match all.get("proof")? {
            Value::Null => None,
            Value::Object(of) => Some(ProofFile {
                file: text(of, "file")?,
                digest: digest(of)?,
                people: of.get("people")?.as_u64()?,
                named: of.get("named")?.as_u64()?,
            }),
            _ => return None,
        };
        let Value::Object(asked) = all.get("asked")? else { return None };
        let asked = match asked.keys().next()?.as_str() {
            "subject" => Asked::Subject(text(asked, "subject")?),
            "conversation" => Asked::Conversation(text(asked, "conversation")?),
            "query" => Asked::Query(text(asked, "query")?),
            _ => return None,
        };
        let handle = match maybe(&all, "handle")? {
            None => None,
            Some(handle) => Some(Handle::parse(&handle)?),
        };
        let read = Self {
            file: text(&all, "file")?,
            format: text(&all, "format")?,
            count: all.get("count")?.as_u64()?,
            digest: digest(&all)?,
            proof,
            asked,
            handle,
            actor: maybe(&all, "actor")?,
            purpose: maybe(&all, "purpose")?,
            case: maybe(&all, "case")?,
            at: time::parse(&text(&all, "exported")?).ok()?,
            complete: all.get("complete")?.as_bool()?,
            terms: if all.get("version")?.as_u64()? == VERSION { Terms::default() } else { Terms::of(&all)? },
            checkpoint: SignedCheckpoint::parse(text(&all, "checkpoint")?.as_bytes()).ok()?,
        };
        // One comparison refuses other orders, other forms of a number or text, and whatever is added.
        (read.body() == body).then_some(read)
    }
}

impl SignedManifest {
    /// Signs it by the key of the log, which must be that of its checkpoint.
    ///
    /// ```
    /// # use escrowdb::{export::*, id::Micros, merkle::{checkpoint::*, hash::Hash, signer::Signer}};
    /// let signer = Signer::new("log.example", &[7; 32])?;
    /// let head = Checkpoint { origin: "log.example".into(), size: 0, root: Hash::empty_root() };
    /// let manifest = Manifest {
    ///     file: "all.csv".into(),
    ///     format: "csv".into(),
    ///     count: 0,
    ///     digest: Digest { bytes: 0, sha256: [0; 32] },
    ///     proof: None,
    ///     asked: Asked::Query("*".into()),
    ///     handle: None,
    ///     actor: None,
    ///     purpose: Some("audit".into()),
    ///     case: None,
    ///     at: Micros(0),
    ///     complete: true,
    ///     terms: Terms::default(),
    ///     checkpoint: SignedCheckpoint::sign(head, &signer)?,
    /// };
    /// let file = SignedManifest::sign(manifest, &signer)?.to_string();
    /// let read = SignedManifest::parse(file.as_bytes())?;
    /// assert_eq!(read.verify(&signer.verifier_key(), None)?.purpose.as_deref(), Some("audit"));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Invalid* if it is longer than a note may be.
    pub fn sign(manifest: Manifest, signer: &Signer) -> Result<Self> {
        Ok(Self { note: signer.sign(&manifest.to_statement())?, manifest })
    }

    /// Reads one. Nothing is verified. There is one form: it prints as the same bytes.
    ///
    /// # Errors
    /// *Corrupt* if it is none, *unsupported* if it is one of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::corrupt(format!("it is no manifest of an export: {what}"));
        if bytes.len() > 2 * NOTE_MAX {
            return Err(wrong("it is too long"));
        }
        let file = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let line = file.strip_suffix("}\n").ok_or_else(|| wrong("it is not one line of JSON"))?;
        let Some((body, signature)) = line.rsplit_once(SIGNATURE) else { return Err(unsigned(line)) };
        let is_known = |version| body.starts_with(&format!("{{\"version\":{version},"));
        if ![VERSION, VERSION_TERMS, VERSION_TOLD].into_iter().any(is_known) {
            return Err(unsigned(line));
        }
        let signature: String =
            serde_json::from_str(signature).map_err(|_| wrong("its signature is no text"))?;
        let manifest = Manifest::from_body(body).ok_or_else(|| wrong("it has another form"))?;
        let note = Note::parse(format!("{}\n{signature}", manifest.to_statement()).as_bytes())?;
        if manifest.with_signature(&note) != file {
            return Err(wrong("its signature has another form"));
        }
        Ok(Self { manifest, note })
    }

    /// What it says, if `trust` believes its checkpoint and a key of that log signed the manifest. Witnesses
    /// cosign a checkpoint later than it is made, so `cosigned` may be the same checkpoint as it came back
    /// from them.
    ///
    /// # Errors
    /// *Corrupt* if the checkpoint is not believed, if `cosigned` is another one, or if the key of the log did
    /// not sign the manifest.
    pub fn verify(&self, trust: &dyn Trust, cosigned: Option<&SignedCheckpoint>) -> Result<&Manifest> {
        let own = &self.manifest.checkpoint;
        let head = cosigned.unwrap_or(own);
        if head.note().text() != own.note().text() {
            return Err(Error::corrupt("the export was made at another checkpoint")
                .hint("give the one that stands in its manifest, with the cosignatures"));
        }
        let origin = &head.verify(trust)?.origin;
        self.note.verify(&trust.keys_of(origin))?;
        Ok(&self.manifest)
    }

    /// The same without a look at any signature.
    pub const fn unverified(&self) -> &Manifest {
        &self.manifest
    }

    /// Statement and signatures.
    pub const fn note(&self) -> &Note {
        &self.note
    }
}

/// The file.
impl fmt::Display for SignedManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.manifest.with_signature(&self.note))
    }
}

/// Why what has no signature of this version is not taken.
fn unsigned(line: &str) -> Error {
    let version = serde_json::from_str::<Value>(&format!("{line}}}")).ok();
    match version.as_ref().and_then(|all| all.get("version")?.as_u64()) {
        Some(1) => {
            Error::corrupt("the manifest is not signed, and says so").hint("export again, without --unsigned")
        }
        Some(version) if version > VERSION_TOLD => Error::newer(format!("a manifest of version {version}")),
        _ => Error::corrupt("it is no manifest of an export: it has no signature"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::export::statement::Told;
    use crate::export::terms::{Others, Package};
    use crate::merkle::checkpoint::Checkpoint;
    use crate::merkle::hash::Hash;
    use crate::merkle::policy::Policy;

    fn signer() -> Signer {
        Signer::new("log.example/chats", &[7; 32]).unwrap()
    }

    fn manifest() -> Manifest {
        let head = Checkpoint { origin: "log.example/chats".into(), size: 3, root: Hash([5; 32]) };
        let digest = Digest { bytes: 10, sha256: [0xab; 32] };
        let proof = ProofFile { file: "a.jsonl.proof".into(), digest, people: 1, named: 0 };
        Manifest {
            file: "a.jsonl".into(),
            format: "jsonl".into(),
            count: 2,
            digest,
            proof: Some(proof),
            asked: Asked::Query("a,\"signature\":\"b\u{1}\u{7f}é\"}".into()),
            handle: Some(Handle([3; 16])),
            actor: None,
            purpose: Some("access request".into()),
            case: None,
            at: Micros(5),
            complete: true,
            terms: Terms::default(),
            checkpoint: SignedCheckpoint::sign(head, &signer()).unwrap(),
        }
    }

    fn terms() -> Terms {
        let package = Package {
            others: Others::Pseudonym,
            names: vec!["anna".into(), "Anna".into()],
            own: 3,
            of_others: 2,
            withheld: 0,
            people: 1,
            unproved: 4,
            fields: 1,
            told: None,
        };
        Terms { package: Some(package), recipients: Vec::new() }
    }

    fn told() -> Terms {
        let mut terms = terms();
        let told = Told { counts: [1, 2, 3, 4] };
        terms.package = terms.package.map(|package| Package { told: Some(told), ..package });
        terms
    }

    fn file(manifest: &Manifest) -> String {
        manifest.with_signature(&signer().sign(&manifest.to_statement()).unwrap())
    }

    /// Whether the key is enough for it, or a policy of that key.
    fn is_believed(read: &SignedManifest) -> bool {
        let key = signer().verifier_key();
        read.verify(&key, None).is_ok()
    }

    #[test]
    fn it_reads_as_it_was_printed_and_every_byte_counts() {
        let key = signer().verifier_key();
        let by_asked = [
            manifest(),
            Manifest { asked: Asked::Subject("x".into()), proof: None, handle: None, ..manifest() },
            Manifest { asked: Asked::Conversation("\u{2028}".into()), complete: false, ..manifest() },
            Manifest { terms: terms(), ..manifest() },
            Manifest { terms: told(), ..manifest() },
            Manifest {
                terms: Terms { package: None, recipients: vec!["age1\"".into(), "age1x".into()] },
                ..manifest()
            },
        ];
        for manifest in by_asked {
            let file = file(&manifest);
            assert!(serde_json::from_str::<Value>(&file).is_ok());
            let read = SignedManifest::parse(file.as_bytes()).unwrap();
            assert_eq!(read.verify(&key, None).unwrap(), &manifest);
            for bit in 0..file.len() * 8 {
                let mut bytes = file.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let opens = SignedManifest::parse(&bytes).is_ok_and(|read| is_believed(&read));
                assert!(!opens, "bit {bit}");
            }
            for len in 0..file.len() {
                assert!(SignedManifest::parse(&file.as_bytes()[..len]).is_err(), "{len} bytes");
            }
            for bad in [
                format!("{file}\n"),
                format!(" {file}"),
                file.replacen(",\"file\":", ",\"more\":1,\"file\":", 1),
                file.replacen("\"complete\":", "\"complete\": ", 1),
                file.replacen("\\n\"}", "\"}", 1),
            ] {
                assert!(SignedManifest::parse(bad.as_bytes()).is_err(), "{bad}");
            }
        }
    }

    #[test]
    fn other_keys_other_versions_and_notes_of_another_sort_are_refused() {
        let read = SignedManifest::parse(file(&manifest()).as_bytes()).unwrap();
        let other = Signer::new("log.example/chats", &[8; 32]).unwrap();
        assert!(read.verify(&other.verifier_key(), None).is_err());
        assert!(read.verify(&Signer::new("other", &[7; 32]).unwrap().verifier_key(), None).is_err());
        // By a policy, with the checkpoint as it came back from witnesses, and with another.
        let policy = Policy::of_key(signer().verifier_key());
        let own = read.unverified().checkpoint.clone();
        assert!(read.verify(&policy, None).is_ok() && read.verify(&policy, Some(&own)).is_ok());
        assert!(read.verify(&Policy::of_key(other.verifier_key()), None).is_err());
        let head = Checkpoint { size: 4, ..own.unverified().clone() };
        let later = SignedCheckpoint::sign(head, &signer()).unwrap();
        assert!(read.verify(&policy, Some(&later)).is_err());
        // Signed by the key, but not this.
        let spliced = manifest().with_signature(&signer().sign("escrowdb/export/v1\n{}\n").unwrap());
        assert!(!is_believed(&SignedManifest::parse(spliced.as_bytes()).unwrap()));
        // The statement of one key over the checkpoint of another.
        let by_other = manifest().with_signature(&other.sign(&manifest().to_statement()).unwrap());
        assert!(!is_believed(&SignedManifest::parse(by_other.as_bytes()).unwrap()));
        // No statement is a checkpoint, and none the other way round.
        assert!(Checkpoint::from_text(&manifest().to_statement()).is_err());
        let kind = |text: &str| SignedManifest::parse(text.as_bytes()).unwrap_err().kind();
        assert_eq!(kind("{\"version\":1,\"signed\":false}\n"), ErrorKind::Corrupt);
        assert_eq!(kind("{\"version\":5,\"signature\":\"\"}\n"), ErrorKind::Unsupported);
        assert_eq!(kind("{}\n"), ErrorKind::Corrupt);
    }
}
