//! Consents are asked, given, withdrawn; they outlive the erased as evidence, under a key of their own that
//! dies on its date.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::{Handle, Micros};
use escrowdb::register::consent::{self, Deed, Shown, State};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{Builder, CompactOptions, EraseOptions, Record, Selector, Store, VerifyOptions, Who};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;

pub(crate) const START: i64 = 1_767_225_600_000_000;

pub(crate) fn builder(disk: &MemoryVfs, clock: &Arc<ManualClock>, seed: u64) -> Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::clone(clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

pub(crate) fn dana() -> Session {
    Session::new().actor("dana")
}

/// A store with two purposes and a published notice.
pub(crate) fn store() -> (MemoryVfs, Arc<ManualClock>, Store) {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::new(Micros(START))));
    let store = builder(&disk, &clock, 1).create().unwrap();
    for code in ["support", "offers"] {
        let purpose = Purpose {
            code: code.into(),
            title: code.into(),
            basis: LawfulBasis::Consent,
            class: None,
            needs_consent: true,
        };
        store.change(&dana(), Event::Purpose(purpose::Event::Define(purpose))).unwrap();
    }
    publish(&store, 1, false);
    (disk, clock, store)
}

fn text(version: u32) -> String {
    format!("We keep what you write to us ({version}).")
}

pub(crate) fn publish(store: &Store, version: u32, material: bool) {
    publish_from(store, version, material, Micros(START));
}

fn publish_from(store: &Store, version: u32, material: bool, valid_from: Micros) {
    let text = Text {
        id: "privacy".into(),
        version,
        language: "en".into(),
        title: "Privacy".into(),
        hash: hash_of(&text(version)),
        text: text(version),
        purposes: vec!["support".into(), "offers".into()],
        valid_from,
        material,
    };
    store.change(&dana(), Event::Notice(notice::Event::Draft(text))).unwrap();
    let publish = notice::Event::Publish { id: "privacy".into(), version };
    store.change(&dana(), Event::Notice(publish)).unwrap();
}

pub(crate) fn event(deed: Deed, person: &str, purpose: &str, version: u32) -> Event {
    Event::Consent(consent::Event {
        event: deed,
        person: person.into(),
        purposes: vec![purpose.into()],
        notice: Some(Shown {
            id: "privacy".into(),
            version,
            language: "en".into(),
            hash: hash_of(&text(version)),
        }),
        method: "click".into(),
        channel: "web".into(),
        expires: None,
    })
}

fn state(store: &Store, who: &Who, purpose: &str) -> Option<State> {
    let said = store.consents(who).unwrap();
    said.consents.of(purpose).map(|said| said.state(&store.registers().notices, Micros(START)))
}

fn anna() -> Who {
    Who::Identifier("anna".into())
}

#[test]
fn what_was_said_is_the_same_after_a_restart_a_roll_and_a_compaction() {
    let (disk, clock, store) = store();
    store.change(&dana(), event(Deed::Ask, "anna", "support", 1)).unwrap();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    store.change(&dana(), event(Deed::Refuse, "anna", "offers", 1)).unwrap();
    store.change(&dana(), event(Deed::Give, "ben", "offers", 1)).unwrap();
    store.change(&dana(), event(Deed::Withdraw, "ben", "offers", 1)).unwrap();
    let look = |store: &Store| {
        let rules = store.registers();
        let of = |who: &str, purpose| state(store, &Who::Identifier(who.into()), purpose);
        let people = [of("anna", "support"), of("anna", "offers"), of("ben", "offers"), of("ben", "support")];
        (people, rules.notices.clone(), rules.purposes.clone())
    };
    let before = look(&store);
    assert_eq!(before.0, [Some(State::Given), Some(State::Refused), Some(State::Withdrawn), None]);
    store.roll().unwrap();
    assert!(look(&store) == before);
    store.close().unwrap();
    let store = builder(&disk, &clock, 2).open().unwrap();
    assert!(look(&store) == before);
    store.change(&dana(), event(Deed::Ask, "kim", "support", 1)).unwrap();
    store.roll().unwrap();
    store.compact(&CompactOptions::default(), |_| ()).unwrap();
    assert!(look(&store) == before);
    publish(&store, 2, true);
    assert_eq!(state(&store, &anna(), "support"), Some(State::ReconsentDue));
    let history = store.consents(&anna()).unwrap().history;
    let deeds: Vec<_> = history.iter().map(|(.., event)| event.event).collect();
    assert_eq!(deeds, [Deed::Ask, Deed::Give, Deed::Refuse]);
    // Searches show none of it.
    let reading = store.session(dana());
    assert_eq!(reading.count("kind:consent").unwrap(), 0);
    assert_eq!(reading.count("kind:consent OR kind:notice").unwrap(), 4);
}

#[test]
fn two_who_change_a_register_at_once_are_asked_one_behind_the_other() {
    let (_disk, _clock, store) = store();
    let both = vec![event(Deed::Give, "anna", "support", 1), event(Deed::Withdraw, "anna", "support", 1)];
    store.change_all(&dana(), both).unwrap();
    assert_eq!(state(&store, &anna(), "support"), Some(State::Withdrawn));
    // All or none.
    let wrong = vec![event(Deed::Give, "anna", "support", 1), event(Deed::Withdraw, "anna", "offers", 1)];
    assert_eq!(store.change_all(&dana(), wrong).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(state(&store, &anna(), "support"), Some(State::Withdrawn));
}

#[test]
fn evidence_outlives_the_erased_and_dies_on_its_date() {
    let (disk, clock, store) = store();
    store
        .change(
            &dana(),
            Event::Settings(settings::Event { keep_evidence: Some("30d".into()), ..Default::default() }),
        )
        .unwrap();
    store.append(&[Record::new("c1", "anna", Micros(START), "Hello").id("m1")]).unwrap();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    store.roll().unwrap();
    let handle: Handle = store.consents(&anna()).unwrap().handle;
    let certificate = store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(certificate.handles, [handle]);
    let [(of, until)] = certificate.retained.as_slice() else {
        panic!("{} retained", certificate.retained.len())
    };
    assert_eq!(*of, handle);
    assert!(*until >= Micros(START + 30 * Micros::DAY) && *until <= Micros(START + 32 * Micros::DAY));
    // By name she is unknown; by handle it is known what she said.
    assert_eq!(store.consents(&anna()).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
    let by_handle = Who::Handle(handle);
    assert_eq!(state(&store, &by_handle, "support"), Some(State::Given));
    assert_eq!(store.consents(&by_handle).unwrap().history[0].3.person, "anna");
    // A person of that name who comes back is another.
    store.append(&[Record::new("c2", "anna", Micros(START), "Hi").id("m2")]).unwrap();
    assert_eq!(state(&store, &anna(), "support"), None);
    store.close().unwrap();
    clock.set(Micros(until.0 - 1));
    let store = builder(&disk, &clock, 3).open().unwrap();
    // A leap of thirty days is believed at once, but the date has not come.
    assert_eq!(state(&store, &by_handle, "support"), Some(State::Given));
    clock.set(*until);
    let gone = store.expire_acts().unwrap();
    assert_eq!(gone.iter().map(|certificate| certificate.what).collect::<Vec<_>>(), ["evidence"]);
    assert_eq!(gone[0].records_removed, 1);
    assert_eq!(store.consents(&by_handle).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
    assert!(store.verify(&VerifyOptions::new().read_data(true)).unwrap().damage.is_empty());
}

#[test]
fn evidence_goes_with_the_person_where_that_is_asked_for() {
    let (_disk, _clock, store) = store();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    let handle = store.consents(&anna()).unwrap().handle;
    let options = EraseOptions { with_evidence: true, ..EraseOptions::default() };
    let certificate = store.erase(&Selector::Person("anna".into()), &options).unwrap();
    assert_eq!((certificate.handles.as_slice(), certificate.retained.len()), ([handle].as_slice(), 0));
    assert_eq!(store.consents(&Who::Handle(handle)).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
    // The key of the evidence: she stood in the journal, and had none yet.
    assert_eq!(certificate.content_keys_destroyed, 1);
}

#[test]
fn who_has_consented_is_not_forgotten_with_the_last_of_her_chats() {
    let (_disk, _clock, store) = store();
    store.append(&[Record::new("c1", "anna", Micros(START), "Hello").id("m1")]).unwrap();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    store.erase(&Selector::Conversation("c1".into()), &EraseOptions::default()).unwrap();
    assert_eq!(state(&store, &anna(), "support"), Some(State::Given));
}

/// Each of many had an entry of its own in one request, which no entry of the key tree could hold: the store
/// was poisoned, and every opening of it.
#[test]
fn evidence_about_many_who_were_erased_in_one_day_goes_on_one_date() {
    let (disk, clock, store) = store();
    let short = settings::Event { keep_evidence: Some("30d".into()), ..Default::default() };
    store.change(&dana(), Event::Settings(short)).unwrap();
    let names: Vec<String> = (0..1_008).map(|n| format!("person{n}")).collect();
    let given = names.iter().map(|name| event(Deed::Give, name, "support", 1)).collect();
    store.change_all(&dana(), given).unwrap();
    for group in names.chunks(16) {
        for name in &group[1..] {
            store.link(&group[0], name).unwrap();
        }
    }
    let handle = store.consents(&Who::Identifier(names[1_007].clone())).unwrap().handle;
    for group in names.chunks(16) {
        let certificate = store.erase(&Selector::Person(group[0].clone()), &EraseOptions::default()).unwrap();
        assert_eq!(certificate.retained.len(), group.len());
    }
    assert!(store.consents(&Who::Handle(handle)).is_ok());
    store.close().unwrap();
    clock.set(Micros(START + 31 * Micros::DAY));
    let store = builder(&disk, &clock, 5).open().unwrap();
    store.expire_acts().unwrap();
    assert!(store.consents(&Who::Handle(handle)).is_err());
}

#[test]
fn evidence_is_proved_to_who_names_whom_it_is_about() {
    let (_disk, _clock, store) = store();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    let said = store.consents(&anna()).unwrap();
    let id = said.history[0].1.clone();
    let reading = store.session(dana());
    assert!(reading.prove(&id, Some(""), None).unwrap().is_empty());
    assert!(reading.prove_said(&anna(), &id).is_ok());
    // She stood in the journal only: her evidence gets its date all the same.
    let certificate = store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(certificate.retained.len(), 1);
    assert!(reading.prove(&id, None, None).unwrap().is_empty());
    assert!(reading.prove_said(&Who::Handle(said.handle), &id).is_ok());
}

/// Who was unknown became known by a consent that was refused, and got a number for evidence that there is none of.
#[test]
fn a_consent_that_is_refused_makes_nobody_known() {
    let (_disk, _clock, store) = store();
    let before = store.key_status().epoch;
    let unknown = event(Deed::Give, "anna", "nonsense", 1);
    assert_eq!(store.change(&dana(), unknown).unwrap_err().kind(), ErrorKind::NotFound);
    let withdrawn = event(Deed::Withdraw, "anna", "support", 1);
    assert_eq!(store.change(&dana(), withdrawn).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(store.number_of("anna").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.session(dana()).count("kind:person author:anna").unwrap_or(0), 0);
    assert_eq!(store.key_status().epoch, before);
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    assert!(store.number_of("anna").is_ok());
}

/// A notice that is valid later superseded the one that is shown: nobody could consent until then.
#[test]
fn a_notice_takes_over_when_it_is_valid() {
    let (disk, clock, store) = store();
    let day = |days: i64| Micros(START + days * Micros::DAY);
    store.append(&[Record::new("c1", "anna", Micros(START), "hello").id("m1")]).unwrap();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    publish_from(&store, 2, true, day(30));
    let count = |store: &Store| store.session(Session::new().purpose("support")).count("*").unwrap();
    let gives =
        |store: &Store, version| store.change(&dana(), event(Deed::Give, "ben", "support", version)).is_ok();
    let check = |store: &Store| {
        clock.set(day(29));
        assert_eq!((count(store), gives(store, 1), gives(store, 2)), (1, true, false));
        clock.set(day(30));
        assert_eq!((count(store), gives(store, 1), gives(store, 2)), (0, false, true));
        // A clock that is put right.
        clock.set(day(29));
        assert_eq!(count(store), 1);
    };
    check(&store);
    store.roll().unwrap();
    store.close().unwrap();
    check(&builder(&disk, &clock, 7).open().unwrap());
}
