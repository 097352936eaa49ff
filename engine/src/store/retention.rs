//! How long records are kept: classes, and what becomes of records whose time is over.

use crate::erase::retention::review::{self, ForReview};
use crate::erase::retention::{self, RetentionReport};
use crate::erase::rules;
use crate::error::Result;
use crate::id::Seq;
use crate::query::held;
use crate::receipts::{Deed, Detail, when};
use crate::register::{Event, class};
use crate::session::Session;
use crate::store::Store;

impl Store {
    /// Erases the records whose longest time is over, of classes that are erased then, as far as no hold and no
    /// lock keeps them: all in one erasure, with one certificate. Those of classes that restrict then are seen with a
    /// case only from here on, whatever the clock says later. Of classes that are reviewed it says how many are due.
    /// A dry run answers the same and changes nothing. A run that was cut goes on with the next.
    ///
    /// # Errors
    /// As [`Store::erase`]; *corrupt* while a segment or a record of a register can't be read.
    pub fn retention(&self, dry_run: bool) -> Result<RetentionReport> {
        retention::run(&self.state, &self.queue, dry_run)
    }

    /// Records that are due for review, of one class or of all: those of classes that somebody looks at when their
    /// longest time is over, as far as no hold, restriction or lock keeps them and the session may see them. Nothing of
    /// what they say is shown. Somebody erases each, holds it until it is looked at again, or leaves it on the list.
    /// It is recorded like what is opened.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// use escrowdb::register::{Event, class};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # let letters = class::Class {
    /// #     code: "letters".into(),
    /// #     number: 1,
    /// #     title: "Letters".into(),
    /// #     start: class::Start::Time,
    /// #     lock: None,
    /// #     maximum: Some("180d".into()),
    /// #     then: class::Then::Review,
    /// #     ground: "GDPR 5 (1) (e)".into(),
    /// #     selector: "*".into(),
    /// # };
    /// store.change(&Session::new().actor("dana"), Event::Class(class::Event::Define(letters)))?;
    /// store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
    /// let due = store.for_review(&Session::new().actor("dana"), None)?;
    /// assert_eq!((due[0].id.as_str(), due[0].since), ("m1", Micros(180 * Micros::DAY)));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Not found* for a class that is not reviewed, and as of [`Self::retention`].
    pub fn for_review(&self, session: &Session, class: Option<&str>) -> Result<Vec<ForReview>> {
        self.state.look_at_clock()?;
        let reading = self.session(session.clone());
        reading.shown(Deed::Record, Detail::new, || {
            let view = self.state.view.read();
            let at = rules::believed(&self.state, &view.tree)?;
            let (due, people) = review::due(&view, &*reading.mask(&view)?, class, at)?;
            let count = due.len() as u64;
            Ok((due, count, people))
        })
    }

    /// Begins the time of a conversation's records in a class that waits for an event, now.
    ///
    /// # Errors
    /// *Not found* for an unknown class, *invalid* for one that does not wait, *refused* if it has begun.
    pub fn begin_class(&self, session: &Session, code: &str, conversation: &str) -> Result<Seq> {
        let seen = self.state.look_at_clock()?;
        let at = when::claimed(&seen, self.state.env.clock.now());
        let mark = held::mark_of(self.state.view.read().tagger(), conversation.as_bytes());
        self.change(session, Event::Class(class::Event::Begin { code: code.to_owned(), mark, at }))
    }

    /// How many records are of a class, by its number.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn records_of_class(&self, number: u32) -> Result<u64> {
        let view = self.state.view.read();
        let mut records = 0;
        for part in view.parts() {
            let docs = part.class_docs(number)?;
            records += if docs.is_empty() || view.mask.is_empty() {
                docs.len()
            } else {
                (docs - view.mask.docs_in(part)?).len()
            };
        }
        Ok(records)
    }
}
