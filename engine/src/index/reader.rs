//! A rolled segment: its index, opened section by section at first use, and its bodies.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use roaring::RoaringBitmap;

use crate::crypto::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, Seq, StoreId};
use crate::index::dictionary::{Entry, key_of};
use crate::index::file::{IndexFile, Section, file_name};
use crate::index::filter::{IdFilter, IdHash, Probe};
use crate::index::known::hash_of;
use crate::index::page::{self, PAGE_LEN, PageFile};
use crate::index::part::{Part as _, Term};
use crate::index::sections::Sections;
use crate::parity::{Repairs, pages_for};
use crate::record::{Kind, Stored};
use crate::segment::block::BlockRecord;
use crate::segment::writer::file_name as body_name;
use crate::segment::{BlockRef, BodyFile, Location, OpenBlock, SubjectKeys};
use crate::vfs::{ReadAt, Vfs};

/// The files of a segment.
#[derive(Clone, Copy)]
pub struct SegmentFiles<'a> {
    /// Folder of the store.
    pub dir: &'a Path,
    /// The store.
    pub store: StoreId,
    /// The index file.
    pub index: FileId,
    /// The body files, in the order of their indexes in the block table.
    pub bodies: &'a [FileId],
    /// Pages that the index has without its parity, if that is known: one that was cut short still
    /// opens then.
    pub pages: Option<u32>,
    /// Where rescues are counted.
    pub repairs: &'a Arc<Repairs>,
}

/// A rolled segment. Opened parts are kept until [`Self::clear`], or until others need the room.
pub struct Segment {
    pub(crate) sections: Sections,
    bodies: Vec<Arc<BodyFile>>,
    keys: Arc<dyn SubjectKeys>,
    filter: Arc<Option<IdFilter>>,
    default_docs: OnceLock<u64>,
    /// The filter that it shares with others; `None` if it stands by itself.
    tier: OnceLock<Option<Arc<IdFilter>>>,
    /// Queries that looked at it.
    visits: AtomicU64,
}

/// A record with what its proof needs.
pub struct OpenRecord {
    /// Log position.
    pub seq: Seq,
    /// Salt of its leaf.
    pub salt: Zeroizing<[u8; 16]>,
    /// Canonical bytes.
    pub canonical: Zeroizing<Vec<u8>>,
    /// What they say.
    pub stored: Stored,
}

impl Segment {
    /// Opens a segment under its K_index: page 0 and the id filter are read, the rest at use.
    pub fn open(
        vfs: &dyn Vfs,
        files: SegmentFiles<'_>,
        key: Key,
        keys: Arc<dyn SubjectKeys>,
    ) -> Result<Self> {
        let file = map(vfs, files.dir, &file_name(files.index))?;
        let (of, repairs) =
            (PageFile { store: files.store, file: files.index, version: page::VERSION }, files.repairs);
        let index = IndexFile::open(file.into(), of, key, Arc::clone(repairs), files.pages)?;
        let mut bodies = Vec::with_capacity(files.bodies.len());
        for id in files.bodies {
            let body = match map(vfs, files.dir, &body_name(*id)) {
                Ok(file) => BodyFile::new(file.into(), files.store, *id, Arc::clone(repairs))?,
                // What stands in the index still holds.
                Err(e) if e.kind() == ErrorKind::Corrupt => {
                    BodyFile::lost(files.store, *id, Arc::clone(repairs))
                }
                Err(e) => return Err(e),
            };
            bodies.push(Arc::new(body));
        }
        let sections = Sections::new(index, keys.budget());
        let filter = Arc::new(sections.load_filter()?);
        Ok(Self::with(sections, bodies, keys, filter))
    }

    /// The same files under another handle of K_index and other content keys. Page 0 is opened
    /// again; nothing that was opened before is kept but the id filter.
    pub fn under(&self, key: Key, keys: Arc<dyn SubjectKeys>) -> Result<Self> {
        let sections = Sections::new(self.sections.index.under(key)?, keys.budget());
        Ok(Self::with(sections, self.bodies.clone(), keys, Arc::clone(&self.filter)))
    }

    fn with(
        sections: Sections,
        bodies: Vec<Arc<BodyFile>>,
        keys: Arc<dyn SubjectKeys>,
        filter: Arc<Option<IdFilter>>,
    ) -> Self {
        Self {
            sections,
            bodies,
            keys,
            filter,
            default_docs: OnceLock::new(),
            tier: OnceLock::new(),
            visits: AtomicU64::new(0),
        }
    }

    /// Forgets, and thereby wipes, everything that was opened, except the id filter.
    pub fn clear(&self) {
        self.sections.clear();
        self.forget_blocks();
    }

    /// Bytes of its index that are kept open.
    pub fn bytes_kept(&self) -> usize {
        self.sections.bytes_kept()
    }

    /// Forgets, and thereby wipes, which terms were looked up last, and lists made of them.
    pub fn forget_terms(&self) {
        self.sections.opened.forget_lists();
    }

    fn forget_blocks(&self) {
        if let Some(opened) = self.keys.opened() {
            opened.forget(self.sections.index.id());
        }
    }

    /// Whether more than single pages is lost of its index: it is of no use before it is built anew.
    pub fn to_rebuild(&self) -> bool {
        self.sections.index.to_rebuild()
    }

    /// How many queries looked at it, and how many pages of its index were opened, since it was
    /// opened.
    pub fn used(&self) -> (u64, u64) {
        (self.visits.load(Ordering::Relaxed), self.sections.index.pages_opened())
    }

    /// Lowest and highest log position; `None` if empty.
    pub fn seq_span(&self) -> Option<(Seq, Seq)> {
        let table = self.sections.index.table();
        (table.docs > 0).then_some(table.seqs)
    }

    /// Pages of the index file.
    pub fn pages(&self) -> u32 {
        self.sections.index.table().pages
    }

    /// Bytes of the index file, parity included.
    pub fn index_len(&self) -> u64 {
        let pages = u64::from(self.pages());
        (pages + pages_for(pages)) * PAGE_LEN as u64
    }

    /// Bytes of the index's pages without parity, and how many bytes of their texts are filled
    /// with zeros.
    pub fn index_room(&self) -> (u64, u64) {
        (u64::from(self.pages()) * PAGE_LEN as u64, self.sections.index.table().zeros())
    }

    /// The block table, read anew.
    pub fn blocks(&self) -> Result<Vec<BlockRef>> {
        self.sections.load_blocks()
    }

    /// How many body files the segment names.
    /// Documents whose bodies stand in some of its body files: `files` says of each whether it is one.
    pub(crate) fn docs_in_files(&self, files: &[bool]) -> Result<RoaringBitmap> {
        let (blocks, places) = (self.sections.blocks()?, self.sections.places()?);
        let is_in = |doc: &u32| {
            let block = places.get(*doc).and_then(|place| blocks.get(place.block as usize));
            block.is_some_and(|block| files.get(usize::from(block.file)) == Some(&true))
        };
        Ok((0..self.sections.docs()).filter(is_in).collect())
    }

    pub(crate) fn body_count(&self) -> u8 {
        u8::try_from(self.bodies.len()).unwrap_or(u8::MAX)
    }

    /// A body file by its place in the block table.
    pub fn body(&self, file: usize) -> Result<&BodyFile> {
        let body = self.bodies.get(file);
        body.map(|b| &**b).ok_or_else(|| self.damage(Section::Blocks, "a body file is missing"))
    }

    /// The filter that it shares with other segments; `None` as long as nobody made one.
    pub fn tier(&self) -> Option<&Arc<IdFilter>> {
        self.tier.get()?.as_ref()
    }

    /// Whether it was decided to which tier it belongs.
    pub fn has_tier(&self) -> bool {
        self.tier.get().is_some()
    }

    /// Puts it into a tier, or by itself, for as long as it lives.
    pub(crate) fn set_tier(&self, tier: Option<Arc<IdFilter>>) {
        let _ = self.tier.set(tier);
    }

    /// Whether the record may be here; never wrong when it says no.
    pub fn may_contain(&self, identity: IdHash) -> bool {
        self.may_hold(&identity.probe())
    }

    /// The same for a probe that was made before.
    pub fn may_hold(&self, probe: &Probe) -> bool {
        (*self.filter).as_ref().is_none_or(|filter| filter.may_hold(probe))
    }

    /// Documents whose identity has this hash, ascending.
    pub fn with_identity(&self, identity: IdHash) -> Result<Vec<u32>> {
        if !self.may_contain(identity) {
            return Ok(Vec::new());
        }
        self.with_id(identity.id, Some(identity.conversation))
    }

    fn with_id(&self, id: u32, conversation: Option<u32>) -> Result<Vec<u32>> {
        let ids = self.sections.ids_around(id)?;
        let fits = |i: u32, c: u32| i == id && conversation.is_none_or(|wanted| wanted == c);
        let found = ids.seek((id, conversation.unwrap_or(0), 0)).take_while(|(i, c, _)| fits(*i, *c));
        let mut docs: Vec<u32> = found.map(|(_, _, doc)| doc).filter(|doc| *doc < self.doc_count()).collect();
        docs.sort_unstable();
        Ok(docs)
    }

    /// Opens a record with its salt and canonical bytes.
    pub fn stored_with_salt(&self, doc: u32) -> Result<OpenRecord> {
        self.with_record(doc, |record, stored| OpenRecord {
            seq: record.seq,
            salt: Zeroizing::new(record.salt),
            canonical: Zeroizing::new(record.canonical.to_vec()),
            stored,
        })
    }

    fn with_record<R>(&self, doc: u32, f: impl FnOnce(&BlockRecord<'_>, Stored) -> R) -> Result<R> {
        let at = self.location(doc)?;
        let block = self.block(at.block)?;
        let seq = self.key(doc)?.seq;
        let record = block
            .get(at.slot)
            .filter(|r| r.seq == seq)
            .ok_or_else(|| self.damage(Section::Locations, "a record is not in its block"))?;
        let stored = Stored::decode(record.canonical).map_err(|e| {
            e.context(format!("record {seq} in block {} of {}", at.block, self.sections.index.name()))
        })?;
        Ok(f(&record, stored))
    }

    /// Opens a block of the block table, or takes it from those that are kept.
    pub fn block(&self, number: u32) -> Result<Arc<OpenBlock>> {
        let (opened, index) = (self.keys.opened(), self.sections.index.id());
        if let Some(block) = opened.and_then(|o| o.get(index, number)) {
            return Ok(block);
        }
        let blocks = self.sections.blocks()?;
        let place = blocks.get(number as usize);
        let place = place.ok_or_else(|| self.damage(Section::Blocks, "a block is missing"))?;
        let block = Arc::new(self.open_block(place)?);
        if let Some(opened) = opened {
            opened.put(index, number, Arc::clone(&block));
        }
        Ok(block)
    }

    /// The body files.
    pub(crate) fn body_files(&self) -> impl Iterator<Item = &BodyFile> {
        self.bodies.iter().map(|body| &**body)
    }

    /// Whether a block opens as it stands in its file.
    pub(crate) fn open_block_as_it_is(&self, body: &BodyFile, block: &BlockRef) -> Result<()> {
        body.open_as_it_is(block, &*self.keys).map(|_| ())
    }

    /// The sealed bytes of a block that doesn't open.
    pub(crate) fn rescue_block(&self, body: &BodyFile, block: &BlockRef) -> Result<Option<Vec<u8>>> {
        body.rescue(block, &*self.keys)
    }

    /// Whether every subject of a block has a key.
    pub(crate) fn has_keys(&self, block: &BlockRef) -> Result<bool> {
        for person in &block.subjects {
            if self.keys.content_key(*person)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens a block and keeps nothing.
    pub fn open_block(&self, block: &BlockRef) -> Result<OpenBlock> {
        self.body_of(block)?.open(block, &*self.keys)
    }

    /// Opens a block that was just written: rescue would hide that it was written badly.
    pub(crate) fn open_fresh_block(&self, block: &BlockRef) -> Result<OpenBlock> {
        self.body_of(block)?.open_as_it_is(block, &*self.keys)
    }

    fn body_of(&self, block: &BlockRef) -> Result<&BodyFile> {
        self.body(usize::from(block.file))
    }

    /// Damage found in a section.
    pub(crate) fn damage(&self, section: Section, what: &str) -> Error {
        self.sections.index.at(section, Error::corrupt(what))
    }

    fn location(&self, doc: u32) -> Result<Location> {
        self.sections.places()?.get(doc).ok_or_else(|| no_document(doc))
    }

    fn find(&self, term: &Term) -> Result<Option<Entry>> {
        self.find_hashed(term, hash_of(term))
    }

    fn find_hashed(&self, term: &Term, hash: u64) -> Result<Option<Entry>> {
        // A plan asks for each term twice, for its frequency and for its list.
        if let Some(found) = self.sections.opened.known.get(term, hash) {
            return Ok(found);
        }
        if let Some(found) = self.sections.opened.asked_last.get(term) {
            return Ok(found);
        }
        let found = self.sections.find(&key_of(term))?;
        if self.remembers() {
            self.sections.opened.known.put(term, hash, found.as_ref());
        } else {
            self.sections.opened.asked_last.put(term, found.as_ref());
        }
        Ok(found)
    }

    /// Whether what is remembered of terms is counted: it is, with the dictionary. Of who asks for few
    /// terms, and opens none, the last few are remembered.
    fn remembers(&self) -> bool {
        self.sections.opened.dictionary.is_made()
    }

    /// One bit for each document of a default kind.
    fn default_bits(&self) -> Result<Arc<Zeroizing<Vec<u8>>>> {
        let make = || {
            let mut bits = Zeroizing::new(vec![0u8; (self.doc_count() as usize).div_ceil(8)]);
            for kind in Kind::ALL.into_iter().filter(|kind| kind.is_default()) {
                for doc in self.postings(&Term::kind(kind))? {
                    if let Some(byte) = bits.get_mut(doc as usize / 8) {
                        *byte |= 1 << (doc % 8);
                    }
                }
            }
            Ok(bits)
        };
        self.sections.opened.get(|o| &o.default_bits, make)
    }

    /// Reads the list of an entry.
    fn list<R>(&self, entry: &Entry, read: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
        self.sections.list(&entry.list, read).map_err(|e| self.sections.index.at(Section::Postings, e))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A file that the keyring names and that is not there is damage, not an error of the system.
fn map(vfs: &dyn Vfs, dir: &Path, name: &str) -> Result<Box<dyn ReadAt>> {
    vfs.map(&dir.join(name)).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::corrupt(format!("file {name} is missing")),
        _ => Error::io(format!("open {name}"), e),
    })
}

fn no_document(doc: u32) -> Error {
    Error::invalid(format!("no document {doc} in this segment"))
}

mod common;
mod part;
mod phrase;
#[cfg(test)]
mod tests;
