//! Content keys of people, read from the key tree when a body is opened.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::crypto::Secret;
use crate::error::Result;
use crate::id::PersonNumber;
use crate::keyring::Tree;
use crate::keyring::catalog;
use crate::segment::{OpenBlocks, SubjectKeys};

/// Looks content keys up in the current key tree, and keeps blocks that were opened with them.
pub struct ContentKeys {
    tree: RwLock<Tree>,
    opened: OpenBlocks,
}

impl ContentKeys {
    /// Looks up in `tree`.
    pub fn new(tree: Tree) -> Arc<Self> {
        Arc::new(Self { tree: RwLock::new(tree), opened: OpenBlocks::default() })
    }

    /// Looks up in `tree` from now on.
    pub fn set(&self, tree: Tree) {
        *self.tree.write() = tree;
    }
}

impl SubjectKeys for ContentKeys {
    fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>> {
        let tree = self.tree.read().clone();
        Ok(catalog::person(&tree, person)?.map(|p| p.content))
    }

    fn opened(&self) -> Option<&OpenBlocks> {
        Some(&self.opened)
    }
}
