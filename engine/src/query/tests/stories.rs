//! One rule, one story.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::scope::{Mask, People};
use crate::index::{Part, SortKey};
use crate::query::around::around;
use crate::query::eval;
use crate::query::exec::{Order, Search};
use crate::query::facet::By;
use crate::query::parse::parse;
use crate::query::plan::Plan;
use crate::query::tests::rows::{Row, Rows, Three, borrowed};
use crate::record::time::Period;
use crate::record::{Kind, Stored};

fn row(seq: u64, time: i64, kind: Kind, tag: &str) -> Row {
    let record = Stored {
        id: format!("m{seq}"),
        conversation: "c".into(),
        author: PersonNumber(1),
        subjects: vec![PersonNumber(2)],
        time: Micros(time),
        kind,
        tags: vec![tag.into()],
        ..Stored::default()
    };
    (Seq(seq), record)
}

fn plan(text: &str) -> Plan {
    Plan::new(&parse(text, Micros(0)).unwrap(), &Three, &Mask::default()).unwrap()
}

#[test]
fn default_kinds_hold_for_each_alternative() {
    let rows = vec![row(1, 1, Kind::Message, "x"), row(2, 2, Kind::Join, "x"), row(3, 3, Kind::Join, "y")];
    let parts: Vec<Arc<dyn Part>> = vec![Arc::new(Rows::new(rows))];
    let search = Search { parts: &borrowed(&parts), people: &Three, mask: &Mask::default(), until: None };
    for (text, n) in [
        ("*", 1),
        ("tag:x", 1),
        ("tag:x OR kind:join", 3),
        ("tag:x kind:join", 1),
        ("tag:x (kind:join OR tag:x)", 2),
        ("-kind:message", 0),
        ("-kind:join", 1),
        ("-(-kind:join)", 2),
        ("tag:y", 0),
        ("tag:none OR tag:y", 0),
    ] {
        assert_eq!(search.count(&parse(text, Micros(0)).unwrap()).unwrap(), n, "{text}");
    }
}

#[test]
fn frequencies_answer_where_they_can() {
    let rows = Rows::new(
        (0..50).map(|i| row(i, i as i64, Kind::Message, if i % 2 == 0 { "x" } else { "y" })).collect(),
    );
    for (text, n) in [("tag:x", 25), ("*", 50), ("kind:message", 50), ("-tag:x", 25), ("after:-1d", 50)] {
        assert_eq!(eval::count(&plan(text), &rows, &Mask::default(), &mut Vec::new()).unwrap(), n);
    }
    // A member that is nowhere decides a conjunction before any list is read.
    for text in ["tag:x tag:none", "tag:x author:nobody", "tag:x before:1960", "(tag:none OR tag:nil) tag:x"]
    {
        assert_eq!(eval::count(&plan(text), &rows, &Mask::default(), &mut Vec::new()).unwrap(), 0);
    }
    assert_eq!(rows.decoded.load(Ordering::Relaxed), 0);
    assert_eq!(eval::count(&plan("tag:x -tag:y"), &rows, &Mask::default(), &mut Vec::new()).unwrap(), 25);
    assert_eq!(rows.opened.load(Ordering::Relaxed), 0);
}

#[test]
fn parts_outside_the_time_or_the_page_stay_shut() {
    let day = |d: i64| Micros::DAY * d;
    let parts: Vec<Arc<Rows>> = (0..4)
        .map(|d| {
            Arc::new(Rows::new(
                (0..5).map(|i| row(d * 10 + i, day(d as i64) + i as i64, Kind::Message, "x")).collect(),
            ))
        })
        .collect();
    let dynamic: Vec<Arc<dyn Part>> = parts.iter().map(|p| Arc::clone(p) as Arc<dyn Part>).collect();
    let search = Search { parts: &borrowed(&dynamic), people: &Three, mask: &Mask::default(), until: None };
    let decoded = || parts.iter().map(|p| p.decoded.swap(0, Ordering::Relaxed) > 0).collect::<Vec<_>>();
    let ask = |text: &str| parse(text, Micros(0)).unwrap();
    assert_eq!(search.search(&ask("tag:x"), Order::Newest, 5, None).unwrap().len(), 5);
    assert_eq!(decoded(), [false, false, false, true]);
    assert_eq!(search.search(&ask("tag:x"), Order::Oldest, 3, None).unwrap().len(), 3);
    assert_eq!(decoded(), [true, false, false, false]);
    assert_eq!(search.search(&ask("tag:x on:1970-01-02"), Order::Newest, 50, None).unwrap().len(), 5);
    assert_eq!(decoded(), [false, true, false, false]);
    let after = Some(SortKey { time: Micros(day(2) - 1), seq: Seq(0) });
    assert_eq!(search.search(&ask("tag:x"), Order::Newest, 5, after).unwrap().len(), 5);
    assert_eq!(decoded(), [false, true, false, false]);
}

#[test]
fn ids_are_verified_and_masked_records_stay_shut() {
    let rows = Rows::new((1..5).map(|i| row(i, 0, Kind::Join, "x")).collect());
    let parts: Vec<Arc<dyn Part>> = vec![Arc::new(rows)];
    let mask = Mask { records: vec![Seq(2)], ..Mask::default() };
    let search = Search { parts: &borrowed(&parts), people: &Three, mask: &mask, until: None };
    let seqs = |id, c| search.by_id(id, c).unwrap().iter().map(|(hit, _)| hit.key.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs("m1", None), [1]);
    assert_eq!(seqs("m1", Some("c")), [1]);
    assert_eq!(seqs("m1", Some("d")), [0; 0]);
    assert_eq!(seqs("m2", None), [0; 0]);
    assert_eq!(seqs("m9", None), [0; 0]);
    let hidden = Mask { persons: vec![PersonNumber(2)], ..Mask::default() };
    let search = Search { parts: &borrowed(&parts), people: &Three, mask: &hidden, until: None };
    assert!(search.by_id("m1", None).unwrap().is_empty());
    assert_eq!(search.name(PersonNumber(2)).unwrap(), None);
    assert_eq!(search.name(PersonNumber(1)).unwrap().as_deref(), Some("p1"));
}

#[test]
fn dense_histograms_go_by_range() {
    let rows = || (0..400).map(|i| row(i, i as i64 * Micros::DAY / 4, Kind::Message, "x")).collect();
    // Once also records in memory went by range, where each range is a look at all of them: a look for
    // every period, and as many records for every look.
    for (by_time, looks) in [(true, 5), (false, 1)] {
        let part = Arc::new(Rows { by_time, ..Rows::new(rows()) });
        let parts: Vec<Arc<dyn Part>> = vec![Arc::clone(&part) as Arc<dyn Part>];
        let search = Search { parts: &borrowed(&parts), people: &Three, mask: &Mask::default(), until: None };
        let bars = search.histogram(&parse("after:1970-01-02", Micros(0)).unwrap(), Period::Month).unwrap();
        assert_eq!(bars.iter().map(|bar| bar.1).collect::<Vec<_>>(), [120, 112, 124, 40]);
        assert_eq!(bars[1].0, Period::Month.start_of(Micros(40 * Micros::DAY)));
        let looked = part.decoded.load(Ordering::Relaxed);
        assert!(looked == looks || by_time && looked > looks, "{looked}");
    }
}

#[test]
fn names_are_compared_in_composed_form() {
    struct Umlaut;
    impl People for Umlaut {
        fn number(&self, identifier: &str) -> Result<Option<PersonNumber>> {
            Ok((identifier == "\u{fc}").then_some(PersonNumber(1)))
        }
        fn name(&self, _: PersonNumber) -> Result<Option<String>> {
            Ok(None)
        }
    }
    let parts: Vec<Arc<dyn Part>> = vec![Arc::new(Rows::new(vec![row(1, 1, Kind::Message, "x")]))];
    let search = Search { parts: &borrowed(&parts), people: &Umlaut, mask: &Mask::default(), until: None };
    assert_eq!(search.count(&parse("author:u\u{308}", Micros(0)).unwrap()).unwrap(), 1);
}

#[test]
fn facets_are_named_and_bad_names_refused() {
    for name in ["tag", "tag:k", "author", "subject", "conversation", "channel", "kind"] {
        assert!(By::parse(name).is_ok(), "{name}");
    }
    for name in ["", "tag:", "tag:a:b", "id", "Tag"] {
        assert!(By::parse(name).is_err(), "{name}");
    }
}

const MANUAL: &str = include_str!("../../../../docs/QUERY.md");

/// What stands as code in a column of the tables of a section.
fn cells(title: &str, column: usize) -> Vec<&'static str> {
    let section = MANUAL.split(title).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let cell = |row: &'static str| row.split('|').nth(column).unwrap().trim();
    rows.filter_map(|row| cell(row).strip_prefix('`')?.strip_suffix('`')).collect()
}

#[test]
fn queries_of_the_manual_parse() {
    let mut queries = 0;
    for (title, column) in
        [("## Words", 1), ("## Default kinds", 1), ("## People", 2), ("## Times", 2), ("## Examples", 2)]
    {
        for query in cells(title, column) {
            assert!(parse(query, Micros(0)).is_ok(), "{query}");
            queries += 1;
        }
    }
    assert!(queries >= 30, "{queries}");
}

#[test]
fn local_days_of_the_manual_are_those_in_utc() {
    let title = "### A day where you are";
    let (local, utc) = (cells(title, 2), cells(title, 3));
    assert!(local.len() == utc.len() && local.len() >= 3);
    for (local, utc) in local.into_iter().zip(utc) {
        assert_eq!(parse(local, Micros(0)).unwrap().to_string(), utc, "{local}");
    }
}

/// Who looks an error up on the page must find it there word for word.
#[test]
fn errors_of_the_manual_are_printed_so() {
    use crate::query::parse::{DEPTH_MAX, LEN_MAX, TERMS_MAX};
    let queries = [
        "colour:red".to_owned(),
        "re:".to_owned(),
        "after:soon".to_owned(),
        "on:-7d".to_owned(),
        "...".to_owned(),
        "*fund".to_owned(),
        "re*nd".to_owned(),
        "refund~2".to_owned(),
        "\"refund".to_owned(),
        "(refund".to_owned(),
        "-".repeat(DEPTH_MAX + 1) + "x",
        "x ".repeat(TERMS_MAX + 1),
        "x".repeat(LEN_MAX + 1),
        "x".repeat(201) + "*",
        "x".repeat(201) + "~1",
    ];
    let mut errors: Vec<String> =
        queries.iter().map(|query| parse(query, Micros(0)).unwrap_err().to_string()).collect();
    errors.push(crate::index::phrase::too_many(crate::query::plan::EXPANSION_MAX).to_string());
    errors.push(crate::index::phrase::no_words().to_string());
    for error in errors {
        let told = match error.strip_prefix("query, character ") {
            Some(placed) => placed.split_once(": ").unwrap().1,
            None => &error,
        };
        let told = told.strip_prefix("newer format: ").unwrap_or(told);
        assert!(MANUAL.contains(&format!("`{told}`")), "{error}");
    }
    // What is about the whole query has no place, and the page says which ones these are.
    for query in [String::new(), "x".repeat(LEN_MAX + 1)] {
        let error = parse(&query, Micros(0)).unwrap_err().to_string();
        assert!(MANUAL.contains(&format!("`{error}`")), "{error}");
    }
    assert!(MANUAL.contains("`the query took longer than its time limit`"));
}

/// Of a store that is half upgraded only the parts that a query's time reaches were asked whether they
/// know words. The others went into the scores all the same, with nothing of their own.
#[test]
fn scores_are_not_made_of_a_part_without_words() {
    let of = |seq, time| (Seq(seq), Stored { body: "on".into(), time: Micros(time), ..Stored::default() });
    let old = Rows { wordless: true, ..Rows::new(vec![of(1, 1)]) };
    let parts: Vec<Arc<dyn Part>> = vec![Arc::new(old), Arc::new(Rows::new(vec![of(2, Micros::DAY)]))];
    let search = Search { parts: &borrowed(&parts), people: &Three, mask: &Mask::default(), until: None };
    let ast = parse("on after:1970-01-02", Micros(0)).unwrap();
    assert_eq!(search.count(&ast).unwrap(), 1);
    let refused = search.search(&ast, Order::Relevance, 5, None).unwrap_err();
    assert_eq!(refused.kind(), crate::error::ErrorKind::Unsupported);
}

/// The clock was asked between the parts of a store only: of one part any number of records were opened
/// behind the end of the time.
#[test]
fn each_record_that_is_opened_asks_the_clock() {
    let pause = std::time::Duration::from_millis(80);
    let part =
        Arc::new(Rows { pause, ..Rows::new((10..90).map(|i| row(i, 0, Kind::Message, "x")).collect()) });
    let parts: Vec<Arc<dyn Part>> = vec![Arc::clone(&part) as Arc<dyn Part>];
    let (parts, mask) = (borrowed(&parts), Mask::default());
    let search = || Search {
        parts: &parts,
        people: &Three,
        mask: &mask,
        until: std::time::Instant::now().checked_add(pause / 2),
    };
    assert!(search().by_id("m89", None).is_err());
    assert!(around(&search(), "m10", None, 40).is_err());
    // Not 80 of each.
    assert!(part.opened.load(Ordering::Relaxed) < 20);
}

#[test]
fn who_has_no_time_left_gets_no_answer() {
    let rows = Rows::new(vec![(Seq(1), Stored { body: "on".into(), ..Stored::default() })]);
    let parts: Vec<Arc<dyn Part>> = vec![Arc::new(rows)];
    let (borrowed, mask) = (borrowed(&parts), Mask::default());
    let search = |until| Search { parts: &borrowed, people: &Three, mask: &mask, until };
    let ast = parse("on", Micros(0)).unwrap();
    let now = std::time::Instant::now();
    let over = search(now.checked_sub(std::time::Duration::from_millis(1)));
    assert!(over.count(&ast).unwrap_err().to_string().contains("the query took longer than its time limit"));
    for order in [Order::Newest, Order::Oldest, Order::Relevance] {
        assert!(over.search(&ast, order, 3, None).is_err() && over.seqs(&ast, order).is_err());
    }
    assert!(over.facet(&ast, &By::Tag).is_err());
    assert_eq!(search(now.checked_add(std::time::Duration::from_secs(3600))).count(&ast).unwrap(), 1);
}
