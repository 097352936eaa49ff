//! What is recorded of what is done with a store, and plans, which are recorded as they show records.

use crate::erase::plan::Own;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;
use crate::store::{Act, AuditRules, Certificate, Deed, Detail, DetailField, Plan, Selector, Store};

impl Store {
    /// What an erasure would take, and where else the person's names stand. Changes nothing. For a
    /// person it reads every body in the store; appends wait for it.
    ///
    /// # Errors
    /// *Not found* if it is unknown.
    pub fn plan(&self, selector: &Selector) -> Result<Plan> {
        self.plan_as(&Session::new(), selector)
    }

    /// The same, as somebody: a plan shows records, so it is recorded like what is opened.
    ///
    /// # Errors
    /// As [`Store::plan`].
    pub fn plan_as(&self, session: &Session, selector: &Selector) -> Result<Plan> {
        let reading = self.session(session.clone());
        let detail = || match selector {
            Selector::Person(identifier) => Detail::new().with(DetailField::Person, identifier),
            Selector::Conversation(name) => Detail::new().with(DetailField::Conversation, name),
            Selector::Record { id, conversation } => Detail::new()
                .with(DetailField::Record, id)
                .with_some(DetailField::Conversation, conversation.as_deref()),
        };
        let own = || {
            let own = || Own { details: reading.details(detail()), actor: session.actor_name() };
            reading.tells(Deed::Plan, 1).then(own)
        };
        let ask = || match crate::erase::plan::plan(&reading, selector, own()) {
            Ok((plan, own_going)) => {
                let records = plan.records;
                Ok((Ok((plan, own_going)), records, Vec::new()))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok((Err(e), 0, Vec::new())),
            Err(e) => Err(e),
        };
        let (planned, left) = reading.shown_and_left(Deed::Plan, detail, ask)?;
        let (mut plan, own_going) = planned?;
        if left && own_going > 0 {
            // They stand in the journal now, and go with the rest.
            plan.details += own_going;
            plan.journal = true;
        }
        Ok(plan)
    }

    /// What is recorded of what is done with the store, and how long it is kept.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn audit_rules(&self) -> Result<AuditRules> {
        self.state.audit_rules()
    }

    /// Changes that, from now on; the change is recorded first, whatever the level. What stands already
    /// is kept for as much longer or shorter.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// store.set_audit_rules(&Session::new().actor("dana"), &AuditRules::new(Level::All).keep_details(30))?;
    /// let acts = store.session(Session::new()).acts("kind:rule", &ActOptions::new())?;
    /// assert_eq!(acts[0].actor_name.as_deref(), Some("dana"));
    /// assert_eq!(acts[0].act.as_ref().and_then(|act| act.rules), Some(store.audit_rules()?));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Unsupported* in a store of an older format, *invalid* for a retention of no day or of more than a
    /// hundred years, and trouble with the store.
    pub fn set_audit_rules(&self, session: &Session, rules: &AuditRules) -> Result<()> {
        if !self.state.view.read().tree.head().has_evidence() {
            return Err(Error::new(ErrorKind::Unsupported, "a store of this format records no acts")
                .hint("bring it to the format of this program first: `escrow upgrade`"));
        }
        if [rules.keep_acts, rules.keep_details].iter().any(|days| !(1..=AuditRules::DAYS_MAX).contains(days))
        {
            let most = AuditRules::DAYS_MAX;
            return Err(Error::invalid(format!("acts and details are kept for 1 to {most} days")));
        }
        self.session(session.clone()).changed(&Act::rule(*rules))?;
        self.state.set_audit_rules(rules)
    }

    /// Destroys the keys of acts and of details whose date has come, as an opening does. Answers a
    /// certificate for acts, one for details; none if nothing was due.
    ///
    /// # Errors
    /// As [`Store::erase`].
    pub fn expire_acts(&self) -> Result<Vec<Certificate>> {
        crate::erase::expire::expire(&self.state, &self.queue)
    }
}
