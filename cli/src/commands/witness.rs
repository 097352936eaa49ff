//! `witness`: a second machine's word that a log showed everybody the same history.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use escrowdb::Error;
use escrowdb::merkle::cosign;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::merkle::witness::BODY_MAX;
use escrowdb_server::witness::folder::{Folder, Reply};
use escrowdb_server::witness::serve::{self, Tls};

use crate::commands::evidence;
use crate::exit::Failure;
use crate::input;
use crate::json::Object;
use crate::out::{Out, clean, note};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a witness: a new folder with a key of its own.
    Init {
        #[command(flatten)]
        dir: Dir,
        /// Its name, best an address without https://: witness.example.org/w1.
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// Make a log known to it. Its first head is taken as it is.
    AddLog {
        #[command(flatten)]
        dir: Dir,
        /// The log's key, as `escrow key public` printed it.
        #[arg(value_parser = evidence::log_key)]
        key: VerifierKey,
    },
    /// Answer logs that ask for its cosignature, until the process is ended.
    Run(Run),
    /// Show its key, and the last head that it cosigned of each log.
    Show(Dir),
    /// Answer one request from stdin, for a machine without network: prints cosignature lines.
    Sign(Dir),
}

/// The witness's folder.
#[derive(clap::Args, Debug)]
pub(crate) struct Dir {
    /// Its folder.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    dir: Dir,
    /// Where to listen. Beyond the machine's own addresses only with TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7780")]
    listen: SocketAddr,
    /// Certificate chain, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

pub(crate) fn run(command: Command, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Init { dir, name } => {
            let key = Folder::init(&dir.dir, &name)?.to_string();
            let line = if out.json() { Object::new().text("key", &key).finish() } else { key };
            Ok(out.line(&line)?)
        }
        Command::AddLog { dir, key } => {
            let new = Folder::open(&dir.dir)?.add_log(key.clone())?;
            if out.json() {
                return Ok(out.line(&Object::new().text("origin", key.name()).flag("new", new).finish())?);
            }
            let what = if new { "is known now" } else { "was known" };
            Ok(out.line(&format!("{} {what}", clean(key.name())))?)
        }
        Command::Run(args) => listen(&args, out),
        Command::Show(dir) => show(&Folder::open(&dir.dir)?, out),
        Command::Sign(dir) => sign(&Folder::open(&dir.dir)?, out),
    }
}

fn listen(args: &Run, out: &mut Out) -> Result<(), Failure> {
    let folder = Folder::open(&args.dir.dir)?;
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| Tls { cert, key });
    let key = folder.verifier_key().to_string();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let json = out.json();
    let mut said = Ok(());
    let ready = |address: SocketAddr| {
        let url = format!("{scheme}://{address}");
        let line = match json {
            true => Object::new().text("url", &url).text("key", &key).finish(),
            false => format!("{url}\n{key}"),
        };
        said = out.line(&line).and_then(|()| out.flush());
    };
    let told = |text: &str| text.lines().for_each(|line| note(&clean(line)));
    match serve::serve(folder, args.listen, tls.as_ref(), ready, told) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

fn show(folder: &Folder, out: &mut Out) -> Result<(), Failure> {
    let key = folder.verifier_key();
    if !out.json() {
        out.line(&key.to_string())?;
    }
    for log in folder.logs() {
        let head = folder.head(log.name())?;
        let at = head.as_ref().and_then(|head| cosign::latest(head, &key)).map(evidence::instant);
        if out.json() {
            let mut line = Object::new();
            line.text("witness", &key.to_string()).text("log", &log.to_string());
            line.number("size", head.as_ref().map_or(0, |head| head.unverified().size));
            line.maybe("time", at.as_deref()).maybe("checkpoint", head.map(|h| h.to_string()).as_deref());
            out.line(&line.finish())?;
        } else {
            let said = match (&head, &at) {
                (Some(head), Some(at)) => format!("{} positions, cosigned at {at}", head.unverified().size),
                _ => "nothing yet".to_owned(),
            };
            out.line(&format!("{}: {said}", clean(log.name())))?;
        }
    }
    Ok(())
}

fn sign(folder: &Folder, out: &mut Out) -> Result<(), Failure> {
    let mut body = Vec::new();
    let failed = |e| Failure::io("read stdin", e);
    input::stdin().map_err(failed)?.take(BODY_MAX as u64 + 1).read_to_end(&mut body).map_err(failed)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let Reply { status, body, fork, .. } = folder.submit(&body, now)?;
    if let Some(heads) = fork {
        out.bytes(heads.as_bytes())?;
        out.flush()?;
        return Err(Error::corrupt("the log signed two histories of one size")
            .hint("what was printed proves it to everybody who has the log's key")
            .into());
    }
    match status {
        200 if out.json() => Ok(out.line(&Object::new().text("cosignatures", &body).finish())?),
        200 => Ok(out.bytes(body.as_bytes())?),
        409 => Err(Failure::failed(format!(
            "the witness is at {} positions: the proof must begin there",
            body.trim()
        ))
        .hint("escrow checkpoint --since the checkpoint of that size")),
        _ => Err(Failure::failed(format!("refused ({status}): {}", clean(body.trim())))),
    }
}
