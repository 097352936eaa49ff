//! One act: what was done, on how much, to whose records.

use minicbor::{Decoder, Encoder};

use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber};
use crate::keyring::entry::{AuditRules, Level};
use crate::record::{Kind, Stored};

/// Map entry of a record that says what an act was done on.
const TARGET: u64 = 17;

/// People whom an act names at most.
const PEOPLE_MAX: usize = 16;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Deed {
    /// Records were opened by their id.
    Record = 1,
    /// The same, with what stands around them.
    Around = 2,
    /// A conversation was opened.
    Conversation = 3,
    /// It was looked up who a person is.
    Person = 4,
    /// Everything of a person was opened.
    PersonRecords = 5,
    /// A record was proved to others.
    Proof = 6,
    /// It was looked up what an erasure would take.
    Plan = 7,
    /// Details of acts were opened.
    Details = 8,
    /// A search.
    Search = 16,
    /// A count.
    Count = 17,
    /// A facet.
    Facet = 18,
    /// A histogram.
    Histogram = 19,
    /// Log positions of matches.
    Positions = 20,
    /// A search among acts.
    Acts = 21,
    /// Everything of a person was exported.
    ExportPerson = 32,
    /// A conversation was exported.
    ExportConversation = 33,
    /// What a query finds was exported.
    ExportQuery = 34,
    /// What is recorded of acts was changed.
    AuditRules = 48,
    /// The key of the log was replaced.
    LogKey = 49,
    /// Records were imported.
    Import = 64,
    /// Something was refused by a rule.
    Refused = 80,
    /// A notice was changed.
    Notice = 81,
    /// A purpose was changed.
    Purpose = 82,
    /// Somebody was asked for consent, or said something of it.
    Consent = 83,
    /// A retention class was changed.
    Class = 84,
    /// A hold or restriction was changed.
    Hold = 85,
    /// A request went on.
    Request = 86,
    /// An aggregate was published.
    Aggregate = 87,
    /// The store was told what to do of itself.
    Settings = 88,
    /// Something was given to others.
    Disclosure = 89,
    /// Something happened outside of the store's region.
    Transfer = 90,
}

impl Deed {
    /// Every deed, ascending.
    pub const ALL: [Self; 31] = [
        Self::Record,
        Self::Around,
        Self::Conversation,
        Self::Person,
        Self::PersonRecords,
        Self::Proof,
        Self::Plan,
        Self::Details,
        Self::Search,
        Self::Count,
        Self::Facet,
        Self::Histogram,
        Self::Positions,
        Self::Acts,
        Self::ExportPerson,
        Self::ExportConversation,
        Self::ExportQuery,
        Self::AuditRules,
        Self::LogKey,
        Self::Import,
        Self::Refused,
        Self::Notice,
        Self::Purpose,
        Self::Consent,
        Self::Class,
        Self::Hold,
        Self::Request,
        Self::Aggregate,
        Self::Settings,
        Self::Disclosure,
        Self::Transfer,
    ];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Around => "around",
            Self::Conversation | Self::ExportConversation => "conversation",
            Self::Person => "person",
            Self::PersonRecords => "records",
            Self::ExportPerson => "subject",
            Self::Proof => "proof",
            Self::Plan => "plan",
            Self::Details => "details",
            Self::Search => "search",
            Self::Count => "count",
            Self::Facet => "facet",
            Self::Histogram => "histogram",
            Self::Positions => "positions",
            Self::Acts => "acts",
            Self::ExportQuery => "query",
            Self::AuditRules => "audit",
            Self::LogKey => "key",
            Self::Import => "import",
            Self::Refused => "refused",
            Self::Notice => "notice",
            Self::Purpose => "purpose",
            Self::Consent => "consent",
            Self::Class => "class",
            Self::Hold => "hold",
            Self::Request => "request",
            Self::Aggregate => "aggregate",
            Self::Settings => "settings",
            Self::Disclosure => "disclosure",
            Self::Transfer => "transfer",
        }
    }

    /// The kind of its record.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Refused => Kind::Refused,
            Self::Notice => Kind::Notice,
            Self::Purpose => Kind::Purpose,
            Self::Consent => Kind::Consent,
            Self::Class => Kind::Class,
            Self::Hold => Kind::Hold,
            Self::Request => Kind::Request,
            Self::Aggregate => Kind::Aggregate,
            Self::Settings => Kind::Policy,
            Self::Disclosure => Kind::Disclosure,
            Self::Transfer => Kind::Transfer,
            _ => match self as u8 {
                0..16 => Kind::Opened,
                16..32 => Kind::Searched,
                32..48 => Kind::Exported,
                48..64 => Kind::Rule,
                _ => Kind::Import,
            },
        }
    }

    /// From which level on it is recorded. What was opened by name and isn't there is recorded like a
    /// search.
    pub const fn level(self, count: u64) -> Level {
        match self.kind() {
            Kind::Searched => Level::All,
            Kind::Opened | Kind::Exported if count == 0 => Level::All,
            _ => Level::Acts,
        }
    }
}

/// An act as its record tells it. The actor is the record's author.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Act {
    /// What was done; `None` if a later version knows.
    pub deed: Option<Deed>,
    /// Records found, opened, exported or imported.
    pub count: u64,
    /// People whose records these are, as far as the act names them; ascending.
    pub people: Vec<PersonNumber>,
    /// Of an import: records that were there already, and that were refused.
    pub left_out: Option<(u64, u64)>,
    /// Of a change of what is recorded: what it is from then on.
    pub rules: Option<AuditRules>,
}

impl Act {
    /// A deed on so many records.
    pub const fn new(deed: Deed, count: u64) -> Self {
        Self { deed: Some(deed), count, people: Vec::new(), left_out: None, rules: None }
    }

    /// A change of what is recorded.
    pub fn rule(rules: AuditRules) -> Self {
        Self { rules: Some(rules), ..Self::new(Deed::AuditRules, 0) }
    }

    /// Names whose records they are: of many the sixteen lowest numbers.
    #[must_use]
    pub fn of(mut self, people: impl IntoIterator<Item = PersonNumber>) -> Self {
        self.people.extend(people.into_iter().filter(|number| *number != PersonNumber::STORE));
        self.people.sort_unstable();
        self.people.dedup();
        self.people.truncate(PEOPLE_MAX);
        self
    }

    /// The record of an act; its author and its subject are not known yet.
    pub fn to_record(&self, id: String, time: Micros) -> Stored {
        let kind = self.deed.map_or(Kind::Opened, Deed::kind);
        Stored { id, kind, time, unknown: vec![(TARGET, self.target())], ..Stored::default() }
    }

    /// Reads a record of an act; `None` if it tells of none.
    ///
    /// # Errors
    /// *Corrupt* for a target that nobody writes.
    pub fn from_record(stored: &Stored) -> Result<Option<Self>> {
        let Some((_, target)) = stored.unknown.iter().find(|(key, _)| *key == TARGET) else {
            return Ok(None);
        };
        Self::read(&mut Decoder::new(target)).map(Some)
    }

    /// ```text
    /// target = CBOR map { 1: deed, 2: count, 3: [person, …] if any,
    ///                     4: [duplicates, rejected] of an import,
    ///                     5: [level, days of acts, days of details] of a rule }
    /// ```
    fn target(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let mut e = Encoder::new(&mut bytes);
        let more = [!self.people.is_empty(), self.left_out.is_some(), self.rules.is_some()];
        let entries = 2 + more.iter().filter(|there| **there).count() as u64;
        let deed = self.deed.map_or(0, |deed| deed as u8);
        let written: std::result::Result<(), minicbor::encode::Error<std::convert::Infallible>> = (|| {
            e.map(entries)?.u8(1)?.u8(deed)?.u8(2)?.u64(self.count)?;
            if !self.people.is_empty() {
                e.u8(3)?.array(self.people.len() as u64)?;
                for person in &self.people {
                    e.u64(person.0)?;
                }
            }
            if let Some((duplicates, rejected)) = self.left_out {
                e.u8(4)?.array(2)?.u64(duplicates)?.u64(rejected)?;
            }
            if let Some(rules) = self.rules {
                e.u8(5)?.array(3)?.u8(rules.level as u8)?.u32(rules.keep_acts)?.u32(rules.keep_details)?;
            }
            Ok(())
        })(
        );
        // Writing to a vector does not fail.
        debug_assert!(written.is_ok());
        bytes
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self> {
        let bad = |_| Error::corrupt("an act says in no known form what it was done on");
        let length = |n: Option<u64>| n.ok_or_else(|| bad(minicbor::decode::Error::message("")));
        let mut act = Self { deed: None, count: 0, people: Vec::new(), left_out: None, rules: None };
        for _ in 0..length(d.map().map_err(bad)?)? {
            match d.u64().map_err(bad)? {
                1 => {
                    let code = d.u64().map_err(bad)?;
                    act.deed = Deed::ALL.into_iter().find(|deed| u64::from(*deed as u8) == code);
                }
                2 => act.count = d.u64().map_err(bad)?,
                3 => {
                    for _ in 0..length(d.array().map_err(bad)?)? {
                        act.people.push(PersonNumber(d.u64().map_err(bad)?));
                    }
                }
                4 if d.array().map_err(bad)? == Some(2) => {
                    act.left_out = Some((d.u64().map_err(bad)?, d.u64().map_err(bad)?));
                }
                5 if d.array().map_err(bad)? == Some(3) => {
                    let level = Level::of(d.u8().map_err(bad)?)?;
                    let (acts, details) = (d.u32().map_err(bad)?, d.u32().map_err(bad)?);
                    act.rules = Some(AuditRules::new(level).keep_acts(acts).keep_details(details));
                }
                _ => d.skip().map_err(bad)?,
            }
        }
        Ok(act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_round_trips() {
        for deed in Deed::ALL {
            let mut act = Act::new(deed, 300).of([9, 4, 0, 9].map(PersonNumber));
            act.left_out = (deed == Deed::Import).then_some((1, 70_000));
            act.rules = (deed == Deed::AuditRules).then_some(AuditRules::new(Level::All));
            let record = act.to_record("act/00".into(), Micros(5));
            assert_eq!(record.kind, deed.kind());
            let read = Stored::decode(&record.encode()).unwrap();
            let read = Act::from_record(&read).unwrap().unwrap();
            assert_eq!(read.people, [PersonNumber(4), PersonNumber(9)]);
            assert_eq!(read, act);
        }
    }

    #[test]
    fn nothing_from_outside_panics() {
        let record = Act::new(Deed::Search, 3).of([PersonNumber(7)]).to_record(String::new(), Micros(0));
        let target = record.unknown[0].1.clone();
        for at in 0..target.len() {
            for bit in 0..8 {
                let mut bytes = target.clone();
                bytes[at] ^= 1 << bit;
                let _ = Act::read(&mut Decoder::new(&bytes));
                let _ = Act::read(&mut Decoder::new(&bytes[..at]));
            }
        }
    }

    #[test]
    fn what_is_not_there_is_a_search() {
        assert_eq!(Deed::Record.level(1), Level::Acts);
        assert_eq!(Deed::Record.level(0), Level::All);
        assert_eq!(Deed::ExportQuery.level(0), Level::All);
        assert_eq!(Deed::Import.level(0), Level::Acts);
        assert_eq!(Deed::Count.level(5), Level::All);
    }
}
