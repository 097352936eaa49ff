//! `export`: records to a file, with a manifest beside it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use escrowdb::record::Kind;
use sha2::{Digest as _, Sha256};

use crate::args::Global;
use crate::commands::export::form::{Form, Jsonl};
use crate::durable::DurableFile;
use crate::engine::{self, Hit, Order, Reading, SearchOptions};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;
use crate::outside::Outside;

mod csv;
mod form;
mod html;

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
    /// The file; FILE.manifest.json is written beside it.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
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
    let reading = engine::session(&store, global);
    let by_conversation = form.by_conversation();
    let summary = write(&target, &mut *form, |each| records(args, &reading, by_conversation, each))?;
    let line = if out.json() {
        summary.to_json(&args.output)
    } else {
        format!("{} records in {}", summary.count, args.output.display())
    };
    Ok(out.line(&line)?)
}

/// The file of an export and its manifest.
pub(crate) struct Target {
    file: Outside,
    manifest: Outside,
}

impl Target {
    /// Both places, if `outside` accepts them.
    pub(crate) fn new(
        file: &Path,
        outside: impl Fn(&Path) -> Result<Outside, Failure>,
    ) -> Result<Self, Failure> {
        let mut manifest = file.as_os_str().to_owned();
        manifest.push(".manifest.json");
        Ok(Self { file: outside(file)?, manifest: outside(Path::new(&manifest))? })
    }
}

/// What was written.
pub(crate) struct Summary {
    /// Name of the format.
    format: &'static str,
    /// Number of records.
    pub(crate) count: u64,
    /// Length of the file.
    bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    hash: String,
}

impl Summary {
    fn to_json(&self, file: &Path) -> String {
        Object::new()
            .text("file", &file.display().to_string())
            .number("count", self.count)
            .number("bytes", self.bytes)
            .text("sha256", &self.hash)
            .finish()
    }

    /// The manifest. It is not signed, and says so: it shows a damaged file, not a forged one.
    fn manifest(&self, file: &Path) -> String {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Object::new()
            .number("version", 1)
            .text("file", &name)
            .text("format", self.format)
            .number("count", self.count)
            .number("bytes", self.bytes)
            .text("sha256", &self.hash)
            .flag("signed", false)
            .finish()
    }
}

/// Writes the records that `source` hands over as JSON Lines, and the manifest.
pub(crate) fn write_jsonl(
    target: &Target,
    source: impl FnOnce(&mut dyn FnMut(Hit) -> Result<(), Failure>) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    write(target, &mut Jsonl, source)
}

fn write(
    target: &Target,
    form: &mut dyn Form,
    source: impl FnOnce(&mut dyn FnMut(Hit) -> Result<(), Failure>) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    let name = target.file.path();
    let mut file = DurableFile::create(&target.file)?;
    let mut manifest = DurableFile::create(&target.manifest)?;
    let mut hasher = Sha256::new();
    let (mut count, mut bytes) = (0, 0);
    let mut piece = String::new();
    let mut put = |piece: &mut String| {
        hasher.update(piece.as_bytes());
        bytes += piece.len() as u64;
        let written = file.write_all(piece.as_bytes());
        piece.clear();
        written.map_err(|e| Failure::io(format!("write {}", name.display()), e))
    };
    form.begin(&mut piece);
    source(&mut |hit| {
        form.record(&mut piece, &hit);
        count += 1;
        put(&mut piece)
    })?;
    form.end(&mut piece);
    put(&mut piece)?;
    let summary = Summary { format: form.name(), count, bytes, hash: hex(&hasher.finalize()) };
    writeln!(manifest, "{}", summary.manifest(name))
        .map_err(|e| Failure::io(format!("write {}", target.manifest.path().display()), e))?;
    // Both are on the disk before either takes the place of an older one.
    let (file, manifest) = (file.sync()?, manifest.sync()?);
    file.publish()?;
    manifest.publish()?;
    Ok(summary)
}

/// Oldest first, whatever was asked for. Nothing found by name is exit 3; an empty answer to a
/// query is a good answer.
fn records(
    args: &Args,
    reading: &Reading,
    by_conversation: bool,
    each: &mut dyn FnMut(Hit) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let query = match (&args.subject, &args.conversation, &args.query) {
        (Some(subject), ..) => {
            reading.person(subject)?;
            format!("{} {}", field_query("subject", subject), every_kind())
        }
        (_, Some(conversation), _) => {
            if !is_known(reading, conversation)? {
                return Err(Failure::not_found("no such conversation"));
            }
            conversation_query(conversation)
        }
        (.., Some(query)) => query.clone(),
        _ => return Err(Failure::usage("name what to export")),
    };
    let oldest = || SearchOptions::new().order(Order::Oldest).cursors(false);
    if !by_conversation {
        engine::each_hit(reading, &query, (oldest(), None), each)?;
        return Ok(());
    }
    for conversation in conversations(reading, &query)? {
        let query = format!("({query}) {}", field_query("conversation", &conversation));
        engine::each_hit(reading, &query, (oldest(), None), &mut *each)?;
    }
    // Acts and people's own records are in no conversation. To exclude a kind asks for none: what the
    // query finds, and only that.
    let others = Kind::ALL.into_iter().filter(|kind| !kind.is_internal());
    let others: Vec<String> = others.map(|kind| format!("-kind:{}", kind.name())).collect();
    engine::each_hit(reading, &format!("({query}) {}", others.join(" ")), (oldest(), None), each)?;
    Ok(())
}

/// The conversations of what a query finds, in the order of their first record.
fn conversations(reading: &Reading, query: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (conversation, _) in reading.facet(query, "conversation")? {
        let query = format!("({query}) {}", field_query("conversation", &conversation));
        let oldest = SearchOptions::new().order(Order::Oldest).cursors(false);
        engine::each_hit(reading, &query, (oldest, Some(1)), |hit| {
            found.push(((hit.time, hit.seq), conversation.clone()));
            Ok(())
        })?;
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
