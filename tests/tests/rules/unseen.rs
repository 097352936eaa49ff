//! What a session may not read it learns by no other way, and doesn't change: plans of erasures, redactions, and
//! what is said later of a record (GDPR article 18 (2): what is restricted is stored, and else used for a case only).

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use escrowdb::id::{Micros, PersonNumber};
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::consent::Deed;
use escrowdb::register::hold::{Effect, Scope};
use escrowdb::register::request::{self, Step};
use escrowdb::register::settings::{self, Gate, GateRule};
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, EraseOptions, Outcome, Record, Redaction, Selector, Store};
use escrowdb::{Error, ErrorKind};

use crate::consents::{START, dana, event, store};
use crate::holds::place;

fn say(id: &str, who: &str, conversation: &str, body: &str) -> Record {
    Record::new(conversation, who, Micros(START), body).id(id)
}

fn add(store: &Store, records: &[Record]) {
    for outcome in store.append(records).unwrap() {
        assert!(matches!(outcome, Outcome::Added(_) | Outcome::Quarantined(_)), "{outcome:?}");
    }
}

fn number(store: &Store, who: &str) -> PersonNumber {
    store.session(Session::new()).person(who).unwrap().number
}

fn restrict(store: &Store, code: &str, who: &str) {
    place(store, code, Effect::Restrict, Scope::Person(number(store, who).0));
}

fn plan(store: &Store, session: &Session) -> (Vec<String>, u64) {
    let plan = store.plan_as(session, &Selector::Person("mariedubois".into())).unwrap();
    (plan.mentions.into_iter().map(|hit| hit.id).collect(), plan.mention_total)
}

fn eve() -> Session {
    Session::new().actor("eve")
}

fn with_case() -> Session {
    eve().case("r1")
}

/// Wherever the records lie.
fn in_both_forms(check: impl Fn(&dyn Fn(&Store))) {
    check(&|_| ());
    check(&|store| store.roll().unwrap());
}

/// A plan showed words of what is in quarantine, restricted, or without consent to anybody.
#[test]
fn a_plan_mentions_only_what_its_session_may_read() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        let rule = GateRule { when: "channel:web".into(), purposes: vec!["support".into()] };
        let gate = settings::Event {
            gate: Some(Gate::Quarantine),
            gate_rules: Some(vec![rule]),
            ..Default::default()
        };
        store.change(&dana(), Event::Settings(gate)).unwrap();
        add(
            &store,
            &[
                say("open", "bob", "c1", "mariedubois was here"),
                say("anna's", "anna", "c2", "I met mariedubois"),
                say("in quarantine", "carl", "c3", "carl met mariedubois").channel("web"),
                say("hers", "mariedubois", "c1", "hello"),
            ],
        );
        settle(&store);
        restrict(&store, "r1", "anna");
        assert_eq!(plan(&store, &eve()), (vec!["open".to_owned()], 1));
        let all = plan(&store, &with_case());
        assert_eq!(all.1, 2, "{:?}", all.0);
        assert!(!all.0.contains(&"in quarantine".to_owned()));
        // Nobody consented to support.
        assert_eq!(plan(&store, &eve().purpose("support")), (Vec::new(), 0));
        store.change(&dana(), event(Deed::Give, "bob", "support", 1)).unwrap();
        assert_eq!(plan(&store, &eve().purpose("support")), (vec!["open".to_owned()], 1));
    });
}

fn told(e: Error) -> (ErrorKind, String) {
    (e.kind(), e.to_string())
}

fn options(case: Option<&str>) -> EraseOptions {
    EraseOptions { actor: Some("eve".into()), case: case.map(str::to_owned), ..EraseOptions::default() }
}

/// `redact --plan` answered which words a restricted record holds, and a redaction took them.
#[test]
fn what_is_not_seen_is_neither_redacted_nor_asked_for_words() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        add(&store, &[say("m1", "anna", "c1", "the secret word"), say("b1", "bob", "c2", "of bob")]);
        settle(&store);
        restrict(&store, "r1", "anna");
        let tried = [
            Redaction::new("m1").word("secret"),
            Redaction::new("m1").word("elsewhere"),
            Redaction::new("m1").span(0, 5),
            Redaction::new("m1").span(0, 500),
        ];
        let unknown = Redaction::new("nope").word("secret");
        for redaction in tried.iter().chain([&unknown]) {
            let as_unknown = told(store.plan_redaction(&eve(), &unknown).unwrap_err());
            assert_eq!(as_unknown.0, ErrorKind::NotFound);
            assert_eq!(told(store.plan_redaction(&eve(), redaction).unwrap_err()), as_unknown);
            assert_eq!(told(store.redact(redaction, &options(None)).unwrap_err()), as_unknown);
        }
        assert_eq!(store.plan_redaction(&with_case(), &tried[0]).unwrap().spans, 1);
        assert_eq!(store.plan_redaction(&with_case(), &tried[1]).unwrap_err().kind(), ErrorKind::Invalid);
        let support = EraseOptions { purpose: Some("support".into()), ..options(None) };
        let of_bob = Redaction::new("b1").word("bob");
        assert_eq!(store.redact(&of_bob, &support).unwrap_err().kind(), ErrorKind::NotFound);
        store.redact(&of_bob, &options(None)).unwrap();
        // Who sees it is told why not: it is stored, and no more.
        let seen = store.redact(&tried[0], &options(Some("r1"))).unwrap_err();
        assert_eq!(seen.kind(), ErrorKind::Refused);
    });
}

/// Anybody could correct and tag what was restricted.
#[test]
fn what_is_not_seen_is_neither_corrected_nor_tagged() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        add(&store, &[say("m1", "anna", "c1", "first")]);
        settle(&store);
        restrict(&store, "r1", "anna");
        let tags = ["late".to_owned()];
        let unknown = told(store.correct(&eve(), "nope", None, "new", None).unwrap_err());
        assert_eq!(unknown.0, ErrorKind::NotFound);
        assert_eq!(told(store.correct(&eve(), "m1", None, "new", None).unwrap_err()), unknown);
        assert_eq!(told(store.tag(&eve(), "m1", None, &tags, &[]).unwrap_err()), unknown);
        assert_eq!(
            store.session(with_case()).search("version:all kind:edit", &Default::default()).unwrap().len(),
            0
        );
        store.correct(&with_case(), "m1", None, "second", None).unwrap();
        store.tag(&with_case(), "m1", None, &tags, &[]).unwrap();
        assert_eq!(store.session(with_case()).count("tag:late second").unwrap(), 1);
        assert_eq!(store.session(eve()).count("version:all *").unwrap(), 0);
    });
}

/// An import by anybody hid and changed what was restricted.
#[test]
fn only_who_had_it_restricted_edits_or_takes_it_back() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        add(
            &store,
            &[say("m1", "anna", "c1", "first"), say("n1", "carl", "c9", "open"), say("k1", "bob", "c4", "k")],
        );
        store.append(&[say("a1", "ann", "c1", "also she")]).unwrap();
        store.link("anna", "ann").unwrap();
        settle(&store);
        restrict(&store, "r1", "anna");
        place(&store, "r4", Effect::Restrict, Scope::Conversation("c4".into()));
        let mut nth = 0;
        let mut tell = |who: &str, kind: Kind, target: &str, conversation: &str| {
            nth += 1;
            let record = say(&format!("s{nth}"), who, conversation, "other").kind(kind).target(target);
            match store.append(&[record]).unwrap().remove(0) {
                Outcome::Added(_) => true,
                Outcome::Rejected(e) if e.kind() == ErrorKind::Refused => false,
                other => panic!("{other:?}"),
            }
        };
        for kind in [Kind::Edit, Kind::Delete] {
            assert!(
                !tell("eve", kind, "m1", "c1")
                    && !tell("carl", kind, "a1", "c1")
                    && !tell("eve", kind, "k1", "c4")
            );
            assert!(
                tell("ann", kind, "m1", "c1")
                    && tell("bob", kind, "k1", "c4")
                    && tell("eve", kind, "n1", "c9")
            );
        }
        // What changes nothing is stored.
        assert!(tell("eve", Kind::Reaction, "a1", "c1"));
        let acts = store.session(dana()).acts("kind:refused", &ActOptions::new()).unwrap();
        assert!(!acts.is_empty(), "it is on record");
    });
}

fn received(store: &Store, code: &str, who: &str) {
    let step = Step::Receive {
        kind: request::Kind::Access,
        person: number(store, who),
        received: Micros(START),
        channel: "mail".into(),
    };
    store.change(&dana(), Event::Request(request::Event { request: code.into(), event: step })).unwrap();
}

/// A request of one person opened what is restricted of all.
#[test]
fn a_request_opens_what_is_restricted_of_its_own_person() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        add(
            &store,
            &[
                say("anna's", "anna", "c1", "one"),
                say("ann's", "ann", "c2", "two"),
                say("bob's", "bob", "c3", "three"),
                say("bob's too", "bob", "c4", "four"),
                say("carl's", "carl", "c4", "five"),
            ],
        );
        store.link("anna", "ann").unwrap();
        settle(&store);
        restrict(&store, "of-anna", "anna");
        restrict(&store, "of-bob", "bob");
        place(&store, "of-c4", Effect::Restrict, Scope::Conversation("c4".into()));
        received(&store, "from-ann", "ann");
        received(&store, "from-bob", "bob");
        received(&store, "from-carl", "carl");
        let seen = |case: &str| {
            let hits = store.session(eve().case(case)).search("*", &Default::default()).unwrap();
            let mut ids: Vec<_> = hits.into_iter().map(|hit| hit.id).collect();
            ids.sort();
            ids
        };
        assert_eq!(seen("nothing"), Vec::<String>::new());
        assert_eq!(seen("from-ann"), ["ann's", "anna's"]);
        assert_eq!(seen("from-bob"), ["bob's", "bob's too"]);
        assert_eq!(seen("from-carl"), ["carl's"]);
        assert_eq!(seen("of-anna").len(), 5);
        // What is said later of it likewise.
        let said = store.correct(&eve().case("from-carl"), "bob's", None, "other", None);
        assert_eq!(said.unwrap_err().kind(), ErrorKind::NotFound);
        add(&store, &[say("re", "carl", "c4", "+1").kind(Kind::Reaction).target("bob's too")]);
        assert_eq!(store.session(eve().case("from-carl")).count("kind:reaction").unwrap(), 0);
        assert_eq!(store.session(eve().case("from-bob")).count("kind:reaction").unwrap(), 1);
    });
}

/// An edit that came before its record was of whom it named itself: it showed what was restricted of another.
#[test]
fn an_edit_that_came_before_its_record_is_seen_with_it() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        let edit = |id: &str, who: &str, of: &str| say(id, who, "c1", "reworded").kind(Kind::Edit).target(of);
        add(&store, &[edit("e1", "carl", "m1"), edit("e2", "carl", "e1"), say("c", "carl", "c2", "open")]);
        settle(&store);
        add(&store, &[say("m1", "anna", "c1", "as it was")]);
        add(&store, &[edit("e3", "carl", "e1")]);
        settle(&store);
        let count = |session: Session, query: &str| store.session(session).count(query).unwrap();
        let versions = "version:all reworded";
        assert_eq!((count(eve(), "reworded"), count(eve(), versions)), (1, 3));
        // Who reads for a purpose sees nothing of who didn't consent, whoever put it right.
        store.change(&dana(), event(Deed::Give, "carl", "support", 1)).unwrap();
        let support = || eve().purpose("support");
        assert_eq!((count(support(), "*"), count(support(), versions)), (1, 0));
        restrict(&store, "r1", "anna");
        assert_eq!((count(eve(), "*"), count(eve(), versions)), (1, 0));
        assert_eq!((count(with_case(), "reworded"), count(with_case(), versions)), (1, 3));
        received(&store, "from-anna", "anna");
        assert_eq!(count(eve().case("from-anna"), versions), 3);
        // Nor is it changed, or taken back, by others than her.
        for (nth, kind) in [Kind::Edit, Kind::Delete].into_iter().enumerate() {
            let tell = |who: &str| {
                let record = say(&format!("s{nth}-{who}"), who, "c1", "other").kind(kind).target("e1");
                store.append(&[record]).unwrap().remove(0)
            };
            assert!(matches!(tell("carl"), Outcome::Rejected(e) if e.kind() == ErrorKind::Refused));
            assert!(matches!(tell("anna"), Outcome::Added(_)));
        }
    });
}

/// An edit that came before its record was found while that was in quarantine.
#[test]
fn an_edit_that_came_before_its_record_waits_in_quarantine_with_it() {
    in_both_forms(|settle| {
        let (_disk, _clock, store) = store();
        let rule = GateRule { when: "channel:web".into(), purposes: vec!["support".into()] };
        let (gate, gate_rules) = (Some(Gate::Quarantine), Some(vec![rule]));
        let gate = settings::Event { gate, gate_rules, ..Default::default() };
        store.change(&dana(), Event::Settings(gate)).unwrap();
        add(&store, &[say("e1", "carl", "c1", "reworded").kind(Kind::Edit).target("m1")]);
        settle(&store);
        add(&store, &[say("m1", "anna", "c1", "as it was").channel("web")]);
        settle(&store);
        let count = |query: &str| store.session(eve()).count(query).unwrap();
        assert_eq!((count("*"), count("version:all reworded")), (0, 0));
        store.change(&dana(), event(Deed::Give, "anna", "support", 1)).unwrap();
        store.release(&dana(), "m1", None).unwrap();
        for _ in 0..2 {
            assert_eq!((count("*"), count("reworded"), count("version:all *")), (1, 1, 2));
            settle(&store);
        }
    });
}
