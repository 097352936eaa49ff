//! Who reads for a purpose sees whoever consents in that moment, and the gate lets in what they allow: what is remembered
//! between questions, and between records, is what would be found anew, whatever came in between.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::collections::BTreeMap;

use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::consent::Deed;
use escrowdb::register::settings::Gate;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Record, Selector};
use escrowdb_tests::rng::Rng;

use super::consents::{START, dana, event, publish, store};
use super::gate::set;

#[derive(Clone, Copy, Default)]
struct Said {
    records: u64,
    /// Until when she consents, if she does, and under which version of the notice.
    consents: Option<(i64, u32)>,
}

#[test]
fn what_is_remembered_is_what_would_be_found_anew() {
    let (mut seen, mut most, mut asked) = (0, 0, [0; 2]);
    for seed in 0..12 {
        let (_disk, clock, store) = store();
        let mut rng = Rng::new(seed);
        let mut now = START;
        let mut people: BTreeMap<String, Said> = BTreeMap::new();
        let (mut version, mut asked_from) = (1, 1);
        set(&store, Gate::Refuse);
        let reading = store.session(Session::new().actor("dana").purpose("support"));
        for step in 0..120 {
            let who = format!("p{}", rng.below(6));
            let said = people.entry(who.clone()).or_default();
            match rng.below(14) {
                0..=4 => {
                    // The gate asks about what comes over the web; twice, so that once it is remembered.
                    let is_web = rng.below(2) == 0;
                    let channel = if is_web { "web" } else { "phone" };
                    let record = |id: String| {
                        Record::new("c", who.as_str(), Micros(START), "x").id(id).channel(channel)
                    };
                    let records = [record(format!("m{step}")), record(format!("n{step}"))];
                    let holds = said.consents.is_some_and(|(until, v)| until > now && v >= asked_from);
                    for outcome in store.append(&records).unwrap() {
                        let is_added = matches!(outcome, Outcome::Added(_));
                        assert_eq!(is_added, !is_web || holds, "seed {seed}, step {step}: {outcome:?}");
                        said.records += u64::from(is_added);
                    }
                    asked[usize::from(holds)] += usize::from(is_web);
                }
                5..=7 => {
                    let until = (rng.below(2) == 0).then(|| now + 5 * Micros::DAY);
                    let mut given = event(Deed::Give, &who, "support", version);
                    if let Event::Consent(given) = &mut given {
                        given.expires = until.map(Micros);
                    }
                    if store.change(&dana(), given).is_ok() {
                        said.consents = Some((until.unwrap_or(i64::MAX), version));
                    }
                }
                8..=9 if store.change(&dana(), event(Deed::Withdraw, &who, "support", version)).is_ok() => {
                    said.consents = None;
                }
                10 => store.roll().unwrap(),
                11 => {
                    now += Micros::DAY;
                    clock.set(Micros(now));
                }
                12 if store.erase(&Selector::Person(who.clone()), &EraseOptions::default()).is_ok() => {
                    *said = Said::default();
                }
                13 if rng.below(4) == 0 => {
                    version += 1;
                    let material = rng.below(2) == 0;
                    publish(&store, version, material);
                    if material {
                        asked_from = version;
                    }
                }
                _ => {}
            }
            let holds = |said: &&Said| said.consents.is_some_and(|(until, v)| until > now && v >= asked_from);
            let wanted: u64 = people.values().filter(holds).map(|said| said.records).sum();
            assert_eq!(reading.count("*").unwrap(), wanted, "seed {seed}, step {step}");
            seen += u64::from(wanted > 0);
            most = most.max(wanted);
        }
    }
    assert!(seen > 300 && most > 10 && asked.iter().all(|n| *n > 50), "{seen} {most} {asked:?}");
}
