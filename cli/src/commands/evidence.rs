//! What the commands share that show evidence, or check it without a store.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use escrowdb::Error;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::store::SignedCheckpoint;

use crate::exit::Failure;

/// Bytes of a file of evidence at most: a record of the greatest length in a proof, and some.
const FILE_MAX: u64 = 128 * 1024 * 1024;

/// Reads a verifier key from the command line.
pub(crate) fn key(text: &str) -> Result<VerifierKey, String> {
    // Nothing of what was typed is repeated.
    text.parse().map_err(|_| "a key as `escrow key public` prints it: name+id+base64".to_owned())
}

/// Reads a file of evidence.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let what = || format!("read {}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|e| Failure::io(what(), e))?;
    opened.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|e| Failure::io(what(), e))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Error::corrupt(format!("{} is too long for evidence", file.display())).into());
    }
    Ok(bytes)
}

/// Reads a checkpoint. Nothing is verified.
pub(crate) fn checkpoint(file: &Path) -> Result<SignedCheckpoint, Failure> {
    SignedCheckpoint::parse(&read(file)?).map_err(|e| named(file, e))
}

/// Says which file an error is about.
pub(crate) fn named(file: &Path, error: Error) -> Failure {
    error.context(file.display().to_string()).into()
}
