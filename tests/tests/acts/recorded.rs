//! Acts as records: what is done with a store is in it before its answer leaves, names people by
//! number, and tells nothing of whoever is erased.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::{Micros, Seq};
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, ActView, AuditRules, Builder, Deed, DetailField, Durability, EraseOptions, Exported, Level,
    Order, Period, Reading, Record, SearchOptions, Selector, Store,
};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, FORMAT_VERSION};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::quota::QuotaVfs;

const DAY: i64 = 86_400_000_000;

fn builder(disk: Arc<dyn Vfs>, clock: &Arc<ManualClock>, seed: u64) -> Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::clone(clock) as Arc<dyn escrowdb::clock::Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

fn store(level: Level) -> (MemoryVfs, Arc<ManualClock>, Store) {
    let (disk, clock) = (MemoryVfs::new(), Arc::new(ManualClock::default()));
    let store = builder(Arc::new(disk.clone()), &clock, 1).audit(level).create().unwrap();
    (disk, clock, store)
}

fn say(store: &Store, id: &str, who: &str, conversation: &str) {
    let record = Record::new(conversation, who, Micros(0), format!("words of {id}")).id(id);
    assert_eq!(store.append(&[record]).unwrap().len(), 1);
}

fn dana(store: &Store) -> Reading<'_> {
    store.session(Session::new().actor("dana").purpose("audit").case("7"))
}

fn acts(store: &Store) -> Vec<ActView> {
    // Nobody in particular, so that looking leaves nothing that these tests count.
    let all = ActOptions::new().limit(usize::MAX).order(Order::Oldest).details(true);
    let found = store.session(Session::new().purpose("test")).acts("*", &all).unwrap();
    let own = |act: &ActView| act.detail.as_ref().and_then(|d| d.get(DetailField::Purpose)) == Some("test");
    found.into_iter().filter(|act| !own(act)).collect()
}

/// What an act says: kind, deed, count, number of the actor, numbers of people.
fn told(act: &ActView) -> String {
    let deed = act.act.as_ref().and_then(|act| act.deed).map_or("-", |deed| deed.name());
    let count = act.act.as_ref().map_or(0, |act| act.count);
    let people: Vec<u64> = act.people.iter().map(|(number, _)| number.0).collect();
    format!("{} {deed} {count} by {} of {people:?}", act.kind.name(), act.actor)
}

fn read_all_ways(reading: &Reading<'_>) {
    let search = SearchOptions::new();
    reading.get("m1", Some("c1")).unwrap();
    reading.around("m1", None, 1).unwrap();
    reading.conversation("c1").unwrap();
    reading.person("anna").unwrap();
    reading.records_of("anna").unwrap();
    reading.prove("m1", None, None).unwrap();
    reading.search("words", &search).unwrap();
    reading.search_each("words", Order::Oldest, |_| true).unwrap();
    reading.count("words").unwrap();
    reading.facet("*", "author").unwrap();
    reading.histogram("*", Period::Year).unwrap();
    reading.seqs("*", Order::Oldest).unwrap();
}

#[test]
fn each_level_records_what_it_says() {
    for (level, wanted) in [(Level::Off, 0), (Level::Acts, 6), (Level::All, 12)] {
        let (_, _, store) = store(level);
        say(&store, "m1", "anna", "c1");
        say(&store, "m2", "anna", "c1");
        read_all_ways(&dana(&store));
        let acts = acts(&store);
        let lines: Vec<String> = acts.iter().map(told).collect();
        assert_eq!(acts.len(), wanted, "{level:?}: {lines:?}");
        if level == Level::Off {
            continue;
        }
        // Anna came first, then the periods of acts and details, then Dana.
        assert_eq!(
            lines[..6],
            [
                "opened record 1 by 4 of [1]",
                "opened around 2 by 4 of []",
                "opened conversation 2 by 4 of []",
                "opened person 1 by 4 of [1]",
                "opened records 2 by 4 of [1]",
                "opened proof 1 by 4 of [1]",
            ]
        );
        assert!(acts.iter().all(|act| act.actor_name.as_deref() == Some("dana")));
        let detail = acts[0].detail.as_ref().unwrap();
        let texts: Vec<(&str, &str)> =
            detail.fields().iter().map(|(f, text)| (f.name(), text.as_str())).collect();
        assert_eq!(texts, [("conversation", "c1"), ("record", "m1"), ("purpose", "audit"), ("case", "7")]);
    }
}

#[test]
fn rules_imports_and_exports_are_acts() {
    let (_, _, store) = store(Level::Acts);
    say(&store, "m1", "anna", "c1");
    let dana = dana(&store);
    let quiet = dana.exporting(Exported::Person("anna"), "subject:anna").unwrap();
    quiet.search_each("subject:anna", Order::Oldest, |_| true).unwrap();
    quiet.get("m1", None).unwrap();
    dana.exporting(Exported::Conversation("c1"), "conversation:c1").unwrap();
    dana.exporting(Exported::Query, "words").unwrap();
    dana.exporting(Exported::Query, "tag:x").unwrap();
    assert!(dana.exporting(Exported::Person("nobody"), "subject:nobody").is_err());
    dana.imported(3, 2, 1).unwrap();
    store.plan_as(&Session::new(), &Selector::Person("anna".into())).unwrap();
    let rules = AuditRules::new(Level::All).keep_acts(30).keep_details(2);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    assert_eq!(store.audit_rules().unwrap(), rules);
    for days in [0, AuditRules::DAYS_MAX + 1] {
        let refused = store.set_audit_rules(&Session::new(), &rules.keep_acts(days)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
    let acts = acts(&store);
    assert_eq!(
        acts.iter().map(told).collect::<Vec<_>>(),
        [
            "exported subject 1 by 4 of [1]",
            "exported conversation 1 by 4 of []",
            "exported query 1 by 4 of []",
            "import import 3 by 4 of []",
            "opened plan 2 by 0 of []",
            "rule audit 0 by 0 of []",
        ]
    );
    assert_eq!(acts[3].act.as_ref().unwrap().left_out, Some((2, 1)));
    assert_eq!(acts[5].act.as_ref().unwrap().rules, Some(rules));
}

#[test]
fn the_level_stands_in_the_store_and_no_opener_lowers_it() {
    let (disk, clock, all) = store(Level::All);
    all.close().unwrap();
    let again = builder(Arc::new(disk.clone()), &clock, 2).open().unwrap();
    assert_eq!(again.audit_rules().unwrap().level, Level::All);
    again.close().unwrap();
    let (disk, clock, off) = store(Level::Off);
    off.close().unwrap();
    // The least that this opener works with; the store itself says nothing still.
    let raised = builder(Arc::new(disk.clone()), &clock, 2).audit(Level::Acts).open().unwrap();
    assert_eq!(raised.audit_rules().unwrap().level, Level::Acts);
    raised.close().unwrap();
    let off = builder(Arc::new(disk), &clock, 3).open().unwrap();
    assert_eq!((off.audit_rules().unwrap().level, off.format()), (Level::Off, FORMAT_VERSION));
}

/// Whoever typed a name made nobody known by it, and who asks for the erased leaves the same as who
/// asks for somebody who never was.
#[test]
fn a_name_that_is_typed_makes_nobody() {
    let (_, _, store) = store(Level::All);
    say(&store, "m1", "anna", "c1");
    say(&store, "m2", "bert", "c1");
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    let people = store.stats().unwrap().people;
    let before = acts(&store).len();
    let mut lines: Vec<Vec<String>> = Vec::new();
    for name in ["anna", "karl"] {
        let reading = dana(&store);
        assert_eq!(reading.count(&format!("author:{name}")).unwrap(), 0);
        assert!(reading.person(name).is_err() && reading.records_of(name).is_err());
        let exported = reading.exporting(Exported::Person(name), &format!("subject:{name}")).map(drop);
        assert_eq!(exported.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
        assert_eq!(reading.search(&format!("subject:{name}"), &SearchOptions::new()).unwrap().len(), 0);
        assert!(reading.get(&format!("m1{name}"), None).unwrap().is_empty());
        let new: Vec<String> = acts(&store).iter().skip(before).map(told).collect();
        lines.push(new[lines.concat().len()..].to_vec());
    }
    assert_eq!(lines[0].len(), 6);
    assert_eq!(lines[0], lines[1]);
    // Dana alone came.
    assert_eq!(store.stats().unwrap().people, people + 1);
}

/// What acts, details and the erasure's own record say, without what is drawn: times by the clock,
/// positions, numbers, counts, texts.
fn history(of: &str, level: Level) -> Vec<String> {
    let (_, clock, store) = store(level);
    say(&store, "k1", "karl", "talk");
    say(&store, "m1", of, "home");
    say(&store, "m2", of, "talk");
    let reading = dana(&store);
    for query in [format!("author:{of}"), format!("\"{of}\""), "words".to_owned()] {
        reading.count(&query).unwrap();
        reading.search(&query, &SearchOptions::new()).unwrap();
    }
    reading.person(of).unwrap();
    reading.get("m1", Some("home")).unwrap();
    reading.get("m1", None).unwrap();
    reading.conversation("home").unwrap();
    reading.conversation("talk").unwrap();
    reading.exporting(Exported::Person(of), &format!("subject:{of}")).unwrap();
    store.roll().unwrap();
    clock.advance(DAY);
    reading.person(of).unwrap();
    store.erase(&Selector::Person(of.into()), &EraseOptions::default()).unwrap();
    reading.count("words").unwrap();
    let mut out = vec![format!("{:?}", store.stats().unwrap().log_size)];
    for act in acts(&store) {
        let texts =
            act.detail.iter().flat_map(|d| d.fields().iter().map(|(f, t)| format!("{f:?}={}", t.as_str())));
        let texts: Vec<String> = texts.collect();
        out.push(format!("{} {:?} {} {texts:?} {:?}", act.seq, act.time, told(&act), act.actor_name));
    }
    let erased = store.session(Session::new()).search("kind:erased", &SearchOptions::new()).unwrap();
    for hit in erased {
        // Version, what, one handle of sixteen drawn bytes, counts.
        assert_eq!((hit.body.len() > 60, &hit.body[..6]), (true, "020101"));
        out.push(format!("{} {:?} {} {}", hit.seq, hit.time, hit.kind.name(), &hit.body[6 + 32..]));
    }
    out
}

/// Two stores, in one of which Anna was known and erased, in the other Olga: nothing but what is drawn
/// tells them apart, and neither name stands in what is left.
#[test]
fn two_histories_can_not_be_told_apart() {
    for level in [Level::Acts, Level::All] {
        let (anna, olga) = (history("anna", level), history("olga", level));
        assert_eq!(anna, olga);
        let left = anna.concat();
        assert!(!left.contains("anna") && !left.contains("m1") && !left.contains("home"), "{left}");
        // What says nothing of her stays.
        assert!(left.contains("Conversation=talk"), "{left}");
    }
}

#[test]
fn details_go_with_the_conversation_and_the_record_that_they_name() {
    let (_, _, store) = store(Level::All);
    for (id, conversation) in [("m1", "c1"), ("m2", "c1"), ("m3", "c2"), ("m4", "c2")] {
        say(&store, id, "anna", conversation);
    }
    say(&store, "k1", "karl", "c3");
    let reading = dana(&store);
    reading.conversation("c1").unwrap();
    reading.conversation("c2").unwrap();
    reading.get("m3", Some("c2")).unwrap();
    reading.count("conversation:c1").unwrap();
    reading.get("k1", None).unwrap();
    store.roll().unwrap();
    let asked = |act: &ActView| {
        let detail = act.detail.as_ref().unwrap();
        // What for stays; it names nobody.
        assert_eq!(
            (detail.get(DetailField::Purpose), detail.get(DetailField::Case)),
            (Some("audit"), Some("7"))
        );
        detail.fields().len() > 2
    };
    let texts = || {
        let all = acts(&store);
        let detailed = all.iter().filter(|act| act.actor.0 != 0);
        detailed.filter(|act| asked(act)).map(told).collect::<Vec<_>>()
    };
    assert_eq!(texts().len(), 5);
    store.erase(&Selector::Conversation("c1".into()), &EraseOptions::default()).unwrap();
    assert_eq!(texts().len(), 3);
    let m3 = Selector::Record { id: "m3".into(), conversation: None };
    store.erase(&m3, &EraseOptions::default()).unwrap();
    // The conversation has another record still.
    assert_eq!(texts(), ["opened conversation 2 by 5 of []", "opened record 1 by 5 of [2]"]);
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(texts(), ["opened record 1 by 5 of [2]"]);
    // The acts stay.
    let looks = |act: &ActView| act.act.as_ref().is_none_or(|act| act.deed == Some(Deed::Details));
    assert_eq!(acts(&store).iter().filter(|act| !looks(act)).count(), 5);
}

#[test]
fn nothing_of_acts_is_in_answers_about_chats() {
    let (_, _, store) = store(Level::All);
    say(&store, "m1", "anna", "c1");
    let before = dana(&store).count("*").unwrap();
    read_all_ways(&dana(&store));
    let reading = dana(&store);
    assert_eq!(reading.count("*").unwrap(), before);
    assert_eq!(reading.count("complaint OR audit OR lamp").unwrap(), 0);
    assert_eq!(reading.facet("*", "author").unwrap(), [("anna".to_owned(), 1)]);
    assert_eq!(reading.facet("*", "kind").unwrap(), [("message".to_owned(), 1)]);
    assert_eq!(reading.histogram("*", Period::Year).unwrap().len(), 1);
    assert_eq!(reading.records_of("anna").unwrap().len(), 1);
    assert!(reading.person("dana").unwrap().records == 0);
    // Details are found by no query, by no id, by no proof.
    for query in ["kind:detail", "kind:detail OR kind:message", "-kind:message OR kind:detail"] {
        let hits = reading.search(query, &SearchOptions::new().limit(1_000)).unwrap();
        assert!(hits.iter().all(|hit| hit.kind.name() != "detail"), "{query}");
    }
    let act = acts(&store)[0].id.clone();
    assert!(reading.get(&act, None).unwrap().is_empty());
    for detail in [act.replace("act/", "detail/"), act.replace("act/", "purpose/")] {
        assert!(reading.get(&detail, None).unwrap().is_empty());
        assert!(reading.prove(&detail, None, None).unwrap().is_empty());
    }
    assert_eq!(reading.prove(&act, None, None).unwrap().len(), 1);
}

#[test]
fn details_are_opened_for_a_purpose_only() {
    let (_, _, store) = store(Level::All);
    let details = ActOptions::new().details(true);
    for session in [Session::new(), Session::new().purpose(" ")] {
        let refused = store.session(session).acts("*", &details).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
    let reading = dana(&store);
    assert_eq!(reading.acts("lamp", &ActOptions::new()).err().unwrap().kind(), ErrorKind::Invalid);
    for query in ["lamp OR lime", "-lamp", "lam*"] {
        assert_eq!(reading.acts(query, &details).err().unwrap().kind(), ErrorKind::Invalid, "{query}");
    }
    reading.acts("lamp", &details).unwrap();
    let found = reading.acts("lamp purpose", &details).unwrap();
    assert!(found.is_empty());
    // That details were opened is an act, with the query in its detail.
    let found = reading.acts("lamp kind:opened author:dana", &details).unwrap();
    assert_eq!(found.len(), 2, "both were asked for, the second for both words");
}

/// A full disk: what can't be recorded is not shown; once there is room it is.
#[test]
fn what_can_not_be_recorded_is_not_shown() {
    let (disk, clock) = (QuotaVfs::new(), Arc::new(ManualClock::default()));
    let store = builder(Arc::new(disk.clone()), &clock, 1).audit(Level::All).create().unwrap();
    say(&store, "m1", "anna", "c1");
    let reading = dana(&store);
    assert_eq!(reading.get("m1", None).unwrap().len(), 1);
    disk.leave(0);
    let mut refused = 0;
    for _ in 0..10_000 {
        match reading.get("m1", None) {
            Ok(_) => {}
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::NoSpace);
                assert!(e.to_string().starts_with("nothing is shown"), "{e}");
                assert!(e.hint_text().unwrap().contains("room") || e.hint_text().unwrap().contains("space"));
                refused += 1;
            }
        }
        if refused == 2 {
            break;
        }
    }
    assert_eq!(refused, 2);
    for answer in [reading.count("*").err(), reading.conversation("c1").err(), reading.person("anna").err()] {
        assert_eq!(answer.unwrap().kind(), ErrorKind::NoSpace);
    }
    let mut seen = 0;
    let walk = reading.search_each("*", Order::Oldest, |_| {
        seen += 1;
        true
    });
    assert_eq!((walk.unwrap_err().kind(), seen), (ErrorKind::NoSpace, 0));
    let walk = reading.conversation_each("c1", |_| {
        seen += 1;
        true
    });
    assert_eq!((walk.unwrap_err().kind(), seen), (ErrorKind::NoSpace, 0));
    disk.unlimited();
    assert_eq!(reading.get("m1", None).unwrap().len(), 1);
}

#[test]
fn acts_are_synced_where_appends_are_not() {
    use escrowdb_tests::crash::{CrashOptions, crashes};
    use escrowdb_tests::recording_vfs::RecordingVfs;

    for durability in [Durability::Synced, Durability::Written] {
        let (disk, clock) = (RecordingVfs::new(), Arc::new(ManualClock::default()));
        let store = builder(Arc::new(disk.clone()), &clock, 1)
            .audit(Level::Acts)
            .durability(durability)
            .create()
            .unwrap();
        say(&store, "m1", "anna", "c1");
        let reading = dana(&store);
        // When each answer was given.
        let mut given = Vec::new();
        for _ in 0..4 {
            reading.get("m1", None).unwrap();
            given.push(disk.log_len());
        }
        let ops = disk.log();
        let options = CrashOptions { points: given[0]..ops.len() + 1, ..CrashOptions::default() };
        let mut states = 0;
        for image in crashes(&ops, options) {
            let answers = given.iter().filter(|at| **at <= image.at).count();
            let opened = builder(Arc::new(image.disk()), &clock, 7 + image.at as u64).open().unwrap();
            let kept = opened.session(Session::new()).count("kind:opened").unwrap();
            assert!(kept >= answers as u64, "{kept} acts, {answers} answers: {}", image.what);
            states += 1;
        }
        assert!(states > 4, "{states}");
    }
}

#[test]
fn many_readers_share_a_sync() {
    let (_, _, store) = store(Level::All);
    say(&store, "m1", "anna", "c1");
    std::thread::scope(|s| {
        for n in 0..8 {
            let store = &store;
            s.spawn(move || {
                let reading = store.session(Session::new().actor(format!("agent {n}")));
                for _ in 0..20 {
                    assert_eq!(reading.count("words").unwrap(), 1);
                    assert_eq!(reading.get("m1", None).unwrap().len(), 1);
                }
            });
        }
    });
    let reading = store.session(Session::new());
    assert_eq!(reading.count("kind:searched").unwrap(), 160);
    assert_eq!(reading.count("kind:opened").unwrap(), 160);
    assert_eq!(reading.facet("kind:opened", "author").unwrap().len(), 8);
    store.roll().unwrap();
    assert_eq!(acts(&store).len(), 320 + 3);
}

#[test]
fn the_name_of_an_actor_has_the_limits_of_an_author() {
    let (_, _, store) = store(Level::Acts);
    say(&store, "m1", "anna", "c1");
    let long = store.session(Session::new().actor("x".repeat(600)));
    assert_eq!(long.get("m1", None).err().unwrap().kind(), ErrorKind::Invalid);
    store.roll().unwrap();
    assert!(store.session(Session::new()).get("m1", None).unwrap()[0].seq >= Seq(0));
}

/// More acts than are opened under one lock.
#[test]
fn acts_are_found_in_pieces() {
    let (_, clock, store) = store(Level::All);
    for n in 0..2_500 {
        clock.advance(1_000);
        store.session(Session::new().purpose(["lamp", "lime"][n % 2])).count("*").unwrap();
    }
    // Asking for details is opening, not searching.
    let found = |query: &str, order, limit| -> Vec<u64> {
        let options = ActOptions::new().order(order).limit(limit).details(true);
        let acts = store.session(Session::new().purpose("test")).acts(query, &options).unwrap();
        acts.iter().map(|act| act.seq.0).collect()
    };
    let all = found("kind:searched", Order::Oldest, usize::MAX);
    assert_eq!(all.len(), 2_500);
    assert!(all.is_sorted());
    let newest: Vec<u64> = all.iter().rev().copied().collect();
    let lime: Vec<u64> = all.iter().skip(1).step_by(2).copied().collect();
    for limit in [1, 999, 1_000, 1_001, 2_000, 2_499, 2_500, usize::MAX] {
        let most = limit.min(2_500);
        assert_eq!(found("kind:searched", Order::Oldest, limit), all[..most], "{limit}");
        assert_eq!(found("kind:searched", Order::Newest, limit), newest[..most], "{limit}");
        assert_eq!(found("kind:searched lime", Order::Oldest, limit), lime[..most.min(1_250)], "{limit}");
    }
}
