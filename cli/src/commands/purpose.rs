//! `purpose`: what records are kept and read for, and the law that rests on.

use clap::Subcommand;
use escrowdb::register::Event;
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};

use crate::args::Global;
use crate::commands::register;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Define a purpose, or describe it anew.
    Define(Define),
    /// Give a purpose up: nothing is kept or read for it any more.
    Retire {
        /// Its code.
        code: String,
    },
    /// Show every purpose.
    List,
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::List)
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Define {
    /// Its code, as notices and consents name it.
    code: String,
    /// What people read.
    #[arg(long, value_name = "T")]
    title: String,
    /// What it rests on: consent, contract, legal-obligation, vital-interests, public-task or
    /// legitimate-interests (GDPR article 6, 1 (a) to (f)).
    #[arg(long, value_name = "B", value_parser = basis)]
    basis: LawfulBasis,
    /// Retention class of what is kept for it.
    #[arg(long, value_name = "C")]
    class: Option<String>,
    /// Each person must have consented. What rests on consent always needs it.
    #[arg(long)]
    needs_consent: bool,
}

fn basis(text: &str) -> Result<LawfulBasis, String> {
    LawfulBasis::parse(text).ok_or_else(|| {
        let known: Vec<_> = LawfulBasis::ALL.into_iter().map(LawfulBasis::name).collect();
        format!("must be one of {}", known.join(", "))
    })
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Define(args) => {
            let event = purpose::Event::Define(Purpose {
                code: args.code.clone(),
                title: args.title.clone(),
                basis: args.basis,
                class: args.class.clone(),
                needs_consent: args.needs_consent || args.basis == LawfulBasis::Consent,
            });
            register::alone(global, out, "defined", Event::Purpose(event))
        }
        Command::Retire { code } => {
            let event = purpose::Event::Retire { code: code.clone() };
            register::alone(global, out, "retired", Event::Purpose(event))
        }
        Command::List => list(global, out),
    }
}

fn list(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut rows = Vec::new();
    for (purpose, active) in store.registers().purposes.iter() {
        if out.json() {
            let mut line = Object::new();
            line.text("code", &purpose.code)
                .text("title", &purpose.title)
                .text("basis", purpose.basis.name());
            line.maybe("class", purpose.class.as_deref());
            line.flag("needs_consent", purpose.needs_consent).flag("active", active);
            out.line(&line.finish())?;
            continue;
        }
        rows.push(vec![
            purpose.code.clone(),
            if active { "in use" } else { "retired" }.to_owned(),
            purpose.basis.name().to_owned(),
            if purpose.needs_consent { "needs consent" } else { "-" }.to_owned(),
            purpose.class.clone().unwrap_or_else(|| "-".to_owned()),
            clean(&purpose.title),
        ]);
    }
    register::table(out, &["purpose", "state", "basis", "consent", "class", "title"], rows)
}
