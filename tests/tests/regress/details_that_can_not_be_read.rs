//! An erasure reads what was typed of acts, to see whether it names who goes. One lost block of that, or
//! a body file that was away, ended it as *corrupt*: by then it was announced, every later opening went
//! on with it and met the same block, and the store never opened again, by no verb, for nobody.
//!
//! What can't be read may name her: it goes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Builder, DetailField, EraseOptions, Exported, Level, Order, Record, Selector, Store,
    VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

const PAGE: usize = 4096;
const SAID: u64 = 400;
const PEOPLE: u64 = 20;
const ANNA: &str = "p7@example.org";

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s").slot("/s.slot").vfs(Arc::new(disk.clone())).background(false)
}

/// A closed store: what is said, and what was typed between, in one segment.
fn files() -> Files {
    let disk = MemoryVfs::new();
    let store = builder(&disk).audit(Level::All).create().unwrap();
    for i in 0..SAID {
        let n = i % PEOPLE;
        let body = format!("message {i} {}", i.wrapping_mul(2_654_435_761)).repeat(4);
        let record = Record::new(format!("c{n}"), format!("p{n}@example.org"), Micros(i as i64), body);
        store.append(&[record.id(format!("m{i}"))]).unwrap();
        let reading = store.session(Session::new().actor("dana").purpose(format!("look {i}").repeat(40)));
        match i % 5 {
            0 => assert_eq!(reading.get(&format!("m{i}"), Some(&format!("c{n}"))).unwrap().len(), 1),
            1 => assert_eq!(reading.count(&format!("author:p{n}@example.org id:m{i}")).unwrap(), 1),
            2 => assert!(reading.exporting(Exported::Query, "message").is_ok()),
            _ => {}
        }
    }
    store.roll().unwrap();
    store.close().unwrap();
    disk.snapshot()
}

fn named(files: &Files, end: &str) -> PathBuf {
    files.keys().find(|p| p.to_string_lossy().ends_with(end)).unwrap().clone()
}

fn selectors() -> [Selector; 3] {
    [
        Selector::Person(ANNA.into()),
        Selector::Conversation("c7".into()),
        Selector::Record { id: "m7".into(), conversation: Some("c7".into()) },
    ]
}

/// Erases in a damaged store, and opens it again.
fn erased(disk: &MemoryVfs, selector: &Selector, what: &str) -> Store {
    let store = builder(disk).open().unwrap();
    store.erase(selector, &EraseOptions::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(store.key_status().epoch.0, 2, "{what}");
    drop(store);
    let store = builder(disk).open().unwrap_or_else(|e| panic!("{what}: never opens again: {e}"));
    let gone = if matches!(selector, Selector::Record { .. }) { 1 } else { SAID / PEOPLE };
    let lost = store.losses().unwrap().iter().map(|loss| loss.number).sum::<u64>();
    let left = store.session(Session::new()).count("kind:message").unwrap();
    assert!(left <= SAID - gone && left + lost >= SAID - gone, "{what}: {left} left, {lost} lost");
    store
}

/// How many details of acts can be read.
fn typed(store: &Store) -> usize {
    let options = ActOptions::new().details(true).limit(usize::MAX);
    let acts = store.session(Session::new().purpose("test")).acts("*", &options).unwrap();
    acts.iter().filter(|act| act.detail.is_some()).count()
}

#[test]
fn lost_blocks_of_what_was_typed_end_no_erasure() {
    let files = files();
    let path = named(&files, ".seg");
    let pages = files[&path].len() / PAGE;
    let groups = pages.div_ceil(33);
    for first in 0..pages - 2 * groups {
        // Two pages of one group: parity brings neither back.
        let mut lost = files.clone();
        for page in [first, first + groups] {
            lost.get_mut(&path).unwrap()[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        let selector = &selectors()[first % 3];
        let disk = MemoryVfs::from_files(lost);
        if let Selector::Record { id, .. } = selector
            && builder(&disk).open().unwrap().session(Session::new()).get(id, Some("c7")).is_err()
        {
            // Which record is meant can't be seen: nothing is announced.
            continue;
        }
        let store = erased(&disk, selector, &format!("page {first}"));
        // What was typed, as far as it is left, can be read.
        let options = ActOptions::new().details(true).limit(usize::MAX).order(Order::Oldest);
        let reading = store.session(Session::new().purpose("test"));
        let Ok(acts) = reading.acts("*", &options) else { continue };
        let typed: Vec<_> = acts.iter().filter_map(|act| act.detail.as_ref()).collect();
        assert!(!typed.is_empty(), "page {first}");
        if matches!(selector, Selector::Person(_)) {
            let of_her = typed.iter().filter_map(|d| d.get(DetailField::Query)).any(|q| q.contains(ANNA));
            assert!(!of_her, "page {first}");
        }
    }
}

#[test]
fn a_body_file_that_is_away_ends_no_erasure_and_others_live_when_it_is_back() {
    let files = files();
    let path = named(&files, ".seg");
    // A record whose own file is away is found by nobody.
    for selector in selectors().into_iter().take(2) {
        let disk = MemoryVfs::from_files(files.clone());
        let holding = builder(&disk).open().unwrap().sealed_objects_holding(ANNA).unwrap();
        assert!(holding.len() > 5);
        let mut away = files.clone();
        away.remove(&path);
        let disk = MemoryVfs::from_files(away);
        drop(erased(&disk, &selector, "away"));
        let mut back = disk.snapshot();
        back.insert(path.clone(), files[&path].clone());
        let store = builder(&MemoryVfs::from_files(back)).open().unwrap();
        let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert!(report.damage.is_empty() && report.given_up.is_empty(), "{report:?}");
        let mut alive = 0;
        let reading = store.session(Session::new());
        reading
            .search_each("kind:message", Order::Oldest, |hit| {
                alive += u64::from(hit.body.contains("message"));
                true
            })
            .unwrap();
        assert_eq!(alive, SAID - SAID / PEOPLE, "all others are alive");
        if matches!(selector, Selector::Person(_)) {
            assert_eq!(store.opened_by_living_keys(Path::new("/s"), &holding).unwrap(), 0);
        }
        // Nobody could see whom they named, so all that was typed by then is gone.
        assert!(typed(&builder(&MemoryVfs::from_files(files.clone())).open().unwrap()) > 0);
        // What this test typed since stays: a count behind the erasure, and this search.
        assert_eq!(typed(&store), 2);
    }
}

/// A segment whose index is lost goes with an erasure, for it may hold something of hers: so go queries that may
/// have found that, and what was opened by name of which nothing is there. What she said elsewhere came too late
/// for them. Likewise if the segment was given up before; what was asked behind that stays.
#[test]
fn queries_go_with_what_stood_in_a_lost_segment() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).audit(Level::All).create().unwrap();
    let say = |n: i64, author: &str| {
        let record = Record::new(format!("c{n}"), author, Micros(n), "yes").id(format!("m{n}"));
        store.append(&[record]).unwrap();
    };
    say(1, "bob");
    store.roll().unwrap();
    let dana = |store: &Store, purpose: &str, query: &str, found| {
        let session = Session::new().actor("dana").purpose(purpose);
        assert_eq!(store.session(session).count(query).unwrap(), found);
    };
    dana(&store, "before", "conversation:c1 yes", 1);
    store.roll().unwrap();
    let before = disk.snapshot();
    say(2, ANNA);
    store.roll().unwrap();
    let is_new = |p: &PathBuf| p.extension().is_some_and(|e| e == "idx") && !before.contains_key(p);
    let lost = disk.snapshot().into_keys().find(is_new).unwrap();
    dana(&store, "behind", "kind:message yes", 2);
    for name in ["c2", "c1"] {
        let opening = store.session(Session::new().actor("dana").purpose("opened"));
        assert_eq!(opening.conversation(name).unwrap().len(), 1);
    }
    store.roll().unwrap();
    say(3, ANNA);
    store.close().unwrap();
    let mut files = disk.snapshot();
    files.remove(&lost);
    for given_up in [false, true] {
        let disk = MemoryVfs::from_files(files.clone());
        let store = builder(&disk).open().unwrap();
        if given_up {
            let report = store.verify(&VerifyOptions::new().repair(true).accept_losses(true)).unwrap();
            assert!(!report.given_up.is_empty());
            std::thread::sleep(std::time::Duration::from_millis(2));
            dana(&store, "later", "conversation:c1 yes", 1);
        }
        store.erase(&Selector::Person(ANNA.into()), &EraseOptions::default()).unwrap();
        let options = ActOptions::new().details(true).order(Order::Oldest);
        let acts = store.session(Session::new().purpose("test")).acts("author:dana", &options).unwrap();
        let details: Vec<_> = acts.iter().filter_map(|act| act.detail.as_ref()).collect();
        let text = |field| details.iter().filter_map(|detail| detail.get(field)).collect::<Vec<_>>();
        let later = given_up.then_some("later");
        let left = ["conversation:c1 yes"].into_iter().chain(later.map(|_| "conversation:c1 yes"));
        assert_eq!(text(DetailField::Query), left.collect::<Vec<_>>(), "{given_up}");
        assert_eq!(text(DetailField::Conversation), ["c1"]);
        let purposes = ["before", "behind", "opened", "opened"].into_iter().chain(later);
        assert_eq!(text(DetailField::Purpose), purposes.collect::<Vec<_>>());
    }
}
