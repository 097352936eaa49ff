//! One store, one slot, one folder for each tenant; never two in one log.
//!
//! ```text
//! DATA/tokens            who may call
//! DATA/NAME/store        the store of the tenant NAME
//! DATA/NAME/store.slot   its root key
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::store::{Level, Preset};
use escrowdb::{Error, ErrorKind, Result, Store};
use parking_lot::Mutex;

use crate::access::token::check_name;
use crate::durable;

/// The tenants of a server, and the stores of those that are open.
pub struct Tenants {
    data: PathBuf,
    open_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    stores: BTreeMap<String, Entry>,
    /// Counts uses, so that it is known which was used last.
    clock: u64,
}

struct Entry {
    store: Arc<Store>,
    used: u64,
}

impl Tenants {
    /// Those in a folder, of which at most so many are open at a time.
    pub fn new(data: impl Into<PathBuf>, open_max: usize) -> Self {
        Self { data: data.into(), open_max: open_max.max(1), open: Mutex::default() }
    }

    /// Where tenants, and the tokens, stand.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Makes a tenant with an empty store.
    ///
    /// # Errors
    /// *Invalid* for a name that can't be one; *refused* if there is one of that name; trouble with files.
    pub fn create(&self, name: &str, preset: Preset) -> Result<()> {
        let folder = self.folder(name)?;
        let mut open = self.open.lock();
        if folder.exists() {
            return Err(Error::new(ErrorKind::Refused, "there is a tenant of this name"));
        }
        durable::create_folder(&folder).map_err(|e| Error::io("make the tenant's folder", e))?;
        let store = builder(&folder).preset(preset).create()?;
        durable::sync_folder(&self.data).map_err(|e| Error::io("make the tenant's folder durable", e))?;
        open.keep(name, Arc::new(store));
        open.shrink(self.open_max);
        Ok(())
    }

    /// The store of a tenant, which is opened if it isn't yet.
    ///
    /// # Errors
    /// *Not found*; those of opening; *busy* if as many as may be are open and in use.
    pub fn store(&self, name: &str) -> Result<Arc<Store>> {
        let folder = self.folder(name).map_err(|_| no_such())?;
        let mut open = self.open.lock();
        if let Some(store) = open.known(name) {
            return Ok(store);
        }
        if !folder.join(STORE).is_dir() {
            return Err(no_such());
        }
        if !open.shrink(self.open_max - 1) {
            return Err(Error::new(ErrorKind::Busy, "as many tenants as may be are open and in use"));
        }
        let store = Arc::new(builder(&folder).open()?);
        open.keep(name, Arc::clone(&store));
        Ok(store)
    }

    /// Names of the tenants, ascending.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = fs::read_dir(&self.data).map_err(|e| Error::io("read the folder of tenants", e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read the folder of tenants", e))?;
            if entry.path().join(STORE).is_dir()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// How many stores are open.
    pub fn open_count(&self) -> usize {
        self.open.lock().stores.len()
    }

    /// Closes all stores that no call uses.
    pub fn close(&self) {
        self.open.lock().shrink(0);
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        check_name("tenant", name)?;
        Ok(self.data.join(name))
    }
}

const STORE: &str = "store";

fn builder(folder: &Path) -> escrowdb::store::Builder {
    Store::builder(folder.join(STORE)).slot(folder.join("store.slot")).audit(Level::Acts)
}

fn no_such() -> Error {
    Error::not_found("no such tenant")
}

impl Open {
    fn known(&mut self, name: &str) -> Option<Arc<Store>> {
        self.clock += 1;
        let entry = self.stores.get_mut(name)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.store))
    }

    fn keep(&mut self, name: &str, store: Arc<Store>) {
        self.clock += 1;
        self.stores.insert(name.to_owned(), Entry { store, used: self.clock });
    }

    /// Closes those that were not used the longest, until at most so many are open. Whether that is so now: what a call
    /// uses stays.
    fn shrink(&mut self, most: usize) -> bool {
        while self.stores.len() > most {
            let idle = self.stores.iter().filter(|(_, entry)| Arc::strong_count(&entry.store) == 1);
            let Some(name) = idle.min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone()) else {
                return false;
            };
            self.stores.remove(&name);
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where it stands")]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_open_and_each_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let tenants = Tenants::new(folder.path(), 2);
        for name in ["a", "b", "c"] {
            tenants.create(name, Preset::Peer).unwrap();
        }
        assert_eq!(tenants.names().unwrap(), ["a", "b", "c"]);
        assert!(tenants.open.lock().stores.len() <= 2);
        let ids: Vec<_> = ["a", "b", "c"].iter().map(|name| tenants.store(name).unwrap().id()).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        let (a, b) = (tenants.store("a").unwrap(), tenants.store("b").unwrap());
        assert_eq!(tenants.store("c").err().unwrap().kind(), ErrorKind::Busy);
        assert!(Arc::ptr_eq(&a, &tenants.store("a").unwrap()), "opened once");
        drop(b);
        assert_eq!(tenants.store("c").unwrap().id(), ids[2]);
        assert_eq!(tenants.create("a", Preset::Peer).err().unwrap().kind(), ErrorKind::Refused);
        for name in ["", "..", "../a", "a/b", "nobody"] {
            assert_eq!(tenants.store(name).err().unwrap().kind(), ErrorKind::NotFound, "{name}");
        }
    }
}
