//! What a witness keeps.
//!
//! ```text
//! key              its secret key, a line; for its owner only
//! logs             keys of the logs it knows, one a line
//! heads/HASH       the last head of a log that it cosigned, as a note with the log's signature and its own;
//!                  HASH is SHA-256 of the origin
//! forks/HASH       two heads of one size that a log signed, as notes; HASH is SHA-256 of both
//! lock             held by whoever works on the folder
//! ```
//!
//! Checking a head and keeping it are one step, under a lock; it is durable before its cosignature
//! leaves. An older copy of the folder that is put back is sound for itself: the witness then keeps
//! an older head and can be shown another history from there. Nothing in the folder tells. Who kept a
//! later cosignature sees it: its time is before the newer one's, its head is behind.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use escrowdb::crypto::{Entropy as _, OsEntropy};
use escrowdb::merkle::checkpoint::SignedCheckpoint;
use escrowdb::merkle::cosign::{self, Cosigner};
use escrowdb::merkle::signer::{KeyKind, VerifierKey};
use escrowdb::merkle::witness::{Answer, Request};
use escrowdb::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use crate::durable;

/// Bytes of a file of the folder at most.
const FILE_MAX: u64 = 1024 * 1024;
/// Types of bodies.
const PLAIN: &str = "text/plain; charset=utf-8";
const SIZE: &str = "text/x.tlog.size";
/// Forks that are kept at most: each is a proof by itself, and a log that forks can make many.
const FORKS_MAX: usize = 1000;

/// An open folder. It is locked until it is dropped.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    cosigner: Cosigner,
    logs: Vec<VerifierKey>,
    /// Held from reading a head until the next one is durable.
    step: Mutex<()>,
    _lock: File,
}

/// What the caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status of HTTP.
    pub status: u16,
    /// What stands behind it.
    pub body: String,
    /// Its type, where it says something.
    pub content_type: Option<&'static str>,
    /// What whoever runs the witness should see of a refusal.
    pub told: Option<String>,
    /// Two heads of one size that the log signed: they convict it before everybody who has its key.
    pub fork: Option<String>,
    /// Whether it is told whatever else was told lately: heads that were not known before, or can't be kept.
    pub is_urgent: bool,
}

/// What became of two heads that convict a log.
enum Kept {
    Now(PathBuf),
    Before(PathBuf),
    TooMany,
    Failed(Error),
}

impl Folder {
    /// Makes a new folder with a new key under `name`.
    ///
    /// # Errors
    /// *Invalid* if the name can't be one or something stands there already.
    pub fn init(dir: &Path, name: &str) -> Result<VerifierKey> {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        OsEntropy.fill(&mut *seed).map_err(|e| Error::io("read random bytes", e))?;
        let cosigner = Cosigner::new(name, &seed)?;
        let made = || {
            durable::create_folder(dir)?;
            durable::create_folder(&dir.join("heads"))?;
            durable::create_folder(&dir.join("forks"))?;
            durable::write(dir, "logs", b"")?;
            // Last: a folder with a key is whole.
            durable::write(dir, "key", cosigner.to_secret().as_bytes())?;
            durable::sync_folder(dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        };
        made().map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::invalid(format!("{} exists already", dir.display())).hint("choose a new folder")
            }
            _ => Error::io(format!("make {}", dir.display()), e),
        })?;
        Ok(cosigner.verifier_key())
    }

    /// Opens a folder and locks it.
    ///
    /// # Errors
    /// *Locked* if somebody works on it; *corrupt* if key or list of logs can't be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let io = |what: &str, e| Error::io(format!("{what} {}", dir.join(what).display()), e);
        let secret = zeroize::Zeroizing::new(read(&dir.join("key"))?);
        let lock = File::options().write(true).create(true).truncate(false).open(dir.join("lock"));
        let lock = lock.map_err(|e| io("lock", e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!("another process works on {}", dir.display()),
                )
                .hint("end `escrow witness run` first"));
            }
            Err(TryLockError::Error(e)) => return Err(io("lock", e)),
        }
        let cosigner = Cosigner::from_secret(&secret).map_err(|e| e.context(dir.join("key").display()))?;
        for folder in [dir.to_owned(), dir.join("heads"), dir.join("forks")] {
            durable::clear(&folder).map_err(|e| Error::io(format!("read {}", folder.display()), e))?;
        }
        let logs = read(&dir.join("logs"))?;
        let logs =
            String::from_utf8_lossy(&logs).lines().map(str::parse).collect::<Result<Vec<VerifierKey>>>();
        let logs = logs.map_err(|_| {
            Error::corrupt(format!("{} is no list of keys of logs", dir.join("logs").display()))
        })?;
        Ok(Self { dir: dir.to_owned(), cosigner, logs, step: Mutex::new(()), _lock: lock })
    }

    /// What checks the witness's cosignatures.
    pub fn verifier_key(&self) -> VerifierKey {
        self.cosigner.verifier_key()
    }

    /// Keys of the logs it knows.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Makes a log known. `false` if it was. A second key of an origin may stand beside the first.
    ///
    /// # Errors
    /// *Invalid* if it is no key of a log.
    pub fn add_log(&mut self, key: VerifierKey) -> Result<bool> {
        if key.kind() != KeyKind::Log {
            return Err(Error::invalid("it is the key of a witness, not of a log"));
        }
        if self.logs.contains(&key) {
            return Ok(false);
        }
        let mut logs = self.logs.clone();
        logs.push(key);
        let text: String = logs.iter().map(|key| format!("{key}\n")).collect();
        self.keep(&self.dir, "logs", text.as_bytes())?;
        self.logs = logs;
        Ok(true)
    }

    /// The last head of a log that it cosigned.
    ///
    /// # Errors
    /// *Corrupt* if what is kept can't be read: then it must not cosign anything of this log.
    pub fn head(&self, origin: &str) -> Result<Option<SignedCheckpoint>> {
        let path = self.dir.join("heads").join(hash(origin.as_bytes()));
        let bytes = match read(&path) {
            Err(_) if fs::symlink_metadata(&path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) => {
                return Ok(None);
            }
            read => read?,
        };
        let kept = SignedCheckpoint::parse(&bytes).and_then(|head| {
            head.note().verify(&[&self.verifier_key()])?;
            Ok(head)
        });
        let kept = kept.map_err(|e| e.context(path.display()))?;
        if kept.unverified().origin != origin {
            return Err(Error::corrupt(format!("{} is the head of another log", path.display())));
        }
        Ok(Some(kept))
    }

    /// Answers a body of `add-checkpoint` at `now`, in seconds since 1970. What it cosigns is durable
    /// when it returns.
    ///
    /// # Errors
    /// What is kept can't be read or written: nothing was cosigned.
    pub fn submit(&self, body: &[u8], now: u64) -> Result<Reply> {
        let Some(request) = Request::parse(body) else {
            return Ok(Reply::refusal(400, "no body of add-checkpoint"));
        };
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let last = match self.logs.iter().any(|key| key.name() == request.origin()) {
            true => self.head(request.origin())?,
            false => None,
        };
        let answer = request.decide(&self.logs, last.as_ref());
        let status = answer.status();
        let of = request.origin();
        Ok(match answer {
            Answer::Accepted(head) => self.accept(&head, last.as_ref(), now)?,
            Answer::Unsigned => Reply::refusal(status, format!("no key of the log {of} signed it")),
            Answer::Unknown => Reply::refusal(status, "an unknown log"),
            Answer::Unproved => {
                let kept = last.map_or(0, |last| last.unverified().size);
                Reply::refusal(status, format!("{of}: it is not proved to continue {kept} positions"))
            }
            Answer::Conflict(size) => Reply::size(size, format!("{of}: the proof does not begin at {size}")),
            Answer::Fork { kept, sent } => {
                let size = kept.unverified().size;
                let text = format!("{kept}\n{sent}");
                let kept = self.keep_fork(&text);
                let told = format!("{of}: it signed two histories of {size} positions{kept}");
                Reply {
                    fork: Some(text),
                    is_urgent: matches!(kept, Kept::Now(_) | Kept::Failed(_)),
                    ..Reply::size(size, told)
                }
            }
        })
    }

    /// Keeps a head, then cosigns it.
    fn accept(&self, head: &SignedCheckpoint, last: Option<&SignedCheckpoint>, now: u64) -> Result<Reply> {
        // A clock that went back must not say that the longer head is the older one.
        let before = last.and_then(|last| cosign::latest(last, &self.verifier_key()));
        let line = self.cosigner.cosign(head, now.max(before.unwrap_or(0)))?;
        let kept = head.with(std::slice::from_ref(&line))?;
        let name = hash(head.unverified().origin.as_bytes());
        self.keep(&self.dir.join("heads"), &name, kept.to_string().as_bytes())?;
        Ok(Reply { content_type: Some(PLAIN), ..Reply::of(200, line.to_string()) })
    }

    /// Keeps two heads that convict a log. Where that fails, they are told all the more.
    fn keep_fork(&self, text: &str) -> Kept {
        let (folder, name) = (self.dir.join("forks"), hash(text.as_bytes()));
        let place = folder.join(&name);
        if place.exists() {
            return Kept::Before(place);
        }
        if fs::read_dir(&folder).is_ok_and(|entries| entries.count() >= FORKS_MAX) {
            return Kept::TooMany;
        }
        match self.keep(&folder, &name, text.as_bytes()) {
            Ok(()) => Kept::Now(place),
            Err(error) => Kept::Failed(error),
        }
    }

    fn keep(&self, folder: &Path, name: &str, content: &[u8]) -> Result<()> {
        durable::write(folder, name, content)
            .map_err(|e| Error::io(format!("write {}", folder.join(name).display()), e))
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(place) | Self::Before(place) => write!(f, ", kept in {}", place.display()),
            Self::TooMany => write!(f, ", which are not kept: too many are"),
            Self::Failed(error) => write!(f, ", which could not be kept: {error}"),
        }
    }
}

impl Reply {
    /// An answer that nobody else needs to see.
    pub(super) fn of(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), content_type: None, told: None, fork: None, is_urgent: false }
    }

    /// A refusal that says why.
    pub(super) fn refusal(status: u16, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { content_type: Some(PLAIN), told: Some(why.clone()), ..Self::of(status, why + "\n") }
    }

    /// The size that is kept.
    fn size(size: u64, told: String) -> Self {
        Self { content_type: Some(SIZE), told: Some(told), ..Self::of(409, format!("{size}\n")) }
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let failed = |e| Error::io(format!("read {}", path.display()), e);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Error::corrupt(format!("{} is too long", path.display())));
    }
    Ok(bytes)
}
