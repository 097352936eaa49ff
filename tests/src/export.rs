//! Exports in memory: the three files as the command line writes them, and their check.

use std::io::{BufRead, Cursor};

use escrowdb::Error;
use escrowdb::export::{Asked, Digest, Manifest, ProofFile, Report, SignedManifest, Snapshot, Terms, check};
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::record::jsonl::print_record;
use escrowdb::store::{Hit, Reading};
use sha2::{Digest as _, Sha256};

/// The files of an export of JSON Lines.
#[derive(Clone)]
pub struct Files {
    /// Records, one a line.
    pub file: Vec<u8>,
    /// Proof of each.
    pub proof: Vec<u8>,
    /// What was asked and signed.
    pub manifest: Vec<u8>,
}

/// The line of a record, without its end.
pub fn line(hit: &Hit) -> String {
    let mut line = String::new();
    hit.with_view(|view| print_record(&mut line, view));
    line
}

/// Exports what a query finds. `meanwhile` runs behind each record.
///
/// # Errors
/// Those of the export.
pub fn export(reading: &Reading, query: &str, mut meanwhile: impl FnMut()) -> Result<Files, Error> {
    let snapshot = Snapshot::take(reading)?;
    let mut prover = snapshot.prover();
    let (mut file, mut proof, mut count, mut failed) = (String::new(), prover.head(), 0, None);
    snapshot.each_proved(query, |exported| {
        let line = line(&exported.hit);
        failed = prover.record(&mut proof, exported, &line).err();
        file.push_str(&line);
        file.push('\n');
        count += 1;
        meanwhile();
        failed.is_none()
    })?;
    if let Some(failed) = failed {
        return Err(failed);
    }
    let counted = prover.finish(|text| {
        proof.push_str(text);
        Ok::<_, Error>(())
    })?;
    let manifest = Manifest {
        file: "e.jsonl".into(),
        format: "jsonl".into(),
        count,
        digest: digest(file.as_bytes()),
        proof: Some(ProofFile {
            file: "e.jsonl.proof".into(),
            digest: digest(proof.as_bytes()),
            people: counted.people,
            named: counted.named,
        }),
        asked: Asked::Query(query.into()),
        handle: None,
        actor: None,
        purpose: None,
        case: None,
        at: snapshot.at(),
        complete: snapshot.is_complete(),
        terms: Terms::default(),
        checkpoint: snapshot.checkpoint().clone(),
    };
    let manifest = snapshot.sign(&manifest.session(reading.session()))?.into_bytes();
    Ok(Files { file: file.into_bytes(), proof: proof.into_bytes(), manifest })
}

impl Files {
    /// Checks them as `verify-export` does.
    ///
    /// # Errors
    /// A manifest that does not verify.
    pub fn check(&self, key: &VerifierKey) -> Result<Report, Error> {
        let signed = SignedManifest::parse(&self.manifest)?;
        let source = |bytes: &[u8]| -> Box<dyn BufRead> { Box::new(Cursor::new(bytes.to_vec())) };
        check(signed.verify(key, None)?, &|| Ok(source(&self.file)), Some(&|| Ok(source(&self.proof))), 100)
    }

    /// Whether nothing is wrong with them.
    pub fn holds(&self, key: &VerifierKey) -> bool {
        self.check(key).is_ok_and(|report| report.faults == 0)
    }

    /// The lines of the file.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.file).lines().map(str::to_owned).collect()
    }

    /// The same with other lines.
    #[must_use]
    pub fn with_lines(&self, lines: &[String]) -> Self {
        let file = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
        Self { file, ..self.clone() }
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest { bytes: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
}
