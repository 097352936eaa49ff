//! A whole segment at once: decoded for a rewrite, rebuilt from its bodies, verified.

use std::collections::HashSet;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::data::{DocEntry, IndexBuilder, IndexData};
use crate::index::dictionary::{Dictionary, OtherKinds};
use crate::index::file::Section;
use crate::index::lists::{field_of, person_value};
use crate::index::part::{Field, SortKey};
use crate::index::postings;
use crate::index::reader::Segment;
use crate::index::runs::Runs;
use crate::index::sections::{IdTable, Lengths, Places, SortKeys, list_bytes};
use crate::index::shared::Hands;
use crate::index::terms::Terms;
use crate::index::thin::runs_of;
use crate::record::Stored;
use crate::segment::{BlockRef, Location};

/// What [`Segment::rebuild_readable`] found.
#[derive(Default)]
pub struct Rebuilt {
    /// The index of all that opens.
    pub data: IndexData,
    /// Blocks that are lost, in words.
    pub lost: Vec<String>,
    /// Blocks of the erased, and their subjects.
    pub gone: Vec<(u32, Vec<PersonNumber>)>,
}

impl Segment {
    /// Reads the whole index. The block table comes from its first copy, else from its second.
    pub fn decode_all(&self) -> Result<IndexData> {
        let sections = &self.sections;
        let mut data = self.decode_docs()?;
        decode_ids(&sections.load_ids()?, &mut data.docs).map_err(|e| sections.index.at(Section::Ids, e))?;
        let (dictionary, lists) = (sections.load_dictionary()?, sections.index.section(Section::Postings)?);
        let positions = match data.with_words {
            true => sections.index.section(Section::Positions)?,
            false => Zeroizing::default(),
        };
        data.terms = decode_terms(&dictionary, &lists, &positions, sections.docs())
            .map_err(|e| sections.index.at(Section::Dictionary, e))?;
        Ok(data)
    }

    /// Documents and blocks of the index, without terms and without hashes of ids.
    pub(crate) fn decode_docs(&self) -> Result<IndexData> {
        let sections = &self.sections;
        let lengths = sections.load_lengths()?;
        self.docs_of(&sections.load_keys()?, &sections.load_places()?, &lengths, sections.load_blocks()?)
    }

    /// The same from what is kept of the index.
    pub(crate) fn docs_kept(&self) -> Result<IndexData> {
        let sections = &self.sections;
        let lengths = sections.lengths()?;
        self.docs_of(&*sections.keys()?, &*sections.places()?, &lengths, sections.blocks()?.to_vec())
    }

    fn docs_of(
        &self,
        keys: &SortKeys,
        places: &Places,
        lengths: &Lengths,
        blocks: Vec<BlockRef>,
    ) -> Result<IndexData> {
        let sections = &self.sections;
        let docs = Vec::with_capacity(sections.docs() as usize);
        let with_words = sections.index.has_words();
        let mut data = IndexData { docs, terms: Terms::default(), blocks, with_words };
        let lengths = lengths.to_vec();
        let (times, seqs) = (keys.times.to_vec(), keys.seqs.to_vec());
        let mut before = None;
        for ((time, seq), at) in times.iter().zip(seqs.iter()).zip(places.to_vec()) {
            let key = SortKey { time: Micros(*time as i64), seq: Seq(*seq) };
            if before.replace(key) >= Some(key) {
                return Err(self.damage(Section::Times, "documents are not in order"));
            }
            let at = at
                .filter(|at| (at.block as usize) < data.blocks.len())
                .ok_or_else(|| self.damage(Section::Locations, "a block is missing"))?;
            let words = lengths.as_ref().map_or(Some(&0), |lengths| lengths.get(data.docs.len()));
            let words = words.and_then(|n| u32::try_from(*n).ok());
            let words = words.ok_or_else(|| self.damage(Section::Lengths, "a document is missing"))?;
            let (time, seq) = (key.time, key.seq);
            data.docs.push(DocEntry { time, seq, at, id_hash: 0, conv_hash: 0, words });
        }
        if data.docs.len() != sections.docs() as usize {
            return Err(self.damage(Section::Times, "a document is missing"));
        }
        Ok(data)
    }

    /// Builds the index anew from the block table and the bodies, for an index whose other
    /// sections are damaged. A block of the table holds no dead record, so what comes out equals
    /// what was written.
    pub fn rebuild(&self, known: &dyn Fn(PersonNumber) -> Result<bool>) -> Result<IndexData> {
        self.rebuild_from(known, self.sections.index.has_words(), &mut |_, _, e| Err(e))
    }

    /// The same without the blocks that don't open; answers them, too. Those of which a subject is
    /// `erased` can't open any more. It has words if the index had, and if `with_words`.
    pub fn rebuild_readable(
        &self,
        known: &dyn Fn(PersonNumber) -> Result<bool>,
        erased: &dyn Fn(PersonNumber) -> Result<bool>,
        with_words: bool,
    ) -> Result<Rebuilt> {
        let (mut lost, mut gone) = (Vec::new(), Vec::new());
        let with_words = with_words || self.sections.index.has_words();
        let data = self.rebuild_from(known, with_words, &mut |number, block, e| {
            if e.kind() != ErrorKind::Corrupt {
                return Err(e);
            }
            for subject in &block.subjects {
                if erased(*subject)? {
                    gone.push((number, block.subjects.clone()));
                    return Ok(());
                }
            }
            lost.push(e.to_string());
            Ok(())
        })?;
        Ok(Rebuilt { data: data.without(&RoaringBitmap::new(), &[])?, lost, gone })
    }

    /// How many documents stand in each of these blocks, as far as the index still tells.
    pub fn docs_in(&self, blocks: &[u32]) -> Result<Vec<u64>> {
        let places = self.sections.load_places()?.to_vec();
        let of = |block: &u32| places.iter().flatten().filter(|at| at.block == *block).count() as u64;
        Ok(blocks.iter().map(of).collect())
    }

    fn rebuild_from(
        &self,
        known: &dyn Fn(PersonNumber) -> Result<bool>,
        with_words: bool,
        lost: &mut dyn FnMut(u32, &BlockRef, Error) -> Result<()>,
    ) -> Result<IndexData> {
        let blocks = self.sections.load_blocks()?;
        let mut records = Vec::new();
        for (block, number) in blocks.iter().zip(0..) {
            let open = match self.open_block(block) {
                Ok(open) => open,
                Err(e) => {
                    lost(number, block, e)?;
                    continue;
                }
            };
            for (slot, record) in (0..).zip(open.iter()) {
                let stored = Stored::decode(record.canonical)
                    .map_err(|e| e.context(format!("record {} in block {number}", record.seq)))?;
                let stored = Zeroizing::new(stored);
                if stored.subjects != block.subjects || stored.class != block.class {
                    return Err(self.damage(Section::Blocks, "a record lies in a block of other subjects"));
                }
                records.push((record.seq, stored, Location { block: number, slot }));
            }
        }
        records.sort_unstable_by_key(|(seq, stored, _)| (stored.time, *seq));
        let mut builder = IndexBuilder::new(known, with_words);
        for (seq, stored, at) in &records {
            builder.add(stored, *seq, *at)?;
        }
        builder.finish(blocks)
    }

    /// Refuses what this program doesn't know in texts that open: that is a newer format, whatever else
    /// is damaged, and nothing may be written anew in its place.
    ///
    /// # Errors
    /// *Unsupported*. What doesn't open says nothing, and is no error here.
    pub fn check_known(&self) -> Result<()> {
        let sections = &self.sections;
        let newer = |checked: Result<()>| match checked {
            Err(e) if e.kind() == ErrorKind::Unsupported => Err(e),
            _ => Ok(()),
        };
        if sections.index.has_words() {
            newer(sections.check_analyser())?;
        }
        newer(sections.load_dictionary().and_then(|dictionary| {
            let mut cursor = dictionary.cursor();
            while cursor.advance()?.is_some() {
                known_field(cursor.key())?;
            }
            Ok(())
        }))
    }

    /// Checks every page and section, with `read_data` every record too; answers what is damaged.
    ///
    /// # Errors
    /// *Unsupported* if it is of a newer format: see [`Self::check_known`].
    pub fn verify(&self, read_data: bool) -> Result<Vec<String>> {
        let mut damage = self.sections.index.hold();
        let data = self.verify_sections(&mut damage);
        if read_data
            && self.verify_blocks(&mut damage)
            && let Some(data) = data
        {
            damage.extend(self.verify_index(&data).err().map(|e| e.to_string()));
        }
        let known = if damage.is_empty() { Ok(()) } else { self.check_known() };
        self.sections.index.release();
        known?;
        damage.sort_unstable();
        damage.dedup();
        Ok(damage)
    }

    /// What an erasure wrote reads back: every page of the index opens and has the text that was
    /// written, and the records of the fresh body file, if there is one, stand where it says.
    pub fn read_back(&self, digest: &[u8; 32], fresh_body: Option<u8>) -> Result<()> {
        self.reads_back(digest, fresh_body, Hands::Two, &|| Ok(()))
    }

    /// The same for who may have to stop in the middle: `go_on` is asked between blocks.
    pub fn read_back_while(
        &self,
        digest: &[u8; 32],
        fresh_body: Option<u8>,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        self.reads_back(digest, fresh_body, Hands::One, go_on)
    }

    fn reads_back(
        &self,
        digest: &[u8; 32],
        fresh_body: Option<u8>,
        hands: Hands,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        self.sections.index.reads_as(digest, hands)?;
        fresh_body.map_or(Ok(()), |body| self.verify_body(body, Dead::None, go_on))
    }

    /// What an erasure may have written last opens: the index, and the newest body file if the
    /// index was written anew. Rescue counts as opening. Between two passes of an erasure a segment
    /// that still waits holds blocks of people whose keys are gone; they must not open.
    ///
    /// # Errors
    /// Those of [`Self::verify`].
    pub fn verify_fresh(&self, rewritten: bool) -> Result<Vec<String>> {
        let mut damage = self.verify(false)?;
        if rewritten && let Some(newest) = self.body_count().checked_sub(1) {
            damage.extend(self.verify_body(newest, Dead::Waiting, &|| Ok(())).err().map(|e| e.to_string()));
        }
        Ok(damage)
    }

    /// The index, if all of it can be read.
    fn verify_sections(&self, damage: &mut Vec<String>) -> Option<IndexData> {
        if !matches!(self.sections.block_tables_agree(), Ok(true)) {
            let name = self.sections.index.name();
            let tables = [Section::Blocks, Section::BlocksCopy].map(|s| self.sections.load_block_table(s));
            damage.extend(tables.iter().filter_map(|t| t.as_ref().err()).map(ToString::to_string));
            if tables.iter().all(Result::is_ok) {
                damage.push(format!("file {name}: the two block tables differ"));
            }
        }
        self.decode_all().map_err(|e| damage.push(e.to_string())).ok()
    }

    /// Opens the blocks of one body file and compares their records with the index.
    fn verify_body(&self, body: u8, dead: Dead, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let blocks = self.sections.load_blocks()?;
        let (keys, places) = (self.sections.load_keys()?, self.sections.load_places()?);
        let mut docs = Vec::with_capacity(self.sections.docs() as usize);
        for doc in 0..self.sections.docs() {
            let (Some(at), Some(key)) = (places.get(doc), keys.get(doc)) else {
                return Err(self.damage(Section::Locations, "a document is missing"));
            };
            if blocks.get(at.block as usize).is_none_or(|block| block.file == body) {
                docs.push((at.block, at.slot, key.seq));
            }
        }
        docs.sort_unstable();
        let mut of_blocks = docs.chunk_by(|a, b| a.0 == b.0).peekable();
        // One block at a time is open.
        for (block, number) in blocks.iter().zip(0u32..) {
            while of_blocks.next_if(|docs| docs.iter().any(|d| d.0 < number)).is_some() {}
            let docs = of_blocks.next_if(|docs| docs.iter().any(|d| d.0 == number)).unwrap_or_default();
            if block.file != body {
                continue;
            }
            go_on()?;
            if dead == Dead::Waiting && !self.has_keys(block)? {
                continue;
            }
            let open = match dead {
                Dead::None => self.open_fresh_block(block)?,
                Dead::Waiting => self.open_block(block)?,
            };
            if docs.iter().any(|(_, slot, seq)| open.get(*slot).is_none_or(|record| record.seq != *seq)) {
                return Err(self.damage(Section::Locations, "a record is not in its block"));
            }
            if open.len() != docs.len() {
                return Err(self.damage(Section::Locations, "a block holds a record that the index lacks"));
            }
        }
        match of_blocks.next() {
            Some(_) => Err(self.damage(Section::Locations, "a record lies in a block that is not there")),
            None => Ok(()),
        }
    }

    /// Whether every block opens.
    fn verify_blocks(&self, damage: &mut Vec<String>) -> bool {
        let before = damage.len();
        // A table that can't be read was named already.
        let blocks = self.sections.load_blocks().unwrap_or_default();
        damage.extend(blocks.iter().filter_map(|b| self.open_block(b).err()).map(|e| e.to_string()));
        damage.len() == before
    }

    /// The index must say what the bodies say.
    fn verify_index(&self, data: &IndexData) -> Result<()> {
        // Who is known stands in the keyring; here the index's own word must do.
        let authors = data.terms.iter().filter(|t| t.field == Field::Author);
        let authors: HashSet<&[u8]> = authors.map(|t| t.value).collect();
        let rebuilt = self.rebuild(&|person| Ok(authors.contains(person_value(person).as_slice())))?;
        if rebuilt == *data {
            return Ok(());
        }
        let name = self.sections.index.name();
        Err(Error::corrupt(format!("file {name}: the index does not say what the bodies say")))
    }
}

/// Whether blocks of people without keys may stand in a body file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dead {
    /// No: what was just written holds none.
    None,
    /// Until the pass that takes them.
    Waiting,
}

fn decode_ids(ids: &IdTable, docs: &mut [DocEntry]) -> Result<()> {
    let mut seen = vec![false; docs.len()];
    let mut before = None;
    for entry in ids.iter() {
        if before.replace(entry) >= Some(entry) {
            return Err(Error::corrupt("ids are not in order"));
        }
        let (id, conversation, doc) = entry;
        let place = docs.get_mut(doc as usize).zip(seen.get_mut(doc as usize));
        let (doc, seen) = place.ok_or_else(|| Error::corrupt("an id of no document"))?;
        if std::mem::replace(seen, true) {
            return Err(Error::corrupt("two ids of one document"));
        }
        (doc.id_hash, doc.conv_hash) = (id, conversation);
    }
    Ok(())
}

/// Field and value of a key of the dictionary.
fn known_field(key: &[u8]) -> Result<(Field, &[u8])> {
    let (number, value) = key.split_first().unwrap_or((&0, &[]));
    let field = field_of(*number)
        .ok_or_else(|| Error::newer(format!("field {number} of the dictionary is unknown")))?;
    Ok((field, value))
}

fn decode_terms(dictionary: &Dictionary, lists: &[u8], positions: &[u8], docs: u32) -> Result<Terms> {
    let mut cursor = dictionary.cursor();
    // A guess that is seldom too small; vectors that are grow and wipe what they leave.
    let mut terms = Terms::with_capacity(cursor.bound(), cursor.bound() * 16, lists.len() * 2);
    terms.reserve_runs(positions.len());
    let mut list = Zeroizing::new(Vec::new());
    let (mut runs_at, mut at) = (0, Zeroizing::new(Vec::new()));
    let mut others = OtherKinds::default();
    while let Some(entry) = cursor.advance()? {
        let (field, value) = known_field(cursor.key())?;
        if terms.last().is_some_and(|last| last.order() >= (field, value)) || entry.frequency == 0 {
            return Err(Error::corrupt("terms are not in order or empty"));
        }
        let mut r = Reader::new(list_bytes(dictionary, lists, &entry.list)?);
        postings::decode_into(&mut r, entry.frequency, docs, &mut list)?;
        r.finish()?;
        if !field.has_positions() {
            others.note(field, value, &list);
            terms.push(field, value, list.iter().copied());
            continue;
        }
        if entry.others != Some(others.count(list.iter().copied())) {
            return Err(Error::corrupt("a word says wrongly how many of its documents are of other kinds"));
        }
        let place = cursor.runs();
        if place.start != runs_at {
            return Err(Error::corrupt("positions of a word don't follow those of the word before"));
        }
        runs_at = place.end;
        let bytes = runs_of(positions, &place)?;
        let mut runs = Runs::new(bytes);
        list.iter().try_for_each(|_| runs.read(&mut at))?;
        runs.finish()?;
        terms.push_word(field, value, &list, bytes);
    }
    if runs_at != positions.len() as u64 {
        return Err(Error::corrupt("positions of no word"));
    }
    cursor.finish()?;
    Ok(terms)
}
