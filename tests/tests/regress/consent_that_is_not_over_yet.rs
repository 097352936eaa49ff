//! Who reads for a purpose sees nobody whose consent is over, and what is found is kept until the next end of one. A
//! consent that was given since was not over then, and was when somebody asked: its end was passed over, for it lay
//! behind. When the clock, which had been set forward, was put right, she was not seen though she consented.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::session::Session;
use escrowdb::store::{Record, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

const START: i64 = 1_767_225_600_000_000;
const NOTICE: &str = "We keep what you write.";

#[test]
fn who_consents_is_read_when_a_clock_is_put_right() {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false);
    let store = builder.clock(clock.clone()).create().unwrap();
    let dana = Session::new().actor("dana");
    let (code, title) = ("offers".to_owned(), "Offers".to_owned());
    let purpose = Purpose { code, title, basis: LawfulBasis::Consent, class: None, needs_consent: true };
    let (id, language) = ("privacy".to_owned(), "en".to_owned());
    let text = Text {
        id: id.clone(),
        version: 1,
        language: language.clone(),
        title: "Privacy".into(),
        hash: hash_of(NOTICE),
        text: NOTICE.into(),
        purposes: vec!["offers".into()],
        valid_from: Micros(START),
        material: false,
    };
    let publish = notice::Event::Publish { id: id.clone(), version: 1 };
    let events = vec![
        Event::Purpose(purpose::Event::Define(purpose)),
        Event::Notice(notice::Event::Draft(text)),
        Event::Notice(publish),
    ];
    store.change_all(&dana, events).unwrap();
    store.append(&[Record::new("c1", "anna", Micros(START), "hello").id("m1")]).unwrap();
    let reading = store.session(dana.clone().purpose("offers"));
    assert_eq!(reading.count("*").unwrap(), 0);
    let given = consent::Event {
        event: Deed::Give,
        person: "anna".into(),
        purposes: vec!["offers".into()],
        notice: Some(Shown { id, version: 1, language, hash: hash_of(NOTICE) }),
        method: "click".into(),
        channel: "web".into(),
        expires: Some(Micros(START + 400 * Micros::DAY)),
    };
    store.change(&dana, Event::Consent(given)).unwrap();
    let years = 3_650 * Micros::DAY;
    clock.advance(years);
    assert_eq!(reading.count("*").unwrap(), 0, "it is over");
    clock.advance(-years);
    assert_eq!(reading.count("*").unwrap(), 1, "it is not");
}
