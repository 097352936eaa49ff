//! `import`: many records from a file or stdin. Good lines go in; bad ones are named by number
//! and reason, never by content.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use escrowdb::Error;
use escrowdb::export::Statement;
use escrowdb::record::{Record, jsonl};

use crate::args::Global;
use crate::commands::lines::{Line, Lines};
use crate::commands::resume::Resume;
use crate::commands::twins::Twins;
use crate::durable::DurableFile;
use crate::engine::{self, Outcome};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, note};
use crate::outside::Outside;
use crate::progress::Progress;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Format of the input: jsonl; or auto, which takes everything as JSON Lines that is not one
    /// JSON array.
    #[arg(long, value_name = "F", default_value = "auto")]
    format: String,
    /// The file, or - for stdin.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Write rejected lines by number and reason to this file as JSON Lines (and exit 0).
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Keep unknown fields, sealed and exported but not searched, instead of rejecting the line.
    #[arg(long)]
    lenient: bool,
    /// Say what would happen, and change nothing. Without a store: what a new one would take.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Whether the lines come from stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.file == Path::new("-")
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if !["jsonl", "auto"].contains(&args.format.as_str()) {
        return Err(
            Failure::usage("unknown import format").hint("this version reads jsonl (and auto finds it)")
        );
    }
    let place = args.rejects.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let (mut input, len) = input(&args.file)?;
    if args.format == "auto" {
        input = not_an_array(input)?;
    }
    let mut rejects = Rejects::new(place.as_ref(), &args.file)?;
    let store = if args.dry_run { engine::open_or_imagine(global)? } else { engine::open(global)? };
    let mut progress = Progress::bytes(len);
    let mut twins = Twins::new();
    let done = if args.dry_run {
        let mut rehearsal = store.rehearsal();
        let mut look = |batch: &[Record]| Ok(rehearsal.append(batch)?);
        import(
            &mut Lines::new(input),
            (args.lenient, &mut twins),
            &mut rejects,
            &mut progress,
            &mut look,
            None,
        )
    } else {
        let mut append = |batch: &[Record]| Ok(store.append(batch)?);
        let mut resume = Resume::find(&store, &args.file)?;
        let mut lines = Lines::new(input);
        if let Some(noted) = resume.as_ref().map(Resume::noted).filter(|n| n.offset > 0) {
            note(&format!("goes on behind line {}, where an earlier import was cut", noted.lines));
            count_skipped(&args.file, noted.offset, (args.lenient, &mut twins))?;
            progress.advance(noted.offset);
            lines = Lines::behind(input_at(&args.file, noted.offset)?, noted.lines);
        }
        import(
            &mut lines,
            (args.lenient, &mut twins),
            &mut rejects,
            &mut progress,
            &mut append,
            resume.as_mut(),
        )
        .and_then(|counts| resume.map_or(Ok(()), Resume::finish).map(|()| counts))
    };
    progress.finish();
    let counts = done?;
    if !args.dry_run {
        engine::session(&store, global).imported(
            counts.imported + counts.quarantined,
            counts.duplicates,
            rejects.count,
        )?;
    }
    store.close()?;
    let rejected = rejects.finish()?;
    counts.print(rejected, args.dry_run, out)?;
    if rejected > 0 && args.rejects.is_none() {
        let (lines, were) = if rejected == 1 { ("line", "was") } else { ("lines", "were") };
        let message = if args.dry_run {
            format!("{rejected} {lines} would be rejected; nothing was changed")
        } else {
            format!("{rejected} {lines} {were} rejected; the others are in the store")
        };
        return Err(Failure::rejected(message).hint("--rejects FILE writes them by number and reason"));
    }
    Ok(())
}

/// Appends every line of `lines` in batches; each batch is all there or not at all.
pub(crate) fn import<R: BufRead>(
    lines: &mut Lines<R>,
    (lenient, twins): (bool, &mut Twins),
    rejects: &mut Rejects,
    progress: &mut Progress,
    append: &mut impl FnMut(&[Record]) -> Result<Vec<Outcome>, Failure>,
    mut resume: Option<&mut Resume<'_>>,
) -> Result<Counts, Failure> {
    // What an earlier import of this file took in stands in the store: to this one, duplicates.
    let noted = resume.as_ref().map(|r| r.noted());
    let mut counts = Counts { duplicates: noted.map_or(0, |n| n.records), ..Counts::default() };
    let mut offset = noted.map_or(0, |n| n.offset);
    let mut batch = Batch::default();
    while let Some((number, line, bytes)) = lines.next().map_err(|e| Failure::io("read input", e))? {
        progress.advance(bytes);
        offset += bytes;
        let line = match line {
            Line::TooLong => {
                rejects.add(number, &Error::invalid("the line is longer than 8 MiB"))?;
                continue;
            }
            Line::Whole(line) if line.iter().all(|b| b" \t\r".contains(b)) => continue,
            Line::Whole(line) => line,
        };
        if Statement::read(&line).is_some() {
            // What an access package says beside its records is none.
            counts.statements += 1;
            continue;
        }
        match jsonl::parse(&line, lenient) {
            Ok(record) => batch.push(number, twins.number(record), bytes),
            Err(error) => rejects.add(number, &error)?,
        }
        if batch.is_full() {
            batch.append(append, rejects, &mut counts)?;
            // Behind a rejected line a repeated import must name that line again.
            if let Some(resume) = resume.as_mut().filter(|_| rejects.count == 0) {
                resume.reached(offset, number, counts.imported + counts.quarantined + counts.duplicates)?;
            }
        }
    }
    batch.append(append, rejects, &mut counts)?;
    Ok(counts)
}

/// Counts the records without ids in the part of a file that is in the store already: an equal one
/// behind it must have the number that it had.
fn count_skipped(file: &Path, len: u64, (lenient, twins): (bool, &mut Twins)) -> Result<(), Failure> {
    let mut lines = Lines::new(input_at(file, 0)?);
    let mut left = len;
    while left > 0 {
        let Some((_, line, bytes)) = lines.next().map_err(|e| Failure::io("read input", e))? else { break };
        left = left.saturating_sub(bytes);
        if let Line::Whole(line) = line
            && let Ok(record) = jsonl::parse(&line, lenient)
        {
            twins.number(record);
        }
    }
    Ok(())
}

/// What became of the lines.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Records of default kinds that were added.
    pub(crate) imported: u64,
    /// Records that stood in the store already.
    pub(crate) duplicates: u64,
    /// Records of default kinds that were added and are in quarantine.
    pub(crate) quarantined: u64,
    /// Statements of an access package, which are no records and were left out.
    pub(crate) statements: u64,
}

impl Counts {
    fn print(&self, rejected: u64, dry_run: bool, out: &mut Out) -> io::Result<()> {
        if out.json() {
            let mut line = Object::new();
            line.number("imported", self.imported).number("duplicates", self.duplicates);
            line.number("rejected", rejected);
            if self.quarantined > 0 {
                line.number("quarantined", self.quarantined);
            }
            if self.statements > 0 {
                line.number("statements", self.statements);
            }
            if dry_run {
                line.flag("dry_run", true);
            }
            return out.line(&line.finish());
        }
        let would = if dry_run { "would be " } else { "" };
        let mut more = String::new();
        if self.quarantined > 0 {
            more += &format!(", {} in quarantine", self.quarantined);
        }
        if self.statements > 0 {
            more += &format!(", {} statements left out: they are no records", self.statements);
        }
        out.line(&format!(
            "{} {would}imported, {} duplicates, {rejected} rejected{more}",
            self.imported, self.duplicates
        ))
    }
}

/// Records that are appended together.
#[derive(Default)]
struct Batch {
    numbers: Vec<u64>,
    records: Vec<Record>,
    bytes: u64,
}

impl Batch {
    fn push(&mut self, number: u64, record: Record, bytes: u64) {
        self.numbers.push(number);
        self.records.push(record);
        self.bytes += bytes;
    }

    fn is_full(&self) -> bool {
        self.records.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    fn append(
        &mut self,
        append: &mut impl FnMut(&[Record]) -> Result<Vec<Outcome>, Failure>,
        rejects: &mut Rejects,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        if self.records.is_empty() {
            return Ok(());
        }
        let outcomes = append(&self.records).inspect_err(|_| {
            note(&format!("stopped after {} records; the same import may be repeated", counts.imported));
        })?;
        for ((number, record), outcome) in self.numbers.iter().zip(&self.records).zip(outcomes) {
            match outcome {
                Outcome::Added(_) => counts.imported += u64::from(record.kind.is_default()),
                Outcome::Quarantined(_) => counts.quarantined += u64::from(record.kind.is_default()),
                Outcome::Duplicate(_) => counts.duplicates += u64::from(record.kind.is_default()),
                Outcome::Rejected(error) => rejects.add(*number, &error)?,
            }
        }
        *self = Self::default();
        Ok(())
    }
}

/// Where rejected lines are told: a file, or the first few as notes.
pub(crate) struct Rejects {
    file: Option<DurableFile>,
    count: u64,
}

impl Rejects {
    pub(crate) fn new(file: Option<&Outside>, input: &Path) -> Result<Self, Failure> {
        let same = |a: &Path| a.canonicalize().is_ok_and(|a| input.canonicalize().is_ok_and(|b| a == b));
        if file.is_some_and(|file| same(file.path())) {
            return Err(Failure::usage("the rejects file would replace the input"));
        }
        Ok(Self { file: file.map(DurableFile::create).transpose()?, count: 0 })
    }

    fn add(&mut self, number: u64, error: &Error) -> Result<(), Failure> {
        self.count += 1;
        let (reason, hint) = (error.to_string(), error.hint_text());
        match &mut self.file {
            Some(file) => {
                let mut line = Object::new();
                line.number("line", number).text("reason", &reason).maybe("hint", hint);
                writeln!(file, "{}", line.finish()).map_err(|e| {
                    Failure::io("write the rejects", e)
                        .hint("what was imported so far stays; repeat with another place for the rejects")
                })?;
            }
            None if self.count <= NOTES_MAX => {
                let hint = hint.map(|h| format!(" ({h})")).unwrap_or_default();
                note(&format!("line {number}: {reason}{hint}"));
            }
            None if self.count == NOTES_MAX + 1 => note("more lines were rejected"),
            None => {}
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<u64, Failure> {
        if let Some(file) = self.file {
            file.commit()?;
        }
        Ok(self.count)
    }
}

fn input_at(file: &Path, offset: u64) -> Result<Box<dyn BufRead>, Failure> {
    let open = File::open(file).and_then(|mut f| f.seek(SeekFrom::Start(offset)).map(|_| f));
    let file = open.map_err(|e| Failure::io(format!("open {}", file.display()), e))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
}

fn input(file: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), Failure> {
    if file == Path::new("-") {
        return Ok((Box::new(BufReader::with_capacity(BUFFER, io::stdin())), None));
    }
    let name = file.display();
    let open = File::open(file).and_then(|f| f.metadata().map(|m| (f, m)));
    let (opened, metadata) = open.map_err(|e| Failure::io(format!("open {name}"), e))?;
    if metadata.is_dir() {
        return Err(Failure::failed(format!("{name} is a folder")));
    }
    let len = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(BUFFER, opened)), len))
}

/// The input again, if it is not one JSON array: of such a file every line would be a bad one.
/// Whatever else stands in the first line is that line's matter.
fn not_an_array(mut input: Box<dyn BufRead>) -> Result<Box<dyn BufRead>, Failure> {
    let mut first = Vec::new();
    let read = (&mut input).take(BUFFER as u64).read_until(b'\n', &mut first);
    read.map_err(|e| Failure::io("read input", e))?;
    let text = first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&first).trim_ascii();
    let closed = std::str::from_utf8(text).is_ok_and(jsonl::is_one_line_value);
    // An array that is closed in its line is a bad line if others follow.
    let mut alone = || input.fill_buf().map(<[u8]>::is_empty).map_err(|e| Failure::io("read input", e));
    if text.starts_with(b"[") && (!closed || alone()?) {
        return Err(Failure::usage("the input is a JSON array, not JSON Lines")
            .hint("write each record on a line of its own (`jq -c '.[]'` does), or say --format jsonl"));
    }
    Ok(Box::new(io::Cursor::new(first).chain(input)))
}

/// Records of a batch; one fsync each.
const BATCH_RECORDS_MAX: usize = 1000;
/// Bytes of lines of a batch.
const BATCH_BYTES_MAX: u64 = 4 << 20;
/// Rejected lines told on stderr if no file was named.
const NOTES_MAX: u64 = 20;
/// Bytes read at once.
const BUFFER: usize = 256 * 1024;
