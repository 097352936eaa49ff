//! `correct`: another wording in the place of a record's.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::commands::lines::LINE_LEN_MAX;
use crate::commands::tag;
use crate::engine;
use crate::exit::Failure;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the record, or of an edit of it.
    id: String,
    /// The new wording: a file, or `-` for stdin. One line break at its end is no part of it.
    #[arg(long, value_name = "FILE")]
    body_file: PathBuf,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
    /// Why. It stands in the correction, and goes with the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let body = read(&args.body_file)?;
    let body = body.strip_suffix('\n').map_or(&*body, |body| body.strip_suffix('\r').unwrap_or(body));
    let store = engine::open(global)?;
    let session = engine::as_named(global);
    let seq =
        store.correct(&session, &args.id, args.conversation.as_deref(), body, args.reason.as_deref())?;
    store.close()?;
    tag::said(seq.0, out)
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let limit = LINE_LEN_MAX as u64 + 1;
    let read = if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::io("read the new wording", e))?;
    if bytes.len() > LINE_LEN_MAX {
        return Err(Failure::rejected("the new wording is longer than 8 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| Failure::rejected("the new wording is not UTF-8"))
}
