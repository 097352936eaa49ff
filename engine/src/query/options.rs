//! How to search.

use crate::query::exec::Order;

/// Hits of a page if the caller names no limit.
pub const LIMIT_DEFAULT: usize = 20;

/// How to search.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # let records: Vec<_> = (0..3).map(|n| Record::new("c1", "anna", Micros(n), n.to_string())).collect();
/// # store.append(&records)?;
/// let reading = store.session(Session::new());
/// let oldest = SearchOptions::new().order(Order::Oldest).limit(2);
/// let page = reading.search("*", &oldest)?;
/// assert_eq!(page.iter().map(|hit| &*hit.body).collect::<Vec<_>>(), ["0", "1"]);
/// // The next page begins behind the last hit, whatever was appended or erased meanwhile. (By
/// // relevance a cursor is refused then: every score is another.)
/// let next = reading.search("*", &oldest.clone().cursor(&page[1].cursor))?;
/// assert_eq!(next[0].body, "2");
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct SearchOptions {
    /// At most this many hits.
    pub limit: usize,
    /// Order of hits.
    pub order: Order,
    /// Continue behind the hit with this cursor.
    pub cursor: Option<String>,
    /// Show each hit's body around the words of the query.
    pub snippets: bool,
    /// Give each hit a cursor.
    pub cursors: bool,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, order: Order::Newest, cursor: None, snippets: false, cursors: true }
    }
}

impl SearchOptions {
    /// The default: the newest 20.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most `limit` hits.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// In this order.
    #[must_use]
    pub const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// With snippets, or without.
    #[must_use]
    pub const fn snippets(mut self, snippets: bool) -> Self {
        self.snippets = snippets;
        self
    }

    /// With cursors, or without: who never goes on later saves the work.
    #[must_use]
    pub const fn cursors(mut self, cursors: bool) -> Self {
        self.cursors = cursors;
        self
    }

    /// Behind the hit with this cursor.
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

/// Every hit, none with a cursor.
pub(super) fn all_in(order: Order) -> SearchOptions {
    SearchOptions::new().order(order).limit(usize::MAX).cursors(false)
}
