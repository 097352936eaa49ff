//! Without a consent nothing is kept, and nothing is read, for a purpose that needs one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::consent::Deed;
use escrowdb::register::settings::{self, Gate, GateRule};
use escrowdb::register::{Event, purpose};
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, Outcome, Record, Store};

use crate::consents::{START, dana, event, store};

pub(crate) fn set(store: &Store, gate: Gate) {
    let rule = GateRule { when: "channel:web".into(), purposes: vec!["support".into()] };
    let change = settings::Event { gate: Some(gate), gate_rules: Some(vec![rule]), ..Default::default() };
    store.change(&dana(), Event::Settings(change)).unwrap();
}

fn say(store: &Store, who: &str, id: &str, channel: &str) -> Result<(), String> {
    let record = Record::new("c1", who, Micros(START), "hello").id(id).channel(channel);
    match store.append(&[record]).unwrap().remove(0) {
        Outcome::Added(_) => Ok(()),
        Outcome::Rejected(e) if e.kind() == ErrorKind::Refused => Err(e.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_come_in_with_a_consent_only() {
    let (_disk, _clock, store) = store();
    set(&store, Gate::Refuse);
    let no = Err("there is no consent for: support".to_owned());
    assert_eq!(say(&store, "anna", "m1", "web"), no);
    // Nobody is born for what is refused.
    assert!(store.number_of("anna").is_err());
    say(&store, "anna", "m2", "phone").unwrap();
    store.change(&dana(), event(Deed::Refuse, "anna", "support", 1)).unwrap();
    assert_eq!(say(&store, "anna", "m1", "web"), no);
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    say(&store, "anna", "m1", "web").unwrap();
    assert_eq!(say(&store, "ben", "m3", "web"), no);
    // The very next one is kept out.
    store.change(&dana(), event(Deed::Withdraw, "anna", "support", 1)).unwrap();
    assert_eq!(say(&store, "anna", "m4", "web"), no);
    // What was there before is given again without harm.
    let again = Record::new("c1", "anna", Micros(START), "hello").id("m1").channel("web");
    assert!(matches!(store.append(&[again]).unwrap()[0], Outcome::Duplicate(_)));
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    let retire = purpose::Event::Retire { code: "support".into() };
    store.change(&dana(), Event::Purpose(retire)).unwrap();
    assert_eq!(say(&store, "anna", "m5", "web"), no);
    set_open(&store);
    say(&store, "ben", "m6", "web").unwrap();
}

fn set_open(store: &Store) {
    let open = settings::Event { gate: Some(Gate::Open), ..Default::default() };
    store.change(&dana(), Event::Settings(open)).unwrap();
}

#[test]
fn who_reads_for_a_purpose_sees_whoever_consented_to_it() {
    let (_disk, _clock, store) = store();
    for (who, id) in [("anna", "m1"), ("ben", "m2")] {
        say(&store, who, id, "web").unwrap();
    }
    store.roll().unwrap();
    let count = |purpose: &str| store.session(Session::new().purpose(purpose)).count("*").unwrap();
    assert_eq!((count("offers"), count("a question of the law"), count("")), (0, 2, 2));
    store.change(&dana(), event(Deed::Give, "anna", "offers", 1)).unwrap();
    assert_eq!(count("offers"), 1);
    store.change(&dana(), event(Deed::Withdraw, "anna", "offers", 1)).unwrap();
    assert_eq!(count("offers"), 0, "at the next query");
}

fn about(store: &Store, kind: Kind, id: &str, target: &str, channel: &str) -> Result<(), ErrorKind> {
    let record = Record::new("c1", "anna", Micros(START), "new words").id(id).kind(kind).target(target);
    match store.append(&[record.channel(channel)]).unwrap().remove(0) {
        Outcome::Added(_) => Ok(()),
        Outcome::Rejected(e) => Err(e.kind()),
        other => panic!("{other:?}"),
    }
}

/// An edit that named no channel came in behind a withdrawal.
#[test]
fn what_speaks_of_a_record_needs_what_that_needs() {
    for rolled in [false, true] {
        let (_disk, _clock, store) = store();
        set(&store, Gate::Refuse);
        store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
        say(&store, "anna", "m1", "web").unwrap();
        about(&store, Kind::Edit, "e1", "m1", "").unwrap();
        store.change(&dana(), event(Deed::Withdraw, "anna", "support", 1)).unwrap();
        say(&store, "anna", "m2", "phone").unwrap();
        if rolled {
            store.roll().unwrap();
        }
        for (nth, channel) in ["", "phone", "web"].into_iter().enumerate() {
            for (kind, target) in
                [(Kind::Edit, "m1"), (Kind::Edit, "e1"), (Kind::Reaction, "m1"), (Kind::Reaction, "e1")]
            {
                let told = about(&store, kind, &format!("{kind:?}{target}{nth}"), target, channel);
                assert_eq!(told, Err(ErrorKind::Refused), "{kind:?} {target} {channel}");
            }
        }
        let corrected = store.correct(&dana(), "m1", None, "new words", None);
        assert_eq!(corrected.unwrap_err().kind(), ErrorKind::Refused);
        // What comes with its record likewise, what is about another doesn't need it, and to take back never does.
        about(&store, Kind::Edit, "of m2", "m2", "").unwrap();
        about(&store, Kind::Delete, "d1", "m1", "").unwrap();
        store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
        about(&store, Kind::Edit, "e2", "m1", "").unwrap();
    }
}

fn define(store: &Store, basis: purpose::LawfulBasis) -> Result<(), ErrorKind> {
    let needs_consent = basis == purpose::LawfulBasis::Consent;
    let (code, title) = ("support".to_owned(), "Support".to_owned());
    let purpose = purpose::Purpose { code, title, basis, class: None, needs_consent };
    let defined = store.change(&dana(), Event::Purpose(purpose::Event::Define(purpose)));
    defined.map(drop).map_err(|e| e.kind())
}

/// Retired and defined anew on other ground, a purpose needed the withdrawn consent no more.
#[test]
fn a_retired_purpose_allows_nothing_and_stays_on_its_ground() {
    let (_disk, _clock, store) = store();
    say(&store, "anna", "m1", "web").unwrap();
    store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
    let eve = || store.session(Session::new().actor("eve").purpose("support"));
    assert_eq!(eve().count("*").unwrap(), 1);
    let retire = || Event::Purpose(purpose::Event::Retire { code: "support".into() });
    store.change(&dana(), retire()).unwrap();
    let refused = eve().search("*", &Default::default()).map(drop).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().contains("support")), (ErrorKind::Refused, true));
    assert_eq!(eve().get("m1", None).map(drop).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(eve().count("*").unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(eve().conversation("c1").map(drop).unwrap_err().kind(), ErrorKind::Refused);
    let acts = store.session(dana()).acts("kind:refused", &ActOptions::new()).unwrap();
    assert!(acts.iter().any(|act| act.actor_name.as_deref() == Some("eve")), "it is on record");
    // A reason in somebody's own words is none that could be retired.
    assert_eq!(store.session(Session::new().purpose("a complaint")).count("*").unwrap(), 1);
    for basis in purpose::LawfulBasis::ALL.into_iter().filter(|basis| *basis != purpose::LawfulBasis::Consent)
    {
        assert_eq!(define(&store, basis), Err(ErrorKind::Refused));
    }
    define(&store, purpose::LawfulBasis::Consent).unwrap();
    assert_eq!(eve().count("*").unwrap(), 1);
}

/// Who withdrew by one of her names was read, and kept, by the other.
#[test]
fn linked_people_consent_as_one() {
    for rolled in [false, true] {
        let (_disk, _clock, store) = store();
        say(&store, "anna", "m1", "web").unwrap();
        say(&store, "anna2", "m2", "web").unwrap();
        set(&store, Gate::Refuse);
        if rolled {
            store.roll().unwrap();
        }
        let count = || store.session(Session::new().purpose("support")).count("*").unwrap();
        let mut nth = 2;
        let mut come = |who: &str| {
            nth += 1;
            say(&store, who, &format!("m{nth}"), "web").is_ok()
        };
        store.change(&dana(), event(Deed::Give, "anna2", "support", 1)).unwrap();
        assert_eq!((count(), come("anna"), come("anna2")), (1, false, true));
        store.link("anna", "anna2").unwrap();
        assert_eq!((count(), come("anna"), come("anna2")), (3, true, true));
        // She never gave it by this name.
        store.change(&dana(), event(Deed::Withdraw, "anna", "support", 1)).unwrap();
        assert_eq!((count(), come("anna"), come("anna2")), (0, false, false));
        store.change(&dana(), event(Deed::Ask, "anna2", "support", 1)).unwrap();
        assert_eq!(count(), 0);
        store.unlink("anna", "anna2").unwrap();
        assert_eq!((come("anna"), come("anna2")), (false, true));
        store.link("anna", "anna2").unwrap();
        store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
        assert_eq!((count(), come("anna"), come("anna2")), (6, true, true));
    }
}
