//! What is kept is kept whole: with its wordings, with what speaks of it, with who wrote it, whichever rule
//! keeps it and whichever way somebody comes who would have it go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::id::{Micros, RequestId};
use escrowdb::record::Kind;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Certificate, EraseOptions, Outcome, Record, SearchOptions, Selector, Store,
};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class as FileClass};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::{CrashOptions, crashes};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::recording_vfs::RecordingVfs;

use super::holds::{self, dana, person, query, release, try_place};

const START: i64 = 1_767_225_600_000_000;
const DAY: i64 = Micros::DAY;

struct Made {
    store: Store,
    clock: Arc<ManualClock>,
}

fn made_on(disk: Arc<dyn Vfs>) -> Made {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let store = Store::builder("/s")
        .vfs(disk)
        .clock(Arc::clone(&clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(1)))
        .background(false)
        .create()
        .unwrap();
    Made { store, clock }
}

fn made() -> Made {
    made_on(Arc::new(MemoryVfs::new()))
}

fn say(id: &str, who: &str, conversation: &str, day: i64, body: &str) -> Record {
    Record::new(conversation, who, Micros(START + day * DAY), body).id(id)
}

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn place(store: &Store, code: &str, scope: Scope) {
    holds::place(store, code, Effect::Hold, scope);
}

fn define(store: &Store, start: Start, lock: Option<&str>, maximum: Option<&str>, selector: &str) {
    let class = Class {
        code: "orders".into(),
        number: 1,
        title: "Orders".into(),
        start,
        lock: lock.map(str::to_owned),
        maximum: maximum.map(str::to_owned),
        then: Then::Erase,
        ground: "a law".into(),
        selector: selector.into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class))).unwrap();
}

/// Ids of all records of a query, as a holder of a case sees them.
fn ids(store: &Store, text: &str) -> Vec<String> {
    let cases = store.registers().holds.iter().map(|placed| placed.hold.code.clone()).collect::<Vec<_>>();
    let mut all = Vec::new();
    for session in cases.into_iter().map(|case| dana().case(case)).chain([dana()]) {
        let hits = store.session(session).search(text, &SearchOptions::new().limit(100)).unwrap();
        all.extend(hits.into_iter().map(|hit| hit.id));
    }
    all.sort();
    all.dedup();
    all
}

fn record(id: &str) -> Selector {
    Selector::Record { id: id.into(), conversation: None }
}

fn of(name: &str) -> Selector {
    Selector::Person(name.into())
}

fn erase(store: &Store, selector: &Selector) -> Result<Certificate, escrowdb::Error> {
    store.erase(selector, &EraseOptions { actor: Some("kim".into()), ..EraseOptions::default() })
}

/// A message that was edited, tagged and reacted to, in a conversation with another.
fn spoken_of(store: &Store) {
    let about = |id: &str, who: &str, kind: Kind, target: &str, body: &str| {
        say(id, who, "c1", 1, body).kind(kind).target(target)
    };
    add(store, &[say("m1", "anna", "c1", 0, "the lamp flickers"), say("m2", "anna", "c1", 0, "never mind")]);
    add(
        store,
        &[
            about("e1", "anna", Kind::Edit, "m1", "the lamp is broken"),
            about("e2", "anna", Kind::Edit, "e1", "the lamp is gone"),
            about("r1", "ben", Kind::Reaction, "e1", "+1"),
            about("d1", "anna", Kind::Delete, "m1", ""),
        ],
    );
    store.tag(&dana(), "m1", None, &["litigation".to_owned()], &[]).unwrap();
}

const SPEAKING: &str = "kind:edit OR kind:reaction OR kind:delete OR kind:tag";

/// The rest of what somebody asked to go was taken by the second lock, and with it went what had been said of
/// the part that a hold keeps: its edits, its deletion, its tags.
#[test]
fn whatever_speaks_of_what_is_held_stays_with_it() {
    for (scope, roll) in [
        ("flickers", false),
        ("flickers", true),
        ("version:all broken", true),
        ("version:all tag:litigation", true),
    ] {
        let Made { store, .. } = made();
        spoken_of(&store);
        if roll {
            store.roll().unwrap();
        }
        let before = ids(&store, &format!("version:all ({SPEAKING})"));
        assert_eq!(before.len(), 5);
        place(&store, "h", query(scope));
        let plan = store.plan(&of("anna")).unwrap();
        assert_eq!((plan.kept.unwrap().records, plan.holds.as_slice()), (6, ["h".to_owned()].as_slice()));
        let certificate = erase(&store, &of("anna")).unwrap();
        assert_eq!((certificate.kept, certificate.records_removed), (plan.kept, plan.records), "{scope}");
        assert_eq!(ids(&store, &format!("version:all ({SPEAKING})")), before, "{scope}");
        assert_eq!(ids(&store, "version:all *"), ["e1", "e2", "m1"], "{scope}");
        for id in ["m1", "e1", "e2", "d1", "r1"] {
            assert_eq!(erase(&store, &record(id)).err().unwrap().kind(), ErrorKind::Refused, "{id}");
        }
        release(&store, "h");
        assert!(erase(&store, &of("anna")).unwrap().kept.is_none());
        assert!(ids(&store, &format!("version:all (* OR {SPEAKING})")).is_empty());
    }
}

/// A lock keeps what speaks of a record too, from a person's erasure and from a class that ends earlier.
#[test]
fn whatever_speaks_of_what_is_locked_stays_with_it() {
    let Made { store, clock } = made();
    define(&store, Start::Time, Some("30d"), Some("60d"), "tag:order");
    let order = say("m1", "anna", "c1", 0, "one lamp, please").tag("order");
    add(&store, &[order, say("m2", "anna", "c1", 0, "hello")]);
    add(&store, &[say("e1", "anna", "c1", 1, "two lamps, please").kind(Kind::Edit).target("m1")]);
    clock.advance(DAY);
    let certificate = erase(&store, &of("anna")).unwrap();
    let kept = certificate.kept.unwrap();
    // The edit has the class of what it is about; it was written a day later.
    assert_eq!((kept.records, kept.held, kept.until), (2, false, Some(Micros(START + 32 * DAY))));
    assert_eq!(ids(&store, "version:all *"), ["e1", "m1"]);
    for id in ["m1", "e1"] {
        assert_eq!(erase(&store, &record(id)).err().unwrap().kind(), ErrorKind::Refused, "{id}");
    }
    clock.set(Micros(START + 31 * DAY));
    // The message alone might go: but it is one with its edit, which may not yet.
    store.retention(false).unwrap();
    assert_eq!(ids(&store, "version:all *"), ["e1", "m1"]);
    clock.set(Micros(START + 33 * DAY));
    assert!(erase(&store, &of("anna")).unwrap().kept.is_none());
}

/// The time of such a class runs from the end of the conversation; it was reckoned from each record's own when
/// somebody asked for her erasure.
#[test]
fn a_lock_runs_from_the_end_of_a_conversation_for_a_persons_erasure_too() {
    let Made { store, clock } = made();
    define(&store, Start::ConversationEnd, Some("30d"), None, "*");
    add(
        &store,
        &[
            say("m1", "anna", "c1", 0, "one"),
            say("m2", "ben", "c1", 20, "two"),
            say("m3", "anna", "c2", 0, "x"),
        ],
    );
    for day in [10, 20, 30, 40] {
        clock.set(Micros(START + day * DAY));
        store.retention(true).unwrap();
    }
    let certificate = erase(&store, &of("anna")).unwrap();
    let kept = certificate.kept.unwrap();
    assert_eq!((kept.records, kept.until), (1, Some(Micros(START + 51 * DAY))));
    assert_eq!(ids(&store, "author:anna"), ["m1"]);
}

/// What waits for an event that has not come is locked until nobody knows when.
#[test]
fn a_lock_that_has_not_begun_has_no_date() {
    let Made { store, .. } = made();
    define(&store, Start::Event, Some("30d"), None, "*");
    add(&store, &[say("m1", "anna", "c1", 0, "one")]);
    let refused = erase(&store, &of("anna")).err().unwrap();
    assert_eq!(refused.to_string(), "kept by law, until a date that is not known");
    assert_eq!(store.plan(&of("anna")).unwrap().refused, Some("lock"));
}

/// Whoever wrote what is held is a part of it: his erasure would have left it without an author.
#[test]
fn who_wrote_what_is_held_stays_its_author() {
    let Made { store, .. } = made();
    let reply = say("s1", "staff", "c1", 0, "we will replace it").subject("anna");
    add(
        &store,
        &[say("m1", "anna", "c1", 0, "the lamp flickers"), reply, say("s2", "staff", "c9", 0, "lunch?")],
    );
    place(&store, "h", Scope::Conversation("c1".into()));
    let certificate = erase(&store, &of("staff")).unwrap();
    assert_eq!((certificate.kept.unwrap().held, certificate.records_removed), (true, 1));
    assert_eq!(ids(&store, "author:staff"), ["s1"]);
    assert_eq!(erase(&store, &of("staff")).err().unwrap().kind(), ErrorKind::Refused, "nothing else is his");
    release(&store, "h");
    erase(&store, &of("staff")).unwrap();
    assert!(store.number_of("staff").is_err());
}

/// People who are linked are erased together, so they are held together.
#[test]
fn a_hold_follows_links() {
    let Made { store, .. } = made();
    add(&store, &[say("m1", "anna", "c1", 0, "one"), say("m2", "anna@example.org", "c2", 0, "two")]);
    store.link("anna", "anna@example.org").unwrap();
    place(&store, "h", person(&store, "anna"));
    for name in ["anna", "anna@example.org"] {
        assert_eq!(erase(&store, &of(name)).err().unwrap().to_string(), "held: h");
    }
    let deletion = say("d1", "anna@example.org", "c2", 1, "").kind(Kind::Delete).target("m2");
    assert!(matches!(store.append(&[deletion]).unwrap().remove(0), Outcome::Rejected(_)));
}

/// A restriction of one of two linked people left the other's records in sight.
#[test]
fn a_restriction_follows_links() {
    let Made { store, .. } = made();
    add(&store, &[say("m1", "anna", "c1", 0, "one"), say("m2", "anna@example.org", "c2", 0, "two")]);
    store.link("anna", "anna@example.org").unwrap();
    holds::place(&store, "r", Effect::Restrict, person(&store, "anna"));
    let seen = |session: Session| store.session(session).count("*").unwrap();
    assert_eq!((seen(dana()), seen(dana().case("r"))), (0, 2));
}

/// A message and its deletion in one batch hid what is held, for the message was not there to be asked about;
/// and so did a deletion that came first.
#[test]
fn what_is_held_is_not_hidden_by_what_comes_with_it_or_before_it() {
    for scope in ["conversation:c1", "flickers", "person"] {
        let Made { store, .. } = made();
        add(&store, &[say("m0", "anna", "c1", 0, "hello")]);
        let scope_of = match scope {
            "person" => person(&store, "anna"),
            text => text
                .strip_prefix("conversation:")
                .map_or(query(text), |name| Scope::Conversation(name.into())),
        };
        place(&store, "h", scope_of);
        let message = say("m1", "anna", "c1", 0, "the lamp flickers");
        let edit = say("e1", "anna", "c1", 1, "it does not").kind(Kind::Edit).target("m1");
        let of_edit = say("d1", "anna", "c1", 1, "").kind(Kind::Delete).target("e1");
        let outcomes = store.append(&[message, edit, of_edit]).unwrap();
        assert!(matches!(outcomes[0], Outcome::Added(_)), "{scope}");
        match &outcomes[1] {
            Outcome::Rejected(e) => assert_eq!(e.to_string(), "held: h", "{scope}"),
            other => panic!("{scope}: {other:?}"),
        }
        assert_eq!(ids(&store, "flickers"), ["m1"], "{scope}");
        // What an edit is about is not known before it comes, but where it will stand is.
        let first = say("d2", "anna", "c1", 1, "").kind(Kind::Delete).target("later");
        let first = store.append(&[first]).unwrap().remove(0);
        assert_eq!(matches!(first, Outcome::Rejected(_)), scope != "flickers", "{scope}");
    }
}

/// A chain of edits in one batch, longer than anybody looks, gets nothing past a hold.
#[test]
fn no_chain_of_edits_is_too_long_for_a_hold() {
    let Made { store, .. } = made();
    place(&store, "h", query("flickers"));
    let mut batch =
        vec![say("x0", "anna", "c1", 0, "the lamp is fine"), say("m", "anna", "c1", 0, "it flickers")];
    for i in 1..100 {
        let target = format!("x{}", i - 1);
        batch.push(say(&format!("x{i}"), "anna", "c1", 1, "fine").kind(Kind::Edit).target(&target));
    }
    let outcomes = store.append(&batch).unwrap();
    let refused: Vec<_> =
        (0..outcomes.len()).filter(|i| matches!(outcomes[*i], Outcome::Rejected(_))).collect();
    // Those behind it speak of what is not there.
    assert_eq!(refused, [66]);
}

/// `correct` names an edit: it is a wording of a message that is held.
#[test]
fn a_wording_of_what_is_held_is_not_corrected() {
    let Made { store, .. } = made();
    spoken_of(&store);
    place(&store, "h", query("flickers"));
    for id in ["m1", "e1", "e2"] {
        let corrected = store.correct(&dana(), id, None, "another", None);
        assert!(
            corrected.is_err_and(|e| e.kind() == ErrorKind::Refused || e.kind() == ErrorKind::NotFound),
            "{id}"
        );
    }
    assert_eq!(store.session(dana()).count("another").unwrap(), 0);
    store.correct(&dana(), "m2", None, "another", None).unwrap();
}

/// What the gate and holds refuse of appends is on record, once a batch for each reason.
#[test]
fn refusals_of_appends_are_on_record() {
    let Made { store, .. } = made();
    add(&store, &[say("m1", "anna", "c1", 0, "one"), say("m2", "anna", "c1", 0, "two")]);
    place(&store, "h", Scope::Conversation("c1".into()));
    let about = |id: &str, target: &str| say(id, "anna", "c1", 1, "x").kind(Kind::Edit).target(target);
    store.append(&[about("e1", "m1"), about("e2", "m2")]).unwrap();
    let acts = store.session(dana()).search("kind:refused", &SearchOptions::new()).unwrap();
    let bodies: Vec<_> = acts.iter().map(|hit| hit.body.as_str()).collect();
    assert_eq!(bodies, [r#"{"action":"edit","ground":"hold","holds":["h"]}"#]);
    let acts = store.session(dana()).acts("kind:refused", &ActOptions::new()).unwrap();
    assert_eq!(acts[0].act.as_ref().unwrap().count, 2);
}

/// She is held while she is being erased: that answered *busy*, and the erasure went on.
#[test]
fn a_hold_on_who_is_being_erased_wins_until_the_last_look() {
    let disk = RecordingVfs::new();
    let Made { store, .. } = made_on(Arc::new(disk.clone()));
    add(&store, &[say("m1", "anna", "c1", 0, "one"), say("m2", "ben", "c1", 0, "two")]);
    store.roll().unwrap();
    let gate = disk.block(Aim::at(FileClass::Index, Call::Sync), 0);
    let scope = person(&store, "anna");
    thread::scope(|s| {
        let erasing = s.spawn(|| erase(&store, &of("anna")));
        assert!(gate.reached(Duration::from_secs(20)), "the erasure writes an index");
        let placed = try_place(&store, "h", Effect::Hold, scope);
        gate.open();
        placed.unwrap();
        assert_eq!(erasing.join().unwrap().err().unwrap().kind(), ErrorKind::Refused);
    });
    assert_eq!(ids(&store, "*"), ["m1", "m2"]);
    assert_eq!(store.session(dana()).acts("kind:refused author:kim", &ActOptions::new()).unwrap().len(), 1);
    release(&store, "h");
    erase(&store, &of("ben")).unwrap();
    assert!(store.number_of("anna").is_err(), "what waited went with the next");
}

/// A lock that is defined too late keeps nothing; one that is lengthened while a pass writes does.
#[test]
fn a_lock_that_is_lengthened_while_an_erasure_runs_wins_until_the_last_look() {
    let disk = RecordingVfs::new();
    let Made { store, clock } = made_on(Arc::new(disk.clone()));
    define(&store, Start::Time, Some("1d"), None, "*");
    add(&store, &[say("m1", "anna", "c1", 0, "one")]);
    store.roll().unwrap();
    clock.advance(3 * DAY);
    let gate = disk.block(Aim::at(FileClass::Index, Call::Sync), 0);
    thread::scope(|s| {
        let erasing = s.spawn(|| erase(&store, &of("anna")));
        assert!(gate.reached(Duration::from_secs(20)), "the erasure writes an index");
        let longer = class::Event::Lengthen { code: "orders".into(), lock: "30d".into() };
        let done = store.change(&dana(), Event::Class(longer));
        gate.open();
        done.unwrap();
        assert_eq!(erasing.join().unwrap().err().unwrap().kind(), ErrorKind::Refused);
    });
    assert_eq!(ids(&store, "*"), ["m1"]);
}

/// A conversation went on after a run had chosen it: it was erased all the same.
#[test]
fn a_conversation_that_goes_on_while_a_run_writes_is_not_over() {
    let disk = RecordingVfs::new();
    let Made { store, clock } = made_on(Arc::new(disk.clone()));
    define(&store, Start::ConversationEnd, None, Some("10d"), "tag:chat");
    let chat = |id: &str, who: &str, conversation: &str| say(id, who, conversation, 0, "one").tag("chat");
    add(&store, &[chat("m1", "anna", "c1"), chat("x1", "ben", "c2"), say("x2", "anna", "c3", 0, "two")]);
    store.roll().unwrap();
    for day in [10, 20] {
        clock.set(Micros(START + day * DAY));
        store.retention(true).unwrap();
    }
    let gate = disk.block(Aim::at(FileClass::Index, Call::Sync), 0);
    thread::scope(|s| {
        let running = s.spawn(|| store.retention(false));
        assert!(gate.reached(Duration::from_secs(20)), "the run writes an index");
        let went_on = store.append(&[say("m2", "anna", "c1", 19, "one more thing")]);
        gate.open();
        assert!(matches!(went_on.unwrap()[0], Outcome::Added(_)));
        let report = running.join().unwrap().unwrap();
        assert_eq!(report.certificates.len(), 1);
        // The other conversation, and that anybody took part in it.
        assert_eq!(report.certificates[0].records_removed, 2, "what stayed over was chosen anew");
    });
    assert_eq!(ids(&store, "*"), ["m1", "m2", "x2"]);
}

/// A crash between the act of an erasure and the restriction left open what a hold keeps of the erased.
#[test]
fn no_crash_leaves_open_what_is_kept() {
    let disk = RecordingVfs::new();
    let Made { store, clock } = made_on(Arc::new(disk.clone()));
    add(&store, &[say("m1", "anna", "c1", 0, "the contract"), say("m2", "anna", "c1", 0, "hello")]);
    store.roll().unwrap();
    place(&store, "h", query("contract"));
    let from = disk.log_len();
    let request = RequestId([4; 16]);
    store.erase(&of("anna"), &EraseOptions { request: Some(request), ..EraseOptions::default() }).unwrap();
    let (ops, to) = (disk.log(), disk.log_len());
    drop(store);
    let options = CrashOptions { points: from..to + 1, exhaustive_max: 1, random: 1, torn: 0, seed: 3 };
    let mut partly = 0;
    for image in crashes(&ops, options) {
        let store = Store::builder("/s")
            .vfs(Arc::new(image.disk()))
            .clock(Arc::clone(&clock) as Arc<dyn escrowdb::clock::Clock>)
            .entropy(Arc::new(SeededEntropy::new(100 + image.at as u64)))
            .background(false)
            .open()
            .unwrap();
        let open = store.session(dana()).count("contract").unwrap();
        match store.certificate(request, None) {
            Ok(certificate) => {
                assert_eq!((certificate.kept.unwrap().records, open), (1, 0), "{}", image.what);
                partly += 1;
            }
            Err(e) => assert_eq!((e.kind(), open), (ErrorKind::NotFound, 1), "{}", image.what),
        }
    }
    assert!(partly > 10, "{partly}");
}

/// What a hold kept of somebody goes by itself once it is lifted, behind the grace.
#[test]
fn what_was_kept_goes_with_a_run_once_nothing_keeps_it() {
    let disk = MemoryVfs::new();
    let Made { store, clock } = made_on(Arc::new(disk.clone()));
    let grace = settings::Event { grace: Some("7d".into()), ..settings::Event::default() };
    store.change(&dana(), Event::Settings(grace)).unwrap();
    add(&store, &[say("m1", "anna", "c1", 0, "the contract"), say("m2", "anna", "c1", 0, "hello")]);
    for code in ["h1", "h2"] {
        place(&store, code, query("contract"));
    }
    // It keeps somebody else.
    add(&store, &[say("m3", "ben", "c2", 0, "an offer")]);
    place(&store, "h3", query("offer"));
    let first = erase(&store, &of("anna")).unwrap();
    assert!(first.kept.is_some());
    let run = |day: i64| {
        clock.set(Micros(START + day * DAY));
        let would = store.retention(true).unwrap();
        let did = store.retention(false).unwrap();
        assert_eq!(would.deferred, did.deferred);
        did
    };
    assert_eq!(run(1).deferred, 0, "it is held");
    release(&store, "h1");
    assert_eq!(run(10).deferred, 0, "it is held by another");
    release(&store, "h2");
    assert_eq!(run(16).deferred, 0, "a week is to pass");
    release(&store, "h3");
    assert_eq!(ids(&store, "*"), ["m1", "m3"]);
    let report = run(17);
    assert_eq!((report.deferred, report.certificates.len()), (1, 1));
    let last = &report.certificates[0];
    assert_eq!(
        (last.what, last.kept, last.handles == first.handles),
        ("person", None, first.handles.len() == 1)
    );
    assert!(store.number_of("anna").is_err() && ids(&store, "*") == ["m3"]);
    assert_eq!((run(18).deferred, run(18).certificates.len()), (0, 0));
    drop(store);
    let store = Store::builder("/s").vfs(Arc::new(disk)).open().unwrap();
    assert_eq!(store.retention(true).unwrap().deferred, 0);
}

/// One person could switch off that two must agree.
#[test]
fn four_eyes_are_switched_off_by_two() {
    let Made { store, .. } = made();
    let switch = |who: &str, on: bool| {
        let event = settings::Event { four_eyes: Some(on), ..settings::Event::default() };
        store.change(&Session::new().actor(who), Event::Settings(event)).map(drop)
    };
    switch("dana", true).unwrap();
    switch("dana", false).unwrap();
    assert_eq!(switch("dana", false).unwrap_err().kind(), ErrorKind::Refused);
    assert!(store.registers().settings.four_eyes);
    switch("kim", false).unwrap();
    assert!(!store.registers().settings.four_eyes);
}
