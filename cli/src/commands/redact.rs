//! `redact`: a part of a record, for good; the record stays.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use escrowdb::id::RequestId;
use escrowdb::policy::Basis;

use crate::args::Global;
use crate::commands::erase;
use crate::durable::DurableFile;
use crate::engine::{self, EraseOptions, Redaction, RedactionPlan};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean, note};
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("part").required(true).multiple(true))]
pub(crate) struct Args {
    /// Id of the record, or of an edit of it: each wording is redacted by its own id.
    id: String,
    /// Characters of the body that go, counted from 0: from A up to B, which stays. May be given several times.
    ///
    /// A character is a Unicode scalar value, so an emoji may be several. Each span leaves one `█`, which tells
    /// nothing of its length; what overlaps or touches is one span.
    #[arg(long, group = "part", value_name = "A..B", value_parser = span)]
    span: Vec<(u32, u32)>,
    /// Every place where these characters stand in the body, capitals told apart. May be given several times.
    #[arg(long, group = "part", value_name = "W")]
    word: Vec<String>,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
    /// Say what would go and where else it stands, and change nothing.
    #[arg(long)]
    plan: bool,
    /// On what law it rests, as of `erase`. Stands in the log.
    #[arg(long, value_name = "B", value_parser = erase::basis)]
    basis: Option<Basis>,
    /// Code of the request in the register that it answers: who approved that is asked where two must agree.
    #[arg(long, value_name = "CODE")]
    approved: Option<String>,
    /// Why; stands in the certificate, never in the log.
    #[arg(long, value_name = "R")]
    reason: Option<String>,
    /// Write the certificate to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    certificate: Option<PathBuf>,
    /// Name of the request, 32 hexadecimal digits: repeating it repeats the answer.
    #[arg(long, value_name = "HEX", value_parser = erase::request_id)]
    request_id: Option<RequestId>,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

impl Args {
    /// Whether nothing is to be changed.
    pub(crate) const fn plan(&self) -> bool {
        self.plan
    }

    fn redaction(&self) -> Redaction {
        let mut redaction = Redaction::new(&self.id);
        redaction.conversation.clone_from(&self.conversation);
        for (from, to) in &self.span {
            redaction = redaction.span(*from, *to);
        }
        self.word.iter().fold(redaction, |redaction, word| redaction.word(word))
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let redaction = args.redaction();
    let asks = !args.yes && !args.plan;
    if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage("redacting can't be undone and nobody is here to confirm it")
            .hint("see what would go by --plan, then give --yes"));
    }
    let place = args.certificate.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let store = engine::open(global)?;
    let before = erase::done_before(&store, args.request_id)?;
    let plan = || store.plan_redaction(&engine::as_named(global), &redaction);
    if args.plan {
        return print_plan(&plan()?, out);
    }
    if before.is_none() && asks {
        plan_rows(&plan()?).iter().for_each(|row| note(&row.join("  ")));
        erase::confirm_name(&args.id)?;
    } else if before.is_none()
        && let Ok(plan) = plan()
    {
        // One that went on already may find no record; what is wrong says the redaction itself.
        tell_others(&plan);
    }
    // Before anything is destroyed: is there a place for the certificate?
    let file = place.as_ref().map(DurableFile::create).transpose()?;
    let options = EraseOptions {
        reason: args.reason.clone(),
        basis: args.basis,
        request: args.request_id,
        with_evidence: false,
        actor: global.actor.clone(),
        approved: args.approved.clone(),
    };
    let certificate = store.redact(&redaction, &options)?;
    erase::say_again(before);
    erase::answer(store, &certificate, file, out)
}

/// The same words in other wordings stay, so it is said.
fn tell_others(plan: &RedactionPlan) {
    if !plan.also_in.is_empty() {
        note(&format!("the same words stand in other versions, and stay there: {}", ids(plan)));
    }
}

fn ids(plan: &RedactionPlan) -> String {
    clean(&plan.also_in.join(" "))
}

fn print_plan(plan: &RedactionPlan, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        let line = Object::new()
            .number("spans", plan.spans as u64)
            .number("characters", plan.characters)
            .flag("newest", plan.newest)
            .texts("also_in", &plan.also_in)
            .finish();
        return Ok(out.line(&line)?);
    }
    out.table(&plan_rows(plan))?;
    Ok(out.line("Nothing was changed.")?)
}

fn plan_rows(plan: &RedactionPlan) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let also = if plan.also_in.is_empty() { "-".to_owned() } else { ids(plan) };
    vec![
        row("spans", plan.spans.to_string()),
        row("characters", plan.characters.to_string()),
        row("newest wording", if plan.newest { "yes" } else { "no" }.to_owned()),
        row("the same words in versions", also),
    ]
}

/// Reads `A..B`.
fn span(text: &str) -> Result<(u32, u32), String> {
    let wrong = || {
        "must be two numbers of characters, like 3..8: the first that goes, and the first that stays"
            .to_owned()
    };
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| -> Option<u32> {
        let is_plain = text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain)
    };
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from < to => Ok((from, to)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_two_numbers() {
        assert_eq!(span("3..8"), Ok((3, 8)));
        for wrong in
            ["", "3", "3..", "..8", "8..3", "3..3", "+3..8", "-1..8", "3...8", "3..99999999999", "a..b"]
        {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
