//! `hold`: what must stay, whatever else says that it goes. Restrictions are placed alike.

use clap::Subcommand;
use escrowdb::id::{Micros, PersonNumber};
use escrowdb::register::Event;
use escrowdb::register::hold::{self, Effect, Hold, Placed, Scope};
use escrowdb_server::shape::hold_json;

use crate::args::Global;
use crate::commands::register;
use crate::engine::{self, Store};
use crate::exit::Failure;
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep what a person, a conversation or a query names from being removed, hidden or changed.
    Place(Place),
    /// Lift a hold.
    Release(Release),
    /// Somebody looked: it stays, until it is looked at again.
    Review {
        /// Its code.
        code: String,
        /// The next time.
        #[arg(long, value_name = "DATE", value_parser = register::instant)]
        next: Micros,
    },
    /// Show holds that stand.
    List(List),
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::List(_))
    }
}

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Place {
    /// A code for it, which is used once.
    code: String,
    /// Everything of a person.
    #[arg(long, group = "what", value_name = "X")]
    subject: Option<String>,
    /// A conversation.
    #[arg(long, group = "what", value_name = "C")]
    conversation: Option<String>,
    /// Whatever a query finds, and will find.
    #[arg(long, group = "what", value_name = "Q", allow_hyphen_values = true)]
    query: Option<String>,
    /// The matter or case.
    #[arg(long, value_name = "M")]
    matter: String,
    /// The law or the reason it rests on.
    #[arg(long, value_name = "G")]
    ground: String,
    /// When somebody is to look whether it is still needed.
    #[arg(long, value_name = "DATE", value_parser = register::instant)]
    review: Option<Micros>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Release {
    /// Its code.
    pub(super) code: String,
    /// Why.
    #[arg(long, value_name = "R")]
    pub(super) reason: String,
}

#[derive(clap::Args, Debug)]
pub(crate) struct List {
    /// Also those that were lifted.
    #[arg(long)]
    pub(super) all: bool,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Place(args) => {
            let store = engine::open(global)?;
            let scope = match (&args.subject, &args.conversation, &args.query) {
                (Some(person), ..) => Scope::Person(store.number_of(person)?.0),
                (_, Some(conversation), _) => Scope::Conversation(conversation.clone()),
                (.., Some(query)) => {
                    // What can't be asked can't be held.
                    engine::session(&store, global).count(query)?;
                    Scope::Query { text: query.clone(), at: register::now() }
                }
                _ => return Err(Failure::usage("name what is to be held")),
            };
            let seq = place(
                &store,
                global,
                Hold {
                    code: args.code.clone(),
                    effect: Effect::Hold,
                    scope,
                    matter: args.matter.clone(),
                    ground: args.ground.clone(),
                    review: args.review,
                },
            )?;
            store.close()?;
            register::say(out, "placed", seq)
        }
        Command::Release(args) => release(Effect::Hold, args, global, out),
        Command::Review { code, next } => {
            let event = hold::Event::Review { code: code.clone(), next: *next };
            register::alone(global, out, "reviewed", Event::Hold(event))
        }
        Command::List(args) => list(Effect::Hold, args, global, out),
    }
}

pub(super) fn place(store: &Store, global: &Global, hold: Hold) -> Result<escrowdb::id::Seq, Failure> {
    register::change(store, global, Event::Hold(hold::Event::Place(hold)))
}

pub(super) fn release(effect: Effect, args: &Release, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    if store.registers().holds.get(&args.code).is_none_or(|placed| placed.hold.effect != effect) {
        return Err(Failure::not_found(match effect {
            Effect::Hold => "no such hold",
            Effect::Restrict => "no such restriction",
        }));
    }
    let event = hold::Event::Release { code: args.code.clone(), reason: args.reason.clone() };
    let seq = register::change(&store, global, Event::Hold(event))?;
    store.close()?;
    register::say(out, "released", seq)
}

pub(super) fn list(effect: Effect, args: &List, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut rows = Vec::new();
    let is_wanted =
        |placed: &&Placed| placed.hold.effect == effect && (args.all || placed.released.is_none());
    for placed in store.registers().holds.iter().filter(is_wanted) {
        let (kind, what) = scope(&store, &placed.hold.scope)?;
        let hold = &placed.hold;
        let is_due = placed.is_review_due(register::now());
        if out.json() {
            out.line(&hold_json(&store, placed, register::now())?)?;
            continue;
        }
        rows.push(vec![
            hold.code.clone(),
            kind.to_owned(),
            clean(&what),
            clean(&hold.matter),
            clean(&hold.ground),
            format!("{}{}", register::when(hold.review), if is_due { " (due)" } else { "" }),
            register::when(placed.released),
        ]);
    }
    register::table(out, &["code", "scope", "what", "matter", "ground", "review", "released"], rows)
}

/// A scope as people read it.
fn scope(store: &Store, scope: &Scope) -> Result<(&'static str, String), Failure> {
    Ok(match scope {
        Scope::Person(number) => ("person", register::name(store, PersonNumber(*number))?),
        Scope::Conversation(name) => ("conversation", name.clone()),
        Scope::Query { text, .. } => ("query", text.clone()),
    })
}
