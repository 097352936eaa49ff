//! `consent`: what people were asked, what they said, and the proof of it.

use std::path::PathBuf;

use clap::Subcommand;
use escrowdb::id::{Handle, Micros};
use escrowdb::record::time;
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::notice::{Notices, Version};
use escrowdb::register::{Event, Registers};
use escrowdb::store::Who;
use escrowdb_server::shape::consents_json;

use crate::args::Global;
use crate::commands::register;
use crate::durable;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};
use crate::outside::Outside;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record that a person was asked.
    Ask(Answer),
    /// Record that she said yes.
    Give(Answer),
    /// Record that she said no.
    Refuse(Answer),
    /// Record that she took her yes back. No notice need be named.
    Withdraw(Answer),
    /// Show what she said of each purpose, where that stands now, and how it came to that.
    Show(Whom),
    /// Write a proof of what she said last, which anybody checks with the log's key: `verify-proof`.
    Receipt(Receipt),
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::Show(_) | Self::Receipt(_))
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Answer {
    /// Identifier of the person.
    person: String,
    /// A purpose it is about; may be given again.
    #[arg(long = "for", value_name = "PURPOSE", required = true)]
    purposes: Vec<String>,
    /// The notice she was shown. Default: the published one that explains the purposes, if there is one only.
    #[arg(long, value_name = "ID")]
    notice: Option<String>,
    /// Its version. Default: the one that is published.
    #[arg(long, value_name = "N", requires = "notice")]
    version: Option<u32>,
    /// The language of the text. Needed if there are several.
    #[arg(long, value_name = "L")]
    language: Option<String>,
    /// How she said it: click, spoken, written.
    #[arg(long, value_name = "M", default_value = "written")]
    method: String,
    /// Where: web, phone, mail.
    #[arg(long, value_name = "C", default_value = "web")]
    channel: String,
    /// Until when it holds; belongs to what is given.
    #[arg(long, value_name = "T", value_parser = register::instant)]
    expires: Option<Micros>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Whom {
    /// Identifier of the person.
    #[arg(required_unless_present = "handle", conflicts_with = "handle")]
    person: Option<String>,
    /// Her handle, as certificates and receipts show it: it finds the evidence about the erased.
    #[arg(long, value_name = "H", value_parser = handle)]
    handle: Option<Handle>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Receipt {
    #[command(flatten)]
    whom: Whom,
    /// Of what she said of this purpose last. Default: of whatever she said last.
    #[arg(long = "for", value_name = "PURPOSE")]
    of: Option<String>,
    /// The file. It holds the record, in clear.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

fn handle(text: &str) -> Result<Handle, String> {
    Handle::parse(text).ok_or_else(|| "must be 32 lower-case hexadecimal digits".to_owned())
}

impl Whom {
    fn who(&self) -> Result<Who, Failure> {
        match (&self.person, self.handle) {
            (_, Some(handle)) => Ok(Who::Handle(handle)),
            (Some(person), None) => Ok(Who::Identifier(person.clone())),
            (None, None) => Err(Failure::usage("name a person")),
        }
    }
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Ask(args) => answer(Deed::Ask, "asked", args, global, out),
        Command::Give(args) => answer(Deed::Give, "given", args, global, out),
        Command::Refuse(args) => answer(Deed::Refuse, "refused", args, global, out),
        Command::Withdraw(args) => answer(Deed::Withdraw, "withdrawn", args, global, out),
        Command::Show(whom) => show(whom, global, out),
        Command::Receipt(args) => receipt(args, global, out),
    }
}

fn answer(deed: Deed, done: &str, args: &Answer, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let registers = store.registers();
    // What is withdrawn was given under a text; that it is withdrawn needs none.
    let notice = match (&args.notice, deed) {
        (None, Deed::Withdraw) => None,
        _ => Some(shown(args, &registers)?),
    };
    let event = Event::Consent(consent::Event {
        event: deed,
        person: args.person.clone(),
        purposes: args.purposes.clone(),
        notice,
        method: args.method.clone(),
        channel: args.channel.clone(),
        expires: args.expires,
    });
    let seq = register::change(&store, global, event)?;
    store.close()?;
    register::say(out, done, seq)
}

/// What she was shown: named, or the only one there is.
fn shown(args: &Answer, registers: &Registers) -> Result<Shown, Failure> {
    let (id, number, version) = match &args.notice {
        Some(id) => named(&registers.notices, id, args.version)?,
        None => only(&registers.notices, &args.purposes)?,
    };
    let text = match &args.language {
        Some(language) => version.texts.get(language),
        None if version.texts.len() > 1 => {
            return Err(Failure::usage("the notice has texts in several languages").hint("--language L"));
        }
        None => version.texts.values().next(),
    };
    let text = text.ok_or_else(|| Failure::not_found("the notice has no text in this language"))?;
    let (language, hash) = (text.language.clone(), text.hash.clone());
    Ok(Shown { id: id.to_owned(), version: number, language, hash })
}

fn named<'n>(
    notices: &'n Notices,
    id: &'n str,
    number: Option<u32>,
) -> Result<(&'n str, u32, &'n Version), Failure> {
    let found = match number {
        Some(number) => notices.version(id, number).map(|version| (number, version)),
        None => notices.shown(id, register::now()),
    };
    let (number, version) = found.ok_or_else(|| Failure::not_found("no such version of a notice"))?;
    Ok((id, number, version))
}

/// The published notice that explains all the purposes.
fn only<'n>(notices: &'n Notices, purposes: &[String]) -> Result<(&'n str, u32, &'n Version), Failure> {
    let now = register::now();
    let explains = |(id, number, version): &(&str, u32, &Version)| {
        notices.shown(id, now).is_some_and(|(shown, _)| shown == *number)
            && version.texts.values().any(|text| purposes.iter().all(|code| text.purposes.contains(code)))
    };
    let mut found = notices.iter().filter(explains);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::not_found("no published notice explains these purposes")
            .hint("`escrow notice list` shows what there is")),
        _ => Err(Failure::usage("several published notices explain these purposes").hint("--notice ID")),
    }
}

fn show(whom: &Whom, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let said = store.consents(&whom.who()?)?;
    let registers = store.registers();
    if out.json() {
        return Ok(out.line(&consents_json(&said, &registers, register::now()))?);
    }
    out.line(&format!("handle {}", said.handle))?;
    let mut rows = Vec::new();
    for (code, of) in said.consents.iter() {
        let notice = of.notice.as_ref().map(|(id, version)| format!("{id} version {version}"));
        rows.push(vec![
            code.to_owned(),
            of.state(&registers.notices, register::now()).name().to_owned(),
            time::format(of.at),
            notice.unwrap_or_else(|| "-".to_owned()),
            register::when(of.expires),
        ]);
    }
    register::table(out, &["purpose", "state", "since", "notice", "expires"], rows)?;
    let rows = said.history.iter().map(|(seq, _, at, event)| {
        vec![
            seq.to_string(),
            time::format(*at),
            event.event.name().to_owned(),
            event.purposes.join(" "),
            clean(&event.person),
            format!("{} {}", event.method, event.channel),
        ]
    });
    register::table(out, &["position", "time", "what", "purposes", "person", "how"], rows.collect())
}

fn receipt(args: &Receipt, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = Outside::of(global, &args.output)?;
    let store = engine::open(global)?;
    let who = args.whom.who()?;
    let said = store.consents(&who)?;
    let about = |event: &consent::Event| args.of.as_ref().is_none_or(|code| event.purposes.contains(code));
    let last = said.history.iter().rev().find(|(.., event)| about(event));
    let (seq, id, ..) = last.ok_or_else(|| Failure::not_found("the person said nothing of this"))?;
    let proof = engine::session(&store, global).prove_said(&who, id)?;
    durable::write(&place, proof.to_text().as_bytes())?;
    let size = proof.inclusion.size;
    let line = if out.json() {
        let mut line = Object::new();
        line.text("file", &place.path().display().to_string()).text("id", id);
        line.number("seq", seq.0).number("size", size);
        line.finish()
    } else {
        format!("position {} of {size}, proved in {}", seq.0, place.path().display())
    };
    Ok(out.line(&line)?)
}
