//! A power cut or a kill at every point of a history of registers: what an opening finds is the fold of what was
//! acknowledged, or of that and of the one change that was under way, whole. A redacted record is there once, in its
//! old form or its new one, and in the new one as soon as that was acknowledged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use std::collections::BTreeSet;
use std::sync::Arc;

use escrowdb::id::{Micros, RequestId};
use escrowdb::policy::aggregate::Rules;
use escrowdb::record::{Kind, Record};
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::disclosure::{self, About, Given};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::request::{self, Step};
use escrowdb::register::settings::{Deletion, Gate, GateRule};
use escrowdb::register::transfer::{Transfer, What};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;
use escrowdb::store::{
    Builder, CompactOptions, EraseOptions, Order, Outcome, Redaction, SearchOptions, Selector, Store,
    VerifyOptions, Who,
};
use escrowdb::vfs::Vfs;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::crash::explore::is_full;
use escrowdb_tests::crash::{CrashOptions, crashes, marks};
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::recording_vfs::RecordingVfs;
use escrowdb_tests::rng::Rng;

/// 2026-03-15.
const NOW: i64 = 1_773_532_800_000_000;
const DAY: i64 = Micros::DAY;
const PEOPLE: [&str; 4] = ["anna", "ben", "cleo", "eve"];

fn builder(disk: Arc<dyn Vfs>, seed: u64) -> Builder {
    Store::builder("/s")
        .vfs(disk)
        .clock(Arc::new(ManualClock::new(Micros(NOW))))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .roll_records(24)
        .background(false)
}

fn dana() -> Session {
    Session::new().actor("dana")
}

fn kim() -> Session {
    Session::new().actor("kim")
}

fn say(id: &str, who: &str, conversation: &str, body: &str) -> Record {
    Record::new(conversation, who, Micros(NOW - 40 * DAY), body).id(id).tag("topic:lamp")
}

/// An erasure that a run of retention completes, and then the restriction that it lifts: two changes.
const COMPLETED: &str = "completed";

/// A change that is made, and acknowledged when it returns.
type Change = (&'static str, fn(&Store));

/// Every kind of register, and whatever takes records of them along.
const CHANGES: &[Change] = &[
    ("purposes", |store| {
        let define = |code: &str, basis| {
            let needs_consent = basis == LawfulBasis::Consent;
            let (code, title) = (code.to_owned(), code.to_owned());
            Event::Purpose(purpose::Event::Define(Purpose { code, title, basis, class: None, needs_consent }))
        };
        let all = vec![define("support", LawfulBasis::Consent), define("law", LawfulBasis::LegalObligation)];
        store.change_all(&dana(), all).unwrap();
    }),
    ("a purpose ends", |store| {
        store.change(&kim(), Event::Purpose(purpose::Event::Retire { code: "law".into() })).unwrap();
    }),
    ("a notice is drafted", |store| draft(store, 1, false)),
    ("published", |store| publish(store, 1)),
    ("asked", |store| consent(store, Deed::Ask, "anna", 1)),
    ("given", |store| consent(store, Deed::Give, "anna", 1)),
    ("somebody becomes known by it", |store| consent(store, Deed::Give, "eve", 1)),
    ("classes", |store| {
        let all = [
            class_of(1, "orders", Start::Event, Some("30d"), "tag:order"),
            class_of(2, "chat", Start::Time, None, "channel:none"),
        ];
        store.change_all(&dana(), all.into()).unwrap();
    }),
    ("chats", |store| {
        add(
            store,
            &[
                say("m1", "anna", "c1", "the lamp flickers"),
                say("m2", "anna", "c2", "my card is 4111 1111"),
                say("m3", "ben", "c1", "which lamp, 4111 1111?"),
                say("m4", "cleo", "c3", "an order").tag("order"),
            ],
        );
    }),
    ("begun", |store| assert!(store.begin_class(&dana(), "orders", "c3").unwrap().0 > 0)),
    ("lengthened", |store| {
        let longer = class::Event::Lengthen { code: "orders".into(), lock: "60d".into() };
        store.change(&dana(), Event::Class(longer)).unwrap();
    }),
    ("tagged", |store| assert!(store.tag(&dana(), "m1", None, &["vip".into()], &[]).unwrap().0 > 0)),
    ("rolled", |store| store.roll().unwrap()),
    ("counted in public", |store| {
        let rules = Rules::new(2, 1).unwrap();
        store.session(kim()).publish("lamps", "*", "tag:topic,month", rules).unwrap();
    }),
    ("held", |store| place(store, "h1", Effect::Hold, Scope::Conversation("c1".into()))),
    ("held by a query", |store| {
        place(store, "h2", Effect::Hold, Scope::Query { text: "order".into(), at: Micros(NOW) });
    }),
    ("looked at", |store| {
        let review = hold::Event::Review { code: "h1".into(), next: Micros(NOW + DAY) };
        store.change(&dana(), Event::Hold(review)).unwrap();
    }),
    ("restricted", |store| {
        place(store, "x1", Effect::Restrict, Scope::Person(store.number_of("ben").unwrap().0));
    }),
    ("received", |store| {
        let (kind, person) = (request::Kind::Erasure, store.number_of("anna").unwrap());
        step(
            store,
            &dana(),
            Step::Receive { kind, person, received: Micros(NOW - DAY), channel: "mail".into() },
        );
    }),
    ("identified", |store| step(store, &dana(), Step::Identify { method: "call back".into() })),
    ("planned", |store| step(store, &dana(), Step::Plan { hash: "1".repeat(64) })),
    ("approved", |store| step(store, &kim(), Step::Approve { hash: "1".repeat(64) })),
    ("given away", |store| {
        let given = Given {
            code: "d1".into(),
            about: About::Person(store.number_of("anna").unwrap().0),
            records: 2,
            format: "jsonl".into(),
            digest: "00".into(),
            recipient: "a law firm".into(),
            expires: None,
        };
        store.change(&kim(), Event::Disclosure(disclosure::Event::Give(given))).unwrap();
    }),
    ("elsewhere", |store| {
        let made = Transfer { what: What::Opened, region: "us".into(), basis: "GDPR 46 (2) (c)".into() };
        store.change(&kim(), Event::Transfer(made)).unwrap();
    }),
    ("gate", |store| {
        let rule = GateRule { when: "channel:web".into(), purposes: vec!["support".into()] };
        set(
            store,
            settings::Event {
                gate: Some(Gate::Quarantine),
                gate_rules: Some(vec![rule]),
                deletion: Some(Deletion::Erase),
                ..settings::Event::default()
            },
        );
    }),
    ("in quarantine", |store| {
        let outcome = store.append(&[say("q1", "cleo", "c4", "an offer").channel("web")]).unwrap().remove(0);
        assert!(matches!(outcome, Outcome::Quarantined(_)));
    }),
    ("allowed", |store| consent(store, Deed::Give, "cleo", 1)),
    ("released", |store| assert!(store.release(&dana(), "q1", None).unwrap().0 > 0)),
    ("redacted in a segment", |store| redact(store, "m2", 1)),
    ("new records", |store| add(store, &[say("m5", "cleo", "c3", "my card is 4111 1111 too")])),
    ("redacted in the journal", |store| redact(store, "m5", 2)),
    ("planned as it is", |store| assert!(store.plan_request(&dana(), "r1").unwrap().erasure.is_some())),
    ("that approved", |store| {
        let hash = store.registers().requests.get("r1").unwrap().plan.clone().unwrap();
        step(store, &kim(), Step::Approve { hash });
    }),
    ("erased in part", |store| {
        let options = EraseOptions {
            request: Some(RequestId([3; 16])),
            approved: Some("r1".into()),
            actor: Some("dana".into()),
            ..EraseOptions::default()
        };
        let certificate = store.erase(&Selector::Person("anna".into()), &options).unwrap();
        assert_eq!(certificate.kept.unwrap().records, 2);
    }),
    ("fulfilled in part", |store| {
        step(store, &dana(), Step::Fulfil { partly: Some("h1".into()), reference: "2".repeat(64) });
    }),
    ("told", |store| {
        let tell = disclosure::Event::Tell { code: "d1".into(), method: "mail".into() };
        store.change(&kim(), Event::Disclosure(tell)).unwrap();
    }),
    ("lifted", |store| {
        let release = hold::Event::Release { code: "h1".into(), reason: "settled".into() };
        store.change(&dana(), Event::Hold(release)).unwrap();
    }),
    (COMPLETED, |store| assert_eq!(store.retention(false).unwrap().certificates.len(), 1)),
    ("a material notice is drafted", |store| draft(store, 2, true)),
    ("all are to be asked again", |store| publish(store, 2)),
    ("withdrawn", |store| consent(store, Deed::Withdraw, "cleo", 1)),
    ("taken back", |store| {
        add(store, &[Record::new("c3", "cleo", Micros(NOW), "").id("d1").kind(Kind::Delete).target("m5")]);
    }),
    ("what was taken back goes", |store| assert_eq!(store.retention(false).unwrap().certificates.len(), 1)),
    ("erased with evidence", |store| {
        let options = EraseOptions { with_evidence: true, ..EraseOptions::default() };
        store.erase(&Selector::Person("eve".into()), &options).unwrap();
    }),
    ("four eyes", |store| {
        set(store, settings::Event { four_eyes: Some(true), ..settings::Event::default() });
    }),
    ("compacted", |store| {
        store.roll().unwrap();
        store.compact(&CompactOptions::default(), |_| ()).unwrap();
    }),
    ("a notice ends", |store| {
        let retire = notice::Event::Retire { id: "privacy".into(), version: 2 };
        store.change(&dana(), Event::Notice(retire)).unwrap();
    }),
];

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_)), "{outcome:?}");
    }
}

fn text(version: u32) -> String {
    format!("We keep what you write ({version}).")
}

fn draft(store: &Store, version: u32, material: bool) {
    let text = Text {
        id: "privacy".into(),
        version,
        language: "en".into(),
        title: "Privacy".into(),
        hash: hash_of(&text(version)),
        text: text(version),
        purposes: vec!["support".into()],
        valid_from: Micros(NOW - DAY),
        material,
    };
    store.change(&dana(), Event::Notice(notice::Event::Draft(text))).unwrap();
}

fn publish(store: &Store, version: u32) {
    let publish = notice::Event::Publish { id: "privacy".into(), version };
    store.change(&dana(), Event::Notice(publish)).unwrap();
}

fn consent(store: &Store, event: Deed, person: &str, version: u32) {
    let (id, language) = ("privacy".to_owned(), "en".to_owned());
    let event = consent::Event {
        event,
        person: person.into(),
        purposes: vec!["support".into()],
        notice: Some(Shown { id, version, language, hash: hash_of(&text(version)) }),
        method: "click".into(),
        channel: "web".into(),
        expires: None,
    };
    store.change(&dana(), Event::Consent(event)).unwrap();
}

fn class_of(number: u32, code: &str, start: Start, lock: Option<&str>, selector: &str) -> Event {
    Event::Class(class::Event::Define(Class {
        code: code.into(),
        number,
        title: code.into(),
        start,
        lock: lock.map(str::to_owned),
        maximum: Some("400d".into()),
        then: Then::Erase,
        ground: "a law".into(),
        selector: selector.into(),
    }))
}

fn place(store: &Store, code: &str, effect: Effect, scope: Scope) {
    let (code, matter, ground) = (code.to_owned(), "Meyer v. Shop".to_owned(), "a claim".to_owned());
    let hold = Hold { code, effect, scope, matter, ground, review: None };
    store.change(&dana(), Event::Hold(hold::Event::Place(hold))).unwrap();
}

fn step(store: &Store, session: &Session, step: Step) {
    let event = request::Event { request: "r1".into(), event: step };
    store.change(session, Event::Request(event)).unwrap();
}

fn set(store: &Store, event: settings::Event) {
    store.change(&dana(), Event::Settings(event)).unwrap();
}

fn redact(store: &Store, id: &str, request: u8) {
    let redaction = Redaction::new(id).word("4111 1111");
    let options = EraseOptions {
        request: Some(RequestId([request; 16])),
        actor: Some("dana".into()),
        ..EraseOptions::default()
    };
    assert_eq!(store.redact(&redaction, &options).unwrap().what, "redaction");
}

/// All that registers say, and every record that is there, but for positions in the log.
fn told(store: &Store) -> Vec<String> {
    let rules = store.registers();
    let mut all: Vec<String> = Vec::new();
    all.extend(rules.purposes.iter().map(|one| format!("purpose {one:?}")));
    all.extend(rules.notices.iter().map(|one| format!("notice {one:?}")));
    all.extend(rules.classes.iter().map(|one| format!("class {:?} {}", one.class, one.active)));
    // What has begun in which conversation is seen by what is locked and due.
    all.push(format!("{:?}", store.retention(true).unwrap().classes));
    all.extend(rules.holds.iter().map(|one| format!("hold {:?} {:?} {:?}", one.hold, one.at, one.released)));
    all.extend(rules.requests.iter().map(|(code, one)| {
        format!(
            "request {code} {:?} {:?} {:?} {:?} {:?}",
            one.kind, one.state, one.plan, one.approvers, one.outcome
        )
    }));
    all.extend(rules.aggregates.iter().map(|one| format!("aggregate {:?} {:?}", one.0, one.1)));
    all.extend(rules.disclosures.iter().map(|one| format!("disclosure {:?} {:?}", one.given, one.told)));
    all.extend(rules.transfers.iter().map(|one| format!("transfer {:?} {:?}", one.transfer, one.by)));
    all.push(format!("settings {:?}", rules.settings));
    for name in PEOPLE {
        if let Ok(said) = store.consents(&Who::Identifier(name.into())) {
            let history: Vec<_> = said.history.iter().map(|(_, _, at, event)| (at, event.event)).collect();
            let states: Vec<_> = said.consents.iter().map(|(code, of)| (code, of.deed, &of.notice)).collect();
            // Who is known by nothing yet has said nothing.
            if !history.is_empty() {
                all.push(format!("consents of {name} {states:?} {history:?}"));
            }
        }
    }
    let held = store.session(dana()).quarantined().unwrap();
    all.extend(held.iter().map(|one| format!("in quarantine {} {:?} {:?}", one.id, one.came, one.missing)));
    // In a case, so that nothing is hidden.
    let case = rules.holds.iter().find(|one| one.released.is_none()).map(|one| one.hold.code.clone());
    let session = case.into_iter().fold(dana(), |session, code| session.case(code));
    let query = "version:all (kind:message OR kind:delete OR kind:tag)";
    let options = SearchOptions::new().limit(100).order(Order::Oldest);
    let mut records: Vec<_> = store.session(session).search(query, &options).unwrap();
    records.sort_by(|a, b| (&a.conversation, a.time, &a.body).cmp(&(&b.conversation, b.time, &b.body)));
    let of = |hit: escrowdb::store::Hit| {
        let (author, subjects) = (hit.author, hit.subjects);
        format!("record {} {author:?} {subjects:?} {:?} {:?}", hit.conversation, hit.tags, hit.body)
    };
    all.extend(records.into_iter().map(of));
    all
}

fn is_either(got: &[String], states: &[Vec<String>]) -> bool {
    states.iter().take(2).any(|state| state == got)
}

#[test]
fn registers_are_the_fold_of_what_was_acknowledged() {
    let disk = RecordingVfs::new();
    let store = builder(Arc::new(disk.clone()), 1).create().unwrap();
    let from = disk.log_len();
    let mut states = vec![told(&store)];
    for (name, change) in CHANGES {
        change(&store);
        disk.mark(*name);
        states.push(told(&store));
    }
    let redacted = CHANGES.iter().position(|(name, _)| *name == "redacted in the journal").unwrap();
    let both = states[redacted + 1].concat();
    assert_eq!((both.matches("my card is █").count(), both.matches("my card is 4111").count()), (2, 0));
    drop(store);
    let ops = disk.log();
    let (random, percent) = if is_full() { (4, 100) } else { (1, 12) };
    let options = CrashOptions { points: from..ops.len() + 1, exhaustive_max: 1, random, torn: 1, seed: 11 };
    let mut rng = Rng::new(11);
    let (mut opened, mut under_way, mut points) = (0_u64, BTreeSet::new(), BTreeSet::new());
    let mut completed_later = 0;
    for image in crashes(&ops, options) {
        // Each point once at least.
        if !points.insert(image.at) && !rng.chance(percent) {
            continue;
        }
        let done = marks(&ops, image.at).len();
        let of = |n: usize| CHANGES.get(n).map_or("the end", |(name, _)| *name);
        let what = format!("at {} of {}, in {}: {}", image.at, ops.len(), of(done), image.what);
        let store = match builder(Arc::new(image.disk()), 1_000 + image.at as u64).open() {
            Ok(store) => store,
            Err(e) => panic!("{what}: {e}"),
        };
        let mut got = told(&store);
        opened += 1;
        if of(done) == COMPLETED && !is_either(&got, &states[done..]) {
            // She is gone, and the next run lifts the restriction that was hers.
            assert_eq!(store.retention(false).unwrap().certificates.len(), 0, "{what}");
            got = told(&store);
            assert_eq!(&got, &states[done + 1], "{what}");
            completed_later += 1;
        }
        if got != states[done] {
            let wanted = states.get(done + 1).unwrap_or_else(|| panic!("{what}: {got:#?}"));
            assert_eq!(&got, wanted, "{what}");
            under_way.insert(done);
        }
        if opened % 40 == 0 {
            let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
            assert_eq!(report.damage, Vec::<String>::new(), "{what}");
        }
    }
    println!("{} changes, {} points, {opened} states", CHANGES.len(), points.len());
    assert!(completed_later > 0);
    // Nearly every change was found done before it was acknowledged.
    assert!(under_way.len() + 6 >= CHANGES.len(), "{under_way:?}");
}
