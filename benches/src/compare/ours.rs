//! EscrowDB itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use escrowdb::Store;
use escrowdb::record::time;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Order, Outcome, Preset, Record, Selector};

use crate::Result;
use crate::compare::engines::{Engine, Question, number_of};

/// A store.
pub struct Ours {
    store: Store,
}

/// Opens the store in `dir`, or makes it.
pub fn open(dir: &Path, preset: Preset) -> Result<Box<dyn Engine>> {
    let dir = dir.join("store");
    let builder = Store::builder(&dir).preset(preset);
    let store = if dir.exists() { builder.open()? } else { builder.create()? };
    Ok(Box::new(Ours { store }))
}

pub(in crate::compare) fn text(question: &Question) -> String {
    let mut text = String::new();
    for tag in &question.all {
        let _ = write!(text, "tag:{tag} ");
    }
    for tag in &question.none {
        let _ = write!(text, "-tag:{tag} ");
    }
    if let Some((from, before)) = question.time {
        let _ = write!(text, "after:{} before:{}", time::format(from), time::format(before));
    }
    text
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        "EscrowDB"
    }

    fn append(&mut self, records: &[Record]) -> Result<()> {
        match self.store.append(records)?.iter().all(|o| matches!(o, Outcome::Added(_))) {
            true => Ok(()),
            false => Err("a record was not added".into()),
        }
    }

    fn count(&mut self, question: &Question) -> Result<u64> {
        Ok(self.store.session(Session::new()).count(&text(question))?)
    }

    fn ids(&mut self, question: &Question) -> Result<u64> {
        Ok(self.store.session(Session::new()).seqs(&text(question), Order::Oldest)?.len() as u64)
    }

    fn numbers(&mut self, question: &Question) -> Result<BTreeSet<u64>> {
        let mut numbers = BTreeSet::new();
        let mut fault = Ok(());
        self.store.session(Session::new()).search_each(
            &text(question),
            Order::Oldest,
            |hit| match number_of(&hit.id) {
                Ok(number) => numbers.insert(number),
                Err(e) => {
                    fault = Err(e);
                    false
                }
            },
        )?;
        fault.map(|()| numbers)
    }

    fn point(&mut self, number: u64) -> Result<Option<usize>> {
        let hits = self.store.session(Session::new()).get(&format!("m{number}"), None)?;
        Ok(hits.first().map(|hit| hit.body.len()))
    }

    fn erase(&mut self, subject: &str) -> Result<u64> {
        let who = Selector::Person(subject.to_owned());
        let certificate = self.store.erase(&who, &EraseOptions::default())?;
        // The record that made her known is none of the workload's.
        Ok(certificate.records_removed.saturating_sub(1))
    }

    /// Nothing is left to do: an erasure is finished when it returns.
    fn scrub(&mut self) -> Result<()> {
        Ok(())
    }
}
