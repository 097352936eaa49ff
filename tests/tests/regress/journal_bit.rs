//! A journal at rest lost one bit in the header of its first frame. Opening took that frame for
//! one that a crash had torn, left out every acknowledged record behind it without a word, and
//! removed the file.

use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Record, Store};
use escrowdb::vfs::MemoryVfs;

/// A closed store with three batches in its journal, as files, and which of them the journal is.
fn closed() -> (Vec<(PathBuf, Vec<u8>)>, usize) {
    let disk = MemoryVfs::new();
    let store = Store::builder("/chats").vfs(Arc::new(disk.clone())).create().unwrap();
    for at in 0..3 {
        store.append(&[Record::new("c1", "anna", Micros(at), "hello")]).unwrap();
    }
    store.close().unwrap();
    let files: Vec<_> = disk.snapshot().into_iter().collect();
    let journal = files
        .iter()
        .position(|(path, bytes)| path.extension().is_some_and(|e| e == "jrn") && bytes.starts_with(b"EJF1"))
        .unwrap();
    (files, journal)
}

fn open(files: Vec<(PathBuf, Vec<u8>)>) -> escrowdb::Result<u64> {
    let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::from_files(files))).open()?;
    let count = store.session(Session::new()).count("*")?;
    store.close()?;
    Ok(count)
}

#[test]
fn one_bit_costs_nothing() {
    let (files, journal) = closed();
    for bit in (0..128).chain([130, 300, 700, 2000]) {
        let mut files = files.clone();
        files[journal].1[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(files).unwrap(), 3, "bit {bit}");
    }
}

#[test]
fn a_lost_frame_with_others_behind_it_is_reported() {
    let (mut files, journal) = closed();
    files[journal].1[..256].fill(0);
    assert_eq!(open(files.clone()).unwrap(), 3, "its parity brings it back");
    files.retain(|(path, _)| path.extension().is_none_or(|e| e != "par"));
    assert_eq!(open(files).err().unwrap().kind(), ErrorKind::Corrupt);
}
