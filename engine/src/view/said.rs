//! Until when people's consents stand, kept at hand as far as it was asked for since the last erasure.

use std::sync::Arc;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{Micros, PersonNumber};
use crate::register::Registers;
use crate::register::consent::Consents;
use crate::view::View;

/// People of whom something is kept at hand, at most: some 60 bytes each at most, and 20 for every further purpose.
const AT_HAND_MAX: usize = 1 << 18;

/// What people said of purposes, as far as it was asked for since the last erasure.
#[derive(Default)]
pub(super) struct Said {
    /// Who stands for the evidence about whom. Once it is so it stays so until an erasure.
    evidence: HashMap<PersonNumber, PersonNumber>,
    /// About whom somebody stands for the evidence.
    about: HashMap<PersonNumber, PersonNumber>,
    /// Until when people's consents stand, of those who are linked to nobody. That is so until somebody says something
    /// new or a notice changes.
    purposes: Vec<Standing>,
}

/// Consents to one purpose.
struct Standing {
    purpose: String,
    /// Whose consent stands without an end: nearly everybody's, and the gate asks of every record. A bit each stays
    /// near the processor, where a map costs a wait for memory a record.
    endless: RoaringBitmap,
    /// Until when, of all others; [`Micros::MIN`] of who does not consent.
    until: HashMap<PersonNumber, Micros>,
}

impl Standing {
    fn get(&self, person: PersonNumber) -> Option<Micros> {
        match u32::try_from(person.0) {
            Ok(number) if self.endless.contains(number) => Some(Micros::MAX),
            _ => self.until.get(&person).copied(),
        }
    }

    fn note(&mut self, person: PersonNumber, until: Micros) {
        match u32::try_from(person.0) {
            Ok(number) if until == Micros::MAX => _ = self.endless.insert(number),
            _ => _ = self.until.insert(person, until),
        }
    }

    fn forget(&mut self, person: PersonNumber) {
        if let Ok(number) = u32::try_from(person.0) {
            self.endless.remove(number);
        }
        self.until.remove(&person);
    }
}

impl Said {
    /// Forgets what somebody said, by who stands for the evidence: she said something new.
    pub(super) fn forget(&mut self, evidence: PersonNumber) {
        if let Some(person) = self.about.get(&evidence) {
            self.purposes.iter_mut().for_each(|standing| standing.forget(*person));
        }
    }

    /// Forgets which consents stand: a new notice may end them.
    pub(super) fn forget_standing(&mut self) {
        self.purposes.clear();
    }

    fn until(&self, person: PersonNumber, purpose: &str) -> Option<Micros> {
        self.purposes.iter().find(|standing| standing.purpose == purpose)?.get(person)
    }

    fn note(&mut self, (person, evidence): (PersonNumber, PersonNumber), purpose: &str, until: Micros) {
        if self.evidence.len() >= AT_HAND_MAX {
            *self = Self::default();
        }
        self.evidence.insert(person, evidence);
        self.about.insert(evidence, person);
        if let Some(standing) = self.purposes.iter_mut().find(|standing| standing.purpose == purpose) {
            return standing.note(person, until);
        }
        let (purpose, endless) = (purpose.to_owned(), RoaringBitmap::new());
        let mut standing = Standing { purpose, endless, until: HashMap::new() };
        standing.note(person, until);
        self.purposes.push(standing);
    }
}

impl View {
    /// What a person and whoever is linked to her said of purposes: they are one, and the newest counts. `None` if
    /// nothing is known.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn consents_as_one(&self, person: PersonNumber) -> Result<Option<Consents>> {
        let mut all: Option<Consents> = None;
        for one in self.linked(person)? {
            if let Some(evidence) = self.evidence_number(one)? {
                all.get_or_insert_with(Consents::default).join(&self.consents(evidence)?);
            }
        }
        Ok(all)
    }

    /// Until when a person consents to a purpose, this instant left out; [`Micros::MIN`] where she doesn't. `None` if
    /// there is no evidence of anything that she said.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn consents_until(&self, person: PersonNumber, purpose: &str) -> Result<Option<Micros>> {
        let known = self.said.lock().until(person, purpose);
        if known.is_some() {
            return Ok(known);
        }
        let until = |consents: &Consents| consents.until(purpose, &self.rules.notices);
        if self.linked(person)?.len() > 1 {
            return Ok(self.consents_as_one(person)?.as_ref().map(until));
        }
        let known = self.said.lock().evidence.get(&person).copied();
        let evidence = if known.is_some() { known } else { self.evidence_number(person)? };
        let Some(evidence) = evidence else { return Ok(None) };
        let until = until(&self.consents(evidence)?);
        self.said.lock().note((person, evidence), purpose, until);
        Ok(Some(until))
    }

    /// Keeps at hand what was found of a person who is linked to nobody.
    pub(super) fn note_until(
        &self,
        (person, evidence): (PersonNumber, PersonNumber),
        purpose: &str,
        until: Micros,
    ) {
        self.said.lock().note((person, evidence), purpose, until);
    }

    /// Forgets what rests on who is linked to whom.
    pub fn note_links(&mut self) {
        self.said.get_mut().forget_standing();
        self.lacking.get_mut().clear();
    }

    /// Whether a living person consents to a purpose, by these rules: those of the view, or what somebody is
    /// about to make of them.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn allows(
        &self,
        rules: &Arc<Registers>,
        person: PersonNumber,
        purpose: &str,
        now: Micros,
    ) -> Result<bool> {
        let until = if Arc::ptr_eq(rules, &self.rules) {
            self.consents_until(person, purpose)?
        } else {
            self.consents_as_one(person)?.map(|consents| consents.until(purpose, &rules.notices))
        };
        Ok(until.is_some_and(|until| now < until))
    }
}
