//! Checks an export without a store, and goes on behind a fault.
//!
//! The proof comes first: its leaves and nodes must lead to the root of the checkpoint. Then the marks of
//! all lines say which line of the export each line of the file is. Then each that is in its place is
//! encoded anew and must have its leaf. Of a record 60 bytes are kept, and of people their names.
//!
//! Where the file has no lines the proof holds the records themselves; whether the file shows them is seen by
//! making it again ([`shown`](super::shown())).

use std::fmt;
use std::io::BufRead;

use hashbrown::{HashMap, HashSet};
use roaring::RoaringTreemap;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::export::align::{Place, align};
use crate::export::form::FormLine;
use crate::export::line::{HEADER, HEADER_OF_FORM, Line, Mark, mark, person};
use crate::export::lines::{Lines, Records};
use crate::export::manifest::{Digest, Manifest};
use crate::export::statement::{Statement, Told};
use crate::id::{PersonNumber, Seq};
use crate::merkle::hash::Hash;
use crate::merkle::multi;
use crate::record::Stored;

/// Opens a file from its beginning, as often as it is asked.
pub type Source<'a> = &'a dyn Fn() -> Result<Box<dyn BufRead>>;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The line is not the one that stood there.
    Changed,
    /// No line of the export.
    Added,
    /// A line of the export stands nowhere.
    Missing,
    /// A line stands once more.
    Twice,
    /// A line stands at another place.
    Moved,
    /// The line is the one that was exported, and not what the log holds.
    Unproved,
    /// The file as a whole has another hash, or another number of records.
    File,
    /// The proof has another hash.
    Proof,
    /// A line of the proof is none.
    ProofLine,
    /// The proof leads to another root than the checkpoint's, or to none.
    Root,
    /// The file shows something else than the records of its proof.
    Shows,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub what: What,
    /// Line of the file, of a missing one its line in the export as it was made, of a fault of the proof
    /// that of the proof, from 1; 0 if it is about the whole.
    pub line: u64,
    /// Position in the log of the record that is meant.
    pub seq: Option<Seq>,
    /// Line in the export as it was made, if it is another.
    pub made: Option<u64>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines of the file.
    pub lines: u64,
    /// Records that were proved.
    pub proved: u64,
    /// Records without a proof of their own, as an access package has them of others: the signer's word.
    pub shown: u64,
    /// What it says beside the records: the signer's word.
    pub told: u64,
    /// People of whom is proved who they are.
    pub people: u64,
    /// People whom the signer names without a proof; he says that their own records are lost.
    pub named: u64,
    /// Authors and subjects whom the signer doesn't name: erased, lost, or left out.
    pub unknown: u64,
    /// How many faults there are.
    pub faults: u64,
    /// The first of them.
    pub first: Vec<Fault>,
}

/// Checks a file and its proof by a manifest that was verified. At most `most` faults are listed; all are
/// counted.
///
/// # Errors
/// Files that can't be read, *invalid* if a proof is there and not asked for or the other way round. What
/// is wrong stands in the report.
pub fn check(
    manifest: &Manifest,
    file: Source<'_>,
    proof: Option<Source<'_>>,
    most: usize,
) -> Result<Report> {
    let mut report = Reporter { report: Report::default(), most };
    let (marks, digest) = marks(file)?;
    report.report.lines = marks.len() as u64;
    match (proof, &manifest.proof) {
        (None, None) => {}
        (Some(source), Some(says)) => {
            let known = Known::read(manifest, source)?;
            if known.digest != says.digest {
                report.fault(What::Proof, 0, None, None);
            }
            if let Some((what, line)) = known.fault {
                report.fault(what, line, None, None);
            } else {
                report.report.people = known.names.len() as u64 - known.named;
                report.report.named = known.named;
                report.report.unknown = known.unknown();
                if known.has_lines {
                    report.lines(&marks, &known, file, source)?;
                } else {
                    (report.report.proved, report.report.shown) = (known.opened, known.shown);
                    report.report.told = known.told.all();
                }
            }
            let told = manifest.terms.package.as_ref().and_then(|package| package.told).unwrap_or_default();
            let is_whole = known.records() == manifest.count && known.told == told;
            if known.fault.is_none() && !is_whole {
                report.fault(What::File, 0, None, None);
            }
        }
        _ => return Err(Error::invalid("a proof is there and not asked for, or the other way round")),
    }
    if digest != manifest.digest && report.report.faults == 0 {
        report.fault(What::File, 0, None, None);
    }
    Ok(report.report)
}

struct Reporter {
    report: Report,
    most: usize,
}

impl Reporter {
    fn fault(&mut self, what: What, line: u64, seq: Option<Seq>, made: Option<usize>) {
        self.report.faults += 1;
        if self.report.first.len() < self.most {
            let made = made.map(|made| made as u64 + 1);
            self.report.first.push(Fault { what, line, seq, made });
        }
    }

    /// Looks at every line of the file, in order, and then at those that are missing.
    fn lines(&mut self, marks: &[Mark], known: &Known, file: Source<'_>, proof: Source<'_>) -> Result<()> {
        let (places, missing) = align(marks, &known.marks);
        let (mut texts, mut records) = (Lines::new(file()?), Records::new(proof()?));
        for (line, place) in (1..).zip(places) {
            let text = texts.next("the exported file")?.unwrap_or_default();
            let seq = |made: usize| known.seqs.get(made).copied().flatten();
            match place {
                Place::Here(made) => {
                    let text = text.strip_suffix(b"\n").unwrap_or(text);
                    match records.at(made)? {
                        Some(Line::Record(record)) if record.proves(text, &known.names) => {
                            self.report.proved += 1;
                        }
                        Some(Line::Shown(word)) if word.as_bytes() == text => self.report.shown += 1,
                        Some(Line::Told(word)) if word.as_bytes() == text => self.report.told += 1,
                        _ => self.fault(What::Unproved, line, seq(made), None),
                    }
                }
                Place::Instead(made) => self.fault(What::Changed, line, seq(made), Some(made)),
                Place::Moved(made) => self.fault(What::Moved, line, seq(made), Some(made)),
                Place::Again(made) => self.fault(What::Twice, line, seq(made), Some(made)),
                Place::New => self.fault(What::Added, line, None, None),
            }
        }
        for made in missing {
            self.fault(What::Missing, made as u64 + 1, known.seqs.get(made).copied().flatten(), None);
        }
        Ok(())
    }
}

/// What a proof says, once its leaves lead to the root.
struct Known {
    digest: Digest,
    /// Of each line of the file; `None` where it is the signer's word.
    seqs: Vec<Option<Seq>>,
    marks: Vec<Mark>,
    /// Whether the file is read line by line.
    has_lines: bool,
    /// Whether records without proof may stand there.
    of_form: bool,
    /// Records that the proof holds, and those that it shows without proof.
    opened: u64,
    shown: u64,
    /// What it says beside them.
    told: Told,
    names: HashMap<PersonNumber, String>,
    named: u64,
    /// Positions of records.
    places: RoaringTreemap,
    /// Authors and subjects of records.
    mentioned: HashSet<PersonNumber>,
    /// Why nothing of it counts, and its line.
    fault: Option<(What, u64)>,
}

impl Known {
    fn read(manifest: &Manifest, source: Source<'_>) -> Result<Self> {
        let mut known = Self {
            digest: Digest { bytes: 0, sha256: [0; 32] },
            seqs: Vec::new(),
            marks: Vec::new(),
            has_lines: manifest.format == "jsonl",
            of_form: false,
            opened: 0,
            shown: 0,
            told: Told::default(),
            names: HashMap::new(),
            named: 0,
            places: RoaringTreemap::new(),
            mentioned: HashSet::new(),
            fault: None,
        };
        let (mut leaves, mut nodes) = (Vec::new(), Vec::new());
        let (mut lines, mut hasher, mut at) = (Lines::new(source()?), Sha256::new(), 0);
        let head = manifest.checkpoint.unverified();
        let size = format!("size {}", head.size);
        while let Some(line) = lines.next("the proof")? {
            hasher.update(line);
            known.digest.bytes += line.len() as u64;
            at += 1;
            if known.fault.is_some() {
                continue;
            }
            let good = match (line.strip_suffix(b"\n"), at) {
                (None, _) => false,
                (Some(line), 1) => {
                    known.of_form = line == HEADER_OF_FORM.as_bytes();
                    known.of_form || (known.has_lines && line == HEADER.as_bytes())
                }
                (Some(line), 2) => line == size.as_bytes(),
                (Some(line), 3) if known.of_form => is_form(line, &manifest.format),
                (Some(line), _) => known.take(line, &mut leaves, &mut nodes),
            };
            if !good {
                known.fault = Some((What::ProofLine, at as u64));
            }
        }
        known.digest.sha256 = hasher.finalize().into();
        let begins = if known.of_form { 3 } else { 2 };
        if known.fault.is_none() && !(at >= begins && leads(head.size, leaves, &nodes, &head.root)) {
            known.fault = Some((What::Root, 0));
        }
        Ok(known)
    }

    /// How many records it is about.
    fn records(&self) -> u64 {
        if self.has_lines { self.marks.len() as u64 - self.told.all() } else { self.opened + self.shown }
    }

    /// How many people nobody names.
    fn unknown(&self) -> u64 {
        let of =
            |number: &&PersonNumber| **number != PersonNumber::STORE && !self.names.contains_key(*number);
        self.mentioned.iter().filter(of).count() as u64
    }

    /// Takes a line; false if it may not stand there.
    fn take(&mut self, line: &[u8], leaves: &mut Vec<(Seq, Hash)>, nodes: &mut Vec<Hash>) -> bool {
        let Ok(line) = Line::parse(line) else { return false };
        if !nodes.is_empty() && !matches!(line, Line::Node(_)) {
            return false;
        }
        if self.told.all() > 0 && !matches!(line, Line::Told(_) | Line::Node(_)) {
            return false;
        }
        match line {
            Line::Person { seq, opening } => {
                leaves.push((seq, opening.leaf()));
                let Some((number, name)) = person(&opening) else { return false };
                self.names.insert(number, name).is_none()
            }
            Line::Named { number, name } => {
                self.named += 1;
                self.names.insert(number, name).is_none()
            }
            Line::Record(record) => {
                if !self.has_lines {
                    return false;
                }
                leaves.push((record.seq, record.leaf));
                self.seqs.push(Some(record.seq));
                self.marks.push(record.mark);
                self.mentioned.extend(record.subjects.iter().chain([&record.author]));
                // The same record twice would be one more than the log holds.
                self.places.insert(record.seq.0)
            }
            Line::Opened { seq, opening } => {
                let Ok(record) = Stored::decode(&opening.canonical) else { return false };
                if self.has_lines || !self.of_form {
                    return false;
                }
                leaves.push((seq, opening.leaf()));
                self.mentioned.extend(record.subjects.iter().chain([&record.author]));
                self.opened += 1;
                self.places.insert(seq.0)
            }
            Line::Shown(text) => {
                self.shown += 1;
                self.seqs.push(None);
                self.marks.push(mark(format!("{text}\n").as_bytes()));
                self.of_form && !text.contains('\n')
            }
            Line::Told(text) => {
                let Some(statement) = Statement::read(text.as_bytes()) else { return false };
                self.told.add(statement.section());
                if self.has_lines {
                    self.seqs.push(None);
                    self.marks.push(mark(format!("{text}\n").as_bytes()));
                }
                self.of_form
            }
            Line::Node(node) => {
                nodes.push(node);
                true
            }
        }
    }
}

/// Whether a line says that a file is of this form.
fn is_form(line: &[u8], format: &str) -> bool {
    let form = std::str::from_utf8(line).ok().and_then(FormLine::parse);
    form.is_some_and(|form| form.name == format)
}

/// Whether leaves and nodes lead to a root, and nothing is left over.
fn leads(size: u64, mut leaves: Vec<(Seq, Hash)>, nodes: &[Hash], root: &Hash) -> bool {
    leaves.sort_unstable();
    // The record of a person may be exported too.
    leaves.dedup();
    let mut left = nodes.iter();
    let found = multi::root(size, &leaves, &mut || {
        left.next().copied().ok_or_else(|| Error::corrupt("the proof has too few nodes"))
    });
    found.is_ok_and(|found| found == *root) && left.next().is_none()
}

/// Marks of all lines of a file, and its hash.
fn marks(source: Source<'_>) -> Result<(Vec<Mark>, Digest)> {
    let (mut lines, mut hasher) = (Lines::new(source()?), Sha256::new());
    let (mut marks, mut bytes) = (Vec::new(), 0);
    while let Some(line) = lines.next("the exported file")? {
        hasher.update(line);
        bytes += line.len() as u64;
        marks.push(mark(line));
    }
    Ok((marks, Digest { bytes, sha256: hasher.finalize().into() }))
}

impl What {
    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Missing => "missing",
            Self::Twice => "twice",
            Self::Moved => "moved",
            Self::Unproved => "unproved",
            Self::File => "file",
            Self::Proof => "proof",
            Self::ProofLine => "proof line",
            Self::Root => "root",
            Self::Shows => "shows",
        }
    }
}

/// In words, for people.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line;
        let seq = self.seq.map(|seq| format!(" (position {seq})")).unwrap_or_default();
        let made = self.made.unwrap_or(line);
        match self.what {
            What::Changed => write!(f, "line {line}: changed; line {made}{seq} was exported here"),
            What::Added => write!(f, "line {line}: added; it was not exported"),
            What::Missing => write!(f, "line {line}{seq} of the export is missing"),
            What::Twice => write!(f, "line {line}: it is line {made}{seq} once more"),
            What::Moved => write!(f, "line {line}: out of order; it was line {made}{seq}"),
            What::Unproved => {
                write!(f, "line {line}{seq}: it is not what the log holds, or its people are others")
            }
            What::File => write!(f, "the file is not the one that was exported"),
            What::Proof => write!(f, "the proof is not the one that was exported"),
            What::ProofLine => write!(f, "line {line} of the proof: it can't stand there"),
            What::Root => write!(f, "the proof does not lead to the checkpoint"),
            What::Shows => write!(f, "the file shows something else than the records that are proved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::proof::{MemoryTree, naive_root};

    /// The attack: nodes that nothing needs. A proof is one text, so none may be left over, nor be missing,
    /// nor stand elsewhere.
    #[test]
    fn only_the_nodes_that_are_needed_lead_to_a_root() {
        let tree = MemoryTree::of(7);
        let root = naive_root(&tree.0);
        let leaves = |seqs: &[u64]| seqs.iter().map(|seq| (Seq(*seq), tree.0[*seq as usize])).collect();
        let over = |from: usize, to: usize| naive_root(&tree.0[from..to]);
        let nodes = [over(0, 2), tree.0[3], over(4, 6)];
        assert!(leads(7, leaves(&[2, 6]), &nodes, &root));
        assert!(leads(7, leaves(&[6, 2, 6]), &nodes, &root), "the record of a person may be exported too");
        assert!(!leads(7, leaves(&[2, 6]), &[&nodes[..], &[root]].concat(), &root), "one too many");
        assert!(!leads(7, leaves(&[2, 6]), &nodes[..2], &root), "one too few");
        assert!(!leads(7, leaves(&[2, 6]), &[nodes[1], nodes[0], nodes[2]], &root));
        assert!(!leads(7, leaves(&[3, 6]), &nodes, &root) && !leads(6, leaves(&[2]), &nodes, &root));
        let mut twice: Vec<_> = leaves(&[2, 6]);
        twice.push((Seq(2), tree.0[3]));
        assert!(!leads(7, twice, &nodes, &root), "two records at one position");
        // Nothing is exported: the root itself is the only node, of an empty log there is none.
        assert!(leads(7, Vec::new(), &[root], &root) && !leads(7, Vec::new(), &[root, root], &root));
        assert!(leads(0, Vec::new(), &[], &Hash::empty_root()));
    }
}
