//! Every export is registered before it takes its name: who has it, and whose records it holds.

use escrowdb::export::{Asked, Others};
use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::disclosure::{self, About, Given};

use crate::args::Global;
use crate::commands::disclosure::{PEOPLE_MAX, about};
use crate::commands::register;
use crate::engine::{Reading, Store};
use crate::exit::Failure;

use super::Made;

/// The first format that has registers.
const FORMAT_WITH_REGISTERS: u32 = 4;

/// Who has what nobody said that he gets it: whoever called the program.
const NOBODY_NAMED: &str = "not named";

/// How exports are registered.
pub(crate) struct Register<'a> {
    pub(crate) store: &'a Store,
    pub(crate) global: &'a Global,
    /// The query for what is exported.
    pub(crate) query: &'a str,
    pub(crate) recipient: Option<&'a str>,
    pub(crate) expires: Option<Micros>,
}

impl Register<'_> {
    /// Registers an export under the beginning of its digest. Answers the code; `None` in a store of an older format,
    /// which has no registers.
    pub(super) fn register(&self, made: &Made, reading: &Reading) -> Result<Option<String>, Failure> {
        let is_told = self.recipient.is_some() || self.expires.is_some();
        if !is_told && self.store.format() < FORMAT_WITH_REGISTERS {
            return Ok(None);
        }
        let about = self.about(made, reading)?;
        let digest = made.sha256();
        let registers = self.store.registers();
        let short = digest.get(..CODE_LEN).unwrap_or(&digest);
        // The same bytes may be given to several.
        let mut codes = (1u32..).map(|n| if n == 1 { short.to_owned() } else { format!("{short}-{n}") });
        let free = codes.find(|code| registers.disclosures.get(code).is_none());
        let code = free.unwrap_or_else(|| short.to_owned());
        let given = Given {
            code: code.clone(),
            about,
            records: made.count,
            format: made.format.clone(),
            digest,
            recipient: self.recipient.unwrap_or(NOBODY_NAMED).to_owned(),
            expires: self.expires,
        };
        register::change(self.store, self.global, Event::Disclosure(disclosure::Event::Give(given)))?;
        Ok(Some(code))
    }

    /// Whose records are in it.
    fn about(&self, made: &Made, reading: &Reading) -> Result<About, Failure> {
        let names = match (&made.asked, &made.terms.package) {
            // What others wrote stands there as it is.
            (Asked::Subject(_), Some(package)) if package.others == Others::Included => {
                return Ok(About::Many);
            }
            (Asked::Subject(subject), _) => vec![subject.clone()],
            _ => {
                let mut names = Vec::new();
                for field in ["subject", "author"] {
                    let found = reading.facet(self.query, field)?;
                    if found.len() > PEOPLE_MAX {
                        return Ok(About::Many);
                    }
                    names.extend(found.into_iter().map(|(name, _)| name));
                }
                names
            }
        };
        let numbers: Result<_, _> = names.iter().map(|name| Ok(self.store.number_of(name)?.0)).collect();
        numbers.map(|numbers| about(numbers, false))
    }
}

/// Digits of a digest in a code.
const CODE_LEN: usize = 16;
