//! What is given away is registered: who has it, and whose records it holds.

use escrowdb::export::Others;
use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::disclosure::{self, About, Given};

use crate::args::Global;
use crate::commands::disclosure::about;
use crate::commands::register;
use crate::engine::{Reading, Store};
use crate::exit::Failure;

use super::{Args, Made};

/// Whose records are in an export, by identifier; `None` if that may be anybody.
pub(super) fn people(args: &Args, reading: &Reading, query: &str) -> Result<Option<Vec<String>>, Failure> {
    match (&args.subject, args.others) {
        // What others wrote stands there as it is.
        (Some(_), Some(Others::Included)) => Ok(None),
        (Some(subject), _) => Ok(Some(vec![subject.clone()])),
        _ => Ok(Some(reading.facet(query, "subject")?.into_iter().map(|(name, _)| name).collect())),
    }
}

/// Registers an export under the beginning of its digest. Answers the code.
pub(super) fn register(
    store: &Store,
    global: &Global,
    made: &Made,
    people: Option<Vec<String>>,
    (recipient, expires): (&str, Option<Micros>),
) -> Result<String, Failure> {
    let about = match people {
        None => About::Many,
        Some(names) => {
            let mut numbers = Vec::new();
            for name in names {
                numbers.push(store.number_of(&name)?.0);
            }
            about(numbers, false)
        }
    };
    let digest = made.sha256();
    let registers = store.registers();
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
        recipient: recipient.to_owned(),
        expires,
    };
    register::change(store, global, Event::Disclosure(disclosure::Event::Give(given)))?;
    Ok(code)
}

/// Digits of a digest in a code.
const CODE_LEN: usize = 16;
