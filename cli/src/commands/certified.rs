//! What every command takes that destroys something and answers with a certificate.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use escrowdb::id::RequestId;
use escrowdb::policy::Basis;
use escrowdb::record::time;

use crate::args::Global;
use crate::durable::DurableFile;
use crate::engine::{Agreed, Certificate, EraseOptions, GivenUpBy, Store};
use crate::exit::Failure;
use crate::input;
use crate::json::Object;
use crate::lent::Opened;
use crate::out::{Out, note};
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
pub(crate) struct Certified {
    /// On what law it rests: not-needed, consent-withdrawn, objection, unlawful, legal-obligation or child
    /// (GDPR article 17, 1 (a) to (f)), retention, other. Stands in the log.
    #[arg(long, value_name = "B", value_parser = basis)]
    basis: Option<Basis>,
    /// Code of the request in the register that it answers: who approved that is asked where two must agree. What was
    /// approved must be this and nothing else.
    #[arg(long, value_name = "CODE")]
    pub(crate) approved: Option<String>,
    /// Why; stands in the certificate, never in the log.
    #[arg(long, value_name = "R")]
    reason: Option<String>,
    /// Write the certificate to this file.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Name of the request, 32 hexadecimal digits: repeating it repeats the answer.
    #[arg(long, value_name = "HEX", value_parser = request_id)]
    pub(crate) request_id: Option<RequestId>,
    /// Don't ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What to do where nobody can be asked, if there is a plan.
pub(crate) const PLAN_FIRST: &str = "see what would go by --plan, then give --yes";

impl Certified {
    /// Whether somebody is asked before; an error if nobody is there.
    pub(crate) fn asks(&self, what: &str, hint: &str) -> Result<bool, Failure> {
        if self.yes {
            return Ok(false);
        }
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            return Ok(true);
        }
        Err(Failure::usage(format!("{what} can't be undone and nobody is here to confirm it")).hint(hint))
    }

    /// Where the certificate goes, outside of the store.
    pub(crate) fn place(&self, global: &Global) -> Result<Option<Outside>, Failure> {
        self.certificate.as_deref().map(|file| Outside::of(global, file)).transpose()
    }

    /// What the engine is told.
    pub(crate) fn options(&self, global: &Global, with_evidence: bool) -> EraseOptions {
        EraseOptions {
            reason: self.reason.clone(),
            basis: self.basis,
            request: self.request_id,
            with_evidence,
            actor: global.actor.clone(),
            purpose: global.purpose.clone(),
            case: global.case.clone(),
            approved: self.approved.clone(),
        }
    }
}

/// A place for a certificate, before anything is destroyed.
pub(crate) fn file(place: Option<&Outside>) -> Result<Option<DurableFile>, Failure> {
    place.map(DurableFile::create).transpose()
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

/// Shows what somebody else must approve, which stands in the register from now on.
pub(crate) fn print_agreed(agreed: &Agreed, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        let line = Object::new().raw("plan", &agreed.plan).text("sha256", &agreed.hash).finish();
        return Ok(out.line(&line)?);
    }
    out.line(&agreed.plan)?;
    Ok(out.line(&format!("SHA-256 {}", agreed.hash))?)
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
