//! The gate: what is kept for a purpose that needs consent is taken only where there is one, and what is
//! said of a held record only where that leaves it as it is.

use roaring::RoaringBitmap;

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::ingest::assemble::Draft;
use crate::policy::selector::RecordFacts;
use crate::policy::{self, Action, Facts, Ground, Held, Reach};
use crate::query::held::Standing;
use crate::record::stored::REMOVED;
use crate::record::{Kind, Record};
use crate::register::settings::Gate;
use crate::view::Place;

impl Draft<'_, '_> {
    /// Asks whether a record may be kept: each of its subjects must have consented to every purpose that it
    /// is kept for and that needs it. Who is not known yet has not.
    ///
    /// # Errors
    /// *Refused*; the message names the purposes, and nobody.
    pub(super) fn pass_gate(
        &self,
        record: &Record,
        subjects: impl Iterator<Item = Option<PersonNumber>> + Clone,
    ) -> Result<()> {
        let settings = &self.rules.settings;
        if settings.gate == Gate::Open {
            return Ok(());
        }
        let facts = RecordFacts {
            kind: record.kind,
            conversation: &record.conversation,
            author: &record.author,
            channel: &record.channel,
            tags: &record.tags,
        };
        let now = self.env.clock.now();
        let mut missing: Vec<String> = Vec::new();
        for (_, rule) in settings.gate_rules.iter().filter(|(condition, _)| condition.holds(&facts)) {
            for code in rule.purposes.iter().filter(|code| !missing.contains(code)).collect::<Vec<_>>() {
                // A purpose that was given up is none to keep anything for.
                let needs_consent = self.rules.purposes.active(code).map(|purpose| purpose.needs_consent);
                let is_allowed = match needs_consent {
                    None => false,
                    Some(false) => true,
                    Some(true) => self.all_consent(subjects.clone(), code, now)?,
                };
                if !is_allowed {
                    missing.push(code.clone());
                }
            }
        }
        let facts = Facts { missing_consents: missing, ..Facts::default() };
        match policy::ask(Action::Append, &facts, now) {
            Ok(_) => Ok(()),
            Err(Ground::Consent { missing }) => Err(Error::new(
                ErrorKind::Refused,
                format!("there is no consent for: {}", missing.join(", ")),
            )
            .hint("`escrow consent give` notes one; `escrow gate show` says what is asked of which records")),
            Err(other) => Err(Error::new(ErrorKind::Refused, format!("a rule forbids it: {}", other.name()))),
        }
    }

    /// Asks whether what is said of a record may be: holds keep it from being hidden and from being changed.
    ///
    /// # Errors
    /// *Refused*; the message names the holds.
    pub(super) fn ask_holds(&self, record: &Record, about: Place<'_>) -> Result<()> {
        let action = match record.kind {
            Kind::Edit => Action::UserEdit,
            Kind::Delete => Action::UserDelete,
            Kind::Tag if record.extra.iter().any(|(name, _)| name == REMOVED) => Action::Correct,
            // A reaction, or a tag more, changes nothing that is there.
            _ => return Ok(()),
        };
        let standing = Standing::of(self.view)?;
        if standing.is_empty() {
            return Ok(());
        }
        let (doc, mut codes) = (RoaringBitmap::from([about.doc]), Vec::new());
        standing.docs(about.part, &doc, &mut codes)?;
        let reach = if codes.is_empty() { Reach::None } else { Reach::All };
        let facts = Facts { held: Held { reach, codes }, ..Facts::default() };
        match policy::ask(action, &facts, self.env.clock.now()) {
            Err(Ground::Hold { codes }) => {
                Err(Error::new(ErrorKind::Refused, format!("held: {}", codes.join(", "))).hint(
                    "what is held is neither hidden nor changed; give it again once the hold is lifted",
                ))
            }
            Err(other) => Err(Error::new(ErrorKind::Refused, format!("a rule forbids it: {}", other.name()))),
            Ok(_) => Ok(()),
        }
    }

    fn all_consent(
        &self,
        subjects: impl Iterator<Item = Option<PersonNumber>>,
        purpose: &str,
        now: crate::id::Micros,
    ) -> Result<bool> {
        for subject in subjects {
            let consents = match subject {
                Some(number) => self.view.consents_of(number)?,
                None => return Ok(false),
            };
            if !consents.is_some_and(|consents| consents.holds(purpose, &self.rules.notices, now)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
