//! Proof and signature of a certificate, and its check by whoever has no store.
//!
//! The log's key signs the line ([`print`](super::print)) as a C2SP note; in the line stands the proof that
//! the record `erased` is in the log, as a C2SP tlog-proof. Unless the caller names another checkpoint, it
//! leads to the tree that ends with that record, which never changes: so a repeated request gets the same
//! bytes, whatever happened in between; behind a change of the log's key the same act, signed by the new one.

use serde_json::Value;

use crate::erase::certificate::print::TYPE;
use crate::erase::certificate::{Certificate, act};
use crate::error::{Error, Result};
use crate::id::PersonNumber;
use crate::merkle::checkpoint::{SignedCheckpoint, Trust};
use crate::merkle::note::{NOTE_MAX, Note};
use crate::merkle::text::RecordProof;
use crate::record::{Kind, Stored};
use crate::state::State;

/// Type of certificates that were never signed.
const UNSIGNED: &str = "escrowdb/erasure-certificate/v1";

/// Bytes of a certificate at most: its act is a record, and stands in the proof and beside it.
const CERTIFICATE_MAX: usize = 2 * NOTE_MAX;

/// What makes a certificate one that can be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// Proof that the record `erased` stands in the log, as C2SP tlog-proof.
    pub proof: String,
    /// Line of the signature of the log's key over the certificate.
    pub signature: String,
}

/// Proves and signs a certificate whose act is in the log. `at` may name a later checkpoint to prove it
/// in, one with signatures of witnesses, say.
///
/// # Errors
/// *Corrupt* if hashes of the log are lost, or `at` is of another history; *invalid* if `at` was signed
/// before the erasure.
pub fn sign(state: &State, certificate: &Certificate, at: Option<&SignedCheckpoint>) -> Result<Evidence> {
    if let Some(at) = at {
        at.verify(&state.log_trust()?)?;
    }
    let found = act::opening(&state.view.read(), certificate.request)?;
    let (seq, opening) = found.ok_or_else(|| Error::not_found("no act of this request is in the log"))?;
    let mut tree = state.tree_to_sign()?;
    let checkpoint = match at {
        None => tree.sign_at(seq.0 + 1)?,
        Some(at) => {
            tree.must_continue(at.unverified())?;
            at.clone()
        }
    };
    let proof = tree.prove(seq, opening, &checkpoint)?.to_text().to_string();
    let statement = certificate.statement(&proof);
    let note = tree.signer()?.sign(&statement)?.to_string();
    let signature = note.strip_prefix(&*statement).map(str::trim).unwrap_or_default().to_owned();
    Ok(Evidence { proof, signature })
}

/// Reads a certificate and checks all of it: the log's key signed it, its act stands in a head of the log
/// that `trust` believes, every field is what the act says, and no byte is another than was printed.
///
/// # Errors
/// *Corrupt* if one of these is not so, *unsupported* if a newer program wrote it.
pub fn verify(file: &[u8], trust: &dyn Trust) -> Result<Certificate> {
    let wrong = |what: &str| Error::corrupt(format!("it is no certificate of an erasure: {what}"));
    if file.len() > CERTIFICATE_MAX {
        return Err(wrong("it is longer than 2 MiB"));
    }
    let text = std::str::from_utf8(file).map_err(|_| wrong("it is not UTF-8"))?;
    let json: Value = serde_json::from_str(text).map_err(|_| wrong("it is not JSON"))?;
    let field = |name: &str| json.get(name).and_then(Value::as_str);
    match field("type") {
        Some(TYPE) => {}
        Some(UNSIGNED) => return Err(unsigned()),
        Some(other) if other.starts_with("escrowdb/erasure-certificate/") => {
            return Err(Error::corrupt("the certificate is of a version that this program doesn't know")
                .hint("it was changed, or a newer program made it"));
        }
        _ => return Err(wrong("it has another type")),
    }
    let (Some(proof), Some(signature)) = (field("proof"), field("signature")) else {
        return Err(unsigned());
    };
    let evidence = Evidence { proof: proof.to_owned(), signature: signature.to_owned() };
    let proof = RecordProof::parse(proof.as_bytes())?;
    // Before anything of the record is believed, its version too.
    let origin = &proof.verify(trust)?.origin;
    let act = Stored::decode(&proof.opening.canonical)?;
    let not_own = || wrong("what it proves is no act of the store");
    if !is_own(&act) {
        return Err(not_own());
    }
    let mut certificate = Certificate::from_record(&act)?;
    certificate.reason = field("reason").map(str::to_owned);
    let statement = certificate.statement(&evidence.proof);
    certificate.evidence = Some(evidence);
    if certificate.to_json() + "\n" != text {
        return Err(Error::corrupt("the certificate says something else than the log, or in other bytes"));
    }
    let note = Note::parse(format!("{statement}\n{signature}\n").as_bytes())?;
    if note.signatures().len() != 1 {
        return Err(wrong("it has more than one signature"));
    }
    note.verify(&trust.keys_of(origin))?;
    Ok(certificate)
}

fn unsigned() -> Error {
    Error::corrupt("the certificate is not signed")
        .hint("`escrow certificate` and the request id print it again, signed, once the log can be signed")
}

/// Whether the store itself wrote it: nobody else's record is of this kind, in no conversation, about nobody.
fn is_own(act: &Stored) -> bool {
    act.kind == Kind::Erased && act.subjects == [PersonNumber::STORE] && act.conversation.is_empty()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::erase::certificate::act::tests::sample;
    use crate::id::Seq;
    use crate::merkle::checkpoint::Checkpoint;
    use crate::merkle::proof::{Inclusion, MemoryTree, naive_root};
    use crate::merkle::signer::Signer;
    use crate::merkle::text::Opening;

    const ORIGIN: &str = "log.example/chats";

    fn signer(seed: u8) -> Signer {
        Signer::new(ORIGIN, &[seed; 32]).unwrap()
    }

    /// The proof that `act` stands in a log of eleven leaves.
    fn proof(act: &Stored, by: &Signer) -> RecordProof {
        let opening =
            Opening { salt: Zeroizing::new([3; 16]), canonical: Zeroizing::new(act.encode().to_vec()) };
        let mut tree = MemoryTree::of(11);
        tree.0[6] = opening.leaf();
        let head = Checkpoint { origin: ORIGIN.into(), size: 11, root: naive_root(&tree.0) };
        let checkpoint = SignedCheckpoint::sign(head, by).unwrap();
        RecordProof { opening, inclusion: Inclusion::prove(&tree, Seq(6), 11).unwrap(), checkpoint }
    }

    /// The file of a certificate that `by` signs, whatever it says.
    fn file(certificate: &Certificate, proof: &str, by: &Signer) -> String {
        let mut certificate = certificate.clone();
        let statement = certificate.statement(proof);
        let note = by.sign(&statement).unwrap().to_string();
        let signature = note.strip_prefix(&*statement).unwrap().trim().to_owned();
        certificate.evidence = Some(Evidence { proof: proof.to_owned(), signature });
        certificate.to_json() + "\n"
    }

    fn whole() -> (Certificate, String) {
        let mut certificate = sample();
        certificate.reason = Some("asked".into());
        let proof = proof(&certificate.to_record(true), &signer(7)).to_text().to_string();
        let file = file(&certificate, &proof, &signer(7));
        (certificate, file)
    }

    #[test]
    fn it_verifies_under_its_key_only() {
        let (certificate, file) = whole();
        let read = verify(file.as_bytes(), &signer(7).verifier_key()).unwrap();
        assert_eq!(Certificate { evidence: None, ..read }, certificate);
        assert!(verify(file.as_bytes(), &signer(8).verifier_key()).is_err());
    }

    #[test]
    fn no_other_bytes_verify() {
        let (_, file) = whole();
        let key = signer(7).verifier_key();
        let bytes = file.as_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.to_vec();
                other[at] ^= 1 << bit;
                assert!(verify(&other, &key).is_err(), "bit {bit} of byte {at}");
            }
            assert!(verify(&bytes[..at], &key).is_err(), "cut at {at}");
        }
        let signature = file.rsplit("\"signature\":\"").next().unwrap().trim_end_matches("\"}\n");
        for more in [signature, "— supreme.court.example ZmFrZSBzaWduYXR1cmU="] {
            let other = file.replacen(signature, &format!("{signature}\\n{more}"), 1);
            assert!(other.len() > file.len() && verify(other.as_bytes(), &key).is_err(), "{more}");
        }
        for (from, to) in [
            ("\n", "\n\n"),
            ("{", "{ "),
            ("\"signed\":true,", "\"signed\":true,\"signed\":true,"),
            ("}\n", "}"),
        ] {
            assert!(verify(file.replacen(from, to, 1).as_bytes(), &key).is_err(), "{from:?}");
        }
    }

    /// Whoever holds the key can sign any line; the log must say the same, and in its own name.
    #[test]
    fn the_key_alone_makes_no_certificate() {
        let (by, key) = (signer(7), signer(7).verifier_key());
        let certificate = sample();
        let act = certificate.to_record(true);
        let good = proof(&act, &by);
        assert!(verify(file(&certificate, &good.to_text(), &by).as_bytes(), &key).is_ok());
        // Another place, another node on the way, a head that somebody else signed.
        let mut elsewhere = good.clone();
        elsewhere.inclusion.index = Seq(7);
        let mut otherwise = good.clone();
        otherwise.inclusion.path.swap(0, 1);
        let of_others = RecordProof { checkpoint: proof(&act, &signer(8)).checkpoint, ..good.clone() };
        for bad in [elsewhere, otherwise, of_others] {
            assert!(verify(file(&certificate, &bad.to_text(), &by).as_bytes(), &key).is_err());
        }
        // An act of another request, and what the act doesn't say.
        let other = Certificate { records_removed: 40, ..certificate.clone() };
        assert!(verify(file(&other, &good.to_text(), &by).as_bytes(), &key).is_err());
        // A record that somebody wrote with the words of an act.
        let forged = [
            Stored { author: PersonNumber(5), ..act.clone() },
            Stored { conversation: "c".into(), ..act.clone() },
            Stored { subjects: vec![PersonNumber(5)], ..act.clone() },
            Stored { kind: Kind::Message, ..act.clone() },
        ];
        for forged in forged {
            assert!(
                verify(file(&certificate, &proof(&forged, &by).to_text(), &by).as_bytes(), &key).is_err()
            );
        }
    }

    #[test]
    fn what_is_not_signed_says_so_and_is_refused() {
        let key = signer(7).verifier_key();
        let error = verify((sample().to_json() + "\n").as_bytes(), &key).err().unwrap();
        assert!(error.to_string().contains("not signed"), "{error}");
        // Not even looked at: what is read of it may be many times as long.
        let long = verify(&vec![b'['; CERTIFICATE_MAX + 1], &key).err().unwrap();
        assert!(long.to_string().contains("longer than 2 MiB"), "{long}");
        for other in ["", "{}", "[]", "null", "{\"type\":\"escrowdb/erasure-certificate/v9\"}"] {
            assert!(verify(other.as_bytes(), &key).is_err(), "{other}");
        }
    }
}
