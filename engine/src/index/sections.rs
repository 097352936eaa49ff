//! The sections of one index file, each opened at first use and kept as long as there is room.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::crypto::stack::wipe;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, Seq};
use crate::index::column::Column;
use crate::index::dictionary::{Apart, Dictionary, Entry, ListPlace, WordEntry};
use crate::index::file::{IndexFile, Section};
use crate::index::filter::IdFilter;
use crate::index::opened::{Memory, Opened};
use crate::index::page::TEXT_LEN;
use crate::index::part::SortKey;
use crate::index::shared::Hands;
use crate::index::sketches::Sketches;
use crate::index::tables::{decode_blocks, decode_classes, ids_width};
use crate::index::thin::runs_of;
use crate::segment::{BlockRef, Budget, Location};
use crate::text::ANALYSER;

/// Sections as the parts of a segment need them. `load_…` reads anew and keeps nothing; the plain
/// names keep what they read, within the store's [`Budget`].
pub struct Sections {
    /// The file.
    pub index: IndexFile,
    pub(super) opened: Arc<Opened>,
    /// That the analyser is a known one: a file never changes, so it is asked once.
    analyser_known: OnceLock<()>,
}

/// Event times and log positions of documents.
pub struct SortKeys {
    /// Event times.
    pub times: Column,
    /// Log positions.
    pub seqs: Column,
}

/// Blocks and slots of documents.
pub struct Places {
    blocks: Column,
    slots: Column,
}

/// What a rewrite makes the terms and ids anew from.
pub struct ToThin {
    /// The table of ids.
    pub ids: IdTable,
    /// The dictionary.
    pub dictionary: Dictionary,
    /// Long lists.
    pub lists: Zeroizing<Vec<u8>>,
    /// Positions of words; none in an index without words.
    pub positions: Zeroizing<Vec<u8>>,
}

/// Positions of a word, held.
pub enum HeldRuns {
    /// By themselves.
    Part(Zeroizing<Vec<u8>>),
    /// Among those of all words.
    All(Arc<Zeroizing<Vec<u8>>>, Range<usize>),
}

/// How many words documents have.
pub struct Lengths {
    column: Option<Column>,
    /// All of them together.
    pub sum: u64,
    /// Documents that have any.
    pub docs: u64,
}

/// Hashes of id and conversation with their documents, sorted.
pub struct IdTable {
    bytes: Zeroizing<Vec<u8>>,
    entry_len: usize,
}

/// How often ids are sought by single pages before the table is read whole: about as many pages.
const SOUGHT_APART_MAX: u32 = 64;
/// How often terms are sought by single pages before the dictionary is read whole: about as many
/// pages. Lists alike.
const TERMS_APART_MAX: u32 = 8;
/// Entries read on each side of where an id should stand: one and a half standard deviations in
/// a full segment, about two pages together.
const IDS_REACH: u64 = 192;

impl Sections {
    /// Nothing is read yet; what will be counts on `budget`.
    pub fn new(index: IndexFile, budget: Arc<Budget>) -> Self {
        let opened = Arc::new(Opened::new(index.table().docs, budget));
        Self { index, opened, analyser_known: OnceLock::new() }
    }

    /// Forgets, and thereby wipes, what was read, and what queries made of it.
    pub fn clear(&self) {
        self.opened.clear();
    }

    /// Bytes that are kept.
    pub fn bytes_kept(&self) -> usize {
        self.opened.bytes()
    }

    /// Number of documents.
    pub fn docs(&self) -> u32 {
        self.index.table().docs
    }

    /// The block table.
    pub fn blocks(&self) -> Result<Arc<Vec<BlockRef>>> {
        self.opened.get(|o| &o.blocks, || self.load_blocks())
    }

    /// The class of each block.
    pub fn classes(&self) -> Result<Arc<Zeroizing<Vec<u32>>>> {
        let make = || match self.opened.blocks.peek() {
            Some(blocks) => Ok(Zeroizing::new(blocks.iter().map(|block| block.class).collect())),
            None => {
                let merged = self.index.section_of_two(Section::Blocks, Section::BlocksCopy)?;
                decode_classes(&merged).map_err(|e| self.index.at(Section::Blocks, e))
            }
        };
        self.opened.get(|o| &o.classes, make)
    }

    /// The dictionary.
    pub fn dictionary(&self) -> Result<Arc<Dictionary>> {
        self.opened.get(|o| &o.dictionary, || self.load_dictionary())
    }

    /// Long lists.
    pub fn postings(&self) -> Result<Arc<Zeroizing<Vec<u8>>>> {
        self.opened.get(|o| &o.postings, || self.index.section(Section::Postings))
    }

    /// A few bits of each word of the dictionary.
    pub fn sketches(&self) -> Result<Arc<Sketches>> {
        let make = || Sketches::new(&*self.dictionary()?).map_err(|e| self.index.at(Section::Dictionary, e));
        self.opened.get(|o| &o.sketches, make)
    }

    /// Event times and log positions.
    pub fn keys(&self) -> Result<Arc<SortKeys>> {
        self.opened.get(|o| &o.keys, || self.load_keys())
    }

    /// Blocks and slots.
    pub fn places(&self) -> Result<Arc<Places>> {
        self.opened.get(|o| &o.places, || self.load_places())
    }

    /// How many words documents have.
    pub fn lengths(&self) -> Result<Arc<Lengths>> {
        self.opened.get(|o| &o.lengths, || self.load_lengths())
    }

    /// Positions of words.
    pub fn positions(&self) -> Result<Arc<Zeroizing<Vec<u8>>>> {
        self.opened.get(|o| &o.positions, || self.load_positions())
    }

    /// The positions at a place: by themselves where few were asked for, as terms are.
    pub fn runs_held(&self, place: &Range<u64>) -> Result<HeldRuns> {
        if !self.opened.positions.is_made() && is_among_few(&self.opened.runs_sought) {
            let len = place.end.saturating_sub(place.start);
            let runs = self.index.part_of(Section::Positions, place.start, len);
            return runs.map(HeldRuns::Part).map_err(|e| self.index.at(Section::Positions, e));
        }
        let all = self.positions()?;
        runs_of(&all, place).map_err(|e| self.index.at(Section::Positions, e))?;
        // It lies within, so it fits.
        Ok(HeldRuns::All(all, place.start as usize..place.end as usize))
    }

    /// Table of ids.
    pub fn ids(&self) -> Result<Arc<IdTable>> {
        self.opened.get(|o| &o.ids, || self.load_ids())
    }

    /// The table of ids, or a part of it in which every entry of this hash stands. To seek a few
    /// ids in each of many segments, few pages of each are opened; who seeks more reads it whole.
    pub fn ids_around(&self, id: u32) -> Result<Arc<IdTable>> {
        if let Some(ids) = self.opened.ids.peek() {
            return Ok(ids);
        }
        if self.opened.sought.fetch_add(1, Ordering::Relaxed) >= SOUGHT_APART_MAX {
            return self.ids();
        }
        self.load_ids_around(id).map(Arc::new)
    }

    /// What the dictionary says of a key. Who asks for a few terms of each of many segments opens
    /// few pages of each; who asks for more reads it whole.
    pub fn find(&self, key: &[u8]) -> Result<Option<Entry>> {
        Ok(self.find_word(key)?.map(|(entry, _)| entry))
    }

    /// The same, and where the positions of a word stand.
    pub fn find_word(&self, key: &[u8]) -> Result<Option<WordEntry>> {
        if let Some(dictionary) = self.dictionary_unless_few(&self.opened.terms_sought)? {
            return dictionary.find_word(key).map_err(|e| self.index.at(Section::Dictionary, e));
        }
        let len = usize::try_from(self.index.len_of(Section::Dictionary)).unwrap_or(usize::MAX);
        let read = |from: usize, len: usize| self.index.part_of(Section::Dictionary, from as u64, len as u64);
        Apart::new(len, TEXT_LEN, read).find_word(key).map_err(|e| self.index.at(Section::Dictionary, e))
    }

    /// Reads the list at a place: by itself where few were asked for, as terms are.
    pub fn list<R>(&self, place: &ListPlace, read: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
        match place {
            ListPlace::Inline(range) => match self.dictionary_unless_few(&self.opened.lists_sought)? {
                Some(dictionary) => read(dictionary.inline(range)),
                None => {
                    let (from, len) = (range.start as u64, range.len() as u64);
                    read(&self.index.part_of(Section::Dictionary, from, len)?)
                }
            },
            ListPlace::Apart(range) => {
                if !self.opened.postings.is_made() && is_among_few(&self.opened.lists_sought) {
                    let len = range.end.saturating_sub(range.start);
                    return read(&self.index.part_of(Section::Postings, range.start, len)?);
                }
                list_apart(&self.postings()?, range).and_then(read)
            }
        }
    }

    /// The dictionary if it is open, or if more was asked of it than few pages can tell.
    fn dictionary_unless_few(&self, sought: &AtomicU32) -> Result<Option<Arc<Dictionary>>> {
        let few = !self.opened.dictionary.is_made() && is_among_few(sought);
        if few { Ok(None) } else { self.dictionary().map(Some) }
    }

    /// Documents in order of their log positions; made from the column, never stored.
    pub fn by_seq(&self) -> Result<Arc<Zeroizing<Vec<u32>>>> {
        let make = || {
            let keys = self.keys()?;
            let mut order: Zeroizing<Vec<(u64, u32)>> = Zeroizing::new(keys.seqs.iter().zip(0..).collect());
            // Long ascending runs, for most records came in order of time: a stable sort uses them.
            order.sort();
            Ok(Zeroizing::new(order.iter().map(|(_, doc)| *doc).collect()))
        };
        self.opened.get(|o| &o.by_seq, make)
    }

    /// Whether both copies of the block table say the same.
    pub fn block_tables_agree(&self) -> Result<bool> {
        Ok(self.index.section(Section::Blocks)? == self.index.section(Section::BlocksCopy)?)
    }

    /// The block table, page by page from whichever copy has the page.
    pub fn load_blocks(&self) -> Result<Vec<BlockRef>> {
        let merged = self.index.section_of_two(Section::Blocks, Section::BlocksCopy)?;
        decode_blocks(&merged).map_err(|e| self.index.at(Section::Blocks, e))
    }

    /// One copy of the block table.
    pub fn load_block_table(&self, section: Section) -> Result<Vec<BlockRef>> {
        decode_blocks(&self.index.section(section)?).map_err(|e| self.index.at(section, e))
    }

    /// The dictionary.
    pub fn load_dictionary(&self) -> Result<Dictionary> {
        Dictionary::decode(self.index.section(Section::Dictionary)?)
            .map_err(|e| self.index.at(Section::Dictionary, e))
    }

    /// Event times and log positions.
    pub fn load_keys(&self) -> Result<SortKeys> {
        Ok(SortKeys { times: self.load_column(Section::Times)?, seqs: self.load_column(Section::Seqs)? })
    }

    /// Blocks and slots.
    pub fn load_places(&self) -> Result<Places> {
        let bytes = self.index.section(Section::Locations)?;
        let mut r = Reader::new(&bytes);
        let mut read = || {
            let blocks = Column::decode(&mut r, self.docs())?;
            let slots = Column::decode(&mut r, self.docs())?;
            r.finish()?;
            Ok(Places { blocks, slots })
        };
        read().map_err(|e| self.index.at(Section::Locations, e))
    }

    /// How many words documents have; none in an index without words.
    pub fn load_lengths(&self) -> Result<Lengths> {
        if !self.index.has_words() {
            return Ok(Lengths { column: None, sum: 0, docs: 0 });
        }
        self.check_analyser()?;
        let column = self.load_column(Section::Lengths)?;
        let (mut sum, mut docs) = (0u64, 0u64);
        for length in column.to_vec().iter() {
            // Damage, for a column that opens: no body has that many.
            sum = sum
                .checked_add(*length)
                .ok_or_else(|| self.index.at(Section::Lengths, Error::corrupt("more words than bytes")))?;
            docs += u64::from(*length > 0);
        }
        Ok(Lengths { column: Some(column), sum, docs })
    }

    /// Positions of words.
    fn load_positions(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.check_analyser()?;
        self.index.section(Section::Positions)
    }

    /// Refuses words of another analyser: they would be compared with what they are not.
    pub fn check_analyser(&self) -> Result<()> {
        if self.analyser_known.get().is_some() {
            return Ok(());
        }
        let made = self.index.section(Section::Analyser)?;
        if **made == [ANALYSER.0, ANALYSER.1] {
            let _ = self.analyser_known.set(());
            return Ok(());
        }
        Err(self
            .index
            .at(Section::Analyser, Error::newer("its words were made by an analyser that is unknown")))
    }

    /// Table of ids.
    pub fn load_ids(&self) -> Result<IdTable> {
        let entry_len = self.id_entry_len()?;
        Ok(IdTable { bytes: self.index.section(Section::Ids)?, entry_len })
    }

    /// What a rewrite makes the terms and ids anew from: not kept.
    pub fn load_to_thin(&self, hands: Hands) -> Result<ToThin> {
        let entry_len = self.id_entry_len()?;
        let (ids, dictionary, lists) = (Section::Ids, Section::Dictionary, Section::Postings);
        let (ids, dictionary, lists, positions) = if self.index.has_words() {
            let [dictionary, lists, ids, positions] =
                self.index.sections_shared([dictionary, lists, ids, Section::Positions], hands)?;
            (ids, dictionary, lists, positions)
        } else {
            let [dictionary, lists, ids] = self.index.sections_shared([dictionary, lists, ids], hands)?;
            (ids, dictionary, lists, Zeroizing::default())
        };
        let dictionary = Dictionary::decode(dictionary).map_err(|e| self.index.at(Section::Dictionary, e))?;
        Ok(ToThin { ids: IdTable { bytes: ids, entry_len }, dictionary, lists, positions })
    }

    fn id_entry_len(&self) -> Result<usize> {
        let entry_len = 8 + ids_width(self.docs());
        if self.index.len_of(Section::Ids) != u64::from(self.docs()) * entry_len as u64 {
            return Err(self.index.at(Section::Ids, Error::corrupt("length of the id table is wrong")));
        }
        Ok(entry_len)
    }

    /// Hashes are spread evenly, so one says about where it stands; further parts are read until
    /// others stand on both sides.
    fn load_ids_around(&self, id: u32) -> Result<IdTable> {
        let (docs, entry_len) = (u64::from(self.docs()), self.id_entry_len()?);
        let middle = (u64::from(id) * docs) >> 32;
        let mut reach = IDS_REACH;
        loop {
            let (from, to) = (middle.saturating_sub(reach), docs.min(middle.saturating_add(reach)));
            let len = entry_len as u64;
            let bytes = self.index.part_of(Section::Ids, from * len, (to - from) * len);
            let bytes = bytes.map_err(|e| self.index.at(Section::Ids, e))?;
            let table = IdTable { bytes, entry_len };
            let first = from == 0 || table.get(0).is_some_and(|(first, _, _)| first < id);
            let last = table.get(table.len().saturating_sub(1));
            if first && (to == docs || last.is_some_and(|(last, _, _)| last > id)) {
                return Ok(table);
            }
            reach = reach.saturating_mul(4);
        }
    }

    /// The filter; from the table of ids if its own pages are damaged; none if both are. What is
    /// damaged is named by `verify` and by whatever needs it: a segment still opens without it.
    pub fn load_filter(&self) -> Result<Option<IdFilter>> {
        let damage = match self.index.section(Section::Filter).and_then(|bytes| IdFilter::decode(&bytes)) {
            Ok(filter) => return Ok(Some(filter)),
            Err(e) => self.index.at(Section::Filter, e),
        };
        if damage.kind() != ErrorKind::Corrupt {
            return Err(damage);
        }
        let Ok(ids) = self.load_ids() else { return Ok(None) };
        let pairs = ids.iter().map(|(id, conversation, _)| (id, conversation));
        Ok(Some(IdFilter::build(self.docs() as usize, pairs)))
    }

    fn load_column(&self, section: Section) -> Result<Column> {
        let bytes = self.index.section(section)?;
        let mut r = Reader::new(&bytes);
        let column = Column::decode(&mut r, self.docs());
        column.and_then(|c| r.finish().map(|()| c)).map_err(|e| self.index.at(section, e))
    }
}

/// Counts one more, and says whether it is one of the first.
fn is_among_few(sought: &AtomicU32) -> bool {
    sought.fetch_add(1, Ordering::Relaxed) < TERMS_APART_MAX
}

impl Memory for SortKeys {
    fn memory(&self) -> usize {
        self.times.bytes_len() + self.seqs.bytes_len()
    }
}

impl Memory for Places {
    fn memory(&self) -> usize {
        self.blocks.bytes_len() + self.slots.bytes_len()
    }
}

impl Memory for IdTable {
    fn memory(&self) -> usize {
        self.bytes.len()
    }
}

impl SortKeys {
    /// Sort key of a document.
    pub fn get(&self, doc: u32) -> Option<SortKey> {
        Some(SortKey { time: Micros(self.times.get(doc)? as i64), seq: Seq(self.seqs.get(doc)?) })
    }

    /// How many leading documents have keys that satisfy `before`.
    pub fn partition_point(&self, before: impl Fn(SortKey) -> bool) -> u32 {
        self.times.partition_point(|doc, _| self.get(doc).is_some_and(&before))
    }

    /// How many leading documents are before a time.
    pub fn before(&self, time: Micros) -> u32 {
        self.times.partition_point(|_, t| (t as i64) < time.0)
    }
}

impl HeldRuns {
    /// The runs, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Part(bytes) => bytes,
            Self::All(all, range) => all.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl Lengths {
    /// Words of a document.
    pub fn get(&self, doc: u32) -> Option<u32> {
        self.column.as_ref().map_or(Some(0), |column| column.get(doc)).and_then(|n| u32::try_from(n).ok())
    }

    /// Words of every document, of an index with words.
    pub fn to_vec(&self) -> Option<Zeroizing<Vec<u64>>> {
        self.column.as_ref().map(Column::to_vec)
    }
}

impl Memory for Lengths {
    fn memory(&self) -> usize {
        self.column.as_ref().map_or(0, Column::bytes_len)
    }
}

impl Places {
    /// Where every document stands; `None` where that is no place.
    pub fn to_vec(&self) -> Vec<Option<Location>> {
        let (blocks, slots) = (self.blocks.to_vec(), self.slots.to_vec());
        let place = |(block, slot): (&u64, &u64)| {
            Some(Location { block: u32::try_from(*block).ok()?, slot: u16::try_from(*slot).ok()? })
        };
        blocks.iter().zip(slots.iter()).map(place).collect()
    }

    /// The block of every document.
    pub fn blocks(&self) -> impl Iterator<Item = u64> + '_ {
        self.blocks.iter()
    }

    /// Where a document stands.
    pub fn get(&self, doc: u32) -> Option<Location> {
        let block = u32::try_from(self.blocks.get(doc)?).ok()?;
        Some(Location { block, slot: u16::try_from(self.slots.get(doc)?).ok()? })
    }
}

impl Drop for IdTable {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl IdTable {
    /// Every entry: hash of the id, hash of the conversation, document.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        self.bytes.chunks_exact(self.entry_len).filter_map(read_id)
    }

    /// Entries from the first that is not below `wanted`.
    pub fn seek(&self, wanted: (u32, u32, u32)) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        let (mut low, mut high) = self.around(wanted);
        while low < high {
            let mid = low + (high - low) / 2;
            if self.get(mid).is_some_and(|entry| entry < wanted) { low = mid + 1 } else { high = mid }
        }
        self.rest(low)
    }

    /// Where the first entry that is not below `wanted` stands, narrowed down. Hashes are spread
    /// evenly, so the number itself says about where to look; strides that double find it from
    /// there, however they are spread.
    fn around(&self, wanted: (u32, u32, u32)) -> (usize, usize) {
        let below = |n: usize| self.get(n).is_some_and(|entry| entry < wanted);
        let len = self.len() as i64;
        let scaled = |hash: i64| hash.saturating_mul(len) >> 32;
        // The second guess corrects the first by what stands there: two cache misses, not ten.
        let first = scaled(i64::from(wanted.0));
        let off = self.get(first as usize).map_or(0, |e| i64::from(wanted.0) - i64::from(e.0));
        let guess = (first + scaled(off)).clamp(0, (len - 1).max(0)) as usize;
        let mut stride = 4;
        if below(guess) {
            let mut low = guess + 1;
            while below(low + stride) {
                low += stride + 1;
                stride *= 2;
            }
            return (low, (low + stride).min(self.len()));
        }
        let mut high = guess;
        while high > stride && !below(high - stride) {
            high -= stride;
            stride *= 2;
        }
        (high.saturating_sub(stride), high)
    }

    fn rest(&self, from: usize) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        (from..self.len()).filter_map(|n| self.get(n))
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.entry_len
    }

    fn get(&self, n: usize) -> Option<(u32, u32, u32)> {
        read_id(self.bytes.get(n * self.entry_len..(n + 1) * self.entry_len)?)
    }
}

fn read_id(entry: &[u8]) -> Option<(u32, u32, u32)> {
    let (id, rest) = entry.split_first_chunk()?;
    let (conversation, rest) = rest.split_first_chunk()?;
    let mut doc = [0u8; 4];
    doc.get_mut(..rest.len())?.copy_from_slice(rest);
    Some((u32::from_le_bytes(*id), u32::from_le_bytes(*conversation), u32::from_le_bytes(doc)))
}

/// The bytes of a list, wherever it stands.
pub fn list_bytes<'a>(dictionary: &'a Dictionary, lists: &'a [u8], place: &ListPlace) -> Result<&'a [u8]> {
    match place {
        ListPlace::Inline(range) => Ok(dictionary.inline(range)),
        ListPlace::Apart(range) => list_apart(lists, range),
    }
}

/// The bytes of a list in the postings section.
pub fn list_apart<'a>(lists: &'a [u8], range: &Range<u64>) -> Result<&'a [u8]> {
    let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    range
        .and_then(|(from, to)| lists.get(from..to))
        .ok_or_else(|| Error::corrupt("a posting list lies outside its section"))
}
