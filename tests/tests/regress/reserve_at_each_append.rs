//! In a store without a segment the reserve followed the journal's length exactly, so each append
//! that made the journal longer made the reserve longer too: an allocation and two syncs more than
//! the append itself, which then took three times as long. Now it grows some way ahead, and is
//! never shorter than the journal asks for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::store::{Record, Store};
use escrowdb::vfs::{MemoryVfs, Vfs};

#[test]
fn the_reserve_grows_ahead_of_the_journal() {
    let disk = MemoryVfs::new();
    let store = Store::builder("/chats").vfs(Arc::new(disk.clone())).background(false).create().unwrap();
    let mut lengths = BTreeSet::new();
    let mut appended = 0;
    for at in 0..300 {
        let body = "hello ".repeat(100);
        appended += body.len() as u64;
        store.append(&[Record::new("c1", "anna", Micros(at), body)]).unwrap();
        let reserve = disk.open(Path::new("/chats/RESERVE")).unwrap().len().unwrap();
        // The journal holds more than the bodies, and a segment may take twice the journal.
        assert!(reserve > 2 * appended, "{reserve} bytes for {appended} of bodies");
        lengths.insert(reserve);
    }
    assert!(lengths.len() <= 5, "made longer {} times by 300 appends", lengths.len());
}
