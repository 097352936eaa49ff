//! SQLite with FTS5, `detail=full`, and SQLCipher with the same: one library, a key makes the difference.
//!
//! The word table has external content: bodies stand once. Parts of Japanese texts are found with the
//! tokenizer `trigram`, for which three characters are one look-up.

use std::collections::HashMap;
use std::path::Path;

use escrowdb::store::Record;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use crate::Result;
use crate::compare::engines::number_of;
use crate::compare::sqlite;
use crate::compare::words::peer::{Ask, Erased, Peer, Plan, Text};

/// A database.
pub struct Fts5 {
    connection: Connection,
    tags: HashMap<String, i64>,
}

/// A plaintext database in `dir`.
pub fn open(dir: &Path, plan: &Plan) -> Result<Box<dyn Peer>> {
    make(dir, plan, None)
}

/// An encrypted one. The key is raw: nobody who keeps keys himself stretches them at each opening.
#[cfg(feature = "sqlcipher")]
pub fn open_cipher(dir: &Path, plan: &Plan) -> Result<Box<dyn Peer>> {
    let key = format!("PRAGMA key = \"x'{}'\";", "5a".repeat(32));
    make(dir, plan, Some(&key))
}

fn make(dir: &Path, plan: &Plan, key: Option<&str>) -> Result<Box<dyn Peer>> {
    let connection = Connection::open(dir.join("db.sqlite"))?;
    if let Some(key) = key {
        connection.execute_batch(key)?;
        let version: String = connection.query_row("PRAGMA cipher_version", [], |row| row.get(0))?;
        if version.is_empty() {
            return Err("this SQLite can't encrypt".into());
        }
    }
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;
         PRAGMA temp_store=MEMORY;",
    )?;
    connection.execute_batch(sqlite::TABLES)?;
    let tokenizer = if plan.japanese { "trigram case_sensitive 1" } else { "unicode61" };
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE IF NOT EXISTS ft USING fts5(body, content='msg', content_rowid='id',
            detail=full, tokenize='{tokenizer}');"
    ))?;
    Ok(Box::new(Fts5 { connection, tags: HashMap::new() }))
}

/// What FTS5 matches.
fn matched(ask: &Ask) -> String {
    let parts = ask.text.iter().map(|text| match text {
        Text::Word(word) | Text::Part(word) | Text::Near(word) => format!("\"{word}\""),
        Text::Phrase(words) => format!("\"{}\"", words.join(" ")),
        Text::Prefix(start) => format!("\"{start}\"*"),
    });
    parts.collect::<Vec<_>>().join(" AND ")
}

/// A question in SQL: the column of the number, what stands behind `FROM`, and values.
struct Sql {
    column: &'static str,
    from: String,
    values: Vec<Value>,
}

impl Fts5 {
    fn sql(&self, ask: &Ask) -> Result<Sql> {
        if ask.text.is_empty() {
            let (from, values) = sqlite::sql(&self.connection, &ask.by)?;
            return Ok(Sql { column: "a0.m", from, values });
        }
        let mut values: Vec<Value> = vec![matched(ask).into()];
        let mut from = String::from("ft");
        for tag in &ask.by.all {
            values.push(sqlite::tag_number(&self.connection, tag)?.into());
            let at = values.len();
            from += &format!(" JOIN tag a{at} ON a{at}.m = ft.rowid AND a{at}.t = ?{at}");
        }
        Ok(Sql { column: "ft.rowid", from: from + " WHERE ft MATCH ?1", values })
    }

    fn select(&self, sql: &str, values: Vec<Value>) -> Result<Vec<u64>> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut numbers = Vec::new();
        while let Some(row) = rows.next()? {
            numbers.push(row.get::<_, i64>(0)?.cast_unsigned());
        }
        Ok(numbers)
    }

    fn body(&self, number: u64) -> Result<usize> {
        let mut select = self.connection.prepare_cached("SELECT * FROM msg WHERE id = ?1")?;
        let columns = [1, 2, 3, 5, 6, 7];
        // Every column is copied out, as a caller who wants the record would.
        let texts = select.query_row([number.cast_signed()], |row| {
            columns.iter().map(|at| row.get::<_, String>(*at)).collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(texts.last().map_or(0, String::len))
    }

    fn delete(&mut self, subject: &str) -> Result<Erased> {
        let transaction = self.connection.transaction()?;
        {
            let mut select = transaction.prepare_cached("SELECT id, body FROM msg WHERE subject = ?1")?;
            let mut forget =
                transaction.prepare_cached("INSERT INTO ft(ft, rowid, body) VALUES('delete', ?1, ?2)")?;
            let mut rows = select.query([subject])?;
            while let Some(row) = rows.next()? {
                forget.execute(params![row.get::<_, i64>(0)?, row.get::<_, String>(1)?])?;
            }
        }
        let records = sqlite::delete(&transaction, subject)?;
        transaction.commit()?;
        self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(Erased { records, segments: 0 })
    }
}

impl Peer for Fts5 {
    fn append(&mut self, records: &[Record]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        sqlite::insert(&transaction, &mut self.tags, records)?;
        {
            let mut index = transaction.prepare_cached("INSERT INTO ft(rowid, body) VALUES(?1, ?2)")?;
            for record in records {
                let number = number_of(record.id.as_deref().unwrap_or_default())?;
                index.execute(params![number.cast_signed(), record.body])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn settle(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); ANALYZE;")?)
    }

    fn can(&self, ask: &Ask) -> bool {
        !ask.text.iter().any(|text| matches!(text, Text::Near(_)))
    }

    fn count(&mut self, ask: &Ask) -> Result<u64> {
        let Sql { from, values, .. } = self.sql(ask)?;
        let mut select = self.connection.prepare_cached(&format!("SELECT count(*) FROM {from}"))?;
        Ok(select.query_row(params_from_iter(values), |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    fn numbers(&mut self, ask: &Ask) -> Result<Vec<u64>> {
        let Sql { column, from, values } = self.sql(ask)?;
        self.select(&format!("SELECT {column} FROM {from}"), values)
    }

    /// Numbers ascend with time, so the index is walked backwards and left after `k`.
    fn newest(&mut self, ask: &Ask, k: usize) -> Result<Vec<(u64, usize)>> {
        let Sql { column, from, values } = self.sql(ask)?;
        let numbers =
            self.select(&format!("SELECT {column} FROM {from} ORDER BY {column} DESC LIMIT {k}"), values)?;
        numbers.into_iter().map(|number| Ok((number, self.body(number)?))).collect()
    }

    fn ranked(&mut self, ask: &Ask, k: usize) -> Result<Option<Vec<u64>>> {
        let Sql { column, from, values } = self.sql(ask)?;
        self.select(&format!("SELECT {column} FROM {from} ORDER BY rank LIMIT {k}"), values).map(Some)
    }

    fn erase(&mut self, subject: &str) -> Result<Erased> {
        self.delete(subject)
    }

    fn scrub(&mut self) -> Result<()> {
        self.compact()
    }

    /// Overwrites what it deletes, in the word index too.
    fn erase_at_once(&mut self, subject: &str) -> Result<Option<Erased>> {
        self.connection
            .execute_batch("PRAGMA secure_delete=ON; INSERT INTO ft(ft, rank) VALUES('secure-delete', 1);")?;
        self.delete(subject).map(Some)
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch(
            "INSERT INTO ft(ft) VALUES('optimize'); VACUUM; PRAGMA wal_checkpoint(TRUNCATE);",
        )?)
    }
}
