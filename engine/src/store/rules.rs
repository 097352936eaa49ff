//! Registers: what people were told and said, what is kept how long, what must stay, what was asked for.

use std::sync::Arc;

use crate::erase::rules;
use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::People;
use crate::ingest::amend::{self, Named};
use crate::ingest::register::{self, Said, Who};
use crate::query::acts::asks_for_kind;
use crate::query::parse;
use crate::record::Kind;
use crate::register::hold::{self, Hold, Scope};
use crate::register::{Event, Registers};
use crate::session::Session;
use crate::store::Store;
use crate::text;

impl Store {
    /// Changes a register, as somebody: the change is a record in the log, and holds when this returns.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{session::Session, store::*, vfs::MemoryVfs};
    /// use escrowdb::register::{Event, purpose::{self, LawfulBasis, Purpose}};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// let support = Purpose {
    ///     code: "support".into(),
    ///     title: "Answering questions".into(),
    ///     basis: LawfulBasis::Contract,
    ///     class: None,
    ///     needs_consent: false,
    /// };
    /// let dana = Session::new().actor("dana");
    /// store.change(&dana, Event::Purpose(purpose::Event::Define(support)))?;
    /// assert!(store.registers().purposes.active("support").is_some());
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Invalid* and *not found* for what the event names, *refused* for what may not happen,
    /// *unsupported* in a store of an older format.
    pub fn change(&self, session: &Session, event: Event) -> Result<Seq> {
        let written = self.change_all(session, vec![event])?;
        written.first().copied().ok_or_else(|| Error::corrupt("a change was not written"))
    }

    /// The same for many changes: all of them, or none.
    ///
    /// # Errors
    /// As of [`Store::change`].
    pub fn change_all(&self, session: &Session, events: Vec<Event>) -> Result<Vec<Seq>> {
        for event in &events {
            if matches!(event, Event::Aggregate(_)) {
                return Err(Error::invalid("an aggregate is counted where it is published")
                    .hint("`Reading::publish` does both"));
            }
            if let Event::Hold(hold::Event::Place(hold)) = event
                && rules::is_own_code(&hold.code)
            {
                return Err(Error::invalid(
                    "codes that begin with `kept-` are those of erasures done in part",
                )
                .hint("give it another code"));
            }
            if let Event::Hold(hold::Event::Place(Hold { scope: Scope::Query { text, at }, .. })) = event {
                let ast = parse::parse(text, *at)?;
                let own = Kind::ALL.into_iter().filter(|kind| kind.is_internal());
                if own.into_iter().any(|kind| asks_for_kind(&ast, kind)) {
                    return Err(Error::invalid("chats are held, not the store's own records"));
                }
            }
        }
        register::change(&self.state, &self.queue, session, events)
    }

    /// Releases a record from quarantine: the gate is asked again, as if it came in now. It is found from then on. The
    /// record that says so gives it the tag `escrow:released`.
    ///
    /// # Errors
    /// *Not found* if none with this id is in quarantine; *refused* while somebody has not consented; *invalid* without
    /// an actor.
    pub fn release(&self, session: &Session, id: &str, conversation: Option<&str>) -> Result<Seq> {
        amend::release(&self.state, &self.queue, session, Named { id, conversation })
    }

    /// Every register but consents, as of now.
    pub fn registers(&self) -> Arc<Registers> {
        Arc::clone(self.state.view.read().rules())
    }

    /// What somebody said of purposes. Of the erased it is found by handle, as long as evidence is kept.
    ///
    /// # Errors
    /// *Not found* for who is unknown, and for a handle under which no evidence is kept.
    pub fn consents(&self, who: &Who) -> Result<Said> {
        register::said(&self.state, who)
    }

    /// The number of a person, as holds and requests name her.
    ///
    /// # Errors
    /// *Not found* if she is unknown.
    pub fn number_of(&self, identifier: &str) -> Result<PersonNumber> {
        let view = self.state.view.read();
        let number = view.number(&text::nfc(identifier))?;
        let number = number.filter(|n| *n != PersonNumber::STORE && !view.mask.hides(*n));
        number.ok_or_else(|| Error::not_found("no such person"))
    }

    /// The identifier that is shown for a number; `None` for who is unknown, as the erased are.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn name_of(&self, number: PersonNumber) -> Result<Option<String>> {
        let view = self.state.view.read();
        if view.mask.hides(number) { Ok(None) } else { view.name(number) }
    }
}
