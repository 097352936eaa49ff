//! A segment whose index was damaged, and some of whose bodies were lost, could not be healed when the
//! store was opened: only an erasure may give bodies up. Its pass healed the segment after it had read
//! how far the erasure was, and after it had looked who is left alone. What the healing counted as
//! removed was written over; and who stood in that segment and in a record that went was forgotten
//! with it, so that no key opened what was left of her. And where pages in the middle of an index were
//! lost, an opening that had an erasure to finish stopped at them, each time.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, SearchOptions, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs as _};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::two_passes::{Stopped, anna, builder, request, stopped};

const PAGE: u64 = 4096;

/// 600 records of forty people, and these.
fn records(others: &[Record]) -> Vec<Record> {
    let record = |at: i64| {
        let body = format!("message {at} {}", (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)).repeat(4);
        Record::new("c2", format!("p{}", at % 40), Micros(at), body).tag(format!("number:{at}"))
    };
    others.iter().cloned().chain((0..600).map(record)).collect()
}

/// Two pages from here on: beyond parity.
fn lose_pages(disk: &MemoryVfs, path: &Path, first: u64) {
    let file = disk.open(path).unwrap();
    assert!(file.len().unwrap() > (first + 3) * PAGE, "{} is too short", path.display());
    file.write_at(&[0x5a; 2 * PAGE as usize], first * PAGE).unwrap();
}

/// Cuts off the last page of an index and its parity. Places and block table stay.
fn cut(disk: &MemoryVfs, index: &Path) {
    let file = disk.open(index).unwrap();
    file.set_len(file.len().unwrap() - 2 * PAGE).unwrap();
}

fn annas(at: i64) -> Record {
    Record::new("c1", "anna", Micros(at), "hello")
}

#[test]
fn who_stands_in_a_segment_that_is_healed_is_not_forgotten() {
    let disk = MemoryVfs::new();
    // Blocks stand in a random order: with this seed others than Carol's are lost.
    let store = builder(Arc::new(disk.clone())).entropy(Arc::new(SeededEntropy::new(3))).create().unwrap();
    store.append(&records(&[Record::new("c1", "carol", Micros(1), "to anna").subject("anna")])).unwrap();
    store.roll().unwrap();
    let before = disk.snapshot();
    store.append(&records(&[Record::new("c1", "carol", Micros(2), "of carol")])).unwrap();
    store.roll().unwrap();
    store.close().unwrap();
    for path in disk.snapshot().into_keys().filter(|path| !before.contains_key(path)) {
        match path.extension().and_then(|end| end.to_str()) {
            Some("idx") => cut(&disk, &path),
            Some("seg") => lose_pages(&disk, &path, 10),
            _ => {}
        }
    }

    let store = builder(Arc::new(disk.clone())).open().unwrap();
    assert_eq!(store.unreadable().len(), 1);
    let certificate = store.erase(&anna(), &EraseOptions::default()).unwrap();
    assert!(certificate.records_lost > 0);
    let hits = store.session(Session::new()).search("subject:carol", &SearchOptions::new()).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.body.as_str()).collect::<Vec<_>>(), ["of carol"]);
}

#[test]
fn what_a_pass_heals_is_counted() {
    let Stopped { disk, store, index, bodies } =
        stopped([&records(&[annas(1), annas(2)]), &records(&[annas(3), annas(4)])]);
    drop(store);
    cut(&disk, &index);
    lose_pages(&disk, &bodies, 10);

    let store = builder(Arc::new(disk)).open().unwrap();
    let certificate = store.erase(&anna(), &request()).unwrap();
    // Four records and the one that says who she is.
    assert_eq!((certificate.records_removed, certificate.segments_rekeyed), (5, 2));
    assert!(certificate.records_lost > 0);
}

#[test]
fn an_opening_finishes_an_erasure_past_an_index_that_is_lost_in_the_middle() {
    let Stopped { disk, store, index, .. } = stopped([&records(&[annas(1)]), &records(&[annas(2)])]);
    drop(store);
    lose_pages(&disk, &index, 3);

    let store = builder(Arc::new(disk)).open().unwrap();
    let certificate = store.erase(&anna(), &request()).unwrap();
    assert_eq!((certificate.records_removed, certificate.records_lost), (3, 0));
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!((report.damage, report.given_up), (vec![], vec![]));
}
