//! A store of an older format knows no gate. Once it is upgraded what comes in may be put into quarantine: also while
//! half of its segments have no words yet, and an upgrade that is cut there finds and loses nothing of it.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::record::Record;
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::settings::{Gate, GateRule};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{CompactOptions, EraseOptions, Outcome, Selector};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::recording_vfs::RecordingVfs;

use crate::{count, fixture_of, is_whole, open, open_in, refuses_words, several};

const NOTICE: &str = "We keep what you write.";

fn dana() -> Session {
    Session::new().actor("dana")
}

/// What is asked of everything that comes by the web from now on.
fn rules() -> Vec<Event> {
    let (code, title) = ("offers".to_owned(), "Offers".to_owned());
    let purpose = Purpose { code, title, basis: LawfulBasis::Consent, class: None, needs_consent: true };
    let text = Text {
        id: "privacy".into(),
        version: 1,
        language: "en".into(),
        title: "Privacy".into(),
        hash: hash_of(NOTICE),
        text: NOTICE.into(),
        purposes: vec!["offers".into()],
        valid_from: Micros(0),
        material: false,
    };
    let rule = GateRule { when: "channel:web".into(), purposes: vec!["offers".into()] };
    vec![
        Event::Purpose(purpose::Event::Define(purpose)),
        Event::Notice(notice::Event::Draft(text)),
        Event::Notice(notice::Event::Publish { id: "privacy".into(), version: 1 }),
        Event::Settings(settings::Event {
            gate: Some(Gate::Quarantine),
            gate_rules: Some(vec![rule]),
            ..settings::Event::default()
        }),
    ]
}

fn consents(store: &Store, person: &str) {
    let (id, language) = ("privacy".to_owned(), "en".to_owned());
    let event = consent::Event {
        event: Deed::Give,
        person: person.into(),
        purposes: vec!["offers".into()],
        notice: Some(Shown { id, version: 1, language, hash: hash_of(NOTICE) }),
        method: "click".into(),
        channel: "web".into(),
        expires: None,
    };
    store.change(&dana(), Event::Consent(event)).unwrap();
}

fn put(store: &Store, id: &str, who: &str) {
    let record =
        Record::new("gated", who, Micros(1_790_000_000_000_000), "a quarantined word").id(id).subject(who);
    let outcome = store.append(&[record.channel("web")]).unwrap().remove(0);
    assert!(matches!(outcome, Outcome::Quarantined(_)), "{outcome:?}");
}

fn listed(store: &Store) -> Vec<String> {
    let all = store.session(dana()).quarantined().unwrap();
    all.into_iter().map(|one| one.id).collect()
}

#[test]
fn what_was_there_before_is_asked_for_nothing_and_what_comes_is() {
    for version in 1..=3 {
        let disk = MemoryVfs::from_files(fixture_of(version));
        let store = open_in(&disk);
        assert_eq!(store.change_all(&dana(), rules()).unwrap_err().kind(), ErrorKind::Unsupported);
        let before = count(&store, "*");
        store.upgrade(|_| ()).unwrap();
        store.change_all(&dana(), rules()).unwrap();
        assert_eq!((count(&store, "*"), listed(&store).len()), (before, 0), "format {version}");
        put(&store, "q1", "gero");
        put(&store, "q2", "hela");
        put(&store, "q3", "gero");
        store.roll().unwrap();
        store.compact(&CompactOptions::new(), |_| ()).unwrap();
        store.close().unwrap();
        let store = open_in(&disk);
        assert_eq!(listed(&store), ["q1", "q2", "q3"]);
        assert_eq!(
            (count(&store, "*"), count(&store, "quarantined"), count(&store, "version:all id:q1")),
            (before, 0, 0)
        );
        assert_eq!(store.release(&dana(), "q1", None).unwrap_err().kind(), ErrorKind::Refused);
        consents(&store, "gero");
        store.release(&dana(), "q1", None).unwrap();
        assert_eq!((count(&store, "quarantined"), count(&store, "*")), (1, before + 1));
        store.erase(&Selector::Person("hela".into()), &EraseOptions::default()).unwrap();
        assert_eq!(listed(&store), ["q3"]);
        is_whole(&store);
    }
}

/// The store of half an upgrade: of the format of today, and some of its segments without words.
fn halfway() -> MemoryVfs {
    let disk = MemoryVfs::from_files(several());
    let store = open_in(&disk);
    let mut halfway = None;
    store
        .upgrade(|report| {
            if report.rebuilt == 1 && halfway.is_none() {
                halfway = Some(disk.snapshot());
            }
        })
        .unwrap();
    MemoryVfs::from_files(halfway.unwrap())
}

#[test]
fn an_upgrade_that_is_cut_finds_nothing_of_it() {
    let disk = halfway();
    let store = open_in(&disk);
    assert!(refuses_words(&store) && store.format() == 4);
    let before = count(&store, "*");
    store.change_all(&dana(), rules()).unwrap();
    put(&store, "q1", "gero");
    store.roll().unwrap();
    put(&store, "q2", "hela");
    drop(store);

    let recording = RecordingVfs::from_files(disk.snapshot());
    let from = recording.log_len();
    let store = open(Arc::new(recording.clone()));
    let report = store.upgrade(|_| ()).unwrap();
    assert!(report.rebuilt >= 2 && report.left == 0, "{report:?}");
    let check = |store: &Store, what: &str| {
        assert_eq!((listed(store), count(store, "*")), (vec!["q1".into(), "q2".into()], before), "{what}");
        if !refuses_words(store) {
            assert_eq!(count(store, "quarantined"), 0, "{what}");
            assert!(count(store, "parcel") > 0, "{what}");
        }
    };
    check(&store, "upgraded");
    is_whole(&store);
    drop(store);
    let log = recording.log();
    let points = from..log.len() + 1;
    let options = CrashOptions { points, exhaustive_max: 0, random: 1, torn: 0, seed: 3 };
    let mut states = 0;
    for image in crashes(&log, options).step_by(3) {
        states += 1;
        let disk = image.disk();
        let store = open_in(&disk);
        check(&store, &image.what);
        store.upgrade(|_| ()).unwrap();
        assert!(!refuses_words(&store));
        check(&store, &image.what);
        consents(&store, "gero");
        store.release(&dana(), "q1", None).unwrap();
        assert_eq!(count(&store, "\"a quarantined word\""), 1, "{}", image.what);
    }
    assert!(states > 10, "{states}");
}
