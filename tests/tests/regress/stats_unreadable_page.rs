//! One page of a body file could not be read. Every record came back from parity, every question
//! was answered, `verify` was content, and `stats` failed with an I/O error: it looks for the end of
//! the last block in the file as it stands, to count the dead bytes. A page that can't be read
//! counts as written.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use escrowdb::store::VerifyOptions;
use escrowdb_tests::rot::damage::{Damage, Harm, disk};
use escrowdb_tests::rot::small::{builder, files, kind_of};

#[test]
fn stats_are_told_beside_a_page_that_cannot_be_read() {
    let files = files();
    let records = builder(disk(&files, &[]).0, 2).open().unwrap().stats().unwrap().records;
    let bodies: Vec<_> = files.keys().filter(|path| kind_of(path) == "segment").collect();
    assert!(!bodies.is_empty());
    for path in bodies {
        let (disk, _) = disk(&files, &[Damage { path: path.clone(), harm: Harm::Unreadable(0) }]);
        let store = builder(disk, 3).open().unwrap();
        assert_eq!(store.stats().unwrap().records, records);
        assert!(store.verify(&VerifyOptions::new().read_data(true)).is_ok());
    }
}
