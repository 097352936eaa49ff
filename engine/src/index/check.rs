//! A whole segment at once: decoded for a rewrite, rebuilt from its bodies, verified.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::error::{Error, Result};
use crate::id::PersonNumber;
use crate::index::data::{DocEntry, IndexBuilder, IndexData};
use crate::index::dictionary::Dictionary;
use crate::index::file::Section;
use crate::index::lists::{field_of, person_value};
use crate::index::part::{Field, Term};
use crate::index::postings;
use crate::index::reader::Segment;
use crate::index::sections::{IdTable, list_bytes};
use crate::record::Stored;
use crate::segment::Location;

impl Segment {
    /// Reads the whole index, for a rewrite. The block table comes from its first copy, else from
    /// its second.
    pub fn decode_all(&self) -> Result<IndexData> {
        let sections = &self.sections;
        let (keys, places) = (sections.load_keys()?, sections.load_places()?);
        let blocks = sections.load_blocks()?;
        let mut data =
            IndexData { docs: Vec::with_capacity(sections.docs() as usize), terms: vec![], blocks };
        for doc in 0..sections.docs() {
            let key = keys.get(doc).ok_or_else(|| self.damage(Section::Times, "a document is missing"))?;
            if data.docs.last().is_some_and(|last| last.key() >= key) {
                return Err(self.damage(Section::Times, "documents are not in order"));
            }
            let at = places
                .get(doc)
                .filter(|at| (at.block as usize) < data.blocks.len())
                .ok_or_else(|| self.damage(Section::Locations, "a block is missing"))?;
            data.docs.push(DocEntry { time: key.time, seq: key.seq, at, id_hash: 0, conv_hash: 0 });
        }
        decode_ids(&sections.load_ids()?, &mut data.docs).map_err(|e| sections.index.at(Section::Ids, e))?;
        let (dictionary, lists) = (sections.load_dictionary()?, sections.index.section(Section::Postings)?);
        data.terms = decode_terms(&dictionary, &lists, sections.docs())
            .map_err(|e| sections.index.at(Section::Dictionary, e))?;
        Ok(data)
    }

    /// Builds the index anew from the block table and the bodies, for an index whose other
    /// sections are damaged. A block of the table holds no dead record, so what comes out equals
    /// what was written.
    pub fn rebuild(&self, known: &dyn Fn(PersonNumber) -> bool) -> Result<IndexData> {
        let blocks = self.sections.load_blocks()?;
        let mut records = Vec::new();
        for (block, number) in blocks.iter().zip(0..) {
            let open = self.open_block(block)?;
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
        let mut builder = IndexBuilder::new(known);
        for (seq, stored, at) in &records {
            builder.add(stored, *seq, *at)?;
        }
        Ok(builder.finish(blocks))
    }

    /// Checks every page and section, with `read_data` every record too; answers what is damaged.
    pub fn verify(&self, read_data: bool) -> Vec<String> {
        let name = self.sections.index.name();
        let mut damage = self.sections.index.verify();
        let tables = [Section::Blocks, Section::BlocksCopy].map(|s| self.sections.load_block_table(s));
        damage.extend(tables.iter().filter_map(|t| t.as_ref().err()).map(ToString::to_string));
        if let [Ok(one), Ok(two)] = &tables
            && one != two
        {
            damage.push(format!("file {name}: the two block tables differ"));
        }
        let data = self.decode_all().map_err(|e| damage.push(e.to_string())).ok();
        if read_data
            && self.verify_blocks(&mut damage)
            && let Some(data) = data
        {
            damage.extend(self.verify_index(&data).err().map(|e| e.to_string()));
        }
        damage.sort_unstable();
        damage.dedup();
        damage
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
        let authors = data.terms.iter().filter(|(t, _)| t.field == Field::Author);
        let authors: HashSet<&[u8]> = authors.map(|(t, _)| t.value.as_slice()).collect();
        let rebuilt = self.rebuild(&|person| authors.contains(person_value(person).as_slice()))?;
        if rebuilt == *data {
            return Ok(());
        }
        let name = self.sections.index.name();
        Err(Error::corrupt(format!("file {name}: the index does not say what the bodies say")))
    }
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

fn decode_terms(dictionary: &Dictionary, lists: &[u8], docs: u32) -> Result<Vec<(Term, Vec<u32>)>> {
    let mut cursor = dictionary.cursor();
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
        let list = postings::decode_vec(&mut r, entry.frequency, docs)?;
        r.finish()?;
        terms.push((term, list));
    }
    cursor.finish()?;
    Ok(terms)
}
