//! redb: a copy-on-write tree, one file. One durable transaction a batch, 1 GiB of cache.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, TableDefinition};

use crate::Result;
use crate::compare::words::peer::{Peer, Plan};
use crate::compare::words::sealed::{Changes, Each, KeyValue, Sealed, TABLES, Table};

const CACHE: usize = 1 << 30;

/// A database.
struct Redb(Database);

/// Opens the database in `dir`, or makes it.
pub fn open(dir: &Path, _: &Plan) -> Result<Box<dyn Peer>> {
    let database = Database::builder().set_cache_size(CACHE).create(dir.join("db.redb"))?;
    let write = database.begin_write()?;
    for (table, _) in TABLES {
        write.open_table(definition(table))?;
    }
    write.commit()?;
    Ok(Box::new(Sealed::new(Redb(database))))
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    let name = TABLES.iter().find(|t| t.0 == table).map_or("", |t| t.1);
    TableDefinition::new(name)
}

impl KeyValue for Redb {
    fn write(&mut self, changes: &Changes) -> Result<()> {
        let write = self.0.begin_write()?;
        for of_table in changes.chunk_by(|a, b| a.0 == b.0) {
            let Some((table, _, _)) = of_table.first() else { continue };
            let mut table = write.open_table(definition(*table))?;
            for (_, key, value) in of_table {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
        }
        // Durable at once: redb's default.
        Ok(write.commit()?)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let table = self.0.begin_read()?.open_table(definition(table))?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        descending: bool,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let table = self.0.begin_read()?.open_table(definition(table))?;
        let mut range = table.range(from..to)?;
        while let Some(entry) = if descending { range.next_back() } else { range.next() } {
            let (key, value) = entry?;
            if !each(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        self.0.compact()?;
        Ok(())
    }
}
