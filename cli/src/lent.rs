//! The store that a command works on: its own, or one that a shell has open and lends.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use escrowdb::Error;
use escrowdb::store::Store;

/// An open store for whoever needs one, or none.
#[derive(Clone, Default)]
pub(crate) struct Lent(Option<Arc<Store>>);

impl Lent {
    /// Lends `store`.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self(Some(store))
    }

    /// The store, if there is one.
    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        self.0.clone()
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Lent" } else { "None" })
    }
}

/// An open store; whose it is decides only who closes it.
pub(crate) enum Opened {
    /// The command opened it.
    Own(Store),
    /// It stays open behind the command.
    Lent(Arc<Store>),
}

impl Opened {
    /// The end of the work: closes the store if it is the command's own.
    pub(crate) fn close(self) -> Result<(), Error> {
        match self {
            Self::Own(store) => store.close(),
            Self::Lent(_) => Ok(()),
        }
    }
}

impl Deref for Opened {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Self::Own(store) => store,
            Self::Lent(store) => store,
        }
    }
}
