//! EscrowDB, words and positions and leaves and all.

use std::fmt::Write as _;
use std::path::Path;

use escrowdb::Store;
use escrowdb::session::Session;
use escrowdb::store::{
    CompactOptions, EraseOptions, Order, Outcome, Preset, Reading, Record, SearchOptions, Selector,
};

use crate::Result;
use crate::compare::engines::number_of;
use crate::compare::ours;
use crate::compare::words::peer::{Ask, Erased, Peer, Plan, Text};
use crate::workload::Shape;

/// A store.
pub struct Ours {
    store: Store,
}

/// Whose records they are.
const fn preset(plan: &Plan) -> Preset {
    match plan.shape {
        Shape::Local => Preset::Customer,
        Shape::Zipf => Preset::Peer,
    }
}

/// Opens the store in `dir`, or makes it.
pub fn open(dir: &Path, plan: &Plan) -> Result<Box<dyn Peer>> {
    let dir = dir.join("store");
    let builder = Store::builder(&dir).preset(preset(plan));
    let store = if dir.exists() { builder.open()? } else { builder.create()? };
    Ok(Box::new(Ours { store }))
}

/// The same without a compaction behind it: its segments stay as they are.
pub fn open_still(dir: &Path, plan: &Plan) -> Result<Ours> {
    let dir = dir.join("store");
    let builder = Store::builder(&dir).preset(preset(plan)).compaction(false);
    let store = if dir.exists() { builder.open()? } else { builder.create()? };
    Ok(Ours { store })
}

/// The query.
fn text(ask: &Ask) -> String {
    let mut text = ours::text(&ask.by);
    for part in &ask.text {
        let _ = match part {
            Text::Word(word) | Text::Part(word) => write!(text, " {word}"),
            Text::Phrase(words) => write!(text, " \"{}\"", words.join(" ")),
            Text::Prefix(start) => write!(text, " {start}*"),
            Text::Near(word) => write!(text, " {word}~1"),
        };
    }
    text.trim().to_owned()
}

impl Ours {
    fn reading(&self) -> Reading<'_> {
        self.store.session(Session::new())
    }

    fn first(&self, ask: &Ask, order: Order, k: usize) -> Result<Vec<(u64, usize)>> {
        let hits = self.reading().search(&text(ask), &SearchOptions::new().order(order).limit(k))?;
        hits.iter().map(|hit| Ok((number_of(&hit.id)?, hit.body.len()))).collect()
    }

    /// Makes a segment of what was appended since the last one.
    pub fn roll(&self) -> Result<()> {
        Ok(self.store.roll()?)
    }

    /// Segments.
    pub fn segments(&self) -> Result<u64> {
        Ok(self.store.stats()?.segments)
    }
}

impl Peer for Ours {
    fn append(&mut self, records: &[Record]) -> Result<()> {
        match self.store.append(records)?.iter().all(|o| matches!(o, Outcome::Added(_))) {
            true => Ok(()),
            false => Err("a record was not added".into()),
        }
    }

    /// Rolls what the last segment does not hold yet, behind which all rolls before it end.
    fn settle(&mut self) -> Result<()> {
        self.roll()
    }

    fn count(&mut self, ask: &Ask) -> Result<u64> {
        Ok(self.reading().count(&text(ask))?)
    }

    fn numbers(&mut self, ask: &Ask) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        let mut fault = Ok(());
        self.reading().search_each(&text(ask), Order::Oldest, |hit| match number_of(&hit.id) {
            Ok(number) => {
                numbers.push(number);
                true
            }
            Err(e) => {
                fault = Err(e);
                false
            }
        })?;
        fault.map(|()| numbers)
    }

    fn ids(&mut self, ask: &Ask) -> Result<u64> {
        Ok(self.reading().seqs(&text(ask), Order::Oldest)?.len() as u64)
    }

    fn newest(&mut self, ask: &Ask, k: usize) -> Result<Vec<(u64, usize)>> {
        self.first(ask, Order::Newest, k)
    }

    fn ranked(&mut self, ask: &Ask, k: usize) -> Result<Option<Vec<u64>>> {
        let hits = self.first(ask, Order::Relevance, k)?;
        Ok(Some(hits.into_iter().map(|hit| hit.0).collect()))
    }

    fn erase(&mut self, subject: &str) -> Result<Erased> {
        let who = Selector::Person(subject.to_owned());
        let certificate = self.store.erase(&who, &EraseOptions::default())?;
        // The record that made her known is none of the workload's.
        let records = certificate.records_removed.saturating_sub(1);
        Ok(Erased { records, segments: certificate.segments_rekeyed })
    }

    /// Nothing is left to do: an erasure is finished when it returns.
    fn scrub(&mut self) -> Result<()> {
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        self.store.compact(&CompactOptions::new(), |_| ())?;
        Ok(())
    }

    fn state(&mut self) -> Result<String> {
        Ok(format!("{} segments", self.segments()?))
    }
}
