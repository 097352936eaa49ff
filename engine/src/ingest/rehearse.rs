//! Appends that only look: the answers of real ones, and nothing is written.

use std::sync::Arc;

use crate::error::Result;
use crate::ingest::assemble::{Draft, Outcome};
use crate::ingest::past::Past;
use crate::record::Record;
use crate::state::State;

/// Batches as they would go in, one after the other. See
/// [`Store::rehearsal`](crate::store::Store::rehearsal).
pub struct Rehearsal<'s> {
    state: &'s Arc<State>,
    /// `None` before the first batch, and after one that failed.
    past: Option<Past>,
}

impl<'s> Rehearsal<'s> {
    /// Before the first batch.
    pub fn new(state: &'s Arc<State>) -> Self {
        Self { state, past: None }
    }

    /// What [`Store::append`](crate::store::Store::append) would answer now, if all batches before
    /// had been appended. Positions of records that aren't there are made up.
    ///
    /// # Errors
    /// Trouble with the store; the rehearsal begins again with the next batch.
    pub fn append(&mut self, records: &[Record]) -> Result<Vec<Outcome>> {
        let past = match self.past.take() {
            Some(past) => past,
            None => {
                let writer = self.state.writer.lock();
                Past::new(writer.next_seq, writer.next_person)
            }
        };
        let view = self.state.view.read();
        let mut draft = Draft::after(&self.state.env, &view, self.state.settings.preset, past);
        let outcomes = draft.add_all(records)?;
        self.past = Some(draft.into_past()?);
        Ok(outcomes)
    }
}
