//! An index as plain sorted vectors: what is built, filtered and encoded.

use std::hint::black_box;
use std::mem::take;

use roaring::RoaringBitmap;

use crate::crypto::stack::burn_hash;
use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::filter::text_hash;
use crate::index::lists::{Lists, person_value};
use crate::index::part::{Field, SortKey};
use crate::index::terms::Terms;
use crate::record::Stored;
use crate::segment::{BlockRef, Location};

/// One document of an index. Documents are ordered by time, then by log position.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct DocEntry {
    /// Event time.
    pub time: Micros,
    /// Log position.
    pub seq: Seq,
    /// Where the record stands.
    pub at: Location,
    /// Hash of the id.
    pub id_hash: u32,
    /// Hash of the conversation.
    pub conv_hash: u32,
    /// Words in the body; 0 in an index without words.
    pub words: u32,
}

/// All of an index in clear; wiped on drop, with what it was made of. Its encoding is a pure function of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IndexData {
    /// Documents.
    pub docs: Vec<DocEntry>,
    /// Terms with their documents.
    pub terms: Terms,
    /// Blocks, ordered by their first document.
    pub blocks: Vec<BlockRef>,
    /// Whether bodies were split into words.
    pub with_words: bool,
}

/// Builds an index from records in order of (time, seq).
pub struct IndexBuilder<'a> {
    known: &'a dyn Fn(PersonNumber) -> Result<bool>,
    docs: Vec<DocEntry>,
    lists: Lists,
}

/// Stands for "no longer there" while numbers are given anew.
const GONE: u32 = u32::MAX;

impl<'a> IndexBuilder<'a> {
    /// Nothing yet. Authors who are not `known` get no term, bodies none if not `with_words`.
    pub fn new(known: &'a dyn Fn(PersonNumber) -> Result<bool>, with_words: bool) -> Self {
        Self { known, docs: Vec::new(), lists: Lists::new(with_words) }
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// *Invalid* if it doesn't come in order; and what keeps one from learning whether its author is known:
    /// to guess *no* would take him out of the index for good.
    pub fn add(&mut self, stored: &Stored, seq: Seq, at: Location) -> Result<()> {
        let key = SortKey { time: stored.time, seq };
        if self.docs.last().is_some_and(|last| last.key() >= key) {
            return Err(Error::invalid("records of an index must come in order of time and log position"));
        }
        let doc = u32::try_from(self.docs.len())
            .ok()
            .filter(|n| *n < GONE)
            .ok_or_else(|| Error::invalid("an index holds too many records"))?;
        self.lists.add(doc, &stored.borrowed(), (self.known)(stored.author)?);
        if self.docs.len() == self.docs.capacity() {
            let mut wider = Vec::with_capacity(self.docs.capacity().max(512) * 2);
            wider.extend_from_slice(&self.docs);
            wipe(&mut std::mem::replace(&mut self.docs, wider));
        }
        self.docs.push(DocEntry {
            time: stored.time,
            seq,
            at,
            id_hash: text_hash(&stored.id),
            conv_hash: text_hash(&stored.conversation),
            words: self.lists.words_in(doc),
        });
        Ok(())
    }

    /// The index over the blocks where the records stand.
    pub fn finish(mut self, blocks: Vec<BlockRef>) -> Result<IndexData> {
        let with_words = self.lists.words().is_some();
        Ok(IndexData { docs: take(&mut self.docs), terms: self.lists.in_order()?, blocks, with_words })
    }
}

impl Drop for IndexBuilder<'_> {
    fn drop(&mut self) {
        wipe(&mut self.docs);
        // One for all ids that were hashed.
        burn_hash();
    }
}

impl DocEntry {
    /// Sort key of the document.
    pub fn key(&self) -> SortKey {
        SortKey { time: self.time, seq: self.seq }
    }
}

impl IndexData {
    /// The index as if the `removed` documents and the terms of `dead` people had never been:
    /// documents and blocks are numbered densely anew, blocks without documents leave the table.
    pub fn without(mut self, removed: &RoaringBitmap, dead: &[PersonNumber]) -> Result<Self> {
        let (mut docs, number) = self.survivors(removed);
        self.blocks = self.surviving_blocks(&mut docs);
        wipe(&mut std::mem::replace(&mut self.docs, docs));
        let dead: Vec<[u8; 8]> = dead.iter().map(|p| person_value(*p)).collect();
        let is_dead = |field: Field, value: &[u8]| {
            matches!(field, Field::Author | Field::Subject) && dead.iter().any(|d| d.as_slice() == value)
        };
        self.terms.renumber(
            |doc| number.get(doc as usize).copied().filter(|n| *n != GONE),
            |field, value| !is_dead(field, value),
        )?;
        Ok(self)
    }

    /// The same documents, some of them at new places: `moved` are documents with locations that
    /// count from the first of `new_blocks`. Blocks nobody lives in any more leave with
    /// [`Self::without`].
    pub fn replace_blocks(&mut self, moved: &[(u32, Location)], new_blocks: Vec<BlockRef>) -> Result<()> {
        let first = self.blocks.len() as u32;
        for (doc, at) in moved {
            let place = self.docs.get_mut(*doc as usize);
            let place = place.ok_or_else(|| Error::invalid("a moved document is not in the index"))?;
            place.at = Location { block: first + at.block, slot: at.slot };
        }
        // Secrets move when the vector grows by itself; here they are moved and wiped.
        let mut blocks = Vec::with_capacity(self.blocks.len() + new_blocks.len());
        blocks.extend(self.blocks.iter().cloned());
        blocks.extend(new_blocks);
        self.blocks = blocks;
        Ok(())
    }

    fn survivors(&self, removed: &RoaringBitmap) -> (Vec<DocEntry>, Vec<u32>) {
        let mut number = vec![0; self.docs.len()];
        for doc in removed {
            if let Some(n) = number.get_mut(doc as usize) {
                *n = GONE;
            }
        }
        let mut docs = Vec::with_capacity(self.docs.len());
        for (entry, n) in self.docs.iter().zip(&mut number) {
            if *n != GONE {
                *n = docs.len() as u32;
                docs.push(*entry);
            }
        }
        (docs, number)
    }

    fn surviving_blocks(&self, docs: &mut [DocEntry]) -> Vec<BlockRef> {
        let mut number = vec![GONE; self.blocks.len()];
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for entry in docs {
            let (Some(n), Some(block)) =
                (number.get_mut(entry.at.block as usize), self.blocks.get(entry.at.block as usize))
            else {
                continue;
            };
            if *n == GONE {
                *n = blocks.len() as u32;
                blocks.push(block.clone());
            }
            entry.at.block = *n;
        }
        blocks
    }
}

impl Drop for IndexData {
    fn drop(&mut self) {
        wipe(&mut self.docs);
    }
}

/// Wipes documents, and what is left of others behind them, at once.
fn wipe(docs: &mut Vec<DocEntry>) {
    docs.clear();
    docs.resize(docs.capacity(), DocEntry::default());
    black_box(docs.as_mut_slice());
    docs.clear();
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::Kind;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    /// Records in order of (time, seq), a few values in each field so that lists overlap.
    pub(crate) fn records(max: usize) -> impl Strategy<Value = Vec<(Seq, Stored)>> {
        let one = (
            0i64..50,
            0u64..6,
            proptest::collection::btree_set(0u64..6, 1..3),
            0u32..3,
            0u32..4,
            any::<u8>(),
        );
        proptest::collection::vec(one, 0..max).prop_map(|all| {
            let mut all: Vec<_> = all
                .into_iter()
                .enumerate()
                .map(|(i, (time, author, subjects, class, conversation, rest))| {
                    let stored = Stored {
                        id: format!("m{}", i / 2),
                        conversation: format!("c{conversation}"),
                        author: PersonNumber(author),
                        subjects: subjects.into_iter().map(PersonNumber).collect(),
                        time: Micros(time - 25),
                        channel: ["", "web", "mail"][usize::from(rest) % 3].into(),
                        kind: [Kind::Message, Kind::Person, Kind::Join][usize::from(rest) % 3],
                        tags: (0..rest % 4).map(|t| format!("tag:{}", t / 2 * (rest / 64))).collect(),
                        body: format!("body {i} of {} body {}", rest / 4, "x".repeat(usize::from(rest % 9))),
                        class,
                        ..Stored::default()
                    };
                    (Seq(i as u64 * 3 + 5), stored)
                })
                .collect();
            all.sort_by_key(|(seq, s)| (s.time, *seq));
            all
        })
    }

    pub(crate) fn known(person: PersonNumber) -> bool {
        person.0 != 1
    }

    pub(crate) fn knows(person: PersonNumber) -> Result<bool> {
        Ok(known(person))
    }

    /// Puts three records into each block.
    fn place(i: usize) -> Location {
        Location { block: (i / 3) as u32, slot: (i % 3) as u16 }
    }

    fn block(number: u32) -> BlockRef {
        BlockRef {
            file: (number % 2) as u8,
            offset: u64::from(number) * 100 + 8,
            len: 80,
            r_block: Zeroizing::new([number as u8; 16]),
            subjects: vec![PersonNumber(u64::from(number) % 5)],
            class: number % 3,
            expiry: 0,
        }
    }

    fn build(records: &[(Seq, Stored, Location)], known: &dyn Fn(PersonNumber) -> Result<bool>) -> IndexData {
        let mut old_numbers: Vec<u32> = Vec::new();
        let mut builder = IndexBuilder::new(known, true);
        for (seq, stored, at) in records {
            let n = old_numbers.iter().position(|b| *b == at.block).unwrap_or_else(|| {
                old_numbers.push(at.block);
                old_numbers.len() - 1
            });
            builder.add(stored, *seq, Location { block: n as u32, slot: at.slot }).unwrap();
        }
        builder.finish(old_numbers.into_iter().map(block).collect()).unwrap()
    }

    #[test]
    fn order_is_checked() {
        let mut builder = IndexBuilder::new(&knows, true);
        builder.add(&Stored::default(), Seq(2), place(0)).unwrap();
        assert!(builder.add(&Stored::default(), Seq(2), place(1)).is_err());
    }

    proptest! {
        #[test]
        fn without_equals_a_fresh_build(records in records(60), gone: Vec<bool>, dead in 0u64..6) {
            let dead = PersonNumber(dead);
            let placed: Vec<_> = records.into_iter().enumerate().map(|(i, (seq, s))| (seq, s, place(i))).collect();
            let is_gone = |i: usize| gone.get(i).copied().unwrap_or(false) || placed[i].1.subjects.contains(&dead);
            let removed: RoaringBitmap = (0..placed.len()).filter(|i| is_gone(*i)).map(|i| i as u32).collect();
            let rest: Vec<_> = (0..placed.len()).filter(|i| !is_gone(*i)).map(|i| placed[i].clone()).collect();
            let fresh = build(&rest, &|p| Ok(known(p) && p != dead));
            let rewritten = build(&placed, &knows).without(&removed, &[dead]).unwrap();
            prop_assert!(fresh == rewritten);
            prop_assert_eq!(crate::index::file::encode(&fresh).unwrap(), crate::index::file::encode(&rewritten).unwrap());
        }
    }
}
