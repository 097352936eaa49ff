//! What rules say in the moment that a reader sees: registers as their records make them.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, PersonNumber, Seq};
use crate::index::{Field, People, Term};
use crate::keyring::catalog;
use crate::record::{Kind, Stored, StoredRef};
use crate::register::consent::Consents;
use crate::register::{Event, Registers, Stamp};
use crate::view::View;

/// People whose consents are kept at hand, at most.
const AT_HAND_MAX: usize = 100_000;

/// What people said of purposes, as far as it was asked for since the last erasure.
#[derive(Default)]
pub(super) struct Said {
    /// Who stands for the evidence about whom. Once it is so it stays so until an erasure.
    evidence: HashMap<PersonNumber, PersonNumber>,
    /// What was said, by who stands for the evidence.
    consents: HashMap<PersonNumber, Arc<Consents>>,
    /// Who is linked to nobody.
    alone: HashSet<PersonNumber>,
}

impl View {
    /// What a living person said of purposes; `None` if nothing is known.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn consents_of(&self, person: PersonNumber) -> Result<Option<Arc<Consents>>> {
        let known = {
            let said = self.said.lock();
            let evidence = said.evidence.get(&person).copied();
            evidence.map(|evidence| (evidence, said.consents.get(&evidence).cloned()))
        };
        let evidence = match known {
            Some((_, Some(consents))) => return Ok(Some(consents)),
            Some((evidence, None)) => evidence,
            None => match self.evidence_number(person)? {
                Some(evidence) => evidence,
                None => return Ok(None),
            },
        };
        let consents = Arc::new(self.consents(evidence)?);
        let mut said = self.said.lock();
        if said.consents.len() >= AT_HAND_MAX {
            *said = Said::default();
        }
        said.evidence.insert(person, evidence);
        said.consents.insert(evidence, Arc::clone(&consents));
        Ok(Some(consents))
    }

    /// What a person and whoever is linked to her said of purposes: they are one, and the newest counts.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn consents_as_one(&self, person: PersonNumber) -> Result<Option<Arc<Consents>>> {
        if self.said.lock().alone.contains(&person) {
            return self.consents_of(person);
        }
        let linked = self.linked(person)?;
        if linked.len() == 1 {
            let mut said = self.said.lock();
            if said.alone.len() >= AT_HAND_MAX {
                said.alone.clear();
            }
            said.alone.insert(person);
            drop(said);
            return self.consents_of(person);
        }
        let mut all: Option<Consents> = None;
        for one in linked {
            if let Some(consents) = self.consents_of(one)? {
                all.get_or_insert_with(Consents::default).join(&consents);
            }
        }
        Ok(all.map(Arc::new))
    }

    /// Forgets what rests on who is linked to whom.
    pub fn note_links(&mut self) {
        self.said.get_mut().alone.clear();
        self.lacking.get_mut().clear();
    }

    /// The state of every register but consents.
    pub const fn rules(&self) -> &Arc<Registers> {
        &self.rules
    }

    /// Refuses where records of registers can't be read: what they say of holds is not known.
    ///
    /// # Errors
    /// *Corrupt* then.
    pub fn check_rules(&self) -> Result<()> {
        if self.rules.unread == 0 {
            return Ok(());
        }
        Err(Error::corrupt("records of registers can't be read, and may tell of holds").hint(
            "`escrow verify` names them; put the files back, or give them up with --repair --accept-losses",
        ))
    }

    /// Applies a record that was just written.
    pub(super) fn apply_rule(&mut self, stored: &StoredRef<'_>, seq: Seq) -> Result<()> {
        if stored.kind == Kind::Consent {
            let said = self.said.get_mut();
            stored.subjects.iter().for_each(|number| drop(said.consents.remove(number)));
            match Event::parse(stored.kind, stored.body)? {
                Some(Event::Consent(event)) => self.note_said(&event.person),
                _ => self.lacking.get_mut().clear(),
            }
            return Ok(());
        }
        if matches!(stored.kind, Kind::Notice | Kind::Purpose) {
            self.lacking.get_mut().clear();
        }
        if let Some(event) = Event::parse(stored.kind, stored.body)? {
            let stamp = Stamp { seq, at: stored.time, author: stored.author };
            Arc::make_mut(&mut self.rules).apply(event, stamp);
        }
        Ok(())
    }

    /// The same once an erasure took records: where no register holds anything nobody looks into indexes for it.
    ///
    /// # Errors
    /// As of [`View::settle_rules`].
    pub fn settle_rules_again(&mut self) -> Result<()> {
        if self.rules.events == 0 && self.rules.unread == 0 { Ok(()) } else { self.settle_rules() }
    }

    /// Folds every register anew from the records that are there: when a store is opened, and once an
    /// erasure took some of them.
    ///
    /// # Errors
    /// Unreadable files. Single records that can't be read are counted: what they said is not known.
    pub fn settle_rules(&mut self) -> Result<()> {
        let (mut all, mut rules) = (Vec::new(), Registers::default());
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_register() && *kind != Kind::Consent) {
            for part in self.parts() {
                let docs = match part.frequency(&Term::kind(kind)) {
                    Ok(0) => continue,
                    Ok(_) => part.postings(&Term::kind(kind)),
                    Err(e) => Err(e),
                };
                let docs = match docs {
                    Ok(docs) => docs,
                    // Nobody knows what stands there until it is healed, and then this is asked again.
                    Err(e) if e.kind() == ErrorKind::Corrupt => {
                        rules.unread += 1;
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                for doc in docs {
                    match part.record(doc).map(Zeroizing::new) {
                        Ok(stored) => all.push((part.key(doc)?.seq, stored)),
                        Err(e) if e.kind() == ErrorKind::Corrupt => rules.unread += 1,
                        Err(e) => return Err(e),
                    }
                }
            }
        }
        all.sort_unstable_by_key(|(seq, _)| *seq);
        for (seq, stored) in &all {
            if let Some(event) = Event::parse(stored.kind, &stored.body)? {
                rules.apply(event, Stamp { seq: *seq, at: stored.time, author: stored.author });
            }
        }
        self.rules = Arc::new(rules);
        Ok(())
    }

    /// The identifier that is shown for a number; `None` for nobody, for the unknown, and for who is being erased.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn shown_name(&self, number: PersonNumber) -> Result<Option<String>> {
        if number == PersonNumber::STORE || self.mask.hides(number) { Ok(None) } else { self.name(number) }
    }

    /// A person's random handle, from the key tree or from the record that made her known.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn handle(&self, number: PersonNumber) -> Result<Option<Handle>> {
        if let Some(person) = catalog::person(&self.tree, number)? {
            return Ok((!person.is_nobody()).then_some(person.handle));
        }
        let record = self.person_record(number)?;
        Ok(record.and_then(|(_, stored)| stored.person.as_ref().map(|person| person.handle)))
    }

    /// The record that says who somebody is, and where it stands. One that is lost is none.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn person_record(&self, number: PersonNumber) -> Result<Option<(Seq, Zeroizing<Stored>)>> {
        let (kind, subject) = (Term::kind(Kind::Person), Term::person(Field::Subject, number));
        for part in self.parts() {
            for doc in part.postings(&kind)? & part.postings(&subject)? {
                match part.record(doc).map(Zeroizing::new) {
                    Ok(stored) if stored.person.as_ref().is_some_and(|person| person.number == number) => {
                        return Ok(Some((part.key(doc)?.seq, stored)));
                    }
                    Err(e) if e.kind() != ErrorKind::Corrupt => return Err(e),
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// A person and everybody linked to her, ascending.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn linked(&self, number: PersonNumber) -> Result<Vec<PersonNumber>> {
        let mut all = vec![number];
        let mut next = 0;
        while let Some(n) = all.get(next).copied() {
            next += 1;
            for other in catalog::links(&self.tree, n)? {
                if !all.contains(&other) {
                    all.push(other);
                }
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Who stands for the evidence about a living person, if there is some.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn evidence_number(&self, person: PersonNumber) -> Result<Option<PersonNumber>> {
        match self.handle(person)? {
            Some(handle) => catalog::evidence(&self.tree, handle),
            None => Ok(None),
        }
    }

    /// Records about somebody that stand under her evidence, of one kind, in the order of the log.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn evidence(&self, number: PersonNumber, kind: Kind) -> Result<Vec<(Seq, Zeroizing<Stored>)>> {
        let (kind, subject) = (Term::kind(kind), Term::person(Field::Subject, number));
        let mut all = Vec::new();
        for part in self.parts() {
            if part.frequency(&subject)? == 0 {
                continue;
            }
            for doc in part.postings(&kind)? & part.postings(&subject)? {
                all.push((part.key(doc)?.seq, Zeroizing::new(part.record(doc)?)));
            }
        }
        all.sort_unstable_by_key(|(seq, _)| *seq);
        Ok(all)
    }

    /// What somebody said of purposes, by who stands for the evidence about her.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn consents(&self, number: PersonNumber) -> Result<Consents> {
        let mut consents = Consents::default();
        for (seq, stored) in self.evidence(number, Kind::Consent)? {
            if let Some(Event::Consent(event)) = Event::parse(stored.kind, &stored.body)? {
                consents.apply(&event, stored.time, seq);
            }
        }
        Ok(consents)
    }
}
