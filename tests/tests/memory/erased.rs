//! After an erasure is acknowledged the memory of the process that did it holds nothing of the
//! erased person, and none of the keys that died, wherever they once stood: live index, caches,
//! key tree, frames, block buffers, stacks. The search looks at a child process from outside.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use escrowdb_tests::child::{APART, ERASED_RECORD, PEOPLE, RECORDS, Word, word};
use escrowdb_tests::evidence::{Evidence, files_at_rest};
use escrowdb_tests::memory::{Found, Needles, Subject};
use escrowdb_tests::sealed::{Depth, Hunt, hunt, windows};

/// With the allocator of the command line.
const WIPED: &str = env!("CARGO_BIN_EXE_wiped_memory");
/// With the system's allocator.
const PLAIN: &str = env!("CARGO_BIN_EXE_plain_memory");

/// Records after which a journal is rolled in the background.
const NEVER: u32 = 1_000_000;

#[test]
fn an_erased_person_leaves_nothing() {
    for (i, roll_records) in [NEVER, 50].into_iter().enumerate() {
        let mut scene = Scene::set(WIPED, &format!("person-{i}"), roll_records);
        scene.erase("person", 6);
        assert_eq!(scene.left(&her_words()), Found::new(), "rolled after {roll_records}");
        assert_eq!(scene.left(&scene.died), Found::new(), "rolled after {roll_records}");
    }
}

#[test]
fn an_erased_conversation_leaves_nothing() {
    let mut scene = Scene::set(WIPED, "conversation", NEVER);
    scene.erase("conversation", 4);
    let mut words = Needles::default();
    words.add("conversation", word(0, Word::Conversation));
    words.add("tag", word(0, Word::Tag));
    add_bodies(&mut words, 0..2 * RECORDS);
    assert_eq!(scene.left(&words), Found::new());
    assert_eq!(scene.left(&scene.died), Found::new());
}

/// What is masked is looked up in every segment, a conversation by its name. A search between the last
/// clearing of what is kept and the end of the mask left the name among the terms that were looked up.
#[test]
fn an_erased_conversation_leaves_nothing_while_others_search() {
    for i in 0..3 {
        let mut scene = Scene::set(WIPED, &format!("asked-{i}"), 50);
        scene.erase("conversation asked", 4);
        let mut words = Needles::default();
        words.add("conversation", word(0, Word::Conversation));
        assert_eq!(scene.left(&words), Found::new());
    }
}

/// Who searched while the mask stood left a copy of it, with the name of the conversation, in what is known of edits
/// and tags, until somebody searched again: in one of thirty runs beside a busy machine nobody did.
#[test]
fn an_erased_conversation_leaves_nothing_where_the_last_search_was_within() {
    for nth in 1..12 {
        let mut scene = Scene::set(WIPED, &format!("within-{nth}"), 50);
        scene.erase(&format!("conversation within {nth}"), 4);
        let mut words = Needles::default();
        words.add("conversation", word(0, Word::Conversation));
        assert_eq!(scene.left(&words), Found::new(), "who searched at {nth}");
    }
}

#[test]
fn an_erased_record_leaves_nothing() {
    let mut scene = Scene::set(WIPED, "record", NEVER);
    scene.erase("record", 2);
    let mut words = Needles::default();
    words.add("body", word(0, Word::Body(ERASED_RECORD)));
    assert_eq!(scene.left(&words), Found::new());
    assert_eq!(scene.left(&scene.died), Found::new());
}

/// Words of bodies that were asked for, as they were in both batches: in dictionaries, in lists of
/// terms that were looked up, in the live index, in queries, in snippets.
#[test]
fn erased_words_that_were_asked_for_leave_nothing() {
    for (what, erased, died_min) in [
        ("person", 0..2 * RECORDS, 6),
        ("conversation", 0..2 * RECORDS, 4),
        ("record", ERASED_RECORD..ERASED_RECORD + 1, 2),
    ] {
        for roll_records in [NEVER, 50] {
            let mut scene = Scene::set(WIPED, &format!("words-{what}-{roll_records}"), roll_records);
            scene.subject.tell("ask");
            let mut words = Needles::default();
            add_bodies(&mut words, erased.clone());
            assert_eq!(scene.subject.search(&words).len(), words.len(), "the control, {what}");
            scene.erase(what, died_min);
            assert_eq!(scene.left(&words), Found::new(), "{what}, rolled after {roll_records}");
        }
    }
}

/// Whoever fills a journal freezes its index. That was moved by value, and in it the analyser with the end
/// of the last text: a copy stayed on the stack of whoever had appended, for as long as he did nothing else.
#[test]
fn whoever_fills_a_journal_keeps_nothing_on_his_stack() {
    // The second batch and the records apart fill a journal, the first batch and its people don't.
    let mut scene = Scene::set(WIPED, "apart", (RECORDS * PEOPLE + APART) as u32);
    scene.subject.tell("append-apart");
    let mut words = Needles::default();
    add_bodies(&mut words, RECORDS..2 * RECORDS + APART);
    scene.erase("person", 6);
    assert_eq!(scene.left(&words), Found::new());
}

/// An embedding program may have another allocator. Then text can be read in freed memory until
/// it is used again (this test finds some, which shows what the wiping one is for), but no key.
#[test]
fn keys_die_without_a_wiping_allocator() {
    let mut scene = Scene::set(PLAIN, "plain", NEVER);
    scene.erase("person", 6);
    assert_eq!(scene.left(&scene.died), Found::new());
    assert!(!scene.left(&her_words()).is_empty(), "freed text is gone: then say so in the documentation");
}

/// A process with a store that has been written, rolled and read.
struct Scene {
    subject: Subject,
    folder: Folder,
    died: Needles,
}

impl Scene {
    fn set(program: &str, name: &str, roll_records: u32) -> Self {
        let folder = Folder::new(name);
        let mut subject = Subject::start(program);
        subject.tell(&format!("create {roll_records} {}", folder.0.join("store").display()));
        for order in ["append 0", "read", "roll", "read", "append 1", "read"] {
            subject.tell(order);
        }
        // The control: what will be looked for is found while it lives.
        let words = her_words();
        let found = subject.search(&words);
        // Where journals are rolled in the background, and the stacks of who does that are wiped, her name may be all.
        let expected = if u64::from(roll_records) > RECORDS * PEOPLE { words.len() } else { 1 };
        assert!(found.len() >= expected, "of {} words only {:?}", words.len(), found.keys());
        Self { subject, folder, died: Needles::default() }
    }

    /// Erases, and learns which keys died by it: at least so many, some of them in memory before.
    fn erase(&mut self, what: &str, died_min: usize) {
        let before = keys(&self.folder.0);
        let living = self.subject.search(&needles(&before));
        self.subject.tell(&format!("erase {what}"));
        let after = keys(&self.folder.0);
        let died: BTreeSet<_> = before.difference(&after).copied().collect();
        assert!(died.len() >= died_min, "only {} of {} keys died", died.len(), before.len());
        let seen = died.iter().filter(|key| living.contains_key(&name_of(key))).count();
        assert!(seen * 2 >= died_min, "of {} keys that died only {seen} were seen alive", died.len());
        self.died = needles(&died);
    }

    /// What is found of `needles`, after a look that shows that others are still found.
    fn left(&self, needles: &Needles) -> Found {
        let mut others = Needles::default();
        others.add("name", word(1, Word::Name));
        assert!(!self.subject.search(&others).is_empty(), "another person is gone too");
        self.subject.search(needles)
    }
}

/// Her words in the first person's place: of the first batch every body is sealed in a segment by
/// now, the second stands in memory.
fn her_words() -> Needles {
    let mut words = Needles::default();
    for (name, which) in [("name", Word::Name), ("conversation", Word::Conversation), ("tag", Word::Tag)] {
        words.add(name, word(0, which));
    }
    add_bodies(&mut words, RECORDS..2 * RECORDS);
    words
}

fn add_bodies(words: &mut Needles, numbers: Range<u64>) {
    for i in numbers {
        words.add(format!("body {i}"), word(0, Word::Body(i)));
    }
}

fn needles(keys: &BTreeSet<[u8; 32]>) -> Needles {
    let mut needles = Needles::default();
    for key in keys {
        needles.add(name_of(key), *key);
    }
    needles
}

/// A name that does not say the key.
fn name_of(key: &[u8; 32]) -> String {
    format!("key {}", &blake3::hash(key).to_hex()[..8])
}

/// Every key that opens something, from the slot down.
fn keys(folder: &Path) -> BTreeSet<[u8; 32]> {
    let slot = fs::read(folder.join("store.slot")).unwrap();
    let secrets: Vec<_> = windows(&slot).collect();
    let evidence = Evidence::of_files(files_at_rest(folder));
    let Hunt { keys, .. } = hunt(&evidence, &secrets, &BTreeSet::new(), Depth::Formats);
    assert!(!keys.is_empty());
    keys
}

/// A folder of its own; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
