//! What one would build by hand over a key-value store: records sealed with AES-256-GCM-SIV under a key of
//! their subject; subjects, tags and words as keyed hashes in ordered keys; positions of a word beside its
//! key, in clear. The keys derive from one master. A word of which only the hash is known can't be found by its
//! beginning, nor by a near one, and nothing is ranked.

use std::collections::BTreeMap;

use escrowdb::id::Micros;
use escrowdb::store::Record;

use crate::Result;
use crate::compare::engines::number_of;
use crate::compare::sealed_row::{
    Ciphers, HASH, Row, decode, encode, hash, last_number, merged, subject_key, tag_key,
};
use crate::compare::words::peer::{Ask, Erased, Peer, Text};

/// A table of the key-value store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Number → hash of the subject, nonce, sealed record.
    Records,
    /// Hash of the subject, number.
    Subjects,
    /// Hash of the tag, time, number.
    Tags,
    /// Hash of the word, number → positions.
    Words,
}

/// All of them, by name.
pub const TABLES: [(Table, &str); 4] = [
    (Table::Records, "records"),
    (Table::Subjects, "subjects"),
    (Table::Tags, "tags"),
    (Table::Words, "words"),
];

/// Keys of tables, with the values to be put there, or to be removed.
pub type Changes = Vec<(Table, Vec<u8>, Option<Vec<u8>>)>;

/// Is given keys and values until it says no.
pub type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// An ordered key-value store.
pub trait KeyValue {
    /// Writes all of it or nothing, durably. The changes are sorted.
    fn write(&mut self, changes: &Changes) -> Result<()>;

    /// A value.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Keys and values from `from` up to before `to`, ascending or descending, until `each` says no.
    fn scan(&self, table: Table, from: &[u8], to: &[u8], descending: bool, each: &mut Each<'_>)
    -> Result<()>;

    /// Lets work that runs behind end.
    fn settle(&mut self) -> Result<()>;

    /// Rewrites the files without what was removed.
    fn compact(&mut self) -> Result<()>;
}

/// The hand-built database.
pub struct Sealed<K> {
    store: K,
    ciphers: Ciphers,
}

/// Words of a body with their places.
fn words(body: &str) -> BTreeMap<&str, Vec<u8>> {
    let mut places: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (at, word) in body.split(' ').enumerate() {
        // Bodies have fewer words than that; a longer one would lose its last phrases.
        places.entry(word).or_default().push(u8::try_from(at).unwrap_or(u8::MAX));
    }
    places
}

/// Keys behind all that begin with the hash.
fn behind(hash: &[u8; HASH]) -> Vec<u8> {
    [hash.as_slice(), &[0xff; 2 * size_of::<u64>() + 1]].concat()
}

impl<K: KeyValue> Sealed<K> {
    /// Over this store.
    pub fn new(store: K) -> Self {
        Self { store, ciphers: Ciphers::default() }
    }

    fn read(&mut self, number: u64) -> Result<Row> {
        let place = number.to_be_bytes();
        let row = self.store.get(Table::Records, &place)?.ok_or("a record is missing")?;
        self.ciphers.open(number, &row)
    }

    /// Keys of everything that is derived from a record, with their values.
    fn derived(subject: &[u8; HASH], number: u64, row: &Row) -> Changes {
        let mut keys = vec![(Table::Subjects, subject_key(subject, number), Some(Vec::new()))];
        for tag in &row.tags {
            keys.push((Table::Tags, tag_key(&hash(tag), row.time, number), Some(Vec::new())));
        }
        for (word, places) in words(&row.body) {
            keys.push((Table::Words, subject_key(&hash(word), number), Some(places)));
        }
        keys
    }

    fn of_tag(&self, tag: &str, time: Option<(Micros, Micros)>) -> Result<Vec<u64>> {
        let (from, before) = time.unwrap_or((Micros(0), Micros(i64::MAX)));
        let tag = hash(tag);
        let (from, before) = (tag_key(&tag, from.0, 0), tag_key(&tag, before.0, 0));
        let mut numbers = Vec::new();
        self.store.scan(Table::Tags, &from, &before, false, &mut |key, _| {
            numbers.push(last_number(key)?);
            Ok(true)
        })?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn of_word(&self, word: &str) -> Result<Vec<u64>> {
        let word = hash(word);
        let mut numbers = Vec::new();
        self.store.scan(Table::Words, &word, &behind(&word), false, &mut |key, _| {
            numbers.push(last_number(key)?);
            Ok(true)
        })?;
        Ok(numbers)
    }

    /// Numbers and places at which the phrase so far ends.
    fn of_phrase(&self, phrase: &[String]) -> Result<Vec<u64>> {
        let mut found: Option<Vec<(u64, Vec<u8>)>> = None;
        for word in phrase {
            let word = hash(word);
            let mut next = Vec::new();
            let mut at = 0;
            self.store.scan(Table::Words, &word, &behind(&word), false, &mut |key, places| {
                let number = last_number(key)?;
                let Some(before) = &found else {
                    next.push((number, places.to_vec()));
                    return Ok(true);
                };
                while before.get(at).is_some_and(|b| b.0 < number) {
                    at += 1;
                }
                if let Some((_, ends)) = before.get(at).filter(|b| b.0 == number) {
                    let follows = |place: &u8| place.checked_sub(1).is_some_and(|p| ends.contains(&p));
                    let places: Vec<u8> = places.iter().copied().filter(follows).collect();
                    if !places.is_empty() {
                        next.push((number, places));
                    }
                }
                Ok(at < before.len())
            })?;
            found = Some(next);
        }
        Ok(found.unwrap_or_default().into_iter().map(|f| f.0).collect())
    }

    fn collect(&self, ask: &Ask) -> Result<Vec<u64>> {
        let mut found: Option<Vec<u64>> = None;
        let mut narrow = |more: Vec<u64>| {
            found = Some(match found.take() {
                None => more,
                Some(found) => merged(&found, &more, true),
            });
        };
        for tag in &ask.by.all {
            narrow(self.of_tag(tag, ask.by.time)?);
        }
        for text in &ask.text {
            narrow(match text {
                Text::Word(word) => self.of_word(word)?,
                Text::Phrase(words) => self.of_phrase(words)?,
                Text::Prefix(_) | Text::Near(_) | Text::Part(_) => return Err("no way to find that".into()),
            });
        }
        let mut found = found.unwrap_or_default();
        for tag in &ask.by.none {
            found = merged(&found, &self.of_tag(tag, ask.by.time)?, false);
        }
        Ok(found)
    }

    /// The newest of one tag or one word, walked backwards.
    fn last(&self, ask: &Ask, k: usize) -> Result<Option<Vec<u64>>> {
        let (table, hash) = match (ask.by.all.as_slice(), ask.text.as_slice()) {
            ([tag], []) => (Table::Tags, hash(tag)),
            ([], [Text::Word(word)]) => (Table::Words, hash(word)),
            _ => return Ok(None),
        };
        if !ask.by.none.is_empty() || ask.by.time.is_some() {
            return Ok(None);
        }
        let mut numbers = Vec::new();
        self.store.scan(table, &hash, &behind(&hash), true, &mut |key, _| {
            numbers.push(last_number(key)?);
            Ok(numbers.len() < k)
        })?;
        Ok(Some(numbers))
    }
}

impl<K: KeyValue> Peer for Sealed<K> {
    fn append(&mut self, records: &[Record]) -> Result<()> {
        let mut changes = Changes::new();
        for record in records {
            let number = number_of(record.id.as_deref().unwrap_or_default())?;
            let subject = hash(record.subjects.first().unwrap_or(&record.author));
            let plain = encode(record);
            let value = self.ciphers.seal(number, subject, &plain)?;
            changes.push((Table::Records, number.to_be_bytes().to_vec(), Some(value)));
            changes.extend(Self::derived(&subject, number, &decode(&plain)?));
        }
        // Sorted, each page of a tree is touched once.
        changes.sort_unstable();
        self.store.write(&changes)
    }

    fn settle(&mut self) -> Result<()> {
        self.store.settle()
    }

    fn can(&self, ask: &Ask) -> bool {
        ask.text.iter().all(|text| matches!(text, Text::Word(_) | Text::Phrase(_)))
    }

    fn count(&mut self, ask: &Ask) -> Result<u64> {
        Ok(self.collect(ask)?.len() as u64)
    }

    fn numbers(&mut self, ask: &Ask) -> Result<Vec<u64>> {
        self.collect(ask)
    }

    fn newest(&mut self, ask: &Ask, k: usize) -> Result<Vec<(u64, usize)>> {
        let numbers = match self.last(ask, k)? {
            Some(numbers) => numbers,
            None => self.collect(ask)?.into_iter().rev().take(k).collect(),
        };
        numbers.into_iter().map(|number| Ok((number, self.read(number)?.body.len()))).collect()
    }

    fn ranked(&mut self, _: &Ask, _: usize) -> Result<Option<Vec<u64>>> {
        Ok(None)
    }

    fn erase(&mut self, subject: &str) -> Result<Erased> {
        let subject = hash(subject);
        let mut numbers = Vec::new();
        let (from, to) = (subject_key(&subject, 0), behind(&subject));
        self.store.scan(Table::Subjects, &from, &to, false, &mut |key, _| {
            numbers.push(last_number(key)?);
            Ok(true)
        })?;
        let mut changes = Changes::new();
        for number in &numbers {
            changes.push((Table::Records, number.to_be_bytes().to_vec(), None));
            let row = self.read(*number)?;
            changes
                .extend(Self::derived(&subject, *number, &row).into_iter().map(|(t, key, _)| (t, key, None)));
        }
        changes.sort_unstable();
        self.store.write(&changes)?;
        Ok(Erased { records: numbers.len() as u64, segments: 0 })
    }

    fn scrub(&mut self) -> Result<()> {
        self.store.compact()
    }

    fn compact(&mut self) -> Result<()> {
        self.store.compact()
    }
}
