//! What can happen to a file at rest.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::vfs::{MemoryVfs, Vfs};

use crate::rot::disk::BadPageVfs;
use crate::rot::small::{Files, kind_of};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// A bit is turned.
    Bit(usize),
    /// A page is all zeros.
    Zeros(usize),
    /// A page holds other bytes.
    Garbage(usize),
    /// A page can't be read.
    Unreadable(usize),
}

/// One fault of one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What happens to it.
    pub harm: Harm,
}

impl Harm {
    /// `bit` or `page`, and how.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bit(_) => "bit",
            Self::Zeros(_) => "page of zeros",
            Self::Garbage(_) => "page of garbage",
            Self::Unreadable(_) => "unreadable page",
        }
    }

    /// Which bytes of a file of `len` are meant.
    pub fn range(self, len: usize) -> Range<usize> {
        match self {
            Self::Bit(bit) => bit / 8..bit / 8 + 1,
            Self::Zeros(page) | Self::Garbage(page) | Self::Unreadable(page) => {
                page * PAGE..len.min((page + 1) * PAGE)
            }
        }
    }
}

impl Damage {
    /// Kind of the file.
    pub fn kind(&self) -> &'static str {
        kind_of(&self.path)
    }

    /// Puts the damage into files. An unreadable page is left to [`disk`].
    pub fn apply(&self, files: &mut Files) {
        let bytes = files.get_mut(&self.path).expect("a file of the store");
        let range = self.harm.range(bytes.len());
        match self.harm {
            Harm::Bit(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
            Harm::Zeros(_) => bytes[range].fill(0),
            Harm::Garbage(page) => {
                let name = format!("{} {page}", self.path.display());
                blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes[range]);
            }
            Harm::Unreadable(_) => {}
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kind) = (self.path.display(), self.kind());
        match self.harm {
            Harm::Bit(bit) => write!(f, "{kind} {name}: bit {} of byte {}", bit % 8, bit / 8),
            Harm::Zeros(page) | Harm::Garbage(page) | Harm::Unreadable(page) => {
                write!(f, "{kind} {name}: page {page}, {}", self.harm.name())
            }
        }
    }
}

/// A disk with these damages, and the disk under it.
pub fn disk(files: &Files, damages: &[Damage]) -> (Arc<dyn Vfs>, MemoryVfs) {
    let mut files = files.clone();
    for damage in damages {
        damage.apply(&mut files);
    }
    let len = |path: &Path| files[path].len();
    let unreadable = damages.iter().find(|d| matches!(d.harm, Harm::Unreadable(_)));
    let bad = unreadable.map(|d| (&d.path, d.harm.range(len(&d.path))));
    let inner = MemoryVfs::from_files(files.clone());
    match bad {
        Some((path, range)) => {
            let range = range.start as u64..range.end as u64;
            (Arc::new(BadPageVfs::new(inner.clone(), path, range)), inner)
        }
        None => (Arc::new(inner.clone()), inner),
    }
}

/// Every page of every file, in each way it can be lost. Of room that holds nothing (in journals and
/// in the reserve) every `sample`-th.
pub fn pages(files: &Files, sample: usize) -> Vec<Damage> {
    let mut all = Vec::new();
    for (path, bytes) in files {
        for page in 0..bytes.len().div_ceil(PAGE) {
            if !matters(path, &bytes[page * PAGE..bytes.len().min((page + 1) * PAGE)]) && page % sample != 0 {
                continue;
            }
            for harm in [Harm::Zeros(page), Harm::Garbage(page), Harm::Unreadable(page)] {
                let changes = match harm {
                    Harm::Zeros(_) => bytes[harm.range(bytes.len())].iter().any(|b| *b != 0),
                    _ => true,
                };
                if changes {
                    all.push(Damage { path: path.clone(), harm });
                }
            }
        }
    }
    all
}

/// Both copies of what stands twice, lost at once: records of slot and HEAD, pages of the key tree.
pub fn twins(files: &Files) -> Vec<Vec<Damage>> {
    let mut all = Vec::new();
    let at = |path: &Path, harm| Damage { path: path.to_path_buf(), harm };
    for harm in [Harm::Zeros as fn(usize) -> Harm, Harm::Garbage] {
        for path in files.keys() {
            match kind_of(path) {
                "slot" | "HEAD" => {
                    all.extend([0, 2].map(|page| vec![at(path, harm(page)), at(path, harm(page + 1))]));
                }
                "keyring" if path.ends_with("keyring.a") => {
                    let other = path.with_file_name("keyring.b");
                    let pages = files[path].len() / PAGE;
                    all.extend((0..pages).map(|page| vec![at(path, harm(page)), at(&other, harm(page))]));
                }
                _ => {}
            }
        }
    }
    all
}

/// Whether a page is more than room for later.
fn matters(path: &Path, page: &[u8]) -> bool {
    page.iter().any(|b| *b != 0) || matches!(kind_of(path), "slot" | "HEAD")
}

/// Kinds of files whose bits are found again by trying all: each case costs tens of milliseconds.
const TRIED: [&str; 3] = ["index", "segment", "journal"];

/// Bits of every page that holds something (and of all pages of slot and HEAD): every `sample`-th;
/// of files where a bit is found again by trying, every `tried`-th; of pages of nothing but zeros
/// (reserved room of journals, the reserve) fewer by far. Beginning somewhere else in each page.
pub fn bits(files: &Files, sample: usize, tried: usize) -> Vec<Damage> {
    let mut all = Vec::new();
    for (path, bytes) in files {
        let sample = if TRIED.contains(&kind_of(path)) { tried } else { sample };
        for (page, text) in bytes.chunks(PAGE).enumerate() {
            let step = sample * if matters(path, text) { 1 } else { 509 };
            let first = (page * 7919 + path.as_os_str().len() * 31) % step;
            for bit in (first..text.len() * 8).step_by(step) {
                all.push(Damage { path: path.clone(), harm: Harm::Bit(page * PAGE * 8 + bit) });
            }
        }
    }
    all
}
