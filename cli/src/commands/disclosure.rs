//! `disclosure`: what was given to others, who has it, and whether they were told of an erasure.

use clap::Subcommand;
use escrowdb::id::{Micros, PersonNumber};
use escrowdb::register::Event;
use escrowdb::register::disclosure::{self, About, Given};

use crate::args::Global;
use crate::commands::register;
use crate::engine::{self, Store};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register something that was given away; `export --recipient` does so itself.
    Add(Add),
    /// Show what was given away.
    List,
    /// Record that the recipient was told of an erasure (GDPR article 19).
    Tell {
        /// Its code.
        code: String,
        /// How: mail, phone.
        #[arg(long, value_name = "M")]
        method: String,
    },
    /// Record that it is destroyed there.
    Destroyed {
        /// Its code.
        code: String,
        /// When that was. Default: now.
        #[arg(long, value_name = "T", value_parser = register::instant)]
        at: Option<Micros>,
    },
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::List)
    }
}

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Add {
    /// A code for it, which is used once.
    code: String,
    /// Who got it.
    #[arg(long, value_name = "R")]
    recipient: String,
    /// Whose records they are; may be given again.
    #[arg(long, group = "what", value_name = "X")]
    subject: Vec<String>,
    /// They are of so many that anybody may be among them.
    #[arg(long, group = "what")]
    many: bool,
    /// Form of what was given: jsonl, paper.
    #[arg(long, value_name = "F")]
    format: String,
    /// How many records.
    #[arg(long, value_name = "N")]
    records: u64,
    /// SHA-256 of the file, if it is one.
    #[arg(long, value_name = "HEX", default_value = "")]
    sha256: String,
    /// When it must be destroyed there.
    #[arg(long, value_name = "DATE", value_parser = register::instant)]
    expires: Option<Micros>,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Add(args) => add(args, global, out),
        Command::List => list(global, out),
        Command::Tell { code, method } => {
            let event = disclosure::Event::Tell { code: code.clone(), method: method.clone() };
            register::alone(global, out, "told", Event::Disclosure(event))
        }
        Command::Destroyed { code, at } => {
            let at = at.unwrap_or_else(register::now);
            let event = disclosure::Event::Destroyed { code: code.clone(), at };
            register::alone(global, out, "destroyed", Event::Disclosure(event))
        }
    }
}

fn add(args: &Add, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut numbers = Vec::new();
    for person in &args.subject {
        numbers.push(store.number_of(person)?.0);
    }
    let given = Given {
        code: args.code.clone(),
        about: about(numbers, args.many),
        records: args.records,
        format: args.format.clone(),
        digest: args.sha256.clone(),
        recipient: args.recipient.clone(),
        expires: args.expires,
    };
    let seq = register::change(&store, global, Event::Disclosure(disclosure::Event::Give(given)))?;
    store.close()?;
    register::say(out, "registered", seq)
}

/// Whose records they are, by number: of more than can be named, anybody's.
pub(super) fn about(mut numbers: Vec<u64>, many: bool) -> About {
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        _ if many => About::Many,
        [one] => About::Person(*one),
        all if all.len() > PEOPLE_MAX => About::Many,
        _ => About::People(numbers),
    }
}

/// People that a disclosure names at most.
pub(super) const PEOPLE_MAX: usize = 1000;

fn list(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let (mut rows, now) = (Vec::new(), register::now());
    for of in store.registers().disclosures.iter() {
        let given = &of.given;
        let whose = whose(&store, &given.about)?;
        if out.json() {
            let mut line = Object::new();
            line.text("code", &given.code).text("recipient", &given.recipient).text("about", &whose);
            line.number("records", given.records).text("format", &given.format).text("sha256", &given.digest);
            register::put_when(&mut line, "given", Some(of.at));
            line.number("seq", of.seq.0);
            register::put_when(&mut line, "expires", given.expires);
            register::put_when(&mut line, "told", of.told);
            register::put_when(&mut line, "destroyed", of.destroyed);
            line.flag("out", of.is_out(now));
            out.line(&line.finish())?;
            continue;
        }
        rows.push(vec![
            given.code.clone(),
            clean(&given.recipient),
            whose,
            given.records.to_string(),
            given.format.clone(),
            if of.is_out(now) { "out" } else { "gone" }.to_owned(),
            register::when(given.expires),
            register::when(of.told),
        ]);
    }
    let headings = ["code", "recipient", "about", "records", "format", "state", "expires", "told"];
    register::table(out, &headings, rows)
}

fn whose(store: &Store, about: &About) -> Result<String, Failure> {
    Ok(match about {
        About::Person(number) => register::name(store, PersonNumber(*number))?,
        About::People(all) => format!("{} people", all.len()),
        About::Many => "many".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_can_be_named_are_many() {
        assert_eq!(about(vec![3, 3], false), About::Person(3));
        assert_eq!(about(vec![4, 3], false), About::People(vec![3, 4]));
        assert_eq!(about(Vec::new(), true), About::Many);
        assert_eq!(about((0..=PEOPLE_MAX as u64).collect(), false), About::Many);
    }
}
