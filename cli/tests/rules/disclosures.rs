//! What is given away is known until it is gone, and plans of erasures name it.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::support::Sandbox;

fn list(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run("--json disclosure list").ok().lines()
}

#[test]
fn every_export_is_registered() {
    let sandbox = Sandbox::with_sample();
    let line = "--json export --subject anna@example.org --recipient lawyers --expires 2099-01-31 --output e";
    let made = sandbox.run(line).ok().lines().remove(0);
    let code = made["disclosure"].as_str().unwrap();
    assert!(made["sha256"].as_str().unwrap().starts_with(code));
    let of = list(&sandbox).remove(0);
    assert_eq!(
        (&of["code"], &of["recipient"], &of["about"], &of["records"], &of["out"]),
        (&made["disclosure"], &json!("lawyers"), &json!("anna@example.org"), &made["count"], &json!(true))
    );
    assert_eq!((&of["sha256"], &of["expires"]), (&made["sha256"], &json!("2099-01-31T00:00:00Z")));
    // Also where nobody said who gets it, and where nothing is signed.
    let plain = sandbox.run("--json export --query * --output f").ok().lines().remove(0);
    let unsigned = "--json export --query * --unsigned --expires 2099-01-01 --output u";
    let unsigned = sandbox.run(unsigned).ok().lines().remove(0);
    let all = list(&sandbox);
    assert_eq!(all.len(), 3);
    for (made, expires) in [(&plain, json!(null)), (&unsigned, json!("2099-01-01T00:00:00Z"))] {
        let of = all.iter().find(|of| of["code"] == made["disclosure"]).unwrap();
        assert_eq!((&of["recipient"], &of["expires"]), (&json!("not named"), &expires));
    }
    // Those in it, by number; the same bytes again under another code.
    let twice = "--json export --conversation c2 --recipient lawyers --output g";
    let (first, again) = (sandbox.run(twice).ok(), sandbox.run(twice).ok());
    let code = |run: &crate::support::Run| run.lines()[0]["disclosure"].as_str().unwrap().to_owned();
    assert_eq!(code(&again), format!("{}-2", code(&first)));
    assert!(sandbox.run("export --query * --recipient court --output h").ok().out.contains("disclosure"));
    let about: Vec<_> = list(&sandbox).into_iter().map(|of| of["about"].clone()).collect();
    assert!(about.contains(&json!("anna@example.org")) && about.contains(&json!("3 people")), "{about:?}");
    sandbox.run("export --query * --recipient a --expires 2001-01-01 --output i").exits(2);
    assert!(!sandbox.has("i"));
}

#[test]
fn plans_name_what_is_out_until_it_is_destroyed() {
    let sandbox = Sandbox::with_sample();
    let add = "--format paper --records 4 --recipient court";
    sandbox.run(&format!("disclosure add d1 --subject anna@example.org {add}")).ok();
    sandbox.run(&format!("disclosure add d2 --subject bob@example.org {add}")).ok();
    sandbox.run(&format!("disclosure add d3 --many {add}")).ok();
    sandbox.run(&format!("disclosure add d1 --many {add}")).exits(7);
    sandbox.run(&format!("disclosure add d4 {add}")).exits(2);
    sandbox.run(&format!("disclosure add d4 --subject nobody {add}")).exits(3);
    sandbox.run("request receive r1 --type erasure --subject anna@example.org").ok();
    sandbox.run("request identify r1 --method passport").ok();
    let out = || sandbox.run("--json request plan r1").ok().lines()[0]["plan"]["disclosures"].clone();
    assert_eq!(out(), json!(["d1", "d3"]));
    sandbox.run("disclosure tell d1 --method mail").ok();
    assert_eq!(out(), json!(["d1", "d3"]), "who was told may have it still");
    sandbox.run("disclosure destroyed d1").ok();
    assert_eq!(out(), json!(["d3"]));
    let run = sandbox.run("request run r1 --yes").ok();
    assert!(run.err.contains("article 19") && run.err.contains("d3"), "{}", run.err);
    sandbox.run("disclosure tell d9 --method mail").exits(3);
    let all = list(&sandbox);
    assert!(all[0]["told"].is_string() && all[0]["out"] == false);
    // By number: who she was is gone.
    assert!(all[0]["about"].as_str().unwrap().starts_with("person "), "{}", all[0]);
    assert!(sandbox.run("disclosure list").ok().out.contains("gone"));
}
