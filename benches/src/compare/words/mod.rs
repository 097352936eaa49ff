//! Words and positions everywhere: the same records into EscrowDB and into what people would take instead, at
//! equal number, without limit of time; every row with our figure, each peer's, and the ratio.
//!
//! ```text
//! peer       what every system must do
//! systems    those of this build
//! ours fts5 tantivy redb fjall postgres    one system each
//! sealed     what is built by hand over redb and fjall
//! characters a tokenizer for tantivy
//! child      loads in processes of their own
//! loads      rows of loading, memory, processors
//! asking     the same question to every system, timed
//! questions  rows of questions
//! segments   rows of ours over more and more segments
//! copies     bytes a record
//! erasures   rows of erasing
//! sheet      the table
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::compare::words::asking::Open;
use crate::compare::words::peer::{Plan, System};
use crate::compare::words::sheet::{OURS, Sheet};
use crate::table::number;
use crate::workload::Shape;

pub mod asking;
#[cfg(feature = "tantivy")]
pub mod characters;
pub mod child;
pub mod copies;
pub mod erasures;
#[cfg(feature = "fjall")]
pub mod fjall;
pub mod fts5;
pub mod loads;
pub mod ours;
pub mod peer;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod questions;
pub mod redb;
pub mod sealed;
pub mod segments;
pub mod sheet;
pub mod systems;
#[cfg(feature = "tantivy")]
pub mod tantivy;

/// Rows that can be chosen.
pub const ROWS: [&str; 14] = [
    "load",
    "memory",
    "tags",
    "words",
    "phrase",
    "newest",
    "prefix",
    "near",
    "relevance",
    "japanese",
    "bytes",
    "erase",
    "cores",
    "segments",
];

/// Segments over which beginnings and near words are asked.
const MANY: u64 = 150;

/// What to compare.
pub struct Options {
    /// Which records.
    pub plan: Plan,
    /// Folder; made, and removed at the end unless it is kept.
    pub dir: PathBuf,
    /// Whether the folder stays: what was loaded in it is not loaded again.
    pub keep: bool,
    /// Rows, of [`ROWS`]; empty: all.
    pub only: Vec<String>,
    /// Peers by key; empty: all of this build.
    pub peers: Vec<String>,
    /// JSON Lines instead of a table.
    pub json: bool,
}

impl Options {
    fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == row)
    }

    fn wants_any(&self, rows: &[&str]) -> bool {
        rows.iter().any(|row| self.wants(row))
    }

    fn systems(&self) -> Result<Vec<System>> {
        let all = systems::all();
        if let Some(strange) = self.peers.iter().find(|key| !all.iter().any(|s| s.key == **key)) {
            let keys: Vec<_> = all.iter().map(|s| s.key).collect();
            return Err(format!("no system {strange} in this build, of {}", keys.join(", ")).into());
        }
        let wanted =
            |s: &System| s.key == OURS || self.peers.is_empty() || self.peers.iter().any(|k| k == s.key);
        Ok(all.into_iter().filter(wanted).collect())
    }
}

/// Compares and answers the table.
pub fn run(options: &Options) -> Result<String> {
    if let Some(strange) = options.only.iter().find(|only| !ROWS.contains(&only.as_str())) {
        return Err(format!("no row {strange}, of {}", ROWS.join(", ")).into());
    }
    let what = format!("{:?}", options.plan);
    let mark = options.dir.join("plan");
    if options.keep && options.dir.exists() {
        if fs::read_to_string(&mark).ok().as_deref() != Some(&what) {
            return Err("the folder holds something else than these records".into());
        }
    } else {
        fs::create_dir(&options.dir)?;
        fs::write(&mark, what)?;
    }
    let result = compare(options);
    if !options.keep {
        fs::remove_dir_all(&options.dir)?;
    }
    result
}

fn compare(options: &Options) -> Result<String> {
    let Options { plan, dir, .. } = options;
    let systems = options.systems()?;
    let mut sheet = Sheet::new(systems.iter().map(|s| (s.key, s.name)).collect());
    systems::missing().into_iter().try_for_each(|note| sheet.note(note))?;
    if cfg!(feature = "sqlcipher") {
        sheet.note("SQLite is SQLCipher's library without a key")?;
    }
    sheet.note(
        "loads: one run, a process for each system. Questions: warm, medians of 15 runs (3 where one takes half a \
         second), in turns of 5. Erasures: medians of 9 people (ours) and 3 (peers; 1 where it takes long)",
    )?;
    let own_store = ["japanese", "cores", "segments"];
    if ROWS.iter().any(|row| !own_store.contains(row) && options.wants(row)) {
        main_store(options, &systems, &mut sheet)?;
    }
    if options.wants("japanese") {
        japanese(options, &systems, &mut sheet)?;
    }
    if options.wants("cores") {
        let ours = systems.iter().find(|s| s.key == OURS).ok_or("no system of ours")?;
        loads::cores(ours, dir, plan, &mut sheet)?;
    }
    if options.wants("segments") {
        segments::rows(dir, plan, &plan.workload(), &mut sheet)?;
    }
    if options.json {
        return Ok(sheet.json());
    }
    let shape = if plan.shape == Shape::Zipf { "zipf" } else { "local" };
    Ok(sheet.markdown(&format!("{} records, {shape}", number(plan.records))))
}

fn main_store(options: &Options, systems: &[System], sheet: &mut Sheet) -> Result<()> {
    let Options { plan, dir, .. } = options;
    let mut loads = Vec::new();
    for system in systems {
        loads.push((system.key, loads::load(system, dir, plan)?));
    }
    if options.wants("load") {
        loads::rows(&loads, plan.records, sheet)?;
    }
    if options.wants("memory") {
        loads::memory(&loads, sheet)?;
    }
    let workload = plan.workload();
    if options.wants_any(&["tags", "words", "phrase", "newest", "prefix", "near", "relevance"]) {
        let mut open = open(systems, dir, plan, sheet)?;
        if options.wants("tags") {
            questions::tags(&mut open, &workload, sheet)?;
        }
        if options.wants("words") {
            questions::words(&mut open, &workload, sheet)?;
        }
        if options.wants("phrase") {
            questions::phrases(&mut open, &workload, sheet)?;
        }
        if options.wants("newest") {
            questions::newest(&mut open, &workload, sheet)?;
        }
        if options.wants_any(&["prefix", "near"]) {
            let mut many = segments::store(dir, plan, MANY)?;
            let wants = |row: &str| options.wants(row);
            questions::expanded(&mut open, Some((&mut many, MANY)), &workload, sheet, wants)?;
        }
        if options.wants("relevance") {
            questions::relevance(&mut open, &workload, sheet)?;
        }
    }
    if options.wants("bytes") {
        copies::sizes(systems, dir, plan, sheet)?;
    }
    if options.wants("erase") {
        erasures::rows(systems, dir, plan, sheet)?;
    }
    Ok(())
}

fn open(systems: &[System], dir: &Path, plan: &Plan, sheet: &mut Sheet) -> Result<Vec<Open>> {
    let mut open = Vec::new();
    for system in systems {
        let mut peer = (system.open)(&dir.join(system.key), plan)?;
        let state = peer.state()?;
        if !state.is_empty() {
            sheet.note(format!("{}: {state}", system.name))?;
        }
        open.push(Open { key: system.key, name: system.name, peer });
    }
    Ok(open)
}

/// A store of its own: indexing parts of texts would be a burden on the peers' other rows.
fn japanese(options: &Options, systems: &[System], sheet: &mut Sheet) -> Result<()> {
    let plan = Plan { japanese: true, ..options.plan };
    let dir = options.dir.join("japanese");
    if !dir.exists() {
        fs::create_dir(&dir)?;
    }
    sheet.note(
        "Japanese: a store of its own, every tenth body Japanese; FTS5 with the tokenizer `trigram`, tantivy with a \
         token for each character",
    )?;
    let systems: Vec<&System> = systems.iter().filter(|system| system.parts).collect();
    let mut open = Vec::new();
    for system in systems {
        loads::load(system, &dir, &plan)?;
        let peer = (system.open)(&dir.join(system.key), &plan)?;
        open.push(Open { key: system.key, name: system.name, peer });
    }
    questions::japanese(&mut open, sheet)
}

#[cfg(test)]
mod tests {
    use escrowdb::store::Record;

    use super::*;
    use crate::compare::engines::Question;
    use crate::compare::words::peer::{Ask, Peer, Text};
    use crate::workload::Workload;

    /// Numbers of the records that match, by looking at each.
    fn looked_up(records: &[Record], ask: &Ask) -> Vec<u64> {
        let fits = |text: &Text, body: &str| {
            let words: Vec<&str> = body.split(' ').collect();
            match text {
                Text::Word(word) => words.contains(&word.as_str()),
                Text::Phrase(phrase) => words.windows(phrase.len()).any(|w| w == phrase),
                Text::Prefix(start) => words.iter().any(|w| w.starts_with(start)),
                Text::Near(_) => true,
                Text::Part(part) => body.contains(part),
            }
        };
        let found = (0u64..).zip(records).filter(|(_, record)| {
            ask.by.all.iter().all(|tag| record.tags.contains(tag))
                && !ask.by.none.iter().any(|tag| record.tags.contains(tag))
                && ask.text.iter().all(|text| fits(text, &record.body))
        });
        found.map(|(n, _)| n).collect()
    }

    fn asks(workload: &Workload) -> Vec<Ask> {
        let word = |rank| Text::Word(workload.word(rank).to_owned());
        let phrase = Text::Phrase([0, 1].map(|rank| workload.word(rank).to_owned()).into());
        let tag = |rank| workload.tag(rank).to_owned();
        vec![
            Ask::tags(Question { all: vec![tag(1)], none: vec![tag(0)], time: None }),
            Ask::text([word(0), word(1)]),
            Ask { by: Question { all: vec![tag(0)], ..Question::default() }, text: vec![word(3)] },
            Ask::text([phrase]),
            Ask::text([Text::Prefix(workload.word(7).to_owned())]),
        ]
    }

    /// Everything in this build, but for the one that is a server.
    fn peers() -> impl Iterator<Item = System> {
        systems::all().into_iter().filter(|system| system.key != "postgres")
    }

    fn filled(system: &System, plan: &Plan, records: &[Record], dir: &Path) -> Box<dyn Peer> {
        fs::create_dir_all(dir).unwrap();
        let mut peer = (system.open)(dir, plan).unwrap();
        records.chunks(500).for_each(|batch| peer.append(batch).unwrap());
        peer.settle().unwrap();
        peer
    }

    #[test]
    fn all_find_what_a_look_at_each_record_finds_and_forget() {
        let plan = Plan { shape: Shape::Local, records: 1_000, seed: 3, japanese: false };
        let temp = std::env::temp_dir().join(format!("escrowdb-peers-{}", std::process::id()));
        let mut workload = plan.workload();
        let records = workload.batch(1_000);
        let who = workload.small_subject(1);
        for system in peers() {
            let mut peer = filled(&system, &plan, &records, &temp.join(system.key));
            for ask in asks(&workload).iter().filter(|ask| peer.can(ask)).collect::<Vec<_>>() {
                let expected = looked_up(&records, ask);
                let mut found = peer.numbers(ask).unwrap();
                found.sort_unstable();
                assert!(!found.is_empty() && found == expected, "{}: {ask:?}", system.name);
                assert_eq!(peer.count(ask).unwrap(), found.len() as u64, "{}", system.name);
                let newest: Vec<u64> = peer.newest(ask, 5).unwrap().iter().map(|n| n.0).collect();
                let last: Vec<u64> = expected.iter().rev().take(5).copied().collect();
                assert_eq!(newest, last, "{}", system.name);
            }
            assert!((15..=25).contains(&peer.erase(&who).unwrap().records), "{}", system.name);
            peer.scrub().unwrap();
            // Ours doesn't know her any more.
            assert_eq!(peer.erase(&who).map_or(0, |erased| erased.records), 0, "{}", system.name);
        }
        fs::remove_dir_all(&temp).unwrap();
    }

    #[test]
    fn all_find_parts_of_japanese_texts() {
        let plan = Plan { shape: Shape::Local, records: 2_000, seed: 3, japanese: true };
        let temp = std::env::temp_dir().join(format!("escrowdb-parts-{}", std::process::id()));
        let ask = Ask::text([Text::Part(crate::japanese::Japanese::new().three(0).to_owned())]);
        let records = plan.workload().batch(2_000);
        let expected = looked_up(&records, &ask);
        for system in peers().filter(|system| system.parts) {
            let mut peer = filled(&system, &plan, &records, &temp.join(system.key));
            let mut found = peer.numbers(&ask).unwrap();
            found.sort_unstable();
            assert!(!found.is_empty() && found == expected, "{}", system.name);
        }
        fs::remove_dir_all(&temp).unwrap();
    }
}
