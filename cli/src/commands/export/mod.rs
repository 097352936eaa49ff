//! `export`: records to a file, with a signed manifest and a proof beside it.

use std::path::PathBuf;

use escrowdb::export::{Asked, Others};
use escrowdb::id::{Handle, Micros};
use escrowdb::record::Kind;

use crate::args::Global;
use crate::commands::export::access::Access;
use crate::commands::export::crypt::Recipients;
use crate::commands::export::given::Register;
use crate::commands::export::write::{Each, Job, Records};
use crate::commands::register;
use crate::engine::{self, Exported, Reading};
use crate::exit::Failure;
use crate::out::{Out, note};
use crate::outside::Outside;

mod access;
mod again;
pub(crate) mod crypt;
mod csv;
mod foreword;
mod form;
pub(crate) mod given;
mod html;
mod made;
mod told;
mod vcon;
mod write;

pub(crate) use again::{Again, again};
pub(crate) use html::put_text;
pub(crate) use made::Made;
pub(crate) use write::{Target, beside};

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
    /// author was erased), html (to read and print), csv (for spreadsheets)
    /// or vcon (IETF draft, one conversation a line).
    #[arg(long, value_name = "F", default_value = "jsonl")]
    format: String,
    /// With --subject, an access package: also what she wrote herself, and what
    /// others wrote in the conversations she takes part in. Others are called
    /// other-1 and so on (pseudonym), or what they wrote is counted only
    /// (withheld), or they stand there as they are (included). --others
    /// without a value is pseudonym.
    #[arg(
        long,
        value_name = "pseudonym|withheld|included",
        num_args = 0..=1,
        default_missing_value = "pseudonym",
        value_parser = others
    )]
    others: Option<Others>,
    /// Encrypt to a public key of age (age1…); may be given again. The files are
    /// called FILE.age, and nothing is in clear on the disk.
    #[arg(long, value_name = "RECIPIENT")]
    to: Vec<String>,
    /// Encrypt to the public keys in a file, one a line.
    #[arg(long, value_name = "FILE")]
    to_file: Vec<PathBuf>,
    /// To whom it is given. Every export is registered: `escrow disclosure list` shows it, and so do plans of
    /// later erasures until it is destroyed.
    #[arg(long, value_name = "R")]
    recipient: Option<String>,
    /// Where it goes, by law. Outside of the store's region that needs --transfer-basis. Default: it stays where
    /// this program runs.
    #[arg(long, value_name = "R")]
    to_region: Option<String>,
    /// When whoever has it must have destroyed it.
    #[arg(long, value_name = "DATE", value_parser = register::instant)]
    expires: Option<Micros>,
    /// The file; FILE.manifest.json and FILE.proof are written beside it, with
    /// which `escrow verify-export` checks it.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Sign nothing and prove nothing: for a store whose log is damaged, which
    /// can't be signed.
    #[arg(long)]
    unsigned: bool,
}

fn others(text: &str) -> Result<Others, String> {
    Others::parse(text).ok_or_else(|| "pseudonym, withheld or included".to_owned())
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if !form::NAMES.contains(&args.format.as_str()) {
        return Err(Failure::usage("unknown export format").hint("use --format jsonl, html, csv or vcon"));
    }
    // Not by the parser: for it one of a group that is asked for is as good as the other.
    if args.others.is_some() && args.subject.is_none() {
        return Err(Failure::usage("--others is about an export of a person").hint("use it with --subject X"));
    }
    let recipients = Recipients::read(&args.to, &args.to_file)?;
    let place = |file: &std::path::Path| Outside::of(global, file);
    let target = if recipients.is_empty() {
        Target::new(&args.output, place)?
    } else {
        Target::sealed(&args.output, place)?
    };
    if args.recipient.as_ref().is_some_and(|who| who.trim().is_empty())
        || args.expires.is_some_and(|at| at <= register::now())
    {
        return Err(Failure::usage("a recipient has a name, and destroys what she got in time to come"));
    }
    let made = make(args, global, &target, &recipients)?;
    if made.restricted > 0 {
        let are = if made.restricted == 1 { "record is" } else { "records are" };
        note(&format!(
            "{} {are} restricted of those by or about the person, and left out; `--case` with the code of an open \
             request of hers, or with the code or matter of a hold or restriction that stands, exports them too",
            made.restricted
        ));
    }
    let line = if out.json() { made.to_json(target.path()) } else { made.to_text(target.path()) };
    Ok(out.line(&line)?)
}

/// Makes an export. When this returns its files stand under their names, and what it answers is all that is
/// to be known of it.
fn make(args: &Args, global: &Global, target: &Target, recipients: &Recipients) -> Result<Made, Failure> {
    let store = engine::open(global)?;
    let (what, query) = wanted(args)?;
    let reading = match &args.to_region {
        Some(region) => engine::session(&store, global).sending_to(region, global.transfer_basis.as_deref()),
        None => engine::session(&store, global),
    };
    let access = match (args.others, &args.subject) {
        (Some(others), Some(subject)) => match reading.person(subject) {
            Ok(person) => Some(Access::new(others, &person)),
            // Below, so that this leaves an act too.
            Err(_) => None,
        },
        _ => None,
    };
    let query = access.as_ref().map_or(query, Access::own_query);
    // The export is one act: nothing more of how it is made is recorded.
    let reading = reading.exporting(what, &query)?;
    let (asked, handle) = asked(args, &reading)?;
    let is_package = access.is_some();
    let by_conversation = form::is_by_conversation(&args.format);
    let mut each = |source: &Records, each: &mut Each| {
        if is_package { package(source, &query, each) } else { records(args, source, by_conversation, each) }
    };
    let register = &Register {
        store: &store,
        global,
        query: &query,
        recipient: args.recipient.as_deref(),
        expires: args.expires,
    };
    let job = Job { target, format: &args.format, asked, handle, access, recipients, register };
    let restricted = args.subject.as_ref().map_or(Ok(0), |subject| reading.restricted_of(subject))?;
    let made = if args.unsigned {
        write::unsigned(job, &reading, &mut each)?
    } else {
        write::signed(job, &reading, &mut each)?
    };
    Ok(Made { restricted, ..made })
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
    register: &Register,
) -> Result<Made, Failure> {
    let what = match &asked.0 {
        Asked::Subject(identifier) => Exported::Person(identifier),
        Asked::Conversation(name) => Exported::Conversation(name),
        _ => Exported::Query,
    };
    let query = register.query;
    let reading = &reading.exporting(what, query)?;
    let (asked, handle) = asked;
    let recipients = &Recipients::default();
    let job = Job { target, format: "jsonl", asked, handle, access: None, recipients, register };
    write::signed(job, reading, &mut |source, each| source.each(query, each))
}

/// What is exported, and the query for it.
fn wanted(args: &Args) -> Result<(Exported<'_>, String), Failure> {
    Ok(match (&args.subject, &args.conversation, &args.query) {
        (Some(subject), ..) => {
            let query = format!("version:all {} {}", field_query("subject", subject), every_kind());
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

/// The conversations of what a query finds, each of them whole.
fn package(source: &Records, query: &str, each: &mut Each) -> Result<(), Failure> {
    for conversation in conversations(source, query)? {
        source.each(&conversation_query(&conversation), each)?;
    }
    Ok(())
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
    format!("version:all {} {}", field_query("conversation", name), every_kind())
}

/// The query for everything a person is a subject of.
pub(crate) fn subject_query(identifier: &str) -> String {
    field_query("subject", identifier)
}

fn field_query(field: &str, value: &str) -> String {
    format!("{field}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The part of a query that asks for everything people did; without it deletions, joins and
/// reactions would stay behind. Beside it `version:all` asks for what was edited away or taken back. Acts of the store are no part of an export of chats.
fn every_kind() -> String {
    let kinds = Kind::ALL.into_iter().filter(|kind| !kind.is_internal());
    let terms: Vec<String> = kinds.map(|kind| format!("kind:{}", kind.name())).collect();
    format!("({})", terms.join(" OR "))
}
