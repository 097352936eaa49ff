//! What an access package says beside the records: what the person consented to, what she asked for, who
//! looked at her records and why, and who was given them (GDPR articles 7 (1), 12 (3), 15 (1) (c) and 19).
//!
//! A statement is one JSON object, told from a record by its member `section`; the order of its members is
//! that of the types here. It is the signer's word: the log holds records of all of it, but their openings
//! would tell who else stands in them. Who wants proof of a consent asks for its receipt by `id`.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::Micros;
use crate::register::consent::{Deed, Shown};
use crate::register::form::{instant, instant_if_any};
use crate::register::request::{Kind, State};

/// One statement.
///
/// ```
/// use escrowdb::{export::{Recipient, Section, Statement}, id::Micros};
/// let given = Statement::Recipient(Recipient {
///     time: Micros(0),
///     code: "d1".into(),
///     recipient: "court".into(),
///     certain: true,
///     records: Some(4),
///     format: "paper".into(),
///     sha256: "00".into(),
///     expires: None,
///     told: None,
///     destroyed: None,
/// });
/// let line = given.to_line()?;
/// assert!(line.starts_with(r#"{"section":"recipient","time":"1970-01-01T00:00:00Z","code":"d1""#));
/// assert_eq!(Statement::read(line.as_bytes()), Some(given));
/// assert_eq!(Statement::read(br#"{"conversation":"c1","author":"anna"}"#), None);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "section", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Statement {
    /// She was asked for consent, or said something of it.
    Consent(Consent),
    /// She asked for something.
    Request(Asking),
    /// Somebody looked at her records, or let them out.
    Look(Look),
    /// Somebody was given records.
    Recipient(Recipient),
}

/// The sections of a package behind its records, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What she consented to.
    Consents,
    /// What she asked for.
    Requests,
    /// Who looked, and why.
    Looks,
    /// Who was given records.
    Recipients,
}

impl Section {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Consents, Self::Requests, Self::Looks, Self::Recipients];

    /// Its name in manifests and columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consents => "consents",
            Self::Requests => "requests",
            Self::Looks => "looks",
            Self::Recipients => "recipients",
        }
    }
}

/// Something about consent, with the notice that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// When.
    #[serde(with = "instant")]
    pub time: Micros,
    /// What happened.
    pub event: Deed,
    /// Her identifier, as it was then.
    pub person: String,
    /// The purposes it is about.
    pub purposes: Vec<String>,
    /// The notice: its id, version, language and hash.
    pub notice: Option<Shown>,
    /// How it was said.
    pub method: String,
    /// Where.
    pub channel: String,
    /// Until when it holds, if that is limited.
    #[serde(with = "instant_if_any")]
    pub expires: Option<Micros>,
    /// Who noted it, if he was named and is known.
    pub by: Option<String>,
    /// Id of its record: a receipt is asked for by it.
    pub id: String,
    /// Position in the log.
    pub seq: u64,
}

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// When it came.
    #[serde(with = "instant")]
    pub time: Micros,
    /// Its code.
    pub code: String,
    /// What is asked for.
    pub kind: Kind,
    /// Where it came.
    pub channel: String,
    /// Where it stands.
    pub state: State,
    /// By when it must be answered.
    #[serde(with = "instant")]
    pub due: Micros,
    /// Whether that was made longer.
    pub extended: bool,
    /// What happened to it.
    pub steps: Vec<Step>,
    /// Position in the log.
    pub seq: u64,
}

/// A step of a request. Who took it stands in no package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    #[serde(with = "instant")]
    pub time: Micros,
    /// `receive`, `identify`, `plan`, `approve`, `run`, `extend`, `fulfil` or `refuse`.
    pub step: String,
    /// How, why, on what ground, or what proves it.
    pub says: Option<String>,
    /// Why something stays to be done.
    pub partly: Option<String>,
}

/// An act on her records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// When.
    #[serde(with = "instant")]
    pub time: Micros,
    /// `opened`, `searched` or `exported`.
    pub kind: String,
    /// What: `record`, `conversation`, `person`, `search`, …
    pub act: String,
    /// Records, where all of them are hers.
    pub records: Option<u64>,
    /// Who, if he was named and is known.
    pub by: Option<String>,
    /// For what purpose, as it was typed and as long as that is kept.
    pub purpose: Option<String>,
    /// In which case, likewise.
    pub case: Option<String>,
    /// Id of its record.
    pub id: String,
    /// Position in the log.
    pub seq: u64,
}

/// Something that was given to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// When.
    #[serde(with = "instant")]
    pub time: Micros,
    /// Its code in the register.
    pub code: String,
    /// Who got it.
    pub recipient: String,
    /// Whether it is known to hold records of hers; else it may.
    pub certain: bool,
    /// Records in it, where all of them are hers.
    pub records: Option<u64>,
    /// Form of the file.
    pub format: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// When it must be destroyed there.
    #[serde(with = "instant_if_any")]
    pub expires: Option<Micros>,
    /// When the recipient was told of an erasure.
    #[serde(with = "instant_if_any")]
    pub told: Option<Micros>,
    /// When it was destroyed there.
    #[serde(with = "instant_if_any")]
    pub destroyed: Option<Micros>,
}

/// How many statements a package holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of each section, in order.
    pub counts: [u64; 4],
}

impl Told {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.counts.iter().fold(0, |all, count| all.saturating_add(*count))
    }

    /// Those of a section.
    pub fn of(&self, section: Section) -> u64 {
        self.counts.get(section as usize).copied().unwrap_or_default()
    }

    /// One more.
    pub fn add(&mut self, section: Section) {
        if let Some(count) = self.counts.get_mut(section as usize) {
            *count += 1;
        }
    }
}

impl Statement {
    /// Where it belongs.
    pub const fn section(&self) -> Section {
        match self {
            Self::Consent(_) => Section::Consents,
            Self::Request(_) => Section::Requests,
            Self::Look(_) => Section::Looks,
            Self::Recipient(_) => Section::Recipients,
        }
    }

    /// When it was.
    pub const fn time(&self) -> Micros {
        match self {
            Self::Consent(of) => of.time,
            Self::Request(of) => of.time,
            Self::Look(of) => of.time,
            Self::Recipient(of) => of.time,
        }
    }

    /// The name of whoever did it, which may be another's.
    pub const fn by(&mut self) -> Option<&mut String> {
        match self {
            Self::Consent(of) => of.by.as_mut(),
            Self::Look(of) => of.by.as_mut(),
            Self::Request(_) | Self::Recipient(_) => None,
        }
    }

    /// Its line, without an end.
    ///
    /// # Errors
    /// None that a statement of this crate can give rise to.
    pub fn to_line(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|_| Error::invalid("a statement can't be written"))
    }

    /// Reads a line without its end; `None` for whatever is none. There is one form: it prints as the same bytes.
    pub fn read(line: &[u8]) -> Option<Self> {
        // Cheap, for every line of an import is asked.
        if !line.starts_with(b"{\"section\":") {
            return None;
        }
        let of: Self = serde_json::from_slice(line).ok()?;
        of.to_line().is_ok_and(|again| again.as_bytes() == line).then_some(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Statement {
        Statement::Look(Look {
            time: Micros(1),
            kind: "opened".into(),
            act: "record".into(),
            records: None,
            by: Some("kim \"\u{2028}".into()),
            purpose: Some("complaint".into()),
            case: None,
            id: "act/00".into(),
            seq: 7,
        })
    }

    #[test]
    fn there_is_one_form() {
        let line = look().to_line().unwrap();
        assert_eq!(Statement::read(line.as_bytes()), Some(look()));
        for wrong in [
            line.replace(",\"seq\":7", ",\"seq\": 7"),
            line.replace(",\"seq\":7", ",\"seq\":7,\"body\":\"x\""),
            line.replace(",\"case\":null", ""),
            line.replace("look", "talk"),
            format!("{line} "),
        ] {
            assert_eq!(Statement::read(wrong.as_bytes()), None, "{wrong}");
        }
        for end in 0..line.len() {
            assert_eq!(Statement::read(&line.as_bytes()[..end]), None);
        }
    }

    #[test]
    fn sections_are_counted_in_their_order() {
        let mut told = Told::default();
        told.add(look().section());
        assert_eq!((told.all(), told.of(Section::Looks), told.counts), (1, 1, [0, 0, 1, 0]));
        assert!(Section::ALL.iter().enumerate().all(|(i, section)| *section as usize == i));
    }
}
