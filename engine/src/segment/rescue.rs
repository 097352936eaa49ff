//! A body block that doesn't open: one or two of its pages were lost, or one bit is wrong.

use zeroize::Zeroizing;

use crate::crypto::{SEAL_LEN, Secret};
use crate::parity::{PAGE_LEN, Page, ParityFile};
use crate::segment::block::{self, BlockPlace, BlockRef};
use crate::segment::reader::pages_of;

/// A page of a block: as it stands in the file, and as its group says that it was.
struct Candidate {
    read: Option<Page>,
    rebuilt: Option<Page>,
}

/// The sealed bytes of a block as they were written. Every answer is proved by the block's seal.
///
/// Parity first, for it is cheap: one page of the block at a time, then two neighbours, which
/// stand in different groups. Then every single bit.
pub(super) fn block(
    file: &ParityFile,
    place: BlockPlace,
    block: &BlockRef,
    secrets: &[Secret],
) -> Option<Vec<u8>> {
    let pages: Vec<Candidate> = pages_of(block)
        .filter(|n| *n < file.data_pages())
        .map(|n| Candidate { read: file.page(n).ok(), rebuilt: file.reconstruct(n).ok() })
        .collect();
    if pages.len() as u64 != pages_of(block).end - pages_of(block).start {
        return None;
    }
    let secrets: Vec<&[u8; 32]> = secrets.iter().map(|k| &**k).collect();
    let opens = |bytes: &[u8]| {
        block::open(place, &secrets, &block.r_block, &mut Zeroizing::new(bytes.to_vec())).is_ok()
    };
    let lost = |i: usize| pages[i].read.is_none();
    for width in 1..=2 {
        for first in 0..(pages.len() + 1).saturating_sub(width) {
            let chosen = first..first + width;
            if (0..pages.len()).any(|i| lost(i) && !chosen.contains(&i)) {
                continue;
            }
            if let Some(bytes) = assemble(block, &pages, |i| chosen.contains(&i))
                && opens(&bytes)
            {
                return Some(bytes);
            }
        }
    }
    let mut bytes = assemble(block, &pages, |_| false)?;
    let (seal, text) = bytes.split_first_chunk::<SEAL_LEN>()?;
    let bit = block::wrong_bit(place, &secrets, &block.r_block, seal, text)?;
    bytes[bit / 8] ^= 1 << (bit % 8);
    Some(bytes)
}

/// The bytes of the block, some of its pages from parity.
fn assemble(block: &BlockRef, pages: &[Candidate], from_parity: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(pages.len() * PAGE_LEN);
    for (i, page) in pages.iter().enumerate() {
        let page = if from_parity(i) { &page.rebuilt } else { &page.read };
        bytes.extend_from_slice(page.as_ref()?.as_slice());
    }
    let from = (block.offset % PAGE_LEN as u64) as usize;
    bytes.get(from..from + block.len as usize).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use crate::crypto::{OsEntropy, Secret};
    use crate::error::{ErrorKind, Result};
    use crate::id::{FileId, PersonNumber, Seq, StoreId};
    use crate::parity::{PAGE_LEN, Repairs};
    use crate::record::Stored;
    use crate::segment::reader::pages_of;
    use crate::segment::writer::{BodyPlace, BodyWriter, file_name};
    use crate::segment::{BlockRef, BodyFile, SubjectKeys};
    use crate::vfs::{MemoryVfs, Vfs, VfsFile};

    struct Everybody;
    impl SubjectKeys for Everybody {
        fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>> {
            Ok(Some(Secret::from_bytes(&[person.0 as u8; 32])))
        }
    }

    /// A body file of about 40 pages, blocks of up to two pages.
    fn file() -> (Box<dyn VfsFile>, BodyFile, Vec<BlockRef>, Arc<Repairs>) {
        let disk = MemoryVfs::new();
        let mut writer = BodyWriter::new();
        for i in 0..64u64 {
            let stored = Stored { subjects: vec![PersonNumber(i % 16)], ..Stored::default() };
            // Nothing that compresses.
            let mut body = Vec::new();
            for n in 0..90u64 {
                body.extend_from_slice(&blake3::hash(&(i * 1000 + n).to_le_bytes()).as_bytes()[..]);
            }
            writer.add(&stored, Seq(i), &[1; 16], &body[..2000 + i as usize * 10]).unwrap();
        }
        let place =
            BodyPlace { dir: Path::new("/s"), store: StoreId([1; 16]), file: FileId([2; 16]), index: 0 };
        let blocks = writer.finish(&disk, place, &Everybody, &OsEntropy).unwrap();
        let path = Path::new("/s").join(file_name(place.file));
        let repairs = Arc::new(Repairs::default());
        let body =
            BodyFile::new(disk.map(&path).unwrap().into(), place.store, place.file, Arc::clone(&repairs));
        (disk.open(&path).unwrap(), body.unwrap(), blocks, repairs)
    }

    fn contents(file: &BodyFile, blocks: &[BlockRef]) -> Vec<Result<Vec<Vec<u8>>>> {
        let open = |b| file.open(b, &Everybody).map(|o| o.iter().map(|r| r.canonical.to_vec()).collect());
        blocks.iter().map(open).collect()
    }

    #[test]
    fn one_lost_page_or_two_neighbours_cost_nothing() {
        let (disk, file, blocks, repairs) = file();
        let whole: Vec<_> = contents(&file, &blocks).into_iter().map(Result::unwrap).collect();
        let pages = file.file().data_pages();
        assert!(pages > 32 && blocks.iter().any(|b| pages_of(b).count() > 1));
        for page in 0..pages {
            for width in [1, 2] {
                let (at, before) = (page * PAGE_LEN as u64, repairs.total());
                let mut old = vec![0; width * PAGE_LEN];
                disk.read_exact_at(&mut old, at).unwrap();
                let junk = if page % 2 == 0 { 0 } else { 0x5a };
                disk.write_at(&vec![junk; width * PAGE_LEN], at).unwrap();
                let now: Vec<_> = contents(&file, &blocks).into_iter().map(Result::unwrap).collect();
                assert!(now == whole, "page {page}");
                assert!(repairs.total() > before, "counted");
                disk.write_at(&old, at).unwrap();
            }
        }
    }

    #[test]
    fn a_wrong_bit_is_found_where_parity_is_lost_too() {
        let (disk, file, blocks, _) = file();
        let whole: Vec<_> = contents(&file, &blocks).into_iter().map(Result::unwrap).collect();
        // Both parity pages.
        let parity = file.file().data_pages() * PAGE_LEN as u64;
        disk.write_at(&[7; 2 * PAGE_LEN], parity).unwrap();
        for (block, records) in blocks.iter().zip(&whole).step_by(30) {
            for at in [31, 47, 48, 700] {
                let mut byte = [0];
                disk.read_exact_at(&mut byte, block.offset + at).unwrap();
                disk.write_at(&[byte[0] ^ 16], block.offset + at).unwrap();
                let found: Vec<_> =
                    file.open(block, &Everybody).unwrap().iter().map(|r| r.canonical.to_vec()).collect();
                assert_eq!(&found, records);
                disk.write_at(&[byte[0] ^ 17], block.offset + at).unwrap();
                let e = file.open(block, &Everybody).err().unwrap();
                assert_eq!(e.kind(), ErrorKind::Corrupt, "two bits are a loss");
                disk.write_at(&byte, block.offset + at).unwrap();
            }
        }
    }
}
