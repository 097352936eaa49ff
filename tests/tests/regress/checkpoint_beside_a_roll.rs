//! A checkpoint waited for the log's files while a roll wrote and synced them, and held the view meanwhile.
//! The next append wanted to change the view, and behind it every reader had to wait: for a slow sync the
//! whole store stood.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{Record, Store};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

#[test]
fn who_reads_and_appends_does_not_wait_for_the_log() {
    let disk = RecordingVfs::new();
    let store = Store::builder("/s").vfs(Arc::new(disk.clone())).background(false).create().unwrap();
    let record = |i| Record::new("c", "anna", Micros(i), "hello").id(format!("m{i}"));
    store.append(&[record(1)]).unwrap();
    let gate = disk.block(Aim::at(Class::Log, Call::Sync), 0);
    thread::scope(|scope| {
        let rolling = scope.spawn(|| store.roll());
        assert!(gate.reached(Duration::from_secs(20)), "the roll syncs the log");
        let signing = scope.spawn(|| store.checkpoint());
        thread::sleep(Duration::from_millis(100));
        let appending = scope.spawn(|| store.append(&[record(2)]));
        thread::sleep(Duration::from_millis(100));
        let reading = scope.spawn(|| store.session(Session::new()).count("*"));
        let end = Instant::now() + Duration::from_secs(10);
        while !(reading.is_finished() && appending.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        let done = (reading.is_finished(), appending.is_finished());
        gate.open();
        rolling.join().unwrap().unwrap();
        assert!(signing.join().unwrap().unwrap().unverified().size >= 2);
        assert_eq!(done, (true, true), "read, appended");
    });
}
