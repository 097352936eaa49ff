//! An erasing commit of the keyring alone: with every byte ever written and the slot as it is
//! afterwards, nothing of the old tree opens; and every crash on the way leaves the old tree or
//! the new one, whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use escrowdb::crypto::{Entropy, Secret as Key};
use escrowdb::id::{Epoch, Handle, PersonNumber, StoreId};
use escrowdb::keyring::entry::{Entry, Identifier, Person, StoreKey, key, name_tag};
use escrowdb::keyring::{Changes, FileSlot, Keyring, LogHead, RootKey, Slot, SlotRecord};
use escrowdb::vfs::Vfs;
use escrowdb_tests::crash::{CrashOptions, crashes, marks};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::evidence::{Evidence, Kind};
use escrowdb_tests::recording_vfs::RecordingVfs;
use escrowdb_tests::sealed::{Depth, Hunt, Secret, hunt, windows};
use zeroize::Zeroizing;

const STORE: StoreId = StoreId([7; 16]);
const DIR: &str = "/store";
const SLOT: &str = "/store.slot";
const PEOPLE: u64 = 120;
const VICTIM: PersonNumber = PersonNumber(61);
const TAG_KEY: Secret = [
    3, 141, 59, 26, 53, 58, 97, 93, 238, 46, 26, 43, 38, 32, 79, 50, 28, 84, 19, 71, 69, 39, 93, 75, 10, 58,
    20, 97, 49, 44, 59, 23,
];

fn name(number: PersonNumber) -> String {
    format!("canary-{number}@example.org")
}

fn content_key(number: PersonNumber) -> Secret {
    *blake3::hash(&number.0.to_le_bytes()).as_bytes()
}

fn person(number: PersonNumber, living: bool, changes: &mut Changes) {
    let value = |entry: Person| entry.encode().unwrap();
    let person = Person {
        handle: Handle([number.0 as u8; 16]),
        content: Key::from_bytes(&content_key(number)),
        evidence: Key::from_bytes(&[1; 32]),
        state: 0,
        identifiers: 1,
        linked: vec![],
    };
    let identifier = Identifier(Zeroizing::new(name(number)));
    let tag = name_tag(&TAG_KEY, &name(number));
    changes.insert(key::person(number), living.then(|| value(person)));
    changes.insert(key::identifier(number, 0), living.then(|| identifier.encode().unwrap()));
    changes.insert(key::name(&tag), living.then(|| number.encode().unwrap()));
}

fn first_entries() -> Changes {
    let mut changes = Changes::default();
    (1..=PEOPLE).for_each(|n| person(PersonNumber(n), true, &mut changes));
    changes.insert(key::tag_key(), Some(StoreKey(Key::from_bytes(&TAG_KEY)).encode().unwrap()));
    changes
}

/// What the slot's bytes give away.
fn slot_secrets(disk: &RecordingVfs) -> Vec<Secret> {
    windows(&disk.snapshot()[Path::new(SLOT)]).collect()
}

fn looks(disk: &RecordingVfs) -> Hunt {
    hunt(&Evidence::of_log(&disk.log()), &slot_secrets(disk), &BTreeSet::new(), Depth::Formats)
}

#[test]
fn old_trees_open_with_nothing_and_no_crash_mixes_them() {
    let disk = RecordingVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
    let dir = Path::new(DIR);
    disk.create_dir(dir).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let slot = FileSlot::new(Arc::clone(&vfs), SLOT);
    let root = || RootKey::generate(entropy.as_ref(), STORE).unwrap();
    let first = SlotRecord { store: STORE, epoch: Epoch(1), root: root() };
    let log = LogHead::default();
    let keyring = Keyring::create(
        Arc::clone(&vfs),
        dir,
        Arc::clone(&entropy),
        STORE,
        &first.root,
        Epoch(1),
        &first_entries(),
        log,
    )
    .unwrap();
    slot.create(&first).unwrap();
    // Ordinary commits on the way.
    for n in PEOPLE + 1..PEOPLE + 4 {
        let mut changes = Changes::default();
        person(PersonNumber(n), true, &mut changes);
        keyring.publish(keyring.prepare(&changes, log, None).unwrap()).unwrap();
    }

    // The positive control: everything ever written opens, and the victim is found.
    let before = looks(&disk);
    assert_eq!(before.unopened, []);
    assert!(before.count(Kind::Node) > 10 && before.count(Kind::Head) >= 4);
    assert!(!before.find(name(VICTIM).as_bytes()).is_empty());
    assert!(!before.find(&content_key(VICTIM)).is_empty());
    assert!(before.has_tag(&name(VICTIM)));

    let start = disk.log_len();
    let mut changes = Changes::default();
    person(VICTIM, false, &mut changes);
    let second = SlotRecord { store: STORE, epoch: Epoch(2), root: root() };
    let prepared = keyring.prepare(&changes, log, Some((&second.root, Epoch(2)))).unwrap();
    keyring.read_back(&prepared).unwrap();
    slot.stage(&second).unwrap();
    disk.mark("committed");
    slot.destroy_others(Epoch(2)).unwrap();
    disk.mark("destroyed");
    keyring.publish(prepared).unwrap();

    let after = looks(&disk);
    assert!(after.find(name(VICTIM).as_bytes()).is_empty());
    assert!(after.find(&content_key(VICTIM)).is_empty());
    assert!(!after.has_tag(&name(VICTIM)));
    assert!(
        after.has_tag(&name(PersonNumber(60))),
        "the tag key is known, so the check above means something"
    );
    assert!(after.unopened.len() > 10, "old pages stay shut");
    assert_eq!(after.find(&content_key(PersonNumber(60))).len(), 1);

    every_crash_leaves_one_tree(&disk, start);
}

fn every_crash_leaves_one_tree(disk: &RecordingVfs, start: usize) {
    let log = disk.log();
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(2));
    let options = CrashOptions { points: start..log.len() + 1, random: 40, ..CrashOptions::default() };
    let mut found = [0; 2];
    for image in crashes(&log, options) {
        let promised = marks(&log, image.at);
        let told = || format!("after operation {}: {} ({promised:?})", image.at, image.what);
        let vfs: Arc<dyn Vfs> = Arc::new(image.disk());
        let slot = FileSlot::new(Arc::clone(&vfs), SLOT);
        let record = slot.load().unwrap().unwrap_or_else(|| panic!("no slot {}", told()));
        let keyring = Keyring::open(
            Arc::clone(&vfs),
            Path::new(DIR),
            Arc::clone(&entropy),
            STORE,
            &record.root,
            record.epoch,
        )
        .unwrap_or_else(|e| panic!("{e} {}", told()));
        let has = |n: PersonNumber| keyring.tree().get(&key::person(n)).unwrap().is_some();
        let new = record.epoch == Epoch(2);
        assert!(new || !promised.contains(&"committed"), "{}", told());
        assert_eq!(has(VICTIM), !new, "{}", told());
        assert!((1..=PEOPLE).map(PersonNumber).filter(|n| *n != VICTIM).all(has), "{}", told());
        found[usize::from(new)] += 1;
    }
    assert!(found[0] > 50 && found[1] > 3);
}
