//! `request`: what people ask for, by when it must be answered, and what becomes of it.

use clap::Subcommand;
use escrowdb::id::{Micros, Seq};
use escrowdb::policy::Basis;
use escrowdb::record::time;
use escrowdb::register::Event;
use escrowdb::register::request::{self, Kind, Request, Step};
use escrowdb_server::shape::request_json;

use crate::args::Global;
use crate::commands::register;
use crate::engine::{self, Store};
use crate::exit::Failure;
use crate::out::{Out, clean};

mod plan;
mod run;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a request in: the time for its answer begins.
    Receive(Receive),
    /// Say how it is known that it is she who asks.
    Identify {
        /// Code of the request.
        code: String,
        /// How: passport, call back, signed in.
        #[arg(long, value_name = "M")]
        method: String,
    },
    /// Plan what would be done, print that and its hash, and change nothing else.
    Plan {
        /// Code of the request.
        code: String,
    },
    /// Agree to a plan. Name yourself: --as ACTOR.
    Approve {
        /// Code of the request.
        code: String,
        /// The hash of the plan that is agreed to.
        #[arg(long, value_name = "SHA256")]
        hash: String,
    },
    /// Do what was planned, if that is still the same.
    Run(Run),
    /// Make the time for the answer two months longer, before it is over (GDPR article 12 (3)).
    Extend {
        /// Code of the request.
        code: String,
        /// Why; she is told.
        #[arg(long, value_name = "R")]
        reason: String,
    },
    /// Refuse it (GDPR article 12 (4) and (5)).
    Refuse {
        /// Code of the request.
        code: String,
        /// On what ground; she is told.
        #[arg(long, value_name = "G")]
        ground: String,
    },
    /// Say that it is done.
    Fulfil {
        /// Code of the request.
        code: String,
        /// What proves it: the digest of an export, the request id of an erasure.
        #[arg(long, value_name = "REF")]
        reference: String,
        /// Something stays to be done, and why: a hold, a lock.
        #[arg(long, value_name = "WHY")]
        partly: Option<String>,
    },
    /// Show every request.
    List {
        /// Only those that should have been answered.
        #[arg(long)]
        overdue: bool,
    },
    /// Show one.
    Show {
        /// Code of the request.
        code: String,
    },
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Show { .. } | Self::Plan { .. })
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Receive {
    /// A code for it, which is used once.
    code: String,
    /// access, portability, rectification, erasure, restriction, objection or withdrawal (GDPR articles 15,
    /// 20, 16, 17, 18, 21 and 7 (3)).
    #[arg(long = "type", value_name = "T", value_parser = kind)]
    kind: Kind,
    /// Whom it is about.
    #[arg(long, value_name = "X")]
    subject: String,
    /// When it came. Default: now.
    #[arg(long, value_name = "T", value_parser = register::instant)]
    received: Option<Micros>,
    /// Where it came: mail, phone, web.
    #[arg(long, value_name = "C", default_value = "mail")]
    channel: String,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Run {
    /// Code of the request.
    pub(super) code: String,
    /// On what law an erasure rests, as of `escrow erase --basis`.
    #[arg(long, value_name = "B", value_parser = basis)]
    pub(super) basis: Option<Basis>,
    /// Don't ask: an erasure can't be undone.
    #[arg(long)]
    pub(super) yes: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
        format!("must be one of {}", known.join(", "))
    })
}

fn basis(text: &str) -> Result<Basis, String> {
    Basis::parse(text).ok_or_else(|| {
        let known: Vec<_> = Basis::ALL.into_iter().map(Basis::name).collect();
        format!("must be one of {}", known.join(", "))
    })
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let mut alone = |code: &str, done: &str, step| register::alone(global, out, done, event(code, step));
    match command {
        Command::Receive(args) => receive(args, global, out),
        Command::Identify { code, method } => {
            alone(code, "identified", Step::Identify { method: method.clone() })
        }
        Command::Plan { code } => plan::run(code, global, out),
        Command::Approve { code, hash } => alone(code, "approved", Step::Approve { hash: hash.clone() }),
        Command::Run(args) => run::run(args, global, out),
        Command::Extend { code, reason } => alone(code, "extended", Step::Extend { reason: reason.clone() }),
        Command::Refuse { code, ground } => alone(code, "refused", Step::Refuse { ground: ground.clone() }),
        Command::Fulfil { code, reference, partly } => {
            let step = Step::Fulfil { partly: partly.clone(), reference: reference.clone() };
            alone(code, if partly.is_some() { "partly fulfilled" } else { "fulfilled" }, step)
        }
        Command::List { overdue } => list(*overdue, global, out),
        Command::Show { code } => {
            let store = engine::open(global)?;
            let request = known(&store, code)?;
            show(&store, code, &request, out)
        }
    }
}

fn event(code: &str, step: Step) -> Event {
    Event::Request(request::Event { request: code.to_owned(), event: step })
}

/// Takes a step of a request.
fn step(store: &Store, global: &Global, code: &str, step: Step) -> Result<Seq, Failure> {
    register::change(store, global, event(code, step))
}

/// A request that is there.
fn known(store: &Store, code: &str) -> Result<Request, Failure> {
    store.registers().requests.get(code).cloned().ok_or_else(|| Failure::not_found("no such request"))
}

fn receive(args: &Receive, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let receive = Step::Receive {
        kind: args.kind,
        person: store.number_of(&args.subject)?,
        received: args.received.unwrap_or_else(register::now),
        channel: args.channel.clone(),
    };
    step(&store, global, &args.code, receive)?;
    show(&store, &args.code, &known(&store, &args.code)?, out)?;
    Ok(store.close()?)
}

fn list(overdue: bool, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let (mut rows, now) = (Vec::new(), register::now());
    for (code, request) in store.registers().requests.iter() {
        let is_overdue = request.is_overdue(now);
        if overdue && !is_overdue {
            continue;
        }
        if out.json() {
            out.line(&request_json(&store, code, request, register::now())?)?;
            continue;
        }
        rows.push(vec![
            code.to_owned(),
            request.kind.name().to_owned(),
            register::name(&store, request.person)?,
            request.state.name().to_owned(),
            time::format(request.received),
            format!("{}{}", time::format(request.due()), if is_overdue { " (overdue)" } else { "" }),
        ]);
    }
    register::table(out, &["code", "type", "person", "state", "received", "due"], rows)
}

fn show(store: &Store, code: &str, request: &Request, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        return Ok(out.line(&request_json(store, code, request, register::now())?)?);
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let overdue = if request.is_overdue(register::now()) { " (overdue)" } else { "" };
    let mut rows = vec![
        row("request", code.to_owned()),
        row("type", request.kind.name().to_owned()),
        row("person", register::name(store, request.person)?),
        row("state", request.state.name().to_owned()),
        row("received", time::format(request.received)),
        row("due", format!("{}{overdue}", time::format(request.due()))),
        row("extended", if request.extended { "yes" } else { "no" }.to_owned()),
        row("taken in by", register::name(store, request.requester)?),
        row("plan", request.plan.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    for approver in &request.approvers {
        rows.push(row("approved by", register::name(store, *approver)?));
    }
    rows.push(row("outcome", request.outcome.as_deref().map_or_else(|| "-".to_owned(), clean)));
    Ok(out.table(&rows)?)
}
