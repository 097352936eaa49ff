//! Corrections, late tags, threads, and what speaks of a record where others than its author are concerned.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::export::Snapshot;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Preset, Record, Selector};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Store};

fn builder(disk: &MemoryVfs) -> escrowdb::store::Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).compaction(false).background(false)
}

fn store() -> Store {
    builder(&MemoryVfs::new()).create().unwrap()
}

fn record(author: &str, id: &str, time: i64, text: &str) -> Record {
    Record::new("c1", author, Micros(time), text).id(id)
}

fn edit(author: &str, id: &str, target: &str, text: &str) -> Record {
    record(author, id, 9, text).kind(Kind::Edit).target(target)
}

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn found(store: &Store, query: &str) -> Vec<String> {
    let options = escrowdb::store::SearchOptions::new().order(escrowdb::store::Order::Oldest);
    let hits = store.session(Session::new()).search(query, &options).unwrap();
    hits.into_iter().map(|hit| hit.id).collect()
}

fn dana() -> Session {
    Session::new().actor("dana")
}

fn record_of(id: &str) -> Selector {
    Selector::Record { id: id.into(), conversation: Some("c1".into()) }
}

#[test]
fn what_is_said_of_a_record_belongs_to_its_subjects() {
    let store = store();
    add(&store, &[record("anna", "m1", 0, "hello"), edit("ben", "e1", "m1", "hullo")]);
    let subjects = |id: &str| store.session(Session::new()).get(id, None).unwrap()[0].subjects.clone();
    assert_eq!(subjects("e1"), ["anna"]);
    store.correct(&dana(), "m1", None, "hallo", None).unwrap();
    assert_eq!(found(&store, "subject:anna").len(), 1);
    // Given the same way again it is a duplicate, and others than its own it can't name.
    assert!(matches!(
        store.append(&[edit("ben", "e1", "m1", "hullo")]).unwrap()[..],
        [Outcome::Duplicate(_)]
    ));
    let strange = edit("ben", "e2", "m1", "x").subject("ben");
    let outcome = store.append(&[strange]).unwrap().remove(0);
    assert!(matches!(outcome, Outcome::Rejected(e) if e.kind() == ErrorKind::Invalid));
    add(&store, &[edit("ben", "e3", "m1", "x").subject("ben").subject("anna")]);
    // In one batch too, whatever the preset.
    let store = builder(&MemoryVfs::new()).preset(Preset::Customer).create().unwrap();
    add(
        &store,
        &[
            record("anna", "m1", 5, "a"),
            record("cleo", "m2", 6, "b").subject("cleo"),
            edit("ben", "e1", "m2", "c"),
        ],
    );
    let subjects = |id: &str| store.session(Session::new()).get(id, None).unwrap()[0].subjects.clone();
    assert_eq!(subjects("e1"), ["cleo"]);
}

#[test]
fn an_edit_that_came_first_goes_with_the_record_of_somebody_else() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let reaction = record("cleo", "r1", 3, "+1").kind(Kind::Reaction).target("m1");
    add(&store, &[edit("ben", "e1", "m1", "secret of anna"), reaction, record("ben", "m2", 4, "mine")]);
    store.roll().unwrap();
    assert_eq!(found(&store, "*"), ["m2"]);
    add(&store, &[record("anna", "m1", 1, "plain")]);
    assert_eq!(found(&store, "*"), ["m2", "e1"]);
    store.close().unwrap();
    let store = builder(&disk).open().unwrap();
    assert_eq!((found(&store, "secret"), found(&store, "plain")), (vec!["e1".to_owned()], vec![]));
    let plan = store.plan(&Selector::Person("anna".into())).unwrap();
    let certificate = store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    // The message, who she is, the edit and the reaction, and who cleo is, whom nothing else names.
    assert_eq!((plan.records, certificate.records_removed), (5, 5));
    assert_eq!(found(&store, "version:all (* OR kind:edit OR kind:reaction)"), ["m2"]);
}

#[test]
fn an_export_is_of_one_moment() {
    let store = store();
    add(&store, &[record("anna", "m1", 0, "before"), record("anna", "m2", 1, "stays")]);
    let reading = store.session(Session::new());
    let snapshot = Snapshot::take(&reading).unwrap();
    add(&store, &[edit("anna", "e1", "m1", "after")]);
    let mut texts = Vec::new();
    snapshot
        .each("*", |hit| {
            texts.push(hit.body);
            true
        })
        .unwrap();
    assert_eq!(texts, ["before", "stays"]);
    assert_eq!(found(&store, "*"), ["m2", "e1"]);
}

#[test]
fn tags_come_and_go_and_the_record_stays_as_it_was() {
    let store = store();
    add(&store, &[record("anna", "m1", 0, "hello").tag("open")]);
    store.roll().unwrap();
    let tags = |id: &str| store.session(Session::new()).get(id, None).unwrap()[0].tags.clone();
    store.tag(&dana(), "m1", Some("c1"), &["vip".into()], &["open".into()]).unwrap();
    assert_eq!((tags("m1"), found(&store, "tag:open").len()), (vec!["vip".to_owned()], 0));
    assert_eq!(store.session(dana()).facet("*", "tag").unwrap(), [("vip".to_owned(), 1)]);
    // The tags of a correction are those of the record, and a tag of the correction is one of the record.
    store.correct(&dana(), "m1", None, "hullo", Some("typing error")).unwrap();
    let corrected = found(&store, "tag:vip");
    assert_eq!(corrected.len(), 1);
    store.tag(&dana(), &corrected[0], None, &["seen".into()], &[]).unwrap();
    assert_eq!(found(&store, "version:first tag:seen"), ["m1"]);
    store.tag(&dana(), "m1", None, &["open".into()], &["vip".into()]).unwrap();
    assert_eq!(tags("m1"), ["open", "seen"]);
    let said = store.session(dana()).said_of("m1", None).unwrap();
    assert_eq!(
        said.iter().map(|hit| hit.kind).collect::<Vec<_>>(),
        [Kind::Tag, Kind::Edit, Kind::Tag, Kind::Tag]
    );
    assert!(said[1].extra.contains(&("reason".to_owned(), "\"typing error\"".to_owned())));
    // What stands in the log is what was written.
    let proof = store.session(dana()).prove("m1", None, None).unwrap().remove(0).to_text();
    assert!(!proof.is_empty());
    store.erase(&record_of("m1"), &EraseOptions::default()).unwrap();
    assert_eq!(found(&store, "kind:tag"), Vec::<String>::new());
    assert_eq!(store.tag(&dana(), "m1", None, &["x".into()], &[]).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_can_not_be_said_is_refused() {
    let store = store();
    add(&store, &[record("anna", "m1", 0, "hello"), record("anna", "s1", 0, "line").kind(Kind::System)]);
    let x = ["x".to_owned()];
    let kind = |answer: escrowdb::Result<escrowdb::id::Seq>| answer.unwrap_err().kind();
    assert_eq!(kind(store.tag(&dana(), "m1", None, &[], &[])), ErrorKind::Invalid);
    assert_eq!(kind(store.tag(&dana(), "m1", None, &x, &x)), ErrorKind::Invalid);
    assert_eq!(kind(store.tag(&Session::new(), "m1", None, &x, &[])), ErrorKind::Invalid);
    assert_eq!(kind(store.tag(&dana(), "m9", None, &x, &[])), ErrorKind::NotFound);
    assert_eq!(kind(store.tag(&dana(), "person/1", None, &x, &[])), ErrorKind::NotFound);
    assert_eq!(kind(store.correct(&dana(), "s1", None, "x", None)), ErrorKind::Invalid);
    assert_eq!(kind(store.correct(&dana(), "m1", None, "x", Some(&"r".repeat(513)))), ErrorKind::Invalid);
    assert_eq!(found(&store, "kind:tag OR kind:edit"), Vec::<String>::new());
    let bad = record("anna", "t1", 0, "").kind(Kind::Tag).target("m1").extra("removed", "3");
    assert!(matches!(store.append(&[bad]).unwrap()[..], [Outcome::Rejected(_)]));
}

#[test]
fn erasing_only_an_edit_uncovers_what_was_before() {
    let store = store();
    add(
        &store,
        &[record("anna", "m1", 0, "one"), edit("anna", "e1", "m1", "two"), edit("anna", "e2", "e1", "three")],
    );
    assert_eq!(found(&store, "*"), ["e2"]);
    // What is said of the edit goes with it.
    store.erase(&record_of("e1"), &EraseOptions::default()).unwrap();
    assert_eq!((found(&store, "*"), found(&store, "kind:edit").len()), (vec!["m1".to_owned()], 0));
}

#[test]
fn threads_follow_answers_through_versions() {
    let store = store();
    let react = |id: &str, target: &str| record("ben", id, 8, "+1").kind(Kind::Reaction).target(target);
    add(
        &store,
        &[
            record("anna", "m1", 0, "tea?"),
            record("ben", "m2", 1, "no").reply_to("m1"),
            edit("ben", "e2", "m2", "yes"),
            record("cleo", "m3", 2, "why").reply_to("e2"),
            record("cleo", "m4", 3, "gone").reply_to("m2"),
            record("cleo", "d4", 4, "").kind(Kind::Delete).target("m4"),
            record("anna", "m5", 5, "still").reply_to("m4"),
            record("anna", "m6", 6, "beside"),
            react("r1", "m2"),
            react("r2", "e2"),
        ],
    );
    let reading = store.session(Session::new());
    for id in ["m2", "e2"] {
        let thread = reading.threads(id, None).unwrap().remove(0);
        let shown: Vec<_> = thread.iter().map(|one| (one.depth, &*one.hit.body, one.is_here)).collect();
        assert_eq!(shown, [(0, "tea?", false), (1, "yes", true), (2, "why", false), (3, "still", false)]);
        assert_eq!((&*thread[1].first_id, &thread[1].reactions[..]), ("m2", &[("+1".to_owned(), 2)][..]));
    }
    assert_eq!(reading.threads("m6", None).unwrap()[0].len(), 1);
    assert!(reading.threads("m9", None).unwrap().is_empty());
    // A circle of answers ends.
    add(&store, &[record("a", "k1", 0, "x").reply_to("k2"), record("a", "k2", 1, "y").reply_to("k1")]);
    assert_eq!(reading.threads("k1", None).unwrap()[0].len(), 2);
}

/// What speaks of a record stands in another segment, and its turn comes in a later pass: by then the record is gone.
#[test]
fn a_later_pass_knows_what_spoke_of_what_an_earlier_one_took() {
    let store = builder(&MemoryVfs::new()).pass_bytes(1).create().unwrap();
    add(&store, &[record("anna", "m1", 0, "one"), record("anna", "m2", 1, "stays")]);
    store.roll().unwrap();
    add(&store, &[edit("anna", "e1", "m1", "two"), record("ben", "m3", 2, "stays too")]);
    store.roll().unwrap();
    add(&store, &[edit("anna", "e2", "e1", "three"), record("ben", "m4", 3, "and this")]);
    store.roll().unwrap();
    let planned = store.plan(&record_of("m1")).unwrap().records;
    let certificate = store.erase(&record_of("m1"), &EraseOptions::default()).unwrap();
    assert_eq!((planned, certificate.records_removed), (3, 3));
    assert_eq!(found(&store, "version:all (* OR kind:edit)"), ["m2", "m3", "m4"]);
    assert!(store.session(dana()).get("e2", None).unwrap().is_empty());
}
