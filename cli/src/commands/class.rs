//! `class`: what is kept how long.

use clap::{Subcommand, ValueEnum};
use escrowdb::register::Event;
use escrowdb::register::class::{Class, Event as ClassEvent, Start, Then};

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Define a class. It takes the records that come in from now on, unless one before it does.
    Define(Args),
    /// Lengthen the lock of a class, of what it holds too. A lock is never shortened.
    Lengthen {
        /// Code of the class.
        code: String,
        /// The new shortest time.
        #[arg(long, value_name = "SPAN")]
        lock: String,
    },
    /// Let a class take no more records. What it took it keeps.
    Retire {
        /// Code of the class.
        code: String,
    },
    /// Begin the time of a conversation's records, in a class that waits for an event.
    Begin {
        /// Code of the class.
        code: String,
        /// The conversation.
        #[arg(long, value_name = "C")]
        conversation: String,
    },
    /// Show the classes, and how many records each holds.
    List,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Code of the class.
    code: String,
    /// What people read.
    #[arg(long, value_name = "T")]
    title: String,
    /// Which records: kind: channel: tag: conversation: author:, with OR, NOT and parentheses; `*` is all.
    #[arg(long, value_name = "COND", allow_hyphen_values = true)]
    selector: String,
    /// From when the time runs.
    #[arg(long, value_enum, default_value_t = From::Time)]
    start: From,
    /// The shortest time: 30d, 6m, 3y.
    #[arg(long, value_name = "SPAN")]
    lock: Option<String>,
    /// The longest time.
    #[arg(long, value_name = "SPAN")]
    maximum: Option<String>,
    /// What happens when the longest time is over.
    #[arg(long, value_enum, default_value_t = What::Erase)]
    then: What,
    /// The law or the reason it rests on.
    #[arg(long, value_name = "G")]
    ground: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// The time of the record.
    Time,
    /// The last record of its conversation.
    ConversationEnd,
    /// When `class begin` says so.
    Event,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// `retention run` erases it.
    Erase,
    /// It is to be restricted; `retention status` counts it.
    Restrict,
    /// Somebody is to look at it; `retention status` counts it.
    Review,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let session = engine::as_named(global);
    let seq = match command {
        Command::List => return list(&store, out),
        Command::Define(args) => {
            let class = Class {
                code: args.code.clone(),
                number: store.registers().classes.next_number(),
                title: args.title.clone(),
                start: match args.start {
                    From::Time => Start::Time,
                    From::ConversationEnd => Start::ConversationEnd,
                    From::Event => Start::Event,
                },
                lock: args.lock.clone(),
                maximum: args.maximum.clone(),
                then: match args.then {
                    What::Erase => Then::Erase,
                    What::Restrict => Then::Restrict,
                    What::Review => Then::Review,
                },
                ground: args.ground.clone(),
                selector: args.selector.clone(),
            };
            store.change(&session, Event::Class(ClassEvent::Define(class)))?
        }
        Command::Lengthen { code, lock } => {
            let event = ClassEvent::Lengthen { code: code.clone(), lock: lock.clone() };
            store.change(&session, Event::Class(event))?
        }
        Command::Retire { code } => {
            store.change(&session, Event::Class(ClassEvent::Retire { code: code.clone() }))?
        }
        Command::Begin { code, conversation } => store.begin_class(&session, code, conversation)?,
    };
    store.close()?;
    let line = if out.json() {
        Object::new().number("seq", seq.0).finish()
    } else {
        format!("recorded at {}", seq.0)
    };
    Ok(out.line(&line)?)
}

/// What happens, by name.
pub(crate) const fn then_name(then: Then) -> &'static str {
    match then {
        Then::Erase => "erase",
        Then::Restrict => "restrict",
        Then::Review => "review",
    }
}

const fn start_name(start: Start) -> &'static str {
    match start {
        Start::Time => "time",
        Start::ConversationEnd => "conversation-end",
        Start::Event => "event",
    }
}

fn list(store: &engine::Store, out: &mut Out) -> Result<(), Failure> {
    let rules = store.registers();
    let head =
        ["code", "title", "selector", "start", "lock", "maximum", "then", "records", "in use", "ground"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for kept in rules.classes.iter() {
        let class = &kept.class;
        let records = store.records_of_class(class.number)?;
        if out.json() {
            let line = Object::new()
                .text("code", &class.code)
                .text("title", &class.title)
                .text("selector", &class.selector)
                .text("start", start_name(class.start))
                .maybe("lock", class.lock.as_deref())
                .maybe("maximum", class.maximum.as_deref())
                .text("then", then_name(class.then))
                .number("records", records)
                .flag("active", kept.active)
                .text("ground", &class.ground)
                .finish();
            out.line(&line)?;
            continue;
        }
        let span = |span: &Option<String>| span.clone().unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            class.code.clone(),
            clean(&class.title),
            clean(&class.selector),
            start_name(class.start).to_owned(),
            span(&class.lock),
            span(&class.maximum),
            then_name(class.then).to_owned(),
            records.to_string(),
            if kept.active { "yes" } else { "no" }.to_owned(),
            clean(&class.ground),
        ]);
    }
    if out.json() { Ok(()) } else { Ok(out.table(&rows)?) }
}
