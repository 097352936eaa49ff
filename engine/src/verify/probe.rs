//! Which sealed objects hold a person, and which of them open with the keys that exist. For
//! demonstrations and tests: take the list before an erasure, try it after, on the folder itself
//! or on an old copy of it.

use std::path::Path;

use crate::crypto::{Keys, Secret};
use crate::error::{Error, Result};
use crate::id::{FileId, PersonNumber};
use crate::index::page::{self, PageFile};
use crate::index::{Field, Part, People, Term};
use crate::ingest::frame;
use crate::journal::{FrameKind, Journal};
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::EntryKind;
use crate::segment::block::{self, BlockPlace};
use crate::state::{State, commit};
use crate::text;
use crate::vfs::ReadAt;

/// Length of an index page.
const PAGE_LEN: usize = 4096;

/// Names a sealed object of a store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SealedObject {
    /// A block of bodies.
    Body {
        /// The file.
        file: FileId,
        /// Where it begins.
        offset: u64,
        /// Its length with the seal.
        len: u32,
        /// Whose keys sealed it.
        subjects: Vec<PersonNumber>,
    },
    /// A page of an index in which her terms stand.
    IndexPage {
        /// The file.
        file: FileId,
        /// The page.
        number: u32,
    },
    /// A frame of a journal.
    Frame {
        /// The file.
        file: FileId,
        /// The frame's number.
        number: u64,
    },
}

/// Every sealed object that holds a record or a term of a person.
pub fn holding(state: &State, identifier: &str) -> Result<Vec<SealedObject>> {
    let view = state.view.read();
    let number = view.number(&text::nfc(identifier))?.ok_or_else(|| Error::not_found("no such person"))?;
    let mut all = Vec::new();
    let (subject, author) = (Term::person(Field::Subject, number), Term::person(Field::Author, number));
    for segment in &view.segments {
        if segment.part.frequency(&subject)? + segment.part.frequency(&author)? == 0 {
            continue;
        }
        all.extend(
            (0..segment.entry.index_pages)
                .map(|number| SealedObject::IndexPage { file: segment.entry.index, number }),
        );
        for block in segment.part.decode_all()?.blocks.iter().filter(|b| b.subjects.contains(&number)) {
            if let Some(file) = segment.entry.bodies.get(usize::from(block.file)) {
                all.push(SealedObject::Body {
                    file: *file,
                    offset: block.offset,
                    len: block.len,
                    subjects: block.subjects.clone(),
                });
            }
        }
    }
    let keys = Keys::new();
    for role in [JournalRole::Current, JournalRole::Next] {
        let entry = catalog::journal(&view.tree, role)?;
        let env = &state.env;
        let replay = Journal::replay(&*env.vfs, &env.dir, env.store, entry.file, keys.insert(&entry.key)?)?;
        for (n, f) in replay.frames.iter().enumerate().filter(|(_, f)| f.kind == FrameKind::Batch) {
            let holds = frame::decode(&f.payload)?
                .iter()
                .any(|e| e.stored.author == number || e.stored.subjects.contains(&number));
            if holds {
                all.push(SealedObject::Frame { file: entry.file, number: n as u64 });
            }
        }
    }
    Ok(all)
}

/// How many of `objects`, as they lie in `folder`, open with any key that the open store's key
/// tree holds.
pub fn opened(state: &State, folder: &Path, objects: &[SealedObject]) -> Result<usize> {
    let tree = state.view.read().tree.clone();
    let living = Living::collect(state, &tree)?;
    objects.iter().try_fold(0, |n, object| Ok(n + usize::from(living.opens(state, folder, object)?)))
}

/// Every key that exists.
struct Living {
    content: Vec<(PersonNumber, Secret)>,
    index: Vec<Secret>,
    journal: Vec<Secret>,
    blocks: Vec<zeroize::Zeroizing<[u8; 16]>>,
}

impl Living {
    fn collect(state: &State, tree: &crate::keyring::Tree) -> Result<Self> {
        let mut content = Vec::new();
        for (k, _) in tree.scan(&EntryKind::Person.prefix())? {
            if let Some((number, None)) = crate::keyring::entry::key::parse_person(&k)
                && let Some(person) = catalog::person(tree, number)?
            {
                content.push((number, person.content));
            }
        }
        let (mut index, mut blocks) = (Vec::new(), Vec::new());
        let arena = Keys::new();
        for (id, segment) in catalog::segments(tree)? {
            let opened = commit::open_segment(state, id, &segment, &arena)?;
            blocks.extend(opened.part.decode_all()?.blocks.iter().map(|b| b.r_block.clone()));
            index.push(segment.key);
        }
        let journal = [JournalRole::Current, JournalRole::Next]
            .into_iter()
            .map(|role| Ok(catalog::journal(tree, role)?.key))
            .collect::<Result<_>>()?;
        Ok(Self { content, index, journal, blocks })
    }

    fn opens(&self, state: &State, folder: &Path, object: &SealedObject) -> Result<bool> {
        let env = &state.env;
        match object {
            SealedObject::IndexPage { file, number } => {
                let Some(page) = read(
                    state,
                    &folder.join(format!("{file}.idx")),
                    u64::from(*number) * PAGE_LEN as u64,
                    PAGE_LEN,
                )?
                else {
                    return Ok(false);
                };
                let version = page::version_of(&page).unwrap_or(page::VERSION);
                let of = PageFile { store: env.store, file: *file, version };
                Ok(self.index.iter().any(|key| page::open(of, key, *number, &mut page.clone()).is_ok()))
            }
            SealedObject::Body { file, offset, len, subjects } => {
                let Some(bytes) = read(state, &folder.join(format!("{file}.seg")), *offset, *len as usize)?
                else {
                    return Ok(false);
                };
                let place = BlockPlace { store: env.store, file: *file, offset: *offset };
                let own: Vec<&[u8; 32]> = self
                    .content
                    .iter()
                    .filter(|(n, _)| subjects.contains(n))
                    .map(|(_, key)| &**key)
                    .collect();
                let singles = self.content.iter().map(|(_, key)| vec![&**key]);
                Ok(std::iter::once(own).chain(singles).any(|keys| {
                    self.blocks.iter().any(|r| block::open(place, &keys, r, &mut bytes.clone()).is_ok())
                }))
            }
            SealedObject::Frame { file, number } => {
                if !env.vfs.exists(&folder.join(format!("{file}.jrn"))).unwrap_or(false) {
                    return Ok(false);
                }
                let keys = Keys::new();
                for key in &self.journal {
                    let key = keys.insert(key)?;
                    if Journal::frames_opened_by(&*env.vfs, folder, env.store, *file, key)? > *number {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Bytes of a file, `None` if it is not there or too short.
fn read(state: &State, path: &Path, offset: u64, len: usize) -> Result<Option<Vec<u8>>> {
    let file: Box<dyn ReadAt> = match state.env.vfs.map(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read a sealed object", e)),
    };
    let mut bytes = vec![0; len];
    Ok(file.read_exact_at(&mut bytes, offset).is_ok().then_some(bytes))
}
