//! Writes the files of an export: all of them are on the disk before one takes its name.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use escrowdb::ErrorKind;
use escrowdb::clock::{Clock as _, SystemClock};
use escrowdb::crypto::{Entropy as _, OsEntropy};
use escrowdb::export::{
    Asked, Digest, Exported, FORM_SALT_LEN, HEADER, HEADER_OF_FORM, Manifest, ProofFile, Prover, Snapshot,
    Statement, Terms, Whom, statements,
};
use escrowdb::id::{Handle, Micros, Seq};
use sha2::{Digest as _, Sha256};

use crate::commands::export::access::{Access, Shown};
use crate::commands::export::crypt::{self, Recipients, Sink};
use crate::commands::export::form::{self, About, Form};
use crate::commands::export::given::Register;
use crate::commands::export::made::Made;
use crate::durable::{DurableFile, Written};
use crate::engine::{self, Hit, Order, Reading, SearchOptions};
use crate::exit::Failure;
use crate::outside::Outside;

/// Takes a record.
pub(crate) type Each<'a> = dyn FnMut(Item) -> Result<(), Failure> + 'a;
/// Hands records of a source to whoever takes them.
pub(super) type Source<'a> = dyn FnMut(&Records, &mut Each) -> Result<(), Failure> + 'a;

/// An export before it is made.
pub(super) struct Job<'a> {
    pub(super) target: &'a Target,
    /// Name of the form.
    pub(super) format: &'a str,
    pub(super) asked: Asked,
    pub(super) handle: Option<Handle>,
    /// Of an access package.
    pub(super) access: Option<Access>,
    pub(super) recipients: &'a Recipients,
    pub(super) register: &'a Register<'a>,
}

impl Job<'_> {
    /// What the file is about.
    fn about(&self, at: Micros) -> Result<About, Failure> {
        let mut salt = [0; FORM_SALT_LEN];
        OsEntropy.fill(&mut salt).map_err(|e| Failure::io("draw random bytes", e))?;
        let package = self.access.as_ref().map(|access| access.package().clone());
        Ok(About { title: title(&self.asked), at, salt, package })
    }

    fn form(&self, at: Micros) -> Result<Box<dyn Form>, Failure> {
        form::named(self.format, &self.about(at)?).ok_or_else(|| Failure::usage("unknown export format"))
    }

    fn made(&self, count: u64, digest: Digest, at: Micros) -> Made {
        Made {
            asked: self.asked.clone(),
            handle: self.handle,
            format: self.format.to_owned(),
            count,
            digest,
            at,
            terms: Terms {
                package: self.access.as_ref().map(|access| access.package().clone()),
                recipients: self.recipients.names(),
            },
            proof: None,
            size: None,
            restricted: 0,
            disclosure: None,
        }
    }
}

/// What a page of this is about.
pub(super) fn title(asked: &Asked) -> (&'static str, String) {
    match asked {
        Asked::Subject(of) => ("person", of.clone()),
        Asked::Conversation(of) => ("conversation", of.clone()),
        Asked::Query(of) => ("query", of.clone()),
    }
}

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

    fn hit_mut(&mut self) -> &mut Hit {
        match self {
            Self::Plain(hit) => hit,
            Self::Proved(exported) => &mut exported.hit,
        }
    }
}

/// Where records come from.
pub(crate) enum Records<'a> {
    /// The store as it is while they are read.
    Now(&'a Reading<'a>),
    /// One moment of the store.
    Snapshot { reading: &'a Reading<'a>, of: &'a Snapshot<'a> },
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
        let mut take = |hit: &Hit| {
            first = Some((hit.time, hit.seq));
            false
        };
        match self {
            // Without proof: whoever its people are has not been told by this.
            Self::Snapshot { of, .. } => of.each(query, |hit| take(&hit))?,
            Self::Now(_) => self.each_until(query, &mut |item| Ok(take(item.hit())))?,
        }
        Ok(first)
    }

    /// What is said about somebody beside her records.
    fn statements(
        &self,
        whom: &Whom,
        each: impl FnMut(Statement) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Now(reading) => statements(reading, None, whom, each),
            Self::Snapshot { of, .. } => of.statements(whom, each),
        }
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
            Self::Snapshot { of, .. } => {
                of.each_proved(query, |exported| take(Item::Proved(Box::new(exported))))
            }
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
    /// Behind their names, of files that are encrypted.
    ending: &'static str,
}

impl Target {
    /// All three places, if `outside` accepts them.
    pub(crate) fn new(
        file: &Path,
        outside: impl Fn(&Path) -> Result<Outside, Failure>,
    ) -> Result<Self, Failure> {
        Self::with_ending(file, "", outside)
    }

    /// The same for files that are encrypted.
    pub(crate) fn sealed(
        file: &Path,
        outside: impl Fn(&Path) -> Result<Outside, Failure>,
    ) -> Result<Self, Failure> {
        Self::with_ending(file, crypt::ENDING, outside)
    }

    fn with_ending(
        file: &Path,
        ending: &'static str,
        outside: impl Fn(&Path) -> Result<Outside, Failure>,
    ) -> Result<Self, Failure> {
        let place = |of: &str| outside(&beside(file, &format!("{of}{ending}")));
        Ok(Self { file: place("")?, proof: place(".proof")?, manifest: place(".manifest.json")?, ending })
    }

    /// Name of a file as a manifest says it: that of what was encrypted.
    fn name(&self, of: &Outside) -> String {
        let name = of.path().file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(self.ending).unwrap_or(&name).to_owned()
    }

    /// Where the file stands.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// A file beside another, by its ending.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A file that is hashed while it is written; of what is encrypted the hash is that of the clear text.
struct Hashed<'a> {
    file: Sink,
    name: &'a Path,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Hashed<'a> {
    fn create(target: &'a Outside, recipients: &Recipients) -> Result<Self, Failure> {
        let name = target.path();
        let sealing = recipients.seal(DurableFile::create(target)?);
        let file = sealing.map_err(|e| Failure::io(format!("write {}", name.display()), e))?;
        Ok(Self { file, name, hasher: Sha256::new(), bytes: 0 })
    }

    fn put(&mut self, text: &str) -> Result<(), Failure> {
        self.hasher.update(text.as_bytes());
        self.bytes += text.len() as u64;
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|e| Failure::io(format!("write {}", self.name.display()), e))
    }

    fn sync(self) -> Result<(Written, Digest), Failure> {
        let digest = Digest { bytes: self.bytes, sha256: self.hasher.finalize().into() };
        Ok((self.file.sync(self.name)?, digest))
    }
}

/// Writes records as they are, and a manifest that nobody signed.
pub(super) fn unsigned(mut job: Job, reading: &Reading, source: &mut Source) -> Result<Made, Failure> {
    let target = job.target;
    let mut file = Hashed::create(&target.file, job.recipients)?;
    let mut manifest = Hashed::create(&target.manifest, job.recipients)?;
    let at = SystemClock.now();
    let mut form = job.form(at)?;
    let count = fill(&mut file, &mut *form, &Records::Now(reading), &mut job.access, source, |_| Ok(()))?;
    let (file, digest) = file.sync()?;
    let mut made = job.made(count, digest, at);
    manifest.put(&(made.unsigned(&target.name(&target.file)) + "\n"))?;
    let (manifest, _) = manifest.sync()?;
    // A log that is damaged may take nothing: what can't be registered says so.
    made.disclosure = job.register.register(&made, reading).ok().flatten();
    remove_stale(&target.proof)?;
    file.publish()?;
    manifest.publish()?;
    Ok(made)
}

/// Writes the records of one moment, the proof of each, and the signed manifest.
pub(super) fn signed(mut job: Job, reading: &Reading, source: &mut Source) -> Result<Made, Failure> {
    let target = job.target;
    let mut file = Hashed::create(&target.file, job.recipients)?;
    let mut manifest = Hashed::create(&target.manifest, job.recipients)?;
    let mut lines = Hashed::create(&target.proof, job.recipients)?;
    let snapshot = Snapshot::take(reading).map_err(|e| match e.kind() {
        ErrorKind::Corrupt => e.hint("`escrow verify` names it; `--unsigned` exports without proof").into(),
        _ => Failure::from(e),
    })?;
    let mut form = job.form(snapshot.at())?;
    let (has_lines, mut prover) = (form.has_lines(), snapshot.prover());
    let is_plain = has_lines && job.access.is_none();
    lines.put(&if is_plain { prover.head() } else { prover.head_of(&form.line()) })?;
    let records = Records::Snapshot { reading, of: &snapshot };
    let mut text = String::new();
    let count = fill(&mut file, &mut *form, &records, &mut job.access, source, |put| {
        text.clear();
        let (item, shown, piece) = match put {
            Put::Record(item, shown, piece) => (*item, shown, piece),
            Put::Told(statement) => {
                prover.told(&mut text, statement.to_line()?);
                return lines.put(&text);
            }
        };
        let Item::Proved(exported) = item else { return Ok(()) };
        prove(&mut prover, &mut text, *exported, shown, has_lines.then_some(piece))?;
        lines.put(&text)
    })?;
    let counted = prover.finish(|text| lines.put(text))?;
    let (proof_file, proof) = lines.sync()?;
    let (file, digest) = file.sync()?;
    let mut made = job.made(count, digest, snapshot.at());
    (made.proof, made.size) = (Some(proof.bytes), Some(snapshot.checkpoint().unverified().size));
    let says = Manifest {
        file: target.name(&target.file),
        format: made.format.clone(),
        count: made.count,
        digest: made.digest,
        proof: Some(ProofFile {
            file: target.name(&target.proof),
            digest: proof,
            people: counted.people,
            named: counted.named,
        }),
        asked: made.asked.clone(),
        handle: made.handle,
        actor: None,
        purpose: None,
        case: None,
        at: made.at,
        complete: snapshot.is_complete(),
        terms: made.terms.clone(),
        checkpoint: snapshot.checkpoint().clone(),
    };
    manifest.put(&snapshot.sign(&says.session(reading.session()))?)?;
    // All are on the disk before one takes the place of an older one, and registered before anybody has them.
    let (manifest, _) = manifest.sync()?;
    made.disclosure = job.register.register(&made, reading)?;
    file.publish()?;
    proof_file.publish()?;
    manifest.publish()?;
    Ok(made)
}

/// Appends the lines of the proof for a record; `line` is what a file with lines shows of it.
fn prove(
    prover: &mut Prover,
    text: &mut String,
    exported: Exported,
    shown: Shown,
    line: Option<&str>,
) -> Result<(), Failure> {
    match (shown, line) {
        (Shown::Whole, Some(line)) => {
            prover.record(text, exported, line.strip_suffix('\n').unwrap_or(line))?;
        }
        (Shown::Whole, None) => prover.opened(text, exported),
        (Shown::Changed, _) => {
            let line = engine::record_json(&exported.hit);
            prover.shown(text, exported, line);
        }
        (Shown::Withheld, _) => prover.keep(exported),
    }
    Ok(())
}

/// Removes the proof of an export whose place is taken by one without: it belongs to no file any more, and
/// names people. What is no proof is somebody else's and stays.
fn remove_stale(proof: &Outside) -> Result<(), Failure> {
    let path = proof.path();
    let mut begins = Vec::new();
    let most = HEADER.len().max(HEADER_OF_FORM.len()).max(crypt::HEADER.len()) as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut begins));
    let is_proof = [HEADER, HEADER_OF_FORM]
        .iter()
        .any(|header| begins.strip_prefix(header.as_bytes()).is_some_and(|rest| rest.starts_with(b"\n")));
    if read.is_ok() && (is_proof || crypt::is_sealed(&begins)) {
        fs::remove_file(path).map_err(|e| Failure::io(format!("remove {}", path.display()), e))?;
    }
    Ok(())
}

/// What was written of an export.
enum Put<'a> {
    /// A record, what became of it, and how it stands in the file.
    Record(Box<Item>, Shown, &'a str),
    /// What an access package says beside them.
    Told(&'a Statement),
}

/// Writes the records that `source` hands over, and what an access package says beside them; `each` takes each
/// of them.
fn fill(
    file: &mut Hashed,
    form: &mut dyn Form,
    records: &Records,
    access: &mut Option<Access>,
    source: &mut Source,
    mut each: impl FnMut(Put) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (mut piece, mut count) = (String::new(), 0);
    form.begin(&mut piece);
    file.put(&piece)?;
    source(records, &mut |mut item| {
        let shown = access.as_mut().map_or(Shown::Whole, |access| access.show(item.hit_mut()));
        piece.clear();
        if shown != Shown::Withheld {
            form.record(&mut piece, item.hit());
            count += 1;
        }
        each(Put::Record(Box::new(item), shown, &piece))?;
        file.put(&piece)
    })?;
    if let Some(access) = access {
        let names = access.package().names.clone();
        let conversations = records.reading().facet(&access.own_query(), "conversation")?;
        let conversations = conversations.into_iter().map(|(name, _)| name).collect();
        records.statements(&Whom { names: &names, conversations: &conversations }, |mut statement| {
            access.tell(&mut statement);
            piece.clear();
            form.told(&mut piece, &statement);
            each(Put::Told(&statement))?;
            file.put(&piece)
        })?;
    }
    piece.clear();
    form.end(&mut piece, access.as_ref().map(Access::package));
    file.put(&piece)?;
    Ok(count)
}
