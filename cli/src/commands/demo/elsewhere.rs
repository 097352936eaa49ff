//! The last step: another process checks the certificate, in a folder where nothing else lies.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::exit::Failure;

/// Runs `escrow verify-certificate` in the empty folder `at` and answers what it printed.
///
/// # Errors
/// If the program can't be run, or refuses the certificate.
pub(super) fn verify(at: &Path, certificate: &Path, key: &str) -> Result<String, Failure> {
    let failed = |what: &str, e| Failure::io(what.to_owned(), e);
    fs::create_dir(at).map_err(|e| failed("make a folder", e))?;
    let file = certificate.canonicalize().map_err(|e| failed("find the certificate", e))?;
    let program = std::env::current_exe().map_err(|e| failed("find this program", e))?;
    // Nothing of the store is given to it: no folder, no slot, not by its environment either.
    let run = Command::new(program)
        .arg("verify-certificate")
        .arg(file)
        .args(["--key", key])
        .current_dir(at)
        .env_clear()
        .output()
        .map_err(|e| failed("run the second command", e))?;
    if !run.status.success() {
        return Err(escrowdb::Error::corrupt("the certificate does not verify").into());
    }
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}
