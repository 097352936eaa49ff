//! The canonical rewrite of a segment after an erasure.
//!
//! Blocks without survivors just leave the block table: their secrets are gone, so their bytes
//! open with nothing. Blocks with survivors and dead records are re-formed: the survivors are
//! sealed into a new body file under new secrets, and the old block leaves the table too.

use std::collections::HashSet;

use crate::crypto::Entropy;
use crate::crypto::stack::{burn_long_hash, wipe};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::data::IndexData;
use crate::index::file::{Encoded, Parts, Section, Tables, encode_parts};
use crate::index::lists::person_value;
use crate::index::part::{Field, Part, Term};
use crate::index::reader::Segment;
use crate::index::sections::ToThin;
use crate::index::shared::{self, Hands};
use crate::index::thin::{self, Numbers, Whole};
use crate::segment::{BlockRef, BodyPlace, BodyWriter, Gathered, OpenBlock, SubjectKeys};
use crate::vfs::Vfs;
use roaring::RoaringBitmap;

/// What an erasure does to the blocks of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Blocks without survivors.
    pub dead: Vec<u32>,
    /// Blocks with survivors and dead records.
    pub partial: Vec<u32>,
}

/// What goes, and whose terms go.
pub struct Removal<'a> {
    /// Documents that go; those with one of `people` as subject go in any case.
    pub docs: &'a RoaringBitmap,
    /// People who go.
    pub people: &'a [PersonNumber],
    /// Re-form every block, not only those with dead records: when a segment has gathered many
    /// body files or small blocks.
    pub reform_all: bool,
}

/// Where re-formed blocks are written.
pub struct Target<'a> {
    /// The file system.
    pub vfs: &'a dyn Vfs,
    /// The new body file; written only if a block is re-formed.
    pub body: BodyPlace<'a>,
    /// Content keys of the survivors.
    pub keys: &'a dyn SubjectKeys,
    /// Randomness.
    pub entropy: &'a dyn Entropy,
    /// Who works.
    pub hands: Hands,
}

/// A rewritten index, not yet on disk.
pub struct Rewritten {
    /// Documents and blocks of the survivors, without terms and hashes of ids.
    pub data: IndexData,
    /// The whole index of the survivors, encoded.
    pub text: Encoded,
    /// Whether the new body file was written.
    pub body_written: bool,
    /// Log positions of survivors in blocks to re-form that don't open: they were lost before, and
    /// leave the index.
    pub lost: Vec<Seq>,
}

/// Which blocks die and which must be re-formed if `removed` documents go.
pub fn fate(data: &IndexData, removed: &RoaringBitmap) -> Fate {
    let mut counts = vec![(0u32, 0u32); data.blocks.len()];
    for (entry, doc) in data.docs.iter().zip(0..) {
        if let Some((live, dead)) = counts.get_mut(entry.at.block as usize) {
            *(if removed.contains(doc) { dead } else { live }) += 1;
        }
    }
    let mut fate = Fate::default();
    for ((live, dead), number) in counts.into_iter().zip(0..) {
        match (live, dead) {
            (0, _) => fate.dead.push(number),
            (_, 0) => {}
            _ => fate.partial.push(number),
        }
    }
    fate
}

/// The index of a segment without what is removed. Writes a new body file if blocks must be
/// re-formed; the caller syncs the folder and writes the index.
pub fn rewrite(segment: &Segment, removal: &Removal<'_>, target: &Target<'_>) -> Result<Rewritten> {
    let sections = &segment.sections;
    let mut data = segment.docs_kept()?;
    let mut removed = with_subjects(segment, removal)?;
    let mut fate = fate(&data, &removed);
    if removal.reform_all {
        fate.partial =
            (0..data.blocks.len() as u32).filter(|n| fate.dead.binary_search(n).is_err()).collect();
    }
    let body_written = !fate.partial.is_empty();
    let mut lost = Vec::new();
    let mut open = Gathered::new();
    if body_written {
        let unreadable = lost_blocks(segment, &data.blocks, &fate.partial, &mut open)?;
        for (entry, doc) in data.docs.iter().zip(0..) {
            if unreadable.contains(&entry.at.block) && removed.insert(doc) {
                lost.push(entry.seq);
            }
        }
    }
    let numbers = Numbers::without(sections.docs(), &removed);
    let ToThin { ids: table, dictionary, mut lists, mut positions } = sections.load_to_thin(target.hands)?;
    // What reads and writes files stays in one order; the terms, half of the work, need none.
    let bodies_and_ids = || {
        if body_written {
            reform(segment, open, &fate.partial, &mut data, &removed, target)?;
        }
        let ids = thin::ids(&table, &numbers).map_err(|e| sections.index.at(Section::Ids, e))?;
        let data = data.without(&removed, &[])?;
        let tables = Tables::new(&data.docs, &data.blocks);
        Ok::<_, Error>((data, tables, ids))
    };
    let terms = || {
        let dead: Vec<[u8; 8]> = removal.people.iter().map(|p| person_value(*p)).collect();
        let keep = |field: Field, value: &[u8]| {
            !matches!(field, Field::Author | Field::Subject) || dead.iter().all(|d| d.as_slice() != value)
        };
        let all = Whole { dictionary: &dictionary, lists: &lists, positions: &positions, numbers: &numbers };
        all.thinned(target.hands, keep).map_err(|e| sections.index.at(Section::Dictionary, e))
    };
    let (bodies_and_ids, terms) = beside(target.hands, bodies_and_ids, terms);
    let ((data, tables, ids), terms) = (bodies_and_ids?, terms?);
    let text = encode_parts(Parts { docs: &data.docs, tables, terms, ids, with_words: data.with_words })?;
    [&mut lists, &mut positions].into_iter().for_each(wipe);
    Ok(Rewritten { data, text, body_written, lost })
}

/// Runs `aside` on a thread of its own while `here` runs; after it where one thread is to do both, or no other can be
/// started. What that thread leaves on its stack is wiped: the system gives the same memory to the next one.
fn beside<A: Send, B>(
    hands: Hands,
    aside: impl FnOnce() -> Result<A> + Send,
    here: impl FnOnce() -> B,
) -> (Result<A>, B) {
    if hands == Hands::One {
        let here = here();
        return (aside(), here);
    }
    let mut aside = Some(aside);
    let mut done = None;
    let mut run = || done = aside.take().map(|work| work());
    let here = std::thread::scope(|scope| {
        let on_thread = || {
            run();
            burn_long_hash();
        };
        let name = "escrowdb-erase".into();
        // Who is not started is not needed: the work is done below then.
        drop(std::thread::Builder::new().name(name).spawn_scoped(scope, on_thread));
        here()
    });
    let done = done.or_else(|| aside.take().map(|work| work()));
    (done.unwrap_or_else(|| Err(shared::panicked())), here)
}

/// A record dies with any of its subjects.
fn with_subjects(segment: &Segment, removal: &Removal<'_>) -> Result<RoaringBitmap> {
    let mut removed = removal.docs.clone();
    for person in removal.people {
        let term = Term { field: Field::Subject, value: person_value(*person).to_vec() };
        removed |= segment.postings(&term)?;
    }
    Ok(removed)
}

/// Those of `numbers` that are lost. What it opened stays open as far as there is room: most often
/// that is all of it.
fn lost_blocks(
    segment: &Segment,
    blocks: &[BlockRef],
    numbers: &[u32],
    open: &mut Gathered<u32>,
) -> Result<HashSet<u32>> {
    let mut lost = HashSet::new();
    for number in numbers {
        match open.get(*number, || open_block(segment, blocks, *number)) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Corrupt => drop(lost.insert(*number)),
            Err(e) => return Err(e),
        }
    }
    Ok(lost)
}

fn open_block(segment: &Segment, blocks: &[BlockRef], number: u32) -> Result<OpenBlock> {
    let place = blocks.get(number as usize).ok_or_else(|| Error::corrupt("a block is missing"))?;
    segment.open_block(place)
}

/// Seals the survivors in the blocks `numbers` into a new file, one group after the other, so that
/// neither all old blocks are open at once nor all new ones.
fn reform(
    segment: &Segment,
    mut open: Gathered<u32>,
    numbers: &[u32],
    data: &mut IndexData,
    removed: &RoaringBitmap,
    target: &Target<'_>,
) -> Result<()> {
    let numbers: HashSet<u32> = numbers.iter().copied().collect();
    let mut moving = Vec::new();
    for (entry, doc) in data.docs.iter().zip(0..) {
        if !removed.contains(doc)
            && numbers.contains(&entry.at.block)
            && let Some(block) = data.blocks.get(entry.at.block as usize)
        {
            moving.push(((&*block.subjects, block.class, block.expiry), doc, entry));
        }
    }
    moving.sort_unstable_by_key(|(group, doc, _)| (*group, *doc));
    let mut writer = BodyWriter::new();
    let mut moved = Vec::with_capacity(moving.len());
    let mut before = None;
    for (group, doc, entry) in moving {
        if before.replace(group).is_some_and(|before| before != group) {
            writer.close_groups()?;
        }
        let block = open.get(entry.at.block, || open_block(segment, &data.blocks, entry.at.block))?;
        let record = block
            .get(entry.at.slot)
            .filter(|r| r.seq == entry.seq)
            .ok_or_else(|| Error::corrupt(format!("record {} is not in its block", entry.seq)))?;
        moved.push((doc, writer.add_to(group.0, group.1, record.seq, &record.salt, record.canonical)?));
    }
    drop(open);
    let blocks = writer.finish(target.vfs, target.body, target.keys, target.entropy)?;
    data.replace_blocks(&moved, blocks)
}
