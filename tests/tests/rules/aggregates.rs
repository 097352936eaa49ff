//! Aggregates tell of nobody, are written once, and stay as they are when the people counted are erased.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what can't go on is a failed test; what is left out says so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::policy::aggregate::{self, Column, Count, Counts, Rules};
use escrowdb::record::time::{self, Period};
use escrowdb::record::{Kind, jsonl};
use escrowdb::register::Event;
use escrowdb::register::aggregate::Aggregate;
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Builder, CompactOptions, EraseOptions, Level, Order, Published, Record, Selector, Store,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::rng::Rng;

/// 2026-03-15.
const NOW: i64 = 1_773_532_800_000_000;

fn builder(disk: &MemoryVfs) -> Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::new(ManualClock::new(Micros(NOW))))
        .entropy(Arc::new(SeededEntropy::new(5)))
        .background(false)
        .roll_records(700)
        .audit(Level::Acts)
}

fn at(date: &str) -> Micros {
    time::parse(&format!("{date}T12:00:00Z")).unwrap()
}

fn midnight(date: &str) -> Micros {
    Period::Day.start_of(at(date))
}

fn rules(k: u64, round: u64) -> Rules {
    Rules::new(k, round).unwrap()
}

fn publish(store: &Store, name: &str, query: &str, by: &str, k: u64) -> escrowdb::Result<Published> {
    let session = Session::new().actor("kim").purpose("report");
    store.session(session).publish(name, query, by, rules(k, k.min(5)))
}

fn kept(store: &Store, name: &str) -> Aggregate {
    store.registers().aggregates.get(name).unwrap().0.clone()
}

fn erase(store: &Store, person: &str) {
    store.erase(&Selector::Person(person.into()), &EraseOptions::default()).unwrap();
}

/// Thirty people write in January and February, each once a month, of sales; five of them of fraud.
fn people() -> Vec<Record> {
    let mut records = Vec::new();
    for n in 0..30 {
        for month in ["2026-01-10", "2026-02-10"] {
            let record = Record::new(format!("c{n}"), format!("p{n}@x.org"), at(month), "the lamp flickers");
            let tag = if n < 5 { "dept:fraud" } else { "dept:sales" };
            records.push(record.tag(tag).channel("web"));
        }
    }
    records
}

fn store() -> (MemoryVfs, Store) {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    store.append(&people()).unwrap();
    (disk, store)
}

#[test]
fn what_is_published_stays_when_those_counted_are_erased() {
    let (disk, store) = store();
    store.append(&[Record::new("c0", "p0@x.org", at("2026-03-01"), "later").tag("dept:sales")]).unwrap();
    let done = publish(&store, "by-dept", "*", "tag:dept,month", 10).unwrap();
    assert!(done.goes_on, "March is not over");
    let table = done.aggregate;
    assert_eq!(table.periods, ["2026-01", "2026-02"]);
    assert_eq!((table.from, table.before), (midnight("2026-01-01"), midnight("2026-03-01")));
    // The few of fraud are not named, and no sum gives them away.
    assert_eq!(table.rows.iter().map(|row| &*row.name).collect::<Vec<_>>(), ["sales"]);
    assert_eq!(table.rows[0].cells, [Some(25), Some(25)]);
    assert_eq!((table.totals.clone(), table.total), (vec![None, None], None));
    // It is an act of the log, and so is the question.
    let acts = store.session(Session::new().actor("kim").purpose("audit"));
    let found = acts.acts("author:kim", &ActOptions::new().order(Order::Oldest).details(true)).unwrap();
    let kinds: Vec<_> = found.iter().map(|act| act.kind).collect();
    assert_eq!(kinds[..2], [Kind::Searched, Kind::Aggregate]);
    assert_eq!(found[1].seq, done.seq);
    let detail = found[0].detail.as_ref().unwrap();
    assert_eq!(detail.get(escrowdb::store::DetailField::By), Some("tag:dept,month"));

    for n in 0..20 {
        erase(&store, &format!("p{n}@x.org"));
    }
    assert_eq!(kept(&store, "by-dept"), table);
    store.compact(&CompactOptions::default(), |_| ()).unwrap();
    store.close().unwrap();
    let store = builder(&disk).open().unwrap();
    assert_eq!(kept(&store, "by-dept"), table);
    // Nobody writes one that he made up.
    let made_up = Aggregate { name: "b".into(), from: table.before, before: Micros(NOW), ..table };
    let error = store.change(&Session::new(), Event::Aggregate(Box::new(made_up))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    store.close().unwrap();
}

#[test]
fn names_are_refused_and_so_are_people_in_queries() {
    let (_, store) = store();
    let refused = |name: &str, query: &str, by: &str| {
        let error = publish(&store, name, query, by, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{name} {query} {by}: {error}");
        assert!(!error.to_string().contains("p1@x.org"), "{error}");
    };
    for query in [
        "author:p1@x.org",
        "subject:p1@x.org",
        "-author:nobody",
        "flickers OR (subject:x lamp)",
        "conversation:c1",
        "id:m1",
        "p1@x.org",
        "\"p1@x.org\"",
        "tag:customer:p1@x.org",
        "channel:p1@x.org",
    ] {
        refused("a", query, "tag:dept,month");
    }
    for by in ["author,month", "subject,month", "conversation,month", "tag:p1@x.org,month"] {
        refused("a", "*", by);
    }
    // What our own words say names nobody, whoever calls himself so.
    let words = ["month", "tag", "channel"].map(|who| Record::new("c", who, at("2026-01-01"), "it is me"));
    store.append(&words).unwrap();
    publish(&store, "own-words", "after:2026-02 before:2026-03", "channel,month", 10).unwrap();
    // A row that is somebody's name.
    store.append(&[Record::new("c", "sales", at("2026-01-01"), "I am called so")]).unwrap();
    refused("a", "before:2026-02", "tag:dept,month");
    store.append(&[Record::new("c", "short", at("2026-01-01"), "so am I")]).unwrap();
    refused("short", "before:2026-02", "month");
    for by in ["tag:dept", "month,tag:dept", "tag:dept,decade", "", "tag:dept,channel,month"] {
        assert_eq!(publish(&store, "a", "*", by, 10).unwrap_err().kind(), ErrorKind::Invalid, "{by}");
    }
    for query in ["kind:opened", "kind:message OR kind:aggregate", "kind:person", "("] {
        assert_eq!(
            publish(&store, "a", query, "month", 10).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{query}"
        );
    }
    assert_eq!(publish(&store, "a b", "*", "month", 10).unwrap_err().kind(), ErrorKind::Invalid);
    // Nothing to show: too few, or no period that is over.
    refused("a", "tag:dept:fraud", "month");
    refused("a", "after:2026-03-01", "month");
    refused("a", "unheard", "month");
    assert_eq!(store.registers().aggregates.iter().count(), 1);
}

#[test]
fn linked_people_are_one_and_many_subjects_of_one_record_no_crowd() {
    let say = |who: String, tag: &str| Record::new("c", who, at("2026-01-10"), "hello").tag(tag);
    let plain = (0..20).map(|n| say(format!("a{n}"), "t:plain"));
    let records: Vec<Record> = plain.chain((0..10).map(|n| say(format!("b{n}"), "t:linked"))).collect();
    for linked in [false, true] {
        let store = builder(&MemoryVfs::new()).create().unwrap();
        store.append(&records).unwrap();
        store.roll().unwrap();
        if linked {
            // In a chain: who is linked to whom is followed.
            store.link("b0", "b1").unwrap();
            store.link("b1", "b2").unwrap();
        }
        let table = publish(&store, "a", "*", "tag:t,month", 10).unwrap().aggregate;
        let rows: Vec<_> = table.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(rows, if linked { &["plain"][..] } else { &["linked", "plain"] });
    }
    let store = builder(&MemoryVfs::new()).create().unwrap();
    let many = (0..12).fold(say("x".into(), "t:many"), |record, n| record.subject(format!("s{n}")));
    store.append(&[many]).unwrap();
    assert_eq!(publish(&store, "a", "*", "tag:t,month", 10).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn what_is_restricted_is_not_counted() {
    let (_, store) = store();
    for n in 5..24 {
        let scope = Scope::Person(store.number_of(&format!("p{n}@x.org")).unwrap().0);
        let hold = Hold {
            code: format!("r{n}"),
            effect: Effect::Restrict,
            scope,
            matter: "m".into(),
            ground: "GDPR 18".into(),
            review: None,
        };
        store.change(&Session::new(), Event::Hold(hold::Event::Place(hold))).unwrap();
    }
    let error = publish(&store, "a", "tag:dept:sales", "month", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

/// Whatever is published, asked anew, erased and published again: no two tables share an instant, so there is
/// nothing to subtract; and what a table shows has a crowd behind it by a plain count.
#[test]
fn an_erasure_between_tables_is_not_their_difference() {
    let queries =
        ["*", "* OR nothing", "hello", "-nothing", "kind:message", "tag:t:a OR tag:t:b", "version:all"];
    let divisions = ["month", "tag:t,month", "tag,month", "channel,month", "kind,month", "tag:t,year", "day"];
    let (mut published, mut refused) = (0, 0);
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let disk = MemoryVfs::new();
        let store = builder(&disk).create().unwrap();
        let months = ["2025-11", "2025-12", "2026-01", "2026-02", "2026-03"];
        let mut records = Vec::new();
        for n in 0..60 + rng.below(60) {
            let day = at(&format!("{}-{:02}", rng.pick(&months), 1 + rng.below(28)));
            let who = format!("p{}", rng.below(12));
            let tag = format!("t:{}", rng.pick(&["a", "b", "c"]));
            let record = Record::new("c", who, day, "hello").id(format!("m{n}")).tag(tag);
            records.push(record.channel(*rng.pick(&["web", "mail"])));
        }
        store.append(&records).unwrap();
        let mut tables: BTreeMap<String, Aggregate> = BTreeMap::new();
        for step in 0..14 {
            if rng.chance(30) {
                let who = format!("p{}", rng.below(12));
                if store.erase(&Selector::Person(who.clone()), &EraseOptions::default()).is_ok() {
                    records.retain(|record| record.author != who);
                }
                continue;
            }
            if rng.chance(15) {
                store.roll().unwrap();
            }
            let name = if rng.chance(80) { format!("n{step}") } else { "n0".to_owned() };
            let time = match rng.below(3) {
                0 => format!(" after:{}", rng.pick(&months)),
                1 => format!(" before:{}", rng.pick(&months)),
                _ => String::new(),
            };
            let query = format!("({}){time}", rng.pick(&queries)).replace("(version:all)", "version:all");
            let by = *rng.pick(&divisions);
            match publish(&store, &name, &query, by, 2 + rng.below(3) as u64) {
                Ok(done) => {
                    published += 1;
                    let new = done.aggregate;
                    for old in tables.values() {
                        assert!(old.before <= new.from || new.before <= old.from, "{seed}: {old:?} {new:?}");
                        assert_ne!(old.name, new.name);
                    }
                    assert!(new.before.0 <= NOW);
                    holds_crowds(&new, &records, by);
                    tables.insert(name, new);
                }
                Err(e) => {
                    refused += 1;
                    assert_eq!(e.kind(), ErrorKind::Refused, "{seed}: {query} {by}: {e}");
                }
            }
            for (name, table) in &tables {
                assert_eq!(&kept(&store, name), table);
            }
        }
        store.close().unwrap();
        let store = builder(&disk).open().unwrap();
        let after: BTreeMap<_, _> =
            store.registers().aggregates.iter().map(|(of, ..)| (of.name.clone(), of.clone())).collect();
        assert_eq!(after, tables);
    }
    assert!(published > 40 && refused > 100, "{published} {refused}");
}

/// Behind each shown cell are `k` people at least, of all records there are.
fn holds_crowds(table: &Aggregate, records: &[Record], by: &str) {
    let period = Period::parse(by.rsplit(',').next().unwrap()).unwrap();
    for row in &table.rows {
        for (column, cell) in table.periods.iter().zip(&row.cells) {
            let Some(shown) = cell else { continue };
            let people: BTreeSet<&str> = (records.iter())
                .filter(|record| name_of(period, record.time) == *column)
                .filter(|record| rows_of(record, by).contains(&row.name))
                .map(|record| record.author.as_str())
                .collect();
            assert!(people.len() as u64 >= table.k, "{by} {} {column}: {}", row.name, people.len());
            assert!(shown % table.round == 0 && *shown > 0);
        }
    }
}

fn name_of(period: Period, at: Micros) -> String {
    let text = time::format(period.start_of(at));
    let length = match period {
        Period::Year => 4,
        Period::Month => 7,
        _ => 10,
    };
    text[..length].to_owned()
}

fn rows_of(record: &Record, by: &str) -> Vec<String> {
    let mut tags = record.tags.clone();
    tags.sort();
    tags.dedup();
    match by.split_once(',').map(|(field, _)| field) {
        None => vec![String::new()],
        Some("channel") => vec![record.channel.clone()],
        Some("kind") => vec![record.kind.name().to_owned()],
        Some("tag") => tags,
        Some(field) => {
            let key = format!("{}:", field.strip_prefix("tag:").unwrap());
            tags.iter().filter_map(|tag| tag.strip_prefix(&key)).map(str::to_owned).collect()
        }
    }
}

/// What a plain reading of the records publishes.
fn modelled(records: &[Record], by: &str, rules: Rules) -> Option<aggregate::Table> {
    let period = Period::parse(by.rsplit(',').next().unwrap()).unwrap();
    let mut cells: BTreeMap<(String, String), (u64, BTreeSet<&str>)> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind.is_default()) {
        let column = name_of(period, record.time);
        for row in rows_of(record, by) {
            let cell = cells.entry((row, column.clone())).or_default();
            cell.0 += 1;
            let author = record.subjects.is_empty().then_some(&record.author);
            cell.1.extend(record.subjects.iter().chain(author).map(String::as_str));
        }
    }
    let count = |(records, people): &(u64, BTreeSet<&str>)| Count {
        records: *records,
        people: (people.len() as u64).min(*records),
    };
    let crowds =
        || cells.iter().filter(|(_, cell)| count(cell).people >= rules.k()).map(|((_, c), _)| c.clone());
    let (first, last) = (crowds().min()?, crowds().max()?);
    let mut counts = Counts::default();
    let mut day = records.iter().map(|record| record.time).min().unwrap();
    let end = records.iter().map(|record| record.time).max().unwrap();
    while day.0 <= end.0 + 32 * Micros::DAY {
        let name = name_of(period, day);
        let known = counts.columns.last().is_some_and(|column: &Column| column.name == name);
        if (&first..=&last).contains(&&name) && !known {
            counts.columns.push(Column { name, ends: Micros(0) });
        }
        day.0 += Micros::DAY;
    }
    for ((row, column), cell) in &cells {
        if (&first..=&last).contains(&column) {
            counts.cells.insert((row.clone(), column.clone()), count(cell));
        }
    }
    let table = aggregate::publish(&counts, rules, Micros(0)).unwrap();
    (!table.rows.is_empty()).then_some(table)
}

const GATE: usize = 3_000;

/// Real chats of nine sets: what is published is what a plain count of their lines makes.
#[test]
fn real_chats_are_counted_as_by_hand() {
    let Some(folder) = std::env::var_os("ESCROW_CHATS").map(PathBuf::from) else {
        eprintln!("left out: ESCROW_CHATS names no folder with real chats");
        return;
    };
    let sets = ["abcd", "bcontrast", "crosswoz", "duraspace", "gitter", "rpc", "sgd", "slack", "ubuntu"];
    let divisions = [
        ("tag,month", 5, 5),
        ("month", 3, 1),
        ("channel,month", 10, 5),
        ("kind,year", 2, 1),
        ("tag:lang,day", 4, 2),
    ];
    let mut shown = 0;
    for set in sets {
        let text = std::fs::read_to_string(folder.join(format!("{set}.jsonl"))).unwrap();
        let records: Vec<Record> =
            text.lines().take(GATE).map(|line| jsonl::parse(line.as_bytes(), false).unwrap()).collect();
        let whole = MemoryVfs::new();
        let store = builder(&whole).create().unwrap();
        records.chunks(500).for_each(|batch| drop(store.append(batch).unwrap()));
        store.close().unwrap();
        let people: BTreeSet<&str> = (records.iter())
            .flat_map(|r| [&r.author].into_iter().chain(&r.subjects).chain(&r.participants))
            .map(String::as_str)
            .collect();
        for (by, k, round) in divisions {
            let store = builder(&MemoryVfs::from_files(whole.snapshot())).open().unwrap();
            let want = modelled(&records, by, rules(k, round));
            let got = store.session(Session::new()).publish("a", "*", by, rules(k, round));
            let is_name =
                |row: &str| people.contains(row) || row.split(':').skip(1).any(|p| people.contains(p));
            match (want, got) {
                (Some(want), Ok(got)) => {
                    let got = got.aggregate;
                    assert_eq!(got.periods, want.columns, "{set} {by}");
                    // A row that is named as somebody is left out.
                    let named = want.rows.iter().any(|r| is_name(&r.name));
                    let rows = want.rows.iter().filter(|r| !is_name(&r.name));
                    let rows: Vec<_> = rows.map(|r| (&r.name, &r.cells, r.total)).collect();
                    assert_eq!(
                        got.rows.iter().map(|r| (&r.name, &r.cells, r.total)).collect::<Vec<_>>(),
                        rows
                    );
                    if !named {
                        assert_eq!((got.totals, got.total), (want.totals, want.total), "{set} {by}");
                    }
                    shown += rows.len();
                }
                (None, Err(e)) => assert_eq!(e.kind(), ErrorKind::Refused, "{set} {by}"),
                (Some(want), Err(e)) => {
                    assert_eq!(e.kind(), ErrorKind::Refused, "{set} {by}");
                    assert!(want.rows.iter().any(|row| is_name(&row.name)), "{set} {by}: {e}");
                }
                (None, Ok(_)) => panic!("{set} {by}: something was shown"),
            }
        }
    }
    assert!(shown > 20, "{shown}");
}
