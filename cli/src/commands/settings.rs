//! `settings`: what the store does of itself.

use clap::{Subcommand, ValueEnum};
use escrowdb::register::Event;
use escrowdb::register::settings;

use crate::args::Global;
use crate::commands::{gate, register};
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show all of them.
    Show,
    /// Change some; what is not named stays.
    Set(Set),
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::Show)
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Set {
    /// What a user's deletion does: hide, or hide and be erased by `retention run` behind the grace.
    #[arg(long, value_enum)]
    deletion: Option<Deletion>,
    /// Whether somebody else than who took a request in must approve what is done for it. It takes two
    /// people to switch it off.
    #[arg(long, value_enum)]
    four_eyes: Option<Switch>,
    /// How long evidence outlives an erased person: 3y, 30d.
    #[arg(long, value_name = "SPAN")]
    keep_evidence: Option<String>,
    /// How long behind the end of a hold what it kept is erased, and behind a deletion what it hid.
    #[arg(long, value_name = "SPAN")]
    grace: Option<String>,
    /// How long records stay in quarantine at most: 30d.
    #[arg(long, value_name = "SPAN")]
    quarantine: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Deletion {
    /// It hides.
    Hide,
    /// It hides, and is erased later.
    Erase,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Show => show(global, out),
        Command::Set(args) => {
            let event = settings::Event {
                deletion: args.deletion.map(|deletion| match deletion {
                    Deletion::Hide => settings::Deletion::Hide,
                    Deletion::Erase => settings::Deletion::Erase,
                }),
                four_eyes: args.four_eyes.map(|switch| matches!(switch, Switch::On)),
                keep_evidence: args.keep_evidence.clone(),
                grace: args.grace.clone(),
                quarantine: args.quarantine.clone(),
                ..settings::Event::default()
            };
            register::alone(global, out, "set", Event::Settings(event))
        }
    }
}

fn show(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let registers = store.registers();
    let settings = &registers.settings;
    let deletion = match settings.deletion {
        settings::Deletion::Hide => "hide",
        settings::Deletion::Erase => "erase",
    };
    let (kept, grace) = (settings.keep_evidence.to_string(), settings.grace.map(|span| span.to_string()));
    if out.json() {
        let mut line = Object::new();
        line.text("gate", gate::mode(settings.gate)).text("deletion", deletion);
        line.flag("four_eyes", settings.four_eyes).text("keep_evidence", &kept);
        line.flag("four_eyes_end_asked", settings.ends_four_eyes.is_some());
        line.maybe("grace", grace.as_deref()).text("quarantine", &settings.quarantine.to_string());
        return Ok(out.line(&line.finish())?);
    }
    let four_eyes = match (settings.four_eyes, settings.ends_four_eyes) {
        (false, _) => "off",
        (true, None) => "on",
        (true, Some(_)) => "on; one person wants them off, a second must say so too",
    };
    let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
    Ok(out.table(&[
        row("gate", gate::mode(settings.gate)),
        row("deletion", deletion),
        row("four eyes", four_eyes),
        row("keep evidence", &kept),
        row("grace", grace.as_deref().unwrap_or("-")),
        row("quarantine", &settings.quarantine.to_string()),
    ])?)
}
