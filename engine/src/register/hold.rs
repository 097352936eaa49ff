//! Holds and restrictions. A hold keeps what it is about from being removed, hidden or changed (GDPR
//! article 17 (3)); a restriction hides it from all but holders of a case (article 18).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::register::form::{check_code, check_text, instant, instant_if_any};

/// What a hold is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Scope {
    /// Everything of a person, by number.
    Person(u64),
    /// A conversation.
    Conversation(String),
    /// Whatever a query finds or will find. What it says of time is as of the moment it was typed.
    Query {
        /// As it was typed.
        text: String,
        /// When.
        #[serde(with = "instant")]
        at: Micros,
    },
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Keeps.
    Hold,
    /// Hides from all but holders of a case.
    Restrict,
}

/// A hold or a restriction as it is placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Its code.
    pub code: String,
    /// What it does.
    pub effect: Effect,
    /// What it is about.
    pub scope: Scope,
    /// The matter or case.
    pub matter: String,
    /// The law or the reason it rests on.
    pub ground: String,
    /// When somebody is to look whether it is still needed.
    #[serde(with = "instant_if_any")]
    pub review: Option<Micros>,
}

/// What happens to holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// One is placed.
    Place(Hold),
    /// Somebody looked: it stays, until it is looked at again.
    Review {
        /// Which.
        code: String,
        /// The next time.
        #[serde(with = "instant")]
        next: Micros,
    },
    /// It is lifted.
    Release {
        /// Which.
        code: String,
        /// Why.
        reason: String,
    },
}

/// A hold in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What was placed; its date of review is the next one.
    pub hold: Hold,
    /// When.
    pub at: Micros,
    /// Where in the log.
    pub seq: Seq,
    /// When it was lifted.
    pub released: Option<Micros>,
}

/// How the code of a restriction begins that an erasure left which was done in part.
pub const KEPT: &str = "kept-";

/// Why the store lifts such a restriction itself: whoever lifts it by hand leaves what is restricted.
pub const COMPLETED: &str = "nothing keeps it any more, and it is erased";

impl Event {
    /// The erasure that is completed by this, if the store itself says it.
    pub fn completed(&self) -> Option<&str> {
        match self {
            Self::Release { code, reason } if reason == COMPLETED => code.strip_prefix(KEPT),
            _ => None,
        }
    }
}

impl Placed {
    /// Whether it stands until an erasure is completed that was done in part.
    pub fn waits(&self) -> bool {
        self.restricts() && self.hold.code.starts_with(KEPT)
    }

    /// Whether it stands, and keeps.
    pub fn holds(&self) -> bool {
        self.released.is_none() && self.hold.effect == Effect::Hold
    }

    /// Whether it stands, and hides.
    pub fn restricts(&self) -> bool {
        self.released.is_none() && self.hold.effect == Effect::Restrict
    }

    /// Whether somebody should have looked at it.
    pub fn is_review_due(&self, now: Micros) -> bool {
        self.released.is_none() && self.hold.review.is_some_and(|at| at <= now)
    }
}

/// All holds by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds(BTreeMap<String, Placed>);

impl Holds {
    /// Every one, lifted or not.
    pub fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.0.values()
    }

    /// Those that keep something.
    pub fn standing(&self) -> impl Iterator<Item = &Placed> {
        self.iter().filter(|placed| placed.holds())
    }

    /// People who are restricted as a whole.
    pub fn restricted_people(&self) -> impl Iterator<Item = PersonNumber> {
        self.iter().filter(|placed| placed.restricts()).filter_map(|placed| match placed.hold.scope {
            Scope::Person(number) => Some(PersonNumber(number)),
            _ => None,
        })
    }

    /// One by its code.
    pub fn get(&self, code: &str) -> Option<&Placed> {
        self.0.get(code)
    }

    /// Whether an event may happen.
    ///
    /// # Errors
    /// *Invalid* and *not found*; *refused* for a code that was used.
    pub fn check(&self, event: &Event, now: Micros) -> Result<()> {
        match event {
            Event::Place(hold) => {
                check_code("code", &hold.code)?;
                check_text("matter", &hold.matter)?;
                check_text("ground", &hold.ground)?;
                match &hold.scope {
                    Scope::Conversation(name) => check_text("conversation", name)?,
                    Scope::Query { text, .. } if text.trim().is_empty() || text.len() > 4096 => {
                        return Err(Error::invalid("query: must have 1 to 4096 bytes"));
                    }
                    Scope::Query { .. } if hold.effect == Effect::Restrict => {
                        return Err(Error::invalid("people and conversations are restricted, not queries"));
                    }
                    Scope::Query { .. } | Scope::Person(_) => {}
                }
                if hold.review.is_some_and(|at| at <= now) {
                    return Err(Error::invalid("review: must lie ahead"));
                }
                match self.get(&hold.code) {
                    Some(_) => Err(Error::new(ErrorKind::Refused, "this code was used before")
                        .hint("a hold that was lifted stays on record; choose another code")),
                    None => Ok(()),
                }
            }
            Event::Review { code, next } => {
                self.standing_as(code)?;
                if *next <= now { Err(Error::invalid("next: must lie ahead")) } else { Ok(()) }
            }
            Event::Release { code, reason } => {
                self.standing_as(code)?;
                check_text("reason", reason)
            }
        }
    }

    fn standing_as(&self, code: &str) -> Result<()> {
        match self.get(code) {
            Some(placed) if placed.released.is_none() => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::Refused, "it was lifted before")),
            None => Err(Error::not_found("no such hold")),
        }
    }

    /// What an event does.
    pub fn apply(&mut self, event: Event, at: Micros, seq: Seq) {
        match event {
            Event::Place(hold) => {
                self.0.entry(hold.code.clone()).or_insert(Placed { hold, at, seq, released: None });
            }
            Event::Review { code, next } => {
                if let Some(placed) = self.0.get_mut(&code) {
                    placed.hold.review = Some(next);
                }
            }
            Event::Release { code, .. } => {
                if let Some(placed) = self.0.get_mut(&code) {
                    placed.released.get_or_insert(at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_stands_until_it_is_lifted() {
        let mut holds = Holds::default();
        let place = |effect, scope| {
            let (code, matter, ground) = ("m1".into(), "Meyer v. Shop".into(), "claim".into());
            Event::Place(Hold { code, effect, scope, matter, ground, review: Some(Micros(50)) })
        };
        let event = place(Effect::Hold, Scope::Person(7));
        holds.check(&event, Micros(1)).unwrap();
        assert!(holds.check(&event, Micros(50)).is_err(), "a review in the past");
        holds.apply(event.clone(), Micros(1), Seq(3));
        assert_eq!(holds.check(&event, Micros(1)).unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!((holds.standing().count(), holds.restricted_people().count()), (1, 0));
        assert!(holds.get("m1").unwrap().is_review_due(Micros(50)));
        holds.apply(Event::Review { code: "m1".into(), next: Micros(90) }, Micros(51), Seq(4));
        assert!(!holds.get("m1").unwrap().is_review_due(Micros(51)));
        let release = Event::Release { code: "m1".into(), reason: "settled".into() };
        holds.check(&release, Micros(60)).unwrap();
        holds.apply(release.clone(), Micros(60), Seq(5));
        assert_eq!(holds.standing().count(), 0);
        assert_eq!(holds.check(&release, Micros(61)).unwrap_err().kind(), ErrorKind::Refused);
        let query = Scope::Query { text: "x".into(), at: Micros(0) };
        assert!(Holds::default().check(&place(Effect::Restrict, query), Micros(1)).is_err());
    }
}
