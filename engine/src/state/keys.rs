//! Content keys of people, read from the key tree when a body is opened.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::crypto::Secret;
use crate::error::Result;
use crate::id::PersonNumber;
use crate::keyring::Tree;
use crate::keyring::catalog;
use crate::segment::{Budget, OpenBlocks, SubjectKeys};

/// Looks content keys up in the current key tree, keeps blocks that were opened with them,
/// and bounds what is kept of indexes.
pub struct ContentKeys {
    tree: RwLock<Tree>,
    opened: OpenBlocks,
    budget: Arc<Budget>,
}

impl ContentKeys {
    /// Looks up in `tree`; what is kept of indexes takes `index_bytes` at most.
    pub fn new(tree: Tree, index_bytes: usize) -> Arc<Self> {
        let budget = Arc::new(Budget::new(index_bytes));
        Arc::new(Self { tree: RwLock::new(tree), opened: OpenBlocks::default(), budget })
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

    fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }
}
