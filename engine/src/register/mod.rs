//! Registers: notices, purposes, consents, retention classes, holds, requests, aggregates, disclosures,
//! transfers and the store's own settings. The state of each is a pure fold of its records in the log, in the order of
//! their positions: whoever has the records has the state.
//!
//! An event is asked first ([`Registers::check`]), under the lock of who writes frames, so that the state
//! it is asked of is the one it changes. Then it is a record, and its effect ([`Registers::apply`]) is seen
//! with it. A fold passes over what could not happen: records may be missing that an erasure took.
//!
//! Consents are one fold a person, for there may be as many as people; everything else is few.

pub mod aggregate;
pub mod class;
pub mod consent;
pub mod disclosure;
pub mod form;
pub mod hold;
pub mod notice;
pub mod purpose;
pub mod request;
pub mod settings;
pub mod transfer;

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::record::Kind;

use aggregate::Aggregates;
use class::Classes;
use disclosure::Disclosures;
use hold::Holds;
use notice::Notices;
use purpose::Purposes;
use request::{Requests, Same};
use settings::Settings;
use transfer::{Transfer, Transfers};

/// Something that happens to a register.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// To a notice.
    Notice(notice::Event),
    /// To a purpose.
    Purpose(purpose::Event),
    /// To consents of a person.
    Consent(consent::Event),
    /// To a retention class.
    Class(class::Event),
    /// To a hold.
    Hold(hold::Event),
    /// To a request.
    Request(request::Event),
    /// An aggregate is published.
    Aggregate(Box<aggregate::Aggregate>),
    /// To the settings.
    Settings(settings::Event),
    /// To something that was given away.
    Disclosure(disclosure::Event),
    /// Something happens outside of the store's region.
    Transfer(Transfer),
}

/// When and by whom, and where that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Log position.
    pub seq: Seq,
    /// When, as the clock told it.
    pub at: Micros,
    /// Who did it; 0 if nobody was named.
    pub author: PersonNumber,
}

impl Event {
    /// Kind of its record.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Notice(_) => Kind::Notice,
            Self::Purpose(_) => Kind::Purpose,
            Self::Consent(_) => Kind::Consent,
            Self::Class(_) => Kind::Class,
            Self::Hold(_) => Kind::Hold,
            Self::Request(_) => Kind::Request,
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Settings(_) => Kind::Policy,
            Self::Disclosure(_) => Kind::Disclosure,
            Self::Transfer(_) => Kind::Transfer,
        }
    }

    /// Whether it places a hold.
    pub const fn is_hold(&self) -> bool {
        matches!(self, Self::Hold(hold::Event::Place(hold::Hold { effect: hold::Effect::Hold, .. })))
    }

    /// The body of its record.
    ///
    /// # Errors
    /// *Invalid* if it is too long.
    pub fn to_body(&self) -> Result<String> {
        match self {
            Self::Notice(event) => form::print(event),
            Self::Purpose(event) => form::print(event),
            Self::Consent(event) => form::print(event),
            Self::Class(event) => form::print(event),
            Self::Hold(event) => form::print(event),
            Self::Request(event) => form::print(event),
            Self::Aggregate(event) => form::print(event),
            Self::Settings(event) => form::print(event),
            Self::Disclosure(event) => form::print(event),
            Self::Transfer(event) => form::print(event),
        }
    }

    /// Reads a record of a register; `None` of another kind.
    ///
    /// # Errors
    /// *Unsupported* for what this version does not know.
    pub fn parse(kind: Kind, body: &str) -> Result<Option<Self>> {
        Ok(Some(match kind {
            Kind::Notice => Self::Notice(form::parse(body)?),
            Kind::Purpose => Self::Purpose(form::parse(body)?),
            Kind::Consent => Self::Consent(form::parse(body)?),
            Kind::Class => Self::Class(form::parse(body)?),
            Kind::Hold => Self::Hold(form::parse(body)?),
            Kind::Request => Self::Request(form::parse(body)?),
            Kind::Aggregate => Self::Aggregate(form::parse(body)?),
            Kind::Policy => Self::Settings(form::parse(body)?),
            Kind::Disclosure => Self::Disclosure(form::parse(body)?),
            Kind::Transfer => Self::Transfer(form::parse(body)?),
            _ => return Ok(None),
        }))
    }
}

/// The state of every register but consents.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// What people are told.
    pub notices: Notices,
    /// What records are kept and read for.
    pub purposes: Purposes,
    /// How long they are kept.
    pub classes: Classes,
    /// What must stay, and what is hidden.
    pub holds: Holds,
    /// What people asked for.
    pub requests: Requests,
    /// What was published.
    pub aggregates: Aggregates,
    /// What was given away.
    pub disclosures: Disclosures,
    /// What happened outside of the region.
    pub transfers: Transfers,
    /// What the store does of itself.
    pub settings: Settings,
    /// Records of registers that are there and can't be read: what they said of holds is not known.
    pub unread: u64,
    /// How many events made it.
    pub events: u64,
}

impl Registers {
    /// Whether an event may happen now. Of a consent it is asked of the person's own, `consents`; `same` says who is one
    /// with whom.
    ///
    /// # Errors
    /// *Invalid* and *not found* for what it names, *refused* for what may not happen.
    pub fn check(
        &self,
        event: &Event,
        consents: &consent::Consents,
        (author, same): (PersonNumber, Same<'_>),
        now: Micros,
    ) -> Result<()> {
        let has_purpose = |code: &str| self.purposes.active(code).is_some();
        match event {
            Event::Notice(event) => self.notices.check(event, has_purpose),
            Event::Purpose(event) => self.purposes.check(event),
            Event::Consent(event) => consents.check(event, &self.notices, &self.purposes, now),
            Event::Class(event) => self.classes.check(event),
            Event::Hold(event) => self.holds.check(event, now),
            Event::Request(event) => self.requests.check(event, (author, same), self.settings.four_eyes, now),
            Event::Aggregate(new) => self.aggregates.check(new, now),
            Event::Settings(event) => self.settings.check(event, (author, same), has_purpose),
            Event::Disclosure(event) => self.disclosures.check(event, now),
            Event::Transfer(new) => self.transfers.check(new),
        }
    }

    /// What an event does.
    pub fn apply(&mut self, event: Event, stamp: Stamp) {
        let Stamp { seq, at, author } = stamp;
        self.events += 1;
        match event {
            Event::Notice(event) => self.notices.apply(event, at),
            Event::Purpose(event) => self.purposes.apply(event),
            Event::Consent(_) => {}
            Event::Class(event) => self.classes.apply(event, at),
            Event::Hold(event) => {
                if author == PersonNumber::STORE
                    && let Some(erasure) = event.completed()
                {
                    self.requests.complete(erasure);
                }
                self.holds.apply(event, at, seq);
            }
            Event::Request(event) => self.requests.apply(event, author, seq),
            Event::Aggregate(new) => self.aggregates.apply(*new, at, seq),
            Event::Settings(event) => self.settings.apply(event, author),
            Event::Disclosure(event) => self.disclosures.apply(event, at, seq),
            Event::Transfer(new) => self.transfers.apply(new, (at, seq, author)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn events_are_read_as_they_were_written_and_others_refused() {
        let events = [
            Event::Hold(hold::Event::Release { code: "m1".into(), reason: "settled".into() }),
            Event::Settings(settings::Event { four_eyes: Some(true), ..settings::Event::default() }),
            Event::Notice(notice::Event::Publish { id: "n".into(), version: 3 }),
            Event::Request(request::Event { request: "r".into(), event: request::Step::Run }),
        ];
        for event in events {
            let body = event.to_body().unwrap();
            assert_eq!(Event::parse(event.kind(), &body).unwrap(), Some(event.clone()));
            let more = body.replacen('{', "{\"later\":1,", 1);
            // What a later version says may change what it means.
            assert_eq!(
                Event::parse(event.kind(), &more).unwrap_err().kind(),
                ErrorKind::Unsupported,
                "{more}"
            );
        }
        assert_eq!(Event::parse(Kind::Message, "{}").unwrap(), None);
        assert_eq!(Event::parse(Kind::Hold, "{\"event\":\"x\"}").unwrap_err().kind(), ErrorKind::Unsupported);
    }

    proptest::proptest! {
        #[test]
        fn nothing_from_outside_panics(body: String) {
            for kind in Kind::ALL {
                let _ = Event::parse(kind, &body);
            }
        }
    }
}
