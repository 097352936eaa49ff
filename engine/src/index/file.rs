//! An `.idx` file: sections in a row of sealed pages.
//!
//! ```text
//! page 0    pages u32 │ documents u32 │ first time u64 │ last time u64 │ first seq u64 │ last seq u64
//!           │ sections u16 │ { id u8 │ offset u64 │ length u64 } …
//! page 1    block table, then zeros to the end of its page
//! page i    block table once more, then zeros: it can't be rebuilt from bodies
//! page j    dictionary │ postings │ times │ seqs │ locations │ ids │ filter
//!           │ of an index with words: lengths │ analyser │ positions │ zeros
//! ```
//!
//! behind    parity pages
//!
//! Offsets count bytes of the pages' texts. Section ids from 32 are reserved for the overlay. The
//! plaintext is a pure function of the data.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::crypto::stack::wipe;
use crate::crypto::{Entropy, Key, Secret, hedged_secret};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, Micros, Seq, StoreId};
use crate::index::data::{DocEntry, IndexData};
use crate::index::dictionary::{self, TermSections};
use crate::index::filter::IdFilter;
use crate::index::headless;
use crate::index::page::{PAGE_LEN, PageFile, TEXT_LEN, VERSION, WORDLESS, version_of};
use crate::index::shared::Hands;
use crate::index::tables::{
    encode_blocks, encode_ids, encode_lengths, encode_locations, encode_seqs, encode_times,
};
use crate::parity::{Encoder, ParityFile, Repairs};
use crate::segment::BlockRef;
use crate::text::ANALYSER;
use crate::vfs::{ReadAt, Vfs};

mod encoded;
mod pages;

pub use encoded::Encoded;
use pages::page_count;
pub(crate) use pages::write_text;

/// A section of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// Where blocks stand, and their secrets.
    Blocks = 1,
    /// The same once more.
    BlocksCopy = 2,
    /// Terms.
    Dictionary = 3,
    /// Long lists of documents.
    Postings = 4,
    /// Event times.
    Times = 5,
    /// Log positions.
    Seqs = 6,
    /// Block and slot of documents.
    Locations = 7,
    /// Hashes of id and conversation, sorted.
    Ids = 8,
    /// Filter over ids.
    Filter = 9,
    /// Where words stand.
    Positions = 16,
    /// How many words documents have.
    Lengths = 17,
    /// Which analyser made the words.
    Analyser = 18,
}

impl Section {
    /// Every section of this version, in the order of the file.
    pub const ALL: [Self; 12] = [
        Self::Blocks,
        Self::BlocksCopy,
        Self::Dictionary,
        Self::Postings,
        Self::Times,
        Self::Seqs,
        Self::Locations,
        Self::Ids,
        Self::Filter,
        Self::Lengths,
        Self::Analyser,
        Self::Positions,
    ];

    /// Name for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "block table",
            Self::BlocksCopy => "second block table",
            Self::Dictionary => "dictionary",
            Self::Postings => "postings",
            Self::Times => "times",
            Self::Seqs => "seqs",
            Self::Locations => "locations",
            Self::Ids => "ids",
            Self::Filter => "id filter",
            Self::Positions => "positions",
            Self::Lengths => "lengths",
            Self::Analyser => "analyser",
        }
    }
}

/// What was written: keep it in the keyring.
pub struct Written {
    /// K_index of the file.
    pub key: Secret,
    /// Pages of the file, without parity.
    pub pages: u32,
    /// Digest of the plaintext, to compare with what reads back; never stored.
    pub digest: Zeroizing<[u8; 32]>,
}

/// Page 0.
pub struct Table {
    /// Pages of the file, without parity.
    pub pages: u32,
    /// Documents.
    pub docs: u32,
    /// First and last event time.
    pub times: (Micros, Micros),
    /// Lowest and highest log position.
    pub seqs: (Seq, Seq),
    sections: Vec<(u8, u64, u64)>,
}

/// An index file, open for reading.
pub struct IndexFile {
    file: ParityFile,
    of: PageFile,
    key: Key,
    table: Table,
    repairs: Arc<Repairs>,
    /// All pages, opened, while a check reads every section.
    held: RwLock<Option<Zeroizing<Vec<u8>>>>,
    to_rebuild: bool,
    /// Pages opened since it was opened.
    pages_opened: AtomicU64,
}

/// Bytes of a table before its sections: pages, documents, times, positions, count.
const TABLE_LEN: usize = 4 + 4 + 8 + 8 + 8 + 8 + 2;
/// Bytes of a section's place: id, offset, length.
const SECTION_LEN: usize = 1 + 8 + 8;
/// Bytes that a document takes at least, in the table of ids.
const ID_LEN_MIN: u64 = 9;
/// Sections a table may name at most.
const SECTIONS_MAX: usize = 200;

/// Name of an index file.
pub fn file_name(file: FileId) -> String {
    format!("{file}.idx")
}

/// Writes `data` into a new file under a fresh key and syncs the file; the caller syncs the folder.
pub fn write_index(
    vfs: &dyn Vfs,
    dir: &Path,
    store: StoreId,
    file: FileId,
    data: &IndexData,
    entropy: &dyn Entropy,
) -> Result<Written> {
    let of = PageFile { store, file, version: version(data.with_words) };
    write_encoded(vfs, dir, of, &encode(data)?, entropy, Hands::One)
}

/// Version of the pages of an index.
pub const fn version(with_words: bool) -> u8 {
    if with_words { VERSION } else { WORDLESS }
}

/// The same for an index that was encoded already, sealed by so many threads.
pub fn write_encoded(
    vfs: &dyn Vfs,
    dir: &Path,
    of: PageFile,
    text: &Encoded,
    entropy: &dyn Entropy,
    hands: Hands,
) -> Result<Written> {
    let digest = pages::digest(text, hands)?;
    let key = hedged_secret(entropy, &of.file.0, &*digest).map_err(|e| Error::io("read random bytes", e))?;
    let pages = write_text(vfs, dir, of, &key, text, hands)?;
    Ok(Written { key, pages, digest })
}

/// What an index is made of: documents as they are, all else as sections.
pub(crate) struct Parts<'a> {
    /// Documents; the hashes of their ids are not read.
    pub(crate) docs: &'a [DocEntry],
    /// Blocks, and what is encoded a document.
    pub(crate) tables: Tables,
    /// The dictionary, the long lists, and the positions if there are words.
    pub(crate) terms: TermSections,
    /// Whether there are words.
    pub(crate) with_words: bool,
    /// The table of ids and the filter over it.
    pub(crate) ids: (Zeroizing<Vec<u8>>, IdFilter),
}

/// The block table and the columns.
pub(crate) struct Tables {
    blocks: Zeroizing<Vec<u8>>,
    times: Zeroizing<Vec<u8>>,
    seqs: Zeroizing<Vec<u8>>,
    locations: Zeroizing<Vec<u8>>,
    lengths: Zeroizing<Vec<u8>>,
}

impl Tables {
    /// Encodes blocks and documents.
    pub(crate) fn new(docs: &[DocEntry], blocks: &[BlockRef]) -> Self {
        let (times, seqs) = (encode_times(docs), encode_seqs(docs));
        let (locations, lengths) = (encode_locations(docs), encode_lengths(docs));
        Self { blocks: encode_blocks(blocks), times, seqs, locations, lengths }
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        let Self { blocks, times, seqs, locations, lengths } = self;
        [blocks, times, seqs, locations, lengths].into_iter().for_each(wipe);
    }
}

/// The plaintext of an index: whole pages.
pub fn encode(data: &IndexData) -> Result<Encoded> {
    let docs = doc_count(&data.docs)?;
    let (terms, ids) = (dictionary::encode(&data.terms, docs), encode_ids(&data.docs));
    let tables = Tables::new(&data.docs, &data.blocks);
    encode_parts(Parts { docs: &data.docs, tables, terms, ids, with_words: data.with_words })
}

fn doc_count(docs: &[DocEntry]) -> Result<u32> {
    u32::try_from(docs.len()).map_err(|_| Error::invalid("an index holds too many records"))
}

/// The same from parts.
pub(crate) fn encode_parts(mut data: Parts<'_>) -> Result<Encoded> {
    let docs = doc_count(data.docs)?;
    let Tables { blocks, times, seqs, locations, lengths } = &mut data.tables;
    let TermSections { dictionary, lists, positions } = &mut data.terms;
    let (ids, filter) = &mut data.ids;
    let take = std::mem::take::<Zeroizing<Vec<u8>>>;
    let mut sections = vec![
        (Section::Blocks, take(blocks)),
        (Section::BlocksCopy, Zeroizing::default()),
        (Section::Dictionary, take(dictionary)),
        (Section::Postings, take(lists)),
        (Section::Times, take(times)),
        (Section::Seqs, take(seqs)),
        (Section::Locations, take(locations)),
        (Section::Ids, take(ids)),
        (Section::Filter, filter.take_bytes()),
    ];
    if data.with_words {
        sections.extend([
            (Section::Lengths, take(lengths)),
            (Section::Analyser, Zeroizing::new(vec![ANALYSER.0, ANALYSER.1])),
            (Section::Positions, take(positions)),
        ]);
    }
    // Piece 0 is the table. The block table stands twice.
    let (mut named, mut places) = (Vec::with_capacity(sections.len()), vec![(0, 0)]);
    let mut pieces = vec![Zeroizing::default()];
    let mut at = TEXT_LEN;
    for (section, bytes) in sections {
        if matches!(section, Section::Blocks | Section::BlocksCopy | Section::Dictionary) {
            at = at.next_multiple_of(TEXT_LEN);
        }
        if section != Section::BlocksCopy {
            pieces.push(bytes);
        }
        let piece = pieces.len() - 1;
        let len = pieces.get(piece).map_or(0, |piece: &Zeroizing<Vec<u8>>| piece.len());
        named.push((section as u8, at as u64, len as u64));
        places.push((at, piece));
        at += len;
    }
    let len = at.next_multiple_of(TEXT_LEN);
    let seq = |pick: fn(Seq, Seq) -> Seq| data.docs.iter().map(|d| d.seq).reduce(pick).unwrap_or_default();
    let table = Table {
        pages: page_count(len)?,
        docs,
        times: (
            data.docs.first().map_or(Micros(0), |d| d.time),
            data.docs.last().map_or(Micros(0), |d| d.time),
        ),
        seqs: (seq(Seq::min), seq(Seq::max)),
        sections: named,
    };
    if let Some(piece) = pieces.first_mut() {
        table.encode(piece);
    }
    Ok(Encoded::new(pieces, places, len))
}

impl Table {
    /// Bytes of the pages' texts that neither the table nor a section takes.
    pub fn zeros(&self) -> u64 {
        let taken = self.sections.iter().map(|(_, _, len)| len).sum::<u64>();
        let own = (TABLE_LEN + self.sections.len() * SECTION_LEN) as u64;
        (u64::from(self.pages) * TEXT_LEN as u64).saturating_sub(own + taken)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.pages);
        out.put_u32(self.docs);
        out.put_u64(self.times.0.0 as u64);
        out.put_u64(self.times.1.0 as u64);
        out.put_u64(self.seqs.0.0);
        out.put_u64(self.seqs.1.0);
        out.put_u16(self.sections.len() as u16);
        for (id, offset, len) in &self.sections {
            out.put_u8(*id);
            out.put_u64(*offset);
            out.put_u64(*len);
        }
    }

    fn decode(text: &[u8], pages: u32) -> Result<Self> {
        let mut r = Reader::new(text);
        let wanted = r.u32()?;
        if wanted != pages {
            return Err(Error::corrupt(format!("the file has {pages} pages, its table says {wanted}")));
        }
        let docs = r.u32()?;
        if u64::from(docs) * ID_LEN_MIN > u64::from(pages) * TEXT_LEN as u64 {
            return Err(Error::corrupt("it says that it has more documents than it has room for"));
        }
        let times = (Micros(r.u64()? as i64), Micros(r.u64()? as i64));
        let seqs = (Seq(r.u64()?), Seq(r.u64()?));
        let count = usize::from(r.u16()?);
        if count > SECTIONS_MAX {
            return Err(Error::corrupt("too many sections"));
        }
        let mut sections: Vec<(u8, u64, u64)> = Vec::with_capacity(count);
        for _ in 0..count {
            let (id, offset, len) = (r.u8()?, r.u64()?, r.u64()?);
            let end = offset.checked_add(len).filter(|e| *e <= u64::from(pages) * TEXT_LEN as u64);
            if end.is_none() || sections.iter().any(|s| s.0 == id) {
                return Err(Error::corrupt("a section lies outside the file or stands twice"));
            }
            sections.push((id, offset, len));
        }
        Ok(Self { pages, docs, times, seqs, sections })
    }
}

impl IndexFile {
    /// Opens page 0, whatever version `of` says. Of a file that should have so many `pages` less may
    /// be there: what is cut off, and what page 0 says if that is lost, is [`Self::to_rebuild`].
    pub fn open(
        file: Arc<dyn ReadAt>,
        of: PageFile,
        key: Key,
        repairs: Arc<Repairs>,
        pages: Option<u32>,
    ) -> Result<Self> {
        let name = file_name(of.file);
        let found =
            ParityFile::new(Arc::clone(&file)).map_err(|e| Error::io(format!("measure {name}"), e))?;
        let (file, cut) = match (found, pages.map(u64::from)) {
            (Ok(found), Some(pages)) if found.data_pages() == pages => (found, false),
            (_, Some(pages)) => (ParityFile::cut(file, pages), true),
            (found, None) => {
                let no_length = |len| {
                    Error::corrupt(format!("file {name} has {len} bytes, which is no length of an index"))
                };
                (found.map_err(no_length)?, false)
            }
        };
        let mut index = Self::unread(file, of, key, repairs)?;
        index.of.version = index.version();
        index.to_rebuild = cut;
        match index.read_table() {
            Err(e) if e.kind() == ErrorKind::Corrupt => index.find_block_tables().ok_or(e)?,
            read => read?,
        }
        Ok(index)
    }

    /// The version that the first pages claim: that of page 0, if it is a known one; else that of
    /// the next.
    fn version(&self) -> u8 {
        let mut page = Zeroizing::new([0u8; PAGE_LEN]);
        let claimed = |number| {
            self.read(number, &mut page).ok()?;
            version_of(&*page)
        };
        (0..self.table.pages.min(3)).find_map(claimed).unwrap_or(VERSION)
    }

    /// Whether it has words.
    pub fn has_words(&self) -> bool {
        self.of.version == VERSION
    }

    /// Where page 0 is lost: the block tables can be found without it.
    fn find_block_tables(&mut self) -> Option<()> {
        let texts = 1..u64::from(self.table.pages);
        let texts: Vec<headless::Text> =
            texts.map(|n| self.text(n * TEXT_LEN as u64, TEXT_LEN as u64).ok()).collect();
        let len = headless::block_table_len(&texts)? as u64;
        let second = TEXT_LEN as u64 + len.next_multiple_of(TEXT_LEN as u64);
        let tables = [(Section::Blocks, TEXT_LEN as u64), (Section::BlocksCopy, second)];
        self.table.sections = tables.map(|(section, at)| (section as u8, at, len)).to_vec();
        self.to_rebuild = true;
        Some(())
    }

    fn unread(file: ParityFile, of: PageFile, key: Key, repairs: Arc<Repairs>) -> Result<Self> {
        let pages = u32::try_from(file.data_pages()).map_err(|_| {
            Error::corrupt(format!("file {} is over the limit of an index", file_name(of.file)))
        })?;
        let table =
            Table { pages, docs: 0, times: Default::default(), seqs: Default::default(), sections: vec![] };
        Ok(Self {
            file,
            of,
            key,
            table,
            repairs,
            held: RwLock::default(),
            to_rebuild: false,
            pages_opened: AtomicU64::new(0),
        })
    }

    fn read_table(&mut self) -> Result<()> {
        let text = self.text(0, TEXT_LEN as u64)?;
        self.table = Table::decode(&text, self.table.pages)
            .map_err(|e| e.context(format!("file {} page 0", self.name())))?;
        Ok(())
    }

    /// Whether more than single pages is lost of it: sections that page 0 would name, or its end.
    pub const fn to_rebuild(&self) -> bool {
        self.to_rebuild
    }

    fn open_file(file: ParityFile, of: PageFile, key: Key, repairs: Arc<Repairs>) -> Result<Self> {
        let mut index = Self::unread(file, of, key, repairs)?;
        index.read_table()?;
        Ok(index)
    }

    /// The file's name in the store.
    pub const fn id(&self) -> FileId {
        self.of.file
    }

    /// The same file under another handle of its key. Page 0 is opened again.
    pub fn under(&self, key: Key) -> Result<Self> {
        Self::open_file(self.file.clone(), self.of, key, Arc::clone(&self.repairs))
    }

    /// Opens every page once and answers what does not open. If all do, sections are read from
    /// them until [`Self::release`].
    pub fn hold(&self) -> Vec<String> {
        match self.text(0, u64::from(self.table.pages) * TEXT_LEN as u64) {
            Ok(text) => {
                *self.held.write() = Some(text);
                Vec::new()
            }
            Err(_) => self.verify(),
        }
    }

    /// Opens every page as it stands, without rescue, and compares the text with the hash of what
    /// was written, and the parity.
    pub fn reads_as(&self, digest: &[u8; 32], hands: Hands) -> Result<()> {
        let mut parity = Encoder::new(self.file.data_pages());
        if *self.digest_shared(hands, |pages| parity.update(pages))? != *digest {
            return Err(Error::corrupt(format!("file {} reads back as another text", self.name())));
        }
        let mut page = Zeroizing::new([0u8; PAGE_LEN]);
        for (expected, number) in parity.finish().chunks(PAGE_LEN).zip(self.table.pages..) {
            self.read(number, &mut page)?;
            if *expected != page[..] {
                return Err(Error::corrupt(format!("file {} page {number}: parity is wrong", self.name())));
            }
        }
        Ok(())
    }

    /// Wipes what [`Self::hold`] opened.
    pub fn release(&self) {
        *self.held.write() = None;
    }

    /// How many pages were opened so far.
    pub fn pages_opened(&self) -> u64 {
        self.pages_opened.load(Ordering::Relaxed)
    }

    /// Page 0.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The file's name.
    pub fn name(&self) -> String {
        file_name(self.of.file)
    }

    /// The bytes of a section.
    pub fn section(&self, section: Section) -> Result<Zeroizing<Vec<u8>>> {
        let (offset, len) = self.place(section)?;
        self.text(offset, len).map_err(|e| self.at(section, e))
    }

    /// The bytes of several, opened by so many threads: for who needs all of them.
    pub fn sections_shared<const N: usize>(
        &self,
        sections: [Section; N],
        hands: Hands,
    ) -> Result<[Zeroizing<Vec<u8>>; N]> {
        let places = sections.iter().map(|section| self.place(*section)).collect::<Result<Vec<_>>>()?;
        let texts = match self.texts_shared(&places, hands) {
            // What doesn't open as it stands is rescued by itself.
            Err(e) if e.kind() != ErrorKind::Revoked => {
                sections.iter().map(|section| self.section(*section)).collect::<Result<Vec<_>>>()?
            }
            texts => texts?,
        };
        texts.try_into().map_err(|_| Error::corrupt("a section is missing"))
    }

    /// Where a section begins and how long it is.
    fn place(&self, section: Section) -> Result<(u64, u64)> {
        let place = self.table.sections.iter().find(|s| s.0 == section as u8);
        let (_, offset, len) =
            *place.ok_or_else(|| self.at(section, Error::corrupt("the section is missing")))?;
        Ok((offset, len))
    }

    /// Bytes of a section: only the pages on which they lie are opened. Which section it is the caller
    /// adds to an error.
    pub fn part_of(&self, section: Section, from: u64, len: u64) -> Result<Zeroizing<Vec<u8>>> {
        let (offset, whole) = self.place(section)?;
        if from.checked_add(len).is_none_or(|end| end > whole) {
            return Err(Error::corrupt("the section is too short"));
        }
        self.text(offset + from, len)
    }

    /// Length of a section; 0 if it is missing.
    pub fn len_of(&self, section: Section) -> u64 {
        self.place(section).map_or(0, |(_, len)| len)
    }

    /// The bytes of a section that is there twice: each page from the first copy, or from the same
    /// place of the second where the first doesn't open. Both begin on a page and are the same bytes.
    pub fn section_of_two(&self, first: Section, second: Section) -> Result<Zeroizing<Vec<u8>>> {
        let whole = self.section(first);
        let find = |section| self.table.sections.iter().find(|s| s.0 == section as u8);
        let (Err(_), Some(&(_, a, len)), Some(&(_, b, copy_len))) = (&whole, find(first), find(second))
        else {
            return whole;
        };
        if len != copy_len {
            return whole;
        }
        let mut text = Zeroizing::new(Vec::with_capacity(len as usize));
        for at in (0..len).step_by(TEXT_LEN) {
            let part = TEXT_LEN.min((len - at) as usize) as u64;
            match self.text(a + at, part).or_else(|_| self.text(b + at, part)) {
                Ok(page) => text.extend_from_slice(&page),
                // The error of the first copy says which page is lost.
                Err(_) => return whole,
            }
        }
        Ok(text)
    }

    /// Adds file and section to an error.
    pub fn at(&self, section: Section, e: Error) -> Error {
        e.context(format!("file {} section {}", self.name(), section.name()))
    }

    /// Opens every page by itself; answers what does not open.
    fn verify(&self) -> Vec<String> {
        let pages = 0..u64::from(self.table.pages);
        pages
            .filter_map(|n| self.text(n * TEXT_LEN as u64, TEXT_LEN as u64).err())
            .map(|e| e.to_string())
            .collect()
    }
}
