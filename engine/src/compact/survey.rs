//! How full segments are and how much of their files is dead: what [`crate::compact::policy`]
//! decides on and what the numbers of a store are summed from.

use std::collections::{HashMap, HashSet};

use crate::compact::policy::{BodyFacts, Facts};
use crate::error::{ErrorKind, Result};
use crate::id::{FileId, Micros, SegmentId};
use crate::index::{Field, Part, Segment, Term};
use crate::record::Kind;
use crate::state::State;
use crate::view::Rolled;

/// What was found, kept for as long as an index file lives: its bodies change with it only.
#[derive(Default)]
pub struct Survey {
    known: HashMap<FileId, Facts>,
    /// Index files of segments that can't be read whole.
    avoided: HashSet<FileId>,
}

impl Survey {
    /// Facts of every segment that can be compacted.
    pub fn look(&mut self, state: &State) -> Result<Vec<Facts>> {
        let segments = state.view.read().segments.clone();
        self.known.retain(|index, _| segments.iter().any(|s| s.entry.index == *index));
        let mut all = Vec::with_capacity(segments.len());
        for segment in &segments {
            if self.avoided.contains(&segment.entry.index) {
                continue;
            }
            if let Some(known) = self.known.get(&segment.entry.index) {
                all.push(known.clone());
                continue;
            }
            let facts = match facts(segment) {
                Ok(facts) => facts,
                Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                    self.avoided.insert(segment.entry.index);
                    continue;
                }
                // An erasure that ended meanwhile, or a moment's trouble: it is looked at again.
                Err(e) => return Err(e),
            };
            self.known.insert(facts.index, facts.clone());
            all.push(facts);
        }
        Ok(all)
    }

    /// Merging these made no fewer segments: they are not merged again as they are.
    pub fn settle(&mut self, ids: &[SegmentId]) {
        self.known.values_mut().filter(|f| ids.contains(&f.id)).for_each(|f| f.settled = true);
    }

    /// Leaves the damaged among these segments alone from now on, or all of them if none seems
    /// to be. Answers how many.
    pub fn avoid_damaged(&mut self, state: &State, ids: &[SegmentId]) -> Result<u64> {
        let segments = state.view.read().segments.clone();
        let chosen: Vec<&Rolled> = segments.iter().filter(|s| ids.contains(&s.id)).collect();
        // What is of a newer format is left alone too.
        let is_damaged = |part: &Segment| !part.verify(true).is_ok_and(|damage| damage.is_empty());
        let damaged: Vec<FileId> =
            chosen.iter().filter(|s| is_damaged(&s.part)).map(|s| s.entry.index).collect();
        let avoided =
            if damaged.is_empty() { chosen.iter().map(|s| s.entry.index).collect() } else { damaged };
        let count = avoided.len() as u64;
        self.avoided.extend(avoided);
        Ok(count)
    }
}

/// How many segments there are, and the bytes of their files, damaged ones too.
pub fn size(state: &State) -> Result<(u64, u64)> {
    let segments = state.view.read().segments.clone();
    let mut bytes = 0;
    for segment in &segments {
        bytes += segment.part.index_len();
        for file in 0..segment.entry.bodies.len() {
            bytes += segment.part.body(file)?.len();
        }
    }
    Ok((segments.len() as u64, bytes))
}

/// Between which times its records were said. Who is new and what the store did is dated by the
/// clock: with that, every segment of an imported past would seem to reach to the present day and
/// to overlap every other.
fn said(segment: &Rolled) -> Result<(Micros, Micros)> {
    let part = &segment.part;
    let mut docs = part.in_time(Micros::MIN, Micros::MAX)?;
    for (value, _) in part.terms(Field::Kind)? {
        let kind = value.first().and_then(|byte| Kind::try_from(*byte).ok());
        if kind.is_some_and(|kind| kind == Kind::Person || kind.is_act()) {
            docs -= part.postings(&Term { field: Field::Kind, value })?;
        }
    }
    match (docs.min(), docs.max()) {
        // Documents stand in the order of their times.
        (Some(first), Some(last)) => Ok((part.key(first)?.time, part.key(last)?.time)),
        _ => Ok((segment.entry.first, segment.entry.last)),
    }
}

/// Facts of the body files of one segment. Reads its block table and nothing else of its index.
pub fn bodies(segment: &Rolled) -> Result<Vec<BodyFacts>> {
    let entry = &segment.entry;
    let mut live = vec![0u64; entry.bodies.len()];
    for block in segment.part.blocks()? {
        if let Some(live) = live.get_mut(usize::from(block.file)) {
            *live += u64::from(block.len);
        }
    }
    let mut bodies = Vec::with_capacity(live.len());
    for (file, live) in live.into_iter().enumerate() {
        let body = segment.part.body(file)?;
        bodies.push(BodyFacts { bytes: body.len(), live, dead: body.blocks_len()?.saturating_sub(live) });
    }
    Ok(bodies)
}

/// Facts of one segment.
fn facts(segment: &Rolled) -> Result<Facts> {
    let entry = &segment.entry;
    let bodies = bodies(segment)?;
    let (first, last) = said(segment)?;
    Ok(Facts {
        id: segment.id,
        index: entry.index,
        docs: entry.docs,
        first,
        last,
        index_bytes: segment.part.index_len(),
        has_words: segment.part.has_words(),
        bodies,
        settled: false,
    })
}
