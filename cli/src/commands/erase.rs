//! `erase`: a person, a conversation or a record, for good.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use escrowdb::id::RequestId;
use escrowdb::policy::Basis;
use escrowdb::record::time;

use crate::args::Global;
use crate::durable::DurableFile;
use crate::engine::{self, Certificate, EraseOptions, GivenUpBy, Plan, Selector, Store};
use crate::exit::Failure;
use crate::input;
use crate::json::{Object, array};
use crate::lent::Opened;
use crate::out::{Out, note};
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// Erase a person: everything the person is a subject of.
    #[arg(long, group = "what", value_name = "X")]
    subject: Option<String>,
    /// Erase a conversation.
    #[arg(long, group = "what", value_name = "C")]
    conversation: Option<String>,
    /// Erase one record.
    #[arg(long, group = "what", value_name = "ID")]
    record: Option<String>,
    /// The conversation the record stands in, if its id is used in several.
    #[arg(long, value_name = "C")]
    in_conversation: Option<String>,
    /// Erase the evidence about the person too: consents, requests. Else it is kept as long as the store
    /// says, and the certificate names the date.
    #[arg(long)]
    with_evidence: bool,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How something goes for good, whatever it is.
#[derive(clap::Args, Debug)]
pub(crate) struct How {
    /// Say what would go, and change nothing.
    #[arg(long)]
    pub(crate) plan: bool,
    /// On what law it rests: not-needed, consent-withdrawn, objection, unlawful, legal-obligation or child
    /// (GDPR article 17, 1 (a) to (f)), retention, other. Stands in the log.
    #[arg(long, value_name = "B", value_parser = basis)]
    basis: Option<Basis>,
    /// Code of the request in the register that it answers: who approved that is asked where two must agree.
    #[arg(long, value_name = "CODE")]
    approved: Option<String>,
    /// Why; stands in the certificate, never in the log.
    #[arg(long, value_name = "R")]
    reason: Option<String>,
    /// Write the certificate to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub(crate) certificate: Option<PathBuf>,
    /// Name of the request, 32 hexadecimal digits: repeating it repeats the answer.
    #[arg(long, value_name = "HEX", value_parser = request_id)]
    pub(crate) request_id: Option<RequestId>,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

impl How {
    /// Whether somebody is asked first, who must be there then. `doing` is what can't be undone.
    pub(crate) fn asks(&self, doing: &str) -> Result<bool, Failure> {
        let asks = !self.yes && !self.plan;
        if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let nobody = format!("{doing} can't be undone and nobody is here to confirm it");
            return Err(Failure::usage(nobody).hint("see what would go by --plan, then give --yes"));
        }
        Ok(asks)
    }

    /// Where the certificate is to be put, checked before anything is opened.
    pub(crate) fn place(&self, global: &Global) -> Result<Option<Outside>, Failure> {
        self.certificate.as_deref().map(|file| Outside::of(global, file)).transpose()
    }

    /// The same for the engine.
    pub(crate) fn options(&self, global: &Global) -> EraseOptions {
        EraseOptions {
            reason: self.reason.clone(),
            basis: self.basis,
            request: self.request_id,
            with_evidence: false,
            actor: global.actor.clone(),
            approved: self.approved.clone(),
        }
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let (selector, name) = selector(args)?;
    let asks = args.how.asks("erasing")?;
    let place = args.how.place(global)?;
    let store = if args.how.plan {
        engine::open(global)?
    } else {
        engine::open_to_erase(global, &selector, args.how.request_id)?
    };
    if args.how.plan {
        return print_plan(&store.plan_as(&engine::as_named(global), &selector)?, out);
    }
    if asks {
        confirm(&store.plan_as(&engine::as_named(global), &selector)?, name)?;
    }
    let before = done_before(&store, args.how.request_id)?;
    // Before anything is destroyed: is there a place for the certificate?
    let file = place.as_ref().map(DurableFile::create).transpose()?;
    let options = EraseOptions { with_evidence: args.with_evidence, ..args.how.options(global) };
    let certificate = store.erase(&selector, &options)?;
    say_again(before);
    answer(store, &certificate, file, out)
}

/// Hands a certificate out and closes the store. Names what was found lost on the way.
pub(crate) fn answer(
    store: Opened,
    certificate: &Certificate,
    file: Option<DurableFile>,
    out: &mut Out,
) -> Result<(), Failure> {
    let own = GivenUpBy::Erasure(certificate.request);
    for loss in store.losses()?.iter().filter(|loss| loss.by == own) {
        note(&format!("found lost on the way: {loss}"));
    }
    if certificate.evidence.is_none() {
        note(
            "it is erased, but the log can't be signed: `escrow verify` says why; `escrow certificate` signs later",
        );
    }
    let text = certificate.to_json();
    // In both places, whatever becomes of the other: it is erased, and this says so.
    let printed = out.line(&text).and_then(|()| out.flush());
    let filed = file.map(|file| keep(file, &text)).transpose();
    let closed = store.close();
    let again =
        || format!("the erasure is done; --request-id {} repeats its certificate", certificate.request);
    match (printed, filed) {
        (_, Err(failure)) => return Err(failure.hint(again())),
        (Err(e), Ok(None)) if e.kind() == io::ErrorKind::BrokenPipe => {
            note(&again());
            return Err(e.into());
        }
        (Err(e), Ok(None)) => {
            return Err(Failure::failed(format!("the certificate could not be printed: {e}")).hint(again()));
        }
        (Err(e), Ok(Some(()))) => return Err(e.into()),
        (Ok(()), Ok(_)) => {}
    }
    Ok(closed?)
}

/// The certificate of a request that was done before.
pub(crate) fn done_before(store: &Store, request: Option<RequestId>) -> Result<Option<Certificate>, Failure> {
    Ok(request.map(|request| store.erasure(request)).transpose()?.flatten())
}

/// Says that nothing was done this time.
pub(crate) fn say_again(before: Option<Certificate>) {
    if let Some(before) = before {
        note(&format!(
            "this request was done at {}; this is its certificate, and nothing was erased now",
            time::format(before.destroyed)
        ));
    }
}

fn keep(mut file: DurableFile, certificate: &str) -> Result<(), Failure> {
    writeln!(file, "{certificate}").map_err(|e| Failure::io("write the certificate", e))?;
    file.commit()
}

fn selector(args: &Args) -> Result<(Selector, &str), Failure> {
    let conversation = args.in_conversation.clone();
    // Clap can't say this: it drops what is required if that conflicts with what is given.
    if conversation.is_some() && args.record.is_none() {
        return Err(Failure::usage("--in-conversation belongs to --record"));
    }
    match (&args.subject, &args.conversation, &args.record) {
        (Some(name), ..) => Ok((Selector::Person(name.clone()), name)),
        (_, Some(name), _) => Ok((Selector::Conversation(name.clone()), name)),
        (.., Some(id)) => Ok((Selector::Record { id: id.clone(), conversation }, id)),
        _ => Err(Failure::usage("name what to erase").hint("--subject X, --conversation C or --record ID")),
    }
}

/// Reads the name of a request.
pub(crate) fn request_id(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text).ok_or_else(|| "must be 32 lower-case hexadecimal digits".to_owned())
}

/// Reads the name of a legal ground.
pub(crate) fn basis(text: &str) -> Result<Basis, String> {
    Basis::parse(text).ok_or_else(|| {
        let known: Vec<_> = Basis::ALL.into_iter().map(Basis::name).collect();
        format!("must be one of {}", known.join(", "))
    })
}

/// Asks for the name of what goes, on the terminal.
fn confirm(plan: &Plan, name: &str) -> Result<(), Failure> {
    for row in plan_rows(plan) {
        note(&row.join("  "));
    }
    confirm_name(name)
}

/// Asks for a name on the terminal before what can't be undone.
pub(crate) fn confirm_name(name: &str) -> Result<(), Failure> {
    note("This can't be undone, not even with a copy of the store. Type the name to go on:");
    let mut answer = String::new();
    let read = input::stdin().and_then(|mut stdin| stdin.read_line(&mut answer));
    read.map_err(|e| Failure::io("read the answer", e))?;
    if answer.trim_end_matches(['\n', '\r']) == name {
        return Ok(());
    }
    Err(Failure::failed("not confirmed; nothing was changed"))
}

fn print_plan(plan: &Plan, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        let mentions: Vec<String> = plan.mentions.iter().map(engine::stored_json).collect();
        let mut line = Object::new();
        line.text("what", plan.what)
            .number("records", plan.records)
            .number("details", plan.details)
            .number("segments", plan.segments)
            .flag("journal", plan.journal)
            .number("people", plan.people)
            .number("others_affected", plan.others_affected)
            .number("mention_total", plan.mention_total)
            .raw("mentions", &array(&mentions));
        if let Some(kept) = &plan.kept {
            line.number("records_kept", kept.records).texts("holds", &plan.holds);
            line.maybe("kept_until", kept.until.map(time::format).as_deref()).maybe("refused", plan.refused);
        }
        return Ok(out.line(&line.finish())?);
    }
    out.table(&plan_rows(plan))?;
    if plan.mention_total > 0 {
        out.line("Others may have written the person's names; these words are theirs and stay:")?;
        for hit in &plan.mentions {
            out.line(&engine::hit_text(hit))?;
        }
    }
    Ok(out.line("Nothing was changed.")?)
}

fn plan_rows(plan: &Plan) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("would erase", plan.what.to_owned()),
        row("records", plan.records.to_string()),
        row("details of acts", plan.details.to_string()),
        row("people", plan.people.to_string()),
        row("segments re-keyed", plan.segments.to_string()),
        row("journal re-keyed", if plan.journal { "yes" } else { "no" }.to_owned()),
        row("other people's records among them", plan.others_affected.to_string()),
        row("likely mentions by others", plan.mention_total.to_string()),
    ];
    if let Some(kept) = &plan.kept {
        rows.push(row("kept by rules", kept.records.to_string()));
        rows.push(row("holds among them", plan.holds.join(", ")));
        rows.push(row("locked until", kept.until.map_or_else(|| "-".to_owned(), time::format)));
        rows.push(row("may go now", if plan.refused.is_some() { "nothing" } else { "the rest" }.to_owned()));
    }
    rows
}
