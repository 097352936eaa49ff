//! A rolled segment: its index, opened section by section at first use, and its bodies.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::crypto::Key;
use crate::error::{Error, Result};
use crate::id::{FileId, Micros, Seq, StoreId};
use crate::index::dictionary::{Dictionary, Entry, ListPlace, key_of};
use crate::index::file::{IndexFile, Section, file_name};
use crate::index::filter::{IdFilter, IdHash, text_hash};
use crate::index::page::{PAGE_LEN, PageFile};
use crate::index::part::{Field, Part, SortKey, Term};
use crate::index::postings;
use crate::index::sections::{Sections, list_bytes};
use crate::parity::{Repairs, pages_for};
use crate::record::Stored;
use crate::segment::writer::file_name as body_name;
use crate::segment::{BlockRef, BodyFile, Location, OpenBlock, SubjectKeys};
use crate::vfs::{ReadAt, Vfs};

/// How many decoded blocks a segment keeps.
const BLOCKS_KEPT: usize = 4;

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
    /// Where rescues are counted.
    pub repairs: &'a Arc<Repairs>,
}

/// A rolled segment. Opened parts are kept until [`Self::clear`].
pub struct Segment {
    pub(crate) sections: Sections,
    bodies: Vec<Arc<BodyFile>>,
    keys: Arc<dyn SubjectKeys>,
    filter: Arc<Option<IdFilter>>,
    open: Mutex<Vec<(u32, Arc<OpenBlock>)>>,
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
        let (of, repairs) = (PageFile { store: files.store, file: files.index }, files.repairs);
        let index = IndexFile::open(file.into(), of, key, Arc::clone(repairs))?;
        let mut bodies = Vec::with_capacity(files.bodies.len());
        for id in files.bodies {
            let file = map(vfs, files.dir, &body_name(*id))?;
            bodies.push(Arc::new(BodyFile::new(file.into(), files.store, *id, Arc::clone(repairs))?));
        }
        let sections = Sections::new(index);
        let filter = Arc::new(sections.load_filter()?);
        Ok(Self { sections, bodies, keys, filter, open: Mutex::new(Vec::new()) })
    }

    /// The same files under another handle of K_index and other content keys. Page 0 is opened
    /// again; nothing that was opened before is kept but the id filter.
    pub fn under(&self, key: Key, keys: Arc<dyn SubjectKeys>) -> Result<Self> {
        Ok(Self {
            sections: Sections::new(self.sections.index.under(key)?),
            bodies: self.bodies.clone(),
            keys,
            filter: Arc::clone(&self.filter),
            open: Mutex::new(Vec::new()),
        })
    }

    /// Forgets, and thereby wipes, everything that was opened, except the id filter.
    pub fn clear(&self) {
        self.sections.clear();
        self.open.lock().clear();
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
    pub(crate) fn body_count(&self) -> u8 {
        u8::try_from(self.bodies.len()).unwrap_or(u8::MAX)
    }

    /// A body file by its place in the block table.
    pub fn body(&self, file: usize) -> Result<&BodyFile> {
        let body = self.bodies.get(file);
        body.map(|b| &**b).ok_or_else(|| self.damage(Section::Blocks, "a body file is missing"))
    }

    /// Whether the record may be here; never wrong when it says no.
    pub fn may_contain(&self, identity: IdHash) -> bool {
        (*self.filter).as_ref().is_none_or(|f| f.may_contain(identity.id, identity.conversation))
    }

    /// Documents whose identity has this hash, ascending.
    pub fn with_identity(&self, identity: IdHash) -> Result<Vec<u32>> {
        if !self.may_contain(identity) {
            return Ok(Vec::new());
        }
        self.with_id(identity.id, Some(identity.conversation))
    }

    fn with_id(&self, id: u32, conversation: Option<u32>) -> Result<Vec<u32>> {
        let ids = self.sections.ids()?;
        let fits = |i: u32, c: u32| i == id && conversation.is_none_or(|wanted| wanted == c);
        let found = ids.seek((id, conversation.unwrap_or(0), 0)).take_while(|(i, c, _)| fits(*i, *c));
        let mut docs: Vec<u32> = found.map(|(_, _, doc)| doc).filter(|doc| *doc < self.doc_count()).collect();
        docs.sort_unstable();
        Ok(docs)
    }

    /// Opens a record with its salt and canonical bytes.
    pub fn stored_with_salt(&self, doc: u32) -> Result<OpenRecord> {
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
        Ok(OpenRecord {
            seq,
            salt: Zeroizing::new(record.salt),
            canonical: Zeroizing::new(record.canonical.to_vec()),
            stored,
        })
    }

    /// Opens a block of the block table; the last few are kept.
    pub fn block(&self, number: u32) -> Result<Arc<OpenBlock>> {
        {
            let mut open = self.open.lock();
            if let Some(i) = open.iter().position(|(n, _)| *n == number) {
                let kept = open.remove(i);
                let block = Arc::clone(&kept.1);
                open.push(kept);
                return Ok(block);
            }
        }
        let blocks = self.sections.blocks()?;
        let place = blocks.get(number as usize);
        let place = place.ok_or_else(|| self.damage(Section::Blocks, "a block is missing"))?;
        let block = Arc::new(self.open_block(place)?);
        let mut open = self.open.lock();
        if open.len() >= BLOCKS_KEPT {
            open.remove(0);
        }
        open.push((number, Arc::clone(&block)));
        Ok(block)
    }

    /// Opens a block and keeps nothing.
    pub fn open_block(&self, block: &BlockRef) -> Result<OpenBlock> {
        let file = self.bodies.get(usize::from(block.file));
        let file = file.ok_or_else(|| self.damage(Section::Blocks, "a body file is missing"))?;
        file.open(block, &*self.keys)
    }

    /// Damage found in a section.
    pub(crate) fn damage(&self, section: Section, what: &str) -> Error {
        self.sections.index.at(section, Error::corrupt(what))
    }

    fn location(&self, doc: u32) -> Result<Location> {
        self.sections.places()?.get(doc).ok_or_else(|| no_document(doc))
    }

    fn find(&self, term: &Term) -> Result<Option<(Arc<Dictionary>, Entry)>> {
        let dictionary = self.sections.dictionary()?;
        let entry =
            dictionary.find(&key_of(term)).map_err(|e| self.sections.index.at(Section::Dictionary, e))?;
        Ok(entry.map(|e| (dictionary, e)))
    }
}

impl Part for Segment {
    fn doc_count(&self) -> u32 {
        self.sections.docs()
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        let table = self.sections.index.table();
        (table.docs > 0).then_some(table.times)
    }

    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        let Some((dictionary, entry)) = self.find(term)? else {
            return Ok(RoaringBitmap::new());
        };
        let lists = match entry.list {
            ListPlace::Inline(_) => Arc::default(),
            ListPlace::Apart(_) => self.sections.postings()?,
        };
        let decode = || {
            let mut r = Reader::new(list_bytes(&dictionary, &lists, &entry.list)?);
            let docs = postings::decode(&mut r, entry.frequency, self.doc_count())?;
            r.finish().map(|()| docs)
        };
        decode().map_err(|e| self.sections.index.at(Section::Postings, e))
    }

    fn frequency(&self, term: &Term) -> Result<u64> {
        Ok(self.find(term)?.map_or(0, |(_, entry)| u64::from(entry.frequency)))
    }

    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        let dictionary = self.sections.dictionary()?;
        let walk = || {
            let mut all = Vec::new();
            let mut cursor = dictionary.seek(&[field as u8])?;
            while let Some(entry) = cursor.advance()? {
                match cursor.key().split_first() {
                    Some((number, value)) if *number == field as u8 => {
                        all.push((value.to_vec(), entry.frequency));
                    }
                    Some((number, _)) if *number > field as u8 => break,
                    _ => {}
                }
            }
            Ok(all)
        };
        walk().map_err(|e| self.sections.index.at(Section::Dictionary, e))
    }

    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        let keys = self.sections.keys()?;
        let (first, end) = (keys.before(from), keys.before(before));
        let mut docs = RoaringBitmap::new();
        if first < end {
            docs.insert_range(first..end);
        }
        Ok(docs)
    }

    fn id_candidates(&self, id: &str, conversation: Option<&str>) -> Result<Vec<u32>> {
        match conversation {
            Some(conversation) => self.with_identity(IdHash::of(id, conversation)),
            None => self.with_id(text_hash(id), None),
        }
    }

    fn key(&self, doc: u32) -> Result<SortKey> {
        self.sections.keys()?.get(doc).ok_or_else(|| no_document(doc))
    }

    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        let Some((first, last)) = self.seq_span() else { return Ok(None) };
        if seq < first || seq > last {
            return Ok(None);
        }
        let keys = self.sections.keys()?;
        // Where records come in order of time, the difference is the number.
        let guess = u32::try_from(seq.0 - first.0).ok();
        if let Some(doc) = guess.filter(|doc| keys.seqs.get(*doc) == Some(seq.0)) {
            return Ok(Some(doc));
        }
        let order = self.sections.by_seq()?;
        let at = order.binary_search_by_key(&Some(seq.0), |doc| keys.seqs.get(*doc));
        Ok(at.ok().and_then(|i| order.get(i).copied()))
    }

    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let keys = self.sections.keys()?;
        let end = below.map_or(self.doc_count(), |below| keys.partition_point(|key| key < below));
        if end == 0 {
            return Ok(Vec::new());
        }
        let found = docs.range(..end).rev().take(k);
        Ok(found.filter_map(|doc| Some((keys.get(doc)?, doc))).collect())
    }

    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let keys = self.sections.keys()?;
        let first = above.map_or(0, |above| keys.partition_point(|key| key <= above));
        let found = docs.range(first..).take_while(|doc| *doc < self.doc_count()).take(k);
        Ok(found.filter_map(|doc| Some((keys.get(doc)?, doc))).collect())
    }

    fn record(&self, doc: u32) -> Result<Stored> {
        Ok(self.stored_with_salt(doc)?.stored)
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

#[cfg(test)]
mod tests;
