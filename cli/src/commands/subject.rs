//! `subject`: who a person is, and which identifiers are one person.

use clap::Subcommand;
use escrowdb::record::time;

use crate::args::Global;
use crate::engine::{self, PersonView};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a person.
    Show {
        /// One of the person's identifiers.
        identifier: String,
    },
    /// Say that two identifiers are one person: they are erased together from now on.
    Link {
        /// An identifier.
        a: String,
        /// Another one.
        b: String,
    },
    /// Take that back. Others to whom both are linked still hold them together.
    Unlink {
        /// An identifier.
        a: String,
        /// Another one.
        b: String,
    },
    /// Give a person another identifier: whoever is named so from now on is that person.
    AddIdentifier {
        /// One of the person's identifiers.
        identifier: String,
        /// The other one, which nobody has.
        new: String,
    },
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    match command {
        Command::Show { identifier } => {
            let person = engine::session(&store, global).person(identifier)?;
            if out.json() {
                out.line(&to_json(&person))?;
            } else {
                out.table(&to_rows(&person))?;
            }
        }
        Command::Link { a, b } => {
            store.link_as(&engine::as_named(global), a, b)?;
            store.close()?;
            done("linked", out)?;
        }
        Command::Unlink { a, b } => {
            store.unlink_as(&engine::as_named(global), a, b)?;
            store.close()?;
            done("unlinked", out)?;
        }
        Command::AddIdentifier { identifier, new } => {
            store.add_identifier_as(&engine::as_named(global), identifier, new)?;
            store.close()?;
            done("added", out)?;
        }
    }
    Ok(())
}

fn done(what: &str, out: &mut Out) -> Result<(), Failure> {
    let line = if out.json() { Object::new().flag(what, true).finish() } else { what.to_owned() };
    Ok(out.line(&line)?)
}

fn to_json(person: &PersonView) -> String {
    Object::new()
        .number("number", person.number.0)
        .text("handle", &person.handle.to_string())
        .texts("identifiers", &person.identifiers)
        .texts("linked", &person.linked)
        .number("records", person.records)
        .maybe("first", person.first.map(time::format).as_deref())
        .maybe("last", person.last.map(time::format).as_deref())
        .finish()
}

fn to_rows(person: &PersonView) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let instant = |t: Option<_>| t.map_or_else(|| "-".to_owned(), time::format);
    let linked = if person.linked.is_empty() { "-".to_owned() } else { clean(&person.linked.join(" ")) };
    vec![
        row("identifiers", clean(&person.identifiers.join(" "))),
        row("number", person.number.to_string()),
        row("handle", person.handle.to_string()),
        row("linked to", linked),
        row("records", person.records.to_string()),
        row("first", instant(person.first)),
        row("last", instant(person.last)),
    ]
}
