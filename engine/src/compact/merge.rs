//! Several indexes in one order: documents by (time, seq), cut into outputs, and the terms of
//! each output. What comes out equals what an index built from the records would hold.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::compact::policy::{FULL, Limits};
use crate::error::Result;
use crate::index::IndexData;
use crate::index::terms::{TermDocs, Terms};

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
        let weights = self.weights(inputs, limits);
        let total: u64 = weights.iter().sum();
        let outputs = total.div_ceil(FULL).max(1);
        let share = total.div_ceil(outputs).max(1);
        let mut cuts = Vec::new();
        let (mut from, mut weight) = (0u32, 0u64);
        for (w, at) in weights.iter().zip(0u32..) {
            let is_over = weight + w > FULL || at - from >= limits.docs;
            if at > from && (is_over || weight >= share) {
                cuts.push(from..at);
                (from, weight) = (at, 0);
            }
            weight += w;
        }
        cuts.push(from..self.docs.len() as u32);
        cuts
    }

    /// Each document's part of a full segment; the bytes of a block are shared among its records.
    fn weights(&self, inputs: &[IndexData], limits: &Limits) -> Vec<u64> {
        let counts: Vec<Vec<u64>> = inputs.iter().map(docs_by_block).collect();
        let weight = |from: &From| {
            let data = inputs.get(from.input as usize)?;
            let block = data.docs.get(from.doc as usize)?.at.block as usize;
            let in_block = counts.get(from.input as usize)?.get(block)?;
            Some(limits.weigh(1, u64::from(data.blocks.get(block)?.len) / (*in_block).max(1)))
        };
        self.docs.iter().map(|from| weight(from).unwrap_or(1)).collect()
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
        let mut docs = zeroize::Zeroizing::new(Vec::with_capacity(cut.len()));
        for n in 0usize.. {
            if n.is_multiple_of(TERMS_A_LOOK) {
                go_on()?;
            }
            let Some(Reverse((order, _))) = heap.peek().copied() else { break };
            docs.clear();
            while let Some(Reverse((same, input))) = heap.peek().copied()
                && same == order
            {
                heap.pop();
                let head = heads.get_mut(input).and_then(Option::take);
                for doc in head.iter().flat_map(|h| h.docs) {
                    let place = self.place(From { input: input as u32, doc: *doc });
                    if let Some(place) = place.filter(|p| cut.contains(p)) {
                        // At most one term a document, so it never grows.
                        docs.push(place - cut.start);
                    }
                }
                let next = walks.get_mut(input).and_then(Iterator::next);
                if let Some(slot) = heads.get_mut(input) {
                    *slot = next;
                }
                heap.extend(next.map(|h| Reverse((h.order(), input))));
            }
            terms.push(order.0, order.1, docs.iter().copied());
        }
        Ok(terms)
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
