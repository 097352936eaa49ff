//! The forensic test, of acts: an attacker keeps every byte ever written and takes the slot after the
//! erasure. What was typed about the erased, her names, her conversations and ids of her records, stands
//! nowhere any more, and acts tell nothing of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use escrowdb::session::Session;
use escrowdb::store::{Exported, Level, Selector};
use escrowdb_tests::sealed::world::{Options, World};

/// Everything that names her, and somebody else, in ways that leave details.
fn ask(w: &World, person: &str, id: &str, conversation: &str) {
    let session = Session::new().purpose(format!("what {person} asked for")).case("2026-17");
    let reading = w.store().session(session);
    assert_eq!(reading.get(id, Some(conversation)).unwrap().len(), 1);
    assert!(!reading.conversation(conversation).unwrap().is_empty());
    assert!(reading.person(person).unwrap().records > 0);
    assert!(!reading.records_of(person).unwrap().is_empty());
    reading.exporting(Exported::Person(person), &format!("subject:\"{person}\"")).unwrap();
    assert!(!reading.prove(id, Some(conversation), None).unwrap().is_empty());
}

fn played(seed: u64, roll_records: u32, roll: bool, selector: impl Fn(&str, &str, &str) -> Selector) {
    let options = Options { seed, roll_records, audit: Level::Acts, ..Options::default() };
    let mut w = World::new(options);
    let (anna, bert, talk, home) = (w.person(), w.person(), w.word(), w.word());
    w.say(&bert, &[], &talk);
    let id = w.say(&anna, &[], &home);
    ask(&w, &anna, &id, &home);
    let other = w.say(&bert, &[], &talk);
    ask(&w, &bert, &other, &talk);
    if roll {
        w.roll();
        ask(&w, &anna, &id, &home);
    }
    w.erase(&selector(&anna, &home, &id));
}

#[test]
fn nothing_that_was_typed_about_a_person_is_left() {
    for (roll_records, roll) in [(1_000, false), (1_000, true), (4, true), (7, false)] {
        played(3, roll_records, roll, |anna, _, _| Selector::Person(anna.into()));
    }
}

#[test]
fn nothing_that_was_typed_about_a_conversation_or_a_record_is_left() {
    for roll in [false, true] {
        played(5, 6, roll, |_, home, _| Selector::Conversation(home.into()));
        played(7, 6, roll, |_, _, id| Selector::Record { id: id.into(), conversation: None });
    }
}
