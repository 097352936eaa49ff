//! Looks at a segment as it stands in its files, page by page and block by block, and writes back
//! what rescue brings: exactly the bytes that authenticate, synced and read back.

use std::collections::HashSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::index::page::PAGE_LEN;
use crate::index::reader::Segment;
use crate::parity::{Damage, Fate, ParityFile};
use crate::segment::reader::pages_of;
use crate::segment::writer::{file_name as body_name, header};
use crate::segment::{BlockRef, BodyFile};
use crate::vfs::Vfs;

/// The places to look at: the *n*-th of *m* shares, which together are all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    n: u64,
    m: u64,
}

/// How to scrub.
#[derive(Clone, Copy)]
pub struct Scrub<'a> {
    /// The file system.
    pub vfs: &'a dyn Vfs,
    /// Folder of the store.
    pub dir: &'a Path,
    /// Which places.
    pub share: Share,
    /// Body blocks too.
    pub read_data: bool,
    /// Write back what rescue brings.
    pub repair: bool,
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self { n: 0, m: 1 };

    /// Share `n` (from 1) of `m`.
    pub fn new(n: u64, m: u64) -> Result<Self> {
        if n == 0 || n > m {
            return Err(Error::invalid("a share is n/m with n from 1 to m").hint("for example 3/7"));
        }
        Ok(Self { n: n - 1, m })
    }

    /// Whether this is everything.
    pub const fn is_all(self) -> bool {
        self.m == 1
    }

    const fn has(self, place: u64) -> bool {
        place % self.m == self.n
    }
}

/// What is damaged in a segment.
#[derive(Default)]
pub struct Scrubbed {
    /// Pages of the index and of its parity.
    pub index: Vec<Damage>,
    /// Blocks of bodies and parity of their files.
    pub bodies: Vec<Damage>,
}

impl Segment {
    /// Each page of the index, each block if asked, and parity.
    pub fn scrub(&self, how: &Scrub<'_>) -> Scrubbed {
        let mut found = Scrubbed::default();
        self.scrub_index(how, &mut found.index);
        if how.read_data
            && let Ok(blocks) = self.sections.load_blocks()
        {
            for (number, body) in (0u8..).zip(self.body_files()) {
                let own = blocks.iter().zip(0u32..).filter(|(b, _)| b.file == number);
                self.scrub_body(how, body, own, &mut found.bodies);
            }
        }
        found
    }

    fn scrub_index(&self, how: &Scrub<'_>, found: &mut Vec<Damage>) {
        let index = &self.sections.index;
        for page in (0..self.pages()).filter(|page| how.share.has(u64::from(*page))) {
            let Err(damage) = index.check_page(page) else { continue };
            let rescued = index.rescue(page).ok().flatten();
            let at = u64::from(page) * PAGE_LEN as u64;
            let reads = || index.check_page(page);
            found.push(mend(how, &index.name(), at, rescued.as_ref().map(|p| &p[..]), &damage, &reads));
        }
        if all_whole(found) {
            let whole = || (0..self.pages()).all(|page| index.check_page(page).is_ok());
            scrub_parity(how, &index.name(), index.parity_file(), &whole, found);
        }
    }

    fn scrub_body<'a>(
        &self,
        how: &Scrub<'_>,
        body: &BodyFile,
        blocks: impl Iterator<Item = (&'a BlockRef, u32)> + Clone,
        found: &mut Vec<Damage>,
    ) {
        let before = found.len();
        let ends = |(block, _): &(&BlockRef, u32)| block.offset + u64::from(block.len);
        let cut = blocks.clone().any(|block| ends(&block) > body.data_len());
        if cut {
            found.push(self.cut_body(body, blocks.clone()));
        }
        let blocks = blocks.filter(|block| !cut || ends(block) <= body.data_len());
        let gone = cut && body.is_empty();
        if !gone && !body.has_header() {
            let name = body_name(body.id());
            // Nothing else of the page: what parity says of the blocks behind it each of them proves.
            let bytes = header();
            let damage = Error::corrupt(format!("file {name} page 0: it does not begin as a body file"));
            let reads = || match body.has_header() {
                true => Ok(()),
                false => Err(Error::corrupt("reads back as other bytes")),
            };
            found.push(mend(how, &name, 0, Some(&bytes[..]), &damage, &reads));
        }
        for (block, number) in blocks.clone().filter(|(_, number)| how.share.has(u64::from(*number))) {
            let Err(damage) = self.open_block_as_it_is(body, block) else { continue };
            let rescued = self.rescue_block(body, block).ok().flatten();
            let pages = pages_of(block);
            let mut damage = damage.context(format_args!("pages {} to {}", pages.start, pages.end - 1));
            if rescued.is_none() {
                damage = damage.context(self.records_of(number));
            }
            let reads = || self.open_block_as_it_is(body, block);
            found.push(mend(how, &body_name(body.id()), block.offset, rescued.as_deref(), &damage, &reads));
        }
        if all_whole(&found[before..]) {
            let whole = || {
                let mut blocks = blocks.clone();
                body.has_header() && blocks.all(|(block, _)| self.open_block_as_it_is(body, block).is_ok())
            };
            scrub_parity(how, &body_name(body.id()), body.file(), &whole, found);
        }
    }

    /// A body file that ends before its blocks do, in one line.
    fn cut_body<'a>(&self, body: &BodyFile, blocks: impl Iterator<Item = (&'a BlockRef, u32)>) -> Damage {
        let beyond = blocks.filter(|(block, _)| {
            block.offset + u64::from(block.len) > body.data_len()
                && self.open_block_as_it_is(body, block).is_err()
        });
        let lost: HashSet<u32> = beyond.map(|(_, number)| number).collect();
        let name = body_name(body.id());
        let how =
            if body.is_empty() { "is missing".into() } else { format!("ends at byte {}", body.data_len()) };
        let what = if lost.is_empty() { "its parity".into() } else { self.records_in(|n| lost.contains(&n)) };
        Damage {
            what: format!("file {name} {how}: {what}; lost unless the file is put back"),
            fate: Fate::Lost,
        }
    }

    /// Which records stand in a block, in words.
    fn records_of(&self, block: u32) -> String {
        self.records_in(|number| number == block)
    }

    fn records_in(&self, wanted: impl Fn(u32) -> bool) -> String {
        let seqs = || -> Result<Vec<u64>> {
            let (keys, places) = (self.sections.load_keys()?, self.sections.load_places()?);
            let docs = 0..self.sections.docs();
            let inside = docs.filter(|doc| places.get(*doc).is_some_and(|at| wanted(at.block)));
            Ok(inside.filter_map(|doc| keys.get(doc)).map(|key| key.seq.0).collect())
        };
        match seqs() {
            Ok(seqs) if !seqs.is_empty() => format!(
                "{} records at positions {} to {}",
                seqs.len(),
                seqs.iter().min().unwrap_or(&0),
                seqs.iter().max().unwrap_or(&0)
            ),
            _ => "records at unknown positions".into(),
        }
    }
}

/// Parity pages of groups whose data is right. What doesn't fit may be data of another share:
/// before parity is called wrong, `whole` says whether all the data is right. Written from damaged
/// data it would bake the damage in.
fn scrub_parity(
    how: &Scrub<'_>,
    name: &str,
    file: &ParityFile,
    whole: &dyn Fn() -> bool,
    found: &mut Vec<Damage>,
) {
    for group in (0..file.groups()).filter(|group| how.share.has(*group)) {
        let Ok(right) = file.parity_of(group) else { continue };
        let number = file.data_pages() + group;
        if file.page(number).is_ok_and(|page| page == right) {
            continue;
        }
        if !how.share.is_all() && !whole() {
            return;
        }
        let damage = Error::corrupt(format!("file {name} page {number}: parity is wrong"));
        let reads = || match file.page(number) {
            Ok(page) if page == right => Ok(()),
            _ => Err(Error::corrupt("reads back as other bytes")),
        };
        found.push(mend(how, name, number * PAGE_LEN as u64, Some(&right[..]), &damage, &reads));
    }
}

/// Parity can be judged only where all the data is right.
fn all_whole(found: &[Damage]) -> bool {
    found.iter().all(|damage| damage.fate == Fate::Repaired)
}

fn mend(
    how: &Scrub<'_>,
    name: &str,
    offset: u64,
    rescued: Option<&[u8]>,
    damage: &Error,
    reads: &dyn Fn() -> Result<()>,
) -> Damage {
    let Some(bytes) = rescued else {
        return Damage { what: format!("{damage}; lost"), fate: Fate::Lost };
    };
    if !how.repair {
        return Damage { what: format!("{damage}; can be repaired"), fate: Fate::Rescued };
    }
    match write_back(how, name, offset, bytes).and_then(|()| reads()) {
        Ok(()) => Damage { what: format!("{damage}; repaired"), fate: Fate::Repaired },
        Err(e) => Damage { what: format!("{damage}; can't be written back: {e}"), fate: Fate::Rescued },
    }
}

fn write_back(how: &Scrub<'_>, name: &str, offset: u64, bytes: &[u8]) -> Result<()> {
    let io = |e| Error::io(format!("repair {name}"), e);
    let file = how.vfs.open(&how.dir.join(name)).map_err(io)?;
    file.write_at(bytes, offset).map_err(io)?;
    file.sync().map_err(io)?;
    file.evict().map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_and_do_not_overlap() {
        assert!(Share::new(0, 3).is_err() && Share::new(4, 3).is_err());
        for place in 0..100 {
            let holders = (1..=7).filter(|n| Share::new(*n, 7).unwrap().has(place)).count();
            assert_eq!(holders, 1);
            assert!(Share::ALL.has(place));
        }
        assert!(Share::new(1, 1).unwrap().is_all());
    }
}
