//! The id of an erased record and the name of an erased conversation were looked for as bare words in
//! everything that was typed of acts. Whoever may append and erase called a record `kind` or `author`,
//! erased it, and with it went what everybody had asked for by `kind:` and `author:`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, EraseOptions, Level, Order, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;

fn store() -> Store {
    let disk = Arc::new(MemoryVfs::new());
    let store = Store::builder("/s").vfs(disk).background(false).audit(Level::All).create().unwrap();
    say(&store, "c1", "k1", "karl");
    store
}

fn say(store: &Store, conversation: &str, id: &str, who: &str) {
    store.append(&[Record::new(conversation, who, Micros(0), "lamp").id(id)]).unwrap();
}

/// What is left of what was typed, oldest first, a line each.
fn left(store: &Store) -> Vec<String> {
    let options = ActOptions::new().details(true).order(Order::Oldest).limit(1_000);
    let acts = store.session(Session::new().purpose("looking")).acts("*", &options).unwrap();
    let lines = acts.iter().filter_map(|act| act.detail.as_ref()).map(|detail| {
        let texts: Vec<_> = detail.fields().iter().map(|(_, text)| text.as_str()).collect();
        texts.join(" / ")
    });
    // A purpose alone is left of what means the record.
    lines.filter(|line| !line.ends_with("looking") && line != "x").collect()
}

const TYPED: [&str; 6] = [
    "author:karl",
    "kind:message conversation:c1",
    "subject:karl lamp",
    "id:k1",
    "conversation:c1",
    "kind author",
];

#[test]
fn words_of_the_language_and_of_every_day_take_nothing_along() {
    let store = store();
    let dana = store.session(Session::new().purpose("what kind of author, case-4711"));
    for query in TYPED {
        dana.count(query).unwrap();
    }
    let before = left(&store);
    assert_eq!(before.len(), TYPED.len());
    let ids = ["kind", "author", "subject", "conversation", "lamp", "k1", "case-4711"];
    for id in ids {
        say(&store, &format!("talk {id}"), id, "mallory");
        let one = Selector::Record { id: id.into(), conversation: Some(format!("talk {id}")) };
        let certificate = store.erase(&one, &EraseOptions::default()).unwrap();
        assert_eq!((certificate.records_removed, left(&store)), (2, before.clone()), "{id}");
    }
    for name in ids {
        say(&store, name, &format!("of {name}"), "mallory");
        store.erase(&Selector::Conversation(name.into()), &EraseOptions::default()).unwrap();
        // The conversation that was asked for by this name.
        assert_eq!(left(&store), before, "{name}");
    }
}

#[test]
fn what_means_the_record_goes_with_it() {
    for (id, stay) in
        [("kind", ["k1 / see case-4711", "k1 / kind of lamp"]), ("case-4711", ["k1", "k1 / kind of lamp"])]
    {
        let store = store();
        say(&store, "talk", id, "mallory");
        let dana = store.session(Session::new().purpose("x"));
        dana.get(id, Some("talk")).unwrap();
        dana.get(id, None).unwrap();
        dana.count(&format!("conversation:c1 -id:{id}")).unwrap();
        store.session(Session::new().purpose("see case-4711")).get("k1", None).unwrap();
        store.session(Session::new().purpose("kind of lamp")).get("k1", None).unwrap();
        assert_eq!(left(&store).len(), 5);
        let one = Selector::Record { id: id.into(), conversation: None };
        store.erase(&one, &EraseOptions::default()).unwrap();
        assert_eq!(left(&store), stay, "{id}");
    }
}
