//! `gate`: which purposes the people of a record must allow for it to be taken in.

use clap::{Subcommand, ValueEnum};
use escrowdb::record::time;
use escrowdb::register::Event;
use escrowdb::register::settings::{self, Gate, GateRule};

use crate::args::Global;
use crate::commands::register;
use crate::engine::{self, Quarantined};
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what becomes of records without consent, and what is asked of which.
    Show,
    /// Say what becomes of a record whose person has not consented.
    Set {
        /// It is taken, refused, or taken and found by nobody until it is released.
        #[arg(long, value_enum)]
        mode: Mode,
    },
    /// Say which purposes a record is kept for.
    #[command(subcommand)]
    Rule(Rule),
    /// What is in quarantine.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Release from quarantine what its people allow by now. Name yourself: --as ACTOR.
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Release {
        /// The record.
        #[arg(group = "what")]
        id: Option<String>,
        /// Its conversation, if the id stands in several.
        #[arg(long, value_name = "C", requires = "id")]
        conversation: Option<String>,
        /// Whatever is of a person and may be released.
        #[arg(long, group = "what", value_name = "X")]
        subject: Option<String>,
        /// Whatever may be released.
        #[arg(long, group = "what")]
        all: bool,
    },
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::Show | Self::Quarantine(_))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// Show what is there, without what it says: what is missing, and until when it stays.
    List,
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
    /// Take it, and let nobody find it until it is released, for which there must be a consent.
    Quarantine,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let rules = |rules| settings::Event { gate_rules: Some(rules), ..settings::Event::default() };
    match command {
        Command::Show => show(global, out),
        Command::Quarantine(Quarantine::List) => list(global, out),
        Command::Release { id, conversation, subject, .. } => {
            let one = id.as_deref().map(|id| (id, conversation.as_deref()));
            release(one, subject.as_deref(), global, out)
        }
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

fn list(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let all = engine::session(&store, global).quarantined()?;
    store.close()?;
    if out.json() {
        return all.iter().try_for_each(|one| Ok(out.line(&line(one))?));
    }
    let head = ["id", "conversation", "time", "kind", "subjects", "missing", "until"];
    let row = |one: &Quarantined| {
        vec![
            clean(&one.id),
            clean(&one.conversation),
            time::format(one.time),
            one.kind.name().to_owned(),
            clean(&one.subjects.join(" ")),
            if one.missing.is_empty() { "-".to_owned() } else { one.missing.join(" ") },
            one.until.map_or_else(|| "-".to_owned(), time::format),
        ]
    };
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned).to_vec()).chain(all.iter().map(row)).collect();
    Ok(out.table(&rows)?)
}

fn line(one: &Quarantined) -> String {
    let mut line = Object::new();
    line.number("seq", one.seq.0).text("id", &one.id).text("conversation", &one.conversation);
    line.maybe("author", one.author.as_deref()).texts("subjects", &one.subjects);
    line.text("time", &time::format(one.time)).text("channel", &one.channel).text("kind", one.kind.name());
    line.maybe("came", one.came.map(time::format).as_deref());
    line.maybe("until", one.until.map(time::format).as_deref()).texts("missing", &one.missing);
    line.finish()
}

/// Releases one record, or what may be of a person's or of all.
fn release(
    one: Option<(&str, Option<&str>)>,
    subject: Option<&str>,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let session = engine::as_named(global);
    if let Some((id, conversation)) = one {
        let seq = store.release(&session, id, conversation)?;
        store.close()?;
        return register::say(out, "released", seq);
    }
    let all = engine::session(&store, global).quarantined()?;
    let of =
        |one: &&Quarantined| subject.is_none_or(|subject| one.subjects.iter().any(|name| name == subject));
    let (mut released, mut left) = (0, 0);
    for one in all.iter().filter(of) {
        if one.missing.is_empty() {
            store.release(&session, &one.id, Some(&one.conversation))?;
            released += 1;
        } else {
            left += 1;
        }
    }
    store.close()?;
    if out.json() {
        return Ok(out.line(&Object::new().number("released", released).number("left", left).finish())?);
    }
    Ok(out.line(&format!("{released} released, {left} left: there is no consent for them"))?)
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
