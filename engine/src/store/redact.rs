//! Parts of records that are overwritten for ever.

use crate::erase::redact::{self, Agreed};
use crate::error::{ErrorKind, Result};
use crate::session::Session;
use crate::store::{Certificate, Deed, Detail, DetailField, EraseOptions, Redaction, RedactionPlan, Store};

impl Store {
    /// Overwrites a part of a record for ever. The record stays: its place in the conversation, and what was said
    /// of it; its leaf does not, so it stands at a new position of the log, which the certificate names. When it
    /// returns, no byte ever written to the store together with every key that exists tells what stood there.
    ///
    /// # Errors
    /// As [`Store::erase`]; *not found* also for what is restricted, unless the options name a case; *invalid* for
    /// characters outside of the body, and for words that stand nowhere in it; *unsupported* in a store of an older
    /// format.
    pub fn redact(&self, redaction: &Redaction, options: &EraseOptions) -> Result<Certificate> {
        redact::redact(&self.state, &self.queue, redaction, options)
    }

    /// What a redaction would overwrite, and in which other versions of the record the same words stand. Changes
    /// nothing; it is recorded like what is opened.
    ///
    /// # Errors
    /// As [`Store::redact`].
    pub fn plan_redaction(&self, session: &Session, redaction: &Redaction) -> Result<RedactionPlan> {
        let detail = || {
            let detail = Detail::new().with(DetailField::Record, &redaction.id);
            detail.with_some(DetailField::Conversation, redaction.conversation.as_deref())
        };
        let reading = self.session(session.clone());
        let plan = || {
            let view = self.state.view.read();
            redact::plan(&view, redaction, &*reading.mask_beside_quarantine(&view)?)
        };
        let ask = || match plan() {
            Ok(plan) => Ok((Ok(plan), 1, Vec::new())),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                Ok((Err(e), 0, Vec::new()))
            }
            Err(e) => Err(e),
        };
        reading.shown(Deed::Plan, detail, ask)?
    }

    /// Makes a redaction the plan of a request: where two must agree, somebody else approves its hash before it is done.
    /// What is approved is these characters of this record, once; no word of it stands in the plan.
    ///
    /// # Errors
    /// As of [`Self::plan_redaction`] and [`Store::change`].
    pub fn plan_redaction_for(&self, session: &Session, code: &str, redaction: &Redaction) -> Result<Agreed> {
        self.plan_redaction(session, redaction)?;
        let agreed = {
            let (view, reading) = (self.state.view.read(), self.session(session.clone()));
            redact::to_approve(&view, redaction, code, &*reading.mask_beside_quarantine(&view)?)?
        };
        self.plan_for(session, code, &agreed)?;
        Ok(agreed)
    }
}
