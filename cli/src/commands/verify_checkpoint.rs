//! `verify-checkpoint`: one checkpoint, or that one continues another, checked without a store.

use std::path::{Path, PathBuf};

use escrowdb::Error;
use escrowdb::merkle::policy::Policy;
use escrowdb::store::{Advance, SignedCheckpoint};

use crate::commands::evidence::{self, Trust};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A checkpoint, or one with the proof that it continues an earlier one.
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// An earlier checkpoint of the log: does this one continue it? Of that one only the log's
    /// signature counts: you kept it.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let named = |e| evidence::named(&args.file, e);
    let (later, advance) = evidence::head(&args.file)?;
    let policy = args.trust.policy()?;
    // Two histories that the log signed are told first: for that it needs no witness.
    let log = policy.without_witnesses();
    later.verify(&log).map_err(named)?;
    if let Some(since) = &args.since {
        continues(since, (&later, advance.as_ref()), (args, &log), out)?;
    }
    later.verify(&policy).map_err(named)?;
    print(&later, &policy, args.since.as_deref(), out)
}

/// Whether the later one is proved to continue the one in `since`.
fn continues(
    since: &Path,
    (later, advance): (&SignedCheckpoint, Option<&Advance>),
    (args, log): (&Args, &Policy),
    out: &mut Out,
) -> Result<(), Failure> {
    let earlier = evidence::checkpoint(since)?;
    let from = earlier.verify(log).map_err(|e| evidence::named(since, e))?;
    let to = later.unverified();
    if from.size == to.size && from.root != to.root {
        // Both are signed: whoever has the key sees it from these two texts alone.
        if out.json() {
            let mut line = Object::new();
            line.flag("ok", false).text("origin", &to.origin).number("size", to.size);
            line.texts("two_heads", &[earlier.to_string(), later.to_string()]);
            out.line(&line.finish())?;
        } else {
            out.bytes(format!("{earlier}\n{later}").as_bytes())?;
        }
        out.flush()?;
        return Err(Error::corrupt(format!("the log signed two histories of {} positions", to.size))
            .hint("keep both checkpoints: together they prove it to everybody who has the key")
            .into());
    }
    match advance {
        Some(advance) => {
            advance.verify(&earlier, log).map_err(|e| evidence::named(&args.file, e))?;
            Ok(())
        }
        None if from == to => Ok(()),
        None => Err(Failure::usage("there is no proof in it that it continues the other one")
            .hint("the log makes one: `escrow checkpoint --since FILE`")),
    }
}

fn print(
    later: &SignedCheckpoint,
    policy: &Policy,
    since: Option<&Path>,
    out: &mut Out,
) -> Result<(), Failure> {
    let head = later.unverified();
    if out.json() {
        let mut line = Object::new();
        line.flag("ok", true).text("origin", &head.origin).number("size", head.size);
        line.text("root", &head.root.to_string()).flag("continues", since.is_some());
        line.raw("cosigned", &evidence::witnesses(policy, later)?);
        return Ok(out.line(&line.finish())?);
    }
    let and = if since.is_some() { ", and continues the earlier one" } else { "" };
    out.line(&format!("signed by {}: {} positions, root {}{and}", head.origin, head.size, head.root))?;
    if let Some(by) = evidence::witnessed(policy, later)? {
        out.line(&by)?;
    }
    Ok(())
}
