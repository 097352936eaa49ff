//! A disk that loses part of a file while it is read: with mappings the process ends (SIGBUS),
//! without them the reader gets an error that names the file, and everything else goes on.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Record, SearchOptions, Store, VerifyOptions};
use escrowdb::vfs::UnmappedVfs;

/// Text that packing can't shorten.
fn text(n: i64) -> String {
    (0..16u8)
        .map(|part| blake3::hash(&[&n.to_le_bytes()[..], &[part]].concat()).to_hex().to_string())
        .collect()
}

#[test]
fn a_file_cut_short_while_it_is_open_is_an_error() {
    let dir = std::env::temp_dir().join(format!("escrowdb-unmapped-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let builder =
        || Store::builder(dir.join("s")).slot(dir.join("slot")).vfs(Arc::new(UnmappedVfs)).compaction(false);
    let store = builder().create().unwrap();
    let records: Vec<Record> = (0..500)
        .map(|i| Record::new("c", format!("a{}", i % 7), Micros(i), text(i)).id(i.to_string()))
        .collect();
    store.append(&records).unwrap();
    store.roll().unwrap();
    let reading = store.session(Session::new());
    let bodies = || reading.search("*", &SearchOptions::new().limit(500)).map(|hits| hits.len());
    // Nothing was read yet: blocks that were opened are kept.
    for entry in std::fs::read_dir(dir.join("s")).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|e| e == "seg") {
            std::fs::OpenOptions::new().write(true).open(entry.path()).unwrap().set_len(4096).unwrap();
        }
    }
    let error = bodies().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io), "{error}");
    assert!(error.to_string().contains(".seg"), "{error}");
    assert_eq!(reading.count("author:a3").unwrap(), 71);
    assert!(!store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
    store.close().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}
