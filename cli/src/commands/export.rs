//! `export`: records to a file, with a manifest beside it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use escrowdb::record::Kind;
use sha2::{Digest as _, Sha256};

use crate::args::Global;
use crate::durable::{self, DurableFile};
use crate::engine::{self, Hit, Order, Reading};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

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
    /// Format of the file.
    #[arg(long, value_name = "F", default_value = "jsonl")]
    format: String,
    /// The file; FILE.manifest.json is written beside it.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if args.format != "jsonl" {
        let known = ["html", "csv", "vcon"].contains(&args.format.as_str());
        let message =
            if known { "this export format is not in this version" } else { "unknown export format" };
        return Err(Failure::usage(message).hint("use --format jsonl"));
    }
    outside(&args.output, &engine::folder(global)?)?;
    let store = engine::open(global)?;
    let reading = engine::session(&store, global);
    let summary = write_jsonl(&args.output, |each| records(args, &reading, each))?;
    let line = if out.json() {
        summary.to_json(&args.output)
    } else {
        format!("{} records in {}", summary.count, args.output.display())
    };
    Ok(out.line(&line)?)
}

/// What was written.
pub(crate) struct Summary {
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
            .text("format", "jsonl")
            .number("count", self.count)
            .number("bytes", self.bytes)
            .text("sha256", &self.hash)
            .flag("signed", false)
            .finish()
    }
}

/// Writes the records that `source` hands over, and the manifest.
pub(crate) fn write_jsonl(
    target: &Path,
    source: impl FnOnce(&mut dyn FnMut(Hit) -> Result<(), Failure>) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    let mut file = DurableFile::create(target)?;
    let mut hasher = Sha256::new();
    let (mut count, mut bytes) = (0, 0);
    source(&mut |hit| {
        let mut line = engine::record_json(&hit);
        line.push('\n');
        hasher.update(line.as_bytes());
        count += 1;
        bytes += line.len() as u64;
        file.write_all(line.as_bytes()).map_err(|e| Failure::io(format!("write {}", target.display()), e))
    })?;
    let summary = Summary { count, bytes, hash: hex(&hasher.finalize()) };
    file.commit()?;
    let mut manifest = target.as_os_str().to_owned();
    manifest.push(".manifest.json");
    durable::write(Path::new(&manifest), (summary.manifest(target) + "\n").as_bytes())?;
    Ok(summary)
}

/// Oldest first, whatever was asked for. Nothing found by name is exit 3; an empty answer to a
/// query is a good answer.
fn records(
    args: &Args,
    reading: &Reading,
    each: &mut dyn FnMut(Hit) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let query = match (&args.subject, &args.conversation, &args.query) {
        (Some(subject), ..) => {
            reading.person(subject)?;
            format!("{} {}", field_query("subject", subject), every_kind())
        }
        (_, Some(conversation), _) => {
            let query = format!("{} {}", field_query("conversation", conversation), every_kind());
            if reading.count(&query)? == 0 {
                return Err(Failure::not_found("no such conversation"));
            }
            query
        }
        (.., Some(query)) => query.clone(),
        _ => return Err(Failure::usage("name what to export")),
    };
    engine::each_hit(reading, &query, (Order::Oldest, None, None), each)?;
    Ok(())
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

/// Plain text must not come to lie inside the store's folder, where it would look sealed.
fn outside(file: &Path, folder: &Path) -> Result<(), Failure> {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) if parent.starts_with(&folder) => {
            Err(Failure::usage("the export would lie in clear inside the store's folder")
                .hint("choose another folder"))
        }
        _ => Ok(()),
    }
}
