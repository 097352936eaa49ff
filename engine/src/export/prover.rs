//! Makes the proof of an export, line by line.

use std::fmt::Write as _;

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::export::form::FormLine;
use crate::export::line::{self, HEADER, HEADER_OF_FORM, Line, RecordLine};
use crate::export::snapshot::{Exported, Snapshot};
use crate::id::{PersonNumber, Seq};
use crate::merkle::hash::Hash;
use crate::merkle::multi::{self, Gaps};
use crate::record::Stored;

/// Nodes that are read under one lock on the log.
const NODES: usize = 16_384;

/// Makes a proof. It keeps 40 bytes of a record, and the names of people.
pub struct Prover<'a> {
    snapshot: &'a Snapshot<'a>,
    leaves: Vec<(Seq, Hash)>,
    names: HashMap<PersonNumber, String>,
    /// Who people are that stand in records without proof only, so far.
    kept: HashMap<PersonNumber, Line>,
    counted: Counted,
}

/// What stands in a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// People of whom a record says who they are.
    pub people: u64,
    /// Names without such a record.
    pub named: u64,
    /// Nodes over what is not exported.
    pub nodes: u64,
}

impl<'a> Prover<'a> {
    pub(super) fn new(snapshot: &'a Snapshot<'a>) -> Self {
        Self {
            snapshot,
            leaves: Vec::new(),
            names: HashMap::new(),
            kept: HashMap::new(),
            counted: Counted::default(),
        }
    }

    /// The first lines.
    pub fn head(&self) -> String {
        format!("{HEADER}\nsize {}\n", self.snapshot.checkpoint().unverified().size)
    }

    /// The first lines of a proof of the second sort.
    pub fn head_of(&self, form: &FormLine) -> String {
        format!("{HEADER_OF_FORM}\nsize {}\n{form}\n", self.snapshot.checkpoint().unverified().size)
    }

    /// Appends the lines of a record of a file that has no lines.
    pub fn opened(&mut self, out: &mut String, record: Exported) {
        self.people(out, &record.stored, record.people);
        self.leaves.push((record.hit.seq, record.opening.leaf()));
        let _ = writeln!(out, "{}", Line::Opened { seq: record.hit.seq, opening: record.opening });
    }

    /// Appends the line of a record that the file shows otherwise than the log holds it: `line` is what
    /// JSON Lines would show, without its end. Who its people are stays here.
    pub fn shown(&mut self, out: &mut String, record: Exported, line: String) {
        self.keep(record);
        let _ = writeln!(out, "{}", Line::Shown(line));
    }

    /// Appends the line of a statement, which comes behind all records: `line` is that of JSON, without its end.
    pub fn told(&mut self, out: &mut String, line: String) {
        let _ = writeln!(out, "{}", Line::Told(line));
    }

    /// Passes over a record that the file doesn't show.
    pub fn keep(&mut self, record: Exported) {
        for line in record.people {
            if let Some((number, _)) = line::names(&line) {
                self.kept.insert(number, line);
            }
        }
    }

    fn people(&mut self, out: &mut String, record: &Stored, new: Vec<Line>) {
        let of = record.subjects.iter().chain([&record.author]);
        let kept: Vec<Line> = of.filter_map(|number| self.kept.remove(number)).collect();
        for line in new.into_iter().chain(kept) {
            match &line {
                Line::Person { seq, opening } => {
                    self.leaves.push((*seq, opening.leaf()));
                    self.counted.people += 1;
                }
                _ => self.counted.named += 1,
            }
            self.names.extend(line::names(&line));
            let _ = writeln!(out, "{line}");
        }
    }

    /// Appends the lines of a record that the file shows as `text`, without the end of that line.
    ///
    /// # Errors
    /// *Corrupt* if `text` does not show it.
    pub fn record(&mut self, out: &mut String, mut record: Exported, text: &str) -> Result<()> {
        let people = std::mem::take(&mut record.people);
        self.people(out, &record.stored, people);
        let leaf = record.opening.leaf();
        let mut line = RecordLine {
            seq: record.hit.seq,
            salt: *record.opening.salt,
            leaf,
            mark: line::mark(format!("{text}\n").as_bytes()),
            author: record.stored.author,
            subjects: record.stored.subjects.clone(),
            rest: record.rest(false),
        };
        if !line.proves(text.as_bytes(), &self.names) {
            line.rest = record.rest(true);
            if !line.proves(text.as_bytes(), &self.names) {
                return Err(Error::corrupt(format!(
                    "the record at position {} can't be shown so that it is proved",
                    record.hit.seq
                )));
            }
        }
        self.leaves.push((line.seq, leaf));
        let _ = writeln!(out, "{line}");
        Ok(())
    }

    /// Hands out the last lines: the nodes.
    ///
    /// # Errors
    /// *Corrupt* if a record is not the one in the log, or if the log does not continue the checkpoint;
    /// trouble with the log; what `each` fails with.
    pub fn finish<E: From<Error>>(
        mut self,
        mut each: impl FnMut(&str) -> std::result::Result<(), E>,
    ) -> std::result::Result<Counted, E> {
        self.snapshot.check()?;
        self.leaves.sort_unstable();
        self.leaves.dedup();
        let head = self.snapshot.checkpoint().unverified();
        let known: Vec<Seq> = self.leaves.iter().map(|(seq, _)| *seq).collect();
        let mut gaps = Gaps::new(head.size, &known);
        let (mut nodes, mut taken, mut failed) = (Vec::new().into_iter(), 0, None);
        let root = multi::root(head.size, &self.leaves, &mut || {
            if nodes.len() == 0 {
                nodes = self.nodes(&mut gaps)?.into_iter();
            }
            let node = nodes.next().ok_or_else(|| Error::corrupt("the tree has fewer nodes"))?;
            taken += 1;
            if let Err(e) = each(&format!("{}\n", Line::Node(node))) {
                failed = Some(e);
                return Err(Error::corrupt("not written"));
            }
            Ok(node)
        });
        match (failed, root) {
            (Some(e), _) => Err(e),
            (None, Ok(root)) if root == head.root => Ok(Counted { nodes: taken, ..self.counted }),
            (None, Ok(_)) => Err(self.culprit()?.into()),
            (None, Err(e)) => Err(e.into()),
        }
    }

    /// The next nodes of the tree. Between two calls rolls may go on.
    fn nodes(&self, gaps: &mut Gaps<'_>) -> Result<Vec<Hash>> {
        let mut tree = self.snapshot.reading().state().tree_now()?;
        let head = self.snapshot.checkpoint().unverified();
        tree.must_continue(head)?;
        gaps.take(NODES).map(|gap| multi::node(&tree, gap)).collect()
    }

    /// Which record is not the one in the log.
    fn culprit(&self) -> Result<Error> {
        let tree = self.snapshot.reading().state().tree_now()?;
        for (seq, leaf) in &self.leaves {
            if tree.leaf(*seq)? != *leaf {
                return Ok(Error::corrupt(format!("the record at position {seq} is not the one in the log"))
                    .hint("`escrow verify --read-data` says what is damaged"));
            }
        }
        Ok(Error::corrupt("the log's hashes don't lead to the checkpoint")
            .hint("`escrow verify --read-data` says what is damaged"))
    }
}
