//! Content keys of people, read from the key tree when a body is opened.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::crypto::Secret;
use crate::error::Result;
use crate::id::PersonNumber;
use crate::keyring::Tree;
use crate::keyring::catalog;
use crate::segment::SubjectKeys;

/// Looks content keys up in the current key tree.
pub struct ContentKeys(RwLock<Tree>);

impl ContentKeys {
    /// Looks up in `tree`.
    pub fn new(tree: Tree) -> Arc<Self> {
        Arc::new(Self(RwLock::new(tree)))
    }

    /// Looks up in `tree` from now on.
    pub fn set(&self, tree: Tree) {
        *self.0.write() = tree;
    }
}

impl SubjectKeys for ContentKeys {
    fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>> {
        let tree = self.0.read().clone();
        Ok(catalog::person(&tree, person)?.map(|p| p.content))
    }
}
