//! Holds and restrictions are placed, looked at and lifted.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::support::Sandbox;

fn codes(sandbox: &Sandbox, line: &str) -> Vec<String> {
    let lines = sandbox.run(&format!("--json {line}")).ok().lines();
    lines.iter().map(|line| line["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn holds_stand_until_they_are_released() {
    let sandbox = Sandbox::with_sample();
    let more = "--matter M-7 --ground claims";
    sandbox.run(&format!("hold place h1 --subject anna@example.org {more} --review 2099-01-31")).ok();
    sandbox.run(&format!("hold place h2 --conversation c2 {more}")).ok();
    sandbox.run(&format!("hold place h3 --query tag:dept:sales {more}")).ok();
    let used = sandbox.run(&format!("--json hold place h1 --conversation c1 {more}")).exits(7);
    assert_eq!(used.error()["kind"], "refused");
    for (line, code) in [
        (format!("hold place h4 --subject nobody {more}"), 3),
        (format!("hold place h4 --query tag: {more}"), 2),
        (format!("hold place h4 --conversation c1 {more} --review 2001-01-01"), 2),
        (format!("hold place h4 {more}"), 2),
        (format!("hold place h4 --conversation c1 --subject anna@example.org {more}"), 2),
        ("hold release h9 --reason over".to_owned(), 3),
        ("restrict release h1 --reason over".to_owned(), 3),
    ] {
        sandbox.run(&line).exits(code);
    }
    let first: Value = sandbox.run("--json hold list").ok().lines().remove(0);
    assert_eq!(
        (&first["scope"], &first["what"], &first["review"], &first["review_due"], &first["released"]),
        (
            &json!("person"),
            &json!("anna@example.org"),
            &json!("2099-01-31T00:00:00Z"),
            &json!(false),
            &Value::Null
        )
    );
    sandbox.run("hold review h1 --next 2099-12-31").ok();
    assert!(sandbox.run("hold list").ok().out.contains("2099-12-31"));
    sandbox.run("hold release h2 --reason settled").ok();
    sandbox.run("hold release h2 --reason settled").exits(7);
    assert_eq!(codes(&sandbox, "hold list"), ["h1", "h3"]);
    assert_eq!(codes(&sandbox, "hold list --all"), ["h1", "h2", "h3"]);
}

#[test]
fn restrictions_stand_apart_from_holds() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("restrict place r1 --subject anna@example.org --matter M-8 --ground disputed").ok();
    sandbox.run("restrict place r2 --conversation c2 --matter M-8 --ground disputed").ok();
    sandbox.run("hold release r1 --reason over").exits(3);
    assert_eq!(codes(&sandbox, "restrict list"), ["r1", "r2"]);
    assert_eq!(codes(&sandbox, "hold list --all"), [] as [&str; 0]);
    sandbox.run("restrict release r1 --reason cleared").ok();
    assert_eq!(codes(&sandbox, "restrict list"), ["r2"]);
    assert_eq!(sandbox.run("hold list").ok().out, "");
}
