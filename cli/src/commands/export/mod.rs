//! `export`: records to a file, with a signed manifest and a proof beside it.

use std::path::PathBuf;

use escrowdb::export::Asked;
use escrowdb::id::Handle;
use escrowdb::record::Kind;

use crate::args::Global;
use crate::commands::export::form::Jsonl;
use crate::commands::export::write::{Each, Records};
use crate::engine::{self, Exported, Reading};
use crate::exit::Failure;
use crate::out::Out;
use crate::outside::Outside;

mod csv;
mod form;
mod html;
mod write;

pub(crate) use write::{Summary, Target, beside};

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// Everything a person is a subject of.
    #[arg(long, group = "what", value_name = "X")]
    subject: Option<String>,
    /// A whole conversation.
    #[arg(long, group = "what", value_name = "C")]
    conversation: Option<String>,
    /// Whatever a query finds.
    #[arg(long, group = "what", value_name = "Q", allow_hyphen_values = true)]
    query: Option<String>,
    /// Format of the file: jsonl (an import reads it, but for records whose
    /// author was erased), html (to read and print) or csv (for
    /// spreadsheets).
    #[arg(long, value_name = "F", default_value = "jsonl")]
    format: String,
    /// The file; FILE.manifest.json is written beside it, and of jsonl FILE.proof,
    /// with which `escrow verify-export` checks it.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Sign nothing and prove nothing: for a store whose log is damaged, which
    /// can't be signed.
    #[arg(long)]
    unsigned: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let title = match (&args.subject, &args.conversation) {
        (Some(subject), _) => ("person", subject.as_str()),
        (_, Some(conversation)) => ("conversation", conversation.as_str()),
        _ => ("query", args.query.as_deref().unwrap_or_default()),
    };
    let Some(mut form) = form::named(&args.format, title) else {
        let known = args.format == "vcon";
        let message =
            if known { "this export format is not in this version" } else { "unknown export format" };
        return Err(Failure::usage(message).hint("use --format jsonl, html or csv"));
    };
    let target = Target::new(&args.output, |file| Outside::of(global, file))?;
    let store = engine::open(global)?;
    // The export is one act: nothing more of how it is made is recorded.
    let (what, query) = wanted(args)?;
    let reading = engine::session(&store, global).exporting(what, &query)?;
    let (asked, handle) = asked(args, &reading)?;
    let by_conversation = form.by_conversation();
    let mut each = |source: &Records, each: &mut Each| records(args, source, by_conversation, each);
    let summary = if args.unsigned {
        write::unsigned(&target, &mut *form, &reading, &mut each)?
    } else {
        write::signed(&target, &mut *form, &reading, (asked, handle), &mut each)?
    };
    let line = if out.json() {
        summary.to_json(&args.output)
    } else {
        format!("{} records in {}", summary.count, args.output.display())
    };
    Ok(out.line(&line)?)
}

/// What is asked for, as the manifest says it; people by their handle too.
fn asked(args: &Args, reading: &Reading) -> Result<(Asked, Option<Handle>), Failure> {
    Ok(match (&args.subject, &args.conversation, &args.query) {
        (Some(subject), ..) => (Asked::Subject(subject.clone()), Some(reading.person(subject)?.handle)),
        (_, Some(conversation), _) => (Asked::Conversation(conversation.clone()), None),
        (.., query) => (Asked::Query(query.clone().unwrap_or_default()), None),
    })
}

/// Everything a query finds, as JSON Lines with proof; a person by her handle.
pub(crate) fn write_jsonl(
    target: &Target,
    reading: &Reading,
    asked: (Asked, Option<Handle>),
    query: &str,
) -> Result<Summary, Failure> {
    let what = match &asked.0 {
        Asked::Subject(identifier) => Exported::Person(identifier),
        Asked::Conversation(name) => Exported::Conversation(name),
        _ => Exported::Query,
    };
    let reading = &reading.exporting(what, query)?;
    write::signed(target, &mut Jsonl, reading, asked, &mut |source, each| source.each(query, each))
}

/// What is exported, and the query for it.
fn wanted(args: &Args) -> Result<(Exported<'_>, String), Failure> {
    Ok(match (&args.subject, &args.conversation, &args.query) {
        (Some(subject), ..) => {
            let query = format!("{} {}", field_query("subject", subject), every_kind());
            (Exported::Person(subject), query)
        }
        (_, Some(conversation), _) if conversation.is_empty() => {
            return Err(Failure::not_found("no such conversation"));
        }
        (_, Some(conversation), _) => {
            (Exported::Conversation(conversation), conversation_query(conversation))
        }
        (.., Some(query)) => (Exported::Query, query.clone()),
        _ => return Err(Failure::usage("name what to export")),
    })
}

/// Oldest first, whatever was asked for. Nothing found by name is exit 3; an empty answer to a
/// query is a good answer.
fn records(args: &Args, source: &Records, by_conversation: bool, each: &mut Each) -> Result<(), Failure> {
    let (what, query) = wanted(args)?;
    if let Exported::Conversation(conversation) = what
        && !is_known(source.reading(), conversation)?
    {
        return Err(Failure::not_found("no such conversation"));
    }
    if !by_conversation {
        return source.each(&query, each);
    }
    for conversation in conversations(source, &query)? {
        source.each(&format!("({query}) {}", field_query("conversation", &conversation)), each)?;
    }
    // Acts and people's own records are in no conversation. To exclude a kind asks for none: what the
    // query finds, and only that.
    let others = Kind::ALL.into_iter().filter(|kind| !kind.is_internal());
    let others: Vec<String> = others.map(|kind| format!("-kind:{}", kind.name())).collect();
    source.each(&format!("({query}) {}", others.join(" ")), each)
}

/// The conversations of what a query finds, in the order of their first record.
fn conversations(source: &Records, query: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (conversation, _) in source.reading().facet(query, "conversation")? {
        let query = format!("({query}) {}", field_query("conversation", &conversation));
        if let Some(first) = source.first(&query)? {
            found.push((first, conversation));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, conversation)| conversation).collect())
}

/// Whether there is a conversation of this name. The empty name is that of none, and no query can ask
/// for it.
pub(crate) fn is_known(reading: &Reading, conversation: &str) -> Result<bool, Failure> {
    Ok(!conversation.is_empty() && reading.count(&conversation_query(conversation))? > 0)
}

/// The query for every kind of record of a conversation.
fn conversation_query(name: &str) -> String {
    format!("{} {}", field_query("conversation", name), every_kind())
}

/// The query for everything a person is a subject of.
pub(crate) fn subject_query(identifier: &str) -> String {
    field_query("subject", identifier)
}

fn field_query(field: &str, value: &str) -> String {
    format!("{field}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The part of a query that asks for everything people did; without it edits, joins and
/// reactions would stay behind. Acts of the store are no part of an export of chats.
fn every_kind() -> String {
    let kinds = Kind::ALL.into_iter().filter(|kind| !kind.is_internal());
    let terms: Vec<String> = kinds.map(|kind| format!("kind:{}", kind.name())).collect();
    format!("({})", terms.join(" OR "))
}
