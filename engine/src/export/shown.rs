//! The records of a proof of the second sort, as the file beside it shows them.

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::export::check::Source;
use crate::export::form::FormLine;
use crate::export::line::{HEADER_OF_FORM, Line, names};
use crate::export::lines::Lines;
use crate::export::statement::Statement;
use crate::id::{PersonNumber, Seq};
use crate::query::hit::Hit;
use crate::record::Stored;
use crate::record::jsonl::Shown;

/// What stands in a proof of the second sort, so far as the file shows it.
pub enum Part {
    /// Of what form the file is; it comes first.
    Form(FormLine),
    /// A record, people by name.
    Record(Box<Hit>),
    /// What it says beside the records.
    Told(Box<Statement>),
}

/// Hands out what the file beside a proof shows, in its order, until `each` answers false. Whoever makes that
/// form of these records has the file again, byte for byte. Nothing comes of a proof of the first sort: its
/// records stand in the file.
///
/// Nothing is checked here: [`check`](super::check()) comes first.
///
/// # Errors
/// A proof that can't be read, *corrupt* where a line is none; what `each` fails with.
pub fn shown<E: From<Error>>(
    proof: Source<'_>,
    mut each: impl FnMut(Part) -> std::result::Result<bool, E>,
) -> std::result::Result<(), E> {
    let mut lines = Lines::new(proof()?);
    if line(&mut lines)? != HEADER_OF_FORM {
        return Ok(());
    }
    line(&mut lines)?;
    let form = FormLine::parse(&line(&mut lines)?).ok_or_else(none)?;
    let mut goes_on = each(Part::Form(form))?;
    let mut known: HashMap<PersonNumber, String> = HashMap::new();
    while goes_on {
        let text = line(&mut lines)?;
        if text.is_empty() {
            break;
        }
        let hit = match Line::parse(text.as_bytes())? {
            Line::Told(text) => {
                let statement = Statement::read(text.as_bytes()).ok_or_else(none)?;
                goes_on = each(Part::Told(Box::new(statement)))?;
                continue;
            }
            Line::Opened { seq, opening } => {
                named(seq, Stored::decode(&opening.canonical).map_err(|_| none())?, &known)
            }
            Line::Shown(text) => read(&text)?,
            of @ (Line::Person { .. } | Line::Named { .. }) => {
                known.extend(names(&of));
                continue;
            }
            Line::Record(_) | Line::Node(_) => continue,
        };
        goes_on = each(Part::Record(Box::new(hit)))?;
    }
    Ok(())
}

fn named(seq: Seq, of: Stored, known: &HashMap<PersonNumber, String>) -> Hit {
    let author = known.get(&of.author).cloned();
    let subjects = of.subjects.iter().filter_map(|number| known.get(number).cloned()).collect();
    hit(seq, author, subjects, of)
}

/// A record as a line of JSON shows it.
fn read(line: &str) -> Result<Hit> {
    let shown = Shown::read(line.as_bytes()).map_err(|_| none())?;
    Ok(hit(Seq(0), shown.author, shown.subjects, shown.record))
}

fn hit(seq: Seq, author: Option<String>, subjects: Vec<String>, of: Stored) -> Hit {
    Hit {
        seq,
        author,
        subjects,
        id: of.id,
        conversation: of.conversation,
        time: of.time,
        channel: of.channel,
        kind: of.kind,
        tags: of.tags,
        body: of.body,
        reply_to: of.reply_to,
        target: of.target,
        score: None,
        snippet: None,
        extra: of.extra,
        cursor: String::new(),
    }
}

/// The next line without its end; empty behind the last.
fn line(lines: &mut Lines) -> Result<String> {
    let line = lines.next("the proof")?.unwrap_or_default();
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    std::str::from_utf8(line).map(str::to_owned).map_err(|_| none())
}

fn none() -> Error {
    Error::corrupt("it is no proof of an export")
}
