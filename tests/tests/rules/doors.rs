//! Every way into the engine is listed here, with what it does to records. A new one fails this test until
//! somebody has said what it does; one that removes, hides or changes something is tried against a hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::policy::Action;
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::session::Session;
use escrowdb::store::{
    CompactOptions, EraseOptions, Outcome, Record, Redaction, SearchOptions, Selector, Store,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{Error, ErrorKind};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;

use super::holds::place;

const START: i64 = 1_767_225_600_000_000;

/// What a way into the engine does to records that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Nothing: it answers, or writes what tells of nobody's records.
    Nothing,
    /// It adds, and what it adds may speak of what is there: these are asked.
    Adds(&'static [Action]),
    /// It removes, hides or changes: these are asked.
    Asks(&'static [Action]),
    /// It moves what is there, as it is.
    Moves,
    /// It lets go of what can't be read any more, since somebody said so.
    GivesUp,
}

/// The public functions of a store.
const DOORS: [(&str, Does); 66] = [
    ("add_identifier", Does::Asks(&[Action::AddIdentifier])),
    ("add_identifier_as", Does::Asks(&[Action::AddIdentifier])),
    ("advance", Does::Nothing),
    ("append", Does::Adds(&[Action::Append, Action::UserDelete, Action::UserEdit])),
    ("audit_rules", Does::Nothing),
    ("begin_class", Does::Nothing),
    ("builder", Does::Nothing),
    ("certificate", Does::Nothing),
    ("change", Does::Nothing),
    ("change_all", Does::Nothing),
    ("check_query", Does::Nothing),
    ("checkpoint", Does::Nothing),
    ("checkpoint_since", Does::Nothing),
    ("close", Does::Moves),
    ("compact", Does::Moves),
    ("consents", Does::Nothing),
    ("correct", Does::Asks(&[Action::Correct])),
    ("cosigned", Does::Nothing),
    ("erase", Does::Asks(&[Action::ErasePerson, Action::EraseConversation, Action::EraseRecord])),
    ("erasure", Does::Nothing),
    ("expire_acts", Does::Asks(&[Action::ExpireActs])),
    ("for_review", Does::Nothing),
    ("format", Does::Nothing),
    ("id", Does::Nothing),
    ("import_progress", Does::Nothing),
    ("keep_cosigned", Does::Nothing),
    ("key_status", Does::Nothing),
    ("link", Does::Asks(&[Action::Link])),
    ("link_as", Does::Asks(&[Action::Link])),
    ("log_keys", Does::Nothing),
    ("losses", Does::Nothing),
    ("name_of", Does::Nothing),
    ("note_import", Does::Nothing),
    ("number_of", Does::Nothing),
    ("opened_by_living_keys", Does::Nothing),
    ("plan", Does::Nothing),
    ("plan_as", Does::Nothing),
    ("plan_name_for", Does::Nothing),
    ("plan_redaction", Does::Nothing),
    ("plan_redaction_for", Does::Nothing),
    ("plan_request", Does::Nothing),
    ("check_planned", Does::Nothing),
    ("disclosures_about", Does::Nothing),
    ("records_of_class", Does::Nothing),
    ("redact", Does::Asks(&[Action::Redact])),
    ("registers", Does::Nothing),
    ("region", Does::Nothing),
    ("rehearsal", Does::Nothing),
    // It shows what is in quarantine.
    ("release", Does::Nothing),
    ("remove_identifier", Does::Asks(&[Action::Rename])),
    ("rename", Does::Asks(&[Action::Rename])),
    ("residency", Does::Nothing),
    ("retention", Does::Asks(&[Action::ExpireClass, Action::UserErase, Action::Restrict])),
    ("roll", Does::Moves),
    ("rotate_log_key", Does::Nothing),
    ("sealed_objects_holding", Does::Nothing),
    ("session", Does::Nothing),
    ("set_audit_rules", Does::Nothing),
    ("stats", Does::Nothing),
    ("tag", Does::Asks(&[Action::Correct])),
    ("tiles", Does::Nothing),
    ("try_append", Does::Adds(&[Action::Append, Action::UserDelete, Action::UserEdit])),
    ("unlink", Does::Asks(&[Action::Unlink])),
    ("unlink_as", Does::Asks(&[Action::Unlink])),
    ("unreadable", Does::Nothing),
    ("upgrade", Does::Moves),
];

/// Those that stand elsewhere: they take damage for granted.
const MORE: [(&str, Does); 4] = [
    ("verifier_key", Does::Nothing),
    ("verify", Does::GivesUp),
    ("verify_against", Does::Nothing),
    ("verify_each", Does::GivesUp),
];

/// Names of the public functions in `impl Store`, as the files have them.
fn doors() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/src");
    let mut files: Vec<_> =
        fs::read_dir(src.join("store")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.push(src.join("store.rs"));
    let mut found = BTreeSet::new();
    for file in files {
        let mut inside = false;
        for line in fs::read_to_string(file).unwrap().lines() {
            match line {
                "impl Store {" => inside = true,
                "}" => inside = false,
                _ if inside => {
                    let name =
                        line.strip_prefix("    pub fn ").and_then(|rest| rest.split(['(', '<']).next());
                    found.extend(name.map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    found
}

fn listed() -> BTreeMap<&'static str, Does> {
    DOORS.into_iter().chain(MORE).collect()
}

#[test]
fn every_way_in_is_listed() {
    let listed: BTreeSet<String> = listed().into_keys().map(str::to_owned).collect();
    let doors = doors();
    assert_eq!(
        doors.difference(&listed).collect::<Vec<_>>(),
        [] as [&String; 0],
        "say what they do to records"
    );
    assert_eq!(listed.difference(&doors).collect::<Vec<_>>(), [] as [&String; 0], "they are gone");
}

/// A store in which everything of Anna's and of a conversation is held, and over.
struct Held {
    store: Store,
    clock: Arc<ManualClock>,
}

fn held() -> Held {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let store = Store::builder("/s")
        .vfs(Arc::new(MemoryVfs::new()))
        .clock(Arc::clone(&clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(1)))
        .background(false)
        .create()
        .unwrap();
    let class = Class {
        code: "chat".into(),
        number: 1,
        title: "Chats".into(),
        start: Start::Time,
        lock: None,
        maximum: Some("1d".into()),
        then: Then::Erase,
        ground: "GDPR 5 (1) (e)".into(),
        selector: "*".into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class))).unwrap();
    let say = |id: &str, who: &str, body: &str| Record::new("c1", who, Micros(START), body).id(id);
    let records = [
        say("m1", "anna", "the lamp flickers").tag("lamp"),
        say("m2", "anna", "never mind"),
        say("m3", "ben", "which lamp"),
        say("m4", "anna-2", "this one"),
    ];
    assert_eq!(store.append(&records).unwrap().len(), 4);
    store.roll().unwrap();
    store.link("anna", "anna-2").unwrap();
    store.add_identifier("anna", "also-anna").unwrap();
    for (code, scope) in [
        ("person", Scope::Person(store.number_of("anna").unwrap().0)),
        ("conversation", Scope::Conversation("c1".into())),
        ("query", Scope::Query { text: "lamp".into(), at: Micros(START) }),
    ] {
        place(&store, code, Effect::Hold, scope);
    }
    clock.advance(10 * Micros::DAY);
    Held { store, clock }
}

fn dana() -> Session {
    Session::new().actor("dana").purpose("test")
}

/// All that is there, but for acts: refusals are records.
fn all(store: &Store) -> Vec<String> {
    let kinds = Kind::ALL.into_iter().filter(|kind| {
        kind.is_default()
            || kind.has_target()
            || kind.is_register()
            || matches!(kind, Kind::Join | Kind::Person)
    });
    let query: Vec<_> = kinds.map(|kind| format!("kind:{}", kind.name())).collect();
    let query = format!("version:all ({})", query.join(" OR "));
    let hits = store.session(dana()).search(&query, &SearchOptions::new().limit(1000)).unwrap();
    let mut lines: Vec<_> = hits
        .iter()
        .map(|hit| format!("{} {} {:?} {:?} {}", hit.seq.0, hit.id, hit.author, hit.tags, hit.body))
        .collect();
    lines.push(format!("{:?}", store.key_status().epoch));
    for name in ["anna", "anna-2", "ben"] {
        let person = store.session(dana()).person(name).unwrap();
        lines.push(format!("{:?} {:?}", person.identifiers, person.linked));
    }
    lines
}

type Try = fn(&Store) -> Result<(), Error>;

fn erase(store: &Store, selector: Selector) -> Result<(), Error> {
    store.erase(&selector, &EraseOptions::default()).map(drop)
}

fn about(store: &Store, kind: Kind) -> Result<(), Error> {
    let record = Record::new("c1", "anna", Micros(START + 1), "x").id("new").kind(kind).target("m1");
    match store.append(&[record]).unwrap().remove(0) {
        Outcome::Rejected(e) => Err(e),
        _ => Ok(()),
    }
}

/// What somebody may try, by what he comes in by and what is asked.
const TRIES: [(&str, Action, Try); 14] = [
    ("erase", Action::ErasePerson, |store| erase(store, Selector::Person("anna".into()))),
    ("erase", Action::EraseConversation, |store| erase(store, Selector::Conversation("c1".into()))),
    ("erase", Action::EraseRecord, |store| {
        erase(store, Selector::Record { id: "m1".into(), conversation: None })
    }),
    // A correction is an edit by somebody else.
    ("correct", Action::UserEdit, |store| store.correct(&dana(), "m1", None, "x", None).map(drop)),
    ("tag", Action::Correct, |store| store.tag(&dana(), "m1", None, &[], &["lamp".to_owned()]).map(drop)),
    ("append", Action::UserEdit, |store| about(store, Kind::Edit)),
    ("append", Action::UserDelete, |store| about(store, Kind::Delete)),
    ("try_append", Action::UserDelete, |store| about(store, Kind::Delete)),
    ("redact", Action::Redact, |store| {
        store.redact(&Redaction::new("m1").span(4, 8), &EraseOptions::default()).map(drop)
    }),
    ("link", Action::Link, |store| store.link("anna", "ben")),
    ("unlink", Action::Unlink, |store| store.unlink("anna", "anna-2")),
    ("add_identifier", Action::AddIdentifier, |store| store.add_identifier("anna", "anna-3")),
    ("rename", Action::Rename, |store| store.rename("anna", "anna-3", &EraseOptions::default()).map(drop)),
    ("remove_identifier", Action::Rename, |store| {
        store.remove_identifier("also-anna", &EraseOptions::default()).map(drop)
    }),
];

#[test]
fn whatever_would_remove_hide_or_change_is_refused_and_changes_nothing() {
    let Held { store, .. } = held();
    let before = all(&store);
    assert!(before.len() > 10);
    for (door, action, attempt) in TRIES {
        assert!(listed()[door] != Does::Nothing, "{door}");
        let refused = attempt(&store).expect_err(door);
        assert_eq!(refused.kind(), ErrorKind::Refused, "{door}, {action:?}: {refused}");
        assert_eq!(all(&store), before, "{door}, {action:?}");
        let acts = store.session(dana()).search("kind:refused", &SearchOptions::new().limit(1)).unwrap();
        let said = format!("\"action\":\"{}\"", action.name());
        assert!(acts[0].body.contains(&said), "{door}: {} is on record", acts[0].body);
    }
}

#[test]
fn whatever_moves_records_or_lets_them_go_on_a_date_leaves_what_is_held() {
    let Held { store, clock } = held();
    let before = all(&store);
    let report = store.retention(false).unwrap();
    assert_eq!((report.classes[0].held, report.classes[0].due, report.certificates.len()), (4, 0, 0));
    assert_eq!(all(&store), before);
    store.roll().unwrap();
    store.compact(&CompactOptions::new(), |_| {}).unwrap();
    clock.advance(20 * Micros::DAY);
    store.expire_acts().unwrap();
    let strip = |mut lines: Vec<String>| {
        // What is sealed anew has another epoch.
        lines.retain(|line| !line.starts_with("Epoch"));
        lines
    };
    assert_eq!(strip(all(&store)), strip(before));
}

/// An action that a hold forbids and that nobody tries above stands here, with where it is tried.
#[test]
fn every_action_that_a_hold_forbids_is_tried() {
    let elsewhere = [
        // Nothing holds the controller's own acts; they go on their dates.
        Action::ExpireActs,
        // All of them above: they leave out what is held.
        Action::ExpireClass,
        Action::UserErase,
        Action::Compact,
    ];
    let tried: Vec<_> = TRIES.iter().map(|(_, action, _)| *action).chain(elsewhere).collect();
    let forgotten: Vec<_> =
        Action::ALL.into_iter().filter(|action| action.bows_to_hold() && !tried.contains(action)).collect();
    assert_eq!(forgotten, [] as [Action; 0]);
    for (name, does) in listed() {
        let (Does::Asks(actions) | Does::Adds(actions)) = does else { continue };
        let asked = |action: &Action| !action.bows_to_hold() || tried.contains(action);
        assert!(actions.iter().all(asked), "{name}: {actions:?}");
    }
}
