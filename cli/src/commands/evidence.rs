//! What the commands share that show evidence, or check it without a store.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use escrowdb::Error;
use escrowdb::id::Micros;
use escrowdb::merkle::policy::Policy;
use escrowdb::merkle::signer::{KeyKind, VerifierKey};
use escrowdb::record::time;
use escrowdb::store::{Advance, SignedCheckpoint};

use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::clean;

/// Bytes of a file of evidence at most: a record of the greatest length in a proof, and some.
pub(crate) const FILE_MAX: u64 = 128 * 1024 * 1024;

/// Reads a log's key from the command line.
pub(crate) fn log_key(text: &str) -> Result<VerifierKey, String> {
    // Nothing of what was typed is repeated.
    let key: Option<VerifierKey> = text.parse().ok();
    key.filter(|key| key.kind() == KeyKind::Log)
        .ok_or_else(|| "a key as `escrow key public` prints it: name+id+base64".to_owned())
}

/// Whom an offline verifier believes; the same for all of them.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Trust {
    /// The log's key, as `escrow key public` printed it; from somebody you trust, not from whoever
    /// brought the file. No witness is asked for.
    #[arg(long, value_name = "K", value_parser = log_key)]
    key: Option<VerifierKey>,
    /// A file that names the log, its witnesses and how many of them must have cosigned (C2SP
    /// tlog-policy).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Trust {
    /// The key or the policy.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        match (&self.key, &self.policy) {
            (Some(key), _) => Ok(Policy::of_key(key.clone())),
            (None, Some(file)) => policy(file),
            // What `required` has refused.
            (None, None) => Err(Failure::usage("neither a key nor a policy is given")),
        }
    }
}

/// Reads a policy.
pub(crate) fn policy(file: &Path) -> Result<Policy, Failure> {
    Policy::parse(&read(file)?).map_err(|e| named(file, e))
}

/// Names and times of the witnesses that a checkpoint was believed by, for people.
pub(crate) fn witnessed(policy: &Policy, head: &SignedCheckpoint) -> Result<Option<String>, Failure> {
    let by = policy.cosigned(head)?;
    let each = by.iter().map(|(key, at)| format!("{} at {}", clean(key.name()), instant(*at)));
    let each: Vec<_> = each.collect();
    Ok((!each.is_empty()).then(|| format!("cosigned by {}", each.join(", "))))
}

/// The same for programs.
pub(crate) fn witnesses(policy: &Policy, head: &SignedCheckpoint) -> Result<String, Failure> {
    let by = policy.cosigned(head)?;
    let each = by.iter().map(|(key, at)| {
        let mut one = Object::new();
        one.text("name", key.name()).text("time", &instant(*at));
        one.finish()
    });
    Ok(array(&each.collect::<Vec<_>>()))
}

/// Reads a checkpoint, and the proof that may stand before it.
pub(crate) fn head(file: &Path) -> Result<(SignedCheckpoint, Option<Advance>), Failure> {
    let bytes = read(file)?;
    let head = match bytes.starts_with(b"old ") {
        true => Advance::parse(&bytes).map(|advance| (advance.checkpoint.clone(), Some(advance))),
        false => SignedCheckpoint::parse(&bytes).map(|head| (head, None)),
    };
    head.map_err(|e| named(file, e))
}

/// Seconds since 1970 as every command prints times.
pub(crate) fn instant(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    time::format(Micros(seconds.saturating_mul(1_000_000)))
}

/// Reads a file of evidence.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(file, FILE_MAX)
}

/// The same of what is never as long.
pub(crate) fn read_at_most(file: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let what = || format!("read {}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|e| Failure::io(what(), e))?;
    opened.take(max + 1).read_to_end(&mut bytes).map_err(|e| Failure::io(what(), e))?;
    if bytes.len() as u64 > max {
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
