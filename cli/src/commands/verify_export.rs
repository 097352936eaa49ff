//! `verify-export`: an export, checked line by line without a store.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use escrowdb::Error;
use escrowdb::export::{Asked, Fault, Manifest, Report, SignedManifest, WHY_UNPROVED, What, check};
use escrowdb::record::time;

use crate::commands::evidence::{self, Trust};
use crate::commands::export::crypt::{self, Identities};
use crate::commands::export::{Again, again, beside};
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The exported file; FILE.manifest.json and FILE.proof stand beside it.
    file: PathBuf,
    /// A file of secret keys of age, for an export that is encrypted: FILE.age.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
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
    let files = Files::of(args)?;
    let path = files.beside(".manifest.json");
    let named = |e| evidence::named(&path, e);
    let signed = SignedManifest::parse(&files.read(&path)?).map_err(named)?;
    let policy = args.trust.policy()?;
    let cosigned = args.checkpoint.as_deref().map(evidence::checkpoint).transpose()?;
    let manifest = signed.verify(&policy, cosigned.as_ref()).map_err(named)?;
    let head = cosigned.as_ref().unwrap_or(&manifest.checkpoint);
    let proof = files.beside(".proof");
    let (file, proof) = (|| files.open(&args.file), || files.open(&proof));
    let mut report = check(manifest, &file, manifest.proof.as_ref().map(|_| &proof as _), args.faults)?;
    let mut made = None;
    // Only of records that are proved.
    if manifest.proof.is_some() && report.faults == 0 {
        made = Some(again(manifest, &proof)?);
        if made == Some(Again::Other) {
            report.faults += 1;
            report.first.push(Fault { what: What::Shows, line: 0, seq: None, made: None });
        }
    }
    if out.json() {
        out.line(&json(manifest, &report, made, &evidence::witnesses(&policy, head)?))?;
    } else {
        print(manifest, &report, made, evidence::witnessed(&policy, head)?.as_deref(), out)?;
    }
    if report.faults == 0 {
        return Ok(());
    }
    out.flush()?;
    let is = if report.faults == 1 { "1 fault".to_owned() } else { format!("{} faults", report.faults) };
    let message = format!("{}: it is not the export that was signed: {is}", args.file.display());
    Err(Error::corrupt(message).hint("ask for the export again, from whoever made it").into())
}

/// The files of an export, encrypted or not.
struct Files {
    /// The file without the ending of an encrypted one.
    base: PathBuf,
    identities: Option<Identities>,
}

impl Files {
    /// # Errors
    /// *Usage* for an encrypted file and no key for it.
    fn of(args: &Args) -> Result<Self, Failure> {
        let identities = args.identity.as_deref().map(Identities::read).transpose()?;
        let mut begins = Vec::new();
        let opened = File::open(&args.file).map_err(|e| Failure::io(what(&args.file), e))?;
        let most = crypt::HEADER.len() as u64;
        opened.take(most).read_to_end(&mut begins).map_err(|e| Failure::io(what(&args.file), e))?;
        let is_sealed = crypt::is_sealed(&begins);
        if is_sealed && identities.is_none() {
            return Err(Failure::usage(format!("{} is encrypted", args.file.display())).hint(
                "decrypt it, its .proof and its .manifest.json first (age -d -i KEYS), or give --identity KEYS",
            ));
        }
        let name = args.file.as_os_str().to_string_lossy();
        let base = match name.strip_suffix(crypt::ENDING) {
            Some(base) if is_sealed => base.into(),
            _ => args.file.clone(),
        };
        Ok(Self { base, identities: identities.filter(|_| is_sealed) })
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let sealed = if self.identities.is_some() { crypt::ENDING } else { "" };
        beside(&self.base, &format!("{ending}{sealed}"))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn BufRead>, Error> {
        let opened = File::open(path).map_err(|e| Error::io(what(path), e))?;
        let file = BufReader::with_capacity(1 << 16, opened);
        match &self.identities {
            None => Ok(Box::new(file)),
            Some(identities) => identities.open(file, path),
        }
    }

    /// All of a file that is not long.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        if self.identities.is_none() {
            return evidence::read(path);
        }
        let mut bytes = Vec::new();
        let read = self.open(path)?.take(evidence::FILE_MAX).read_to_end(&mut bytes);
        read.map_err(|e| Failure::io(what(path), e))?;
        Ok(bytes)
    }
}

fn what(path: &Path) -> String {
    format!("read {}", path.display())
}

fn print(
    manifest: &Manifest,
    report: &Report,
    made: Option<Again>,
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
    if let Some(package) = &manifest.terms.package {
        out.line(&format!(
            "an access package: {} records by or about the person, {} of others ({}), {} withheld",
            package.own,
            package.of_others,
            package.others.name(),
            package.withheld
        ))?;
    }
    if !manifest.terms.recipients.is_empty() {
        out.line(&format!("  encrypted to: {}", clean(&manifest.terms.recipients.join(", "))))?;
    }
    if manifest.proof.is_some() {
        let lines = match made {
            None | Some(Again::Lines) => format!("{} of {} lines", report.proved, report.lines - report.told),
            _ => format!("{} of {} records", report.proved, manifest.count),
        };
        out.line(&format!(
            "proved: {lines} are records of that log, but for the names of people; who {} people in them are",
            report.people
        ))?;
        match made {
            Some(Again::Same) => {
                out.line("proved: the file shows these records and nothing else; made again from them it is the same")?;
            }
            Some(Again::OtherVersion) => out.line(
                "not proved: that the file shows these records; another version of the program wrote it, and signed it",
            )?,
            _ => {}
        }
        if report.told > 0 {
            out.line(&format!(
                "not proved: {} statements beside the records are the signer's word; a receipt proves a consent",
                report.told
            ))?;
        }
        if report.shown > 0 {
            out.line(&format!("not proved: {} records are the signer's word; {WHY_UNPROVED}", report.shown))?;
        }
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

fn json(manifest: &Manifest, report: &Report, made: Option<Again>, witnesses: &str) -> String {
    let head = manifest.checkpoint.unverified();
    let mut line = Object::new();
    line.flag("ok", report.faults == 0).text("origin", &head.origin).number("size", head.size);
    line.text("root", &head.root.to_string()).raw("cosigned", witnesses).text("format", &manifest.format);
    line.number("count", manifest.count).number("lines", report.lines).number("proved", report.proved);
    line.number("people", report.people).number("named", report.named);
    line.number("unknown", report.unknown).flag("complete", manifest.complete);
    let faults: Vec<String> = report.first.iter().map(fault).collect();
    // Where it isn't all in the lines of the file.
    match made {
        Some(Again::Same) => line.flag("shows", true),
        Some(Again::Other) => line.flag("shows", false),
        Some(Again::OtherVersion) => line.raw("shows", "null"),
        Some(Again::Lines) | None => &mut line,
    };
    if let Some(package) = &manifest.terms.package {
        line.text("others", package.others.name()).number("own", package.own);
        line.number("of_others", package.of_others).number("withheld", package.withheld);
        line.number("shown", report.shown);
        if package.told.is_some() {
            line.number("told", report.told);
        }
    }
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
