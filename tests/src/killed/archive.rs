//! What an attacker keeps who copies the folder after every kill, and takes the slot at last.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use escrowdb::vfs::Vfs;

use crate::call::Class;
use crate::evidence::Evidence;
use crate::recording_vfs::RecordingVfs;
use crate::sealed::{Depth, Hunt, hunt, windows};

/// Copies of a folder, one over the other; nothing is ever removed.
#[derive(Default)]
pub struct Archive {
    all: RecordingVfs,
    last: BTreeMap<PathBuf, Vec<u8>>,
}

impl Archive {
    /// Adds the folder as it is.
    ///
    /// # Panics
    /// If it can't be read.
    pub fn add(&mut self, dir: &Path) {
        self.all.create_dir(dir).unwrap();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let class = Class::of(&path);
            if !matches!(class, Class::Journal | Class::Segment | Class::Index | Class::Keyring | Class::Head)
            {
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            if class == Class::Journal {
                let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
                bytes.truncate(end.next_multiple_of(256).min(bytes.len()));
            }
            if self.last.get(&path) == Some(&bytes) {
                continue;
            }
            let file = match self.last.contains_key(&path) {
                true => self.all.open(&path),
                false => self.all.create(&path),
            };
            file.unwrap().write_at(&bytes, 0).unwrap();
            self.last.insert(path, bytes);
        }
    }

    /// Opens whatever opens with the slot as it is now.
    ///
    /// # Panics
    /// If the slot can't be read.
    pub fn hunt(&self, slot: &Path) -> Hunt {
        let slot = fs::read(slot).unwrap();
        let secrets: Vec<_> = windows(&slot).collect();
        hunt(&Evidence::of_log(&self.all.log()), &secrets, &Default::default(), Depth::Formats)
    }

    /// Forgets all copies.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
