//! `verify-key`: the change of a log's key, checked without a store.

use std::path::PathBuf;

use escrowdb::merkle::signer::VerifierKey;
use escrowdb::store::SignedRotation;

use crate::commands::evidence;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What both keys signed, as `escrow key rotate` printed it.
    file: PathBuf,
    /// The key that you believe so far.
    #[arg(long, value_name = "K", value_parser = evidence::log_key)]
    key: VerifierKey,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let named = |e| evidence::named(&args.file, e);
    let change = SignedRotation::parse(&evidence::read(&args.file)?).map_err(named)?;
    let change = change.verify(&args.key).map_err(named)?;
    let key = change.key.to_string();
    if out.json() {
        let mut line = Object::new();
        line.flag("ok", true).text("key", &key).flag("continues", change.continues());
        line.number("size", change.size).text("root", &change.root.to_string());
        return Ok(out.line(&line.finish())?);
    }
    out.line(&key)?;
    Ok(out.line(&match change.continues() {
        true => {
            format!("proved: the old key names it, and it goes on with the log of {} positions", change.size)
        }
        false => {
            "proved: the old key names it; it begins a NEW HISTORY, for a part of the log was lost".to_owned()
        }
    })?)
}
