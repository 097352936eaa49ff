//! Without a consent nothing is kept, and nothing is read, for a purpose that needs one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::register::consent::Deed;
use escrowdb::register::settings::{self, Gate, GateRule};
use escrowdb::register::{Event, purpose};
use escrowdb::session::Session;
use escrowdb::store::{Outcome, Record, Store};

use crate::consents::{START, dana, event, store};

fn set(store: &Store, gate: Gate) {
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
