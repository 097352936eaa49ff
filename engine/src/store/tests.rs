//! What an open store keeps of its indexes in memory.

mod everybody;
mod pace;

use std::sync::{Arc, OnceLock, Weak};

use super::*;
use crate::crypto::{Entropy, OsEntropy};
use crate::id::Micros;
use crate::index::Segment;
use crate::segment::SubjectKeys;
use crate::session::Session;
use crate::state::State;
use crate::vfs::MemoryVfs;
use crate::view::Rolled;

const SEGMENTS: u64 = 24;
/// Records of each, half of them with the tag `half`, everyone of another person and conversation.
const RECORDS: u64 = 400;

fn record(n: u64) -> Record {
    let text = format!("text {n}");
    let record = Record::new(format!("c{n}"), format!("p{n}@example.org"), Micros(n as i64), text);
    let record = record.id(format!("m{n}")).tag(format!("own:{n}"));
    if n.is_multiple_of(2) { record.tag("half") } else { record }
}

fn store(disk: &MemoryVfs, index_bytes: usize) -> Store {
    let builder = Store::builder("/s").vfs(Arc::new(disk.clone())).compaction(false).background(false);
    filled(builder.index_bytes(index_bytes).create().unwrap())
}

fn filled(store: Store) -> Store {
    for n in 0..SEGMENTS {
        let records: Vec<_> = (n * RECORDS..(n + 1) * RECORDS).map(record).collect();
        store.append(&records).unwrap();
        store.roll().unwrap();
    }
    store
}

fn ask(store: &Store) {
    let reading = store.session(Session::new());
    assert_eq!(reading.count("tag:half").unwrap(), SEGMENTS * RECORDS / 2);
    // Who asks for few terms opens single pages and keeps none of them.
    for n in 0..12 {
        let query = format!("tag:half -tag:own:{}", 2 * n);
        assert_eq!(reading.count(&query).unwrap(), SEGMENTS * RECORDS / 2 - 1);
    }
}

#[test]
fn queries_over_many_segments_keep_no_more_than_they_may() {
    let all = {
        let store = store(&MemoryVfs::new(), usize::MAX);
        ask(&store);
        store.state.subjects.budget().bytes()
    };
    let disk = MemoryVfs::new();
    let most = all / 4;
    let store = store(&disk, most);
    let budget = store.state.subjects.budget();
    for _ in 0..3 {
        ask(&store);
        // What a query is just making comes on top: one section.
        assert!((most / 2..=most).contains(&budget.bytes()), "{} of {most}", budget.bytes());
        assert!(budget.peak() <= most + most / 4);
        let segments = store.state.view.read().segments.clone();
        let is_open = |s: &&Rolled| s.part.bytes_kept() > all / SEGMENTS as usize / 2;
        let opened = segments.iter().filter(is_open).count() as u64;
        assert!((1..SEGMENTS / 2).contains(&opened), "{opened} segments are open");
    }
    store.state.view.write().clear_caches();
    assert_eq!(budget.bytes(), 0);
    drop(store);
    assert_eq!(budget.bytes(), 0);
}

/// What segments remember of the terms that were asked, and of their lists, is theirs alone: an
/// erasure puts others in their place, and nobody holds the old ones any more.
#[test]
fn what_is_remembered_of_a_tag_dies_with_her_who_used_it() {
    let store = store(&MemoryVfs::new(), usize::MAX);
    let n = SEGMENTS * RECORDS / 2;
    let query = format!("tag:own:{n} tag:half");
    let reading = store.session(Session::new());
    // Else only single pages would have been opened.
    ask(&store);
    for _ in 0..3 {
        assert_eq!(reading.count(&query).unwrap(), 1);
        assert_eq!(reading.seqs(&query, Order::Newest).unwrap().len(), 1);
    }
    let segments = || store.state.view.read().segments.iter().map(|s| Arc::downgrade(&s.part)).collect();
    let before: Vec<Weak<Segment>> = segments();
    let opened = |s: &Weak<Segment>| s.upgrade().is_some_and(|s| s.bytes_kept() > 0);
    assert!(before.iter().all(opened), "each was asked");
    store.erase(&Selector::Person(format!("p{n}@example.org")), &EraseOptions::default()).unwrap();
    assert!(before.iter().all(|s| s.upgrade().is_none()), "somebody holds what was remembered");
    assert!(!segments().iter().any(opened));
    assert_eq!(reading.count(&query).unwrap(), 0);
}

/// The system's randomness. Notes how much is kept of indexes whenever an erasure in its pass asks
/// for some: for file names in E2, for keys in E3.
#[derive(Default)]
struct Watch {
    state: OnceLock<Weak<State>>,
    kept: Mutex<Vec<usize>>,
}

impl Entropy for Watch {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        if let Some(state) = self.state.get().and_then(Weak::upgrade)
            && state.view.try_read().is_some_and(|view| !view.mask.is_empty())
        {
            self.kept.lock().push(state.subjects.budget().bytes());
        }
        OsEntropy.fill(out)
    }
}

#[test]
fn a_pass_lets_go_of_what_it_opened_only_to_ask() {
    let watch = Arc::new(Watch::default());
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).compaction(false).background(false);
    let store = filled(builder.entropy(watch.clone()).create().unwrap());
    watch.state.set(Arc::downgrade(&store.state)).unwrap();
    let her = Selector::Person(format!("p{}@example.org", SEGMENTS * RECORDS - 1));
    // Every segment is asked for this, too.
    store.plan(&her).unwrap();
    let asked = store.state.subjects.budget().bytes();
    store.erase(&her, &EraseOptions::default()).unwrap();
    let kept = watch.kept.lock();
    assert!(kept.len() > 3, "the pass was not seen");
    assert!(kept.iter().all(|kept| *kept < asked / 4), "{kept:?} of {asked}");
}
