//! Indexes of which pages are lost.

use super::*;

#[test]
fn each_lost_page_costs_nothing() {
    let disk = MemoryVfs::new();
    let data = roll(&disk, &live_of(&some_records(3000)));
    let written = write_index(&disk, Path::new(DIR), STORE, INDEX, &data, &OsEntropy).unwrap();
    let file = disk.open(&Path::new(DIR).join(file_name(INDEX))).unwrap();
    assert!(written.pages > 32);
    for page in 0..written.pages {
        let at = u64::from(page) * PAGE_LEN as u64;
        let mut old = [0; PAGE_LEN];
        file.read_exact_at(&mut old, at).unwrap();
        file.write_at(&[(page % 3) as u8; PAGE_LEN], at).unwrap();
        let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
        assert!(segment.decode_all().unwrap() == data, "page {page}");
        assert!(segment.read_back(&written.digest, None).is_err(), "a fresh index must be whole");
        file.write_at(&old, at).unwrap();
    }
    let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
    segment.read_back(&written.digest, None).unwrap();
}

/// A fresh body file was read back through rescue, so a block that was written badly counted as
/// good before the old keys went.
#[test]
fn a_fresh_block_must_be_whole_as_it_stands() {
    let disk = MemoryVfs::new();
    let data = roll(&disk, &live_of(&some_records(500)));
    let written = write_index(&disk, Path::new(DIR), STORE, INDEX, &data, &OsEntropy).unwrap();
    let file = disk.open(&Path::new(DIR).join(format!("{BODY}.seg"))).unwrap();
    let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
    segment.read_back(&written.digest, Some(0)).unwrap();
    let at = data.blocks[0].offset + 60;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_at(&[byte[0] ^ 4], at).unwrap();
    let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
    segment.open_block(&data.blocks[0]).unwrap();
    assert_eq!(segment.read_back(&written.digest, Some(0)).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn two_pages_lost_in_a_group_are_named_and_the_block_table_stands_twice() {
    let disk = MemoryVfs::new();
    let data = roll(&disk, &live_of(&some_records(3000)));
    let written = write_index(&disk, Path::new(DIR), STORE, INDEX, &data, &OsEntropy).unwrap();
    let path = Path::new(DIR).join(file_name(INDEX));
    for page in 0..written.pages {
        let file = disk.open(&path).unwrap();
        // In the same group, and never the same page of the other block table.
        let step = 2 * pages_for(written.pages.into()) as u32;
        let other = if page + step < written.pages { page + step } else { page - step };
        let places = [page, other].map(|page| u64::from(page) * PAGE_LEN as u64 + 1000);
        let mut old = [[0; 64]; 2];
        for (at, bytes) in places.into_iter().zip(&mut old) {
            file.read_exact_at(bytes, at).unwrap();
            file.write_at(&[0; 64], at).unwrap();
        }
        let place = format!("file {INDEX}.idx page {page}:");
        let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
        assert!(segment.verify(false).unwrap().iter().any(|d| d.contains(&place)));
        assert!(segment.rebuild(&knows).unwrap() == data);
        for (at, bytes) in places.into_iter().zip(&old) {
            file.write_at(bytes, at).unwrap();
        }
    }
}

/// Of each copy of the block table one page was lost, at different places: neither copy could be read
/// whole, so an erasure took the segment for lost and dropped all of its records.
#[test]
fn a_block_table_is_read_page_by_page_from_both_copies() {
    let disk = MemoryVfs::new();
    let data = roll(&disk, &live_of(&some_records(20_000)));
    let written = write_index(&disk, Path::new(DIR), STORE, INDEX, &data, &OsEntropy).unwrap();
    let pages = encode_blocks(&data.blocks).len().div_ceil(TEXT_LEN) as u32;
    assert!(pages >= 2, "{pages}");
    let file = disk.open(&Path::new(DIR).join(file_name(INDEX))).unwrap();
    let groups = pages_for(written.pages.into()) as u32;
    // The last page of the same group goes too, so that parity can't help.
    let lose = |page: u32, at: u64| {
        let fellow = (page..written.pages).step_by(groups as usize).next_back().unwrap();
        assert!(fellow > 2 * pages, "not in a block table");
        for page in [page, fellow] {
            file.write_at(&[0; 64], u64::from(page) * PAGE_LEN as u64 + at).unwrap();
        }
    };
    lose(1, 1000);
    // A version byte is damaged too: such a page is refused for another reason.
    lose(1 + pages + 1, 4);
    let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
    assert!(segment.verify(false).unwrap().len() >= 4, "all are named");
    assert!(segment.rebuild(&knows).unwrap() == data);
    lose(1 + pages, 1000);
    let segment = open(&disk, INDEX, &[BODY], &written.key, everybody()).unwrap();
    assert_eq!(segment.rebuild(&knows).map(|_| ()).unwrap_err().kind(), ErrorKind::Corrupt);
}
