//! Copies of loaded folders, for rows that change them; and bytes a record.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::compare::report::Figure;
use crate::compare::words::peer::{Plan, System};
use crate::compare::words::sheet::{Cell, Line, Sheet};
use crate::meter;

/// A copy that disappears when it is dropped.
pub struct Copy {
    /// Where it is.
    pub dir: PathBuf,
}

impl Copy {
    /// A copy beside the folder; owners, times and holes as they are.
    pub fn of(folder: &Path) -> Result<Self> {
        let dir = folder.with_file_name("copy");
        if dir.exists() {
            // An earlier run was stopped.
            fs::remove_dir_all(&dir)?;
        }
        let status = Command::new("cp").arg("-a").arg(folder).arg(&dir).status()?;
        if status.success() { Ok(Self { dir }) } else { Err("a folder can't be copied".into()) }
    }

    /// Whether a file holds these bytes somewhere.
    pub fn holds(&self, needle: &[u8]) -> Result<bool> {
        holds(&self.dir, needle)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn holds(dir: &Path, needle: &[u8]) -> Result<bool> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            holds(&path, needle)?
        } else if path.is_file() {
            contains(&fs::read(&path)?, needle)
        } else {
            // A socket.
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

fn sum(dir: &Path) -> Result<u64> {
    Ok(meter::bytes_by_kind(dir)?.iter().map(|kind| kind.1).sum())
}

/// Bytes a record as loaded, and when each has made its files as small as it can.
pub fn sizes(systems: &[System], dir: &Path, plan: &Plan, sheet: &mut Sheet) -> Result<()> {
    let (mut loaded, mut compacted) = (Vec::new(), Vec::new());
    let each = |bytes: u64| Cell::Figure(Figure::PerRecord(bytes as f64 / plan.records.max(1) as f64));
    for system in systems {
        let copy = Copy::of(&dir.join(system.key))?;
        let mut peer = (system.open)(&copy.dir, plan)?;
        let before = peer.bytes()?.map_or_else(|| sum(&dir.join(system.key)), Ok)?;
        peer.compact()?;
        let own = peer.bytes()?;
        // Some give space back only when they are closed.
        drop(peer);
        loaded.push((system.key, each(before)));
        compacted.push((system.key, each(own.map_or_else(|| sum(&copy.dir), Ok)?)));
    }
    sheet.add(Line::new("bytes a record, as loaded").cells(loaded))?;
    sheet.add(Line::new("bytes a record after compaction").cells(compacted).part_of("sqlcipher", 1.0, 0.75))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        assert!(contains(b"aab", b"ab") && contains(b"ab", b"ab") && contains(b"xab", b"ab"));
        assert!(!contains(b"ba", b"ab") && !contains(b"", b"ab"));
    }
}
