//! What registers come to hold of people.

use escrowdb::id::Micros;
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::disclosure::{self, About, Given};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::request::{self, Step};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{Certificate, EraseOptions, Selector};

use super::World;

const NOTICE: &str = "We keep what you write to us.";

impl World {
    /// A purpose that needs consent, its notice, and how long evidence is kept.
    pub fn set_up_registers(&mut self, keep_evidence: &str) {
        let purpose = Purpose {
            code: "support".into(),
            title: "Support".into(),
            basis: LawfulBasis::Consent,
            class: None,
            needs_consent: true,
        };
        let text = Text {
            id: "privacy".into(),
            version: 1,
            language: "en".into(),
            title: "Privacy".into(),
            hash: hash_of(NOTICE),
            text: NOTICE.into(),
            purposes: vec!["support".into()],
            valid_from: Micros(0),
            material: false,
        };
        let keep = Some(keep_evidence.to_owned());
        let events = vec![
            Event::Purpose(purpose::Event::Define(purpose)),
            Event::Notice(notice::Event::Draft(text)),
            Event::Notice(notice::Event::Publish { id: "privacy".into(), version: 1 }),
            Event::Settings(settings::Event { keep_evidence: keep, ..settings::Event::default() }),
        ];
        self.store().change_all(&Session::new(), events).unwrap();
    }

    /// Somebody consents and withdraws, asks for her erasure, is held for a while, and her records are given away; a
    /// record of hers gets a tag. The record is spoken of by another, who lives.
    pub fn fill_registers(&mut self, person: &str, staff: &str, record: &str) {
        let by = Session::new().actor(staff);
        let said = |event| {
            let (id, language) = ("privacy".into(), "en".into());
            let notice = Some(Shown { id, version: 1, language, hash: hash_of(NOTICE) });
            Event::Consent(consent::Event {
                event,
                person: person.into(),
                purposes: vec!["support".into()],
                notice,
                method: "click".into(),
                channel: "web".into(),
                expires: None,
            })
        };
        let number = self.store().number_of(person).unwrap();
        let step = |event| Event::Request(request::Event { request: format!("r{}", number.0), event });
        let (received, channel) = (Micros(0), "mail".into());
        let code = format!("h{}", number.0);
        let hold = Hold {
            code: code.clone(),
            effect: Effect::Hold,
            scope: Scope::Person(number.0),
            matter: "a matter".into(),
            ground: "a claim".into(),
            review: None,
        };
        let given = Given {
            code: format!("x{}", number.0),
            about: About::Person(number.0),
            records: 3,
            format: "jsonl".into(),
            digest: "ab".repeat(32),
            recipient: "a court".into(),
            expires: None,
        };
        for event in [
            said(Deed::Give),
            said(Deed::Withdraw),
            step(Step::Receive { kind: request::Kind::Erasure, person: number, received, channel }),
            step(Step::Identify { method: "passport".into() }),
            Event::Hold(hold::Event::Place(hold)),
            Event::Disclosure(disclosure::Event::Give(given)),
        ] {
            self.store().change(&by, event).unwrap();
        }
        // Tried, and on record.
        let selector = Selector::Person(person.into());
        assert!(self.store().erase(&selector, &EraseOptions::default()).is_err());
        let lifted = hold::Event::Release { code, reason: "settled".into() };
        self.store().change(&by, Event::Hold(lifted)).unwrap();
        let tag = format!("late:{record}");
        self.store().tag(&by, record, None, std::slice::from_ref(&tag), &[]).unwrap();
        let said = self.said.iter_mut().find(|said| said.record.id.as_deref() == Some(record)).unwrap();
        said.record.tags.push(tag);
    }

    /// Erases somebody together with the evidence about her, with the control before and the verdict after.
    pub fn erase_with_evidence(&mut self, person: &str) -> Certificate {
        let selector = Selector::Person(person.to_owned());
        self.control();
        self.note_numbers(&selector);
        let options = EraseOptions { with_evidence: true, ..EraseOptions::default() };
        let certificate = self.store().erase(&selector, &options).unwrap();
        self.bury(&selector);
        self.acknowledged();
        self.verdict().assert_clean("erased with the evidence");
        certificate
    }

    /// Erases somebody but for the evidence about her, and lets that go on its date: the verdict is given then.
    pub fn erase_and_wait(&mut self, person: &str, days: i64) {
        let selector = Selector::Person(person.to_owned());
        self.control();
        self.note_numbers(&selector);
        let certificate = self.store().erase(&selector, &EraseOptions::default()).unwrap();
        assert_eq!(certificate.retained.len(), 1);
        self.bury(&selector);
        self.acknowledged();
        assert!(!self.verdict().leaks.is_empty(), "what she said is kept, and names her");
        for _ in 0..=days {
            self.clock.advance(Micros::DAY);
            self.store().expire_acts().unwrap();
        }
        self.acknowledged();
        self.verdict().assert_clean("the date of the evidence has come");
    }
}
