//! Changes of registers on their way into the log. Each is asked for under the lock of who writes frames,
//! of the state that it changes, and is a record or an error.

use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::id::{Handle, PersonNumber};
use crate::ingest::assemble::{Draft, Outcome, busy};
use crate::receipts::{Act, Deed};
use crate::record::{Kind, Stored};
use crate::register::consent::Consents;
use crate::register::{Event, Stamp};

/// Changes that one actor makes together.
#[derive(Clone)]
pub struct Changes {
    /// Who does it, if he is named.
    pub actor: Option<String>,
    /// What happens, in order.
    pub events: Vec<About>,
}

/// Something that happens, and whom it is about.
#[derive(Clone)]
pub struct About {
    /// What happens.
    pub event: Event,
    /// Whom it is about, and who stands for the evidence about her, whose key seals the record.
    pub person: Option<(PersonNumber, PersonNumber)>,
}

/// Names leave no copy behind.
impl Zeroize for Changes {
    fn zeroize(&mut self) {
        self.actor.zeroize();
        for about in &mut self.events {
            if let Event::Consent(event) = &mut about.event {
                event.person.zeroize();
            }
        }
    }
}

impl Draft<'_, '_> {
    /// Makes somebody known, who may have become so meanwhile.
    pub(super) fn add_person(&mut self, identifier: &str) -> Result<Vec<Outcome>> {
        if self.number(identifier)?.is_none() {
            self.birth(identifier)?;
        }
        Ok(Vec::new())
    }

    /// Adds changes: all of them, or none. The store's format has registers: that was asked before.
    pub(super) fn add_changes(&mut self, changes: &Changes) -> Result<Vec<Outcome>> {
        let author = self.actor(changes.actor.as_deref())?;
        let mut consents: HashMap<PersonNumber, Consents> = HashMap::new();
        let mut outcomes = Vec::with_capacity(changes.events.len());
        for About { event, person } in &changes.events {
            let at = self.env.clock.now();
            let own = match person {
                // A hold that comes before the last look keeps her.
                Some((number, _)) if self.view.mask.hides(*number) && !event.is_hold() => return Err(busy()),
                Some((number, _)) if !self.view.knows(*number)? => {
                    return Err(Error::not_found("no such person"));
                }
                Some((number, evidence)) if matches!(event, Event::Consent(_)) => {
                    if !consents.contains_key(evidence) {
                        let said = self.view.consents_as_one(*number)?;
                        consents.insert(*evidence, said.unwrap_or_default());
                    }
                    consents.get(evidence)
                }
                _ => None,
            };
            let same = |number| self.view.linked(number);
            self.rules.check(event, own.unwrap_or(&Consents::default()), (author, &same), at)?;
            let kind = event.kind();
            let mark = Handle(self.env.random(kind.name().as_bytes())?);
            let act = Act::new(deed(kind), 1).of(person.iter().map(|(number, _)| *number));
            let stored = Stored {
                author,
                subjects: vec![person.map_or(PersonNumber::STORE, |(_, evidence)| evidence)],
                body: event.to_body()?,
                ..act.to_record(format!("{}/{mark}", kind.name()), at)
            };
            let seq = self.push(stored)?;
            if let (Event::Consent(event), Some((_, evidence))) = (event, person) {
                consents.entry(*evidence).or_default().apply(event, at, seq);
            }
            Arc::make_mut(&mut self.rules).apply(event.clone(), Stamp { seq, at, author });
            outcomes.push(Outcome::Added(seq));
        }
        Ok(outcomes)
    }
}

/// What the log says was done.
const fn deed(kind: Kind) -> Deed {
    match kind {
        Kind::Notice => Deed::Notice,
        Kind::Purpose => Deed::Purpose,
        Kind::Consent => Deed::Consent,
        Kind::Class => Deed::Class,
        Kind::Hold => Deed::Hold,
        Kind::Request => Deed::Request,
        Kind::Aggregate => Deed::Aggregate,
        Kind::Disclosure => Deed::Disclosure,
        Kind::Transfer => Deed::Transfer,
        _ => Deed::Settings,
    }
}
