//! Regions from the command line: elsewhere on a named basis only, and a report that says what it is worth.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::support::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run("init --region eu").ok();
    let line = r#"{"conversation":"c","author":"anna@example.org","time":"2026-01-05T10:00:00Z","body":"x"}"#;
    sandbox.write("in.jsonl", line);
    sandbox.run("import in.jsonl").ok();
    sandbox
}

fn transfers(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run("--json residency list").ok().lines()
}

#[test]
fn a_store_is_opened_and_exported_elsewhere_on_a_basis_only() {
    let sandbox = sandbox();
    let run = sandbox.run("--json --region us count *").exits(7);
    assert_eq!(run.error()["kind"], "refused");
    assert!(run.error()["hint"].as_str().unwrap().contains("--transfer-basis"));
    sandbox.run("--region EU count *").ok();
    sandbox.run("--region us --transfer-basis GDPR-45 --as dana count *").ok();
    sandbox.run("export --query * --to-region us --output e").exits(7);
    assert!(!sandbox.has("e"));
    sandbox.run("export --query * --to-region us --transfer-basis GDPR-46 --output e").ok();
    sandbox.run("export --query * --to-region eu --output f").ok();
    let found: Vec<_> = transfers(&sandbox)
        .iter()
        .map(|of| (of["what"].clone(), of["basis"].clone(), of["by"].clone()))
        .collect();
    assert_eq!(
        found,
        [
            (json!("opened"), json!("GDPR-45"), json!("dana")),
            (json!("exported"), json!("GDPR-46"), json!("-"))
        ]
    );
    assert_eq!(sandbox.run("--json audit kind:refused").ok().lines().len(), 1);
    assert!(sandbox.run("residency list").ok().out.contains("GDPR-46"));
    sandbox.run("init --region e/u --store t").exits(2);
}

#[test]
fn a_report_is_checked_with_the_key_alone() {
    let sandbox = sandbox();
    sandbox.run("--region us --transfer-basis GDPR-45 count *").ok();
    let made = sandbox.run("--json residency report --output r").ok().lines().remove(0);
    assert_eq!(made["region"], "eu");
    let key = made["key"].as_str().unwrap();
    let check = |file: &str| sandbox.args(&["--json", "verify-residency", file, "--key", key], "");
    let said = check("r").ok().lines().remove(0);
    assert_eq!(
        (&said["ok"], &said["region"], &said["slot_grade"]),
        (&json!(true), &json!("eu"), &json!("C"))
    );
    assert_eq!(
        (&said["transfers"][0]["region"], &said["transfers"][0]["what"]),
        (&json!("us"), &json!("opened"))
    );
    assert!(said["does_not_prove"].as_str().unwrap().contains("does not prove"));
    let text = sandbox.args(&["verify-residency", "r", "--key", key], "").ok().out;
    assert!(text.contains("its region is eu") && text.contains("not proved: "), "{text}");
    sandbox.write("forged", sandbox.read("r").replace("region eu", "region us"));
    check("forged").exits(6);
    sandbox.write("noise", "x");
    check("noise").exits(6);
    // Heads of its log say it too.
    assert!(sandbox.run("checkpoint").ok().out.contains("\nregion eu\n"));
    sandbox.run("residency report --output s/r").exits(2);
}

#[test]
fn a_store_without_region_asks_nothing() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("--region us count *").ok();
    sandbox.run("export --query * --to-region br --output e").ok();
    assert!(transfers(&sandbox).is_empty());
    sandbox.run("residency report --output r").ok();
    assert!(sandbox.read("r").contains("\nregion\n"));
}
