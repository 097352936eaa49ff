//! What one would build by hand: redb, each record sealed with AES-256-GCM-SIV under a key of its
//! subject, tags and subjects as keyed hashes. One durable transaction a batch. A deletion takes
//! rows away; the keys derive from one master, so an old copy of the file stays readable.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use aes_gcm_siv::aead::{Aead as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit as _, Nonce};
use escrowdb::id::Micros;
use escrowdb::store::Record;
use redb::{Database, ReadableDatabase as _, TableDefinition};

use crate::Result;
use crate::compare::engines::{Engine, Question, number_of};

/// Number → hash of the subject, nonce, sealed record.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Hash of the subject, number.
const SUBJECTS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("subjects");
/// Hash of the tag, time, number.
const TAGS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("tags");

const CACHE: usize = 1 << 30;
pub(in crate::compare) const MASTER: [u8; 32] = [0x5a; 32];
pub(in crate::compare) const HASH: usize = 8;
pub(in crate::compare) const NONCE: usize = 12;

/// A database.
pub struct Sealed {
    database: Database,
    /// Ciphers of subjects, as a program that reads much would keep them.
    ciphers: HashMap<[u8; HASH], Aes256GcmSiv>,
}

/// The fields of a record, as text between lengths.
pub(in crate::compare) struct Row {
    pub(in crate::compare) time: i64,
    pub(in crate::compare) tags: Vec<String>,
    pub(in crate::compare) body: String,
}

/// Opens the database in `dir`, or makes it.
pub fn open(dir: &Path) -> Result<Box<dyn Engine>> {
    let database = Database::builder().set_cache_size(CACHE).create(dir.join("db.redb"))?;
    let write = database.begin_write()?;
    write.open_table(RECORDS)?;
    write.open_table(SUBJECTS)?;
    write.open_table(TAGS)?;
    write.commit()?;
    Ok(Box::new(Sealed { database, ciphers: HashMap::new() }))
}

pub(in crate::compare) fn hash(text: &str) -> [u8; HASH] {
    let mut short = [0; HASH];
    short.copy_from_slice(&blake3::keyed_hash(&MASTER, text.as_bytes()).as_bytes()[..HASH]);
    short
}

pub(in crate::compare) fn tag_key(tag: &[u8; HASH], time: i64, number: u64) -> Vec<u8> {
    [tag.as_slice(), &time.to_be_bytes(), &number.to_be_bytes()].concat()
}

pub(in crate::compare) fn subject_key(subject: &[u8; HASH], number: u64) -> Vec<u8> {
    [subject.as_slice(), &number.to_be_bytes()].concat()
}

/// The number in the last eight bytes of a key.
pub(in crate::compare) fn last_number(key: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(*key.last_chunk().ok_or("a short key")?))
}

fn put(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

fn take(bytes: &mut &[u8]) -> Result<String> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or("a short record")?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or("a short record")?;
    *bytes = rest;
    Ok(String::from_utf8(text.to_vec())?)
}

pub(in crate::compare) fn encode(record: &Record) -> Vec<u8> {
    let mut out = record.time.0.to_le_bytes().to_vec();
    for text in [&record.conversation, &record.author, &record.channel] {
        put(text.as_bytes(), &mut out);
    }
    put(record.tags.join(" ").as_bytes(), &mut out);
    put(record.body.as_bytes(), &mut out);
    out
}

pub(in crate::compare) fn decode(bytes: &[u8]) -> Result<Row> {
    let (time, mut rest) = bytes.split_first_chunk().ok_or("a short record")?;
    for _ in ["conversation", "author", "channel"] {
        take(&mut rest)?;
    }
    let tags = take(&mut rest)?.split(' ').map(str::to_owned).collect();
    Ok(Row { time: i64::from_le_bytes(*time), tags, body: take(&mut rest)? })
}

impl Sealed {
    fn cipher(&mut self, subject: [u8; HASH]) -> &Aes256GcmSiv {
        self.ciphers
            .entry(subject)
            .or_insert_with(|| Aes256GcmSiv::new(blake3::keyed_hash(&MASTER, &subject).as_bytes().into()))
    }

    fn read(&mut self, number: u64) -> Result<Option<Row>> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let Some(value) = table.get(number)? else { return Ok(None) };
        let (subject, rest) = value.value().split_first_chunk::<HASH>().ok_or("a short record")?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or("a short record")?;
        let place = number.to_be_bytes();
        let opened = self
            .cipher(*subject)
            .decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &place })
            .map_err(|_| "a record does not authenticate")?;
        decode(&opened).map(Some)
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

/// Those of `a` that are in `b`, or that are not; both ascend.
pub(in crate::compare) fn merged(a: &[u64], b: &[u64], wanted: bool) -> Vec<u64> {
    let mut at = 0;
    let mut keep = |n: &u64| {
        while b.get(at).is_some_and(|m| m < n) {
            at += 1;
        }
        (b.get(at) == Some(n)) == wanted
    };
    a.iter().copied().filter(|n| keep(n)).collect()
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
            // Numbers never repeat, so they are sound nonces.
            let mut nonce = [0; NONCE];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            let place = number.to_be_bytes();
            let sealed = self
                .cipher(subject)
                .encrypt(&Nonce::from(nonce), Payload { msg: &encode(record), aad: &place })
                .map_err(|_| "a record can't be sealed")?;
            rows.push((number, [subject.as_slice(), &nonce, &sealed].concat()));
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
