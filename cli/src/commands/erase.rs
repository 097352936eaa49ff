//! `erase`: a person, a conversation or a record, for good.

use escrowdb::record::time;

use crate::args::Global;
use crate::commands::certified::{self, Certified};
use crate::engine::{self, Plan, Selector};
use crate::exit::Failure;
use crate::out::{Out, note};

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
    /// Say what would go, and change nothing.
    #[arg(long, conflicts_with = "certificate")]
    plan: bool,
    /// Erase the evidence about the person too: consents, requests. Else it is kept as long as the store
    /// says, and the certificate names the date.
    #[arg(long)]
    with_evidence: bool,
    #[command(flatten)]
    certified: Certified,
}

impl Args {
    /// Whether nothing is to be changed.
    pub(crate) const fn plan(&self) -> bool {
        self.plan
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let (selector, name) = selector(args)?;
    let asks = !args.plan && args.certified.asks("erasing", certified::PLAN_FIRST)?;
    let place = args.certified.place(global)?;
    let store = if args.plan {
        engine::open(global)?
    } else {
        engine::open_to_erase(global, &selector, args.certified.request_id)?
    };
    if args.plan {
        return print_plan(&store.plan_as(&engine::as_named(global), &selector)?, out);
    }
    if asks {
        confirm(&store.plan_as(&engine::as_named(global), &selector)?, name)?;
    }
    let before = certified::done_before(&store, args.certified.request_id)?;
    // Before anything is destroyed: is there a place for the certificate?
    let file = certified::file(place.as_ref())?;
    let options = args.certified.options(global, args.with_evidence);
    let certificate = store.erase(&selector, &options)?;
    certified::say_again(before);
    certified::answer(store, &certificate, file, out)
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

/// Asks for the name of what goes, on the terminal.
fn confirm(plan: &Plan, name: &str) -> Result<(), Failure> {
    for row in plan_rows(plan) {
        note(&row.join("  "));
    }
    certified::confirm_name(name)
}

fn print_plan(plan: &Plan, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        return Ok(out.line(&engine::plan_json(plan, true))?);
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
