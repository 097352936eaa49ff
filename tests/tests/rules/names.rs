//! Names that change or go: whoever is meant stays who she is, the old name is nobody's, and what rules keep of
//! her keeps her name. What is left in the bytes of the folder is hunted for in `forensic`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::erase::certificate;
use escrowdb::id::{Micros, RequestId};
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::register::{Event, request, settings};
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Certificate, DetailField, EraseOptions, Level, Outcome, Record, Selector, Store,
    VerifyOptions,
};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{Error, ErrorKind};
use escrowdb_tests::call::{Aim, Call, Class as FileClass};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::{CrashOptions, crashes, marks};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::recording_vfs::RecordingVfs;

use super::holds::{place, release};

const START: i64 = 1_767_225_600_000_000;
const OLD: &str = "ana@example.org";
const NEW: &str = "anna@example.org";

fn builder(disk: Arc<dyn Vfs>, seed: u64) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::new(ManualClock::new(Micros(START))))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

fn say(id: &str, who: &str) -> Record {
    Record::new("c1", who, Micros(START), "hello").id(id)
}

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn store_on(disk: Arc<dyn Vfs>) -> Store {
    let store = builder(disk, 1).create().unwrap();
    add(&store, &[say("a1", OLD), say("b1", "ben"), say("b2", "ben").subject(OLD).subject("ben")]);
    store.roll().unwrap();
    store
}

fn store() -> Store {
    store_on(Arc::new(MemoryVfs::new()))
}

fn dana() -> Session {
    Session::new().actor("dana").purpose("test")
}

fn by_dana() -> EraseOptions {
    EraseOptions { actor: Some("dana".into()), ..EraseOptions::default() }
}

fn rename(store: &Store) -> Result<Certificate, Error> {
    store.rename(OLD, NEW, &by_dana())
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(dana()).count(query).unwrap()
}

fn names(store: &Store, of: &str) -> Vec<String> {
    store.session(dana()).person(of).unwrap().identifiers
}

fn is_unknown(store: &Store, name: &str) -> bool {
    store.number_of(name).is_err_and(|e| e.kind() == ErrorKind::NotFound)
}

fn assert_sound(store: &Store) {
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert!(report.damage.is_empty() && report.records_lost == 0, "{:?}", report.damage);
}

#[test]
fn she_stays_who_she_is() {
    let disk = MemoryVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    let number = store.number_of(OLD).unwrap();
    let before = store.session(dana()).person(OLD).unwrap();
    store.link(OLD, "ben").unwrap();
    let certificate = rename(&store).unwrap();
    let said = certificate.redaction.unwrap();
    assert_eq!((certificate.what, certificate.records_removed, said.spans), ("identifier", 1, 0));
    assert_eq!(said.by, store.number_of("dana").unwrap());
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    let file = certificate.to_json() + "\n";
    assert_eq!(certificate::verify(file.as_bytes(), &key).unwrap(), certificate);
    assert!(!file.contains("example.org") && !file.contains("dana"));
    let check = |store: &Store| {
        let after = store.session(dana()).person(NEW).unwrap();
        assert_eq!((after.number, after.handle, after.records), (number, before.handle, before.records));
        assert_eq!((after.identifiers, after.linked), (vec![NEW.to_owned()], vec!["ben".to_owned()]));
        assert_eq!((count(store, &format!("author:{NEW}")), count(store, &format!("subject:{NEW}"))), (1, 2));
        assert_eq!(count(store, &format!("author:{OLD}")), 0);
        assert!(is_unknown(store, OLD));
        let hit = store.session(dana()).get("a1", None).unwrap().remove(0);
        assert_eq!(hit.author.as_deref(), Some(NEW));
        assert_sound(store);
    };
    check(&store);
    store.roll().unwrap();
    check(&store);
    store.close().unwrap();
    let store = builder(Arc::new(disk), 2).open().unwrap();
    check(&store);
    // The old name is nobody's: whoever comes by it is somebody else.
    add(&store, &[say("x", OLD)]);
    assert!(store.number_of(OLD).unwrap() != number);
    store.erase(&Selector::Person(OLD.into()), &EraseOptions::default()).unwrap();
    check(&store);
}

#[test]
fn a_name_of_several_goes() {
    let store = store();
    store.add_identifier(OLD, NEW).unwrap();
    store.add_identifier(OLD, "+49 30 1").unwrap();
    // One of her own takes its place.
    rename(&store).unwrap();
    assert_eq!(names(&store, NEW), [NEW, "+49 30 1"]);
    store.remove_identifier("+49 30 1", &by_dana()).unwrap();
    assert_eq!(names(&store, NEW), [NEW]);
    assert!(is_unknown(&store, "+49 30 1"));
    let last = store.remove_identifier(NEW, &by_dana()).unwrap_err();
    assert_eq!(last.kind(), ErrorKind::Invalid);
    store.add_identifier(NEW, "an").unwrap();
    store.remove_identifier(NEW, &by_dana()).unwrap();
    assert_eq!(names(&store, "an"), ["an"]);
    store.rename("an", "a", &by_dana()).unwrap();
    assert_eq!((names(&store, "a"), count(&store, "author:a")), (vec!["a".to_owned()], 1));
    assert_sound(&store);
}

#[test]
fn what_is_no_name_of_hers_is_refused_and_changes_nothing() {
    let store = store();
    add(&store, &[say("d", "dana")]);
    let epoch = store.key_status().epoch;
    let kind = |from: &str, to: &str| store.rename(from, to, &by_dana()).unwrap_err().kind();
    assert_eq!(kind("nobody", "somebody"), ErrorKind::NotFound);
    assert!(is_unknown(&store, "somebody"));
    let long = "x".repeat(600);
    for to in ["ben", OLD, "", &long] {
        assert_eq!(kind(OLD, to), ErrorKind::Invalid, "{to:?}");
    }
    assert_eq!(store.key_status().epoch, epoch);
    assert_eq!(names(&store, OLD), [OLD]);
}

#[test]
fn what_rules_keep_of_her_keeps_her_name() {
    let store = store();
    let anna = Scope::Person(store.number_of(OLD).unwrap().0);
    let query = |text: &str| Scope::Query { text: text.into(), at: Micros(START) };
    let naming = format!("tag:invoice author:\"{OLD}\"");
    // As a whole, where she wrote, what is about her, and by her name only, of what is to come.
    for (scope, code) in [
        (anna, "m1"),
        (Scope::Conversation("c1".into()), "m2"),
        (query("author:ben subject:ben"), "m3"),
        (query(&naming), "m4"),
    ] {
        place(&store, code, Effect::Hold, scope);
        let epoch = store.key_status().epoch;
        for refused in [rename(&store), store.remove_identifier(OLD, &by_dana())] {
            // The last of somebody's names doesn't go, held or not.
            let refused = refused.unwrap_err();
            let is_last = refused.kind() == ErrorKind::Invalid;
            assert!(is_last || refused.to_string() == format!("held: {code}"), "{code}: {refused}");
        }
        assert_eq!((names(&store, OLD), store.key_status().epoch), (vec![OLD.to_owned()], epoch));
        assert!(is_unknown(&store, NEW));
        release(&store, code);
    }
    let acts = store.session(dana()).acts("kind:refused author:dana", &ActOptions::new()).unwrap();
    assert_eq!(acts.len(), 4);
    // What is about somebody else keeps nobody's name.
    place(&store, "m5", Effect::Hold, query("id:b1"));
    rename(&store).unwrap();
}

#[test]
fn what_a_law_keeps_of_her_keeps_her_name() {
    let store = store();
    let class = Class {
        code: "orders".into(),
        number: 1,
        title: "Orders".into(),
        start: Start::Time,
        lock: Some("30d".into()),
        maximum: Some("60d".into()),
        then: Then::Erase,
        ground: "a law".into(),
        selector: "tag:order".into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class))).unwrap();
    add(&store, &[say("a3", OLD).tag("order")]);
    assert!(rename(&store).unwrap_err().to_string().starts_with("kept by law until"));
    // Another beside it takes nothing away.
    store.add_identifier(OLD, NEW).unwrap();
    store.rename("ben", "benjamin", &by_dana()).unwrap();
}

#[test]
fn two_must_agree_where_the_store_says_so() {
    let store = store();
    let four = settings::Event { four_eyes: Some(true), ..settings::Event::default() };
    store.change(&dana(), Event::Settings(four)).unwrap();
    assert_eq!(rename(&store).unwrap_err().kind(), ErrorKind::Refused);
    let number = store.number_of(OLD).unwrap();
    let step = |actor: &str, step| {
        let event = request::Event { request: "r1".into(), event: step };
        store.change(&Session::new().actor(actor), Event::Request(event)).unwrap();
    };
    let (kind, received) = (request::Kind::Rectification, Micros(START - 1));
    step("dana", request::Step::Receive { kind, person: number, received, channel: "mail".into() });
    step("dana", request::Step::Identify { method: "passport".into() });
    let approved = EraseOptions { approved: Some("r1".into()), ..by_dana() };
    let refused = |from: &str, to: &str| {
        assert_eq!(store.rename(from, to, &approved).unwrap_err().kind(), ErrorKind::Refused);
    };
    let hash = "ab".repeat(32);
    step("dana", request::Step::Plan { hash: hash.clone() });
    step("kim", request::Step::Approve { hash });
    refused(OLD, NEW);
    let agreed = store.plan_name_for(&dana(), "r1", OLD, Some(NEW)).unwrap();
    assert!(!agreed.plan.contains(OLD) && agreed.plan.contains(NEW));
    step("kim", request::Step::Approve { hash: agreed.hash });
    refused("ben", "benjamin");
    refused(OLD, "somebody@example.org");
    let certificate = store.rename(OLD, NEW, &approved).unwrap();
    assert_eq!(certificate.approvers, [store.number_of("kim").unwrap()]);
    refused(NEW, OLD);
}

/// A hold that comes while the pass runs: she keeps both names until it is lifted.
#[test]
fn a_hold_that_comes_in_between_keeps_it() {
    let disk = RecordingVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    let gate = disk.block(Aim::at(FileClass::Index, Call::Sync), 0);
    let options = EraseOptions { request: Some(RequestId([9; 16])), ..by_dana() };
    let number = store.number_of(OLD).unwrap();
    thread::scope(|s| {
        let renaming = s.spawn(|| store.rename(OLD, NEW, &options));
        let reached = gate.reached(Duration::from_secs(20));
        place(&store, "m1", Effect::Hold, Scope::Person(number.0));
        gate.open();
        assert!(reached, "it writes an index");
        assert_eq!(renaming.join().unwrap().unwrap_err().kind(), ErrorKind::Refused);
    });
    assert_eq!(names(&store, NEW), [OLD, NEW]);
    assert_eq!(rename(&store).unwrap_err().kind(), ErrorKind::Busy);
    let late = store.session(dana()).acts("kind:refused author:dana", &ActOptions::new()).unwrap();
    assert_eq!(late.len(), 1);
    release(&store, "m1");
    let done = store.rename(OLD, NEW, &options).unwrap();
    assert_eq!((names(&store, NEW), done.request), (vec![NEW.to_owned()], RequestId([9; 16])));
}

/// A request has one answer, however often it is asked; and another request has another.
#[test]
fn one_request_one_answer() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let store = store_on(Arc::new(disk.clone()));
    let options = EraseOptions { request: Some(RequestId([9; 16])), ..by_dana() };
    disk.arm(Plan {
        aim: Aim::at(FileClass::Index, Call::Create),
        nth: 0,
        fault: Fault::NoSpace,
        sticky: true,
    });
    assert_eq!(store.rename(OLD, NEW, &options).unwrap_err().kind(), ErrorKind::NoSpace);
    // It waits: the new name is hers already, and no other change comes in between.
    assert_eq!(store.number_of(NEW).unwrap(), store.number_of(OLD).unwrap());
    for busy in [store.add_identifier(OLD, "a"), store.link(NEW, "ben"), rename(&store).map(drop)] {
        assert_eq!(busy.unwrap_err().kind(), ErrorKind::Busy);
    }
    assert_eq!(store.rename("ben", "b", &options).unwrap_err().kind(), ErrorKind::Invalid);
    disk.disarm();
    let done = store.rename(OLD, NEW, &options).unwrap();
    assert_eq!(store.rename(OLD, NEW, &options).unwrap(), done);
    assert_eq!(names(&store, NEW), [NEW]);
    let by_other = store.erase(&Selector::Person(NEW.into()), &options);
    assert_eq!(by_other.unwrap_err().kind(), ErrorKind::Invalid);
    // Somebody else has the name now.
    add(&store, &[say("x", OLD)]);
    assert_eq!(store.rename(OLD, NEW, &options).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Who goes while a name of hers is about to go takes both along.
#[test]
fn an_erasure_goes_before() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let store = store_on(Arc::new(disk.clone()));
    disk.arm(Plan {
        aim: Aim::at(FileClass::Index, Call::Create),
        nth: 0,
        fault: Fault::NoSpace,
        sticky: true,
    });
    assert_eq!(rename(&store).unwrap_err().kind(), ErrorKind::NoSpace);
    disk.disarm();
    store.erase(&Selector::Person(NEW.into()), &EraseOptions::default()).unwrap();
    assert!(is_unknown(&store, OLD) && is_unknown(&store, NEW));
    assert_eq!((count(&store, "kind:erased"), count(&store, "kind:person")), (2, 2));
    assert_sound(&store);
}

#[test]
fn what_was_typed_with_the_name_goes_with_it() {
    let store = builder(Arc::new(MemoryVfs::new()), 1).audit(Level::All).create().unwrap();
    add(&store, &[say("a1", OLD), say("b1", "ben")]);
    for query in [format!("author:{OLD}"), "author:ben".to_owned()] {
        store.session(dana()).count(&query).unwrap();
    }
    let typed = || -> Vec<String> {
        let acts = store.session(dana()).acts("kind:searched", &ActOptions::new().details(true)).unwrap();
        let queries = acts.iter().filter_map(|act| act.detail.as_ref()?.get(DetailField::Query));
        queries.filter(|query| query.starts_with("author:")).map(str::to_owned).collect()
    };
    assert_eq!(typed().len(), 2);
    rename(&store).unwrap();
    assert_eq!(typed(), ["author:ben"]);
}

/// Whatever the disk kept at a power cut or a kill: she has the old name or the new one, and once it was
/// acknowledged the new one only. What a crash leaves in the middle the opening completes.
#[test]
fn a_power_cut_at_any_moment() {
    let disk = RecordingVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    let from = disk.log_len();
    rename(&store).unwrap();
    disk.mark("renamed");
    add(&store, &[say("b3", "ben")]);
    let to = disk.log_len();
    drop(store);
    let ops = disk.log();
    let options = CrashOptions { points: from..to + 1, exhaustive_max: 2, random: 2, torn: 1, seed: 5 };
    let (mut before, mut after, mut acknowledged) = (0, 0, 0);
    for image in crashes(&ops, options) {
        let store = builder(Arc::new(image.disk()), 100 + image.at as u64).open().unwrap();
        let is_told = marks(&ops, image.at).contains(&"renamed");
        let [old, new] = [OLD, NEW].map(|name| !is_unknown(&store, name));
        assert!(old != new, "{}: {old} {new}", image.what);
        if old {
            before += 1;
            assert!(!is_told, "{}", image.what);
        } else {
            after += 1;
            acknowledged += u32::from(is_told);
            assert_eq!(count(&store, "kind:erased"), 1, "{}", image.what);
        }
        let name = if old { OLD } else { NEW };
        assert_eq!(names(&store, name), [name], "{}", image.what);
        assert_eq!(count(&store, &format!("subject:{name}")), 2, "{}", image.what);
        let told = count(&store, &format!("kind:person subject:{name}"));
        assert_eq!(told, 1, "{}", image.what);
        assert_sound(&store);
    }
    assert!(before > 20 && after > 100 && acknowledged > 2, "{before} {after} {acknowledged}");
}
