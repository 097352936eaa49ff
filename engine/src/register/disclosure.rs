//! What was given to others (GDPR articles 15 (1) (c) and 19): who has it, until when it is good, and
//! whether they were told of a later erasure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, Seq};
use crate::register::form::{check_code, check_text, instant, instant_if_any};

/// Whose records they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum About {
    /// One person's, by number.
    Person(u64),
    /// Those of these people, by number.
    People(Vec<u64>),
    /// Those of so many that anybody may be among them who was there then.
    Many,
}

/// Something that was given away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Its code.
    pub code: String,
    /// Whose records.
    pub about: About,
    /// How many records.
    pub records: u64,
    /// Form of the file.
    pub format: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub digest: String,
    /// Who got it.
    pub recipient: String,
    /// When it must be destroyed there.
    #[serde(with = "instant_if_any")]
    pub expires: Option<Micros>,
}

/// What happens to disclosures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// Something is given away.
    Give(Given),
    /// The recipient was told of an erasure (article 19).
    Tell {
        /// Which.
        code: String,
        /// How.
        method: String,
    },
    /// It is known to be destroyed there.
    Destroyed {
        /// Which.
        code: String,
        /// When that was.
        #[serde(with = "instant")]
        at: Micros,
    },
}

/// A disclosure in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// What was given.
    pub given: Given,
    /// When.
    pub at: Micros,
    /// Where in the log.
    pub seq: Seq,
    /// When the recipient was told of an erasure last.
    pub told: Option<Micros>,
    /// When it was destroyed there.
    pub destroyed: Option<Micros>,
}

impl Disclosure {
    /// Whether it may still be there.
    pub fn is_out(&self, now: Micros) -> bool {
        self.destroyed.is_none() && self.given.expires.is_none_or(|until| now < until)
    }

    /// Whether it may hold records of somebody.
    pub fn may_be_about(&self, number: u64) -> bool {
        match &self.given.about {
            About::Person(of) => *of == number,
            About::People(all) => all.contains(&number),
            About::Many => true,
        }
    }
}

/// All disclosures by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disclosures(BTreeMap<String, Disclosure>);

impl Disclosures {
    /// Every disclosure.
    pub fn iter(&self) -> impl Iterator<Item = &Disclosure> {
        self.0.values()
    }

    /// One by its code.
    pub fn get(&self, code: &str) -> Option<&Disclosure> {
        self.0.get(code)
    }

    /// Whether an event may happen.
    ///
    /// # Errors
    /// *Invalid* and *not found*; *refused* for a code that was used.
    pub fn check(&self, event: &Event, now: Micros) -> Result<()> {
        match event {
            Event::Give(given) => {
                check_code("code", &given.code)?;
                check_code("format", &given.format)?;
                check_text("recipient", &given.recipient)?;
                if given.expires.is_some_and(|until| until <= now) {
                    return Err(Error::invalid("expires: must lie ahead"));
                }
                match self.get(&given.code) {
                    Some(_) => Err(Error::new(ErrorKind::Refused, "this code was used before")),
                    None => Ok(()),
                }
            }
            Event::Tell { code, method } => {
                check_text("method", method)?;
                self.get(code).map(drop).ok_or_else(no_such)
            }
            Event::Destroyed { code, .. } => self.get(code).map(drop).ok_or_else(no_such),
        }
    }

    /// What an event does.
    pub fn apply(&mut self, event: Event, at: Micros, seq: Seq) {
        match event {
            Event::Give(given) => {
                let new = Disclosure { given, at, seq, told: None, destroyed: None };
                self.0.entry(new.given.code.clone()).or_insert(new);
            }
            Event::Tell { code, .. } => {
                if let Some(of) = self.0.get_mut(&code) {
                    of.told = Some(at);
                }
            }
            Event::Destroyed { code, at } => {
                if let Some(of) = self.0.get_mut(&code) {
                    of.destroyed = Some(at);
                }
            }
        }
    }
}

fn no_such() -> Error {
    Error::not_found("no such disclosure")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_is_known_until_it_is_gone() {
        let mut all = Disclosures::default();
        let given = Given {
            code: "x1".into(),
            about: About::People(vec![3, 7]),
            records: 9,
            format: "jsonl".into(),
            digest: "00".into(),
            recipient: "Kanzlei".into(),
            expires: Some(Micros(100)),
        };
        let event = Event::Give(given);
        all.check(&event, Micros(1)).unwrap();
        all.apply(event.clone(), Micros(1), Seq(4));
        assert!(all.check(&event, Micros(1)).is_err());
        let of = all.get("x1").unwrap();
        assert!(
            of.may_be_about(7) && !of.may_be_about(8) && of.is_out(Micros(99)) && !of.is_out(Micros(100))
        );
        all.apply(Event::Destroyed { code: "x1".into(), at: Micros(5) }, Micros(6), Seq(5));
        assert!(!all.get("x1").unwrap().is_out(Micros(7)));
        assert!(all.check(&Event::Tell { code: "y".into(), method: "mail".into() }, Micros(1)).is_err());
    }
}
