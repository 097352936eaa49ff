//! `restrict`: what is hidden from all but holders of a case (GDPR article 18).

use clap::Subcommand;
use escrowdb::register::hold::{Effect, Hold, Scope};

use crate::args::Global;
use crate::commands::{hold, register};
use crate::engine;
use crate::exit::Failure;
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hide a person's records or a conversation.
    Place(Place),
    /// Lift a restriction.
    Release(hold::Release),
    /// Show restrictions that stand.
    List(hold::List),
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
    /// A code for it, which is used once, among holds too.
    code: String,
    /// Everything of a person.
    #[arg(long, group = "what", value_name = "X")]
    subject: Option<String>,
    /// A conversation.
    #[arg(long, group = "what", value_name = "C")]
    conversation: Option<String>,
    /// The matter or case: who names it with --case reads on.
    #[arg(long, value_name = "M")]
    matter: String,
    /// The law or the reason it rests on.
    #[arg(long, value_name = "G")]
    ground: String,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Place(args) => {
            let store = engine::open(global)?;
            let scope = match (&args.subject, &args.conversation) {
                (Some(person), _) => Scope::Person(store.number_of(person)?.0),
                (_, Some(conversation)) => Scope::Conversation(conversation.clone()),
                _ => return Err(Failure::usage("name what is to be restricted")),
            };
            let seq = hold::place(
                &store,
                global,
                Hold {
                    code: args.code.clone(),
                    effect: Effect::Restrict,
                    scope,
                    matter: args.matter.clone(),
                    ground: args.ground.clone(),
                    review: None,
                },
            )?;
            store.close()?;
            register::say(out, "placed", seq)
        }
        Command::Release(args) => hold::release(Effect::Restrict, args, global, out),
        Command::List(args) => hold::list(Effect::Restrict, args, global, out),
    }
}
