//! A gate that refuses what there is no consent for refused deletions too, where its rule named a channel, a
//! conversation or a kind. So who had withdrawn her consent could not take back what she had written before.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::settings::{self, Gate, GateRule};
use escrowdb::session::Session;
use escrowdb::store::{Outcome, Record, Store};
use escrowdb::vfs::MemoryVfs;

#[test]
fn to_take_something_back_needs_no_consent() {
    for gate in [Gate::Refuse, Gate::Quarantine] {
        let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).create().unwrap();
        let say = |id: &str| Record::new("c1", "anna", Micros(0), "hello").id(id);
        store.append(&[say("m1")]).unwrap();
        let offers = Purpose {
            code: "offers".into(),
            title: "Offers".into(),
            basis: LawfulBasis::Consent,
            class: None,
            needs_consent: true,
        };
        let rule = GateRule { when: "conversation:c1".into(), purposes: vec!["offers".into()] };
        let asked = settings::Event { gate: Some(gate), gate_rules: Some(vec![rule]), ..Default::default() };
        let events = vec![Event::Purpose(purpose::Event::Define(offers)), Event::Settings(asked)];
        store.change_all(&Session::new().actor("dana"), events).unwrap();
        let about = |kind: Kind| say(kind.name()).kind(kind).target("m1");
        let outcomes = store.append(&[about(Kind::Reaction), about(Kind::Delete)]).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Rejected(e) if e.kind() == ErrorKind::Refused));
        assert!(matches!(outcomes[1], Outcome::Added(_)), "{gate:?}: {outcomes:?}");
        assert_eq!(store.session(Session::new()).count("*").unwrap(), 0);
    }
}
