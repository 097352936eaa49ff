//! What a record speaks of: whose it is and what it may say follow from that.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::PersonNumber;
use crate::index::IdHash;
use crate::ingest::asked::Asked;
use crate::ingest::assemble::{Draft, busy};
use crate::ingest::past::Old;
use crate::record::{Record, StoredRef};
use crate::view::Place;

/// What a record is about.
pub(super) enum About<'x> {
    /// Something that stands in the store.
    There(Place<'x>),
    /// Something that comes with it.
    Drafted(StoredRef<'x>),
    /// Something that did not come yet.
    Unknown,
}

impl Draft<'_, '_> {
    /// What a record is about, wherever that stands.
    pub(super) fn about(&self, conversation: &str, id: &str) -> Result<About<'_>> {
        let identity = IdHash::of(id, conversation);
        if let Some(entry) = self.entry(conversation, id, identity) {
            return Ok(About::Drafted(entry.record()));
        }
        let found = self.find(conversation, id, &Asked::not_yet(identity))?;
        Ok(found.map_or(About::Unknown, |(place, _, stored)| {
            drop(Zeroizing::new(stored));
            About::There(place)
        }))
    }

    /// Subjects and class of the record that another is about, if that is there: they are that one's too. Whoever
    /// may have the one erased may have erased what was said of it, and it is kept as long.
    pub(super) fn of_target(
        &self,
        record: &Record,
        author: Option<PersonNumber>,
        named: &[Option<PersonNumber>],
    ) -> Result<Option<(Vec<PersonNumber>, u32)>> {
        let Some(id) = &record.target else { return Ok(None) };
        let conversation = &record.conversation;
        let identity = IdHash::of(id, conversation);
        let of_target = if let Some(entry) = self.entry(conversation, id, identity) {
            let target = entry.record();
            self.ask_holds(record, author, &About::Drafted(target))?;
            self.ask_release(record, Some(&target))?;
            (target.subjects.to_vec(), target.class)
        } else if let Some(past) = self.past.record(conversation, id) {
            (Old::Past(past).subjects().to_vec(), 0)
        } else if let Some((place, seq, stored)) = self.find(conversation, id, &Asked::not_yet(identity))? {
            let stored = Zeroizing::new(stored);
            if self.view.hides(&stored, seq) {
                return Err(busy());
            }
            self.ask_holds(record, author, &About::There(place))?;
            self.ask_release(record, Some(&stored.borrowed()))?;
            (stored.subjects.clone(), stored.class)
        } else {
            self.ask_holds(record, author, &About::Unknown)?;
            self.ask_release(record, None)?;
            return Ok(None);
        };
        if !named.is_empty() && !of_target.0.iter().all(|number| named.contains(&Some(*number))) {
            return Err(Error::invalid("subjects: a record about another has the subjects of that one")
                .hint("leave them out"));
        }
        Ok(Some(of_target))
    }
}
