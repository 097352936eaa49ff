//! `key`: keys that may be shown, where the secret one is, and the change of the one that signs the log.

use std::path::PathBuf;

use clap::Subcommand;
use escrowdb::receipts::{Act, Deed};
use escrowdb::record::time;

use crate::args::Global;
use crate::durable;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;
use crate::outside::Outside;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The key that verifies the log: give it to whoever checks exports and certificates.
    Public,
    /// Change the key that signs the log. The old one dies; what both signed goes to everybody who has it.
    Rotate(Rotate),
    /// Keys that signed the log, oldest first; the last one signs today.
    History,
    /// Kind, grade and epoch of the slot. Never the key.
    Status,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Rotate {
    /// Write what both keys signed to this file; `verify-key` reads it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = match command {
        Command::Rotate(Rotate { output: Some(file) }) => Some(Outside::of(global, file)?),
        _ => None,
    };
    let store = engine::open(global)?;
    match command {
        Command::Rotate(_) => {
            let change = store.rotate_log_key()?.to_string();
            // By whom: the store's own record of the change names nobody.
            engine::session(&store, global).changed(&Act::new(Deed::LogKey, 0))?;
            if let Some(place) = &place {
                durable::write(place, change.as_bytes())?;
            }
            let key = store.verifier_key()?;
            store.close()?;
            if out.json() {
                out.line(&Object::new().text("key", &key).text("change", &change).finish())?;
            } else {
                out.bytes(change.as_bytes())?;
            }
        }
        Command::History => {
            for (n, report) in store.log_keys()?.iter().enumerate() {
                let (key, since) = (report.key.to_string(), report.since.map(time::format));
                if out.json() {
                    let mut line = Object::new();
                    line.text("key", &key).number("from", report.from).maybe("since", since.as_deref());
                    out.line(&line.finish())?;
                } else {
                    let since = since.unwrap_or_else(|| "the beginning".to_owned());
                    out.line(&format!("{}. since {since}, from position {}: {key}", n + 1, report.from))?;
                }
            }
        }
        Command::Public => {
            let key = store.verifier_key()?;
            let line = if out.json() { Object::new().text("key", &key).finish() } else { key };
            out.line(&line)?;
        }
        Command::Status => {
            let fields = engine::key_fields(&store.key_status());
            out.fields(&fields)?;
        }
    }
    Ok(())
}
