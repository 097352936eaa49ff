//! `checkpoint`: the signed head of the log, for keeping elsewhere, for witnesses, for everybody.

use std::path::PathBuf;

use escrowdb::merkle::cosign;
use escrowdb::merkle::policy::Policy;
use escrowdb::store::{Advance, SignedCheckpoint, Store};

use crate::args::Global;
use crate::commands::evidence;
use crate::durable;
use crate::engine;
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, note};
use crate::outside::Outside;

mod ask;
mod published;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write it to this file too, instead of showing it to people.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prove that it continues this earlier checkpoint: the proof stands before it, as witnesses
    /// take it (C2SP tlog-witness).
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Ask this witness to cosign it, or take the lines that `escrow witness sign` wrote to a file.
    /// May be given several times. What is cosigned is kept for --cosigned.
    #[arg(long, value_name = "URL|FILE", conflicts_with = "since")]
    cosign_from: Vec<String>,
    /// Certificate authorities of witnesses, a PEM file; otherwise the one that SSL_CERT_FILE names, or the
    /// system's.
    #[arg(long, value_name = "FILE", requires = "cosign_from")]
    cosign_ca: Option<PathBuf>,
    /// Whose cosignatures count (C2SP tlog-policy). Without it nobody checks them here.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Take this checkpoint of the log, alone or with a proof before it, instead of signing a new one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["since", "cosigned"])]
    head: Option<PathBuf>,
    /// Take the longest checkpoint that was cosigned before (as --policy wants, if it is given),
    /// instead of signing a new one.
    #[arg(long, conflicts_with = "since")]
    cosigned: bool,
    /// Write it and the hashes under it to this folder, as others read logs (C2SP tlog-tiles): what
    /// is new since the last time, the checkpoint last. Any web server can hand it out.
    #[arg(long, value_name = "FOLDER")]
    tiles: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = args.output.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let published = args.tiles.as_deref().map(|folder| published::Folder::of(global, folder)).transpose()?;
    let policy = args.policy.as_deref().map(evidence::policy).transpose()?;
    let earlier = args.since.as_deref().map(evidence::checkpoint).transpose()?;
    let given = args.head.as_deref().map(evidence::head).transpose()?;
    let store = engine::open(global)?;
    let (mut checkpoint, advance) = match (&earlier, given) {
        (Some(earlier), _) => {
            let advance = store.checkpoint_since(earlier)?;
            (advance.checkpoint.clone(), Some(advance))
        }
        (None, Some((given, _))) => {
            let against = store.verify_against(&given)?;
            if !against.holds() {
                return Err(escrowdb::Error::corrupt(against.to_string()).into());
            }
            (given, None)
        }
        (None, None) if args.cosigned => (kept(&store, policy.as_ref())?, None),
        (None, None) => (store.checkpoint()?, None),
    };
    let mut trouble = Vec::new();
    for source in &args.cosign_from {
        match ask::lines(&store, &checkpoint, source, args.cosign_ca.as_deref()) {
            Ok(lines) => match add(&checkpoint, &lines, policy.as_ref(), source) {
                Ok(more) => checkpoint = more,
                // One who answers falsely doesn't spoil what the others said.
                Err(failure) => trouble.push(failure),
            },
            Err(failure) => trouble.push(failure),
        }
    }
    let text = match &advance {
        Some(advance) => Advance { checkpoint: checkpoint.clone(), ..advance.clone() }.to_string(),
        None => checkpoint.to_string(),
    };
    if let Some(place) = &place {
        durable::write(place, text.as_bytes())?;
    }
    // What witnesses gave is with the caller, whatever becomes of the store's own copy.
    if !args.cosign_from.is_empty() && checkpoint.note().signatures().len() > 1 {
        let kept = with_earlier(&store, &checkpoint, policy.as_ref());
        if let Err(failure) = kept.and_then(|kept| Ok(store.keep_cosigned(&kept)?)) {
            trouble.push(failure);
        }
    }
    let tiles = published.map(|folder| folder.write(&store, &checkpoint)).transpose()?;
    print(&checkpoint, advance.as_ref(), tiles, place.as_ref(), out)?;
    out.flush()?;
    ended(trouble, policy.filter(|_| !args.cosign_from.is_empty()), &checkpoint)
}

/// The first thing that went wrong with witnesses is how the command ends; the others are said.
fn ended(
    trouble: Vec<Failure>,
    policy: Option<Policy>,
    checkpoint: &SignedCheckpoint,
) -> Result<(), Failure> {
    let mut trouble = trouble.into_iter();
    let first = trouble.next();
    trouble.for_each(|failure| {
        failure.report(false);
    });
    match (first, policy) {
        (Some(failure), _) => Err(failure),
        (None, Some(policy)) => {
            policy
                .verify(checkpoint)
                .map_err(|e| Failure::failed(e.to_string()).hint("ask more witnesses"))?;
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// With what witnesses said of the same head before, so that they can be asked one after the other. Not if
/// that would spoil it.
fn with_earlier(
    store: &Store,
    checkpoint: &SignedCheckpoint,
    policy: Option<&Policy>,
) -> Result<SignedCheckpoint, Failure> {
    let same = |kept: &SignedCheckpoint| kept.note().text() == checkpoint.note().text();
    let own = &checkpoint.unverified().origin;
    let lines: Vec<_> = checkpoint.note().signatures().iter().filter(|s| s.name != *own).cloned().collect();
    let both = store.cosigned()?.into_iter().find(same).and_then(|kept| kept.with(&lines).ok());
    let sound = |both: &SignedCheckpoint| policy.is_none_or(|policy| policy.cosigned(both).is_ok());
    Ok(both.filter(sound).unwrap_or_else(|| checkpoint.clone()))
}

/// The longest checkpoint that was cosigned.
fn kept(store: &Store, policy: Option<&Policy>) -> Result<SignedCheckpoint, Failure> {
    let today = Policy::of_key(store.verifier_key()?.parse()?);
    let policy = policy.unwrap_or(&today);
    store.cosigned()?.into_iter().find(|head| policy.verify(head).is_ok()).ok_or_else(|| {
        Failure::not_found("no checkpoint is kept that was cosigned").hint("--cosign-from asks a witness")
    })
}

/// Puts lines beside a checkpoint. With a policy only those of its witnesses, and only if they are true.
fn add(
    checkpoint: &SignedCheckpoint,
    lines: &[escrowdb::merkle::note::NoteSignature],
    policy: Option<&Policy>,
    source: &str,
) -> Result<SignedCheckpoint, Failure> {
    // Who answered before keeps his line.
    let is_new = |line: &escrowdb::merkle::note::NoteSignature| {
        checkpoint.note().signatures().iter().all(|have| (&have.name, have.id) != (&line.name, line.id))
    };
    let lines: Vec<_> = lines.iter().filter(|line| is_new(line)).cloned().collect();
    let Some(policy) = policy else {
        note("the cosignatures were not checked: --policy says by whom they must be");
        return Ok(checkpoint.with(&lines)?);
    };
    let known = |line: &&escrowdb::merkle::note::NoteSignature| {
        policy.witnesses().any(|key| key.name() == line.name && key.id() == line.id)
    };
    let lines: Vec<_> = lines.iter().filter(known).cloned().collect();
    if lines.is_empty() {
        note(&format!("{}: no witness of the policy answered there", ask::shown(source)));
        return Ok(checkpoint.clone());
    }
    let more = checkpoint.with(&lines)?;
    policy.cosigned(&more).map_err(|e| Failure::from(e.context(ask::shown(source))))?;
    Ok(more)
}

fn print(
    checkpoint: &SignedCheckpoint,
    advance: Option<&Advance>,
    tiles: Option<u64>,
    place: Option<&Outside>,
    out: &mut Out,
) -> Result<(), Failure> {
    let head = checkpoint.unverified();
    if out.json() {
        let mut line = Object::new();
        line.text("origin", &head.origin).number("size", head.size).text("root", &head.root.to_string());
        line.text("checkpoint", &checkpoint.to_string());
        // As the lines say; who checks them says the verifier.
        let others = checkpoint.note().signatures().iter().filter(|s| s.name != head.origin);
        let each = others.filter_map(|line| {
            let mut one = Object::new();
            one.text("name", &line.name).text("time", &evidence::instant(cosign::time(line)?));
            Some(one.finish())
        });
        line.raw("cosigned", &array(&each.collect::<Vec<_>>()));
        if let Some(advance) = advance {
            line.number("since", advance.from).text("proof", &advance.to_string());
        }
        if let Some(tiles) = tiles {
            line.number("tiles", tiles);
        }
        return Ok(out.line(&line.finish())?);
    }
    match (place, tiles) {
        (None, None) => match advance {
            Some(advance) => out.bytes(advance.to_string().as_bytes())?,
            None => out.bytes(checkpoint.to_string().as_bytes())?,
        },
        (Some(place), _) => out.line(&format!("{} positions in {}", head.size, place.path().display()))?,
        (None, Some(_)) => {}
    }
    if let Some(tiles) = tiles {
        out.line(&format!("{tiles} new tiles of {} positions", head.size))?;
    }
    Ok(())
}
