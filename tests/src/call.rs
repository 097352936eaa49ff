//! Names for calls through the file seam: what kind of call, on what class of file. Tests aim
//! faults and barriers with them and assert that every site was hit.

use std::collections::BTreeMap;
use std::path::Path;

/// Kind of a call of `Vfs`, `VfsFile` or `ReadAt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Call {
    Create,
    Open,
    Map,
    Remove,
    Rename,
    List,
    CreateDir,
    SyncDir,
    Exists,
    Lock,
    Read,
    Len,
    Write,
    SetLen,
    Allocate,
    Sync,
    Evict,
}

impl Call {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Create,
        Self::Open,
        Self::Map,
        Self::Remove,
        Self::Rename,
        Self::List,
        Self::CreateDir,
        Self::SyncDir,
        Self::Exists,
        Self::Lock,
        Self::Read,
        Self::Len,
        Self::Write,
        Self::SetLen,
        Self::Allocate,
        Self::Sync,
        Self::Evict,
    ];

    /// Whether the call may change what is on disk.
    pub const fn changes(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Remove
                | Self::Rename
                | Self::CreateDir
                | Self::SyncDir
                | Self::Write
                | Self::SetLen
                | Self::Allocate
                | Self::Sync
        )
    }
}

/// Class of a file, from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of DESIGN's files")]
pub enum Class {
    Journal,
    Segment,
    Index,
    Keyring,
    Head,
    Slot,
    Log,
    Lock,
    Other,
}

impl Class {
    /// The class of the file (or folder) at `path`.
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.strip_suffix(".tmp").unwrap_or(&name);
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        let below_log = path.components().any(|c| {
            matches!(c.as_os_str().to_str(), Some("log" | "tile" | "tiles" | "checkpoint" | "checkpoints"))
        });
        match (name, end) {
            (_, "jrn" | "par") => Self::Journal,
            (_, "seg") => Self::Segment,
            (_, "idx") => Self::Index,
            ("keyring.a" | "keyring.b", _) => Self::Keyring,
            ("HEAD", _) => Self::Head,
            (_, "slot") => Self::Slot,
            ("LOCK" | "lock", _) => Self::Lock,
            _ if below_log => Self::Log,
            _ => Self::Other,
        }
    }
}

/// How often each site was called.
pub type Counts = BTreeMap<(Class, Call), u64>;

/// Which calls are meant: `None` means any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aim {
    /// Class of file.
    pub class: Option<Class>,
    /// Kind of call.
    pub call: Option<Call>,
    /// Only calls that may change the disk.
    pub changes_only: bool,
}

impl Aim {
    /// Every call.
    pub const ANY: Self = Self { class: None, call: None, changes_only: false };
    /// Every call that may change the disk.
    pub const CHANGES: Self = Self { class: None, call: None, changes_only: true };

    /// One kind of call on one class of file.
    pub const fn at(class: Class, call: Call) -> Self {
        Self { class: Some(class), call: Some(call), changes_only: false }
    }

    /// One kind of call on any file.
    pub const fn call(call: Call) -> Self {
        Self { class: None, call: Some(call), changes_only: false }
    }

    /// Whether a call is meant.
    pub fn hits(&self, class: Class, call: Call) -> bool {
        self.class.is_none_or(|c| c == class)
            && self.call.is_none_or(|c| c == call)
            && (!self.changes_only || call.changes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_name() {
        let of = |p: &str| Class::of(Path::new(p));
        assert_eq!(of("/s/00ff.jrn"), Class::Journal);
        assert_eq!(of("/s/00ff.idx.tmp"), Class::Index);
        assert_eq!(of("/s/keyring.b"), Class::Keyring);
        assert_eq!(of("/s/HEAD"), Class::Head);
        assert_eq!(of("/s.slot"), Class::Slot);
        assert_eq!(of("/s/tile/0/000"), Class::Log);
        assert_eq!(of("/s/LOCK"), Class::Lock);
        assert_eq!(of("/s"), Class::Other);
    }

    #[test]
    fn aims() {
        assert!(Aim::ANY.hits(Class::Other, Call::Len));
        assert!(!Aim::CHANGES.hits(Class::Other, Call::Len));
        assert!(Aim::at(Class::Slot, Call::Sync).hits(Class::Slot, Call::Sync));
        assert!(!Aim::at(Class::Slot, Call::Sync).hits(Class::Head, Call::Sync));
    }
}
