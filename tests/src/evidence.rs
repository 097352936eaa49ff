//! What an attacker holds: every byte ever written, cut into the objects that were sealed.
//!
//! Frames, pages and HEAD records are told by their clear headers; body blocks have none, their
//! places stand in sealed indexes ([`crate::sealed`] finds them).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::crypto::{ALGORITHM, Label, SEAL_LEN, Seal};
use escrowdb::id::FileId;

use crate::call::Class;
use crate::cow::CowFile;
use crate::recording_vfs::{Inode, Op};

/// Bytes of a page of keyring, HEAD and index.
pub const PAGE: usize = 4096;

/// Kind of a sealed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Record of HEAD.
    Head,
    /// Page of the keyring's tree.
    Node,
    /// Page of the keyring's free list.
    Free,
    /// Frame of a journal.
    Frame,
    /// Page of an index.
    IndexPage,
    /// Body block.
    Body,
}

impl Kind {
    /// The labels under which such an object may be tried without more knowledge.
    pub const fn labels(self) -> &'static [Label] {
        match self {
            Self::Head => &[Label::Head],
            Self::Node | Self::Free => &[Label::KeyringPage, Label::KeyringFree],
            Self::Frame => &[Label::JournalFrame],
            Self::IndexPage => &[Label::IndexPage],
            Self::Body => &[],
        }
    }
}

/// A sealed object.
pub struct Object {
    /// What its header says.
    pub kind: Kind,
    /// Its file.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// Epoch, of a HEAD record.
    pub epoch: u64,
    pub(crate) salt: Vec<u8>,
    pub(crate) aad: Vec<u8>,
    pub(crate) seal: Seal,
    pub(crate) cipher: Arc<[u8]>,
}

/// Every sealed object ever written to one store.
#[derive(Default)]
pub struct Evidence {
    /// All but bodies; equal copies once.
    pub objects: Vec<Object>,
    /// Content of body files, also of removed ones.
    pub bodies: BTreeMap<String, Vec<u8>>,
    store: [u8; 16],
}

impl Evidence {
    /// Everything in the log of a recorded disk.
    ///
    /// # Panics
    /// If no HEAD record was ever written: then there is no store.
    pub fn of_log(ops: &[Op]) -> Self {
        let mut names: HashMap<Inode, PathBuf> = HashMap::new();
        let mut bodies: HashMap<Inode, CowFile> = HashMap::new();
        let mut journals: HashMap<Inode, Chain> = HashMap::new();
        let mut all = Self { store: store_id(ops), ..Self::default() };
        let mut seen = HashSet::new();
        for op in ops {
            match op {
                Op::Create { inode, path } => {
                    names.insert(*inode, path.clone());
                }
                Op::Rename { inode, to, .. } => {
                    names.insert(*inode, to.clone());
                }
                Op::Write { inode, offset, bytes } => {
                    let path = &names[inode];
                    let file = path.file_name().unwrap().to_string_lossy().into_owned();
                    let found = match Class::of(path) {
                        Class::Segment => {
                            bodies.entry(*inode).or_default().write(*offset, bytes);
                            continue;
                        }
                        Class::Journal => {
                            all.frames(journals.entry(*inode).or_default(), &file, *offset, bytes)
                        }
                        Class::Head | Class::Keyring | Class::Index => all.pages(&file, *offset, bytes),
                        _ => continue,
                    };
                    all.objects.extend(found.into_iter().filter(|o| seen.insert((o.aad.clone(), o.seal))));
                }
                _ => {}
            }
        }
        for (inode, content) in bodies {
            let file = names[&inode].file_name().unwrap().to_string_lossy().into_owned();
            all.bodies.insert(file, content.to_vec());
        }
        all
    }

    /// Everything in some files, as a stolen disk holds them.
    pub fn of_files(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        Self::of_log(&crate::recording_vfs::RecordingVfs::from_files(files).log())
    }

    /// Every object but bodies: where it stands, its commitment (which names the derived key) and
    /// everything else that was sealed.
    pub fn seals(&self) -> impl Iterator<Item = (String, [u8; 32], Vec<u8>)> {
        self.objects.iter().map(|o| {
            let (commitment, tag) = o.seal.split_first_chunk::<32>().expect("a seal begins with it");
            (format!("{:?} {} at {}", o.kind, o.file, o.offset), *commitment, [tag, &o.cipher].concat())
        })
    }

    /// Associated data of a body block.
    pub(crate) fn body_aad(&self, file: &str, offset: u64, len: usize) -> Vec<u8> {
        let place = [offset.to_le_bytes(), (len as u64).to_le_bytes()].concat();
        [b"body", &[1, ALGORITHM][..], &self.store, &file_id(file), &place].concat()
    }

    fn pages(&self, file: &str, offset: usize, bytes: &[u8]) -> Vec<Object> {
        let mut out = Vec::new();
        let mut at = offset.next_multiple_of(PAGE);
        let bytes = if file.ends_with(".idx") && offset == 0 { without_parity(bytes) } else { bytes };
        while let Some(page) = bytes.get(at - offset..at - offset + PAGE) {
            out.extend(self.page(file, at, page));
            at += PAGE;
        }
        out
    }

    fn page(&self, file: &str, at: usize, page: &[u8]) -> Option<Object> {
        let number = ((at / PAGE) as u32).to_le_bytes();
        let header = &page[..8];
        let object = |kind, salt: &[u8], aad: Vec<u8>, seal_at: usize, epoch| {
            Some(Object {
                kind,
                file: file.into(),
                offset: at as u64,
                epoch,
                salt: salt.to_vec(),
                aad,
                seal: *page[seal_at..].first_chunk().unwrap(),
                cipher: page[seal_at + SEAL_LEN..].into(),
            })
        };
        if header == b"ESCDHEAD" {
            let epoch = u64::from_le_bytes(*page[32..].first_chunk().unwrap());
            object(Kind::Head, &page[48..80], page[..80].to_vec(), 80, epoch)
        } else if &page[..2] == b"KP" {
            let kind = if page[2] == 2 { Kind::Free } else { Kind::Node };
            object(kind, &[], [header, &self.store, &number].concat(), 8, 0)
        } else if &page[..4] == b"EDIX" {
            object(Kind::IndexPage, &[], [header, &self.store, &file_id(file), &number].concat(), 8, 0)
        } else {
            None
        }
    }

    /// A frame's associated data holds its number and the seal before it; frames written again
    /// after a torn write have more than one possible predecessor.
    fn frames(&self, chain: &mut Chain, file: &str, offset: usize, bytes: &[u8]) -> Vec<Object> {
        let mut out = Vec::new();
        let mut at = offset;
        while let Some(frame) = bytes.get(at - offset..).filter(|f| f.len() >= 80 && f.starts_with(b"EJF1")) {
            let len = u32::from_le_bytes(*frame[8..].first_chunk().unwrap()) as usize;
            let Some(cipher) = frame.get(80..80 + len) else { break };
            let seal: Seal = *frame[32..].first_chunk().unwrap();
            let before = match at {
                0 => vec![(0u64, [0; SEAL_LEN])],
                _ => chain.ends.get(&at).cloned().unwrap_or_default(),
            };
            for (number, previous) in before {
                let aad =
                    [&frame[..16], &self.store, &file_id(file), &number.to_le_bytes(), &previous].concat();
                out.push(Object {
                    kind: Kind::Frame,
                    file: file.into(),
                    offset: at as u64,
                    epoch: 0,
                    salt: frame[16..32].to_vec(),
                    aad,
                    seal,
                    cipher: cipher.into(),
                });
                chain.ends.entry(at + 80 + len).or_default().push((number + 1, seal));
            }
            at += 80 + len;
        }
        out
    }
}

/// An index as it is written at once, without its parity: over an odd number of pages that begins
/// as a page does and opens with nothing.
fn without_parity(bytes: &[u8]) -> &[u8] {
    let pages = bytes.len() / PAGE;
    if pages < 2 {
        return bytes;
    }
    &bytes[..(pages - pages.div_ceil(33)) * PAGE]
}

#[derive(Default)]
struct Chain {
    /// Where a frame ended: number of the next frame and seal of this one.
    ends: HashMap<usize, Vec<(u64, Seal)>>,
}

fn store_id(ops: &[Op]) -> [u8; 16] {
    ops.iter()
        .find_map(|op| match op {
            Op::Write { bytes, .. } if bytes.starts_with(b"ESCDHEAD") => bytes[16..].first_chunk().copied(),
            _ => None,
        })
        .expect("no HEAD record was ever written")
}

fn file_id(file: &str) -> [u8; 16] {
    FileId::parse(file.split('.').next().unwrap_or_default()).unwrap_or_default().0
}

/// Every file in a folder of an open store. A compaction behind it takes small segments away: a file that
/// was listed and is gone when it is read ended one run in fifty. Then all of them are listed anew.
///
/// # Panics
/// If a file can't be read, or if files come and go all the time.
pub fn files_at_rest(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    for _ in 0..100 {
        match files(folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            found => return found.unwrap(),
        }
    }
    panic!("files of the store come and go all the time");
}

fn files(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            let bytes = fs::read(&path)?;
            found.push((path, bytes));
        }
    }
    Ok(found)
}
