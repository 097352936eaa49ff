//! Whoever is looked up with everybody stands where he stands when he is looked up alone.

use super::*;
use crate::id::PersonNumber;
use crate::register::Event;
use crate::register::consent::{self, Deed, Shown};
use crate::register::notice::{self, Text};
use crate::register::purpose::{self, LawfulBasis, Purpose};
use crate::view::everybody::Stands;

const PEOPLE: u64 = 60;

fn dana() -> Session {
    Session::new().actor("dana")
}

fn who(n: u64) -> String {
    format!("p{n}@example.org")
}

fn text(version: u32) -> String {
    format!("We keep what you write to us ({version}).")
}

fn publish(store: &Store, version: u32, material: bool) {
    let text = Text {
        id: "privacy".into(),
        version,
        language: "en".into(),
        title: "Privacy".into(),
        hash: notice::hash_of(&text(version)),
        text: text(version),
        purposes: vec!["support".into(), "offers".into()],
        valid_from: Micros(0),
        material,
    };
    store.change(&dana(), Event::Notice(notice::Event::Draft(text))).unwrap();
    let publish = notice::Event::Publish { id: "privacy".into(), version };
    store.change(&dana(), Event::Notice(publish)).unwrap();
}

/// Whether it was allowed.
fn say(store: &Store, deed: Deed, n: u64, (purpose, version): (&str, u32), expires: Option<Micros>) -> bool {
    let hash = notice::hash_of(&text(version));
    let event = consent::Event {
        event: deed,
        person: who(n),
        purposes: vec![purpose.into()],
        notice: Some(Shown { id: "privacy".into(), version, language: "en".into(), hash }),
        method: "click".into(),
        channel: "web".into(),
        expires,
    };
    store.change(&dana(), Event::Consent(event)).is_ok()
}

/// Compares each number that was ever given; how many stand in which way.
fn compare(store: &Store, now: Micros) -> [usize; 4] {
    let mut seen = [0; 4];
    let view = store.state.view.read();
    for purpose in ["support", "offers"] {
        let everybody = view.everybody(purpose).unwrap();
        for number in (0..4 * PEOPLE).map(PersonNumber) {
            let consents = view.consents_as_one(number).unwrap();
            let alone = consents.map(|consents| consents.until(purpose, &view.rules().notices));
            let Some(stands) = everybody.get(number) else {
                seen[0] += 1;
                continue;
            };
            let is_anybody = view.handle(number).unwrap().is_some();
            let found = match stands {
                Stands::Nobody => (false, None),
                Stands::Silent => (true, None),
                Stands::Until(until) => (true, Some(until)),
            };
            assert_eq!(found, (is_anybody, alone), "{number:?} for {purpose}");
            seen[1 + usize::from(is_anybody) + usize::from(alone.is_some_and(|until| until > now))] += 1;
        }
    }
    seen
}

#[test]
fn everybody_stands_where_each_stands_alone() {
    let now = Micros::DAY * 365 * 56;
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).compaction(false).background(false);
    let store = builder.create().unwrap();
    for code in ["support", "offers"] {
        let (basis, code) = (LawfulBasis::Consent, code.to_owned());
        let purpose = Purpose { title: code.clone(), code, basis, class: None, needs_consent: true };
        store.change(&dana(), Event::Purpose(purpose::Event::Define(purpose))).unwrap();
    }
    publish(&store, 1, false);
    store.append(&(0..PEOPLE).map(record).collect::<Vec<_>>()).unwrap();
    let mut done = [0; 4];
    for round in 1..=3u32 {
        for n in 0..PEOPLE {
            let deed = [Deed::Give, Deed::Ask, Deed::Refuse, Deed::Withdraw, Deed::Give]
                [((n * 7 + u64::from(round) * n / 3) % 5) as usize];
            let purpose = if n % 3 == 0 { "offers" } else { "support" };
            let limited = (deed == Deed::Give && n % 4 == 0).then(|| Micros(i64::MAX / 2 - n as i64));
            done[deed as usize] +=
                usize::from(n % 11 != 0 && say(&store, deed, n, (purpose, round), limited));
        }
        compare(&store, Micros(now));
        store.roll().unwrap();
        compare(&store, Micros(now));
        if round == 1 {
            store.link(&who(1), &who(2)).unwrap();
            publish(&store, 2, false);
        } else if round == 2 {
            store.erase(&Selector::Person(who(5)), &EraseOptions::default()).unwrap();
            publish(&store, 3, true);
        }
    }
    assert!(done.iter().all(|done| *done > 4), "{done:?}");
    let [looked_up, nobody, without, with] = compare(&store, Micros(now));
    assert!(looked_up > 0 && nobody > 0 && without > 0 && with > 0, "{looked_up} {nobody} {without} {with}");
}
