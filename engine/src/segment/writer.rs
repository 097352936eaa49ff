//! Writes a body file: records are grouped, compressed, shuffled, sealed.

use std::path::Path;

use hashbrown::{Equivalent, HashMap};
use zeroize::Zeroizing;

use crate::crypto::kdf::expand;
use crate::crypto::{ALGORITHM, Entropy, Label, SEAL_LEN, Secret, hedged};
use crate::error::{Error, Result};
use crate::id::{FileId, PersonNumber, Seq, StoreId};
use crate::parity::{Encoder, PAGE_LEN};
use crate::record::Stored;
use crate::segment::SubjectKeys;
use crate::segment::block::{self, BlockBuilder, BlockPlace, BlockRef, Compressor, VERSION};
use crate::vfs::{Vfs, VfsFile};

/// First bytes of a body file.
pub(crate) const MAGIC: [u8; 4] = *b"EDSG";
/// Bytes before the first block.
pub(crate) const HEADER_LEN: usize = 8;
/// Sealed bytes are handed to the disk in pieces of about this size.
const WRITE_LEN: usize = 1024 * 1024;

/// Name of a body file.
pub fn file_name(file: FileId) -> String {
    format!("{file}.seg")
}

/// The 8 bytes at the beginning of a body file.
pub(crate) fn header() -> [u8; HEADER_LEN] {
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, VERSION, ALGORITHM, 0, 0]
}

/// Where a record went: its block and its place in the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Number of the block.
    pub block: u32,
    /// Number of the record in its block.
    pub slot: u16,
}

/// Where a body file is to be written.
#[derive(Clone, Copy)]
pub struct BodyPlace<'a> {
    /// Folder of the store.
    pub dir: &'a Path,
    /// The store.
    pub store: StoreId,
    /// The new file.
    pub file: FileId,
    /// Its index among the body files of the segment.
    pub index: u8,
}

/// Groups records into blocks, then seals them into one file. Blocks are numbered by their first
/// record in the order of addition, wherever the shuffle puts them.
#[derive(Default)]
pub struct BodyWriter {
    open: HashMap<Group, (u32, BlockBuilder)>,
    blocks: Vec<Draft>,
    compressor: Compressor,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Group {
    subjects: Vec<PersonNumber>,
    class: u32,
    expiry: u32,
}

/// A [`Group`] as it is looked up.
#[derive(Hash)]
struct GroupRef<'a> {
    subjects: &'a [PersonNumber],
    class: u32,
    expiry: u32,
}

impl GroupRef<'_> {
    fn to_group(&self) -> Group {
        Group { subjects: self.subjects.to_vec(), class: self.class, expiry: self.expiry }
    }
}

impl Equivalent<Group> for GroupRef<'_> {
    fn equivalent(&self, key: &Group) -> bool {
        self.subjects == key.subjects && self.class == key.class && self.expiry == key.expiry
    }
}

struct Draft {
    group: Group,
    text: Zeroizing<Vec<u8>>,
}

impl BodyWriter {
    /// No blocks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. Add in order of (time, seq).
    pub fn add(&mut self, stored: &Stored, seq: Seq, salt: &[u8; 16], canonical: &[u8]) -> Result<Location> {
        self.add_to(&stored.subjects, stored.class, seq, salt, canonical)
    }

    /// Adds the bytes of a record of these subjects and this class. Add in order of (time, seq).
    pub fn add_to(
        &mut self,
        subjects: &[PersonNumber],
        class: u32,
        seq: Seq,
        salt: &[u8; 16],
        canonical: &[u8],
    ) -> Result<Location> {
        let group = GroupRef { subjects, class, expiry: 0 };
        if let Some((number, builder)) = self.open.get_mut(&group) {
            if !builder.has_room(canonical.len()) {
                let full = std::mem::take(builder);
                self.blocks[*number as usize].text = self.compressor.text(&full.finish())?;
                *number = new_draft(&mut self.blocks, &group.to_group())?;
            }
            return Ok(Location { block: *number, slot: builder.add(seq, salt, canonical)? });
        }
        let group = group.to_group();
        let number = new_draft(&mut self.blocks, &group)?;
        let mut builder = BlockBuilder::new();
        let slot = builder.add(seq, salt, canonical)?;
        self.open.insert(group, (number, builder));
        Ok(Location { block: number, slot })
    }

    /// No more records come for the groups that were added so far. Whoever adds one group after
    /// the other so holds only one block in clear, and may rest between two.
    pub fn close_groups(&mut self) -> Result<()> {
        for (_, (number, builder)) in self.open.drain() {
            self.blocks[number as usize].text = self.compressor.text(&builder.finish())?;
        }
        Ok(())
    }

    /// Seals all blocks into the new file at `place` and syncs the file; the caller syncs the
    /// folder. Answers the table of blocks.
    pub fn finish(
        mut self,
        vfs: &dyn Vfs,
        place: BodyPlace<'_>,
        keys: &dyn SubjectKeys,
        entropy: &dyn Entropy,
    ) -> Result<Vec<BlockRef>> {
        self.close_groups()?;
        let name = file_name(place.file);
        let order = shuffled(self.blocks.len(), entropy)?;
        let mut known = KnownKeys { keys, cache: HashMap::new() };
        let mut refs: Vec<Option<BlockRef>> = Vec::new();
        refs.resize_with(self.blocks.len(), || None);
        let file = vfs.create(&place.dir.join(&name)).map_err(|e| Error::io(format!("create {name}"), e))?;
        let len = self.blocks.iter().map(|b| SEAL_LEN + b.text.len()).sum::<usize>() + HEADER_LEN;
        let parity = Encoder::new(len.div_ceil(PAGE_LEN) as u64);
        let mut out = Output { file: &*file, name: &name, at: 0, pending: header().to_vec(), parity };
        for number in order {
            let Draft { group, text } = &mut self.blocks[number];
            let offset = out.offset();
            let subject_keys = known.of(&group.subjects)?;
            let secrets: Vec<&[u8; 32]> = subject_keys.iter().map(|k| &**k).collect();
            let secret = secrets.first().map_or(&[][..], |k| k.as_slice());
            let r_block: Zeroizing<[u8; 16]> =
                Zeroizing::new(hedged(entropy, secret, text).map_err(|e| Error::io("read random bytes", e))?);
            let at = BlockPlace { store: place.store, file: place.file, offset };
            let seal = block::seal(at, &secrets, &r_block, text)?;
            out.put(&seal, text)?;
            let len = u32::try_from(SEAL_LEN + text.len())
                .map_err(|_| Error::invalid("a body block is over 4 GiB"))?;
            refs[number] = Some(BlockRef {
                file: place.index,
                offset,
                len,
                r_block,
                subjects: group.subjects.clone(),
                class: group.class,
                expiry: group.expiry,
            });
        }
        out.finish()?;
        Ok(refs.into_iter().flatten().collect())
    }
}

fn new_draft(blocks: &mut Vec<Draft>, group: &Group) -> Result<u32> {
    let number = u32::try_from(blocks.len()).map_err(|_| Error::invalid("too many body blocks"))?;
    blocks.push(Draft { group: group.clone(), text: Zeroizing::default() });
    Ok(number)
}

/// A random order of `0..n` (Fisher and Yates), from one draw.
fn shuffled(n: usize, entropy: &dyn Entropy) -> Result<Vec<usize>> {
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(
        hedged(entropy, b"order of body blocks", &[]).map_err(|e| Error::io("read random bytes", e))?,
    );
    let mut random = Zeroizing::new(vec![0u8; n * 8]);
    expand(Label::Random, &[&*seed, b"shuffle"], &mut random);
    let mut order: Vec<usize> = (0..n).collect();
    for (i, bytes) in random.as_chunks::<8>().0.iter().enumerate().skip(1) {
        // The bias of the remainder is below 2^-40 for any n that fits 24 bits.
        let j = u64::from_le_bytes(*bytes) % (i as u64 + 1);
        order.swap(i, j as usize);
    }
    Ok(order)
}

struct KnownKeys<'a> {
    keys: &'a dyn SubjectKeys,
    cache: HashMap<PersonNumber, Secret>,
}

impl KnownKeys<'_> {
    fn of(&mut self, subjects: &[PersonNumber]) -> Result<Vec<Secret>> {
        let mut all = Vec::with_capacity(subjects.len());
        for person in subjects {
            if let Some(key) = self.cache.get(person) {
                all.push(key.clone());
                continue;
            }
            let key = self
                .keys
                .content_key(*person)?
                .ok_or_else(|| Error::invalid("a subject of a record to be rolled has no content key"))?;
            self.cache.insert(*person, key.clone());
            all.push(key);
        }
        Ok(all)
    }
}

struct Output<'a> {
    file: &'a dyn VfsFile,
    name: &'a str,
    at: u64,
    pending: Vec<u8>,
    parity: Encoder,
}

impl Output<'_> {
    fn offset(&self) -> u64 {
        self.at + self.pending.len() as u64
    }

    fn put(&mut self, seal: &[u8], text: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(seal);
        self.pending.extend_from_slice(text);
        if self.pending.len() >= WRITE_LEN { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.parity.update(&self.pending);
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        self.file
            .write_at(&self.pending, self.at)
            .map_err(|e| Error::io(format!("write {} at {}", self.name, self.at), e))?;
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        // Zeros to the end of the page, then parity.
        let padding = self.at.next_multiple_of(PAGE_LEN as u64) - self.at;
        self.pending.resize(padding as usize, 0);
        self.pending.extend(std::mem::replace(&mut self.parity, Encoder::new(0)).finish());
        self.write()?;
        self.file.sync().map_err(|e| Error::io(format!("sync {}", self.name), e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsEntropy;
    use crate::segment::reader::BodyFile;
    use crate::vfs::MemoryVfs;

    struct Everybody;
    impl SubjectKeys for Everybody {
        fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>> {
            Ok((person.0 < 100).then(|| Secret::from_bytes(&[person.0 as u8; 32])))
        }
    }

    fn record(subjects: &[u64], class: u32) -> Stored {
        Stored { subjects: subjects.iter().map(|n| PersonNumber(*n)).collect(), class, ..Stored::default() }
    }

    fn place() -> BodyPlace<'static> {
        BodyPlace { dir: Path::new("/s"), store: StoreId([1; 16]), file: FileId([2; 16]), index: 3 }
    }

    #[test]
    fn what_is_written_opens() {
        let disk = MemoryVfs::new();
        let mut writer = BodyWriter::new();
        let mut wanted = Vec::new();
        for i in 0..2000u64 {
            let stored = record(&[i % 7, 50 + i % 3], (i % 2) as u32);
            let bytes = format!("record {i} of somebody").repeat(1 + i as usize % 9).into_bytes();
            let at = writer.add(&stored, Seq(i), &[i as u8; 16], &bytes).unwrap();
            wanted.push((at, stored, bytes));
        }
        let blocks = writer.finish(&disk, place(), &Everybody, &OsEntropy).unwrap();
        let map = disk.map(&Path::new("/s").join(file_name(place().file))).unwrap();
        let file = BodyFile::new(map.into(), place().store, place().file, Default::default()).unwrap();
        let mut last = None;
        for (i, (at, stored, bytes)) in wanted.iter().enumerate() {
            let block = &blocks[at.block as usize];
            assert!(last.is_none_or(|l| at.block <= l + 1), "numbered by first record");
            last = last.max(Some(at.block));
            assert!(block.subjects == stored.subjects && block.class == stored.class && block.file == 3);
            let open = file.open(block, &Everybody).unwrap();
            let r = open.get(at.slot).unwrap();
            assert_eq!((r.seq, r.salt, r.canonical), (Seq(i as u64), [i as u8; 16], &bytes[..]));
        }
        let in_order = blocks.windows(2).filter(|w| w[0].offset < w[1].offset).count();
        assert!(in_order < blocks.len() * 3 / 4, "shuffled");
    }

    #[test]
    fn nobody_seals_for_an_unknown_subject() {
        let mut writer = BodyWriter::new();
        writer.add(&record(&[100], 0), Seq(0), &[0; 16], b"x").unwrap();
        assert!(writer.finish(&MemoryVfs::new(), place(), &Everybody, &OsEntropy).is_err());
    }
}
