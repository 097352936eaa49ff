//! What a manifest says of an access package, and of those to whom an export was encrypted.

use serde_json::{Map, Value};

use crate::export::members::{Members, text, texts};
use crate::export::statement::{Section, Told};

/// Why records of a package have no proof of their own.
pub const WHY_UNPROVED: &str = "their proof would open who the others are";

/// How the messages and names of others stand in an access package (GDPR Art. 15(4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Their messages stand there, they under names made for this export.
    Pseudonym,
    /// Their messages are counted only; where they stand in records of the person's own, as pseudonyms.
    Withheld,
    /// As they are.
    Included,
}

impl Others {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pseudonym, Self::Withheld, Self::Included];

    /// Its name in manifests and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pseudonym => "pseudonym",
            Self::Withheld => "withheld",
            Self::Included => "included",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|others| others.name() == name)
    }
}

/// What an access package holds: records of a person, and what others wrote in the conversations that she
/// takes part in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// How others stand in it.
    pub others: Others,
    /// Identifiers under which the person stands in the file.
    pub names: Vec<String>,
    /// Records of her own: by her, or about her.
    pub own: u64,
    /// Records of others.
    pub of_others: u64,
    /// Records of others that were left out.
    pub withheld: u64,
    /// Others who stand in the file, under whatever name.
    pub people: u64,
    /// Records without a proof of their own: the signer's word.
    pub unproved: u64,
    /// Further fields that were left out because they may tell who the others are.
    pub fields: u64,
    /// What it says beside the records; `None` in packages that say nothing.
    pub told: Option<Told>,
}

/// What manifests of version 3 say in addition, and those of version 4 with a package that says something beside
/// its records; with none of it the version is 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Of an access package.
    pub package: Option<Package>,
    /// Public keys to which the files were encrypted.
    pub recipients: Vec<String>,
}

impl Terms {
    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn put(&self, s: &mut Members) {
        match &self.package {
            None => s.raw("package", "null"),
            Some(package) => s.raw("package", package.to_json()),
        };
        s.texts("recipients", &self.recipients);
    }

    pub(super) fn of(all: &Map<String, Value>) -> Option<Self> {
        let package = match all.get("package")? {
            Value::Null => None,
            Value::Object(of) => Some(Package::of(of)?),
            _ => return None,
        };
        Some(Self { package, recipients: texts(all, "recipients")? })
    }
}

impl Package {
    fn to_json(&self) -> String {
        let mut s = Members::new();
        s.text("others", self.others.name()).texts("names", &self.names).raw("own", self.own);
        s.raw("of_others", self.of_others).raw("withheld", self.withheld).raw("people", self.people);
        s.raw("fields", self.fields).raw("unproved", self.unproved);
        s.maybe("why", (self.unproved > 0).then_some(WHY_UNPROVED));
        if let Some(told) = &self.told {
            let mut counts = Members::new();
            for section in Section::ALL {
                counts.raw(section.name(), told.of(section));
            }
            s.raw("told", counts.finish());
        }
        s.finish()
    }

    /// Whatever is wrong with `why` the comparison of the whole finds.
    fn of(of: &Map<String, Value>) -> Option<Self> {
        let count = |name: &str| of.get(name)?.as_u64();
        let told = match of.get("told") {
            None => None,
            Some(Value::Object(of)) => {
                let mut told = Told::default();
                for (section, count) in Section::ALL.into_iter().zip(&mut told.counts) {
                    *count = of.get(section.name())?.as_u64()?;
                }
                Some(told)
            }
            Some(_) => return None,
        };
        Some(Self {
            others: Others::parse(&text(of, "others")?)?,
            names: texts(of, "names")?,
            own: count("own")?,
            of_others: count("of_others")?,
            withheld: count("withheld")?,
            people: count("people")?,
            unproved: count("unproved")?,
            fields: count("fields")?,
            told,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own() {
        for others in Others::ALL {
            assert_eq!(Others::parse(others.name()), Some(others));
        }
        assert_eq!(Others::parse("Withheld"), None);
    }
}
