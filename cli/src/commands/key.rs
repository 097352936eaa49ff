//! `key`: keys that may be shown, and where the secret one is.

use clap::Subcommand;

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The key that verifies the log: give it to whoever checks exports and certificates.
    Public,
    /// Kind, grade and epoch of the slot. Never the key.
    Status,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    match command {
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
