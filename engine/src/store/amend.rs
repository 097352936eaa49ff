//! What is said of a record later.

use crate::error::Result;
use crate::id::Seq;
use crate::ingest::amend::{self, Named};
use crate::ingest::link;
use crate::session::Session;
use crate::store::Store;

impl Store {
    /// Takes a link between two people back ([`Store::link`]). Others to whom both are linked still hold them
    /// together.
    ///
    /// # Errors
    /// *Not found* if one is unknown, *busy* while one is being erased, *invalid* if they are not linked,
    /// *refused* while a hold is about one of them as a person.
    pub fn unlink(&self, a: &str, b: &str) -> Result<()> {
        self.unlink_as(&Session::new(), a, b)
    }

    /// Gives a person another identifier: whoever names her so from now on means her. The first one is shown.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello")])?;
    /// store.add_identifier("anna@example.org", "+49 30 1234")?;
    /// assert_eq!(store.session(Session::new()).count("author:\"+49 30 1234\"")?, 1);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Not found* if she is unknown, *busy* while she is being erased, *invalid* if the identifier is somebody's,
    /// *refused* while a hold is about her as a person.
    pub fn add_identifier(&self, of: &str, identifier: &str) -> Result<()> {
        self.add_identifier_as(&Session::new(), of, identifier)
    }

    /// As [`Store::link`], by somebody: a refusal names who wanted it.
    ///
    /// # Errors
    /// As of that; *refused* while a hold is about one of them as a person.
    pub fn link_as(&self, session: &Session, a: &str, b: &str) -> Result<()> {
        link::link(&self.state, self.by(session), a, b)
    }

    /// As [`Self::unlink`], by somebody.
    ///
    /// # Errors
    /// As of that.
    pub fn unlink_as(&self, session: &Session, a: &str, b: &str) -> Result<()> {
        link::unlink(&self.state, self.by(session), a, b)
    }

    /// As [`Self::add_identifier`], by somebody.
    ///
    /// # Errors
    /// As of that.
    pub fn add_identifier_as(&self, session: &Session, of: &str, identifier: &str) -> Result<()> {
        link::add_identifier(&self.state, self.by(session), of, identifier)
    }

    fn by<'a>(&'a self, session: &'a Session) -> link::By<'a> {
        link::By { queue: &self.queue, actor: session.actor_name() }
    }

    /// Gives a record tags and takes others, by a record of kind *tag* of the session's actor; answers its
    /// position. Queries, facets and hits follow at once. Whatever was said last of a tag holds, so it can be
    /// taken back the same way; it goes when the record goes. `conversation` may be left out if the id is unique.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1").tag("open")])?;
    /// let dana = Session::new().actor("dana");
    /// store.tag(&dana, "m1", None, &["vip".into()], &["open".into()])?;
    /// let reading = store.session(dana);
    /// assert_eq!((reading.count("tag:vip")?, reading.count("tag:open")?), (1, 0));
    /// assert_eq!(reading.get("m1", None)?[0].tags, ["vip"]);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Not found*; *invalid* without tags, without an actor, or for a tag that both comes and goes; *busy* while
    /// the record is being erased.
    pub fn tag(
        &self,
        session: &Session,
        id: &str,
        conversation: Option<&str>,
        add: &[String],
        remove: &[String],
    ) -> Result<Seq> {
        amend::tag(&self.state, &self.queue, session, Named { id, conversation }, add, remove)
    }

    /// Corrects a record: appends an edit by the session's actor, now, with the new wording, and answers its
    /// position. From then on queries find the new wording and the old one only if they ask for `version:first`
    /// or `version:all`; both can be proved. The reason stands in the edit and dies with it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "I owe 500").id("m1")])?;
    /// let dana = Session::new().actor("dana");
    /// store.correct(&dana, "m1", None, "I owe 50", Some("a typing error"))?;
    /// let reading = store.session(dana);
    /// assert_eq!((reading.count("500")?, reading.count("50")?, reading.count("*")?), (0, 1, 1));
    /// assert_eq!(reading.count("version:all 500")?, 1);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// As of [`Self::tag`]; *invalid* for other records than messages, actions, files and calls.
    pub fn correct(
        &self,
        session: &Session,
        id: &str,
        conversation: Option<&str>,
        body: &str,
        reason: Option<&str>,
    ) -> Result<Seq> {
        amend::correct(&self.state, &self.queue, session, Named { id, conversation }, body, reason)
    }
}
