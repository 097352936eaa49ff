//! A conversation was erased that somebody had reacted in who is restricted. What may go was chosen by who the
//! records are of, and her reaction was left out; then it was taken along again because it speaks of a record that
//! goes. The last look found it and ended the pass: an erasure that was accepted told of a hold that nobody had
//! placed, and waited for as long as the restriction stood.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;

fn store() -> Store {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let say = |id: &str, who: &str| Record::new("c1", who, Micros(0), "hello").id(id);
    let reaction = say("r1", "ben").kind(Kind::Reaction).target("m1").subject("anna").subject("ben");
    store.append(&[say("m1", "anna"), reaction]).unwrap();
    let ben = store.number_of("ben").unwrap();
    let restriction = Hold {
        code: "r".into(),
        effect: Effect::Restrict,
        scope: Scope::Person(ben.0),
        matter: "Meyer v. Shop".into(),
        ground: "GDPR 18".into(),
        review: None,
    };
    store.change(&Session::new().actor("dana"), Event::Hold(hold::Event::Place(restriction))).unwrap();
    store
}

#[test]
fn what_is_restricted_stays_and_the_rest_goes() {
    for selector in
        [Selector::Conversation("c1".into()), Selector::Record { id: "m1".into(), conversation: None }]
    {
        let store = store();
        let certificate = store.erase(&selector, &EraseOptions::default()).unwrap();
        let reading = store.session(Session::new().case("r"));
        assert_eq!((reading.count("*").unwrap(), reading.count("kind:reaction").unwrap()), (0, 1));
        if certificate.what == "conversation" {
            assert_eq!(certificate.kept.unwrap().records, 1);
        }
    }
    // Anna herself may have it erased.
    let store = store();
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(store.session(Session::new().case("r")).count("kind:reaction").unwrap(), 0);
}
