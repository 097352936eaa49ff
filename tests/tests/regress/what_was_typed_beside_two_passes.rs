//! Somebody was known from two conversations only, and both were erased, the second while the first was in the
//! middle of its passes. He was found to be alone in a later pass, and forgotten by the request that had begun:
//! its names were looked for in its first pass only, so what was typed of him stayed behind both answers.
//! Likewise where a request was put into one batch with acts that expired.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::id::{Micros, RequestId};
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, Builder, Detail, EraseOptions, Level, Record, Selector, Store};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

fn builder(disk: Arc<dyn Vfs>) -> Builder {
    Store::builder("/s").vfs(disk).pass_bytes(1).background(false).audit(Level::All)
}

fn say(store: &Store, conversation: &str, who: &str) {
    store.append(&[Record::new(conversation, who, Micros(0), "yes")]).unwrap();
}

/// What is left of what was typed.
fn typed(store: &Store) -> Vec<String> {
    let options = ActOptions::new().details(true).limit(usize::MAX);
    let acts = store.session(Session::new()).acts("*", &options);
    assert!(acts.is_err(), "for a purpose only");
    let acts = store.session(Session::new().purpose("looking")).acts("*", &options).unwrap();
    acts.iter().filter_map(|act| act.detail.as_ref().map(Detail::to_body)).collect()
}

fn erase(store: &Store, conversation: &str, request: u8) {
    let options = EraseOptions { request: Some(RequestId([request; 16])), ..EraseOptions::default() };
    store.erase(&Selector::Conversation(conversation.into()), &options).unwrap();
}

#[test]
fn who_is_alone_in_a_later_pass_is_named_nowhere() {
    for (first, second) in [(1, 9), (9, 1)] {
        let disk = RecordingVfs::new();
        let store = builder(Arc::new(disk.clone())).create().unwrap();
        say(&store, "c1", "anna");
        store.roll().unwrap();
        say(&store, "c1", "karl");
        store.roll().unwrap();
        say(&store, "c2", "karl");
        say(&store, "c3", "anna");
        store.session(Session::new().actor("dana").purpose("karl's complaint")).count("kind:erased").unwrap();
        store
            .session(Session::new().actor("dana").purpose("a lamp"))
            .count("conversation:c3 author:karl")
            .unwrap();
        store.roll().unwrap();
        assert!(typed(&store).concat().contains("karl"));
        let gate = disk.block(Aim::at(Class::Index, Call::Create), 0);
        thread::scope(|s| {
            let one = s.spawn(|| erase(&store, "c1", first));
            let reached = gate.reached(Duration::from_secs(20));
            let before = disk.log().len();
            let other = s.spawn(|| erase(&store, "c2", second));
            // Until it stands in the key tree.
            for _ in 0..1_000 {
                thread::sleep(Duration::from_millis(2));
                if disk.log().len() > before + 2 {
                    break;
                }
            }
            thread::sleep(Duration::from_millis(20));
            gate.open();
            assert!(reached);
            one.join().unwrap();
            other.join().unwrap();
        });
        let left = typed(&store);
        assert!(!left.concat().contains("karl"), "{first} {second}: {left:?}");
        assert!(left.concat().contains("a lamp"));
        assert!(store.session(Session::new()).person("karl").is_err());
    }
}

/// Queries stand in several segments, of which each pass writes one anew; killed before each.
#[test]
fn queries_go_in_several_passes_and_over_a_kill() {
    let disk = RecordingVfs::new();
    let store = builder(Arc::new(disk.clone())).create().unwrap();
    say(&store, "c1", "anna");
    say(&store, "c1", "bob");
    for part in 0..4 {
        for n in 0..30 {
            let dana = store.session(Session::new().actor("dana").purpose(format!("purpose {part}")));
            dana.count(&format!("yes OR lamp{part}x{n}")).unwrap();
            dana.count(&format!("conversation:other lime{part}x{n}")).unwrap();
        }
        store.roll().unwrap();
    }
    let queries = |store: &Store, what: &str| typed(store).iter().filter(|text| text.contains(what)).count();
    assert_eq!((queries(&store, "lamp"), queries(&store, "lime")), (120, 120));
    let mut killed = 0;
    for skip in 0..6 {
        let recorded = RecordingVfs::from_files(disk.snapshot());
        let store = builder(Arc::new(recorded.clone())).open().unwrap();
        let gate = recorded.block(Aim::at(Class::Index, Call::Create), skip);
        let files = thread::scope(|s| {
            let gate = gate;
            let anna = Selector::Person("anna".into());
            let erasing = s.spawn({
                let store = &store;
                move || store.erase(&anna, &EraseOptions::default()).unwrap()
            });
            let reached = gate.reached(Duration::from_secs(1));
            let files = reached.then(|| recorded.snapshot());
            gate.open();
            assert_eq!(
                erasing.join().unwrap().records_removed,
                2 + 120,
                "her message, who she is, and queries"
            );
            files
        });
        let left = |store: &Store| {
            assert_eq!((queries(store, "lamp"), queries(store, "lime")), (0, 120), "before index {skip}");
            assert_eq!(queries(store, "purpose: purpose"), 240);
        };
        left(&store);
        let Some(files) = files else { break };
        left(&builder(Arc::new(MemoryVfs::from_files(files))).open().unwrap());
        killed += 1;
    }
    assert!(killed >= 4, "{killed}");
}
