//! Purposes of processing and the law that each rests on (GDPR articles 5 (1) (b) and 6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::register::form::{check_code, check_text};

/// What makes processing lawful: GDPR article 6 (1) (a) to (f).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LawfulBasis {
    /// (a) The person consented.
    Consent,
    /// (b) A contract with the person needs it.
    Contract,
    /// (c) A law demands it.
    LegalObligation,
    /// (d) Somebody's life depends on it.
    VitalInterests,
    /// (e) A task in the public interest.
    PublicTask,
    /// (f) Interests that outweigh those of the person.
    LegitimateInterests,
}

impl LawfulBasis {
    /// Every basis.
    pub const ALL: [Self; 6] = [
        Self::Consent,
        Self::Contract,
        Self::LegalObligation,
        Self::VitalInterests,
        Self::PublicTask,
        Self::LegitimateInterests,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal-obligation",
            Self::VitalInterests => "vital-interests",
            Self::PublicTask => "public-task",
            Self::LegitimateInterests => "legitimate-interests",
        }
    }

    /// The basis with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.name() == name)
    }
}

/// A purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Its code, as sessions and consents name it.
    pub code: String,
    /// What people read.
    pub title: String,
    /// What it rests on.
    pub basis: LawfulBasis,
    /// Retention class of what is kept for it, if there is one of its own.
    pub class: Option<String>,
    /// Whether each person must have consented.
    pub needs_consent: bool,
}

/// What happens to purposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// One is made, or described anew.
    Define(Purpose),
    /// One is given up: nothing is kept or read for it any more.
    Retire {
        /// Which.
        code: String,
    },
}

/// All purposes, by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purposes(BTreeMap<String, (Purpose, bool)>);

impl Purposes {
    /// Every purpose, and whether it is in use.
    pub fn iter(&self) -> impl Iterator<Item = (&Purpose, bool)> {
        self.0.values().map(|(purpose, active)| (purpose, *active))
    }

    /// One that is in use.
    pub fn active(&self, code: &str) -> Option<&Purpose> {
        self.0.get(code).filter(|(_, active)| *active).map(|(purpose, _)| purpose)
    }

    /// One that is there, in use or not.
    pub fn get(&self, code: &str) -> Option<&Purpose> {
        self.0.get(code).map(|(purpose, _)| purpose)
    }

    /// Whether an event may happen.
    ///
    /// # Errors
    /// *Invalid* or *not found*; *refused* where a change would undo what people were told.
    pub fn check(&self, event: &Event) -> Result<()> {
        match event {
            Event::Define(purpose) => {
                check_code("code", &purpose.code)?;
                check_text("title", &purpose.title)?;
                if let Some(class) = &purpose.class {
                    check_code("class", class)?;
                }
                if purpose.basis == LawfulBasis::Consent && !purpose.needs_consent {
                    return Err(Error::invalid("a purpose that rests on consent needs consent"));
                }
                match self.0.get(&purpose.code) {
                    // EDPB guidelines 05/2020, 121 to 123: the ground is not swapped while it runs. Nor behind that:
                    // whoever refused, or withdrew, would be asked no more by the same name.
                    Some((old, active))
                        if purpose.basis != old.basis && (old.basis == LawfulBasis::Consent || !active) =>
                    {
                        let what = if *active {
                            "what rests on consent can't be put on another ground"
                        } else {
                            "a purpose that was retired can't be put on another ground"
                        };
                        Err(Error::new(ErrorKind::Refused, what).hint(
                            "what is done on another ground is another purpose, with a code of its own",
                        ))
                    }
                    _ => Ok(()),
                }
            }
            Event::Retire { code } => match self.active(code) {
                Some(_) => Ok(()),
                None => Err(Error::not_found("no such purpose is in use")),
            },
        }
    }

    /// What an event does.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Define(purpose) => {
                self.0.insert(purpose.code.clone(), (purpose, true));
            }
            Event::Retire { code } => {
                if let Some((_, active)) = self.0.get_mut(&code) {
                    *active = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(basis: LawfulBasis, needs_consent: bool) -> Purpose {
        Purpose { code: "ads".into(), title: "Offers".into(), basis, class: None, needs_consent }
    }

    #[test]
    fn a_purpose_stays_on_its_ground() {
        let mut purposes = Purposes::default();
        assert!(purposes.check(&Event::Define(purpose(LawfulBasis::Consent, false))).is_err());
        let event = Event::Define(purpose(LawfulBasis::Consent, true));
        purposes.check(&event).unwrap();
        purposes.apply(event);
        let swap = purposes.check(&Event::Define(purpose(LawfulBasis::LegitimateInterests, false)));
        assert_eq!(swap.unwrap_err().kind(), ErrorKind::Refused);
        purposes.apply(Event::Retire { code: "ads".into() });
        assert!(purposes.active("ads").is_none() && purposes.get("ads").is_some());
        // Retired and defined anew, a withdrawn consent would be needed no more.
        let anew = purposes.check(&Event::Define(purpose(LawfulBasis::Contract, false)));
        assert_eq!(anew.unwrap_err().kind(), ErrorKind::Refused);
        purposes.check(&Event::Define(purpose(LawfulBasis::Consent, true))).unwrap();
        assert!(purposes.check(&Event::Retire { code: "ads".into() }).is_err());
    }

    #[test]
    fn names_are_of_one_basis_each() {
        for basis in LawfulBasis::ALL {
            assert_eq!(LawfulBasis::parse(basis.name()), Some(basis));
            assert_eq!(serde_json::to_string(&basis).unwrap(), format!("\"{}\"", basis.name()));
        }
    }
}
