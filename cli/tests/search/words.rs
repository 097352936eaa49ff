//! Words through the command line: what is shown of a hit, what a question costs, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::{Run, Sandbox};
use serde_json::{Value, json};

/// More words than these stand for no beginning.
const EXPANSION_MAX: usize = 20_000;

fn record(id: &str, author: &str, body: &str) -> String {
    let time = "2026-01-31T12:00:00Z";
    json!({"id": id, "conversation": "c", "author": author, "time": time, "body": body}).to_string()
}

fn with(records: &[String]) -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.run_with("import --format jsonl -", records.join("\n")).ok();
    sandbox
}

/// `escrow` with these arguments behind `--store s`.
fn run(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox.args(&[&["--store", "s"], args].concat(), "")
}

#[test]
fn snippets_show_where_the_words_stand() {
    let long = format!("{} Größe des Raums, grosse Räume: 東京都 {}", "vor ".repeat(60), "nach ".repeat(60));
    let sandbox = with(&[
        record("m1", "anna", &long),
        record("m2", "anna", "keine große\nSache\u{1b}[31m"),
        record("m3", "anna", "nichts davon"),
    ]);
    let hits = run(&sandbox, &["--json", "search", "grosse", "--snippet", "--order", "oldest"]).ok().lines();
    assert_eq!(hits.iter().map(|h| &h["id"]).collect::<Vec<_>>(), ["m1", "m2"]);
    assert_eq!(hits[0]["body"], long, "the body is there as before");
    for (hit, words) in hits.iter().zip([vec!["Größe", "grosse"], vec!["große"]]) {
        // Places count characters of the whole body.
        let body: Vec<char> = hit["body"].as_str().unwrap().chars().collect();
        let place = |n: &Value| usize::try_from(n.as_u64().unwrap()).unwrap();
        let marks = hit["snippet"]["marks"].as_array().unwrap();
        let marked: Vec<String> =
            marks.iter().map(|m| body[place(&m[0])..place(&m[1])].iter().collect()).collect();
        assert_eq!(marked, words);
        let (text, from) = (hit["snippet"]["text"].as_str().unwrap(), place(&hit["snippet"]["from"]));
        assert!(text.chars().count() <= 160 && body[from..].starts_with(&text.chars().collect::<Vec<_>>()));
    }
    let shown = |query: &str| run(&sandbox, &["search", query, "--snippet", "--order", "oldest"]).ok().out;
    let out = shown("grosse");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[1].starts_with("    … ") && lines[1].ends_with(" …"), "{out}");
    assert!(lines[1].contains("»Größe« des Raums, »grosse« Räume"), "{out}");
    assert!(lines[3].contains("keine »große«") && !out.contains('\u{1b}'), "{out:?}");
    assert!(shown("\"東京\"").contains("»東«»京«都"), "each character is a word");
    assert!(shown("raeum* OR räum*").contains("»Räume«"));
    assert!(shown("grsse~1 -keine").contains("»grosse«"));
    // Without words nothing is marked, and what is shown is the beginning.
    let hits = run(&sandbox, &["--json", "search", "id:m3", "--snippet"]).ok().lines();
    assert_eq!(hits[0]["snippet"], json!({"text": "nichts davon", "from": 0, "marks": []}));
    assert!(run(&sandbox, &["--json", "search", "id:m3"]).ok().lines()[0]["snippet"].is_null());
}

#[test]
fn relevance_carries_scores_and_pages() {
    let mut records: Vec<String> =
        (0..30).map(|n| record(&format!("m{n}"), "anna", &format!("lamp {}", "and ".repeat(n)))).collect();
    records.push(record("best", "bert", "lamp lamp lamp"));
    let sandbox = with(&records);
    let all = run(&sandbox, &["--json", "search", "lamp", "--order", "relevance"]).ok().lines();
    assert_eq!((all.len(), &all[0]["id"]), (31, &json!("best")));
    let score = |hit: &Value| hit["score"].as_f64().unwrap();
    assert!(all.windows(2).all(|pair| score(&pair[0]) >= score(&pair[1])));
    let first =
        run(&sandbox, &["--json", "search", "lamp", "--order", "relevance", "--limit", "7"]).ok().lines();
    let cursor = first[6]["cursor"].as_str().unwrap();
    let behind = ["--json", "search", "lamp", "--order", "relevance", "--cursor", cursor];
    let rest = run(&sandbox, &behind).ok().lines();
    let ids = |hits: &[Value]| hits.iter().map(|h| h["id"].to_string()).collect::<Vec<_>>();
    assert_eq!([ids(&first), ids(&rest)].concat(), ids(&all));
    let refused = run(&sandbox, &["--json", "search", "tag:x", "--order", "relevance"]).exits(2);
    assert_eq!(refused.error()["kind"], "invalid");
    assert!(run(&sandbox, &["--json", "search", "lamp"]).ok().lines()[0]["score"].is_null());
}

/// A page by relevance ended at a score of 0.567. Two records came, about something else: the next
/// record now had 0.939, which stands before that place, and no page ever showed it. Scores are counted
/// anew from all records, so a cursor is good for as long as these numbers stand, and refused behind that.
#[test]
fn a_cursor_by_relevance_is_refused_once_scores_move() {
    let sandbox =
        with(&[record("a", "anna", "lamp lamp"), record("b", "bert", "lamp"), record("c", "anna", "x")]);
    let search = |more: &[&str]| {
        run(&sandbox, &[&["--json", "search", "lamp", "--order", "relevance", "--limit", "1"], more].concat())
    };
    let ids = |ran: Run| -> Vec<Value> { ran.ok().lines().iter().map(|hit| hit["id"].clone()).collect() };
    let cursor = || search(&[]).ok().lines()[0]["cursor"].as_str().unwrap().to_owned();
    let first = cursor();
    assert_eq!(ids(search(&["--cursor", &first])), ["b"]);
    // Nothing that a score is counted from: where records stand, and records without words.
    sandbox.run("roll").ok();
    sandbox.run_with("add", record("d", "carl", "")).ok();
    assert_eq!(ids(search(&["--cursor", &first])), ["b"]);
    let refused = |cursor: &str| {
        let refused = search(&["--cursor", cursor]).exits(2);
        assert_eq!(refused.error()["kind"], "invalid");
        assert!(refused.error()["message"].as_str().unwrap().starts_with("this cursor is out of date"));
        assert!(refused.error()["hint"].as_str().unwrap().starts_with("search again"));
    };
    sandbox
        .run_with("import --format jsonl -", [record("e", "anna", "y"), record("f", "carl", "z")].join("\n"))
        .ok();
    refused(&first);
    let second = cursor();
    assert_eq!(ids(search(&["--cursor", &second])), ["b"]);
    sandbox.run("erase --subject carl --yes").ok();
    refused(&second);
    assert_eq!(ids(search(&["--cursor", &cursor()])), ["b"]);
}

#[test]
fn what_a_question_costs_stands_on_standard_error() {
    let sandbox = with(&[record("m1", "anna", "a lamp"), record("m2", "anna", "no light")]);
    let cost = |args: &[&str]| {
        let ran = run(&sandbox, &[&["--json"], args, &["--explain"]].concat()).ok();
        let line: Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
        let fields: Vec<&String> = line["explain"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["micros", "pages_opened", "segments", "visited"]);
        let number = |name: &str| line["explain"][name].as_u64().unwrap();
        assert!(number("micros") > 0);
        (number("segments"), number("visited"), number("pages_opened"), ran.out)
    };
    assert_eq!(cost(&["count", "lamp"]), (0, 0, 0, "{\"count\":1}\n".into()), "all of it stands in memory");
    sandbox.run("roll").ok();
    sandbox.run_with("add", record("m3", "anna", "another lamp")).ok();
    let (segments, visited, pages, out) = cost(&["count", "lamp"]);
    assert_eq!((segments, visited, out.as_str()), (1, 1, "{\"count\":2}\n"));
    assert!(pages > 0);
    assert_eq!(cost(&["count", "lamp before:2026-01"]).1, 0, "passed over by time");
    for args in [
        &["search", "\"a lamp\""][..],
        &["search", "lamp", "--order", "relevance", "--snippet"],
        &["facet", "lam*", "--by", "author"],
        &["histogram", "lapm~1 OR lamp", "--per", "day"],
    ] {
        let (_, visited, pages, out) = cost(args);
        assert!(visited == 1 && pages > 0 && !out.is_empty() && !out.contains("explain"), "{args:?}");
    }
    // By relevance every segment goes into the scores, whatever the time that is asked for.
    assert_eq!(cost(&["search", "lamp before:2026-01", "--order", "relevance"]).1, 1);
    // What was asked for is not repeated there.
    let ran = run(&sandbox, &["count", "lamp", "--explain"]).ok();
    assert_eq!(ran.out, "2\n");
    assert!(
        ran.err.starts_with("explain: 1 of 1 segments visited, ") && !ran.err.contains("lamp"),
        "{}",
        ran.err
    );
    // A question that is refused says so in the last line.
    let refused = run(&sandbox, &["--json", "count", "(lamp", "--explain"]).exits(2);
    assert_eq!(refused.error()["kind"], "invalid");
}

/// A beginning that stands for too many words is refused by every verb, and not cut short.
#[test]
fn too_many_words_of_one_beginning_are_refused() {
    let body = |from: usize, to: usize| (from..to).map(|n| format!("w{n:05} ")).collect::<String>();
    let sandbox = with(&[
        record("m1", "anna", &body(0, EXPANSION_MAX)),
        // The same words again are no more words.
        record("m2", "anna", &body(5, EXPANSION_MAX)),
        record("m3", "bert", "so then w00007"),
    ]);
    let answers = |sandbox: &Sandbox| {
        assert_eq!(sandbox.count("w*"), 3);
        assert_eq!(sandbox.count("then.w*"), 1);
        assert_eq!(sandbox.count("-w*"), 0);
        assert_eq!(run(sandbox, &["--json", "search", "w*", "--order", "relevance"]).ok().lines().len(), 3);
    };
    answers(&sandbox);
    sandbox.run("roll").ok();
    answers(&sandbox);
    // One more: in the journal, and the others in a segment; then all in segments.
    sandbox.run_with("add", record("m4", "carl", "w_one_more")).ok();
    for round in 0..2 {
        for args in [
            &["count", "w*"][..],
            &["count", "then.w*"],
            &["count", "--", "-w*"],
            &["count", "w* author:nobody OR w*"],
            &["search", "w*"],
            &["search", "w*", "--limit", "1"],
            &["search", "w*", "--order", "relevance"],
            &["search", "then w*", "--order", "relevance"],
            &["facet", "w*", "--by", "author"],
            &["histogram", "w*", "--per", "day"],
            &["export", "--query", "w*", "--output", "out.jsonl"],
        ] {
            let refused = run(&sandbox, &[&["--json"], args].concat()).exits(2);
            let error = refused.error();
            assert_eq!((&error["kind"], refused.out.as_str()), (&json!("invalid"), ""), "{args:?}, {round}");
            // It said "one of the query", and not where, against what the page says of every error.
            let place = if args.contains(&"-w*") {
                2
            } else if args.contains(&"then w*") {
                6
            } else {
                1
            };
            let told = format!("query, character {place}: more than 20000 words are like this one");
            assert_eq!(error["message"], told, "{args:?}");
            assert!(error["hint"].as_str().unwrap().contains("more letters"), "{error}");
        }
        assert!(!sandbox.has("out.jsonl"));
        assert_eq!((sandbox.count("w0*"), sandbox.count("w_*")), (3, 1));
        sandbox.run("roll").ok();
    }
    // Words of the erased don't count.
    sandbox.run("erase --subject carl --yes").ok();
    answers(&sandbox);
}

#[test]
fn a_time_limit_ends_a_question_and_says_so() {
    let sandbox = with(&[record("m1", "anna", "a lamp")]);
    for live in [true, false] {
        for args in [
            &["count", "lamp"][..],
            &["count", "*"],
            &["search", "lamp"],
            &["search", "\"a lamp\"", "--order", "relevance"],
            &["facet", "lamp", "--by", "tag"],
            &["histogram", "lamp", "--per", "day"],
            &["export", "--query", "lam*", "--output", "out.jsonl"],
            // These two opened records without a look at the clock.
            &["get", "m1"],
            &["get", "m1", "--context", "1"],
            &["conversation", "c"],
            &["conversation", "c", "--around", "m1"],
        ] {
            let late = run(&sandbox, &[&["--json", "--time-limit", "0"], args].concat()).exits(2);
            assert_eq!((late.error()["kind"].as_str(), late.out.as_str()), (Some("invalid"), ""), "{args:?}");
            assert_eq!(
                late.error()["message"],
                "the query took longer than its time limit",
                "{args:?}, {live}"
            );
            assert!(late.error()["hint"].is_string());
            assert!(!sandbox.has("out.jsonl"));
            let args = [args, &["--time-limit", "3600.5"]].concat();
            run(&sandbox, &args).ok();
            let _ = std::fs::remove_file(sandbox.folder.join("out.jsonl"));
        }
        sandbox.run("roll").ok();
    }
    for wrong in ["x", "-1", "nan", "1e300", ""] {
        let refused = run(&sandbox, &["--json", "count", "lamp", &format!("--time-limit={wrong}")]).exits(2);
        assert_eq!(refused.error()["kind"], "usage", "{wrong}");
    }
}

/// Limits of a query hold before anything is looked up; errors point at the place and don't repeat it.
#[test]
fn limits_of_a_query_are_told_with_their_place() {
    let sandbox = with(&[record("m1", "anna", "secret word")]);
    let nested = |n: usize| format!("{}secret{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(sandbox.count(&nested(64)), 1);
    assert_eq!(sandbox.count(&"secret ".repeat(1024)), 1);
    for (query, told) in [
        (nested(65), "nests deeper than 64"),
        (format!("{}secret", "NOT ".repeat(65)), "nests deeper than 64"),
        ("secret ".repeat(1025), "more than 1024 terms"),
        (format!("\"{}\"", "secret ".repeat(1025)), "more than 1024 terms"),
        (format!("{}*", "secret".repeat(34)), "longer than 200 bytes"),
        ("secret ".repeat(10_000), "longer than 65536 bytes"),
        ("secret (secret".into(), "character"),
        ("secret word~2".into(), "character 13"),
        ("secret \"!\"".into(), "character 8"),
        ("se*cret".into(), "character"),
    ] {
        let refused = run(&sandbox, &["--json", "count", "--", &query]).exits(2);
        let error = refused.error();
        let message = error["message"].as_str().unwrap();
        assert!(error["kind"] == "invalid" && message.contains(told), "{told}: {message}");
        assert!(!refused.err.contains("secret") && !refused.err.contains("cret"), "{}", refused.err);
    }
}
