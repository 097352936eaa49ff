//! What a plan says goes is what the certificate says went: records, details of acts and people, for
//! people, conversations and records, wherever they stand.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    Certificate, EraseOptions, Level, Plan, Reading, Record, Selector, Store, VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;

const WHO: [&str; 5] = ["anna@example.org", "ben@example.org", "karl", "zoe meyer", "li"];
const CONVERSATIONS: [&str; 4] = ["c1", "c2", "lamps of may", "anna"];

fn store(level: Level) -> Store {
    Store::builder("/s")
        .vfs(Arc::new(MemoryVfs::new()))
        .clock(Arc::new(ManualClock::default()))
        .entropy(Arc::new(SeededEntropy::new(1)))
        .background(false)
        .audit(level)
        .create()
        .unwrap()
}

fn say(store: &Store, id: &str, who: &str, conversation: &str) {
    store.append(&[Record::new(conversation, who, Micros(0), "lamp").id(id)]).unwrap();
}

fn person(identifier: &str) -> Selector {
    Selector::Person(identifier.into())
}

fn conversation(name: &str) -> Selector {
    Selector::Conversation(name.into())
}

fn record(id: &str) -> Selector {
    Selector::Record { id: id.into(), conversation: None }
}

fn erase(store: &Store, selector: &Selector) -> Certificate {
    store.erase(selector, &EraseOptions::default()).unwrap()
}

fn sound(store: &Store) {
    let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}

/// The numbers that both say.
fn planned(plan: &Plan) -> (&'static str, u64, u64, u64, u64) {
    (plan.what, plan.records + plan.details, plan.people, plan.segments, u64::from(plan.journal))
}

fn certified(done: &Certificate) -> (&'static str, u64, u64, u64, u64) {
    let people = done.handles.len() as u64 + done.people_forgotten;
    (done.what, done.records_removed, people, done.segments_rekeyed, done.journal_keys_destroyed)
}

/// Found in the demo: the plan said 25 records, the certificate 29 bare positions. Nobody had counted
/// the details that name her, nor the one that the plan itself leaves.
#[test]
fn details_are_planned_and_the_plans_own_is_one_of_them() {
    for (level, details) in [(Level::Off, 0), (Level::Acts, 3), (Level::All, 5)] {
        let store = store(level);
        say(&store, "m1", "anna@example.org", "c1");
        say(&store, "k1", "karl", "c2");
        let reading = store.session(Session::new().actor("dana"));
        reading.person("anna@example.org").unwrap();
        reading.get("k1", None).unwrap();
        store.roll().unwrap();
        reading.records_of("anna@example.org").unwrap();
        reading.count("anna").unwrap();
        reading.count("author:anna@example.org").unwrap();
        let anna = person("anna@example.org");
        let plan = store.plan(&anna).unwrap();
        // Her message, and the record that says who she is.
        assert_eq!((plan.records, plan.details), (2, details), "{}", level.name());
        // Each plan leaves a detail of its own.
        let again = store.plan(&anna).unwrap();
        assert_eq!(again.details, details + u64::from(level > Level::Off));
        assert_eq!(certified(&erase(&store, &anna)), planned(&again), "{}", level.name());
        sound(&store);
    }
}

/// Purpose and case are a detail too: a plan made *for* somebody names her whatever it is about.
#[test]
fn a_purpose_that_names_the_erased_counts() {
    let store = store(Level::Acts);
    say(&store, "m1", "anna", "c1");
    say(&store, "k1", "karl", "c2");
    let asked = Session::new().actor("dana").purpose("Karl asked for it");
    let karl = store.plan_as(&asked, &person("karl")).unwrap();
    // Whom it asks about, and what for.
    assert_eq!((karl.records, karl.details), (2, 2));
    store.plan_as(&asked, &person("anna")).unwrap();
    let karl = store.plan_as(&asked, &person("karl")).unwrap();
    // Of Anna's plan the purpose only.
    assert_eq!(karl.details, 5);
    assert_eq!(certified(&erase(&store, &person("karl"))), planned(&karl));
    // One of somebody unknown says nothing of what it leaves.
    assert!(store.plan_as(&asked, &person("nobody")).is_err());
}

/// Draws, the same ones every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// Reads something, by name or by query, that may be there or not.
fn read(dice: &mut Dice, reading: &Reading<'_>, id: &str) {
    let (who, name) = (dice.of(&WHO), dice.of(&CONVERSATIONS));
    match dice.below(7) {
        0 => drop(reading.person(who)),
        1 => drop(reading.records_of(who)),
        2 => drop(reading.conversation(name)),
        3 => drop(reading.get(id, Some(name))),
        4 => drop(reading.get(id, None)),
        5 => drop(reading.count(&format!("author:\"{who}\" lamp"))),
        _ => drop(reading.count(&format!("conversation:\"{name}\" OR {id}"))),
    }
}

#[test]
fn whatever_is_planned_is_what_is_certified() {
    let (mut erased, mut details) = (0, 0);
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let store = store([Level::Off, Level::Acts, Level::All][dice.below(3)]);
        let mut id = 0;
        for _ in 0..60 {
            let known = format!("m{}", dice.below(id + 1));
            let reader = ["dana", "karl"][dice.below(2)];
            let reading = store.session(Session::new().actor(reader).case("lamps of may"));
            match dice.below(12) {
                0..=3 => {
                    say(&store, &format!("m{id}"), dice.of(&WHO), dice.of(&CONVERSATIONS));
                    id += 1;
                }
                4..=8 => read(&mut dice, &reading, &known),
                9 if dice.below(4) > 0 => store.roll().unwrap(),
                // Whoever is unknown yet stays alone.
                9 => drop(store.link(dice.of(&WHO), dice.of(&WHO))),
                _ => {
                    let selector = match dice.below(3) {
                        0 => person(dice.of(&WHO)),
                        1 => conversation(dice.of(&CONVERSATIONS)),
                        _ => record(&known),
                    };
                    let Ok(plan) = store.plan_as(&Session::new().actor("dana"), &selector) else { continue };
                    assert_eq!(certified(&erase(&store, &selector)), planned(&plan), "seed {seed}");
                    erased += 1;
                    details += plan.details;
                }
            }
        }
        sound(&store);
    }
    // The draws meet what is to be shown.
    assert!(erased > 60 && details > 40, "{erased} {details}");
}
