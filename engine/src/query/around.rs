//! A record and what stands around it in its conversation.
//!
//! Two pages of a search for the conversation, one in each direction, that begin at the record's
//! own sort key. Bodies are opened for what is shown only, however long the conversation is.

use crate::error::Result;
use crate::query::ast::{Ast, Leaf};
use crate::query::exec::{Found, Order, Search};
use crate::query::hit::{Hit, hit, named};

/// A record and its neighbours in its conversation: those of the default kinds, by event time,
/// ties by log position.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Around {
    /// The nearest ones before it, oldest first.
    pub before: Vec<Hit>,
    /// The record itself, of whatever kind.
    pub here: Hit,
    /// The nearest ones behind it, oldest first.
    pub after: Vec<Hit>,
}

impl Around {
    /// All of them, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Hit> {
        self.before.iter().chain([&self.here]).chain(&self.after)
    }

    /// Whether `hit` is the record that was asked for.
    pub fn is_here(&self, hit: &Hit) -> bool {
        hit.seq == self.here.seq
    }
}

/// Every record with an id, in one conversation or in any, with at most `n` on either side.
pub(super) fn around(
    search: &Search<'_>,
    id: &str,
    conversation: Option<&str>,
    n: usize,
) -> Result<Vec<Around>> {
    let mut all = Vec::new();
    for (found, stored) in search.by_id(id, conversation)? {
        // Acts and people's own records are the store's; they have no conversation.
        if stored.conversation.is_empty() {
            continue;
        }
        let talk = Ast::Leaf(Leaf::Conversation(stored.conversation.clone()));
        let page = |order| opened(search, search.search(&talk, order, n, Some(found.key))?);
        let (mut before, after) = (page(Order::Newest)?, page(Order::Oldest)?);
        before.reverse();
        all.push(Around { before, here: named(search, found, stored)?, after });
    }
    Ok(all)
}

fn opened(search: &Search<'_>, found: Vec<Found>) -> Result<Vec<Hit>> {
    let open = |found| search.in_time().and_then(|()| hit(search, found));
    found.into_iter().map(open).collect()
}
