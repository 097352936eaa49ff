//! Writes the files of an export: all of them are on the disk before one takes its name.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use escrowdb::ErrorKind;
use escrowdb::export::{Asked, Digest, Exported, HEADER, Manifest, ProofFile, Snapshot};
use escrowdb::id::{Handle, Micros, Seq};
use sha2::{Digest as _, Sha256};

use crate::commands::export::form::Form;
use crate::durable::{DurableFile, Written};
use crate::engine::{Hit, Order, Reading, SearchOptions};
use crate::exit::Failure;
use crate::json::Object;
use crate::outside::Outside;

/// Takes a record.
pub(crate) type Each<'a> = dyn FnMut(Item) -> Result<(), Failure> + 'a;
/// Hands records of a source to whoever takes them.
pub(super) type Source<'a> = dyn FnMut(&Records, &mut Each) -> Result<(), Failure> + 'a;

/// A record that is exported.
pub(crate) enum Item {
    /// Without proof.
    Plain(Box<Hit>),
    /// With what its proof needs.
    Proved(Box<Exported>),
}

impl Item {
    fn hit(&self) -> &Hit {
        match self {
            Self::Plain(hit) => hit,
            Self::Proved(exported) => &exported.hit,
        }
    }
}

/// Where records come from.
pub(crate) enum Records<'a> {
    /// The store as it is while they are read.
    Now(&'a Reading<'a>),
    /// One moment of the store.
    Snapshot { reading: &'a Reading<'a>, of: &'a Snapshot<'a>, proved: bool },
}

impl Records<'_> {
    pub(crate) fn reading(&self) -> &Reading<'_> {
        match self {
            Self::Now(reading) | Self::Snapshot { reading, .. } => reading,
        }
    }

    /// Everything a query finds, oldest first.
    pub(crate) fn each(&self, query: &str, each: &mut Each) -> Result<(), Failure> {
        self.each_until(query, &mut |item| each(item).map(|()| true))
    }

    /// Time and position of the first record that a query finds.
    pub(crate) fn first(&self, query: &str) -> Result<Option<(Micros, Seq)>, Failure> {
        let mut first = None;
        self.each_until(query, &mut |item| {
            first = Some((item.hit().time, item.hit().seq));
            Ok(false)
        })?;
        Ok(first)
    }

    fn each_until(
        &self,
        query: &str,
        each: &mut dyn FnMut(Item) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let mut failed = None;
        let mut take = |item| {
            let taken = each(item);
            let goes_on = matches!(taken, Ok(true));
            failed = taken.err();
            goes_on
        };
        let ended = match self {
            Self::Now(reading) => {
                let all = SearchOptions::new().order(Order::Oldest).cursors(false).limit(usize::MAX);
                reading.search_with(query, &all, |hit| take(Item::Plain(Box::new(hit))))
            }
            Self::Snapshot { of, proved: true, .. } => {
                of.each_proved(query, |exported| take(Item::Proved(Box::new(exported))))
            }
            Self::Snapshot { of, .. } => of.each(query, |hit| take(Item::Plain(Box::new(hit)))),
        };
        match failed {
            Some(failure) => Err(failure),
            None => Ok(ended?),
        }
    }
}

/// The files of an export.
pub(crate) struct Target {
    file: Outside,
    proof: Outside,
    manifest: Outside,
}

impl Target {
    /// All three places, if `outside` accepts them.
    pub(crate) fn new(
        file: &Path,
        outside: impl Fn(&Path) -> Result<Outside, Failure>,
    ) -> Result<Self, Failure> {
        let (proof, manifest) = (beside(file, ".proof"), beside(file, ".manifest.json"));
        Ok(Self { file: outside(file)?, proof: outside(&proof)?, manifest: outside(&manifest)? })
    }
}

/// A file beside another, by its ending.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What was written.
pub(crate) struct Summary {
    /// Name of the format.
    format: &'static str,
    /// Number of records.
    pub(crate) count: u64,
    /// The file.
    digest: Digest,
    /// Bytes of the proof.
    proof: Option<u64>,
    /// Positions of the log that the checkpoint counts, if one was signed.
    size: Option<u64>,
}

impl Summary {
    pub(super) fn to_json(&self, file: &Path) -> String {
        let null = |number: Option<u64>| number.map_or("null".to_owned(), |n| n.to_string());
        Object::new()
            .text("file", &file.display().to_string())
            .number("count", self.count)
            .number("bytes", self.digest.bytes)
            .text("sha256", &hex(&self.digest.sha256))
            .flag("signed", self.size.is_some())
            .raw("size", &null(self.size))
            .raw("proof_bytes", &null(self.proof))
            .finish()
    }

    /// A manifest that is not signed, and says so: it shows a damaged file, not a forged one.
    fn unsigned(&self, file: &Path) -> String {
        Object::new()
            .number("version", 1)
            .text("file", &name_of(file))
            .text("format", self.format)
            .number("count", self.count)
            .number("bytes", self.digest.bytes)
            .text("sha256", &hex(&self.digest.sha256))
            .flag("signed", false)
            .finish()
    }
}

/// A file that is hashed while it is written.
struct Hashed<'a> {
    file: DurableFile,
    name: &'a Path,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Hashed<'a> {
    fn create(target: &'a Outside) -> Result<Self, Failure> {
        let file = DurableFile::create(target)?;
        Ok(Self { file, name: target.path(), hasher: Sha256::new(), bytes: 0 })
    }

    fn put(&mut self, text: &str) -> Result<(), Failure> {
        self.hasher.update(text.as_bytes());
        self.bytes += text.len() as u64;
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|e| Failure::io(format!("write {}", self.name.display()), e))
    }

    fn sync(self) -> Result<(Written, Digest), Failure> {
        let digest = Digest { bytes: self.bytes, sha256: self.hasher.finalize().into() };
        Ok((self.file.sync()?, digest))
    }
}

/// Writes records as they are, and a manifest that nobody signed.
pub(super) fn unsigned(
    target: &Target,
    form: &mut dyn Form,
    reading: &Reading,
    source: &mut Source,
) -> Result<Summary, Failure> {
    let mut file = Hashed::create(&target.file)?;
    let mut manifest = Hashed::create(&target.manifest)?;
    let count = fill(&mut file, form, &Records::Now(reading), source, |_, _| Ok(()))?;
    let (file, digest) = file.sync()?;
    let summary = Summary { format: form.name(), count, digest, proof: None, size: None };
    manifest.put(&(summary.unsigned(target.file.path()) + "\n"))?;
    let (manifest, _) = manifest.sync()?;
    remove_stale(&target.proof)?;
    file.publish()?;
    manifest.publish()?;
    Ok(summary)
}

/// Writes the records of one moment, the proof of each if the form has lines, and the signed manifest.
pub(super) fn signed(
    target: &Target,
    form: &mut dyn Form,
    reading: &Reading,
    (asked, handle): (Asked, Option<Handle>),
    source: &mut Source,
) -> Result<Summary, Failure> {
    let mut file = Hashed::create(&target.file)?;
    let mut manifest = Hashed::create(&target.manifest)?;
    let snapshot = Snapshot::take(reading).map_err(|e| match e.kind() {
        ErrorKind::Corrupt => e.hint("`escrow verify` names it; `--unsigned` exports without proof").into(),
        _ => Failure::from(e),
    })?;
    let size = snapshot.checkpoint().unverified().size;
    let proved = form.is_proved();
    let records = Records::Snapshot { reading, of: &snapshot, proved };
    let mut proof = None;
    let count = if proved {
        let (mut lines, mut prover) = (Hashed::create(&target.proof)?, snapshot.prover());
        lines.put(&prover.head())?;
        let mut text = String::new();
        let count = fill(&mut file, form, &records, source, |item, piece| {
            let Item::Proved(exported) = item else { return Ok(()) };
            text.clear();
            prover.record(&mut text, exported, piece.strip_suffix('\n').unwrap_or(piece))?;
            lines.put(&text)
        })?;
        let counted = prover.finish(|text| lines.put(text))?;
        let (written, digest) = lines.sync()?;
        let file = name_of(target.proof.path());
        proof = Some((written, ProofFile { file, digest, people: counted.people, named: counted.named }));
        count
    } else {
        fill(&mut file, form, &records, source, |_, _| Ok(()))?
    };
    let (file, digest) = file.sync()?;
    let (proof_file, proof) = proof.unzip();
    let summary = Summary {
        format: form.name(),
        count,
        digest,
        proof: proof.as_ref().map(|proof: &ProofFile| proof.digest.bytes),
        size: Some(size),
    };
    let says = Manifest {
        file: name_of(target.file.path()),
        format: form.name().to_owned(),
        count,
        digest,
        proof,
        asked,
        handle,
        actor: None,
        purpose: None,
        case: None,
        at: snapshot.at(),
        complete: snapshot.is_complete(),
        checkpoint: snapshot.checkpoint().clone(),
    };
    manifest.put(&snapshot.sign(&says.session(reading.session()))?)?;
    // All are on the disk before one takes the place of an older one.
    let (manifest, _) = manifest.sync()?;
    if proof_file.is_none() {
        remove_stale(&target.proof)?;
    }
    file.publish()?;
    if let Some(proof) = proof_file {
        proof.publish()?;
    }
    manifest.publish()?;
    Ok(summary)
}

/// Removes the proof of an export whose place is taken by one without: it belongs to no file any more, and
/// names people. What is no proof is somebody else's and stays.
fn remove_stale(proof: &Outside) -> Result<(), Failure> {
    let path = proof.path();
    let mut begins = [0; HEADER.len() + 1];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    if read.is_ok() && begins.strip_suffix(b"\n") == Some(HEADER.as_bytes()) {
        fs::remove_file(path).map_err(|e| Failure::io(format!("remove {}", path.display()), e))?;
    }
    Ok(())
}

/// Writes the records that `source` hands over; `each` sees each of them as it stands in the file.
fn fill(
    file: &mut Hashed,
    form: &mut dyn Form,
    records: &Records,
    source: &mut Source,
    mut each: impl FnMut(&Item, &str) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (mut piece, mut count) = (String::new(), 0);
    form.begin(&mut piece);
    file.put(&piece)?;
    source(records, &mut |item| {
        piece.clear();
        form.record(&mut piece, item.hit());
        count += 1;
        each(&item, &piece)?;
        file.put(&piece)
    })?;
    piece.clear();
    form.end(&mut piece);
    file.put(&piece)?;
    Ok(count)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
