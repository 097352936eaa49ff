//! Counts what the existing keys open of the sealed objects that hold a person.

use std::path::Path;

use crate::engine::{SealedObject, Store};
use crate::exit::Failure;

/// The sealed objects that hold a person.
pub(super) struct Objects(Vec<SealedObject>);

impl Objects {
    /// Asks the store, which must still know the person.
    pub(super) fn holding(store: &Store, identifier: &str) -> Result<Self, Failure> {
        Ok(Self(store.sealed_objects_holding(identifier)?))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many of them, as they lie in a folder, any key that exists opens.
    pub(super) fn opened(&self, store: &Store, folder: &Path) -> Result<u64, Failure> {
        Ok(store.opened_by_living_keys(folder, &self.0)? as u64)
    }
}
