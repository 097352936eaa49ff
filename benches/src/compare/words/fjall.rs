//! fjall: a log-structured tree. One durable batch a batch, 1 GiB of cache.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Result;
use crate::compare::words::peer::{Peer, Plan};
use crate::compare::words::sealed::{Changes, Each, KeyValue, Sealed, TABLES, Table};

const CACHE: u64 = 1 << 30;

/// A database.
struct Fjall {
    database: Database,
    tables: Vec<Keyspace>,
}

/// Opens the database in `dir`, or makes it.
pub fn open(dir: &Path, _: &Plan) -> Result<Box<dyn Peer>> {
    let database = Database::builder(dir).cache_size(CACHE).open()?;
    let tables = TABLES
        .iter()
        .map(|(_, name)| database.keyspace(name, KeyspaceCreateOptions::default))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(Box::new(Sealed::new(Fjall { database, tables })))
}

impl Fjall {
    fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }
}

impl KeyValue for Fjall {
    fn write(&mut self, changes: &Changes) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for (table, key, value) in changes {
            match value {
                Some(value) => batch.insert(self.table(*table), key.as_slice(), value.as_slice()),
                None => batch.remove(self.table(*table), key.as_slice()),
            }
        }
        Ok(batch.commit()?)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.table(table).get(key)?.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        descending: bool,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let mut range = self.table(table).range(from..to);
        while let Some(entry) = if descending { range.next_back() } else { range.next() } {
            let (key, value) = entry.into_inner()?;
            if !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        for table in &self.tables {
            table.rotate_memtable_and_wait()?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        self.settle()?;
        for table in &self.tables {
            table.major_compact()?;
        }
        Ok(())
    }
}
