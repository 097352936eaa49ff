//! A name goes, or another takes its place; the person stays.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::json;

use crate::support::Sandbox;

const ANNA: &str = "anna@example.org";

#[test]
fn another_name_takes_the_place_of_one() {
    let sandbox = Sandbox::with_sample();
    let before = sandbox.run(&format!("--json subject show {ANNA}")).ok().lines().remove(0);
    let line = format!("--json --as dana subject rename {ANNA} anne --reason typo --certificate c --yes");
    let certificate = sandbox.run(&line).ok().lines().remove(0);
    // What told her name, and the detail of the look before.
    let said = (&certificate["erased"], &certificate["records_removed"], &certificate["reason"]);
    assert_eq!(said, (&json!("identifier"), &json!(2), &json!("typo")));
    let after = sandbox.run("--json subject show anne").ok().lines().remove(0);
    assert_eq!((&after["number"], &after["handle"]), (&before["number"], &before["handle"]));
    assert_eq!((&after["records"], &after["identifiers"]), (&before["records"], &json!(["anne"])));
    sandbox.run(&format!("subject show {ANNA}")).exits(3);
    assert!(sandbox.count("author:anne") > 0);
    // Who did it stands in the log; the certificate is checked without the store.
    assert_eq!(sandbox.run("--json audit kind:erased").ok().lines()[0]["actor"], "dana");
    let key = sandbox.run("key public").ok().out;
    sandbox.run(&format!("verify-certificate c --key {}", key.trim())).ok();
    // An export says who she is by the record that says it now, and is proved with it.
    sandbox.run("export --query author:anne --output e.jsonl").ok();
    sandbox.run(&format!("verify-export e.jsonl --key {}", key.trim())).ok();
    sandbox.run("verify --read-data").ok();
}

#[test]
fn a_name_is_taken_from_who_has_others() {
    let sandbox = Sandbox::with_sample();
    sandbox.run(&format!("subject remove-identifier {ANNA} --yes")).exits(2);
    sandbox.run(&format!("subject add-identifier {ANNA} anne")).ok();
    let id = "00112233445566778899aabbccddeeff";
    let line = format!("subject remove-identifier {ANNA} --yes --request-id {id}");
    let first = sandbox.run(&line).ok().out;
    let again = sandbox.run(&line).ok();
    assert_eq!(again.out, first);
    assert!(again.err.contains("this request was done"));
    let shown = sandbox.run("--json subject show anne").ok().lines().remove(0);
    assert_eq!(shown["identifiers"], json!(["anne"]));
}

#[test]
fn a_name_stays_where_it_must() {
    let sandbox = Sandbox::with_sample();
    for (line, code) in [
        (format!("subject rename {ANNA} anne"), 2),
        (format!("subject rename {ANNA} {ANNA} --yes"), 2),
        (format!("subject rename {ANNA} bob@example.org --yes"), 2),
        ("subject rename nobody anne --yes".to_owned(), 3),
        ("subject remove-identifier nobody --yes".to_owned(), 3),
    ] {
        sandbox.run(&line).exits(code);
    }
    sandbox.run(&format!("hold place h1 --query author:{ANNA} --matter M-7 --ground claims")).ok();
    let refused = sandbox.run(&format!("--json subject rename {ANNA} anne --yes")).exits(7);
    assert_eq!(refused.error()["kind"], "refused");
    sandbox.run("subject show anne").exits(3);
    assert_eq!(sandbox.count("kind:refused"), 1);
}
