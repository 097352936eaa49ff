//! What for somebody searched stood in one record with the query. A query goes with whatever it could have
//! found, and so did purpose and case: who appended one record anywhere and had it erased in the evening
//! wiped why everybody had searched the whole day. And the query of an audit that had found a word in what
//! was typed stayed, with its count, when that went.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, ActView, DetailField, EraseOptions, Level, Order, Record, Selector, Store,
};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::recording_vfs::RecordingVfs;

const SOON: Duration = Duration::from_secs(20);

fn store(disk: &RecordingVfs) -> Store {
    let store = Store::builder("/s").vfs(Arc::new(disk.clone())).background(false).audit(Level::All);
    let store = store.create().unwrap();
    say(&store, "c1", "k1", "karl");
    store
}

fn say(store: &Store, conversation: &str, id: &str, who: &str) {
    store.append(&[Record::new(conversation, who, Micros(0), "lamp").id(id)]).unwrap();
}

fn erase(store: &Store, id: &str) {
    let one = Selector::Record { id: id.into(), conversation: None };
    store.erase(&one, &EraseOptions::default()).unwrap();
}

fn typed(store: &Store, query: &str) -> Vec<ActView> {
    let options = ActOptions::new().details(true).order(Order::Oldest).limit(1_000);
    store.session(Session::new().purpose("looking")).acts(query, &options).unwrap()
}

/// A text of each act by somebody, oldest first; empty if it is gone.
fn texts(store: &Store, who: &str, field: DetailField) -> Vec<String> {
    let text = |act: &ActView| act.detail.as_ref()?.get(field).map(str::to_owned);
    typed(store, &format!("author:{who}")).iter().map(|act| text(act).unwrap_or_default()).collect()
}

#[test]
fn a_planted_record_wipes_no_purpose_of_others() {
    for rolled in [false, true] {
        let store = store(&RecordingVfs::new());
        say(&store, "c2", "x8f3", "mallory");
        say(&store, "c3", "y9g4", "anna meyer");
        let dana = |purpose: &str, case: &str| {
            store.session(Session::new().actor("dana").purpose(purpose).case(case))
        };
        dana("curiosity", "none").count("salary").unwrap();
        dana("complaint", "2026-17").facet("lamp", "author").unwrap();
        dana("what anna meyer said", "2026-18").count("*").unwrap();
        dana("dispute", "2026-19").count("conversation:c1 lamp").unwrap();
        if rolled {
            store.roll().unwrap();
        }
        erase(&store, "x8f3");
        let purposes = ["curiosity", "complaint", "what anna meyer said", "dispute"];
        assert_eq!(texts(&store, "dana", DetailField::Purpose), purposes);
        assert_eq!(texts(&store, "dana", DetailField::Case), ["none", "2026-17", "2026-18", "2026-19"]);
        // What they asked for could have met it.
        let queries = ["", "", "", "conversation:c1 lamp"];
        assert_eq!(texts(&store, "dana", DetailField::Query), queries);
        assert_eq!(texts(&store, "dana", DetailField::By), [""; 4]);
        // Whom a purpose names takes it along, and the case beside it.
        store.erase(&Selector::Person("anna meyer".into()), &EraseOptions::default()).unwrap();
        assert_eq!(texts(&store, "dana", DetailField::Purpose), ["curiosity", "complaint", "", "dispute"]);
        assert_eq!(texts(&store, "dana", DetailField::Query), queries);
    }
}

#[test]
fn what_found_words_of_a_detail_goes_with_it() {
    let store = store(&RecordingVfs::new());
    let dana = store.session(Session::new().actor("dana").purpose("x"));
    let details = ActOptions::new().details(true);
    let look = |query: &str, found| assert_eq!(dana.acts(query, &details).unwrap().len(), found, "{query}");
    // Before there was anything to find.
    look("yes kind:searched", 0);
    // Nobody of that name is known yet.
    dana.count("author:anna yes").unwrap();
    look("yes kind:searched", 1);
    look("kind:searched", 1);
    dana.acts("kind:searched author:dana", &ActOptions::new()).unwrap();
    say(&store, "c2", "m1", "anna");
    say(&store, "c2", "x1", "bob");
    let mut left =
        ["yes kind:searched", "", "yes kind:searched", "kind:searched", "kind:searched author:dana"];
    // What came later nobody has found here.
    erase(&store, "x1");
    assert_eq!(texts(&store, "dana", DetailField::Acts), left);
    // With her goes what was typed of her, and with that who found it.
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    left[2] = "";
    assert_eq!(texts(&store, "dana", DetailField::Acts), left);
    look("yes", 1);
    // A detail that told of an older record may be gone on its date: with the record goes who may have found it.
    erase(&store, "k1");
    left[0] = "";
    assert_eq!(texts(&store, "dana", DetailField::Acts)[..5], left);
}

#[test]
fn whoever_asks_for_details_beside_an_erasure_is_answered_behind_it() {
    let disk = RecordingVfs::new();
    let store = store(&disk);
    store.session(Session::new().actor("dana").purpose("anna's complaint")).get("k1", None).unwrap();
    store.session(Session::new().actor("dana").purpose("a lamp")).get("k1", None).unwrap();
    store.roll().unwrap();
    say(&store, "c2", "m1", "anna");
    let gate = disk.block(Aim::at(Class::Segment, Call::Read), 0);
    thread::scope(|s| {
        let erasing = s.spawn(|| store.erase(&Selector::Person("anna".into()), &EraseOptions::default()));
        assert!(gate.reached(SOON), "the erasure reads bodies");
        let (tell, told) = channel();
        let store = &store;
        s.spawn(move || tell.send(texts(store, "dana", DetailField::Purpose)).unwrap());
        let early = told.recv_timeout(Duration::from_millis(200));
        let soon = store
            .session(Session::new().purpose("looking"))
            .time_limit(Duration::from_millis(50))
            .acts("*", &ActOptions::new().details(true))
            .map(drop);
        gate.open();
        assert!(early.is_err(), "it waits");
        assert_eq!(soon.map_err(|e| e.kind()), Err(escrowdb::ErrorKind::Invalid));
        assert_eq!(told.recv_timeout(SOON).unwrap(), ["", "a lamp"]);
        erasing.join().unwrap().unwrap();
    });
}
