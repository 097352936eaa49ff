//! `subject`: who a person is, and which identifiers are one person.

use clap::Subcommand;
use escrowdb::record::time;

use crate::args::Global;
use crate::commands::certified::{self, Certified};
use crate::engine::{self, PersonView};
use crate::exit::Failure;
use crate::json::Object;
use crate::lent::Opened;
use crate::out::{Out, clean};
use escrowdb_server::shape::person_json;

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
    /// Put a right name in the place of a wrong one, for good (GDPR article 16).
    ///
    /// The person stays who it is, with all records; nothing in the store tells the old name any more, but for what
    /// people wrote, what was typed into rules, and consents that were given by it. A hold or a lock on anything of the person keeps the name.
    Rename {
        /// The name that goes; then it is nobody's.
        identifier: String,
        /// The one that takes its place: one that nobody has, or another of the same person.
        new: String,
        /// Change nothing, and make it the plan of the request that --approved names, whose hash somebody else approves.
        #[arg(long, requires = "approved", conflicts_with = "certificate")]
        plan: bool,
        #[command(flatten)]
        certified: Certified,
    },
    /// Take an identifier from a person who has others, for good.
    RemoveIdentifier {
        /// The one that goes.
        identifier: String,
        /// Change nothing, and make it the plan of the request that --approved names, whose hash somebody else approves.
        #[arg(long, requires = "approved", conflicts_with = "certificate")]
        plan: bool,
        #[command(flatten)]
        certified: Certified,
    },
}

impl Command {
    /// Whether it takes something away for good.
    pub(crate) const fn destroys(&self) -> bool {
        matches!(self, Self::Rename { plan: false, .. } | Self::RemoveIdentifier { plan: false, .. })
    }
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    match command {
        Command::Show { identifier } => {
            let person = engine::session(&store, global).person(identifier)?;
            if out.json() {
                out.line(&person_json(&person))?;
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
        Command::Rename { identifier, new, plan: true, certified } => {
            return plan(store, (identifier, Some(new)), certified, global, out);
        }
        Command::RemoveIdentifier { identifier, plan: true, certified } => {
            return plan(store, (identifier, None), certified, global, out);
        }
        Command::Rename { identifier, new, certified, .. } => {
            return take(store, (identifier, Some(new)), certified, global, out);
        }
        Command::RemoveIdentifier { identifier, certified, .. } => {
            return take(store, (identifier, None), certified, global, out);
        }
    }
    Ok(())
}

/// Makes it the plan of a request that a name goes.
fn plan(
    store: Opened,
    (identifier, new): (&str, Option<&str>),
    certified: &Certified,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let Some(code) = &certified.approved else {
        return Err(Failure::usage("--plan needs the request: --approved CODE"));
    };
    let agreed = store.plan_name_for(&engine::as_named(global), code, identifier, new)?;
    store.close()?;
    certified::print_agreed(&agreed, out)
}

/// Takes a name away.
fn take(
    store: Opened,
    (identifier, new): (&str, Option<&str>),
    certified: &Certified,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let place = certified.place(global)?;
    let before = certified::done_before(&store, certified.request_id)?;
    if before.is_none() && certified.asks("taking a name away", "give --yes if it is meant")? {
        certified::confirm_name(identifier)?;
    }
    let file = certified::file(place.as_ref())?;
    let options = certified.options(global, false);
    let certificate = match new {
        Some(new) => store.rename(identifier, new, &options),
        None => store.remove_identifier(identifier, &options),
    }?;
    certified::say_again(before);
    certified::answer(store, &certificate, file, out)
}

fn done(what: &str, out: &mut Out) -> Result<(), Failure> {
    let line = if out.json() { Object::new().flag(what, true).finish() } else { what.to_owned() };
    Ok(out.line(&line)?)
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
