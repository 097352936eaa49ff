//! Names that people have, and lose.

use crate::erase::redact::{self, Agreed};
use crate::error::Result;
use crate::session::Session;
use crate::store::{Certificate, EraseOptions, Store};

impl Store {
    /// Puts another name in the place of one that a person has: a right name for a wrong one (GDPR article 16).
    /// She stays who she is, with her number, her records and what was said of her. When it returns, no byte ever
    /// written to the store together with every key that exists tells the old name, but for what people wrote,
    /// what was typed into rules, and consents that were given by it. From then on the old name is nobody's.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "ana@example.org", Micros(0), "Hello")])?;
    /// let certificate = store.rename("ana@example.org", "anna@example.org", &EraseOptions::default())?;
    /// assert_eq!((certificate.what, certificate.records_removed), ("identifier", 1));
    /// let reading = store.session(Session::new());
    /// assert_eq!(reading.count("author:anna@example.org")?, 1);
    /// assert_eq!(reading.count("author:ana@example.org")?, 0);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Not found* if nobody has the old name; *invalid* if the new one is somebody else's; *busy* while she is
    /// being erased; *refused* while a hold or a lock keeps anything that she wrote or that is about her, or a
    /// hold's query names her so; *unsupported* in a store of an older format.
    pub fn rename(&self, from: &str, to: &str, options: &EraseOptions) -> Result<Certificate> {
        redact::rename(&self.state, &self.queue, (from, Some(to)), options)
    }

    /// Takes a name from a person who has others: an address that was never hers, or is no more.
    ///
    /// # Errors
    /// As of [`Self::rename`]; *invalid* for the only name of somebody.
    pub fn remove_identifier(&self, identifier: &str, options: &EraseOptions) -> Result<Certificate> {
        redact::rename(&self.state, &self.queue, (identifier, None), options)
    }

    /// Makes it the plan of a request that a name goes, and what takes its place, if anything does: where two must
    /// agree, somebody else approves its hash before it is done. The old name does not stand in the plan.
    ///
    /// # Errors
    /// As of [`Self::rename`] and [`Store::change`].
    pub fn plan_name_for(
        &self,
        session: &Session,
        code: &str,
        from: &str,
        to: Option<&str>,
    ) -> Result<Agreed> {
        let agreed = redact::name_to_approve(&self.state, (from, to), code)?;
        self.plan_for(session, code, &agreed)?;
        Ok(agreed)
    }
}
