//! A rolled segment: its index, opened section by section at first use, and its bodies.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::crypto::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, Micros, PersonNumber, Seq, StoreId};
use crate::index::column::Column;
use crate::index::data::{DocEntry, IndexBuilder, IndexData};
use crate::index::dictionary::{Dictionary, Entry, ListPlace, key_of};
use crate::index::file::{IndexFile, Section, decode_blocks, file_name, ids_width};
use crate::index::filter::{IdFilter, text_hash};
use crate::index::lists::{field_of, person_value};
use crate::index::page::PageFile;
use crate::index::part::{Field, Part, SortKey, Term};
use crate::index::postings;
use crate::record::Stored;
use crate::segment::writer::file_name as body_name;
use crate::segment::{BlockRef, BodyFile, Location, OpenBlock, SubjectKeys};
use crate::vfs::Vfs;

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
}

/// A rolled segment. Opened parts are kept until [`Self::clear`].
pub struct Segment {
    index: IndexFile,
    bodies: Vec<BodyFile>,
    keys: Arc<dyn SubjectKeys>,
    filter: Option<IdFilter>,
    blocks: Lazy<Vec<BlockRef>>,
    dictionary: Lazy<Dictionary>,
    postings: Lazy<Zeroizing<Vec<u8>>>,
    times: Lazy<Column>,
    seqs: Lazy<Column>,
    places: Lazy<(Column, Column)>,
    ids: Lazy<Zeroizing<Vec<u8>>>,
    by_seq: Lazy<Vec<u32>>,
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

/// Made at first use, and again after it was cleared.
struct Lazy<T>(RwLock<Option<Arc<T>>>);

impl<T> Lazy<T> {
    fn new() -> Self {
        Self(RwLock::new(None))
    }

    fn get(&self, load: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some(value) = &*self.0.read() {
            return Ok(Arc::clone(value));
        }
        let mut place = self.0.write();
        if let Some(value) = &*place {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(load()?);
        *place = Some(Arc::clone(&value));
        Ok(value)
    }

    fn clear(&self) {
        *self.0.write() = None;
    }
}

impl Segment {
    /// Opens a segment under its K_index: page 0 and the id filter are read, the rest at use.
    pub fn open(
        vfs: &dyn Vfs,
        files: SegmentFiles<'_>,
        key: Key,
        keys: Arc<dyn SubjectKeys>,
    ) -> Result<Self> {
        let name = file_name(files.index);
        let map = vfs.map(&files.dir.join(&name)).map_err(|e| Error::io(format!("open {name}"), e))?;
        let index = IndexFile::open(map, PageFile { store: files.store, file: files.index }, key)?;
        let mut bodies = Vec::with_capacity(files.bodies.len());
        for id in files.bodies {
            let name = body_name(*id);
            let map = vfs.map(&files.dir.join(&name)).map_err(|e| Error::io(format!("open {name}"), e))?;
            bodies.push(BodyFile::new(map, files.store, *id)?);
        }
        let filter = load_filter(&index)?;
        Ok(Self {
            index,
            bodies,
            keys,
            filter,
            blocks: Lazy::new(),
            dictionary: Lazy::new(),
            postings: Lazy::new(),
            times: Lazy::new(),
            seqs: Lazy::new(),
            places: Lazy::new(),
            ids: Lazy::new(),
            by_seq: Lazy::new(),
            open: Mutex::new(Vec::new()),
        })
    }

    /// Forgets everything that was opened, except the id filter.
    pub fn clear(&self) {
        self.blocks.clear();
        self.dictionary.clear();
        self.postings.clear();
        self.times.clear();
        self.seqs.clear();
        self.places.clear();
        self.ids.clear();
        self.by_seq.clear();
        self.open.lock().clear();
    }

    /// Lowest and highest log position; `None` if empty.
    pub fn seq_span(&self) -> Option<(Seq, Seq)> {
        let table = self.index.table();
        (table.docs > 0).then_some(table.seqs)
    }

    /// Whether the record may be here; never wrong when it says no.
    pub fn may_contain(&self, id: &str, conversation: &str) -> bool {
        self.maybe(text_hash(id), text_hash(conversation))
    }

    /// Opens a record with its salt and canonical bytes.
    pub fn stored_with_salt(&self, doc: u32) -> Result<OpenRecord> {
        let at = self.location(doc)?;
        let block = self.block(at.block)?;
        let seq = self.key(doc)?.seq;
        let record = block.get(at.slot).filter(|r| r.seq == seq).ok_or_else(|| {
            self.index.at(Section::Locations, Error::corrupt("a record is not in its block"))
        })?;
        let stored = Stored::decode(record.canonical)
            .map_err(|e| e.context(format!("record {seq} in block {} of {}", at.block, self.index.name())))?;
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
        let block = Arc::new(self.open_block(number)?);
        let mut open = self.open.lock();
        if open.len() >= BLOCKS_KEPT {
            open.remove(0);
        }
        open.push((number, Arc::clone(&block)));
        Ok(block)
    }

    /// Reads the whole index, for a rewrite. The block table comes from its first copy, else from
    /// its second.
    pub fn decode_all(&self) -> Result<IndexData> {
        let blocks = self.load_blocks()?;
        let (times, seqs, places) = (self.load_times()?, self.load_seqs()?, self.load_places()?);
        let mut data = IndexData { docs: Vec::with_capacity(self.docs() as usize), terms: vec![], blocks };
        for doc in 0..self.docs() {
            let (Some(time), Some(seq)) = (times.get(doc), seqs.get(doc)) else {
                return Err(self.index.at(Section::Times, Error::corrupt("a document is missing")));
            };
            let at = Self::place(&places, doc)
                .filter(|at| (at.block as usize) < data.blocks.len())
                .ok_or_else(|| self.index.at(Section::Locations, Error::corrupt("a block is missing")))?;
            let (time, seq) = (Micros(time as i64), Seq(seq));
            data.docs.push(DocEntry { time, seq, at, id_hash: 0, conv_hash: 0 });
        }
        if data.docs.windows(2).any(|w| w[0].key() >= w[1].key()) {
            return Err(self.index.at(Section::Times, Error::corrupt("documents are not in order")));
        }
        self.decode_ids(&mut data.docs).map_err(|e| self.index.at(Section::Ids, e))?;
        let (dictionary, lists) = (self.load_dictionary()?, self.index.section(Section::Postings)?);
        data.terms =
            self.decode_terms(&dictionary, &lists).map_err(|e| self.index.at(Section::Dictionary, e))?;
        Ok(data)
    }

    /// Checks every page and section, with `read_data` every record too; answers what is damaged.
    pub fn verify(&self, read_data: bool) -> Vec<String> {
        let mut damage = self.index.verify();
        let tables = [Section::Blocks, Section::BlocksCopy].map(|s| self.load_block_table(s));
        damage.extend(tables.iter().filter_map(|t| t.as_ref().err()).map(ToString::to_string));
        if let [Ok(one), Ok(two)] = &tables
            && one != two
        {
            damage.push(format!("file {}: the two block tables differ", self.index.name()));
        }
        match self.decode_all() {
            Ok(data) if read_data => self.verify_records(&data, &mut damage),
            Ok(_) => {}
            Err(e) => damage.push(e.to_string()),
        }
        damage.sort_unstable();
        damage.dedup();
        damage
    }

    /// Builds the index anew from the block table and the bodies, for an index whose other
    /// sections are damaged. A block of the table holds no dead record, so what comes out equals
    /// what was written.
    pub fn rebuild(&self, known: &dyn Fn(PersonNumber) -> bool) -> Result<IndexData> {
        let blocks = self.load_blocks()?;
        let mut records = Vec::new();
        for (block, number) in blocks.iter().zip(0..) {
            let open = self.open_ref(block)?;
            for (slot, record) in (0..).zip(open.iter()) {
                let stored = Stored::decode(record.canonical)
                    .map_err(|e| e.context(format!("record {} in block {number}", record.seq)))?;
                records.push((record.seq, stored, Location { block: number, slot }));
            }
        }
        records.sort_unstable_by_key(|(seq, stored, _)| (stored.time, *seq));
        let mut builder = IndexBuilder::new(known);
        for (seq, stored, at) in &records {
            builder.add(stored, *seq, *at)?;
        }
        Ok(builder.finish(blocks))
    }

    /// Every block opens, and the index says what the bodies say.
    fn verify_records(&self, data: &IndexData, damage: &mut Vec<String>) {
        let before = damage.len();
        damage.extend(data.blocks.iter().filter_map(|b| self.open_ref(b).err()).map(|e| e.to_string()));
        if damage.len() > before {
            return;
        }
        // Who is known stands in the keyring; here the index's own word must do.
        let authors = data.terms.iter().filter(|(t, _)| t.field == Field::Author);
        let authors: HashSet<&[u8]> = authors.map(|(t, _)| t.value.as_slice()).collect();
        match self.rebuild(&|person| authors.contains(person_value(person).as_slice())) {
            Ok(rebuilt) if rebuilt == *data => {}
            Ok(_) => {
                damage.push(format!("file {}: the index does not say what the bodies say", self.index.name()))
            }
            Err(e) => damage.push(e.to_string()),
        }
    }

    fn maybe(&self, id: u32, conversation: u32) -> bool {
        self.filter.as_ref().is_none_or(|f| f.may_contain(id, conversation))
    }

    fn docs(&self) -> u32 {
        self.index.table().docs
    }

    fn open_block(&self, number: u32) -> Result<OpenBlock> {
        let blocks = self.blocks.get(|| self.load_blocks())?;
        let block = blocks.get(number as usize);
        self.open_ref(
            block.ok_or_else(|| self.index.at(Section::Blocks, Error::corrupt("a block is missing")))?,
        )
    }

    fn open_ref(&self, block: &BlockRef) -> Result<OpenBlock> {
        let file = self.bodies.get(usize::from(block.file));
        let file =
            file.ok_or_else(|| self.index.at(Section::Blocks, Error::corrupt("a body file is missing")))?;
        file.open(block, &*self.keys)
    }

    fn location(&self, doc: u32) -> Result<Location> {
        let places = self.places.get(|| self.load_places())?;
        Self::place(&places, doc).ok_or_else(|| no_document(doc))
    }

    fn place(places: &(Column, Column), doc: u32) -> Option<Location> {
        let block = u32::try_from(places.0.get(doc)?).ok()?;
        Some(Location { block, slot: u16::try_from(places.1.get(doc)?).ok()? })
    }

    fn columns(&self) -> Result<(Arc<Column>, Arc<Column>)> {
        Ok((self.times.get(|| self.load_times())?, self.seqs.get(|| self.load_seqs())?))
    }

    fn find(&self, term: &Term) -> Result<Option<(Arc<Dictionary>, Entry)>> {
        let dictionary = self.dictionary.get(|| self.load_dictionary())?;
        let entry = dictionary.find(&key_of(term)).map_err(|e| self.index.at(Section::Dictionary, e))?;
        Ok(entry.map(|e| (dictionary, e)))
    }

    fn load_blocks(&self) -> Result<Vec<BlockRef>> {
        self.load_block_table(Section::Blocks).or_else(|first| {
            // The first copy's error says more if neither can be read.
            self.load_block_table(Section::BlocksCopy).map_err(|_| first)
        })
    }

    fn load_block_table(&self, section: Section) -> Result<Vec<BlockRef>> {
        decode_blocks(&self.index.section(section)?).map_err(|e| self.index.at(section, e))
    }

    fn load_dictionary(&self) -> Result<Dictionary> {
        Dictionary::decode(self.index.section(Section::Dictionary)?)
            .map_err(|e| self.index.at(Section::Dictionary, e))
    }

    fn load_times(&self) -> Result<Column> {
        self.load_column(Section::Times)
    }

    fn load_seqs(&self) -> Result<Column> {
        self.load_column(Section::Seqs)
    }

    fn load_column(&self, section: Section) -> Result<Column> {
        let bytes = self.index.section(section)?;
        let mut r = Reader::new(&bytes);
        let column = Column::decode(&mut r, self.docs());
        column.and_then(|c| r.finish().map(|()| c)).map_err(|e| self.index.at(section, e))
    }

    fn load_places(&self) -> Result<(Column, Column)> {
        let bytes = self.index.section(Section::Locations)?;
        let mut r = Reader::new(&bytes);
        let mut read = || {
            let both = (Column::decode(&mut r, self.docs())?, Column::decode(&mut r, self.docs())?);
            r.finish().map(|()| both)
        };
        read().map_err(|e| self.index.at(Section::Locations, e))
    }

    fn load_ids(&self) -> Result<Zeroizing<Vec<u8>>> {
        load_ids(&self.index)
    }

    fn id_len(&self) -> usize {
        id_len(self.docs())
    }

    fn load_by_seq(&self) -> Result<Vec<u32>> {
        let seqs = self.seqs.get(|| self.load_seqs())?;
        let mut order: Vec<u32> = (0..self.docs()).collect();
        order.sort_unstable_by_key(|doc| seqs.get(*doc));
        Ok(order)
    }

    fn decode_ids(&self, docs: &mut [DocEntry]) -> Result<()> {
        let bytes = self.load_ids()?;
        let mut seen = vec![false; docs.len()];
        let mut before = None;
        for entry in bytes.chunks_exact(self.id_len()) {
            let id = read_id(entry)?;
            if before.replace(id) >= Some(id) {
                return Err(Error::corrupt("ids are not in order"));
            }
            let place = docs.get_mut(id.2 as usize).zip(seen.get_mut(id.2 as usize));
            let (doc, seen) = place.ok_or_else(|| Error::corrupt("an id of no document"))?;
            if std::mem::replace(seen, true) {
                return Err(Error::corrupt("two ids of one document"));
            }
            (doc.id_hash, doc.conv_hash) = (id.0, id.1);
        }
        Ok(())
    }

    fn decode_terms(&self, dictionary: &Dictionary, lists: &[u8]) -> Result<Vec<(Term, Vec<u32>)>> {
        let mut cursor = dictionary.cursor();
        // A term takes three bytes at least, so the count is bounded by the section's length.
        let mut terms: Vec<(Term, Vec<u32>)> = Vec::with_capacity(cursor.bound());
        while let Some(entry) = cursor.advance()? {
            let (number, value) = cursor.key().split_first().unwrap_or((&0, &[]));
            let field = field_of(*number)
                .ok_or_else(|| Error::corrupt(format!("unknown field {number} in the dictionary")))?;
            let term = Term { field, value: value.to_vec() };
            if terms.last().is_some_and(|(last, _)| *last >= term) || entry.frequency == 0 {
                return Err(Error::corrupt("terms are not in order or empty"));
            }
            let mut r = Reader::new(list_bytes(dictionary, lists, &entry.list)?);
            let list = postings::decode_vec(&mut r, entry.frequency, self.docs())?;
            r.finish()?;
            terms.push((term, list));
        }
        cursor.finish()?;
        Ok(terms)
    }
}

impl Part for Segment {
    fn doc_count(&self) -> u32 {
        self.docs()
    }

    fn time_span(&self) -> Option<(Micros, Micros)> {
        let table = self.index.table();
        (table.docs > 0).then_some(table.times)
    }

    fn postings(&self, term: &Term) -> Result<RoaringBitmap> {
        let Some((dictionary, entry)) = self.find(term)? else {
            return Ok(RoaringBitmap::new());
        };
        let lists = match entry.list {
            ListPlace::Inline(_) => Arc::default(),
            ListPlace::Apart(_) => self.postings.get(|| self.index.section(Section::Postings))?,
        };
        let decode = || {
            let mut r = Reader::new(list_bytes(&dictionary, &lists, &entry.list)?);
            let docs = postings::decode(&mut r, entry.frequency, self.docs())?;
            r.finish().map(|()| docs)
        };
        decode().map_err(|e| self.index.at(Section::Postings, e))
    }

    fn frequency(&self, term: &Term) -> Result<u64> {
        Ok(self.find(term)?.map_or(0, |(_, entry)| u64::from(entry.frequency)))
    }

    fn terms(&self, field: Field) -> Result<Vec<(Vec<u8>, u32)>> {
        let dictionary = self.dictionary.get(|| self.load_dictionary())?;
        let walk = || {
            let mut all = Vec::new();
            let mut cursor = dictionary.seek(&[field as u8])?;
            while let Some(entry) = cursor.advance()? {
                match cursor.key().split_first() {
                    Some((number, value)) if *number == field as u8 => {
                        all.push((value.to_vec(), entry.frequency))
                    }
                    Some((number, _)) if *number > field as u8 => break,
                    _ => {}
                }
            }
            Ok(all)
        };
        walk().map_err(|e| self.index.at(Section::Dictionary, e))
    }

    fn in_time(&self, from: Micros, before: Micros) -> Result<RoaringBitmap> {
        let times = self.times.get(|| self.load_times())?;
        let first = times.partition_point(|_, t| (t as i64) < from.0);
        let end = times.partition_point(|_, t| (t as i64) < before.0);
        let mut docs = RoaringBitmap::new();
        if first < end {
            docs.insert_range(first..end);
        }
        Ok(docs)
    }

    fn id_candidates(&self, id: &str, conversation: Option<&str>) -> Result<Vec<u32>> {
        let id = text_hash(id);
        let conversation = conversation.map(text_hash);
        if conversation.is_some_and(|c| !self.maybe(id, c)) {
            return Ok(Vec::new());
        }
        let ids = self.ids.get(|| self.load_ids())?;
        let (entries, wanted) = (ids.chunks_exact(self.id_len()), (id, conversation.unwrap_or(0), 0));
        let mut docs = Vec::new();
        for entry in entries.skip(self.first_id(&ids, wanted)?) {
            let (i, c, doc) = read_id(entry)?;
            if i != id || conversation.is_some_and(|wanted| wanted != c) {
                break;
            }
            docs.push(doc);
        }
        docs.retain(|doc| *doc < self.docs());
        docs.sort_unstable();
        Ok(docs)
    }

    fn key(&self, doc: u32) -> Result<SortKey> {
        let (times, seqs) = self.columns()?;
        key_at(&times, &seqs, doc).ok_or_else(|| no_document(doc))
    }

    fn doc_of(&self, seq: Seq) -> Result<Option<u32>> {
        let table = self.index.table();
        if table.docs == 0 || seq < table.seqs.0 || seq > table.seqs.1 {
            return Ok(None);
        }
        let seqs = self.seqs.get(|| self.load_seqs())?;
        // Where records come in order of time, the difference is the number.
        let guess = u32::try_from(seq.0 - table.seqs.0.0).ok();
        if let Some(doc) = guess.filter(|doc| seqs.get(*doc) == Some(seq.0)) {
            return Ok(Some(doc));
        }
        let order = self.by_seq.get(|| self.load_by_seq())?;
        let at = order.binary_search_by_key(&Some(seq.0), |doc| seqs.get(*doc));
        Ok(at.ok().and_then(|i| order.get(i).copied()))
    }

    fn newest(&self, docs: &RoaringBitmap, k: usize, below: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let (times, seqs) = self.columns()?;
        let end = match below {
            Some(below) => {
                times.partition_point(|doc, _| key_at(&times, &seqs, doc).is_some_and(|key| key < below))
            }
            None => self.docs(),
        };
        if end == 0 {
            return Ok(Vec::new());
        }
        let found = docs.range(..end).rev().take(k);
        Ok(found.filter_map(|doc| Some((key_at(&times, &seqs, doc)?, doc))).collect())
    }

    fn oldest(&self, docs: &RoaringBitmap, k: usize, above: Option<SortKey>) -> Result<Vec<(SortKey, u32)>> {
        let (times, seqs) = self.columns()?;
        let first = match above {
            Some(above) => {
                times.partition_point(|doc, _| key_at(&times, &seqs, doc).is_some_and(|key| key <= above))
            }
            None => 0,
        };
        let found = docs.range(first..).take_while(|doc| *doc < self.docs()).take(k);
        Ok(found.filter_map(|doc| Some((key_at(&times, &seqs, doc)?, doc))).collect())
    }

    fn record(&self, doc: u32) -> Result<Stored> {
        Ok(self.stored_with_salt(doc)?.stored)
    }
}

impl Segment {
    /// Number of the first entry of the id table that is not below `wanted`.
    fn first_id(&self, ids: &[u8], wanted: (u32, u32, u32)) -> Result<usize> {
        let len = self.id_len();
        let (mut low, mut high) = (0, ids.len() / len);
        while low < high {
            let mid = low + (high - low) / 2;
            if read_id(&ids[mid * len..(mid + 1) * len])? < wanted { low = mid + 1 } else { high = mid }
        }
        Ok(low)
    }
}

/// The filter; from the table of ids if its own pages are damaged; none if both are. What is
/// damaged is named by `verify` and by whatever needs it: a segment still opens without it.
fn load_filter(index: &IndexFile) -> Result<Option<IdFilter>> {
    let damage = match index.section(Section::Filter).and_then(|bytes| IdFilter::decode(&bytes)) {
        Ok(filter) => return Ok(Some(filter)),
        Err(e) => index.at(Section::Filter, e),
    };
    if damage.kind() != ErrorKind::Corrupt {
        return Err(damage);
    }
    let Ok(ids) = load_ids(index) else { return Ok(None) };
    let docs = index.table().docs;
    let entries = ids.chunks_exact(id_len(docs)).filter_map(|e| read_id(e).ok());
    Ok(Some(IdFilter::build(docs as usize, entries.map(|(id, conversation, _)| (id, conversation)))))
}

fn load_ids(index: &IndexFile) -> Result<Zeroizing<Vec<u8>>> {
    let (bytes, docs) = (index.section(Section::Ids)?, index.table().docs);
    if bytes.len() as u64 != u64::from(docs) * id_len(docs) as u64 {
        return Err(index.at(Section::Ids, Error::corrupt("length of the id table is wrong")));
    }
    Ok(bytes)
}

fn id_len(docs: u32) -> usize {
    8 + ids_width(docs)
}

fn key_at(times: &Column, seqs: &Column, doc: u32) -> Option<SortKey> {
    Some(SortKey { time: Micros(times.get(doc)? as i64), seq: Seq(seqs.get(doc)?) })
}

fn list_bytes<'a>(dictionary: &'a Dictionary, lists: &'a [u8], place: &ListPlace) -> Result<&'a [u8]> {
    let ListPlace::Apart(range) = place else {
        let ListPlace::Inline(range) = place else { return Ok(&[]) };
        return Ok(dictionary.inline(range));
    };
    let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    range
        .and_then(|(from, to)| lists.get(from..to))
        .ok_or_else(|| Error::corrupt("a posting list lies outside its section"))
}

fn read_id(entry: &[u8]) -> Result<(u32, u32, u32)> {
    let mut r = Reader::new(entry);
    let (id, conversation) = (r.u32()?, r.u32()?);
    let mut doc = [0u8; 4];
    let rest = r.tail();
    doc.get_mut(..rest.len())
        .ok_or_else(|| Error::corrupt("an entry of the id table is too long"))?
        .copy_from_slice(rest);
    Ok((id, conversation, u32::from_le_bytes(doc)))
}

fn no_document(doc: u32) -> Error {
    Error::invalid(format!("no document {doc} in this segment"))
}

#[cfg(test)]
mod tests;
