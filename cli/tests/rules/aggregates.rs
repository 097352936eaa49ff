//! Aggregates from the command line: published once, of periods that are over, and of nobody.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::support::Sandbox;

/// Twelve people of sales in January, eleven in February, two of fraud in January.
fn filled() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let mut lines = String::new();
    let mut say = |who: usize, time: &str, tag: &str| {
        let record = json!({"conversation": format!("c{who}"), "author": format!("p{who}@example.org"),
            "time": time, "channel": "web", "tags": [tag], "body": "hello"});
        lines.push_str(&format!("{record}\n"));
    };
    for who in 0..12 {
        say(who, "2026-01-05T10:00:00Z", "dept:sales");
        if who < 11 {
            say(who, "2026-02-05T10:00:00Z", "dept:sales");
        }
    }
    for who in 12..14 {
        say(who, "2026-01-06T10:00:00Z", "dept:fraud");
    }
    sandbox.write("in.jsonl", lines);
    sandbox.run("import in.jsonl").ok();
    sandbox
}

#[test]
fn a_table_is_published_once_and_stays() {
    let sandbox = filled();
    let line = "--json --as kim aggregate publish depts --by tag:dept,month --k 10 --round 5";
    let table = sandbox.run(line).ok().lines().remove(0);
    let names: Vec<&str> = table.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = [
        "before",
        "by",
        "from",
        "k",
        "name",
        "periods",
        "published",
        "round",
        "rows",
        "seq",
        "total",
        "totals",
    ];
    assert_eq!(
        {
            let mut names = names;
            names.sort_unstable();
            names
        },
        wanted
    );
    assert_eq!(table["periods"], json!(["2026-01", "2026-02"]));
    assert_eq!(
        table["rows"],
        json!([{"name": "sales", "cells": [10, 10], "total": table["rows"][0]["total"]}])
    );
    assert_eq!((&table["totals"][0], &table["total"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&table["from"], &table["before"]),
        (&json!("2026-01-01T00:00:00Z"), &json!("2026-03-01T00:00:00Z"))
    );
    let show = || sandbox.run("--json aggregate show depts").ok().lines().remove(0);
    assert_eq!(show(), table);
    let list = sandbox.run("--json aggregate list").ok().lines().remove(0);
    assert_eq!((&list["name"], &list["by"]), (&json!("depts"), &json!(["tag:dept", "month"])));
    assert!(list.get("rows").is_none());
    // An act, with who did it.
    let acts = sandbox.run("--json audit kind:aggregate").ok().lines();
    assert_eq!((acts.len(), &acts[0]["actor"]), (1, &json!("kim")));

    for who in 0..9 {
        sandbox.run(&format!("erase --subject p{who}@example.org --yes")).ok();
    }
    assert_eq!(show(), table);
    let text = sandbox.run("aggregate show depts").ok().out;
    assert!(text.contains("sales") && !text.contains("fraud") && text.contains('·'), "{text}");
    assert!(sandbox.run("aggregate list").ok().out.contains("tag:dept,month"));
    // Under no other name, and by no other question.
    for again in [
        "depts --by tag:dept,month",
        "again --by tag:dept,month --k 2 --round 1",
        "again --by channel,year --k 2 --round 1",
        "again --by week --query hello --k 2 --round 1",
    ] {
        assert_eq!(
            sandbox.run(&format!("--json aggregate publish {again}")).exits(7).error()["kind"],
            "refused"
        );
    }
}

#[test]
fn what_would_tell_of_somebody_is_refused() {
    let sandbox = filled();
    for (line, code) in [
        ("a --by author,month", 7),
        ("a --by conversation,month", 7),
        ("a --by month --query subject:p1@example.org", 7),
        ("a --by month --query p1@example.org", 7),
        ("a --by month --query tag:dept:fraud", 7),
        ("a --by tag:dept", 2),
        ("a --by tag:dept,fortnight", 2),
        ("a --by month --k 1", 2),
        ("a --by month --round 11", 2),
        ("a --by month --query kind:erased", 2),
        ("a/b --by month", 2),
        ("a", 2),
    ] {
        let run = sandbox.run(&format!("--json aggregate publish {line}")).exits(code);
        assert_eq!(run.out, "", "{line}");
        assert!(!run.err.contains("p1@"), "{}", run.err);
    }
    sandbox.run("aggregate show a").exits(3);
    assert_eq!(sandbox.run("--json aggregate list").ok().out, "");
}

#[test]
fn a_period_that_is_not_over_is_left_out_and_said_so() {
    let sandbox = filled();
    let line = r#"{"conversation":"c","author":"p1@example.org","time":"2999-01-05T10:00:00Z","body":"x"}"#;
    sandbox.write("more.jsonl", line);
    sandbox.run("import more.jsonl").ok();
    let run = sandbox.run("aggregate publish all --by month").ok();
    assert!(run.err.contains("not over"), "{}", run.err);
    assert!(!run.out.contains("2999"), "{}", run.out);
}
