//! Several indexes in one order: documents by (time, seq), cut into outputs, and the terms of
//! each output. What comes out equals what an index built from the records would hold.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::compact::policy::{FULL, Limits};
use crate::error::Result;
use crate::index::IndexData;
use crate::index::runs::Runs;
use crate::index::terms::{TermDocs, Terms, grow};

/// A document of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// Which input.
    pub input: u32,
    /// Its number there.
    pub doc: u32,
}

/// All documents of the inputs in one order.
pub struct Order {
    /// Documents in order of (time, seq).
    pub docs: Vec<From>,
    /// Place of each document of each input in `docs`.
    places: Vec<Vec<u32>>,
}

/// Terms merged between two looks at whether to go on.
const TERMS_A_LOOK: usize = 4096;

impl Order {
    /// Puts the documents of `inputs` in order.
    pub fn of(inputs: &[IndexData]) -> Self {
        let mut keyed = Vec::with_capacity(inputs.iter().map(|i| i.docs.len()).sum());
        for (data, input) in inputs.iter().zip(0..) {
            keyed.extend(data.docs.iter().zip(0..).map(|(d, doc)| (d.key(), From { input, doc })));
        }
        // Each input is one ascending run: a stable sort uses that.
        keyed.sort_by_key(|(key, _)| *key);
        let mut places: Vec<Vec<u32>> = inputs.iter().map(|i| vec![0; i.docs.len()]).collect();
        for ((_, from), place) in keyed.iter().zip(0..) {
            if let Some(p) = places.get_mut(from.input as usize).and_then(|p| p.get_mut(from.doc as usize)) {
                *p = place;
            }
        }
        Self { docs: keyed.into_iter().map(|(_, from)| from).collect(), places }
    }

    /// Ranges of `docs`, one for each output: as few as the limits allow, of about the same weight.
    pub fn cuts(&self, inputs: &[IndexData], limits: &Limits) -> Vec<Range<u32>> {
        let bytes = self.bytes(inputs);
        let total = limits.weigh(self.docs.len() as u64, bytes.iter().sum());
        let share = total.div_ceil(total.div_ceil(FULL).max(1));
        let mut cuts = Vec::new();
        let (mut from, mut held) = (0u32, 0);
        for (own, at) in bytes.iter().zip(0u32..) {
            let docs = u64::from(at - from);
            let is_over = limits.weigh(docs + 1, held + own) > FULL;
            if docs > 0 && (is_over || limits.weigh(docs, held) >= share) {
                cuts.push(from..at);
                (from, held) = (at, 0);
            }
            held += own;
        }
        cuts.push(from..self.docs.len() as u32);
        cuts
    }

    /// Each document's bytes: those of a block are shared among its records.
    fn bytes(&self, inputs: &[IndexData]) -> Vec<u64> {
        let counts: Vec<Vec<u64>> = inputs.iter().map(docs_by_block).collect();
        let bytes = |from: &From| {
            let data = inputs.get(from.input as usize)?;
            let block = data.docs.get(from.doc as usize)?.at.block as usize;
            let in_block = counts.get(from.input as usize)?.get(block)?;
            Some(u64::from(data.blocks.get(block)?.len) / (*in_block).max(1))
        };
        self.docs.iter().map(|from| bytes(from).unwrap_or(0)).collect()
    }

    /// Place of a document in the order.
    pub fn place(&self, from: From) -> Option<u32> {
        self.places.get(from.input as usize)?.get(from.doc as usize).copied()
    }

    /// The terms of one output. `go_on` is asked now and then.
    pub fn terms(
        &self,
        inputs: &[IndexData],
        cut: &Range<u32>,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Terms> {
        let mut walks: Vec<_> = inputs.iter().map(|i| i.terms.iter()).collect();
        let mut heads: Vec<Option<TermDocs<'_>>> = walks.iter_mut().map(Iterator::next).collect();
        let mut heap = BinaryHeap::new();
        for (head, input) in heads.iter().zip(0usize..) {
            heap.extend(head.map(|h| Reverse((h.order(), input))));
        }
        let total = inputs.iter().map(|i| i.terms.len()).max().unwrap_or(0);
        let mut terms = Terms::with_capacity(total, total * 16, cut.len() * 6);
        let mut docs = Zeroizing::new(Vec::with_capacity(cut.len()));
        let mut word = Merged::default();
        terms.reserve_runs(inputs.iter().map(|i| i.terms.runs_len()).max().unwrap_or(0));
        for n in 0usize.. {
            if n.is_multiple_of(TERMS_A_LOOK) {
                go_on()?;
            }
            let Some(Reverse((order, _))) = heap.peek().copied() else { break };
            docs.clear();
            word.clear();
            while let Some(Reverse((same, input))) = heap.peek().copied()
                && same == order
            {
                heap.pop();
                let head = heads.get_mut(input).and_then(Option::take);
                let mut runs = Runs::new(head.map_or(&[], |h| h.runs));
                for doc in head.iter().flat_map(|h| h.docs) {
                    let run = if order.0.has_positions() { runs.bytes()? } else { &[] };
                    let place = self.place(From { input: input as u32, doc: *doc });
                    if let Some(place) = place.filter(|p| cut.contains(p)) {
                        // At most one term a document, so it never grows.
                        docs.push(place - cut.start);
                        word.runs.push(run);
                    }
                }
                let next = walks.get_mut(input).and_then(Iterator::next);
                if let Some(slot) = heads.get_mut(input) {
                    *slot = next;
                }
                heap.extend(next.map(|h| Reverse((h.order(), input))));
            }
            if order.0.has_positions() {
                word.sort(&mut docs);
                terms.push_word(order.0, order.1, &docs, &word.bytes);
            } else {
                terms.push(order.0, order.1, docs.iter().copied());
            }
        }
        Ok(terms)
    }
}

/// Positions of one word, out of several inputs.
#[derive(Default)]
struct Merged<'a> {
    /// A run for each document.
    runs: Vec<&'a [u8]>,
    /// The same, one behind the other, in order of the documents.
    bytes: Zeroizing<Vec<u8>>,
}

impl Merged<'_> {
    fn clear(&mut self) {
        self.runs.clear();
        self.bytes.clear();
    }

    /// Sorts documents with their runs.
    fn sort(&mut self, docs: &mut [u32]) {
        grow(&mut self.bytes, self.runs.iter().map(|run| run.len()).sum());
        if docs.is_sorted() {
            self.runs.iter().for_each(|run| self.bytes.extend_from_slice(run));
            return;
        }
        let mut order: Vec<(u32, usize)> = docs.iter().copied().zip(0..).collect();
        order.sort_unstable();
        for ((doc, from), place) in order.into_iter().zip(docs) {
            *place = doc;
            self.bytes.extend_from_slice(self.runs.get(from).copied().unwrap_or_default());
        }
    }
}

/// How many documents stand in each block.
pub fn docs_by_block(data: &IndexData) -> Vec<u64> {
    let mut counts = vec![0; data.blocks.len()];
    for doc in &data.docs {
        if let Some(n) = counts.get_mut(doc.at.block as usize) {
            *n += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::policy::{BodyFacts, Facts, Policy};
    use crate::id::{FileId, Micros, SegmentId, Seq};
    use crate::index::data::DocEntry;
    use crate::segment::{BlockRef, Location};
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { docs: 64, body_bytes: 64 << 10 };

    /// A segment of records with so many bytes, each in a block of its own.
    #[derive(Clone)]
    struct Segment {
        facts: Facts,
        data: IndexData,
    }

    fn segment(id: u64, docs: &[(Micros, Seq, u32)]) -> Segment {
        let (mut data, mut live) = (IndexData::default(), 0);
        for ((time, seq, len), block) in docs.iter().zip(0u32..) {
            let at = Location { block, slot: 0 };
            data.docs.push(DocEntry { time: *time, seq: *seq, at, id_hash: 0, conv_hash: 0, words: 0 });
            let (r_block, subjects) = (Zeroizing::new([0; 16]), Vec::new());
            data.blocks.push(BlockRef {
                file: 0,
                offset: live,
                len: *len,
                r_block,
                subjects,
                class: 0,
                expiry: 0,
            });
            live += u64::from(*len);
        }
        let facts = Facts {
            id: SegmentId(id),
            index: FileId::default(),
            docs: docs.len() as u32,
            first: docs.iter().map(|d| d.0).min().unwrap_or_default(),
            last: docs.iter().map(|d| d.0).max().unwrap_or_default(),
            index_bytes: 0,
            has_words: true,
            bodies: vec![BodyFacts { bytes: live, live, dead: 0 }],
            settled: false,
        };
        Segment { facts, data }
    }

    fn of(input: &IndexData, doc: u32) -> (Micros, Seq, u32) {
        let entry = input.docs[doc as usize];
        (entry.time, entry.seq, input.blocks[entry.at.block as usize].len)
    }

    /// Steps until none is due, as the store runs them. How many, and what is left.
    fn run(policy: Policy, mut all: Vec<Segment>) -> (usize, Vec<Segment>) {
        let mut id = 1000;
        for steps in 0.. {
            let facts: Vec<Facts> = all.iter().map(|s| s.facts.clone()).collect();
            let Some(step) = policy.choose(&facts, &LIMITS) else { return (steps, all) };
            assert!(steps < 400, "it doesn't end");
            let is_in = |s: &Segment| step.segments.contains(&s.facts.id);
            let inputs: Vec<IndexData> = all.iter().filter(|s| is_in(s)).map(|s| s.data.clone()).collect();
            let order = Order::of(&inputs);
            let cuts = order.cuts(&inputs, &LIMITS);
            for cut in &cuts {
                let docs = &order.docs[cut.start as usize..cut.end as usize];
                let bytes = docs.iter().map(|f| u64::from(of(&inputs[f.input as usize], f.doc).2)).sum();
                assert!(LIMITS.weigh(docs.len() as u64, bytes) <= FULL || docs.len() == 1);
            }
            if cuts.len() > step.outputs_max {
                all.iter_mut().filter(|s| is_in(s)).for_each(|s| s.facts.settled = true);
                continue;
            }
            all.retain(|s| !is_in(s));
            for cut in cuts {
                let docs = &order.docs[cut.start as usize..cut.end as usize];
                let docs: Vec<_> = docs.iter().map(|f| of(&inputs[f.input as usize], f.doc)).collect();
                id += 1;
                all.push(segment(id, &docs));
            }
        }
        unreachable!()
    }

    /// Segments of many short records and a few long ones were small by either measure, and record
    /// by record weighed twice as much: four came out of four, for ever.
    #[test]
    fn short_and_long_records_come_to_an_end() {
        let uneven = |id: u64| {
            let len = |i: u64| if i < 2 { 14_000 } else { 40 };
            let docs = (0..28).map(|i| (Micros((i * 4 + id) as i64), Seq(id * 100 + i), len(i)));
            segment(id, &docs.collect::<Vec<_>>())
        };
        for policy in [Policy::BACKGROUND, Policy::THOROUGH] {
            let (steps, left) = run(policy, (0..4).map(uneven).collect());
            assert!(steps == 1 && left.len() < 4, "{steps} steps, {} left", left.len());
        }
    }

    proptest! {
        #[test]
        fn every_history_comes_to_an_end(
            sizes in proptest::collection::vec(
                proptest::collection::vec((0i64..60, prop_oneof![Just(20u32), Just(300), 2_000u32..33_000]), 1..60),
                1..12,
            ),
        ) {
            let mut seq = 0;
            let segments: Vec<Segment> = sizes.iter().zip(0u64..).map(|(docs, id)| {
                let mut docs: Vec<_> = docs.iter().map(|(time, len)| {
                    seq += 1;
                    (Micros(*time + id as i64 * 20), Seq(seq), *len)
                }).collect();
                docs.sort_unstable();
                segment(id, &docs)
            }).collect();
            let count = |all: &[Segment]| all.iter().map(|s| s.facts.docs).sum::<u32>();
            let before = count(&segments);
            for policy in [Policy::BACKGROUND, Policy::THOROUGH] {
                prop_assert_eq!(count(&run(policy, segments.clone()).1), before);
            }
        }
    }
}
