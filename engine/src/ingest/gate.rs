//! The gate: what is kept for a purpose that needs consent is taken only where there is one.

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::ingest::assemble::Draft;
use crate::policy::selector::RecordFacts;
use crate::policy::{self, Action, Facts, Ground};
use crate::record::Record;
use crate::register::settings::Gate;

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
