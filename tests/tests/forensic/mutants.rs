//! Mutants of the erasure, put together from outside: each leaves behind what a broken engine
//! would leave, and the verdict that clears the engine in `erasures.rs` must report it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

mod lying_slot;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use escrowdb::crypto::{ALGORITHM, Label, Secret as Key, derive};
use escrowdb::id::{FileId, Handle, Micros, PersonNumber, RequestId, SegmentId, StoreId};
use escrowdb::keyring::entry::{Entry, Identifier, Journal, Person, Segment, StoreKey, key, name_tag};
use escrowdb::keyring::pending::{Done, Pending, Target, Waiting};
use escrowdb::keyring::{Changes, FileSlot, Keyring, Slot};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Selector};
use escrowdb::vfs::Vfs;
use escrowdb_tests::call::Class;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::evidence::{Kind, PAGE};
use escrowdb_tests::recording_vfs::Op;
use escrowdb_tests::sealed::verdict::{Verdict, verdict};
use escrowdb_tests::sealed::world::{DIR, Options, SLOT, World};
use escrowdb_tests::sealed::{Hunt, Opened, Secret};
use lying_slot::{LyingSlot, What};
use zeroize::Zeroizing;

/// Anna was erased; `before` is what an attacker with the slot saw before.
struct Erased {
    w: World,
    before: Hunt,
    anna: String,
    number: u64,
    store: StoreId,
    /// Operations before the erasure.
    from: usize,
}

fn living(seed: u64) -> (World, String) {
    let mut w = World::new(Options { seed, roll_records: 6, deep: false, ..Options::default() });
    let (anna, bert, c) = (w.person(), w.person(), w.word());
    for i in 0..16 {
        w.say([&anna, &bert][i % 2], &[], &c);
    }
    (w, anna)
}

fn erased_on(mut w: World, anna: String) -> Erased {
    let before = w.control();
    let selector = Selector::Person(anna.clone());
    w.note_numbers(&selector);
    let number = w.store().session(Session::new()).person(&anna).unwrap().number.0;
    let (from, store) = (w.disk.log_len(), w.store().id());
    w.store().erase(&selector, &EraseOptions::default()).unwrap();
    w.bury(&selector);
    w.acknowledged();
    Erased { w, before, anna, number, store, from }
}

fn erased() -> Erased {
    let (w, anna) = living(7);
    let e = erased_on(w, anna);
    e.w.verdict().assert_clean("no mutant yet");
    e
}

impl Erased {
    /// A word of the erased that the control found in a kind of object, and that object.
    fn object(&self, kind: Kind) -> &Opened {
        let dead = self.w.scene().dead;
        let holds = |o: &&Opened| {
            o.kind == kind && dead.iter().any(|w| o.text.windows(w.len()).any(|t| t == w.as_bytes()))
        };
        self.before.opened.iter().find(holds).unwrap()
    }

    /// The verdict if the attacker had these keys too.
    fn with_keys(&self, keys: &[Secret]) -> Verdict {
        let mut scene = self.w.scene();
        scene.keys.extend(keys);
        verdict(&scene)
    }

    /// The key tree, from the closed store.
    fn keyring(&self) -> Keyring {
        let vfs: Arc<dyn Vfs> = Arc::new(self.w.disk.clone());
        let record = FileSlot::new(Arc::clone(&vfs), SLOT).load().unwrap().unwrap();
        let entropy = Arc::new(SeededEntropy::new(99));
        Keyring::open(vfs, Path::new(DIR), entropy, record.store, &record.root, record.epoch).unwrap()
    }

    /// The verdict after an entry was left in the key tree.
    fn with_entry(&self, key: Vec<u8>, value: &impl Entry) -> Verdict {
        let keyring = self.keyring();
        let mut changes = Changes::default();
        changes.insert(key, Some(value.encode().unwrap()));
        let prepared = keyring.prepare(&changes, keyring.head().log, None).unwrap();
        keyring.publish(prepared).unwrap();
        verdict(&self.w.scene())
    }

    /// What the tree holds under a key of the store's own.
    fn store_key(&self, key: &[u8]) -> Secret {
        *StoreKey::decode(&self.keyring().tree().get(key).unwrap().unwrap()).unwrap().0
    }

    /// Seals `text` as page `number` of an index that lives, under its own key.
    fn plant_page(&self, number: Option<u32>, text: &[u8]) {
        let hunt = escrowdb_tests::sealed::verdict::open(&self.w.scene());
        let there = self.w.disk.snapshot();
        let page = hunt
            .opened
            .iter()
            .find(|o| o.kind == Kind::IndexPage && there.contains_key(&Path::new(DIR).join(&o.file)))
            .unwrap();
        let number = number.map(u64::from).unwrap_or_else(|| {
            let path = Path::new(DIR).join(&page.file);
            (there[&path].len() / PAGE) as u64
        });
        self.seal_page(page, number, text);
    }

    /// Seals `text` in place of a page that opened, under its own key.
    fn reseal(&self, page: &Opened, text: &[u8]) {
        self.seal_page(page, page.offset / PAGE as u64, text);
    }

    fn seal_page(&self, page: &Opened, number: u64, text: &[u8]) {
        let path = Path::new(DIR).join(&page.file);
        let file = FileId::parse(page.file.split('.').next().unwrap()).unwrap();
        let header = [b'E', b'D', b'I', b'X', 2, ALGORITHM, 0, 0];
        let aad = [&header[..], &self.store.0, &file.0, &(number as u32).to_le_bytes()].concat();
        let mut body = text.to_vec();
        body.resize(PAGE - 56, 0);
        let seal = derive(Label::IndexPage, &[&page.key], &[], &aad).seal(&mut body).unwrap();
        let bytes = [&header[..], &seal, &body].concat();
        self.w.disk.open(&path).unwrap().write_at(&bytes, number * PAGE as u64).unwrap();
    }
}

#[track_caller]
fn caught(v: &Verdict, sorts: &[&str]) {
    for sort in sorts {
        assert!(v.tells(sort), "not caught as `{sort}`: {:#?}", v.leaks);
    }
}

#[test]
fn old_index_key_kept() {
    let e = erased();
    caught(&e.with_keys(&[e.object(Kind::IndexPage).key]), &["word", "stale"]);
    let segment = Segment {
        key: Key::from_bytes(&e.object(Kind::IndexPage).key),
        index: FileId([1; 16]),
        index_pages: 1,
        bodies: vec![],
        docs: 0,
        generation: 0,
        first: Micros(0),
        last: Micros(0),
        min_seq: escrowdb::id::Seq(0),
        max_seq: escrowdb::id::Seq(0),
    };
    caught(&e.with_entry(key::segment(SegmentId(99)), &segment), &["word", "stale"]);
}

#[test]
fn old_journal_key_kept() {
    let e = erased();
    caught(&e.with_keys(&[e.object(Kind::Frame).key]), &["word", "stale"]);
    let journal = Journal { file: FileId([1; 16]), key: Key::from_bytes(&e.object(Kind::Frame).key) };
    caught(&e.with_entry([key::journal_next(), vec![9]].concat(), &journal), &["word", "stale"]);
}

#[test]
fn old_root_kept() {
    let e = erased();
    let root = e.before.opened.iter().find(|o| o.kind == Kind::Head).unwrap().key;
    caught(&e.with_keys(&[root]), &["word", "stale", "name", "person"]);
    // The new tree carries the old root.
    let v = e.with_entry([key::tag_key(), vec![9]].concat(), &StoreKey(Key::from_bytes(&root)));
    caught(&v, &["word", "stale", "name", "person"]);
}

/// The device swallows the overwriting of the old root and says it did it.
#[test]
fn old_root_survives_on_the_device() {
    let (mut w, anna) = living(8);
    w.seam = Some(Arc::new(LyingSlot::new(Arc::new(w.disk.clone()), What::Swallows)));
    w.reopen();
    caught(&erased_on(w, anna).w.verdict(), &["word", "stale", "name", "person"]);
}

/// The device does not overwrite and is caught at it: the erasure is not acknowledged.
#[test]
fn an_erasure_that_destroyed_nothing_is_not_acknowledged() {
    let (mut w, anna) = living(9);
    w.seam = Some(Arc::new(LyingSlot::new(Arc::new(w.disk.clone()), What::Ignores)));
    // Opening destroys the other record too; there is none yet, so nothing is amiss.
    w.reopen();
    let selector = Selector::Person(anna);
    assert!(w.store().erase(&selector, &EraseOptions::default()).is_err());
    assert!(w.store().append(&w.records()).is_err(), "the store stops");
}

/// At any moment between the commit and the destruction an acknowledgement would be a lie.
#[test]
fn acknowledged_before_the_destruction() {
    let e = erased();
    let log = e.w.disk.log();
    let slot_writes: Vec<usize> = (e.from..log.len()).filter(|i| is_slot_write(&log, *i)).collect();
    // Two copies of the new root, then two pages of zeros.
    assert_eq!(slot_writes.len(), 4);
    for (to, leaks) in [(slot_writes[1] + 1, true), (slot_writes[3], true), (slot_writes[3] + 1, false)] {
        let mut scene = e.w.scene();
        let disk = escrowdb_tests::recording_vfs::RecordingVfs::replay(&log[..to]);
        scene.slot = disk.snapshot()[&PathBuf::from(SLOT)].clone();
        let v = verdict(&scene);
        assert_eq!(v.tells("word"), leaks, "{to}: {:?}", v.leaks);
    }
}

fn is_slot_write(log: &[Op], i: usize) -> bool {
    let Op::Write { inode, .. } = &log[i] else { return false };
    log.iter()
        .any(|op| matches!(op, Op::Create { inode: j, path } if j == inode && Class::of(path) == Class::Slot))
}

/// The entries leave by a commit that changes no root: every old page still opens.
#[test]
fn ordinary_commit_where_an_erasing_one_is_due() {
    let (mut w, anna) = living(10);
    w.roll();
    w.control();
    let selector = Selector::Person(anna.clone());
    w.note_numbers(&selector);
    let number = PersonNumber(w.store().session(Session::new()).person(&anna).unwrap().number.0);
    let store = w.store().id();
    w.bury(&selector);
    let e = Erased { before: Hunt::default(), anna, number: number.0, store, from: 0, w };
    let keyring = e.keyring();
    let tag_key = e.store_key(&key::tag_key());
    let mut changes = Changes::default();
    for gone in [key::person(number), key::identifier(number, 0), key::name(&name_tag(&tag_key, &e.anna))] {
        assert!(keyring.tree().get(&gone).unwrap().is_some());
        changes.insert(gone, None);
    }
    keyring.publish(keyring.prepare(&changes, keyring.head().log, None).unwrap()).unwrap();
    caught(&verdict(&e.w.scene()), &["word", "name", "person"]);
}

#[test]
fn name_left_under_the_tag_range() {
    let e = erased();
    let tag_key = e.store_key(&key::tag_key());
    let v = e.with_entry(key::name(&name_tag(&tag_key, &e.anna)), &PersonNumber(e.number));
    caught(&v, &["name"]);
    assert_eq!(v.leaks.len(), 1, "{:?}", v.leaks);
}

#[test]
fn identifier_or_keys_left() {
    let e = erased();
    let name = Identifier(Zeroizing::new(e.anna.clone()));
    caught(&e.with_entry(key::identifier(PersonNumber(e.number), 0), &name), &["word"]);
    let e = erased();
    let person = Person {
        handle: Handle([1; 16]),
        content: Key::from_bytes(&e.object(Kind::Body).key),
        evidence: Key::from_bytes(&[1; 32]),
        state: 0,
        identifiers: 0,
        linked: vec![],
    };
    // The second lock is gone all the same, so the bodies stay shut.
    let v = e.with_entry(key::person(PersonNumber(e.number)), &person);
    assert!(v.tells("person") && !v.tells("word"), "{:?}", v.leaks);
}

#[test]
fn pending_carried_with_its_selector() {
    let e = erased();
    let conversation = e.w.scene().dead[0].clone();
    let waiting = Waiting {
        target: Target::Conversation(conversation),
        reason: None,
        asked: Micros(0),
        progress: Done::default(),
        forgotten: Vec::new(),
        family: Vec::new(),
        further: Vec::new(),
    };
    caught(&e.with_entry(key::pending(RequestId([3; 16])), &Pending::Waiting(waiting)), &["word"]);
}

/// An erased record of somebody who lives: her key lives, so all hangs on the second lock.
#[test]
fn block_left_in_the_block_table() {
    let (mut w, anna) = living(11);
    w.roll();
    let before = w.control();
    let id = w.records().into_iter().find(|r| r.author == anna).unwrap().id.unwrap();
    w.erase(&Selector::Record { id: id.clone(), conversation: None });
    let block = before
        .opened
        .iter()
        .find(|o| o.kind == Kind::Body && o.text.windows(id.len()).any(|t| t == id.as_bytes()));
    let block = block.unwrap();
    let lock =
        before.locks.iter().find(|((file, offset, _), _)| *file == block.file && *offset == block.offset);
    let mut scene = w.scene();
    scene.locks.push(*lock.unwrap().1);
    caught(&verdict(&scene), &["word"]);
}

#[test]
fn term_left_in_the_dictionary() {
    let e = erased();
    // As a dictionary with shared beginnings holds it.
    let word = &e.w.scene().dead[0];
    e.plant_page(None, format!("mark:\u{1}{}", &word[5..]).as_bytes());
    caught(&verdict(&e.w.scene()), &["word"]);
}

/// What a rewrite leaves that keeps an entry of a word: one that nobody wrote, and too little of it
/// to be told for hers by its letters.
#[test]
fn word_left_in_the_dictionary() {
    let e = erased();
    e.w.roll();
    let scene = e.w.scene();
    let hunt = escrowdb_tests::sealed::verdict::open(&scene);
    let there = e.w.disk.snapshot();
    // The first letters may be those of the word before it, and stand there.
    let tails = || scene.words.iter().filter(|w| w.len() == 16).map(|w| &w.as_bytes()[3..]);
    let in_text = |o: &Opened| {
        let find = |tail: &[u8]| Some((o.text.windows(tail.len()).position(|t| t == tail)?, tail.len()));
        tails().find_map(find)
    };
    let pages = hunt.opened.iter().filter(|o| o.kind == Kind::IndexPage);
    let mut living = pages.filter(|o| there.contains_key(&Path::new(DIR).join(&o.file)));
    let (page, (at, len)) = living.find_map(|o| Some((o, in_text(o)?))).unwrap();
    let mut text = page.text.clone();
    text[at + len - 4..at + len].copy_from_slice(b"zzzz");
    e.reseal(page, &text);
    let v = verdict(&e.w.scene());
    caught(&v, &["dictionary"]);
    assert!(!v.lost.is_empty() && !v.tells("word"), "{:?}, {:?}", v.leaks, v.lost);
}

#[test]
fn key_used_for_two_pages() {
    let e = erased();
    e.plant_page(Some(0), b"another page under the same key");
    caught(&verdict(&e.w.scene()), &["reuse"]);
}

#[test]
fn text_beside_the_seals() {
    let e = erased();
    let word = e.w.scene().dead[0].clone();
    let forms = escrowdb_tests::canary::forms(&word);
    for bytes in &forms {
        let name = format!("{DIR}/left-{}", e.w.disk.log_len());
        let file = e.w.disk.create(Path::new(&name)).unwrap();
        file.write_at(bytes, 0).unwrap();
        e.w.disk.remove(Path::new(&name)).unwrap();
    }
    let v = verdict(&e.w.scene());
    let raw = v.leaks.iter().filter(|l| l.starts_with("raw")).count();
    assert_eq!(raw, forms.len());
}
