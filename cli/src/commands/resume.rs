//! Where a cut import goes on: a sealed note in the store says how far a file came.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use escrowdb::store::{ImportProgress, Store};
use sha2::{Digest as _, Sha256};

use crate::exit::Failure;

/// Smaller files are read again from the beginning: duplicates cost less than a note.
const LEN_MIN: u64 = 16 << 20;
/// Lines between two notes.
const LINES_BETWEEN: u64 = 50_000;
/// Bytes read at once for the digest.
const PIECE_LEN: usize = 256 * 1024;

/// Notes how far the import of one file came.
pub(crate) struct Resume<'s> {
    store: &'s Store,
    noted: ImportProgress,
    wrote: bool,
}

impl<'s> Resume<'s> {
    /// Looks whether an import of this very file was cut. `None` for small files and for what is
    /// no file.
    pub(crate) fn find(store: &'s Store, file: &Path) -> Result<Option<Self>, Failure> {
        let len = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file).map_or(0, |m| m.len());
        if len < LEN_MIN {
            return Ok(None);
        }
        let digest = digest(file).map_err(|e| Failure::io(format!("read {}", file.display()), e))?;
        let known = store.import_progress()?.filter(|p| p.digest == digest && p.offset <= len);
        let wrote = known.is_some();
        let noted = known.unwrap_or(ImportProgress { digest, offset: 0, lines: 0, records: 0 });
        Ok(Some(Self { store, noted, wrote }))
    }

    /// How far it had come.
    pub(crate) const fn noted(&self) -> &ImportProgress {
        &self.noted
    }

    /// Notes that every line before `offset` is in the store, if it is time for a note.
    pub(crate) fn reached(&mut self, offset: u64, lines: u64, records: u64) -> Result<(), Failure> {
        if lines - self.noted.lines >= LINES_BETWEEN {
            self.noted = ImportProgress { digest: self.noted.digest, offset, lines, records };
            self.store.note_import(Some(&self.noted))?;
            self.wrote = true;
        }
        Ok(())
    }

    /// The file is imported: the next import of it begins at its beginning.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.wrote {
            self.store.note_import(None)?;
        }
        Ok(())
    }
}

fn digest(file: &Path) -> io::Result<[u8; 32]> {
    let (mut hash, mut file) = (Sha256::new(), File::open(file)?);
    let mut piece = vec![0; PIECE_LEN];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
