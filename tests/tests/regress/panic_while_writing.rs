//! A thread that wrote for all who waited, or built a segment, panicked. Nobody gave its place
//! up: every later append, roll, erasure and the closing of the store waited for ever.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use escrowdb::ErrorKind;
use escrowdb::crypto::{Entropy, OsEntropy};
use escrowdb::id::Micros;
use escrowdb::store::{Record, Store};
use escrowdb::vfs::MemoryVfs;

/// Randomness that panics when told to.
#[derive(Clone, Default)]
struct Panics(Arc<AtomicBool>);

impl Entropy for Panics {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        assert!(!self.0.load(Ordering::SeqCst), "told to");
        OsEntropy.fill(out)
    }
}

fn store(panics: &Panics, background: bool) -> (MemoryVfs, Store) {
    let disk = MemoryVfs::new();
    let store = Store::builder("/chats")
        .vfs(Arc::new(disk.clone()))
        .entropy(Arc::new(panics.clone()))
        .background(background)
        .roll_records(4)
        .create()
        .unwrap();
    (disk, store)
}

fn record(at: i64) -> Record {
    Record::new("c1", "anna", Micros(at), "hello").id(at.to_string())
}

#[test]
fn the_place_of_who_writes_is_given_up() {
    let panics = Panics::default();
    let (disk, store) = store(&panics, false);
    store.append(&[record(1)]).unwrap();
    panics.0.store(true, Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| store.append(&[record(2)]))).is_err());
    panics.0.store(false, Ordering::SeqCst);
    assert_eq!(store.append(&[record(3)]).err().unwrap().kind(), ErrorKind::Poisoned);
    assert_eq!(store.roll().err().unwrap().kind(), ErrorKind::Poisoned);
    store.close().unwrap();
    let store = Store::builder("/chats").vfs(Arc::new(disk)).open().unwrap();
    assert_eq!(store.session(escrowdb::session::Session::new()).count("*").unwrap(), 1);
}

#[test]
fn the_right_to_roll_is_given_up() {
    let panics = Panics::default();
    let (_disk, store) = store(&panics, false);
    store.append(&[record(1), record(2)]).unwrap();
    panics.0.store(true, Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| store.roll())).is_err());
    panics.0.store(false, Ordering::SeqCst);
    assert_eq!(store.roll().err().unwrap().kind(), ErrorKind::Poisoned);
    store.close().unwrap();
}
