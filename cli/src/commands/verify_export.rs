//! `verify-export`: an export, checked line by line without a store.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use escrowdb::Error;
use escrowdb::export::{Asked, Fault, Manifest, Report, SignedManifest, check};
use escrowdb::record::time;

use crate::commands::evidence::{self, Trust};
use crate::commands::export::beside;
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The exported file; FILE.manifest.json stands beside it, and of jsonl
    /// FILE.proof.
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// The checkpoint of the export's manifest as it came back from
    /// witnesses, with their cosignatures.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Name at most so many faults; all are counted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    faults: usize,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let path = beside(&args.file, ".manifest.json");
    let named = |e| evidence::named(&path, e);
    let signed = SignedManifest::parse(&evidence::read(&path)?).map_err(named)?;
    let policy = args.trust.policy()?;
    let cosigned = args.checkpoint.as_deref().map(evidence::checkpoint).transpose()?;
    let manifest = signed.verify(&policy, cosigned.as_ref()).map_err(named)?;
    let head = cosigned.as_ref().unwrap_or(&manifest.checkpoint);
    let proof = beside(&args.file, ".proof");
    let (file, proof) = (|| source(&args.file), || source(&proof));
    let report = check(manifest, &file, manifest.proof.as_ref().map(|_| &proof as _), args.faults)?;
    if out.json() {
        out.line(&json(manifest, &report, &evidence::witnesses(&policy, head)?))?;
    } else {
        print(manifest, &report, evidence::witnessed(&policy, head)?.as_deref(), out)?;
    }
    if report.faults == 0 {
        return Ok(());
    }
    out.flush()?;
    let is = if report.faults == 1 { "1 fault".to_owned() } else { format!("{} faults", report.faults) };
    let message = format!("{}: it is not the export that was signed: {is}", args.file.display());
    Err(Error::corrupt(message).hint("ask for the export again, from whoever made it").into())
}

fn source(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let opened = File::open(path).map_err(|e| Error::io(format!("read {}", path.display()), e))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, opened)))
}

fn print(
    manifest: &Manifest,
    report: &Report,
    witnessed: Option<&str>,
    out: &mut Out,
) -> Result<(), Failure> {
    let head = manifest.checkpoint.unverified();
    let (sort, what) = asked(&manifest.asked);
    out.line(&format!(
        "signed by {}: {} records of the {sort} {}, as of {} ({} positions)",
        head.origin,
        manifest.count,
        clean(what),
        time::format(manifest.at),
        head.size
    ))?;
    for (name, value) in [("by", &manifest.actor), ("purpose", &manifest.purpose), ("case", &manifest.case)] {
        if let Some(value) = value {
            out.line(&format!("  {name}: {}", clean(value)))?;
        }
    }
    for fault in &report.first {
        out.line(&format!("  {fault}"))?;
    }
    let more = report.faults - report.first.len() as u64;
    if more > 0 {
        out.line(&format!("  and {more} more"))?;
    }
    if manifest.proof.is_some() {
        out.line(&format!(
            "proved: {} of {} lines are records of that log, but for the names of people; who {} people in them are",
            report.proved, report.lines, report.people
        ))?;
        if report.named > 0 {
            out.line(&format!("not proved: who {} more people are; the signer names them, and says that their records are lost", report.named))?;
        }
        if report.unknown > 0 {
            out.line(&format!(
                "not proved: who {} people are whom no line names: erased, lost, or left out by the signer",
                report.unknown
            ))?;
        }
    } else if report.faults == 0 {
        out.line(
            "proved: the file is the one that was signed; its records one by one are not (jsonl proves them)",
        )?;
    }
    if !manifest.complete {
        out.line("the signer says: a part of the store could not be read, so records may be missing")?;
    }
    let others = if let Some(by) = witnessed {
        out.line(by)?;
        ""
    } else {
        ", that others see the same log"
    };
    Ok(out.line(&format!(
        "not proved, but the signer's word: that these are all records that were asked for, when that was{others}, and \
         that what the records say was said, and said then"
    ))?)
}

fn asked(asked: &Asked) -> (&'static str, &str) {
    match asked {
        Asked::Subject(of) => ("person", of),
        Asked::Conversation(of) => ("conversation", of),
        Asked::Query(of) => ("query", of),
    }
}

fn json(manifest: &Manifest, report: &Report, witnesses: &str) -> String {
    let head = manifest.checkpoint.unverified();
    let mut line = Object::new();
    line.flag("ok", report.faults == 0).text("origin", &head.origin).number("size", head.size);
    line.text("root", &head.root.to_string()).raw("cosigned", witnesses).text("format", &manifest.format);
    line.number("count", manifest.count).number("lines", report.lines).number("proved", report.proved);
    line.number("people", report.people).number("named", report.named);
    line.number("unknown", report.unknown).flag("complete", manifest.complete);
    let faults: Vec<String> = report.first.iter().map(fault).collect();
    line.number("faults", report.faults).raw("first", &array(&faults));
    line.finish()
}

fn fault(fault: &Fault) -> String {
    let mut object = Object::new();
    object.text("fault", fault.what.name());
    if fault.line > 0 {
        object.number("line", fault.line);
    }
    if let Some(seq) = fault.seq {
        object.number("seq", seq.0);
    }
    if let Some(made) = fault.made {
        object.number("exported_line", made);
    }
    object.finish()
}
