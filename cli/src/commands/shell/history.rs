//! A file of lines typed in earlier sessions, if one was asked for.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::args::Global;
use crate::durable;
use crate::exit::Failure;
use crate::outside::Outside;

/// A history file, readable by its owner only.
pub(super) struct HistoryFile(Outside);

impl HistoryFile {
    /// Opens or makes the file; also the lines in it. What is no history is not touched.
    pub(super) fn open(global: &Global, path: &Path) -> Result<(Self, Vec<String>), Failure> {
        let place = Outside::of(global, path)?;
        let lines = match fs::File::open(path) {
            Ok(file) => lines(file)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Failure::io("open the history", e)),
        };
        let file = Self(place);
        // A place that can't be written is an error before the work, not behind it.
        file.keep(&lines)?;
        Ok((file, lines))
    }

    /// Puts these lines in the place of what the file held.
    pub(super) fn keep(&self, lines: &[impl AsRef<str>]) -> Result<(), Failure> {
        let mut len = MARK.len();
        let fits = |line: &&str| {
            len += line.len() + 1;
            len <= BYTES_MAX
        };
        let one_line = |line: &&str| !line.contains(['\n', '\r']);
        let newest = lines.iter().rev().map(AsRef::as_ref).filter(one_line).take_while(fits);
        let mut newest: Vec<&str> = newest.collect();
        newest.push(MARK);
        newest.reverse();
        durable::write(&self.0, (newest.join("\n") + "\n").as_bytes())
    }
}

fn lines(file: fs::File) -> Result<Vec<String>, Failure> {
    let foreign = || {
        Failure::usage("the file for the history exists and is none")
            .hint("name a new file, or one that an earlier shell wrote")
    };
    let mut text = String::new();
    match file.take(BYTES_MAX as u64 + 1).read_to_string(&mut text) {
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(foreign()),
        Err(e) => return Err(Failure::io("read the history", e)),
        Ok(len) if len > BYTES_MAX => return Err(foreign()),
        Ok(_) => {}
    }
    let mut lines = text.lines();
    if !text.is_empty() && lines.next() != Some(MARK) {
        return Err(foreign());
    }
    Ok(lines.map(str::to_owned).collect())
}

/// First line of the file.
const MARK: &str = "#escrow shell history 1";
/// Bytes of a file at most.
const BYTES_MAX: usize = 1 << 20;
/// Lines of a history at most.
pub(super) const ENTRIES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_stay_and_foreign_files_too() {
        let folder = std::env::temp_dir().join(format!("escrow-history-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("h");
        let open = || HistoryFile::open(&Global::default(), &path);
        let (file, lines) = open().unwrap();
        assert!(lines.is_empty());
        let long = "x".repeat(BYTES_MAX / 2);
        file.keep(&[&long, &long, "tag:a", "two\nlines", "#b", ""]).unwrap();
        assert_eq!(open().unwrap().1, [&long, "tag:a", "#b", ""]);
        file.keep(&["é"; 3]).unwrap();
        assert_eq!(open().unwrap().1, ["é"; 3]);
        for foreign in [&b"notes\n"[..], b"#escrow shell history 2\n", b"\xff\xfe", long.repeat(3).as_bytes()]
        {
            fs::write(&path, foreign).unwrap();
            assert!(open().is_err());
            assert_eq!(fs::read(&path).unwrap(), foreign);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
