//! Looks at raw bytes: do words stand in files, in any usual coding?

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// Words in all their codings, ready to be looked for in one pass.
pub(super) struct Needles {
    patterns: Vec<Vec<u8>>,
    /// Which two bytes begin a pattern.
    begins: Vec<bool>,
}

/// What a scan saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) found: u64,
}

impl Needles {
    /// UTF-8, UTF-16 of both byte orders, base64 at each of its three phases, hexadecimal.
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = Vec::new();
        for word in words {
            let bytes = word.as_bytes();
            let units: Vec<u16> = word.encode_utf16().collect();
            patterns.push(bytes.to_vec());
            patterns.push(units.iter().flat_map(|u| u.to_le_bytes()).collect());
            patterns.push(units.iter().flat_map(|u| u.to_be_bytes()).collect());
            patterns.push(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes());
            patterns.push(bytes.iter().map(|b| format!("{b:02X}")).collect::<String>().into_bytes());
            patterns.extend((0..3).map(|phase| base64_core(bytes, phase)));
        }
        let mut begins = vec![false; 1 << 16];
        for pattern in &patterns {
            if let [first, second, ..] = pattern.as_slice() {
                begins[pair(*first, *second)] = true;
            }
        }
        Self { patterns, begins }
    }

    /// How many of these stand in the files of a folder and in their names.
    pub(super) fn scan(&self, folder: &Path) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        for file in files(folder)? {
            let content = fs::read(&file).map_err(|e| Failure::io(format!("read {}", file.display()), e))?;
            let name = file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes();
            seen.files += 1;
            seen.bytes += content.len() as u64;
            seen.found += self.count(&content) + self.count(name);
        }
        Ok(seen)
    }

    /// How many stand in `bytes`.
    pub(super) fn count(&self, bytes: &[u8]) -> u64 {
        let mut found = 0;
        for (at, two) in bytes.windows(2).enumerate() {
            if self.begins[pair(two[0], two[1])] {
                found += self.patterns.iter().filter(|p| bytes[at..].starts_with(p)).count() as u64;
            }
        }
        found
    }
}

/// Every file below a folder, sorted.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        let fail = |e| Failure::io(format!("list {}", dir.display()), e);
        for entry in fs::read_dir(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_type().map_err(fail)?.is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a folder, file by file.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from).unwrap_or(&file));
        let parent = target.parent().unwrap_or(to);
        fs::create_dir_all(parent)
            .and_then(|()| fs::copy(&file, &target))
            .map_err(|e| Failure::io(format!("copy {}", file.display()), e))?;
    }
    Ok(())
}

/// The characters of base64 that depend on `bytes` only, if `phase` bytes of a group stand before.
fn base64_core(bytes: &[u8], phase: usize) -> Vec<u8> {
    let bits = |at: usize| -> u32 { bytes.get(at).map_or(0, |b| u32::from(*b)) };
    // Bits of `bytes` before the first whole character.
    let skip = [0, 4, 2][phase % 3];
    let characters = (bytes.len() * 8 - skip) / 6;
    (0..characters)
        .map(|n| {
            let bit = skip + n * 6;
            let word = bits(bit / 8) << 8 | bits(bit / 8 + 1);
            BASE64[(word >> (10 - bit % 8) & 63) as usize]
        })
        .collect()
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coding_is_found() {
        let needles = Needles::new(["Marie Dubois"]);
        for (text, expected) in [
            (&b"xx Marie Dubois"[..], 1),
            (b"M\0a\0r\0i\0e\0 \0D\0u\0b\0o\0i\0s\0", 1),
            (b"\0M\0a\0r\0i\0e\0 \0D\0u\0b\0o\0i\0s", 1),
            (b"4d61726965204475626f6973", 1),
            (b"4D61726965204475626F6973", 1),
            (b"TWFyaWUgRHVib2lz", 1),
            (b"eE1hcmllIER1Ym9pcw==", 1),
            (b"eHhNYXJpZSBEdWJvaXM=", 1),
            (b"Marie Dubpis", 0),
            (b"", 0),
        ] {
            assert_eq!(needles.count(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
