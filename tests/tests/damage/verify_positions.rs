//! A segment stands in the place of another of as many records: every sum is right, every leaf and every index is
//! that of its records, and half of the log is not there. Nothing but the positions tells.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::keyring::{Changes, FileSlot, Keyring, Slot, catalog};
use escrowdb::store::{Builder, Record, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::entropy::SeededEntropy;

fn builder(vfs: &Arc<dyn Vfs>) -> Builder {
    Store::builder("/s").slot("/s.slot").vfs(Arc::clone(vfs)).background(false)
}

fn damage(store: &Store, read_data: bool) -> Vec<String> {
    store.verify(&VerifyOptions::new().read_data(read_data)).unwrap().damage
}

#[test]
fn a_position_that_stands_in_two_segments_is_named() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let store = builder(&vfs).create().unwrap();
    for who in ["anna", "ben"] {
        let say = |n| Record::new("c", who, Micros(n), format!("text {n}")).id(format!("{who}{n}"));
        store.append(&(0..5).map(say).collect::<Vec<_>>()).unwrap();
        store.roll().unwrap();
    }
    assert_eq!(damage(&store, true), Vec::<String>::new());
    store.close().unwrap();
    // The key tree of the closed store names the first segment's files in the place of the second one's.
    {
        let record = FileSlot::new(Arc::clone(&vfs), "/s.slot").load().unwrap().unwrap();
        let entropy = Arc::new(SeededEntropy::new(99));
        let open = (Path::new("/s"), record.store, &record.root, record.epoch);
        let keyring = Keyring::open(Arc::clone(&vfs), open.0, entropy, open.1, open.2, open.3).unwrap();
        let segments = catalog::segments(&keyring.tree()).unwrap();
        let [(_, first), (id, second)] = segments.as_slice() else { unreachable!("two were rolled") };
        assert_eq!(first.docs, second.docs);
        let mut changes = Changes::default();
        catalog::put_segment(&mut changes, *id, first).unwrap();
        let prepared = keyring.prepare(&changes, keyring.head().log, None).unwrap();
        keyring.publish(prepared).unwrap();
    }
    let store = builder(&vfs).open().unwrap();
    assert_eq!(damage(&store, false), Vec::<String>::new(), "sums and pages are right");
    let mut found = damage(&store, true);
    found.sort_unstable();
    // Her five messages, and who she is.
    let wanted = |seq: u64| format!("segment 2: the record at {seq} stands in another one too");
    assert_eq!(found, (0..6).map(wanted).collect::<Vec<_>>());
}
