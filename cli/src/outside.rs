//! Where commands may write files: nowhere in the store's folder, and never over a key.
//!
//! [`DurableFile`](crate::durable::DurableFile) takes no other path, so no option that names an
//! output can forget to ask. A path is made before anything else is done: what is refused has
//! changed nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;

/// A path at which a file may be written or replaced.
#[derive(Debug)]
pub(crate) struct Outside(PathBuf);

impl Outside {
    /// Accepts `target` if it is apart from the store and the slot that the flags name.
    pub(crate) fn of(global: &Global, target: &Path) -> Result<Self, Failure> {
        if target == Path::new("-") {
            return Err(Failure::usage("- stands for no file here").hint("name a file"));
        }
        let folder = global.store.as_deref().filter(|folder| !folder.as_os_str().is_empty());
        let slot = match (folder, &global.slot) {
            (None, None) => None,
            (folder, _) => Some(engine::slot(global, folder.unwrap_or(Path::new("")))?),
        };
        Self::apart(folder, slot.as_deref(), target)
    }

    /// The same for a store and a slot that are known.
    pub(crate) fn apart(folder: Option<&Path>, slot: Option<&Path>, target: &Path) -> Result<Self, Failure> {
        let target_places = places(target)?;
        if let Some(folder) = folder {
            let folder = places(folder)?;
            if target_places.iter().any(|t| folder.iter().any(|f| t.starts_with(f))) {
                return Err(Failure::usage("the file would lie in clear inside the store's folder")
                    .hint("choose another folder"));
            }
        }
        if let Some(slot) = slot {
            let slot_places = places(slot)?;
            if target_places.iter().any(|t| slot_places.contains(t)) || same_file(slot, target) {
                return Err(Failure::usage(
                    "the file would replace the slot: without its key nothing can be read",
                )
                .hint("choose another name"));
            }
        }
        if is_of_a_store(target) {
            return Err(Failure::usage("the file would replace the slot or the head of a store")
                .hint("choose another name"));
        }
        Ok(Self(target.to_owned()))
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Where a path leads: by its own name in the folder that holds it, and, if it is a link, to what
/// it names.
fn places(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = vec![resolved(path)?];
    if let Ok(target) = path.canonicalize() {
        found.push(target);
    }
    Ok(found)
}

/// The path without links, except for what it names itself. Folders that don't exist yet keep
/// their names.
fn resolved(path: &Path) -> Result<PathBuf, Failure> {
    let unknown = |e| Failure::io(format!("look for {}", path.display()), e);
    let absolute = std::path::absolute(path).map_err(unknown)?;
    let (Some(name), Some(parent)) = (absolute.file_name(), absolute.parent()) else {
        return absolute.canonicalize().map_err(unknown);
    };
    let (mut missing, mut folder) = (Vec::<OsString>::from([name.to_owned()]), parent);
    let mut place = loop {
        if let Ok(place) = folder.canonicalize() {
            break place;
        }
        match (folder.components().next_back(), folder.parent()) {
            (Some(Component::Normal(name)), Some(above)) => {
                missing.push(name.to_owned());
                folder = above;
            }
            // Only the system knows where `missing/..` will lead.
            _ => {
                return Err(Failure::usage(format!(
                    "{} leads through a folder that isn't there",
                    path.display()
                )));
            }
        }
    };
    place.extend(missing.into_iter().rev());
    Ok(place)
}

/// Whether two names are of one file, by whatever links.
#[cfg(unix)]
fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let number = |path| fs::metadata(path).map(|m| (m.dev(), m.ino()));
    number(a).is_ok_and(|a| number(b).is_ok_and(|b| a == b))
}

/// Elsewhere links are told by their names only.
#[cfg(not(unix))]
fn same_file(_a: &Path, _b: &Path) -> bool {
    false
}

/// Whether a file is the slot or the head of any store. Both begin alike in each of their pages.
fn is_of_a_store(file: &Path) -> bool {
    if !fs::metadata(file).is_ok_and(|m| m.is_file()) {
        return false;
    }
    let mut beginning = Vec::new();
    let read = File::open(file).and_then(|f| f.take(2 * PAGE_LEN as u64).read_to_end(&mut beginning));
    read.is_ok() && beginning.chunks(PAGE_LEN).any(|page| MARKS.iter().any(|mark| page.starts_with(mark)))
}

/// How pages of slots and heads begin (docs/FORMAT.md, sections 4 and 5).
const MARKS: [&[u8]; 2] = [b"ESCDSLOT", b"ESCDHEAD"];
/// Length of a page.
const PAGE_LEN: usize = 4096;
