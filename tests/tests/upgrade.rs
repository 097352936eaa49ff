//! A store of format 1 stays one until it is asked: no word is written into it, and none is found. An
//! upgrade gives words to every index, and is finished by the next one wherever it was killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use escrowdb::id::Micros;
use escrowdb::record::{Kind, Record};
use escrowdb::session::Session;
use escrowdb::store::{CompactOptions, EraseOptions, Order, Selector, VerifyOptions};
use escrowdb::text::Analyser;
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::crash::{CrashOptions, Image, crashes};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::recording_vfs::{Op, RecordingVfs};

#[path = "upgrade/quarantine.rs"]
mod quarantine;

/// The fixture of format 1, as it was released, at `/s`.
fn fixture() -> Vec<(PathBuf, Vec<u8>)> {
    fixture_of(1)
}

fn fixture_of(version: u32) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(from: &Path, to: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(from).unwrap() {
            let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
            if path.is_dir() { walk(&path, &to, found) } else { found.push((to, fs::read(&path).unwrap())) }
        }
    }
    let mut found = Vec::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/v{version}"));
    walk(&from.join("store"), Path::new("/s"), &mut found);
    found.push(("/s.slot".into(), fs::read(from.join("store.slot")).unwrap()));
    found
}

fn open(disk: Arc<dyn Vfs>) -> Store {
    // A seed of its own each time: names of files are drawn, too.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let entropy = Arc::new(SeededEntropy::new(NEXT.fetch_add(1, Ordering::Relaxed)));
    Store::builder("/s").vfs(disk).entropy(entropy).background(false).close_roll_records(0).open().unwrap()
}

fn open_in(disk: &MemoryVfs) -> Store {
    open(Arc::new(disk.clone()))
}

/// Versions of the indexes' pages, one a file.
fn versions(disk: &MemoryVfs) -> Vec<u8> {
    let is_index = |path: &PathBuf| path.extension().is_some_and(|e| e == "idx");
    disk.snapshot().into_iter().filter(|(path, _)| is_index(path)).map(|(_, bytes)| bytes[4]).collect()
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(Session::new()).count(query).unwrap()
}

fn refuses_words(store: &Store) -> bool {
    match store.session(Session::new()).count("parcel") {
        Ok(_) => false,
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
            assert!(e.hint_text().is_some_and(|hint| hint.contains("escrow upgrade")));
            true
        }
    }
}

/// Every record of a store, as it could be added to another.
fn records(store: &Store) -> Vec<Record> {
    let mut all = Vec::new();
    for kind in
        (1..=31).filter(|byte| *byte != Kind::Person as u8).filter_map(|byte| Kind::try_from(byte).ok())
    {
        let query = format!("kind:{}", kind.name());
        let session = store.session(Session::new());
        session
            .search_each(&query, Order::Oldest, |hit| {
                // One who is gone from the key tree has no name any more.
                let author = hit.author.unwrap_or_else(|| "gone@example.org".into());
                all.push(Record::new(hit.conversation, author, hit.time, hit.body).kind(hit.kind));
                true
            })
            .unwrap();
    }
    all
}

/// Every word of these records, as a query.
fn words(records: &[Record]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for record in records {
        Analyser::new().words(&record.body, |word| {
            all.extend(std::str::from_utf8(word.value).map(str::to_owned));
        });
    }
    all
}

/// Queries for words, and what a store answers that was made by this program from the same records.
fn wanted(store: &Store) -> Vec<(String, u64)> {
    let records = records(store);
    let fresh = Store::builder("/fresh").vfs(Arc::new(MemoryVfs::new())).create().unwrap();
    for outcome in records.chunks(100).flat_map(|batch| fresh.append(batch).unwrap()) {
        assert!(matches!(outcome, escrowdb::store::Outcome::Added(_)), "{outcome:?}");
    }
    let others = ["\"my parcel has\"", "\"parcel my\"", "parc*", "percel~1", "line NOT parcel", "\"東京の\""];
    let queries = words(&records).into_iter().chain(others.map(str::to_owned));
    let wanted: Vec<(String, u64)> = queries.map(|query| (query.clone(), count(&fresh, &query))).collect();
    assert!(wanted.len() > 20 && wanted.iter().filter(|(_, n)| *n > 50).count() > 10, "{wanted:?}");
    wanted
}

fn has_words(store: &Store, wanted: &[(String, u64)]) {
    for (query, number) in wanted {
        assert_eq!(count(store, query), *number, "{query}");
    }
}

fn is_whole(store: &Store) {
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}

fn late(n: i64) -> Record {
    Record::new("late", "late@example.org", Micros(1_790_000_000_000_000 + n), format!("Late parcel {n}"))
}

/// Opening must not change the format (docs/FORMAT.md, section 14): programs of format 1 go on
/// reading whatever is written into their stores by others.
#[test]
fn a_store_of_format_1_stays_one_until_it_is_asked() {
    let disk = MemoryVfs::from_files(fixture());
    for n in 0..3 {
        let store = open_in(&disk);
        assert_eq!(store.format(), 1);
        store.append(&[late(n), late(n + 10)]).unwrap();
        assert!(refuses_words(&store), "what is live too");
        store.roll().unwrap();
        store.append(&[late(n + 20)]).unwrap();
        if n == 1 {
            store.erase(&Selector::Person("مريم".into()), &EraseOptions::default()).unwrap();
            store.compact(&CompactOptions::new(), |_| ()).unwrap();
        }
        assert!(count(&store, "tag:all") > 300);
        assert_eq!(count(&store, "author:late@example.org"), 3 * (n as u64 + 1));
        is_whole(&store);
        store.close().unwrap();
    }
    // An unclean stop: its journals are rolled.
    let store = open_in(&disk);
    store.append(&[late(90)]).unwrap();
    let stopped = MemoryVfs::from_files(disk.snapshot());
    assert_eq!(open_in(&stopped).format(), 1);
    for disk in [disk, stopped] {
        assert!(versions(&disk).len() > 1);
        assert!(versions(&disk).iter().all(|version| *version == 1), "{:?}", versions(&disk));
    }
}

#[test]
fn an_upgrade_gives_words_to_every_index() {
    let disk = MemoryVfs::from_files(fixture());
    let store = open_in(&disk);
    // In a segment, and in the live index.
    store.append(&[late(0)]).unwrap();
    store.roll().unwrap();
    store.append(&[late(1)]).unwrap();
    let (wanted, before) = (wanted(&store), records(&store));
    let indexes = versions(&disk).len() as u64 + 1;
    let mut steps = 0;
    let report = store.upgrade(|_| steps += 1).unwrap();
    assert_eq!((report.from, report.to, report.damaged, report.left), (1, 4, 0, 0));
    assert_eq!((report.rebuilt, steps), (indexes, indexes + 1));
    let same = |store: &Store| {
        assert_eq!(store.format(), 4);
        assert!(records(store) == before);
        has_words(store, &wanted);
        is_whole(store);
    };
    same(&store);
    assert!(versions(&disk).iter().all(|version| *version == 2));
    assert_eq!(store.upgrade(|_| panic!("nothing to do")).unwrap().rebuilt, 0);
    store.close().unwrap();
    // It stays so, through every sort of commit.
    let store = open_in(&disk);
    same(&store);
    store.append(&[late(2)]).unwrap();
    assert_eq!(count(&store, "\"late parcel\""), 3);
    store.compact(&CompactOptions::new(), |_| ()).unwrap();
    assert_eq!(count(&store, "\"late parcel\""), 3);
    store.erase(&Selector::Person("late@example.org".into()), &EraseOptions::default()).unwrap();
    assert_eq!(count(&store, "late"), 0);
    store.append(&[late(3)]).unwrap();
    store.close().unwrap();
    let store = open_in(&disk);
    assert_eq!((store.format(), count(&store, "\"parcel 3\"")), (4, 1));
    assert!(versions(&disk).iter().all(|version| *version == 2));
    is_whole(&store);
}

/// Opening leaves a store of format 2 one, and nothing of it is written anew to make it one of today's.
#[test]
fn a_store_of_format_2_becomes_one_of_today_by_one_commit() {
    let disk = MemoryVfs::from_files(fixture_of(2));
    let store = open_in(&disk);
    store.append(&[late(0)]).unwrap();
    store.erase(&Selector::Person("مريم".into()), &EraseOptions::default()).unwrap();
    assert_eq!(store.format(), 2);
    let before = records(&store);
    let mut steps = 0;
    let report = store.upgrade(|_| steps += 1).unwrap();
    assert_eq!((report.from, report.to, report.rebuilt, report.left, steps), (2, 4, 0, 0, 1));
    assert_eq!(store.upgrade(|_| panic!("nothing to do")).unwrap().from, 4);
    store.close().unwrap();
    let store = open_in(&disk);
    assert_eq!(store.format(), 4);
    assert!(records(&store) == before);
    is_whole(&store);
}

/// The fixture with three segments more, and records in its journal.
fn several() -> Vec<(PathBuf, Vec<u8>)> {
    let disk = MemoryVfs::from_files(fixture());
    let store = open_in(&disk);
    for n in 0..3 {
        store.append(&[late(n), late(n + 10)]).unwrap();
        store.roll().unwrap();
    }
    store.append(&[late(20)]).unwrap();
    drop(store);
    disk.snapshot().into_iter().collect()
}

/// What a killed upgrade may not change, and what the next one must bring.
struct Killed {
    before: Vec<Record>,
    /// Queries for words.
    wanted: Vec<(String, u64)>,
    /// States with words in a part of the indexes, and in all of them.
    part: usize,
    whole: usize,
}

impl Killed {
    /// What a kill left: the store opens, answers as before, words are all there or refused. Goes on
    /// with the upgrade, on a disk that is recorded if it is to be killed again.
    fn check(&mut self, image: &Image, goes_on: &Arc<dyn Vfs>) {
        let what = &image.what;
        let disk = image.disk();
        let store = open_in(&disk);
        assert!(records(&store) == self.before, "{what}");
        // Of the old format as a whole, or of the new one: a program of the first release must read all
        // of the one, and must not open the other.
        let old = store.format() == 1;
        assert!(!old || versions(&disk).iter().all(|version| *version == 1), "{what}");
        if refuses_words(&store) {
            self.part += usize::from(versions(&disk).contains(&2));
        } else {
            assert!(!old, "{what}");
            has_words(&store, &self.wanted);
            self.whole += 1;
        }
        drop(store);
        let store = open(Arc::clone(goes_on));
        let report = store.upgrade(|_| ()).unwrap();
        assert_eq!((report.to, report.left, report.damaged), (4, 0, 0), "{what}");
        self.is_done(&store, what);
        store.close().unwrap();
    }

    fn is_done(&self, store: &Store, what: &str) {
        assert!(records(store) == self.before, "{what}");
        has_words(store, &self.wanted);
        assert_eq!(store.upgrade(|_| panic!("nothing to do")).unwrap().rebuilt, 0, "{what}");
    }
}

/// Wherever the power is cut or the process killed, once or twice, the next upgrade finishes.
#[test]
fn an_upgrade_that_was_killed_is_finished_by_the_next() {
    let full = escrowdb_tests::crash::explore::is_full();
    let recording = RecordingVfs::from_files(several());
    let from = recording.log_len();
    let store = open(Arc::new(recording.clone()));
    let mut killed = Killed {
        before: records(&store),
        wanted: wanted(&store).into_iter().step_by(5).collect(),
        part: 0,
        whole: 0,
    };
    assert!(store.upgrade(|_| ()).unwrap().rebuilt >= 4);
    let options = |from: usize, ops: &[Op]| CrashOptions {
        points: from..ops.len() + 1,
        exhaustive_max: if full { 3 } else { 0 },
        random: if full { 8 } else { 1 },
        torn: usize::from(full),
        seed: 7,
    };
    let log = recording.log();
    let (mut points, mut states, mut nested) = (BTreeSet::new(), 0, 0);
    for image in crashes(&log, options(from, &log)) {
        points.insert(image.at);
        states += 1;
        let again = image.recording();
        let begun = again.log_len();
        killed.check(&image, &(Arc::new(again.clone()) as Arc<dyn Vfs>));
        let disk = MemoryVfs::from_files(again.snapshot());
        let store = open_in(&disk);
        killed.is_done(&store, &image.what);
        let left = versions(&disk).len() as u64;
        assert_eq!(left, store.stats().unwrap().segments, "files that nobody names");
        is_whole(&store);
        if states % if full { 5 } else { 40 } != 0 {
            continue;
        }
        let ops = again.log();
        for image in crashes(&ops, options(begun, &ops)).step_by(if full { 3 } else { 20 }) {
            nested += 1;
            killed.check(&image, &(Arc::new(image.disk()) as Arc<dyn Vfs>));
        }
    }
    let Killed { part, whole, .. } = killed;
    println!(
        "{} points, {states} states, {nested} of a second kill; {part} with words in part",
        points.len()
    );
    assert!(points.len() > 40 && nested > 10 && part > 20 && whole > 0, "{part} in part, {whole} whole");
}

/// What is merged has words only if all of it had, so such segments would lose them without a word.
#[test]
fn segments_of_both_versions_are_not_merged() {
    let disk = MemoryVfs::from_files(fixture());
    let store = open_in(&disk);
    for n in 0..2 {
        store.append(&[late(n)]).unwrap();
        store.roll().unwrap();
    }
    let wanted = wanted(&store);
    let mut halfway = None;
    store
        .upgrade(|report| {
            if (report.rebuilt, halfway.is_some()) == (2, false) {
                halfway = Some(disk.snapshot());
            }
        })
        .unwrap();
    let disk = MemoryVfs::from_files(halfway.unwrap());
    let store = open_in(&disk);
    assert!(refuses_words(&store));
    let report = store.compact(&CompactOptions::new(), |_| ()).unwrap();
    assert_eq!((report.segments_after, report.damaged), (2, 0), "one of each sort");
    let mut sorts = versions(&disk);
    sorts.sort_unstable();
    assert_eq!(sorts, [1, 2]);
    // An erasure leaves each what it is.
    assert_eq!(store.upgrade(|_| ()).unwrap().rebuilt, 1);
    has_words(&store, &wanted);
    is_whole(&store);
}

/// A segment of which records can't be read is left as it is and named; the others get their words.
#[test]
fn a_damaged_segment_is_left_alone() {
    let disk = MemoryVfs::from_files(fixture());
    let longest = |disk: &MemoryVfs| {
        let bodies =
            disk.snapshot().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "seg"));
        bodies.max_by_key(|(_, bytes)| bytes.len()).unwrap()
    };
    let (path, whole) = longest(&disk);
    let mut bytes = whole.clone();
    let len = bytes.len();
    bytes[len / 4..len / 2].fill(7);
    disk.open(&path).unwrap().write_at(&bytes, 0).unwrap();
    let store = open_in(&disk);
    let all = count(&store, "*");
    let report = store.upgrade(|_| ()).unwrap();
    assert_eq!((report.to, report.damaged, report.left), (4, 1, 0));
    assert!(report.rebuilt > 0);
    assert!(refuses_words(&store));
    assert_eq!(count(&store, "*"), all);
    drop(store);
    disk.open(&path).unwrap().write_at(&whole, 0).unwrap();
    let store = open_in(&disk);
    assert_eq!(store.upgrade(|_| ()).unwrap().rebuilt, 1);
    has_words(&store, &wanted(&store));
}
