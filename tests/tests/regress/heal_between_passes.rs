//! An erasure in several passes lost the index of a segment that still waited. It was built anew from
//! the bodies, and blocks of the person, whose key the first pass had destroyed, opened no more: they
//! were counted as lost, and told in the certificate and by every later check, though she had been
//! erased as she should.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Record, VerifyOptions};
use escrowdb::vfs::Vfs as _;
use escrowdb_tests::two_passes::{Stopped, anna, request, stopped};

const PAGE: u64 = 4096;

#[test]
fn what_an_earlier_pass_has_erased_is_not_lost() {
    let records =
        [0, 1].map(|at| ["anna", "bob"].map(|author| Record::new("c1", author, Micros(at), "hello")));
    let Stopped { disk, store, index, .. } = stopped([&records[0], &records[1]]);
    // The index that waits for the second pass keeps its first page and its block tables.
    let file = disk.open(&index).unwrap();
    file.write_at(&vec![0; (file.len().unwrap() - 3 * PAGE) as usize], 3 * PAGE).unwrap();

    let certificate = store.erase(&anna(), &request()).unwrap();
    assert_eq!((certificate.records_removed, certificate.records_lost), (3, 0));
    assert_eq!(certificate.segments_rekeyed, 2);
    assert!(store.losses().unwrap().is_empty());
    assert_eq!(store.session(Session::new()).count("*").unwrap(), 2);
    store.roll().unwrap();
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!((report.damage, report.given_up), (vec![], vec![]));
}
