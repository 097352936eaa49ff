//! `gate`: which purposes the people of a record must allow for it to be taken in.

use clap::{Subcommand, ValueEnum};
use escrowdb::register::Event;
use escrowdb::register::settings::{self, Gate, GateRule};

use crate::args::Global;
use crate::commands::register;
use crate::engine;
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what becomes of records without consent, and what is asked of which.
    Show,
    /// Say what becomes of a record whose person has not consented.
    Set {
        /// It is taken, refused, or taken and restricted until there is a consent.
        #[arg(long, value_enum)]
        mode: Mode,
    },
    /// Say which purposes a record is kept for.
    #[command(subcommand)]
    Rule(Rule),
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::Show)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rule {
    /// Ask one thing more.
    Add {
        /// Which records: conditions as of a retention class, such as kind:message; * is all.
        #[arg(long, value_name = "COND", allow_hyphen_values = true)]
        when: String,
        /// A purpose that they are kept for; may be given again, and all must be allowed.
        #[arg(long = "for", value_name = "PURPOSE", required = true)]
        purposes: Vec<String>,
    },
    /// Ask nothing any more.
    Clear,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Mode {
    /// Take it: nothing is asked.
    Open,
    /// Refuse it.
    Refuse,
    /// Take it, and restrict it until there is a consent.
    Quarantine,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let rules = |rules| settings::Event { gate_rules: Some(rules), ..settings::Event::default() };
    match command {
        Command::Show => show(global, out),
        Command::Set { mode } => {
            let gate = match mode {
                Mode::Open => Gate::Open,
                Mode::Refuse => Gate::Refuse,
                Mode::Quarantine => Gate::Quarantine,
            };
            let event = settings::Event { gate: Some(gate), ..settings::Event::default() };
            register::alone(global, out, "set", Event::Settings(event))
        }
        Command::Rule(Rule::Clear) => {
            register::alone(global, out, "cleared", Event::Settings(rules(Vec::new())))
        }
        Command::Rule(Rule::Add { when, purposes }) => {
            let store = engine::open(global)?;
            let mut all: Vec<GateRule> =
                store.registers().settings.gate_rules.iter().map(|(_, rule)| rule.clone()).collect();
            all.push(GateRule { when: when.clone(), purposes: purposes.clone() });
            let seq = register::change(&store, global, Event::Settings(rules(all)))?;
            store.close()?;
            register::say(out, "added", seq)
        }
    }
}

fn show(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let registers = store.registers();
    let settings = &registers.settings;
    if out.json() {
        let rule = |rule: &GateRule| {
            Object::new().text("when", &rule.when).texts("purposes", &rule.purposes).finish()
        };
        let rules: Vec<String> = settings.gate_rules.iter().map(|(_, of)| rule(of)).collect();
        let mut line = Object::new();
        line.text("mode", mode(settings.gate)).raw("rules", &array(&rules));
        return Ok(out.line(&line.finish())?);
    }
    let mut rows = vec![vec!["mode".to_owned(), mode(settings.gate).to_owned()]];
    for (_, rule) in &settings.gate_rules {
        rows.push(vec![clean(&rule.when), rule.purposes.join(" ")]);
    }
    Ok(out.table(&rows)?)
}

pub(crate) const fn mode(gate: Gate) -> &'static str {
    match gate {
        Gate::Open => "open",
        Gate::Refuse => "refuse",
        Gate::Quarantine => "quarantine",
    }
}
