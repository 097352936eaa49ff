//! Files that are whole or not there: a temporary name beside the target, sync, rename, sync of
//! the folder. Used for everything the commands write outside a store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::outside::Outside;

/// Temporary names that are tried: files that a kill left behind have some of them.
const ATTEMPTS: u32 = 100;

/// A file being written. Dropped without [`DurableFile::commit`], it leaves nothing behind.
pub(crate) struct DurableFile {
    writer: Option<BufWriter<File>>,
    temporary: PathBuf,
    target: PathBuf,
}

impl DurableFile {
    /// Starts a file that will stand at `target`, readable by its owner only: it may hold what
    /// people wrote.
    pub(crate) fn create(target: &Outside) -> Result<Self, Failure> {
        let target = target.path();
        let name = target
            .file_name()
            .ok_or_else(|| Failure::usage(format!("{} is not the name of a file", target.display())))?;
        // A device or pipe must not be replaced by a file.
        if fs::metadata(target).is_ok_and(|m| !m.is_file()) {
            return Err(Failure::usage(format!("{} exists and is not a regular file", target.display())));
        }
        let (temporary, file) = (0..ATTEMPTS)
            .map(|attempt| {
                let mut temporary_name = std::ffi::OsString::from(".");
                temporary_name.push(name);
                temporary_name.push(match attempt {
                    0 => format!(".{}.part", std::process::id()),
                    _ => format!(".{}.{attempt}.part", std::process::id()),
                });
                let temporary = target.with_file_name(temporary_name);
                private(&temporary).map(|file| (temporary, file))
            })
            .find(|made| !made.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists))
            .unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))
            .map_err(|e| Failure::io(format!("create {}", target.display()), e))?;
        Ok(Self { writer: Some(BufWriter::new(file)), temporary, target: target.to_owned() })
    }

    /// Makes the content durable under the target's name, replacing what stood there.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        self.sync()?.publish()
    }

    /// Makes the content durable under its temporary name: what is left is a change of names.
    pub(crate) fn sync(mut self) -> Result<Written, Failure> {
        let synced = self.writer.as_mut().map_or(Ok(()), |w| w.flush().and_then(|()| w.get_ref().sync_all()));
        synced.map_err(|e| Failure::io(format!("write {}", self.target.display()), e))?;
        Ok(Written(self))
    }
}

/// A file that is durable but doesn't stand under its name yet. Dropped without
/// [`Written::publish`], it leaves nothing behind.
pub(crate) struct Written(DurableFile);

impl Written {
    /// Gives the file its name, replacing what stood there.
    pub(crate) fn publish(self) -> Result<(), Failure> {
        let Self(mut file) = self;
        let named = fs::rename(&file.temporary, &file.target);
        if named.is_ok() {
            file.writer = None;
        }
        named
            .and_then(|()| sync_folder(&file.target))
            .map_err(|e| Failure::io(format!("write {}", file.target.display()), e))
    }
}

impl Write for DurableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.as_mut().map_or(Ok(0), |w| w.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for DurableFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a whole file.
pub(crate) fn write(target: &Outside, content: &[u8]) -> Result<(), Failure> {
    let mut file = DurableFile::create(target)?;
    file.write_all(content).map_err(|e| Failure::io(format!("write {}", target.path().display()), e))?;
    file.commit()
}

/// A new file for its owner only. One that stands there already, or a link, was made by somebody else.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Folders can't be synced elsewhere.
#[cfg(not(unix))]
fn sync_folder(_of: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who can write into the folder made the temporary file before, readable by all, or as a link
    /// to a file that he wanted overwritten: exports went through it.
    #[cfg(unix)]
    #[test]
    fn what_others_laid_there_is_not_written_through() {
        let folder = std::env::temp_dir().join(format!("escrow-durable-laid-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let victim = folder.join("victim");
        fs::write(&victim, b"keep").unwrap();
        let laid = folder.join(format!(".a.jsonl.{}.part", std::process::id()));
        std::os::unix::fs::symlink(&victim, &laid).unwrap();
        fs::write(folder.join(format!(".a.jsonl.{}.1.part", std::process::id())), b"").unwrap();
        let place = Outside::apart(None, None, &folder.join("a.jsonl")).unwrap();
        write(&place, b"new").unwrap();
        let written = folder.join("a.jsonl");
        assert_eq!(
            (fs::read(&victim).unwrap(), fs::read(&written).unwrap()),
            (b"keep".to_vec(), b"new".to_vec())
        );
        let meta = fs::symlink_metadata(&written).unwrap();
        assert!(meta.is_file());
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777, 0o600);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = std::env::temp_dir().join(format!("escrow-durable-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("a.jsonl");
        let place = Outside::apart(None, None, &target).unwrap();
        write(&place, b"old").unwrap();
        let mut file = DurableFile::create(&place).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        drop(DurableFile::create(&place).unwrap().sync().unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        write(&place, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        fs::remove_dir_all(&folder).unwrap();
    }
}
