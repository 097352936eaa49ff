//! SQLite as somebody who cares would set it up: write-ahead log, a full sync at each commit, a
//! large cache, indexes for subject and time, tags in a table without row ids. It encrypts nothing.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use escrowdb::store::Record;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};

use crate::Result;
use crate::compare::engines::{Engine, Question, number_of};

/// A database.
pub struct Sqlite {
    connection: Connection,
    tags: HashMap<String, i64>,
}

/// Opens the database in `dir`, or makes it.
pub fn open(dir: &Path) -> Result<Box<dyn Engine>> {
    let connection = Connection::open(dir.join("db.sqlite"))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;
         PRAGMA temp_store=MEMORY;",
    )?;
    connection.execute_batch(TABLES)?;
    Ok(Box::new(Sqlite { connection, tags: HashMap::new() }))
}

/// Tables of the messages and their tags.
pub(in crate::compare) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS msg(id INTEGER PRIMARY KEY, conversation TEXT, author TEXT,
        subject TEXT, ts INTEGER, channel TEXT, tags TEXT, body TEXT);
    CREATE INDEX IF NOT EXISTS msg_subject ON msg(subject);
    CREATE INDEX IF NOT EXISTS msg_ts ON msg(ts);
    CREATE TABLE IF NOT EXISTS tagname(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
    CREATE TABLE IF NOT EXISTS tag(t INTEGER, m INTEGER, PRIMARY KEY(t, m)) WITHOUT ROWID;";

/// The number of a tag, or -1.
pub(in crate::compare) fn tag_number(connection: &Connection, tag: &str) -> Result<i64> {
    let mut find = connection.prepare_cached("SELECT id FROM tagname WHERE name = ?1")?;
    Ok(find.query_row([tag], |row| row.get(0)).optional()?.unwrap_or(-1))
}

/// Condition and values of a question, behind `SELECT … FROM`.
pub(in crate::compare) fn sql(connection: &Connection, question: &Question) -> Result<(String, Vec<Value>)> {
    let mut values: Vec<Value> = Vec::new();
    for tag in question.all.iter().chain(&question.none) {
        values.push(tag_number(connection, tag)?.into());
    }
    let mut sql = String::from("tag a0");
    for n in 1..question.all.len() {
        // CROSS keeps the order: the rarest tag is walked, the others are looked up.
        sql += &format!(" CROSS JOIN tag a{n} ON a{n}.m = a0.m AND a{n}.t = ?{}", n + 1);
    }
    if let Some((from, before)) = question.time {
        values.push(from.0.into());
        values.push(before.0.into());
        let at = values.len();
        // The index on time is walked, for a hundredth of the time holds fewer records than a
        // frequent tag.
        sql = format!(
            "msg INDEXED BY msg_ts CROSS JOIN {sql} ON a0.m = msg.id WHERE msg.ts >= ?{} AND msg.ts < ?{at} AND",
            at - 1
        );
    } else {
        sql += " WHERE";
    }
    sql += " a0.t = ?1";
    for n in 0..question.none.len() {
        let at = question.all.len() + n + 1;
        sql += &format!(" AND NOT EXISTS (SELECT 1 FROM tag n{n} WHERE n{n}.t = ?{at} AND n{n}.m = a0.m)");
    }
    Ok((sql, values))
}

impl Sqlite {
    fn collect(&self, question: &Question) -> Result<Vec<u64>> {
        let (sql, values) = sql(&self.connection, question)?;
        let mut select = self.connection.prepare_cached(&format!("SELECT a0.m FROM {sql}"))?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(row.get::<_, i64>(0)?.cast_unsigned());
        }
        Ok(ids)
    }
}

/// Inserts messages and tags; `known` are the numbers of tags met so far.
pub(in crate::compare) fn insert(
    transaction: &Transaction<'_>,
    known: &mut HashMap<String, i64>,
    records: &[Record],
) -> Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO msg VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let mut name = transaction.prepare_cached("INSERT OR IGNORE INTO tagname(name) VALUES(?1)")?;
    let mut find = transaction.prepare_cached("SELECT id FROM tagname WHERE name = ?1")?;
    let mut mark = transaction.prepare_cached("INSERT INTO tag VALUES(?1, ?2)")?;
    for record in records {
        let id = number_of(record.id.as_deref().unwrap_or_default())?.cast_signed();
        let subject = record.subjects.first().unwrap_or(&record.author);
        insert.execute(params![
            id,
            record.conversation,
            record.author,
            subject,
            record.time.0,
            record.channel,
            record.tags.join(" "),
            record.body
        ])?;
        for tag in &record.tags {
            let number = match known.get(tag) {
                Some(number) => *number,
                None => {
                    name.execute([tag])?;
                    let number: i64 = find.query_row([tag], |row| row.get(0))?;
                    known.insert(tag.clone(), number);
                    number
                }
            };
            mark.execute([number, id])?;
        }
    }
    Ok(())
}

/// Deletes the messages of a subject and their tags; answers how many messages.
pub(in crate::compare) fn delete(transaction: &Transaction<'_>, subject: &str) -> Result<u64> {
    let mut gone = 0;
    let mut select = transaction.prepare("SELECT id, tags FROM msg WHERE subject = ?1")?;
    let mut rows = select.query([subject])?;
    let mut find = transaction.prepare("SELECT id FROM tagname WHERE name = ?1")?;
    let mut unmark = transaction.prepare("DELETE FROM tag WHERE t = ?1 AND m = ?2")?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        for tag in row.get::<_, String>(1)?.split(' ') {
            let number: i64 = find.query_row([tag], |row| row.get(0))?;
            unmark.execute([number, id])?;
        }
        gone += 1;
    }
    transaction.execute("DELETE FROM msg WHERE subject = ?1", [subject])?;
    Ok(gone)
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn append(&mut self, records: &[Record]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        insert(&transaction, &mut self.tags, records)?;
        Ok(transaction.commit()?)
    }

    fn settle(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); ANALYZE;")?)
    }

    fn count(&mut self, question: &Question) -> Result<u64> {
        let (sql, values) = sql(&self.connection, question)?;
        let mut select = self.connection.prepare_cached(&format!("SELECT count(*) FROM {sql}"))?;
        Ok(select.query_row(params_from_iter(values), |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    fn ids(&mut self, question: &Question) -> Result<u64> {
        Ok(self.collect(question)?.len() as u64)
    }

    fn numbers(&mut self, question: &Question) -> Result<BTreeSet<u64>> {
        Ok(self.collect(question)?.into_iter().collect())
    }

    fn point(&mut self, number: u64) -> Result<Option<usize>> {
        let mut select = self.connection.prepare_cached("SELECT * FROM msg WHERE id = ?1")?;
        let mut rows = select.query([number.cast_signed()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        // Every column is copied out, as a caller who wants the record would.
        let mut texts = Vec::new();
        for column in [1, 2, 3, 5, 6, 7] {
            texts.push(row.get::<_, String>(column)?);
        }
        Ok(texts.last().map(String::len))
    }

    fn erase(&mut self, subject: &str) -> Result<u64> {
        let transaction = self.connection.transaction()?;
        let gone = delete(&transaction, subject)?;
        transaction.commit()?;
        self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(gone)
    }

    fn scrub(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?)
    }
}
