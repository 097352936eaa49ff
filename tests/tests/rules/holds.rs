//! What a hold keeps nobody removes, whichever way he tries; every refusal is a record.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::ErrorKind;
use escrowdb::id::{Micros, RequestId};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::request::{self, Kind, Step};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, EraseOptions, Outcome, Record, SearchOptions, Selector, Store};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::recording_vfs::RecordingVfs;

const START: i64 = 1_767_225_600_000_000;

fn store() -> Store {
    store_on(Arc::new(MemoryVfs::new()))
}

fn store_on(disk: Arc<dyn Vfs>) -> Store {
    let store = Store::builder("/s")
        .vfs(disk)
        .clock(Arc::new(ManualClock::new(Micros(START))))
        .entropy(Arc::new(SeededEntropy::new(1)))
        .background(false)
        .create()
        .unwrap();
    let say = |id: &str, who: &str, conversation: &str, body: &str| {
        Record::new(conversation, who, Micros(START), body).id(id)
    };
    let records = [
        say("a1", "anna", "c1", "the lamp flickers"),
        say("a2", "anna", "c2", "the contract was never signed"),
        say("b1", "ben", "c1", "which lamp"),
        say("b2", "ben", "c3", "hello"),
    ];
    assert_eq!(store.append(&records).unwrap().len(), 4);
    store.roll().unwrap();
    store
}

pub(crate) fn dana() -> Session {
    Session::new().actor("dana").purpose("test")
}

/// Places a hold or a restriction.
pub(crate) fn place(store: &Store, code: &str, effect: Effect, scope: Scope) {
    try_place(store, code, effect, scope).unwrap();
}

pub(crate) fn try_place(
    store: &Store,
    code: &str,
    effect: Effect,
    scope: Scope,
) -> Result<(), escrowdb::Error> {
    let (code, matter, ground) = (code.to_owned(), "Meyer v. Shop".to_owned(), "claim".to_owned());
    let hold = Hold { code, effect, scope, matter, ground, review: None };
    store.change(&dana(), Event::Hold(hold::Event::Place(hold))).map(drop)
}

pub(crate) fn release(store: &Store, code: &str) {
    let release = hold::Event::Release { code: code.into(), reason: "settled".into() };
    store.change(&dana(), Event::Hold(release)).unwrap();
}

pub(crate) fn person(store: &Store, name: &str) -> Scope {
    Scope::Person(store.number_of(name).unwrap().0)
}

pub(crate) fn query(text: &str) -> Scope {
    Scope::Query { text: text.into(), at: Micros(START) }
}

/// Ids of all messages, by who sees them.
fn ids(store: &Store, session: Session) -> Vec<String> {
    let hits = store.session(session).search("*", &SearchOptions::new().limit(100)).unwrap();
    let mut ids: Vec<_> = hits.into_iter().map(|hit| hit.id).collect();
    ids.sort();
    ids
}

fn selectors() -> [(Selector, &'static str); 4] {
    let record = |id: &str| Selector::Record { id: id.into(), conversation: None };
    [
        (Selector::Person("anna".into()), "anna"),
        (Selector::Conversation("c1".into()), "c1"),
        (Selector::Conversation("c2".into()), "c2"),
        (record("a2"), "a2"),
    ]
}

fn erase(store: &Store, selector: &Selector) -> Result<escrowdb::store::Certificate, escrowdb::Error> {
    let options = EraseOptions { actor: Some("kim".into()), ..EraseOptions::default() };
    store.erase(selector, &options)
}

#[test]
fn a_person_who_is_held_stays_whole_and_who_tried_is_on_record() {
    let store = store();
    place(&store, "m1", Effect::Hold, person(&store, "anna"));
    let before = (ids(&store, dana()), store.key_status().epoch);
    let mut refused = 0;
    for (selector, name) in selectors() {
        match erase(&store, &selector) {
            Err(e) => {
                assert_eq!((e.kind(), e.to_string().as_str()), (ErrorKind::Refused, "held: m1"), "{name}");
                refused += 1;
            }
            // Ben's part of their conversation may go.
            Ok(certificate) => {
                assert_eq!((name, certificate.kept.unwrap().records), ("c1", 1));
            }
        }
    }
    assert_eq!(refused, 3);
    assert_eq!(ids(&store, dana()), ["a1", "a2", "b2"]);
    assert!(before.0.len() == 4 && store.key_status().epoch > before.1);
    let found = store.session(dana()).acts("kind:refused author:kim", &ActOptions::new()).unwrap();
    assert_eq!(found.len(), 3);
    release(&store, "m1");
    erase(&store, &Selector::Person("anna".into())).unwrap();
    assert_eq!(ids(&store, dana()), ["b2"]);
}

#[test]
fn nothing_changes_where_all_is_held() {
    for scope in [Scope::Conversation("c2".into()), query("contract"), query("tag:none OR conversation:c2")] {
        let store = store();
        place(&store, "m1", Effect::Hold, scope);
        let before = (ids(&store, dana()), store.key_status().epoch);
        for selector in [Selector::Conversation("c2".into()), selectors()[3].0.clone()] {
            assert_eq!(erase(&store, &selector).err().unwrap().kind(), ErrorKind::Refused);
        }
        assert_eq!((ids(&store, dana()), store.key_status().epoch), before);
    }
}

#[test]
fn what_is_held_is_neither_hidden_nor_changed() {
    for scope in [Scope::Conversation("c2".into()), query("contract")] {
        let store = store();
        place(&store, "m1", Effect::Hold, scope);
        let about = |kind, id: &str, target: &str, conversation: &str| {
            let record = Record::new(conversation, "anna", Micros(START + 1), "x").id(id);
            store.append(&[record.kind(kind).target(target)]).unwrap().remove(0)
        };
        use escrowdb::record::Kind;
        for kind in [Kind::Edit, Kind::Delete] {
            match about(kind, "e1", "a2", "c2") {
                Outcome::Rejected(e) => assert_eq!(e.to_string(), "held: m1"),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(about(Kind::Reaction, "r1", "a2", "c2"), Outcome::Added(_)));
        assert!(matches!(about(Kind::Edit, "e2", "a1", "c1"), Outcome::Added(_)));
        let tags = ["later".to_owned()];
        store.tag(&dana(), "a2", None, &tags, &[]).unwrap();
        assert_eq!(store.tag(&dana(), "a2", None, &[], &tags).unwrap_err().kind(), ErrorKind::Refused);
        let correct = |id: &str| store.correct(&dana(), id, None, "another", None).map(drop);
        assert_eq!(correct("a2").unwrap_err().kind(), ErrorKind::Refused);
        correct("a1").unwrap();
        release(&store, "m1");
        correct("a2").unwrap();
        assert!(matches!(about(Kind::Delete, "d1", "a2", "c2"), Outcome::Added(_)));
    }
}

#[test]
fn what_is_held_of_a_person_is_restricted_and_the_rest_dies() {
    let store = store();
    place(&store, "m1", Effect::Hold, query("contract"));
    let request = RequestId([7; 16]);
    let options = EraseOptions { request: Some(request), ..EraseOptions::default() };
    let certificate = store.erase(&Selector::Person("anna".into()), &options).unwrap();
    let kept = certificate.kept.unwrap();
    assert_eq!((certificate.what, kept.records, kept.held, kept.until), ("person", 1, true, None));
    assert!(certificate.to_json().contains("\"partial\":{\"records_kept\":1,\"held\":true,\"until\":null}"));
    // Who holds a case sees it, and nobody else.
    assert_eq!(ids(&store, dana()), ["b1", "b2"]);
    assert_eq!(ids(&store, dana().case("m1")), ["a2", "b1", "b2"]);
    assert_eq!(store.session(dana()).count("contract").unwrap(), 0);
    assert_eq!(store.session(dana().case("m1")).count("contract").unwrap(), 1);
    assert_eq!(store.session(dana().case("m1")).count("flickers").unwrap(), 0, "it is gone for everybody");
    // The same request is answered with the same certificate.
    let again = store.erase(&Selector::Person("anna".into()), &options);
    assert!(again.is_err(), "she is alive, in part: whoever names her means the rest");
    assert!(store.certificate(request, None).unwrap().kept == certificate.kept);
    release(&store, "m1");
    let rest = erase(&store, &Selector::Person("anna".into())).unwrap();
    assert!(rest.kept.is_none());
    assert_eq!(ids(&store, dana().case("m1")), ["b1", "b2"]);
    assert!(store.number_of("anna").is_err());
}

#[test]
fn two_must_agree_where_the_store_says_so() {
    let store = store();
    let four = settings::Event { four_eyes: Some(true), ..settings::Event::default() };
    store.change(&dana(), Event::Settings(four)).unwrap();
    let anna = Selector::Person("anna".into());
    assert_eq!(erase(&store, &anna).err().unwrap().kind(), ErrorKind::Refused);
    let number = store.number_of("anna").unwrap();
    let step = |actor: &str, step| {
        let event = request::Event { request: "r1".into(), event: step };
        store.change(&Session::new().actor(actor), Event::Request(event))
    };
    let received = Micros(START - 1);
    let receive = Step::Receive { kind: Kind::Erasure, person: number, received, channel: "mail".into() };
    step("dana", receive).unwrap();
    step("dana", Step::Identify { method: "passport".into() }).unwrap();
    // A plan of something else, which is agreed to, is none of this.
    let other = "ab".repeat(32);
    let options = EraseOptions { approved: Some("r1".into()), ..EraseOptions::default() };
    step("dana", Step::Plan { hash: other.clone() }).unwrap();
    step("kim", Step::Approve { hash: other }).unwrap();
    assert_eq!(store.erase(&anna, &options).err().unwrap().kind(), ErrorKind::Refused);
    let hash = store.plan_request(&Session::new().actor("dana"), "r1").unwrap().agreed.hash;
    assert_eq!(store.erase(&anna, &options).err().unwrap().kind(), ErrorKind::Refused);
    assert_eq!(step("dana", Step::Approve { hash: hash.clone() }).unwrap_err().kind(), ErrorKind::Refused);
    step("kim", Step::Approve { hash }).unwrap();
    // Nor is what came in since.
    store
        .append(&[Record::new("c1", "anna", Micros(START), "one more thing").id("m9").subject("anna")])
        .unwrap();
    assert_eq!(store.erase(&anna, &options).err().unwrap().kind(), ErrorKind::Refused);
    let hash = store.plan_request(&Session::new().actor("dana"), "r1").unwrap().agreed.hash;
    step("kim", Step::Approve { hash }).unwrap();
    // It was approved for her, and for nobody else.
    let others = [Selector::Person("ben".into()), Selector::Conversation("c1".into())];
    for other in others {
        assert_eq!(store.erase(&other, &options).err().unwrap().kind(), ErrorKind::Refused);
    }
    let certificate = store.erase(&anna, &options).unwrap();
    assert_eq!(certificate.approvers, [store.number_of("kim").unwrap()]);
}

/// A hold that comes while the new index is on its way to the disk: the pass ends, nothing is gone, and the
/// erasure waits until it is lifted.
#[test]
fn a_hold_that_is_placed_while_an_erasure_runs_wins_until_the_last_look() {
    let disk = RecordingVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    let scope = query("contract");
    let gate = disk.block(Aim::at(Class::Index, Call::Sync), 0);
    let request = RequestId([9; 16]);
    let options = EraseOptions { request: Some(request), ..EraseOptions::default() };
    thread::scope(|s| {
        let erasing = s.spawn(|| store.erase(&Selector::Person("anna".into()), &options));
        assert!(gate.reached(Duration::from_secs(20)), "the erasure writes an index");
        place(&store, "m1", Effect::Hold, scope);
        gate.open();
        assert_eq!(erasing.join().unwrap().err().unwrap().kind(), ErrorKind::Refused);
    });
    assert_eq!(ids(&store, dana()), ["a1", "a2", "b1", "b2"]);
    // Others are erased meanwhile.
    store.erase(&Selector::Person("ben".into()), &EraseOptions::default()).unwrap();
    assert_eq!(ids(&store, dana()), ["a1", "a2"]);
    let held = store.erase(&Selector::Person("anna".into()), &options);
    assert_eq!(held.err().unwrap().kind(), ErrorKind::Refused);
    release(&store, "m1");
    let certificate = store.erase(&Selector::Person("anna".into()), &options).unwrap();
    assert_eq!((certificate.request, certificate.kept), (request, None));
    assert!(ids(&store, dana()).is_empty());
}

/// A law that demands that records are kept goes before who asks for their erasure, until its date.
#[test]
fn what_a_law_locks_stays_until_its_date() {
    use escrowdb::register::class::{self, Class, Start, Then};
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let disk = MemoryVfs::new();
    let store = Store::builder("/s")
        .vfs(Arc::new(disk))
        .clock(Arc::clone(&clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(1)))
        .background(false)
        .create()
        .unwrap();
    let class = Class {
        code: "orders".into(),
        number: 1,
        title: "Orders".into(),
        start: Start::Time,
        lock: Some("30d".into()),
        maximum: Some("60d".into()),
        then: Then::Erase,
        ground: "a law".into(),
        selector: "channel:phone".into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class))).unwrap();
    let say = |id: &str, who: &str, channel: &str| {
        Record::new("c1", who, Micros(START), "x").id(id).channel(channel)
    };
    store.append(&[say("a1", "anna", "phone"), say("a2", "anna", "web"), say("b1", "ben", "phone")]).unwrap();
    let ben = erase(&store, &Selector::Person("ben".into()));
    assert_eq!(ben.err().unwrap().to_string(), "kept by law until 2026-02-01T00:00:00Z");
    let part = erase(&store, &Selector::Person("anna".into())).unwrap();
    let kept = part.kept.unwrap();
    assert_eq!((kept.records, kept.held, kept.until), (1, false, Some(Micros(START + 31 * Micros::DAY))));
    assert_eq!(ids(&store, dana().case("tax")), ["b1"], "there is no such case");
    assert_eq!(ids(&store, dana().case(format!("kept-{}", part.request))), ["a1", "b1"]);
    // A clock that leaps ten years is not believed at once.
    clock.set(Micros(START + 3_650 * Micros::DAY));
    let ben = erase(&store, &Selector::Person("ben".into()));
    assert_eq!(ben.err().unwrap().kind(), ErrorKind::Refused);
    clock.set(Micros(START + 31 * Micros::DAY));
    assert!(erase(&store, &Selector::Person("anna".into())).unwrap().kept.is_none());
    assert_eq!(ids(&store, dana()), ["b1"]);
}

/// Counsel tags what a matter needs, and holds the tag; or holds a word that a correction brought.
#[test]
fn a_query_holds_what_it_finds_now_and_what_was_written() {
    let store = store();
    store.tag(&dana(), "a1", None, &["litigation".to_owned()], &[]).unwrap();
    store.correct(&dana(), "b2", None, "settlement", None).unwrap();
    place(&store, "m1", Effect::Hold, query("tag:litigation OR settlement OR hello"));
    let record = |id: &str| Selector::Record { id: id.into(), conversation: None };
    for id in ["a1", "b2"] {
        assert_eq!(erase(&store, &record(id)).err().unwrap().kind(), ErrorKind::Refused, "{id}");
    }
    erase(&store, &record("a2")).unwrap();
    let own = Hold {
        code: "x".into(),
        effect: Effect::Hold,
        scope: query("kind:detail"),
        matter: "m".into(),
        ground: "g".into(),
        review: None,
    };
    let placed = store.change(&dana(), Event::Hold(hold::Event::Place(own)));
    assert_eq!(placed.unwrap_err().kind(), ErrorKind::Invalid);
}

/// Who only reacted is held: his reaction stays, and nothing else does for it.
#[test]
fn a_hold_on_who_speaks_of_a_record_keeps_no_other_erasure() {
    let store = store();
    let reaction =
        Record::new("c2", "kim", Micros(START), "x").id("r1").kind(escrowdb::record::Kind::Reaction);
    store.append(&[reaction.target("a2")]).unwrap();
    place(&store, "k", Effect::Hold, person(&store, "kim"));
    let record = Selector::Record { id: "a2".into(), conversation: None };
    erase(&store, &record).unwrap();
    assert_eq!(ids(&store, dana()), ["a1", "b1", "b2"]);
    let kinds = |store: &Store| store.session(dana()).count("kind:reaction").unwrap();
    assert_eq!(kinds(&store), 1);
    erase(&store, &Selector::Person("ben".into())).unwrap();
    // It bears her name: she goes but for that.
    let certificate = erase(&store, &Selector::Person("anna".into())).unwrap();
    assert_eq!(certificate.kept.unwrap().records, 1);
    assert_eq!((ids(&store, dana()).len(), store.session(dana()).count("kind:reaction").unwrap()), (0, 0));
    release(&store, "k");
    assert!(erase(&store, &Selector::Person("anna".into())).unwrap().kept.is_none());
    assert!(store.number_of("anna").is_err());
}

#[test]
fn an_export_goes_on_beside_a_restriction() {
    let store = store();
    place(&store, "r", Effect::Restrict, person(&store, "anna"));
    let reading = store.session(dana());
    let snapshot = escrowdb::export::Snapshot::take(&reading).unwrap();
    let mut ids = Vec::new();
    let each = |hit: escrowdb::store::Hit| {
        ids.push(hit.id);
        true
    };
    snapshot.each("*", each).unwrap();
    assert_eq!(ids, ["b1", "b2"]);
}

/// The part that a hold left waits under a request id; it answers for nobody else.
#[test]
fn a_request_id_of_a_part_stands_for_what_it_is_a_part_of() {
    let disk = RecordingVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    place(&store, "m1", Effect::Hold, query("contract"));
    let late = query("flickers");
    let gate = disk.block(Aim::at(Class::Index, Call::Sync), 0);
    let options = EraseOptions { request: Some(RequestId([5; 16])), ..EraseOptions::default() };
    let erase = |who: &str| store.erase(&Selector::Person(who.into()), &options);
    thread::scope(|s| {
        let erasing = s.spawn(|| erase("anna"));
        assert!(gate.reached(Duration::from_secs(20)), "the erasure writes an index");
        place(&store, "m2", Effect::Hold, late);
        gate.open();
        assert_eq!(erasing.join().unwrap().err().unwrap().kind(), ErrorKind::Refused);
    });
    assert_eq!(erase("ben").err().unwrap().kind(), ErrorKind::Invalid);
    release(&store, "m2");
    assert_eq!(erase("anna").unwrap().kept.unwrap().records, 1);
    assert_eq!(ids(&store, dana()), ["b1", "b2"]);
}

/// Who goes with whom, and by what name somebody is found, changes what a hold on a person keeps.
#[test]
fn who_is_held_is_neither_linked_nor_named_otherwise() {
    let store = store();
    store.link("anna", "ben").unwrap();
    place(&store, "m1", Effect::Hold, person(&store, "anna"));
    let kim = Session::new().actor("kim");
    let other = Record::new("c4", "eva", Micros(START), "x").id("e1");
    store.append(&[other]).unwrap();
    let tries = [
        store.unlink_as(&kim, "anna", "ben"),
        store.unlink_as(&kim, "ben", "anna"),
        // Ben is held with her, as he is erased with her.
        store.link_as(&kim, "eva", "ben"),
        store.link_as(&kim, "anna", "eva"),
        store.add_identifier_as(&kim, "anna", "anna.b"),
    ];
    for tried in tries {
        let refused = tried.unwrap_err();
        assert_eq!((refused.kind(), refused.to_string().as_str()), (ErrorKind::Refused, "held: m1"));
    }
    assert!(store.number_of("anna.b").is_err());
    assert_eq!(store.session(dana()).person("eva").unwrap().linked, Vec::<String>::new());
    let acts = store.session(dana()).acts("kind:refused author:kim", &ActOptions::new()).unwrap();
    assert_eq!(acts.len(), 5);
    // Nobody else is kept, and she is not once it is lifted.
    store.add_identifier("eva", "eva.c").unwrap();
    release(&store, "m1");
    store.unlink("anna", "ben").unwrap();
    store.add_identifier("anna", "anna.b").unwrap();
    assert_eq!(store.number_of("anna.b").unwrap(), store.number_of("anna").unwrap());
}
