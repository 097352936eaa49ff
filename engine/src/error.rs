//! One error type. Its kind says what the caller should do; its message says what and where;
//! its hint says what to do next. No plaintext, name or key ever enters a message.

use std::fmt;
use std::io;

/// Result with the engine's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong: correct it.
    Invalid,
    /// The thing asked for is unknown; an erased thing is unknown too.
    NotFound,
    /// A rule forbids it (hold, consent, lock, approval).
    Refused,
    /// The slot's key does not fit this store, or the slot is missing.
    WrongKey,
    /// Stored bytes are damaged or were tampered with: run `verify`, restore from a backup.
    Corrupt,
    /// The operating system refused a read or write.
    Io,
    /// The disk is full: free space and repeat.
    NoSpace,
    /// An earlier failed sync made the open store untrustworthy: reopen it.
    Poisoned,
    /// Another process has the store open.
    Locked,
    /// The target is being erased, or the queue is full: repeat later.
    Busy,
    /// An erasure ended this iterator or view: search again with the cursor.
    Revoked,
    /// The store was written by a newer version, or is no store.
    Unsupported,
    /// The store was closed.
    Closed,
}

impl ErrorKind {
    /// All kinds. A later version may add to them.
    pub const ALL: [Self; 13] = [
        Self::Invalid,
        Self::NotFound,
        Self::Refused,
        Self::WrongKey,
        Self::Corrupt,
        Self::Io,
        Self::NoSpace,
        Self::Poisoned,
        Self::Locked,
        Self::Busy,
        Self::Revoked,
        Self::Unsupported,
        Self::Closed,
    ];

    /// The stable lower-case name used in `--json` errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::WrongKey => "wrong_key",
            Self::Corrupt => "corrupt",
            Self::Io => "io",
            Self::NoSpace => "no_space",
            Self::Poisoned => "poisoned",
            Self::Locked => "locked",
            Self::Busy => "busy",
            Self::Revoked => "revoked",
            Self::Unsupported => "unsupported",
            Self::Closed => "closed",
        }
    }
}

/// An error of the engine.
///
/// ```
/// use escrowdb::{Error, ErrorKind};
/// let e = Error::new(ErrorKind::NotFound, "no such record").hint("check the id");
/// assert_eq!(e.kind(), ErrorKind::NotFound);
/// assert_eq!(e.to_string(), "no such record");
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` must hold no content, name or key.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), hint: None, source: None }))
    }

    /// A wrong request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Damaged bytes; `message` names file, place and what was expected.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A format that this program doesn't know; `what` says of which file or thing, and which.
    pub fn newer(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("newer format: {what}"))
            .hint("use the newer version of the program; this one leaves the store as it is")
    }

    /// An unknown thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An I/O error of the operating system while doing `what`. A full disk gets its own kind.
    pub fn io(what: impl fmt::Display, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            _ => ErrorKind::Io,
        };
        let mut e = Self::new(kind, format!("{what}: {source}"));
        e.0.hint = io_hint(kind, &source).map(str::to_owned);
        e.0.source = Some(Box::new(source));
        e
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Puts where it happened before the message.
    #[must_use]
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do next, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

/// What to do about the errors of an operating system that people meet.
fn io_hint(kind: ErrorKind, source: &io::Error) -> Option<&'static str> {
    match source.kind() {
        _ if kind == ErrorKind::NoSpace => Some("free space on the disk and repeat; nothing was lost"),
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("opening a store writes too (lock, key tree); make the disk writable or work on a copy")
        }
        io::ErrorKind::PermissionDenied => Some("run as the owner of these files, or have the rights set"),
        io::ErrorKind::FileTooLarge => {
            Some("a limit on the size of files was met (ulimit -f); raise it and repeat")
        }
        io::ErrorKind::NotADirectory => Some("a part of the path is a file; name a folder"),
        io::ErrorKind::IsADirectory => Some("the path is a folder; name a file"),
        _ if source.raw_os_error().is_some_and(|code| OPEN_FILES.contains(&code)) => {
            Some("too many files are open; raise the limit (ulimit -n) and repeat")
        }
        _ => None,
    }
}

/// ENFILE and EMFILE, which have no kind in the standard library; the numbers are those of Linux,
/// macOS and the BSDs.
const OPEN_FILES: [i32; 2] = [23, 24];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_meet_has_a_hint() {
        for kind in [
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::FileTooLarge,
            io::ErrorKind::NotADirectory,
            io::ErrorKind::IsADirectory,
        ] {
            let e = Error::io("x", io::Error::from(kind));
            assert!(e.hint_text().is_some() && e.kind() == ErrorKind::Io, "{kind}");
        }
        assert!(Error::io("x", io::Error::from_raw_os_error(24)).hint_text().is_some());
        assert!(Error::io("x", io::Error::other("y")).hint_text().is_none());
    }

    #[test]
    fn full_disk_has_its_own_kind() {
        let e = Error::io("write journal", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(e.kind(), ErrorKind::NoSpace);
        assert!(e.hint_text().is_some());
        let e = Error::io("write journal", io::Error::other("x"));
        assert_eq!(e.kind(), ErrorKind::Io);
    }

    #[test]
    fn context_goes_before() {
        let e = Error::corrupt("bad tag").context("file ab.idx page 3");
        assert_eq!(e.to_string(), "file ab.idx page 3: bad tag");
    }
}
