//! What one would build by hand: redb, each record sealed with AES-256-GCM-SIV under a key of its
//! subject, tags and subjects as keyed hashes. One durable transaction a batch. A deletion takes
//! rows away; the keys derive from one master, so an old copy of the file stays readable.

use std::collections::BTreeSet;
use std::path::Path;

use escrowdb::id::Micros;
use escrowdb::store::Record;
use redb::{Database, ReadableDatabase as _, TableDefinition};

use crate::Result;
use crate::compare::engines::{Engine, Question, number_of};
use crate::compare::sealed_row::{Ciphers, Row, encode, hash, last_number, merged, subject_key, tag_key};

/// Number → hash of the subject, nonce, sealed record.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Hash of the subject, number.
const SUBJECTS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("subjects");
/// Hash of the tag, time, number.
const TAGS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("tags");

const CACHE: usize = 1 << 30;
/// A database.
pub struct Sealed {
    database: Database,
    ciphers: Ciphers,
}

/// Opens the database in `dir`, or makes it.
pub fn open(dir: &Path) -> Result<Box<dyn Engine>> {
    let database = Database::builder().set_cache_size(CACHE).create(dir.join("db.redb"))?;
    let write = database.begin_write()?;
    write.open_table(RECORDS)?;
    write.open_table(SUBJECTS)?;
    write.open_table(TAGS)?;
    write.commit()?;
    Ok(Box::new(Sealed { database, ciphers: Ciphers::default() }))
}

impl Sealed {
    fn read(&mut self, number: u64) -> Result<Option<Row>> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let Some(value) = table.get(number)? else { return Ok(None) };
        self.ciphers.open(number, value.value()).map(Some)
    }

    fn of_tag(&self, tag: &str, time: Option<(Micros, Micros)>) -> Result<Vec<u64>> {
        let (from, before) = time.unwrap_or((Micros(0), Micros(i64::MAX)));
        let tag = hash(tag);
        let (from, before) = (tag_key(&tag, from.0, 0), tag_key(&tag, before.0, 0));
        let table = self.database.begin_read()?.open_table(TAGS)?;
        let mut numbers = Vec::new();
        for entry in table.range(from.as_slice()..before.as_slice())? {
            numbers.push(last_number(entry?.0.value())?);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn collect(&self, question: &Question) -> Result<Vec<u64>> {
        let mut found: Option<Vec<u64>> = None;
        for tag in &question.all {
            let more = self.of_tag(tag, question.time)?;
            found = Some(match found {
                None => more,
                Some(found) => merged(&found, &more, true),
            });
        }
        let mut found = found.unwrap_or_default();
        for tag in &question.none {
            found = merged(&found, &self.of_tag(tag, question.time)?, false);
        }
        Ok(found)
    }
}

impl Engine for Sealed {
    fn name(&self) -> &'static str {
        "redb, sealed"
    }

    fn append(&mut self, records: &[Record]) -> Result<()> {
        let (mut rows, mut subjects, mut tags) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let number = number_of(record.id.as_deref().unwrap_or_default())?;
            let subject = hash(record.subjects.first().unwrap_or(&record.author));
            rows.push((number, self.ciphers.seal(number, subject, &encode(record))?));
            subjects.push(subject_key(&subject, number));
            tags.extend(record.tags.iter().map(|tag| tag_key(&hash(tag), record.time.0, number)));
        }
        // Sorted, each page of a tree is touched once.
        subjects.sort_unstable();
        tags.sort_unstable();
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(RECORDS)?;
            for (number, row) in &rows {
                table.insert(number, row.as_slice())?;
            }
            for (definition, keys) in [(SUBJECTS, &subjects), (TAGS, &tags)] {
                let mut table = write.open_table(definition)?;
                for key in keys {
                    table.insert(key.as_slice(), ())?;
                }
            }
        }
        // Durable at once: redb's default.
        Ok(write.commit()?)
    }

    fn count(&mut self, question: &Question) -> Result<u64> {
        self.ids(question)
    }

    fn ids(&mut self, question: &Question) -> Result<u64> {
        Ok(self.collect(question)?.len() as u64)
    }

    fn numbers(&mut self, question: &Question) -> Result<BTreeSet<u64>> {
        Ok(self.collect(question)?.into_iter().collect())
    }

    fn point(&mut self, number: u64) -> Result<Option<usize>> {
        Ok(self.read(number)?.map(|row| row.body.len()))
    }

    fn erase(&mut self, subject: &str) -> Result<u64> {
        let subject = hash(subject);
        let mut numbers = Vec::new();
        {
            let table = self.database.begin_read()?.open_table(SUBJECTS)?;
            let (from, to) = (subject_key(&subject, 0), subject_key(&subject, u64::MAX));
            for entry in table.range(from.as_slice()..=to.as_slice())? {
                numbers.push(last_number(entry?.0.value())?);
            }
        }
        let mut tags = Vec::new();
        for number in &numbers {
            let row = self.read(*number)?.ok_or("a record is missing")?;
            tags.extend(row.tags.iter().map(|tag| tag_key(&hash(tag), row.time, *number)));
        }
        let write = self.database.begin_write()?;
        {
            let mut records = write.open_table(RECORDS)?;
            let mut subjects = write.open_table(SUBJECTS)?;
            for number in &numbers {
                records.remove(number)?;
                subjects.remove(subject_key(&subject, *number).as_slice())?;
            }
            let mut table = write.open_table(TAGS)?;
            for key in &tags {
                table.remove(key.as_slice())?;
            }
        }
        write.commit()?;
        Ok(numbers.len() as u64)
    }

    fn scrub(&mut self) -> Result<()> {
        self.database.compact()?;
        Ok(())
    }
}
