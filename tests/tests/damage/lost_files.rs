//! Files of a segment that are lost, and that come back: nothing stops an opening of what is still
//! there, nothing stops an erasure, nothing is lost without a word, and nothing erased comes back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::erase::Selector;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, AuditRules, Builder, EraseOptions, GivenUpBy, Level, Order, Record, Store, VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

const PAGE: usize = 4096;
const ANNA: &str = "p7@example.org";
/// Records in the segment, with those that say who somebody is, and in the journal.
const ROLLED: u64 = 1540;
const SAID: u64 = 1500;
const LATE: u64 = 20;

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s").slot("/s.slot").vfs(Arc::new(disk.clone())).background(false)
}

fn record(i: u64) -> Record {
    let who = format!("p{}@example.org", i % 40);
    let body = format!("message {i} {}", i.wrapping_mul(2_654_435_761)).repeat(4);
    Record::new(format!("c{}", i % 40), who, Micros(i as i64 * 1_000_000), body)
        .id(format!("m{i}"))
        .tag(format!("number:{}", i % 7))
}

/// A closed store: a segment with all people in it, a journal with some of their records.
fn files() -> Files {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    store.append(&(0..SAID).map(record).collect::<Vec<_>>()).unwrap();
    store.roll().unwrap();
    store.append(&(SAID..SAID + LATE).map(record).collect::<Vec<_>>()).unwrap();
    store.close().unwrap();
    disk.snapshot()
}

fn named(files: &Files, end: &str) -> PathBuf {
    files.keys().find(|p| p.to_string_lossy().ends_with(end)).unwrap().clone()
}

fn without(files: &Files, end: &str) -> MemoryVfs {
    let mut files = files.clone();
    files.remove(&named(&files, end)).unwrap();
    MemoryVfs::from_files(files)
}

/// The disk as it is, with one file as it was.
fn back(disk: &MemoryVfs, files: &Files, end: &str) -> MemoryVfs {
    let mut now = disk.snapshot();
    let path = named(files, end);
    now.insert(path.clone(), files[&path].clone());
    MemoryVfs::from_files(now)
}

fn all() -> VerifyOptions {
    VerifyOptions::new().read_data(true)
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(Session::default()).count(query).unwrap()
}

/// How many bodies a query shows.
fn bodies(store: &Store, query: &str) -> usize {
    let mut found = 0;
    store
        .session(Session::default())
        .search_each(query, Order::Oldest, |hit| {
            found += usize::from(!hit.body.is_empty());
            true
        })
        .unwrap();
    found
}

fn erase(store: &Store) -> escrowdb::store::Certificate {
    store.erase(&Selector::Person(ANNA.into()), &EraseOptions::default()).unwrap()
}

/// Everything of Anna's that lies in `files`, tried with every key that `store` has.
fn annas_that_open(store: &Store, files: &Files) -> usize {
    let old = MemoryVfs::from_files(files.clone());
    let objects = builder(&old).open().unwrap().sealed_objects_holding(ANNA).unwrap();
    assert!(objects.len() > 5);
    store.opened_by_living_keys(Path::new("/s"), &objects).unwrap()
}

fn index_pages(files: &Files) -> (usize, usize) {
    let all = files[&named(files, ".idx")].len() / PAGE;
    let data = all - all.div_ceil(33);
    (data, all - data)
}

#[test]
fn an_index_without_its_first_page_or_its_end_is_built_anew() {
    let files = files();
    let path = named(&files, ".idx");
    let (data, groups) = index_pages(&files);
    let mut cases: Vec<(String, Files)> = Vec::new();
    for other in [groups, data - 1 - (data - 1) % groups] {
        let mut lost = files.clone();
        let bytes = lost.get_mut(&path).unwrap();
        for page in [0, other] {
            bytes[page * PAGE..(page + 1) * PAGE].fill(0x33);
        }
        cases.push((format!("pages 0 and {other}"), lost));
    }
    for cut in [3 * data / 4 * PAGE, data * PAGE + 100] {
        let mut lost = files.clone();
        lost.get_mut(&path).unwrap().truncate(cut);
        cases.push((format!("cut at {cut}"), lost));
    }
    for (what, lost) in cases {
        let disk = MemoryVfs::from_files(lost);
        let store = builder(&disk).open().unwrap();
        assert_eq!(store.unreadable(), [], "{what}");
        assert_eq!(count(&store, "*"), SAID + LATE, "{what}");
        assert_eq!(bodies(&store, "tag:number:3"), bodies_of_tag(3), "{what}");
        let report = store.verify(&all()).unwrap();
        assert!(report.damage.is_empty() && report.given_up.is_empty(), "{what} {report:?}");
    }
}

fn bodies_of_tag(n: u64) -> usize {
    (0..SAID + LATE).filter(|i| i % 7 == n).count()
}

#[test]
fn a_store_opens_without_an_index_and_is_whole_when_it_is_back() {
    let files = files();
    let disk = without(&files, ".idx");
    let store = builder(&disk).open().unwrap();
    let [lost] = &store.unreadable()[..] else { panic!("one is named") };
    assert_eq!((lost.records, lost.first.0, lost.last.0), (ROLLED, 0, ROLLED - 1));
    assert!(lost.what.contains(".idx is missing"), "{}", lost.what);
    assert_eq!(count(&store, "*"), LATE);
    let report = store.verify(&all().repair(true)).unwrap();
    assert_eq!(report.damage.len(), 1, "{report:?}");
    assert!(report.damage[0].contains("1540 records between positions 0 and 1539"), "{report:?}");
    // It goes on living, and nothing was given up.
    store.append(&[Record::new("new", "new@example.org", Micros(1), "x")]).unwrap();
    store.roll().unwrap();
    store.close().unwrap();
    let disk = back(&disk, &files, ".idx");
    let store = builder(&disk).open().unwrap();
    assert_eq!(store.unreadable(), []);
    assert_eq!(count(&store, "*"), SAID + LATE + 1);
    let report = store.verify(&all()).unwrap();
    assert!(report.damage.is_empty() && report.given_up.is_empty(), "{report:?}");
}

/// Whom a lost index names nobody knows: its key dies with the erasure, so that the file may come
/// back from anywhere.
#[test]
fn an_erasure_gives_up_a_segment_without_index_and_it_stays_dead() {
    let files = files();
    let disk = without(&files, ".idx");
    let store = builder(&disk).open().unwrap();
    let certificate = erase(&store);
    assert_eq!((certificate.records_removed, certificate.records_lost), (0, ROLLED));
    assert_eq!((store.unreadable(), count(&store, "*")), (vec![], LATE));
    let report = store.verify(&all()).unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    assert_eq!((report.given_up.len(), report.records_lost), (1, ROLLED));
    store.close().unwrap();
    // Index and bodies come back.
    let disk = back(&back(&disk, &files, ".idx"), &files, ".seg");
    let store = builder(&disk).open().unwrap();
    assert_eq!(count(&store, "*"), LATE);
    assert!(!disk.snapshot().contains_key(&named(&files, ".idx")), "a stranger, removed");
    let disk = back(&back(&disk, &files, ".idx"), &files, ".seg");
    drop(store);
    let store = builder(&disk).open().unwrap();
    assert_eq!(annas_that_open(&store, &files), 0);
    let losses = store.losses().unwrap();
    assert_eq!(
        losses.iter().map(|l| (l.number, l.by)).collect::<Vec<_>>(),
        [(ROLLED, GivenUpBy::Erasure(certificate.request))]
    );
}

#[test]
fn bodies_that_are_away_while_somebody_is_erased_come_back_without_hers() {
    let files = files();
    let disk = without(&files, ".seg");
    let store = builder(&disk).open().unwrap();
    assert_eq!(store.unreadable(), [], "the index answers");
    assert_eq!(count(&store, "*"), SAID + LATE);
    let hers = count(&store, &format!("subject:{ANNA}"));
    let report = store.verify(&all().repair(true)).unwrap();
    let named: Vec<_> = report.damage.iter().filter(|d| d.contains(".seg is missing")).collect();
    assert!(named.len() == 1 && named[0].contains("1540 records at positions 0 to 1539"), "{report:?}");
    let certificate = erase(&store);
    assert_eq!((certificate.records_removed, certificate.records_lost), (hers + 1, 0), "the index named her");
    store.close().unwrap();
    let disk = back(&disk, &files, ".seg");
    let store = builder(&disk).open().unwrap();
    assert_eq!(annas_that_open(&store, &files), 0);
    assert_eq!(bodies(&store, "*") as u64, SAID + LATE - hers, "all others are alive");
    let report = store.verify(&all()).unwrap();
    assert!(report.damage.is_empty() && report.given_up.is_empty(), "{report:?}");
}

#[test]
fn what_a_cut_body_file_lost_is_given_up_when_asked_and_named_for_good() {
    let files = files();
    let path = named(&files, ".seg");
    for cut in [files[&path].len() / 2 / PAGE * PAGE, files[&path].len() / 2 + 77, 100] {
        let mut lost = files.clone();
        lost.get_mut(&path).unwrap().truncate(cut);
        let disk = MemoryVfs::from_files(lost);
        let store = builder(&disk).open().unwrap();
        assert_eq!(count(&store, "*"), SAID + LATE, "the index answers");
        let report = store.verify(&all().repair(true)).unwrap();
        assert!(!report.damage.is_empty() && report.given_up.is_empty(), "{cut} {report:?}");
        let report = store.verify(&all().repair(true).accept_losses(true)).unwrap();
        assert!(report.damage.is_empty(), "{cut} {report:?}");
        assert_eq!(report.given_up.len(), 1);
        store.close().unwrap();
        let store = builder(&disk).open().unwrap();
        let report = store.verify(&all()).unwrap();
        assert!(report.damage.is_empty(), "{cut} {report:?}");
        assert!(report.records_lost > 0 && report.records_lost <= ROLLED);
        assert_eq!(store.stats().unwrap().lost, report.records_lost);
        let people = count(&store, "kind:person");
        assert_eq!(count(&store, "*") + people + report.records_lost, ROLLED + LATE);
        assert_eq!(bodies(&store, "*") as u64, count(&store, "*"), "what is counted opens");
        // The whole file comes back too late, and from another place.
        let disk = back(&disk, &files, ".seg");
        drop(store);
        let store = builder(&disk).open().unwrap();
        assert_eq!(count(&store, "*") + people + report.records_lost, ROLLED + LATE);
        erase(&store);
        let disk = back(&disk, &files, ".seg");
        drop(store);
        assert_eq!(annas_that_open(&builder(&disk).open().unwrap(), &files), 0);
    }
}

#[test]
fn a_segment_that_is_not_waited_for_any_more_leaves_when_asked() {
    let files = files();
    let disk = without(&files, ".idx");
    let store = builder(&disk).open().unwrap();
    let report = store.verify(&VerifyOptions::new().repair(true).accept_losses(true)).unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    assert_eq!((store.unreadable(), report.records_lost), (vec![], ROLLED));
    store.close().unwrap();
    let store = builder(&back(&disk, &files, ".idx")).open().unwrap();
    assert_eq!(count(&store, "*"), LATE);
    let report = store.verify(&all()).unwrap();
    assert!(report.damage.is_empty() && report.given_up.len() == 1, "{report:?}");
}

/// A store with records in the journal only, eight frames of ten, and somebody in each.
fn journal() -> (Files, PathBuf, Vec<usize>) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    for batch in 0..8 {
        store.append(&(batch * 10..batch * 10 + 10).map(record).collect::<Vec<_>>()).unwrap();
    }
    store.close().unwrap();
    let mut files = disk.snapshot();
    files.retain(|path, _| path.extension().is_none_or(|e| e != "par"));
    let holds = |p: &&PathBuf| p.extension().is_some_and(|e| e == "jrn") && files[*p].starts_with(b"EJF1");
    let path = files.keys().find(holds).unwrap().clone();
    let bytes = &files[&path];
    let frames = (0..bytes.len()).step_by(16).filter(|i| bytes[*i..].starts_with(b"EJF1")).collect();
    (files, path, frames)
}

#[test]
fn a_frame_of_the_journal_is_given_up_only_when_asked_and_stops_no_erasure() {
    let (files, path, frames) = journal();
    assert_eq!(frames.len(), 10, "opened, eight batches, closed");
    // The third batch; two in a row; the first; the last; and one whose seal is gone, with all behind.
    for (lost, seal, records) in [
        (vec![3], false, 1),
        (vec![3, 4], false, 2),
        (vec![1], false, 1),
        (vec![8], false, 1),
        (vec![7], true, 2),
    ] {
        let mut damaged = files.clone();
        for frame in &lost {
            let bytes = damaged.get_mut(&path).unwrap();
            let at = frames[*frame] + if seal { 40 } else { 200 };
            for i in [0, 5, 9] {
                bytes[at + i] ^= 4;
            }
        }
        let disk = MemoryVfs::from_files(damaged.clone());
        let refused = builder(&disk).open().map(drop).unwrap_err();
        assert_eq!(refused.kind(), escrowdb::ErrorKind::Corrupt, "{lost:?}");
        assert_eq!(disk.snapshot(), damaged, "{lost:?}: nothing was changed");
        let store = builder(&disk).accept_losses(true).open().unwrap();
        let found = store.losses().unwrap();
        assert!(!found.is_empty() && found.iter().all(|l| l.by == GivenUpBy::Opening), "{lost:?} {found:?}");
        let people = count(&store, "kind:person");
        // How many stood in the last frames nobody can say.
        if !seal && lost != [8] {
            let gone = found.iter().map(|l| l.number).sum::<u64>();
            assert_eq!(count(&store, "*") + people + gone, 80 + 40, "{lost:?} {found:?}");
            assert!(gone >= records * 10, "{lost:?} {found:?}");
        }
        let report = store.verify(&all()).unwrap();
        assert!(report.damage.is_empty(), "{lost:?} {report:?}");
        assert_eq!(report.given_up.len(), found.len());
        let known = count(&store, &format!("subject:{ANNA}")) > 0;
        if known {
            erase(&store);
        }
        store.append(&[Record::new("new", "new@example.org", Micros(1), "x")]).unwrap();
        store.close().unwrap();
        let store = builder(&disk).open().unwrap();
        assert_eq!(count(&store, "conversation:new"), 1);
        let report = store.verify(&all()).unwrap();
        assert!(report.damage.is_empty() && report.given_up.len() == found.len(), "{lost:?} {report:?}");
    }
}

/// `erase` of a name that nobody has opened past a lost frame, gave its records up, and only then said
/// that there is nobody of that name. The frame might have come back from a backup.
#[test]
fn an_erasure_of_nobody_gives_no_frame_up() {
    let (files, path, frames) = journal();
    let mut damaged = files.clone();
    for i in [0, 5, 9] {
        damaged.get_mut(&path).unwrap()[frames[3] + 200 + i] ^= 4;
    }
    let disk = MemoryVfs::from_files(damaged.clone());
    let open = |selector: &Selector| builder(&disk).accept_losses_to_erase(selector.clone(), None).open();
    for nobody in [
        Selector::Person("nobody@example.org".into()),
        Selector::Conversation("nothing".into()),
        Selector::Record { id: "none".into(), conversation: None },
    ] {
        let refused = open(&nobody).map(drop).unwrap_err();
        assert_eq!(refused.kind(), escrowdb::ErrorKind::NotFound);
        assert!(!refused.to_string().contains("nobody@"));
        assert_eq!(disk.snapshot(), damaged, "nothing was changed");
    }
    // Whoever is known is erased, and the frame is given up for it.
    let anna = Selector::Person(ANNA.into());
    let store = open(&anna).unwrap();
    assert!(!store.losses().unwrap().is_empty());
    assert!(store.erase(&anna, &EraseOptions::default()).unwrap().records_removed > 0);
    store.close().unwrap();
    // Where nothing is lost the answer is that of the erasure.
    let disk = MemoryVfs::from_files(files);
    let nobody = Selector::Person("nobody@example.org".into());
    let store = builder(&disk).accept_losses_to_erase(nobody.clone(), None).open().unwrap();
    let refused = store.erase(&nobody, &EraseOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), escrowdb::ErrorKind::NotFound);
}

#[test]
fn a_journal_that_is_gone_is_given_up_only_when_asked_and_stops_no_erasure() {
    let closed = files();
    let journals: Vec<_> = closed.keys().filter(|p| p.extension().is_some_and(|e| e == "jrn")).collect();
    assert_eq!(journals.len(), 2);
    for path in journals {
        let mut damaged = closed.clone();
        damaged.remove(path);
        let disk = MemoryVfs::from_files(damaged.clone());
        if !closed[path].starts_with(b"EJF1") {
            // The other one was closed, so nothing stood here.
            let store = builder(&disk).open().unwrap();
            assert_eq!((count(&store, "*"), store.losses().unwrap().len()), (SAID + LATE, 0));
            assert!(store.verify(&all()).unwrap().damage.is_empty());
            continue;
        }
        let refused = builder(&disk).open().map(drop).unwrap_err();
        assert_eq!(refused.kind(), escrowdb::ErrorKind::Corrupt);
        assert_eq!(disk.snapshot(), damaged, "nothing was changed");
        let store = builder(&disk).accept_losses(true).open().unwrap();
        let found = store.losses().unwrap();
        assert_eq!(
            (found.len(), found[0].first.0, found[0].by),
            (1, ROLLED, GivenUpBy::Opening),
            "{found:?}"
        );
        assert_eq!(count(&store, "*"), SAID);
        erase(&store);
        assert_eq!(annas_that_open(&store, &closed), 0);
        store.append(&[Record::new("new", "new@example.org", Micros(1), "x")]).unwrap();
        store.close().unwrap();
        let store = builder(&disk).open().unwrap();
        assert_eq!(count(&store, "conversation:new"), 1);
        let report = store.verify(&all()).unwrap();
        assert!(report.damage.is_empty() && report.given_up.len() == 1, "{report:?}");
        // Put back, nothing of it opens: its key is gone.
        drop(store);
        let disk = back(&disk, &closed, &path.file_name().unwrap().to_string_lossy());
        assert_eq!(count(&builder(&disk).open().unwrap(), "conversation:new"), 1);
    }
}

#[test]
fn journals_that_are_both_gone_cost_what_stood_in_them() {
    let mut files = files();
    files.retain(|path, _| path.extension().is_none_or(|e| e != "jrn" && e != "par"));
    let disk = MemoryVfs::from_files(files);
    let store = builder(&disk).accept_losses(true).open().unwrap();
    assert_eq!((count(&store, "*"), store.losses().unwrap().len()), (SAID, 1));
    store.close().unwrap();
    assert_eq!(count(&builder(&disk).open().unwrap(), "*"), SAID);
}

#[test]
fn a_log_without_leaves_is_made_again_or_goes_on_with_what_lives() {
    let files = files();
    let path = named(&files, "level-0");
    let store = builder(&without(&files, "level-0")).open().unwrap();
    let report = store.verify(&all()).unwrap();
    assert!(report.damage.is_empty() && report.given_up.is_empty(), "every record lives: {report:?}");
    drop(store);
    // Somebody was erased: her leaves are nowhere else.
    let disk = MemoryVfs::from_files(files.clone());
    let store = builder(&disk).open().unwrap();
    let hers = erase(&store).records_removed;
    store.close().unwrap();
    let files = disk.snapshot();
    let disk = without(&files, "level-0");
    let store = builder(&disk).open().unwrap();
    assert_eq!(count(&store, "*"), SAID + LATE - (hers - 1), "no answer lacks anything");
    let report = store.verify(&all().repair(true)).unwrap();
    assert!(report.damage.len() == 1 && report.damage[0].contains("log/level-0: "), "{report:?}");
    assert!(report.given_up.is_empty());
    drop(store);
    let mut back = disk.snapshot();
    back.insert(path.clone(), files[&path].clone());
    let store = builder(&MemoryVfs::from_files(back)).open().unwrap();
    assert!(store.verify(&all()).unwrap().damage.is_empty(), "put back, nothing was given up");
    drop(store);
    // An erasure goes through, and so does a check that is told to give up.
    for erases in [true, false] {
        let disk = MemoryVfs::from_files(disk.snapshot());
        let store = builder(&disk).open().unwrap();
        if erases {
            let other = Selector::Person("p9@example.org".into());
            store.append(&[record(49)]).unwrap();
            store.append(&[Record::new("n", "p9@example.org", Micros(2), "x")]).unwrap();
            store.erase(&other, &EraseOptions::default()).unwrap();
        } else {
            let report = store.verify(&all().repair(true).accept_losses(true)).unwrap();
            assert!(report.damage.is_empty(), "{report:?}");
        }
        store.close().unwrap();
        let store = builder(&disk).open().unwrap();
        let report = store.verify(&all()).unwrap();
        assert!(report.damage.is_empty(), "{erases} {report:?}");
        assert_eq!((report.given_up.len(), report.records_lost), (1, 0), "{erases} {report:?}");
        assert!(report.given_up[0].contains("hashes of the log"), "{report:?}");
    }
}

/// The number of somebody whose name was lost with a frame was given again, so that what he had
/// written for others was shown as written by the next newcomer.
#[test]
fn a_number_that_was_given_in_a_lost_frame_is_not_given_again() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let said = |id: &str, author: &str, subject: &str| {
        Record::new("c", author, Micros(1), "x").id(id).subject(subject)
    };
    store.append(&[said("a", ANNA, ANNA)]).unwrap();
    store.append(&[said("b", "agent@example.org", "agent@example.org")]).unwrap();
    store.append(&[said("c", "agent@example.org", ANNA)]).unwrap();
    store.close().unwrap();
    let mut files = disk.snapshot();
    files.retain(|path, _| path.extension().is_none_or(|e| e != "par"));
    for bytes in files.values_mut().filter(|bytes| bytes.starts_with(b"EJF1")) {
        let frames: Vec<usize> =
            (0..bytes.len()).step_by(16).filter(|i| bytes[*i..].starts_with(b"EJF1")).collect();
        for i in [0, 5, 9] {
            bytes[frames[2] + 200 + i] ^= 4;
        }
    }
    let store = builder(&MemoryVfs::from_files(files)).accept_losses(true).open().unwrap();
    store.append(&[said("n", "new@example.org", "new@example.org")]).unwrap();
    let mut authors = Vec::new();
    let reading = store.session(Session::default());
    reading
        .search_each("*", Order::Oldest, |hit| {
            authors.push((hit.id.clone(), hit.author.clone()));
            true
        })
        .unwrap();
    authors.sort();
    let named = |id: &str, author: Option<&str>| (id.to_owned(), author.map(str::to_owned));
    assert_eq!(authors, [named("a", Some(ANNA)), named("c", None), named("n", Some("new@example.org"))]);
}

/// Acts and what was typed lie in the lost files too. Without its index a segment tells of none, and what was
/// typed there dies with any erasure. Without bodies the acts that can't be read are an error and no shorter
/// list; what was typed may name her, so all of it goes with her, and is not there again with the file.
#[test]
fn acts_in_lost_files_are_missed_and_what_was_typed_dies() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).audit(Level::All).create().unwrap();
    store.append(&(0..200).map(record).collect::<Vec<_>>()).unwrap();
    let dana = || Session::new().actor("dana").purpose("complaint");
    store.session(dana()).records_of(ANNA).unwrap();
    store.session(dana()).count("kind:import").unwrap();
    store.roll().unwrap();
    store.session(dana()).count("kind:import").unwrap();
    store.set_audit_rules(&dana(), &AuditRules::new(Level::Off)).unwrap();
    store.close().unwrap();
    let files = disk.snapshot();
    let kept = |store: &Store| {
        let all = ActOptions::new().limit(1000).details(true);
        let acts = store.session(Session::new().purpose("check")).acts("author:dana", &all)?;
        let details = acts.iter().filter(|act| act.detail.is_some()).count();
        escrowdb::Result::Ok((acts.len(), details))
    };
    assert_eq!(kept(&builder(&MemoryVfs::from_files(files.clone())).open().unwrap()).unwrap(), (4, 4));
    // Of what she said nobody knows what a question might have found, so the one in the journal goes too: its
    // purpose stays.
    for (end, away, back_again) in [(".idx", Ok((2, 2)), (2, 2)), (".seg", Err(()), (4, 2))] {
        let disk = without(&files, end);
        let store = builder(&disk).open().unwrap();
        assert_eq!(kept(&store).map_err(drop), away, "{end}");
        erase(&store);
        store.close().unwrap();
        let disk = back(&disk, &files, end);
        let store = builder(&disk).open().unwrap();
        assert_eq!(kept(&store).unwrap(), back_again, "{end}");
        assert!(store.verify(&all()).unwrap().damage.is_empty(), "{end}");
    }
}
