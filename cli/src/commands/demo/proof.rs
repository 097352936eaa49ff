//! Counts what the existing keys open of the sealed objects that hold a person.

use std::path::Path;

use crate::engine::{SealedObjectId, Store, probe};
use crate::exit::Failure;

/// The sealed objects that hold a person.
pub(super) struct Objects(Vec<SealedObjectId>);

impl Objects {
    /// Asks the store, which must still know the person.
    pub(super) fn holding(store: &Store, identifier: &str) -> Result<Self, Failure> {
        Ok(Self(store.sealed_objects_holding(identifier)?))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many of them every key that can be reached from this slot opens in a store's folder.
    pub(super) fn opened(&self, folder: &Path, slot: &Path) -> Result<u64, Failure> {
        Ok(probe(folder, slot, &self.0)? as u64)
    }
}
