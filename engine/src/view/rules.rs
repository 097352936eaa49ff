//! What rules say in the moment that a reader sees: registers as their records make them.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, PersonNumber, Seq};
use crate::index::{Field, People, Term};
use crate::keyring::catalog;
use crate::record::{Kind, Stored, StoredRef};
use crate::register::consent::Consents;
use crate::register::{Event, Registers, Stamp};
use crate::view::View;

impl View {
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
            stored.subjects.iter().for_each(|number| said.forget(*number));
            match Event::parse(stored.kind, stored.body)? {
                Some(Event::Consent(event)) => self.note_said(&event.person),
                _ => self.lacking.get_mut().clear(),
            }
            return Ok(());
        }
        if matches!(stored.kind, Kind::Notice | Kind::Purpose) {
            self.lacking.get_mut().clear();
            self.said.get_mut().forget_standing();
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
            // Few are about her, and most that there are of the kind are about others.
            let mut docs = part.postings(&subject)?;
            if docs.is_empty() {
                continue;
            }
            part.sift(&kind, true, &mut docs)?;
            for doc in docs {
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
