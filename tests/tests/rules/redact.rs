//! Redaction: a part of a record goes for ever, the record stays where it was, and what rules keep is kept.
//! What is left in the bytes of the folder is hunted for in `forensic`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use escrowdb::erase::certificate;
use escrowdb::export::Snapshot;
use escrowdb::id::{Micros, RequestId};
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::merkle::text::RecordProof;
use escrowdb::record::{Kind, Stored};
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::register::{Event, request, settings};
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Certificate, DetailField, EraseOptions, Level, Order, Outcome, Record, Redaction,
    SearchOptions, Selector, Store, VerifyOptions,
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
const CARD: &str = "my card is 4111 1111, thanks";

fn builder(disk: Arc<dyn Vfs>, seed: u64) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::new(ManualClock::new(Micros(START))))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

fn say(id: &str, who: &str, body: &str) -> Record {
    Record::new("c1", who, Micros(START), body).id(id).tag("t")
}

fn about(id: &str, kind: Kind, target: &str, body: &str) -> Record {
    Record::new("c1", "ben", Micros(START), body).id(id).kind(kind).target(target)
}

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn store_on(disk: Arc<dyn Vfs>) -> Store {
    let store = builder(disk, 1).create().unwrap();
    add(&store, &[say("a1", "anna", "hello"), say("a2", "anna", CARD), say("b1", "ben", "which card")]);
    store.roll().unwrap();
    store
}

fn store() -> Store {
    store_on(Arc::new(MemoryVfs::new()))
}

fn dana() -> Session {
    Session::new().actor("dana").purpose("test")
}

fn card(id: &str) -> Redaction {
    Redaction::new(id).word("4111 1111")
}

fn redact(store: &Store, redaction: &Redaction) -> Result<Certificate, Error> {
    store.redact(redaction, &EraseOptions { actor: Some("dana".into()), ..EraseOptions::default() })
}

fn body(store: &Store, id: &str) -> String {
    let hits = store.session(dana()).get(id, None).unwrap();
    assert_eq!(hits.len(), 1, "{id}");
    hits[0].body.clone()
}

fn found(store: &Store, query: &str) -> Vec<String> {
    let hits = store.session(dana()).search(query, &SearchOptions::new().limit(100)).unwrap();
    let mut ids: Vec<_> = hits.into_iter().map(|hit| hit.id).collect();
    ids.sort();
    ids
}

fn query(text: &str) -> Scope {
    Scope::Query { text: text.into(), at: Micros(START) }
}

fn assert_sound(store: &Store) {
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert!(report.damage.is_empty() && report.records_lost == 0, "{:?}", report.damage);
}

#[test]
fn a_record_stays_without_a_part_of_it() {
    let store = store();
    let (from, to) = (11, 20);
    let before = store.session(dana()).get("a2", None).unwrap().remove(0);
    let certificate = redact(&store, &Redaction::new("a2").span(from, to)).unwrap();
    let after = store.session(dana()).get("a2", None).unwrap().remove(0);
    assert_eq!(after.body, "my card is █, thanks");
    assert_eq!(
        (&after.conversation, &after.author, &after.subjects, after.time, &after.tags, after.kind),
        (&before.conversation, &before.author, &before.subjects, before.time, &before.tags, before.kind)
    );
    assert_eq!((found(&store, "4111"), found(&store, "card")), (vec![], vec!["a2".into(), "b1".into()]));
    // What is told of it, and who did it.
    let said = certificate.redaction.unwrap();
    assert_eq!((said.before, said.after, said.spans), (before.seq, Some(after.seq), 1));
    assert_eq!(said.by, store.number_of("dana").unwrap());
    let acts = store.session(dana()).acts("kind:erased author:dana", &ActOptions::new()).unwrap();
    assert_eq!(acts.len(), 1);
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    let file = certificate.to_json() + "\n";
    assert_eq!(certificate::verify(file.as_bytes(), &key).unwrap(), certificate);
    assert!(!file.contains("4111") && !file.contains("a2") && !file.contains("dana"));
    // The record is proved where it stands now; where it stood nothing is.
    let proof = store.session(dana()).prove("a2", None, None).unwrap().remove(0).to_text();
    let proof = RecordProof::parse(proof.as_bytes()).unwrap();
    proof.verify(&key).unwrap();
    assert_eq!(proof.inclusion.index, after.seq);
    assert_eq!(Stored::decode(&proof.opening.canonical).unwrap().place(), Some(before.seq));
    assert_sound(&store);
    assert_eq!(store.session(dana()).count("kind:erased").unwrap(), 1);
    // The words don't come back by giving them once more; what stays is given as often as anybody likes.
    let same = store.append(&[say("a2", "anna", &after.body)]).unwrap().remove(0);
    assert!(matches!(same, Outcome::Duplicate(seq) if seq == after.seq));
    let again = store.append(&[say("a2", "anna", CARD)]).unwrap().remove(0);
    assert!(matches!(again, Outcome::Rejected(e) if e.kind() == ErrorKind::Invalid));
}

#[test]
fn what_was_said_of_it_is_still_said() {
    let disk = MemoryVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    let edits = [about("e1", Kind::Edit, "a2", "card 4111 1111"), about("e2", Kind::Edit, "a2", "card gone")];
    add(&store, &edits);
    add(&store, &[about("r1", Kind::Reaction, "a2", "+")]);
    store.tag(&dana(), "a2", None, &["vip".into()], &["t".into()]).unwrap();
    let plan = store.plan_redaction(&dana(), &card("a2")).unwrap();
    assert_eq!((plan.spans, plan.characters, plan.newest, plan.also_in), (1, 9, false, vec!["e1".into()]));
    let plan = store.plan_redaction(&dana(), &card("e1")).unwrap();
    assert_eq!((plan.newest, plan.also_in), (false, vec!["a2".into()]));
    let newest = store.plan_redaction(&dana(), &Redaction::new("e2").word("gone")).unwrap();
    assert!(newest.newest && newest.also_in.is_empty());
    let check = |store: &Store| {
        assert_eq!(found(store, "gone"), ["e2"], "the newest wording is the newest");
        assert_eq!(found(store, "*"), ["a1", "b1", "e2"]);
        assert_eq!(found(store, "tag:vip"), ["e2"]);
        assert_eq!(found(store, "version:all card"), ["a2", "b1", "e1", "e2"]);
        assert_eq!(found(store, "kind:reaction"), ["r1"]);
    };
    check(&store);
    // An edit in the middle, then the record itself.
    for id in ["e1", "a2"] {
        redact(&store, &card(id)).unwrap();
        check(&store);
    }
    assert_eq!(found(&store, "version:all 4111"), Vec::<String>::new());
    drop(store);
    let store = builder(Arc::new(disk), 2).open().unwrap();
    check(&store);
    // What was taken back stays out of sight.
    add(&store, &[about("d1", Kind::Delete, "e2", "")]);
    redact(&store, &Redaction::new("a2").word("thanks")).unwrap();
    assert_eq!(found(&store, "*"), ["a1", "b1"]);
    // It goes when the record goes.
    let certificate =
        store.erase(&Selector::Record { id: "a2".into(), conversation: None }, &EraseOptions::default());
    assert_eq!(certificate.unwrap().records_removed, 6);
    assert_sound(&store);
}

#[test]
fn one_redaction_after_another() {
    let store = store();
    let request = |n| EraseOptions { request: Some(RequestId([n; 16])), ..EraseOptions::default() };
    let first = store.redact(&card("a2"), &request(1)).unwrap();
    // A repeated one is answered again, and takes nothing more.
    assert_eq!(store.redact(&card("a2"), &request(1)).unwrap(), first);
    assert_eq!(store.redact(&card("b1"), &request(1)).unwrap_err().kind(), ErrorKind::Invalid);
    let second = store.redact(&Redaction::new("a2").word("thanks").span(0, 2), &request(2)).unwrap();
    assert_eq!(body(&store, "a2"), "█ card is █, █");
    assert_eq!(second.redaction.unwrap().before, first.redaction.unwrap().after.unwrap());
    let hits = store.session(dana()).prove("a2", None, None).unwrap();
    let place = Stored::decode(&hits[0].opening.canonical).unwrap().place();
    assert_eq!(place, Some(first.redaction.unwrap().before), "its place is where it stood first");
    assert_eq!(store.certificate(RequestId([1; 16]), None).unwrap().redaction, first.redaction);
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(found(&store, "*"), ["b1"]);
    assert_sound(&store);
}

/// Behind others of the same moment, for its position is later.
#[test]
fn of_one_moment_it_comes_last() {
    let store = store();
    redact(&store, &card("a2")).unwrap();
    let options = SearchOptions::new().order(Order::Oldest);
    let hits = store.session(dana()).search("*", &options).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), ["a1", "b1", "a2"]);
}

#[test]
fn what_lies_outside_is_refused_and_changes_nothing() {
    let store = store();
    let epoch = store.key_status().epoch;
    for wrong in [
        Redaction::new("a1"),
        Redaction::new("a1").span(3, 3),
        Redaction::new("a1").span(4, 6),
        Redaction::new("a1").word("nothing"),
    ] {
        assert_eq!(redact(&store, &wrong).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(store.plan_redaction(&dana(), &wrong).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(redact(&store, &card("nobody")).unwrap_err().kind(), ErrorKind::NotFound);
    let elsewhere = card("a2").conversation("c2");
    assert_eq!(redact(&store, &elsewhere).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.key_status().epoch, epoch);
}

#[test]
fn what_is_held_or_locked_is_not_redacted() {
    let store = store();
    let anna = Scope::Person(store.number_of("anna").unwrap().0);
    let scopes = [query("4111"), Scope::Conversation("c1".into()), anna];
    for (scope, code) in scopes.into_iter().zip(["m1", "m2", "m3"]) {
        place(&store, code, Effect::Hold, scope);
        let epoch = store.key_status().epoch;
        let refused = redact(&store, &card("a2")).unwrap_err();
        assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::Refused, format!("held: {code}")));
        assert_eq!((body(&store, "a2").as_str(), store.key_status().epoch), (CARD, epoch));
        release(&store, code);
    }
    let acts = store.session(dana()).acts("kind:refused author:dana", &ActOptions::new()).unwrap();
    assert_eq!(acts.len(), 3);
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
    add(&store, &[say("a3", "anna", CARD).tag("order")]);
    assert!(redact(&store, &card("a3")).unwrap_err().to_string().starts_with("kept by law until"));
    // A class goes with the record.
    redact(&store, &card("a2")).unwrap();
    assert_eq!(store.records_of_class(1).unwrap(), 1);
}

#[test]
fn two_must_agree_where_the_store_says_so() {
    let store = store();
    let four = settings::Event { four_eyes: Some(true), ..settings::Event::default() };
    store.change(&dana(), Event::Settings(four)).unwrap();
    assert_eq!(redact(&store, &card("a2")).unwrap_err().kind(), ErrorKind::Refused);
    let number = store.number_of("anna").unwrap();
    let step = |actor: &str, step| {
        let event = request::Event { request: "r1".into(), event: step };
        store.change(&Session::new().actor(actor), Event::Request(event)).unwrap();
    };
    let (kind, received) = (request::Kind::Erasure, Micros(START - 1));
    step("dana", request::Step::Receive { kind, person: number, received, channel: "mail".into() });
    step("dana", request::Step::Identify { method: "passport".into() });
    let approved = EraseOptions { approved: Some("r1".into()), ..EraseOptions::default() };
    let refused = |what: &Redaction| {
        assert_eq!(store.redact(what, &approved).unwrap_err().kind(), ErrorKind::Refused);
    };
    // A plan of something else is none of this.
    let hash = "ab".repeat(32);
    step("dana", request::Step::Plan { hash: hash.clone() });
    step("kim", request::Step::Approve { hash });
    refused(&card("a2"));
    let agreed = store.plan_redaction_for(&dana(), "r1", &card("a2")).unwrap();
    assert!(!agreed.plan.contains("4111") && agreed.plan.contains("\"spans\":[["));
    refused(&card("a2"));
    step("kim", request::Step::Approve { hash: agreed.hash });
    // It was approved for these characters of this record, and for no others.
    refused(&Redaction::new("b1").word("card"));
    refused(&Redaction::new("a2").word("card"));
    refused(&Redaction::new("a2").word("4111 1111").word("thanks"));
    let certificate = store.redact(&card("a2"), &approved).unwrap();
    assert_eq!(certificate.approvers, [store.number_of("kim").unwrap()]);
    // And once: the same places of what is left are another thing.
    refused(&Redaction::new("a2").span(11, 12));
}

/// A hold that comes while the pass runs: the record stays as it is until it is lifted.
#[test]
fn a_hold_that_comes_in_between_keeps_it() {
    let disk = RecordingVfs::new();
    let store = store_on(Arc::new(disk.clone()));
    let gate = disk.block(Aim::at(FileClass::Index, Call::Sync), 0);
    let options = EraseOptions { request: Some(RequestId([9; 16])), ..EraseOptions::default() };
    thread::scope(|s| {
        let redacting = s.spawn(|| store.redact(&card("a2"), &options));
        assert!(gate.reached(Duration::from_secs(20)), "it writes an index");
        place(&store, "m1", Effect::Hold, query("4111"));
        gate.open();
        assert_eq!(redacting.join().unwrap().unwrap_err().kind(), ErrorKind::Refused);
    });
    assert_eq!(body(&store, "a2"), CARD);
    assert_eq!(store.redact(&card("a2"), &options).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(redact(&store, &card("a2")).unwrap_err().kind(), ErrorKind::Busy);
    release(&store, "m1");
    store.redact(&card("a2"), &options).unwrap();
    assert_eq!(body(&store, "a2"), "my card is █, thanks");
}

/// Who goes while a part of his record is about to go takes all of it.
#[test]
fn an_erasure_of_the_whole_goes_before() {
    let disk = FaultyVfs::new(Arc::new(MemoryVfs::new()));
    let store = store_on(Arc::new(disk.clone()));
    let aim = Aim::at(FileClass::Index, Call::Create);
    disk.arm(Plan { aim, nth: 0, fault: Fault::NoSpace, sticky: true });
    assert_eq!(redact(&store, &card("a2")).unwrap_err().kind(), ErrorKind::NoSpace);
    assert_eq!(body(&store, "a2"), CARD, "nothing is done yet");
    disk.disarm();
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(found(&store, "*"), ["b1"]);
    assert_eq!(store.session(dana()).count("kind:erased").unwrap(), 2);
    assert_sound(&store);
}

/// A count outlives its query in an act: with what it found the query goes.
#[test]
fn queries_for_the_words_go_with_them() {
    let store = builder(Arc::new(MemoryVfs::new()), 1).audit(Level::All).create().unwrap();
    add(&store, &[say("a2", "anna", CARD), say("b1", "ben", "which card")]);
    for query in ["4111", "which"] {
        store.session(dana()).count(query).unwrap();
    }
    let typed = |store: &Store| -> usize {
        let acts = store.session(dana()).acts("kind:searched", &ActOptions::new().details(true)).unwrap();
        acts.iter()
            .filter(|act| {
                act.detail
                    .as_ref()
                    .is_some_and(|d| d.get(DetailField::Query).is_some_and(|query| query.contains("4111")))
            })
            .count()
    };
    assert_eq!(typed(&store), 1);
    redact(&store, &card("a2")).unwrap();
    assert_eq!(typed(&store), 0);
}

#[test]
fn it_leaves_and_comes_in_like_any_record() {
    let store = store();
    redact(&store, &card("a2")).unwrap();
    let reading = store.session(dana());
    let mut lines = Vec::new();
    let snapshot = Snapshot::take(&reading).unwrap();
    snapshot
        .each("*", |hit| {
            lines.push(say(&hit.id, hit.author.as_deref().unwrap(), &hit.body));
            true
        })
        .unwrap();
    let other = builder(Arc::new(MemoryVfs::new()), 3).create().unwrap();
    add(&other, &lines);
    assert_eq!(body(&other, "a2"), "my card is █, thanks");
    assert_eq!(found(&other, "*"), found(&store, "*"));
}

/// Whatever the disk kept at a power cut or a kill: the record is there once, and once it was acknowledged
/// without its words. What a crash leaves in the middle the opening completes.
#[test]
fn a_power_cut_at_any_moment() {
    for in_journal in [false, true] {
        let disk = RecordingVfs::new();
        let store = store_on(Arc::new(disk.clone()));
        add(&store, &[say("a3", "anna", CARD)]);
        let id = if in_journal { "a3" } else { "a2" };
        let from = disk.log_len();
        redact(&store, &card(id)).unwrap();
        disk.mark("redacted");
        add(&store, &[say("b2", "ben", "later")]);
        let to = disk.log_len();
        drop(store);
        let ops = disk.log();
        let options = CrashOptions { points: from..to + 1, exhaustive_max: 2, random: 2, torn: 1, seed: 5 };
        let (mut before, mut after, mut acknowledged) = (0, 0, 0);
        for image in crashes(&ops, options) {
            let store = builder(Arc::new(image.disk()), 100 + image.at as u64).open().unwrap();
            let is_told = marks(&ops, image.at).contains(&"redacted");
            match body(&store, id).as_str() {
                CARD => {
                    before += 1;
                    assert!(!is_told, "{}", image.what);
                }
                left => {
                    assert_eq!(left, "my card is █, thanks", "{}", image.what);
                    after += 1;
                    acknowledged += u32::from(is_told);
                    let told = store.session(dana()).count("kind:erased").unwrap();
                    assert_eq!(told, 1, "{}", image.what);
                }
            }
            assert_eq!(found(&store, "thanks").len(), 2, "{}", image.what);
            assert_sound(&store);
        }
        assert!(before > 20 && after > 100 && acknowledged > 2, "{before} {after} {acknowledged}");
    }
}
