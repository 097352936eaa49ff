//! An index whose words were made by a later analyser. Queries for words were answered from it all the
//! same, for only some ways into it looked which analyser that was: what they were compared with is not
//! what they are. And `verify` named it as one more damage, so an erasure that met a damaged index wrote
//! this one anew too, as if it were of the analyser that is known, and with it went what the later
//! program had made.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::index::file::{Section, file_name};
use escrowdb::index::page::{self, PAGE_LEN, PageFile, TEXT_LEN};
use escrowdb::keyring::{FileSlot, Keyring, Slot as _, catalog};
use escrowdb::parity::Encoder;
use escrowdb::session::Session;
use escrowdb::store::{Builder, EraseOptions, Record, SearchOptions, Selector, Store, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{Error, ErrorKind};
use escrowdb_tests::entropy::SeededEntropy;

const DIR: &str = "/chats";

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder(DIR).vfs(Arc::new(disk.clone())).background(false).compaction(false)
}

/// Two segments, of Anna and of Bob; the index of Bob's is the second path.
fn store() -> (MemoryVfs, [PathBuf; 2]) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let indexes = ["anna", "bob"].map(|who| {
        let before = disk.snapshot();
        let record = |i| {
            let body = format!("hello {who}, this is number {i} of some");
            Record::new("c", who, Micros(i), body).tag("all")
        };
        store.append(&(0..200).map(record).collect::<Vec<_>>()).unwrap();
        store.roll().unwrap();
        let is_new = |path: &PathBuf| path.extension().is_some_and(|end| end == "idx");
        disk.snapshot().into_keys().find(|path| is_new(path) && !before.contains_key(path)).unwrap()
    });
    store.close().unwrap();
    (disk, indexes)
}

/// Opens the pages of an index, makes its analyser one that is not known, and seals it again.
fn make_newer(disk: &MemoryVfs, index: &Path) {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::from_files(disk.snapshot()));
    let slot = FileSlot::new(Arc::clone(&vfs), format!("{DIR}.slot")).load().unwrap().unwrap();
    let entropy = Arc::new(SeededEntropy::new(9));
    let keyring = Keyring::open(vfs, Path::new(DIR), entropy, slot.store, &slot.root, slot.epoch).unwrap();
    let segments = catalog::segments(&keyring.tree()).unwrap();
    let is_it = |index_of| index.ends_with(file_name(index_of));
    let entry = segments.into_iter().map(|(_, entry)| entry).find(|entry| is_it(entry.index)).unwrap();
    let of = PageFile { store: slot.store, file: entry.index, version: page::VERSION };
    let mut bytes = disk.snapshot().remove(index).unwrap();
    bytes.truncate(entry.index_pages as usize * PAGE_LEN);
    let mut text = Vec::new();
    for (number, page) in (0..).zip(bytes.chunks(PAGE_LEN)) {
        text.extend_from_slice(page::open(of, &entry.key, number, &mut page.to_vec()).unwrap());
    }
    // The sections stand behind pages, documents, times, positions and their own number.
    let count = u16::from_le_bytes(text[40..42].try_into().unwrap());
    let mut places = text[42..].chunks(17).take(count.into());
    let place = places.find(|place| place[0] == Section::Analyser as u8).unwrap();
    let at = u64::from_le_bytes(place[1..9].try_into().unwrap()) as usize;
    assert_eq!(text[at..at + 2], [1, 1]);
    text[at + 1] = 2;
    for ((number, page), text) in (0..).zip(bytes.as_chunks_mut().0).zip(text.chunks(TEXT_LEN)) {
        page::text_mut(page).copy_from_slice(text);
        page::seal_in_place(of, &entry.key, number, page).unwrap();
    }
    let mut parity = Encoder::new(entry.index_pages.into());
    parity.update(&bytes);
    bytes.extend_from_slice(&parity.finish());
    disk.open(index).unwrap().write_at(&bytes, 0).unwrap();
}

fn assert_newer<T>(answer: Result<T, Error>, what: &str) {
    let error = answer.err().unwrap_or_else(|| panic!("{what} was answered"));
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}");
    assert!(error.to_string().contains("newer format"), "{what}: {error}");
}

#[test]
fn words_of_an_unknown_analyser_are_refused() {
    let (disk, [_, newer]) = store();
    make_newer(&disk, &newer);
    for query in
        ["hello", "hello number", "\"this is\"", "hel*", "hello~1", "bob OR tag:none", "-hello tag:all"]
    {
        // Each of another store, for what was read once is kept.
        let store = builder(&disk).open().unwrap();
        let reading = store.session(Session::new());
        assert_newer(reading.count(query), query);
        assert_newer(reading.search(query, &SearchOptions::new()), query);
        assert_newer(reading.facet(query, "kind"), query);
        // Whoever asks for no word is answered.
        assert_eq!(reading.count("tag:all").unwrap(), 400);
        assert_eq!(reading.search("author:bob", &SearchOptions::new().limit(300)).unwrap().len(), 200);
        drop(store);
    }
}

#[test]
fn a_newer_index_is_not_written_anew_for_another_that_is_damaged() {
    let (disk, [damaged, newer]) = store();
    make_newer(&disk, &newer);
    let before = disk.snapshot().remove(&newer).unwrap();
    let file = disk.open(&damaged).unwrap();
    // Its first page and block tables stay.
    file.write_at(&vec![0; file.len().unwrap() as usize - 3 * PAGE_LEN], 3 * PAGE_LEN as u64).unwrap();

    let store = builder(&disk).open().unwrap();
    let as_it_was = || assert!(disk.snapshot().get(&newer) == Some(&before), "the index was written anew");
    assert_newer(store.erase(&Selector::Person("anna".into()), &EraseOptions::default()), "the erasure");
    as_it_was();
    drop(store);
    let store = builder(&disk).open();
    as_it_was();
    for repair in [false, true] {
        if let Ok(store) = &store {
            assert_newer(store.verify(&VerifyOptions::new().repair(repair).accept_losses(repair)), "verify");
        }
        as_it_was();
    }
}
