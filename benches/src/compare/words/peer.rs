//! What every system must do, and what it is asked. Records are numbered in the order in which they were
//! made: `m0`, `m1`, …, which is the order of time too.

use std::path::Path;

use escrowdb::store::Record;

use crate::Result;
use crate::compare::engines::Question;
use crate::workload::{Shape, Workload};

/// Tags and time, and what the body must hold besides.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Tags that must and must not be there, and a span of time.
    pub by: Question,
    /// All of these.
    pub text: Vec<Text>,
}

/// Something in a body.
#[derive(Clone, Debug)]
pub enum Text {
    /// A word.
    Word(String),
    /// Words one behind the other.
    Phrase(Vec<String>),
    /// Words that begin so.
    Prefix(String),
    /// Words at most one letter away.
    Near(String),
    /// Characters anywhere in a text without spaces.
    Part(String),
}

impl Ask {
    /// What the body must hold, no matter the tags.
    pub fn text(text: impl IntoIterator<Item = Text>) -> Self {
        Self { text: text.into_iter().collect(), ..Self::default() }
    }

    /// One word.
    pub fn word(word: &str) -> Self {
        Self::text([Text::Word(word.to_owned())])
    }

    /// Only tags.
    pub fn tags(by: Question) -> Self {
        Self { by, ..Self::default() }
    }

    /// Whether every condition on the body is a word.
    pub fn only_words(&self) -> bool {
        self.text.iter().all(|t| matches!(t, Text::Word(_)))
    }
}

/// The records of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Their shape.
    pub shape: Shape,
    /// How many.
    pub records: u64,
    /// Seed.
    pub seed: u64,
    /// Whether every tenth body is Japanese; then systems index parts of words, not words.
    pub japanese: bool,
}

impl Plan {
    /// The stream from its beginning.
    pub fn workload(&self) -> Workload {
        let workload = Workload::new(self.shape, self.records, self.seed);
        if self.japanese { workload.with_japanese() } else { workload }
    }
}

/// What an erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Records that went.
    pub records: u64,
    /// Segments that were written anew; 0 where there are none.
    pub segments: u64,
}

/// A system.
pub trait Peer {
    /// Adds records; they are on the disk, and found, when this returns.
    fn append(&mut self, records: &[Record]) -> Result<()>;

    /// Ends loading: what runs behind is waited for, statistics are gathered.
    fn settle(&mut self) -> Result<()>;

    /// Whether it has a way to answer this at all.
    fn can(&self, _ask: &Ask) -> bool {
        true
    }

    /// How many records match.
    fn count(&mut self, ask: &Ask) -> Result<u64>;

    /// Numbers of all matching records, in any order.
    fn numbers(&mut self, ask: &Ask) -> Result<Vec<u64>>;

    /// Collects whatever the system knows a record by, for each match; answers how many.
    fn ids(&mut self, ask: &Ask) -> Result<u64> {
        Ok(self.numbers(ask)?.len() as u64)
    }

    /// The newest `k`, newest first: numbers, and lengths of their bodies, which are read and opened.
    fn newest(&mut self, ask: &Ask, k: usize) -> Result<Vec<(u64, usize)>>;

    /// Numbers of the `k` that match best; `None` where the system can't say.
    fn ranked(&mut self, ask: &Ask, k: usize) -> Result<Option<Vec<u64>>>;

    /// Erases everything of one subject, durably, as the system's own deletion does.
    fn erase(&mut self, subject: &str) -> Result<Erased>;

    /// Makes the erased bytes disappear from the files.
    fn scrub(&mut self) -> Result<()>;

    /// Another way to erase, behind which nothing needs scrubbing, where there is one.
    fn erase_at_once(&mut self, _subject: &str) -> Result<Option<Erased>> {
        Ok(None)
    }

    /// Makes the files as small as the system can.
    fn compact(&mut self) -> Result<()>;

    /// What a reader of the figures should know of it now, such as its segments.
    fn state(&mut self) -> Result<String> {
        Ok(String::new())
    }

    /// Bytes of its data where its files hold more than that; otherwise the files are summed up.
    fn bytes(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Memory of processes of its own, in bytes.
    fn memory_elsewhere(&self) -> u64 {
        0
    }
}

/// Opens a system in a folder, or makes it there.
pub type Opener = fn(&Path, &Plan) -> Result<Box<dyn Peer>>;

/// A system by name.
pub struct System {
    /// On the command line.
    pub key: &'static str,
    /// In the table.
    pub name: &'static str,
    /// How it is opened.
    pub open: Opener,
    /// Whether it finds parts of texts without spaces.
    pub parts: bool,
}
