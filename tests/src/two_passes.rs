//! An erasure in two passes that a full disk stopped between them: Anna's key is gone, and one of two
//! segments still holds what was sealed under it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::RequestId;
use escrowdb::store::{Builder, EraseOptions, Record, Selector, Store};
use escrowdb::vfs::{MemoryVfs, Vfs};

use crate::call::{Aim, Call, Class};
use crate::faulty_vfs::{Fault, FaultyVfs, Plan};

/// Whom the erasure takes.
pub const ANNA: &str = "anna";

/// Where it stands.
pub struct Stopped {
    /// The disk; it has room again.
    pub disk: MemoryVfs,
    /// The store, still open.
    pub store: Store,
    /// Index of the segment that waits.
    pub index: PathBuf,
    /// Its bodies.
    pub bodies: PathBuf,
}

/// A store whose erasures take one segment a pass.
pub fn builder(disk: Arc<dyn Vfs>) -> Builder {
    Store::builder("/chats").vfs(disk).background(false).pass_bytes(1)
}

/// The erasure, under the same name each time.
pub fn request() -> EraseOptions {
    EraseOptions { request: Some(RequestId([7; 16])), ..EraseOptions::default() }
}

/// Anna.
pub fn anna() -> Selector {
    Selector::Person(ANNA.into())
}

/// Makes two segments of these records and erases Anna until the disk is full.
///
/// # Panics
/// If the erasure is not stopped.
pub fn stopped(segments: [&[Record]; 2]) -> Stopped {
    let memory = MemoryVfs::new();
    let disk = FaultyVfs::new(Arc::new(memory.clone()));
    let store = builder(Arc::new(disk.clone())).create().unwrap();
    let mut made = Vec::new();
    for records in segments {
        let before = files(&memory);
        store.append(records).unwrap();
        store.roll().unwrap();
        let new: Vec<PathBuf> = files(&memory).difference(&before).cloned().collect();
        let find = |end: &str| new.iter().find(|path| path.extension().is_some_and(|e| e == end)).unwrap();
        made.push([find("idx").clone(), find("seg").clone()]);
    }
    disk.arm(Plan { aim: Aim::at(Class::Index, Call::Create), nth: 1, fault: Fault::NoSpace, sticky: true });
    let failed = store.erase(&anna(), &request()).err().unwrap();
    assert_eq!(failed.kind(), ErrorKind::NoSpace);
    disk.disarm();
    let there = files(&memory);
    made.retain(|[index, _]| there.contains(index));
    let [[index, bodies]] = <[_; 1]>::try_from(made).unwrap();
    Stopped { disk: memory, store, index, bodies }
}

fn files(disk: &MemoryVfs) -> BTreeSet<PathBuf> {
    disk.snapshot().into_keys().collect()
}
