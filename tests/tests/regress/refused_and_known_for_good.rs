//! A hold, a request or a disclosure that was refused had been given a number for the evidence about its person
//! before anybody asked whether it may be. There was no evidence then, but she counted as somebody about whom
//! there is: when her last record went she stayed known, with her name and her keys.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::register::disclosure::{self, About, Given};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::request::{self, Step};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;

const START: i64 = 1_767_225_600_000_000;

#[test]
fn what_is_refused_makes_nobody_known() {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).clock(clock).create().unwrap();
    let dana = Session::new().actor("dana");
    let anna = |store: &Store| {
        store.append(&[Record::new("c1", "anna", Micros(START), "hello").id("m1")]).unwrap();
        store.number_of("anna").unwrap()
    };
    for nth in 0..4 {
        let number = anna(&store);
        let (past, ahead) = (Some(Micros(START - 1)), Micros(START + 1));
        let place = Event::Hold(hold::Event::Place(Hold {
            code: "h".into(),
            effect: Effect::Hold,
            scope: Scope::Person(number.0),
            matter: "Meyer v. Shop".into(),
            ground: "a claim".into(),
            review: past,
        }));
        let receive = Event::Request(request::Event {
            request: "r".into(),
            event: Step::Receive {
                kind: request::Kind::Access,
                person: number,
                received: ahead,
                channel: "mail".into(),
            },
        });
        let give = Event::Disclosure(disclosure::Event::Give(Given {
            code: "d".into(),
            about: About::Person(number.0),
            records: 1,
            format: "jsonl".into(),
            digest: "00".into(),
            recipient: "a law firm".into(),
            expires: past,
        }));
        let four_eyes = Event::Settings(settings::Event { four_eyes: Some(true), ..Default::default() });
        let events = match nth {
            0 => vec![place],
            1 => vec![receive],
            2 => vec![give],
            // One of many, of which none happens then.
            _ => vec![four_eyes, place],
        };
        assert_eq!(store.change_all(&dana, events).unwrap_err().kind(), ErrorKind::Invalid);
        let one = Selector::Record { id: "m1".into(), conversation: None };
        assert_eq!(store.erase(&one, &EraseOptions::default()).unwrap().people_forgotten, 1, "{nth}");
        assert_eq!(store.number_of("anna").unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(!store.registers().settings.four_eyes);
}
