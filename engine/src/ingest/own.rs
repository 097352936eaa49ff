//! Records that take the place of others: written by an erasure, under the lock that keeps appends out.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::index::Batch;
use crate::ingest::assemble::Draft;
use crate::journal::FrameKind;
use crate::record::Stored;
use crate::state::{State, Writer};

/// Writes records whatever else bears their names, a frame each, and syncs them. Nobody sees them before the
/// caller adds the batches to the view.
///
/// # Errors
/// Whatever keeps the first from being written: then nothing is. After any later error the store is poisoned,
/// for a position would be missing in its view.
pub fn write(
    state: &State,
    writer: &mut Writer,
    records: Vec<Zeroizing<Stored>>,
) -> Result<Vec<Batch<'static>>> {
    let mut written = Vec::with_capacity(records.len());
    for stored in records {
        match write_one(state, writer, stored) {
            Ok(batch) => written.push(batch),
            Err(e) if written.is_empty() && writer.survives(&e) => return Err(e),
            Err(e) => return Err(state.poison(e)),
        }
    }
    if !written.is_empty() {
        // Whatever the store promises of appends: what these replace is about to go.
        writer.active.sync().map_err(|e| state.poison(e))?;
        state.reserve.note_journal(writer.active.len());
    }
    Ok(written)
}

fn write_one(state: &State, writer: &mut Writer, mut stored: Zeroizing<Stored>) -> Result<Batch<'static>> {
    let (batch, next_seq, _) = {
        let view = state.view.read();
        let (seq, person) = (writer.next_seq, writer.next_person);
        let mut draft = Draft::new(&state.env, &view, state.settings.preset, seq, person);
        draft.push(std::mem::take(&mut *stored))?;
        draft.finish()?
    };
    writer.ensure_opened(&state.env)?;
    writer.active.append(&*state.env.entropy, FrameKind::Batch, &batch.payload)?;
    writer.next_seq = next_seq;
    Ok(batch)
}
