//! The bodies of one output: which blocks stay in the file where they are, and a new file for the
//! records of all others, one subject's together.
//!
//! A body file belongs to one segment. So a file stays only if all that lives in it goes to the
//! same output; else its secrets would stand in two indexes, and the erasure of the one would not
//! be that of the other.

use std::collections::HashMap;
use std::ops::Range;

use crate::compact::merge::{From, Order};
use crate::compact::policy::{Facts, Policy};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{FileId, PersonNumber};
use crate::index::{DocEntry, IndexData};
use crate::segment::{BlockRef, BodyPlace, BodyWriter, Gathered, Location, SubjectKeys};
use crate::view::Rolled;

/// Files of the inputs that an output keeps at most: more is left to a later step, which gathers
/// them. A segment may name 64.
const KEPT_MAX: usize = 16;
/// Sealed bytes of a well-filled block: 8 KiB of chat compress to more than this.
const FILLED_LEN: u64 = 3 * 1024;
/// A file stays only if no more than one in so many of its blocks is needlessly small.
const TINY_PART: u64 = 4;

/// A file of an input.
type Source = (u32, u8);

/// What a group of records is sealed for.
type Group<'a> = (&'a [PersonNumber], u32, u32);

/// The documents and blocks of one output.
pub struct Bodies {
    /// Documents in order, at their new places.
    pub docs: Vec<DocEntry>,
    /// Blocks, not yet in order.
    pub blocks: Vec<BlockRef>,
    /// Body files, in the order of the block table.
    pub files: Vec<FileId>,
    /// Whether the last of these is new.
    pub has_new: bool,
}

/// The inputs of a step.
pub struct Inputs<'a> {
    /// Segments.
    pub segments: &'a [Rolled],
    /// Their indexes.
    pub data: &'a [IndexData],
    /// What is known of their files.
    pub facts: &'a [&'a Facts],
    /// Their documents in one order.
    pub order: &'a Order,
}

impl Inputs<'_> {
    /// Builds the bodies of the output `cut`; `new` is where the new file goes, if one is needed.
    pub fn build(
        &self,
        env: &Env,
        keys: &dyn SubjectKeys,
        place: BodyPlace<'_>,
        cut: &Range<u32>,
        policy: &Policy,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Bodies> {
        let kept = self.kept_files(cut, policy);
        let from = self.order.docs.get(cut.start as usize..cut.end as usize).unwrap_or_default();
        let mut out = Bodies {
            docs: Vec::with_capacity(from.len()),
            blocks: Vec::new(),
            files: kept.iter().filter_map(|s| self.file(*s)).collect(),
            has_new: false,
        };
        let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
        let mut staying = Vec::new();
        let mut moving: Vec<(Group<'_>, u32)> = Vec::new();
        for (from, n) in from.iter().zip(0..) {
            let (entry, block) = self.look(*from)?;
            out.docs.push(*entry);
            let Some(file) = kept.iter().position(|s| *s == (from.input, block.file)) else {
                moving.push(((&block.subjects, block.class, block.expiry), n));
                continue;
            };
            let number = *numbers.entry((from.input, entry.at.block)).or_insert_with(|| {
                staying.push((block, file as u8));
                staying.len() as u32 - 1
            });
            if let Some(doc) = out.docs.last_mut() {
                doc.at.block = number;
            }
        }
        moving.sort();
        let fresh = self.reform((env, keys), place, from, &moving, &mut out, staying.len() as u32, go_on)?;
        // Secrets are moved when a vector grows; here there is room for all of them.
        out.blocks.reserve_exact(staying.len() + fresh.len());
        out.blocks.extend(staying.into_iter().map(|(block, file)| BlockRef { file, ..block.clone() }));
        out.blocks.extend(fresh);
        Ok(out)
    }

    /// Seals the records in `moving` into a new file, group by group.
    #[expect(clippy::too_many_arguments, reason = "one long step of `build`, apart for its length")]
    fn reform(
        &self,
        (env, keys): (&Env, &dyn SubjectKeys),
        place: BodyPlace<'_>,
        from: &[From],
        moving: &[(Group<'_>, u32)],
        out: &mut Bodies,
        first: u32,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<BlockRef>> {
        if moving.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = BodyWriter::new();
        let mut open = Gathered::new();
        let mut before = None;
        for (group, n) in moving {
            if before.replace(*group).is_some_and(|b| b != *group) {
                open.clear();
                writer.close_groups()?;
                go_on()?;
            }
            let from = from.get(*n as usize).copied().ok_or_else(lost)?;
            let (entry, block) = self.look(from)?;
            let segment = self.segments.get(from.input as usize).ok_or_else(lost)?;
            let opened = open.get((from.input, entry.at.block), || {
                go_on()?;
                segment.part.open_block(block).map_err(|e| e.context(format!("segment {}", segment.id)))
            })?;
            let record = opened.get(entry.at.slot).filter(|r| r.seq == entry.seq).ok_or_else(|| {
                Error::corrupt(format!("segment {}: record {} is not in its block", segment.id, entry.seq))
            })?;
            let at = writer.add_to(group.0, group.1, record.seq, &record.salt, record.canonical)?;
            if let Some(doc) = out.docs.get_mut(*n as usize) {
                doc.at = Location { block: first + at.block, slot: at.slot };
            }
        }
        let index = u8::try_from(out.files.len()).map_err(|_| Error::corrupt("too many body files"))?;
        let place = BodyPlace { index, ..place };
        let blocks = writer.finish(&*env.vfs, place, keys, &*env.entropy)?;
        out.files.push(place.file);
        out.has_new = true;
        Ok(blocks)
    }

    /// Files that stay as they are: all that lives there goes to this output, little is dead, and
    /// few of the blocks would be fewer if they were formed anew.
    fn kept_files(&self, cut: &Range<u32>, policy: &Policy) -> Vec<Source> {
        let mut groups: HashMap<Group<'_>, (u64, u64)> = HashMap::new();
        let mut whole: HashMap<Source, bool> = HashMap::new();
        for (data, input) in self.data.iter().zip(0u32..) {
            for block in &data.blocks {
                let (count, bytes) = groups.entry(group(block)).or_default();
                *count += 1;
                *bytes += u64::from(block.len);
            }
            for (entry, doc) in data.docs.iter().zip(0..) {
                let here = self.order.place(From { input, doc }).is_some_and(|p| cut.contains(&p));
                if let Some(block) = data.blocks.get(entry.at.block as usize) {
                    *whole.entry((input, block.file)).or_insert(true) &= here;
                }
            }
        }
        let is_tiny = |block: &BlockRef| {
            let (count, bytes) = groups.get(&group(block)).copied().unwrap_or_default();
            count >= 2 * bytes.div_ceil(FILLED_LEN).max(1)
        };
        let mut blocks: HashMap<Source, (u64, u64, u64)> = HashMap::new();
        for (data, input) in self.data.iter().zip(0u32..) {
            for block in &data.blocks {
                let (count, tiny, bytes) = blocks.entry((input, block.file)).or_default();
                *count += 1;
                *tiny += u64::from(is_tiny(block));
                *bytes += u64::from(block.len);
            }
        }
        let is_thin = |(input, file): Source| {
            let facts = self.facts.get(input as usize).and_then(|f| f.bodies.get(usize::from(file)));
            facts.is_none_or(|f| policy.is_thin(f))
        };
        let mut kept: Vec<(u64, Source)> = blocks
            .into_iter()
            .filter(|(source, (count, tiny, _))| {
                tiny * TINY_PART <= *count && !is_thin(*source) && whole.get(source) == Some(&true)
            })
            .map(|(source, (_, _, bytes))| (bytes, source))
            .collect();
        // The longest, for they cost most to write again.
        kept.sort_unstable_by(|a, b| b.cmp(a));
        kept.truncate(KEPT_MAX);
        kept.into_iter().map(|(_, source)| source).collect()
    }

    fn file(&self, (input, file): Source) -> Option<FileId> {
        self.segments.get(input as usize)?.entry.bodies.get(usize::from(file)).copied()
    }

    fn look(&self, from: From) -> Result<(&DocEntry, &BlockRef)> {
        let data = self.data.get(from.input as usize);
        let entry = data.and_then(|d| d.docs.get(from.doc as usize));
        let block = data.zip(entry).and_then(|(d, e)| d.blocks.get(e.at.block as usize));
        entry.zip(block).ok_or_else(lost)
    }
}

fn group(block: &BlockRef) -> Group<'_> {
    (&block.subjects, block.class, block.expiry)
}

fn lost() -> Error {
    Error::corrupt("a document of a merge has no place")
}
