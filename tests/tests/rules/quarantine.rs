//! What comes in without a consent that it needs is taken and found by nobody: until it is released, which asks the
//! gate again, or until its time is over.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::export::Snapshot;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::consent::Deed;
use escrowdb::register::hold::{self, Effect, Scope};
use escrowdb::register::purpose;
use escrowdb::register::settings::{self, Gate, GateRule};
use escrowdb::session::Session;
use escrowdb::store::{
    CompactOptions, EraseOptions, InQuarantine, Outcome, Record, Redaction, Selector, Store, VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

use super::holds::place;

use crate::consents::{START, builder, dana, event, store};

struct Made {
    disk: MemoryVfs,
    clock: Arc<ManualClock>,
    store: Store,
}

impl Made {
    fn reopened(self) -> Self {
        let Self { disk, clock, store } = self;
        store.close().unwrap();
        let store = builder(&disk, &clock, 7).open().unwrap();
        Self { disk, clock, store }
    }

    fn live_until(&self, day: i64) {
        self.clock.set(Micros(START + day * Micros::DAY));
        self.store.retention(true).unwrap();
    }
}

/// A store that puts into quarantine what comes by the web without a consent for support.
fn made() -> Made {
    let (disk, clock, store) = store();
    set(&store, Gate::Quarantine);
    Made { disk, clock, store }
}

fn set(store: &Store, gate: Gate) {
    let rule = GateRule { when: "channel:web".into(), purposes: vec!["support".into()] };
    let change = settings::Event { gate: Some(gate), gate_rules: Some(vec![rule]), ..Default::default() };
    store.change(&dana(), Event::Settings(change)).unwrap();
}

fn set_open(store: &Store) {
    let change = settings::Event { gate: Some(Gate::Open), ..Default::default() };
    store.change(&dana(), Event::Settings(change)).unwrap();
}

fn say(id: &str, who: &str, channel: &str) -> Record {
    // Long ago: the time in quarantine runs from when it came.
    Record::new("c1", who, Micros(START - 900 * Micros::DAY), format!("words of {id}"))
        .id(id)
        .channel(channel)
        .tag(format!("of:{id}"))
}

/// Whether a record goes into quarantine.
fn put(store: &Store, record: Record) -> bool {
    match store.append(&[record]).unwrap().remove(0) {
        Outcome::Added(_) => false,
        Outcome::Quarantined(_) => true,
        other => panic!("{other:?}"),
    }
}

fn about(kind: Kind, id: &str, who: &str, target: &str) -> Record {
    Record::new("c1", who, Micros(START), "said").id(id).kind(kind).target(target).channel("web")
}

fn count(store: &Store, query: &str) -> u64 {
    store.session(Session::new()).count(query).unwrap()
}

fn listed(store: &Store) -> Vec<(String, Vec<String>)> {
    let all = store.session(dana()).quarantined().unwrap();
    all.into_iter().map(|one| (one.id, one.missing)).collect()
}

/// By every way that shows records: what is in quarantine is as if it were not there.
fn nobody_finds(store: &Store, id: &str) {
    let reading = store.session(Session::new());
    for query in
        ["*", &format!("id:{id}"), &format!("words {id}"), "version:all *", "author:anna", "subject:anna"]
    {
        let found = reading.search(query, &Default::default()).unwrap();
        assert!(found.iter().all(|hit| hit.id != id), "{query}");
        assert_eq!(reading.count(query).unwrap(), found.len() as u64, "{query}");
    }
    assert!(reading.get(id, Some("c1")).unwrap().is_empty());
    assert!(reading.prove(id, Some("c1"), None).unwrap().is_empty());
    assert!(reading.conversation("c1").unwrap().iter().all(|hit| hit.id != id));
    assert!(reading.facet("*", "tag").unwrap().iter().all(|(tag, _)| *tag != format!("of:{id}")));
    let snapshot = Snapshot::take(&reading).unwrap();
    let mut exported = Vec::new();
    snapshot
        .each_proved("version:all *", |exported_one| {
            exported.push(exported_one.hit.id);
            true
        })
        .unwrap();
    assert!(!exported.contains(&id.to_owned()));
    let tagged = store.tag(&dana(), id, Some("c1"), &["vip".into()], &[]);
    assert_eq!(tagged.unwrap_err().kind(), ErrorKind::NotFound);
    let redaction = Redaction::new(id).word("words");
    for redaction in [redaction.clone(), redaction.conversation("c1")] {
        let redacted = store.redact(&redaction, &EraseOptions::default());
        assert_eq!(redacted.unwrap_err().kind(), ErrorKind::NotFound);
        let planned = store.plan_redaction(&dana(), &redaction);
        assert_eq!(planned.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn nobody_finds_it_whatever_becomes_of_its_files() {
    let mut made = made();
    assert!(put(&made.store, say("m1", "anna", "web")));
    assert!(!put(&made.store, say("m2", "ben", "phone")));
    for step in 0..5 {
        nobody_finds(&made.store, "m1");
        assert_eq!(count(&made.store, "*"), 1);
        assert_eq!(listed(&made.store), [("m1".to_owned(), vec!["support".to_owned()])]);
        match step {
            0 => made = made.reopened(),
            1 => made.store.roll().unwrap(),
            2 => {
                for n in 0..4 {
                    put(&made.store, say(&format!("x{n}"), "ben", "phone").kind(Kind::System));
                    made.store.roll().unwrap();
                }
                made.store.compact(&CompactOptions::default(), |_| ()).unwrap();
            }
            3 => made = made.reopened(),
            _ => {}
        }
    }
    assert!(made.store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
    // Given again it is there already.
    let again = made.store.append(&[say("m1", "anna", "web")]).unwrap();
    assert!(matches!(again[0], Outcome::Duplicate(_)), "{again:?}");
}

#[test]
fn a_release_asks_the_gate_again_and_stands() {
    let mut made = made();
    assert!(put(&made.store, say("m1", "anna", "web")));
    let refused = made.store.release(&dana(), "m1", None).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string()),
        (ErrorKind::Refused, "there is no consent for: support".into())
    );
    // Nor by another door: a tag of that name from outside is asked for too, and others don't bear it.
    let mut tag = about(Kind::Tag, "t1", "anna", "m1").tag("escrow:released");
    tag.body = String::new();
    tag.channel = String::new();
    let refused = made.store.append(&[tag]).unwrap().remove(0);
    assert!(matches!(&refused, Outcome::Rejected(e) if e.kind() == ErrorKind::Refused), "{refused:?}");
    let early = Record::new("c1", "anna", Micros(0), "")
        .id("t2")
        .kind(Kind::Tag)
        .target("later")
        .tag("escrow:released");
    assert!(matches!(made.store.append(&[early]).unwrap()[0], Outcome::Rejected(_)));
    let forged = say("m9", "anna", "web").tag("escrow:released");
    assert!(matches!(made.store.append(&[forged]).unwrap()[0], Outcome::Rejected(_)));
    nobody_finds(&made.store, "m1");
    made.store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    // A consent alone releases nothing.
    nobody_finds(&made.store, "m1");
    assert_eq!(listed(&made.store), [("m1".to_owned(), Vec::new())]);
    made.store.release(&dana(), "m1", None).unwrap();
    assert_eq!(made.store.release(&dana(), "m1", None).unwrap_err().kind(), ErrorKind::NotFound);
    for step in 0..4 {
        let store = &made.store;
        assert_eq!(
            (count(store, "*"), count(store, "words m1"), count(store, "tag:escrow:released")),
            (1, 1, 1)
        );
        assert!(listed(store).is_empty());
        match step {
            0 => made = made.reopened(),
            1 => made.store.roll().unwrap(),
            2 => drop(made.store.compact(&CompactOptions::default(), |_| ()).unwrap()),
            _ => {}
        }
    }
    // It is what it was: a withdrawal keeps out what comes, and takes nothing back.
    made.store.change(&dana(), event(Deed::Withdraw, "anna", "support", 1)).unwrap();
    assert!(put(&made.store, say("m3", "anna", "web")));
    assert_eq!(count(&made.store, "*"), 1);
}

#[test]
fn what_speaks_of_a_record_is_refused_and_what_is_taken_back_is_not() {
    let made = made();
    let store = &made.store;
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    assert!(!put(store, say("m1", "anna", "web")));
    store.change(&dana(), event(Deed::Withdraw, "anna", "support", 1)).unwrap();
    let edit = store.append(&[about(Kind::Edit, "e1", "anna", "m1")]).unwrap().remove(0);
    assert!(matches!(&edit, Outcome::Rejected(e) if e.kind() == ErrorKind::Refused), "{edit:?}");
    assert_eq!(count(store, "words m1"), 1, "its wording stands");
    assert!(!put(store, about(Kind::Delete, "d1", "anna", "m1")));
    assert_eq!(count(store, "*"), 0);
}

#[test]
fn it_dies_with_its_person_and_with_its_time() {
    let mut made = made();
    assert!(put(&made.store, say("m1", "anna", "web")));
    assert!(put(&made.store, say("m2", "ben", "web")));
    made.store.roll().unwrap();
    let plan = made.store.plan(&Selector::Person("anna".into())).unwrap();
    assert!(plan.records >= 1);
    made.store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(listed(&made.store).len(), 1);
    // From when it came, not from when it was said.
    let all = made.store.retention(false).unwrap().quarantine.unwrap();
    assert_eq!((all.records, all.due, all.next), (1, 0, Some(Micros(START + 30 * Micros::DAY))));
    let number = made.store.number_of("ben").unwrap().0;
    place(&made.store, "h1", Effect::Hold, Scope::Person(number));
    made.live_until(31);
    made = made.reopened();
    let kept = made.store.retention(false).unwrap();
    assert_eq!((kept.quarantine.unwrap().held, kept.certificates.len()), (1, 0));
    let release = hold::Event::Release { code: "h1".into(), reason: "settled".into() };
    made.store.change(&dana(), Event::Hold(release)).unwrap();
    let would = made.store.retention(true).unwrap();
    let did = made.store.retention(false).unwrap();
    assert_eq!((did.quarantine, did.certificates.len()), (would.quarantine, 1));
    assert_eq!(did.quarantine.unwrap().due, 1);
    assert_eq!(made.store.retention(true).unwrap().quarantine, Some(InQuarantine::default()));
    assert!(listed(&made.store).is_empty());
}

#[test]
fn what_is_released_in_time_stays() {
    let made = made();
    let store = &made.store;
    assert!(put(store, say("m1", "anna", "web")));
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    store.release(&dana(), "m1", Some("c1")).unwrap();
    made.live_until(90);
    let did = store.retention(false).unwrap();
    assert_eq!((did.quarantine, did.certificates.len()), (Some(InQuarantine::default()), 0));
    assert_eq!(count(store, "*"), 1);
    // With the gate open again nothing is asked, and what is in quarantine stays there.
    assert!(put(store, say("m2", "ben", "web")));
    set_open(store);
    assert!(!put(store, say("m3", "ben", "web")));
    assert_eq!((count(store, "*"), listed(store).len()), (2, 1));
}

/// A purpose that nobody keeps anything for any more allows nothing, whatever was consented to it, and whichever way
/// somebody asks: the gate, its list of what is in quarantine, and a release say the same.
#[test]
fn a_purpose_that_was_retired_allows_nothing() {
    let made = made();
    let store = &made.store;
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    assert!(!put(store, say("m1", "anna", "web")));
    let retire = purpose::Event::Retire { code: "support".into() };
    store.change(&dana(), Event::Purpose(retire)).unwrap();
    assert!(put(store, say("m2", "anna", "web")));
    nobody_finds(store, "m2");
    assert_eq!(listed(store), [("m2".to_owned(), vec!["support".to_owned()])]);
    let refused = store.release(&dana(), "m2", None).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string()),
        (ErrorKind::Refused, "there is no consent for: support".into())
    );
    // One that nobody ever defined is asked for by no rule.
    let rule = GateRule { when: "*".into(), purposes: vec!["unheard-of".into()] };
    let change = settings::Event { gate_rules: Some(vec![rule]), ..Default::default() };
    assert_eq!(store.change(&dana(), Event::Settings(change)).unwrap_err().kind(), ErrorKind::NotFound);
    // Where no rule is about a record, or the gate is open, nothing is asked.
    assert!(!put(store, say("m3", "anna", "phone")));
    set_open(store);
    assert!(!put(store, say("m4", "anna", "web")));
    assert_eq!((count(store, "*"), listed(store).len()), (3, 1));
}
