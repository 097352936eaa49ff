//! An erasure in several passes met a full disk in its second pass. The first had destroyed the
//! person's key; after the failure nothing was masked any more, so that searches found records
//! that no key opens, and failed.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Record, SearchOptions, VerifyOptions};
use escrowdb_tests::two_passes::{Stopped, anna, request, stopped};

#[test]
fn what_is_half_erased_stays_out_of_sight() {
    let records =
        [0, 1].map(|at| ["anna", "bob"].map(|author| Record::new("c1", author, Micros(at), "hello")));
    let Stopped { store, .. } = stopped([&records[0], &records[1]]);

    let reading = store.session(Session::new());
    assert_eq!(reading.search("*", &SearchOptions::new()).unwrap().len(), 2);
    assert_eq!(reading.count("*").unwrap(), 2);

    let certificate = store.erase(&anna(), &request()).unwrap();
    assert_eq!((certificate.records_removed, certificate.segments_rekeyed), (3, 2));
    assert_eq!(reading.search("*", &SearchOptions::new()).unwrap().len(), 2);
    store.roll().unwrap();
    assert_eq!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage, Vec::<String>::new());
}
