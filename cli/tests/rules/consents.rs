//! Notices are frozen, consents quote them, and what somebody said is proved without the store.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::support::{Run, Sandbox};

/// A sample store with two purposes and one published notice.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_sample();
    for line in [
        "purpose define support --title Support --basis contract",
        "purpose define offers --title Offers --basis consent",
    ] {
        sandbox.run(line).ok();
    }
    draft(&sandbox, 1, "en", "We keep what you write to us.", "").ok();
    sandbox.run("notice publish privacy --version 1").ok();
    sandbox
}

fn draft(sandbox: &Sandbox, version: u32, language: &str, text: &str, more: &str) -> Run {
    let line = format!(
        "--json notice draft privacy --version {version} --language {language} --title Privacy --text-file - --for \
         support --for offers{more}"
    );
    sandbox.run_with(&line, text)
}

fn one(sandbox: &Sandbox, line: &str) -> Value {
    let mut lines = sandbox.run(&format!("--json {line}")).ok().lines();
    assert_eq!(lines.len(), 1, "{line}");
    lines.remove(0)
}

fn state(sandbox: &Sandbox, purpose: &str) -> Value {
    let said = one(sandbox, "consent show anna@example.org");
    let of = said["purposes"].as_array().unwrap().iter().find(|of| of["purpose"] == purpose).cloned();
    of.map_or(Value::Null, |of| of["state"].clone())
}

#[test]
fn a_published_notice_is_frozen_and_a_later_one_supersedes_it() {
    let sandbox = sandbox();
    let shown = one(&sandbox, "notice show privacy");
    assert_eq!(
        (&shown["state"], &shown["text"], &shown["language"]),
        (&json!("published"), &json!("We keep what you write to us."), &json!("en"))
    );
    assert_eq!(shown["sha256"].as_str().unwrap().len(), 64);
    let text = sandbox.run("notice show privacy").ok().out;
    assert!(text.contains(shown["sha256"].as_str().unwrap()) && text.contains("what you write"), "{text}");
    assert_eq!(draft(&sandbox, 1, "en", "Other words.", "").exits(7).error()["kind"], "refused");
    draft(&sandbox, 2, "en", "We keep it longer.", " --material").ok();
    sandbox.run("notice publish privacy --version 2").ok();
    sandbox.run("notice publish privacy --version 2").exits(7);
    let list = sandbox.run("--json notice list").ok().lines();
    let states: Vec<_> = list.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["superseded", "published"]);
    assert_eq!(one(&sandbox, "notice show privacy --version 1")["state"], "superseded");
    sandbox.run("notice retire privacy --version 2").ok();
    sandbox.run("notice show privacy").exits(3);
    sandbox.run("notice show privacy --version 2 --language fr").exits(3);
    sandbox.run("notice publish nothing --version 1").exits(3);
    assert!(sandbox.run("notice list").ok().out.contains("retired"));
}

#[test]
fn a_consent_is_asked_given_withdrawn_and_due_again() {
    let sandbox = sandbox();
    sandbox.run("consent ask anna@example.org --for offers").ok();
    assert_eq!(state(&sandbox, "offers"), "asked");
    sandbox.run("consent refuse anna@example.org --for offers --method spoken --channel phone").ok();
    assert_eq!(state(&sandbox, "offers"), "refused");
    let refused = sandbox.run("--json consent withdraw anna@example.org --for offers").exits(7);
    assert_eq!(refused.error()["kind"], "refused");
    assert!(!refused.err.contains("anna"), "{}", refused.err);
    sandbox.run("consent give anna@example.org --for offers --method click").ok();
    assert_eq!(state(&sandbox, "offers"), "given");
    draft(&sandbox, 2, "en", "We keep it longer.", " --material").ok();
    sandbox.run("notice publish privacy --version 2").ok();
    assert_eq!(state(&sandbox, "offers"), "re-consent-due");
    // What nobody is shown any more can't be consented to.
    sandbox.run("consent give anna@example.org --for offers --notice privacy --version 1").exits(7);
    sandbox.run("consent withdraw anna@example.org --for offers").ok();
    assert_eq!(state(&sandbox, "offers"), "withdrawn");
    let history = one(&sandbox, "consent show anna@example.org")["history"].clone();
    let events: Vec<_> = history.as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["ask", "refuse", "give", "withdraw"]);
    let places: Vec<_> = history.as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert!(places.is_sorted());
    let text = sandbox.run("consent show anna@example.org").ok().out;
    assert!(text.contains("withdrawn") && text.contains("spoken phone"), "{text}");
    sandbox.run("consent give anna@example.org --for nothing --notice privacy").exits(3);
    sandbox.run("consent give anna@example.org --for nothing").exits(3);
    sandbox.run("consent show nobody@example.org").exits(3);
    sandbox.run("consent show").exits(2);
    sandbox.run("consent show --handle zz").exits(2);
}

#[test]
fn a_language_is_named_where_there_are_several() {
    let sandbox = sandbox();
    draft(&sandbox, 2, "en", "We keep it.", "").ok();
    draft(&sandbox, 2, "de", "Wir bewahren es auf.", "").ok();
    sandbox.run("notice publish privacy --version 2").ok();
    sandbox.run("consent give anna@example.org --for offers").exits(2);
    sandbox.run("consent give anna@example.org --for offers --language de").ok();
    let said = one(&sandbox, "consent show anna@example.org");
    let shown = &said["history"][0]["notice"];
    assert_eq!((&shown["language"], &shown["version"]), (&json!("de"), &json!(2)));
    assert_eq!(shown["sha256"], one(&sandbox, "notice show privacy --language de")["sha256"]);
}

#[test]
fn a_receipt_is_checked_with_the_key_alone_and_outlives_the_erased() {
    let sandbox = sandbox();
    sandbox.run("consent give anna@example.org --for offers --method click").ok();
    let key = one(&sandbox, "key public")["key"].as_str().unwrap().to_owned();
    let handle = one(&sandbox, "consent show anna@example.org")["handle"].as_str().unwrap().to_owned();
    sandbox.run("consent receipt anna@example.org --output receipt").ok();
    let verify = |file: &str| sandbox.args(&["--json", "verify-proof", file, "--key", &key], "");
    let proved = verify("receipt").ok().lines().remove(0);
    let said: Value = serde_json::from_str(proved["record"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&said["event"], &said["person"]), (&json!("give"), &json!("anna@example.org")));
    assert_eq!(said["notice"]["version"], 1);
    let receipt = sandbox.read("receipt");
    let longest = receipt.lines().max_by_key(|line| line.len()).unwrap();
    let other = longest.replacen('a', "b", 1);
    assert_ne!(longest, other);
    sandbox.write("forged", receipt.replace(longest, &other));
    assert_ne!(verify("forged").code, 0);
    sandbox.run("consent receipt anna@example.org --for support --output none").exits(3);
    assert!(!sandbox.has("none"));
    sandbox.run("consent receipt anna@example.org --output s/receipt").exits(2);
    // Of the erased by handle, as long as evidence is kept.
    sandbox.run("erase --subject anna@example.org --yes").ok();
    sandbox.run("consent show anna@example.org").exits(3);
    assert_eq!(one(&sandbox, &format!("consent show --handle {handle}"))["purposes"][0]["state"], "given");
    sandbox.run(&format!("consent receipt --handle {handle} --output later")).ok();
    verify("later").ok();
}

#[test]
fn purposes_keep_their_ground_and_settings_what_is_not_named() {
    let sandbox = sandbox();
    let swap = "--json purpose define offers --title Offers --basis legitimate-interests";
    assert_eq!(sandbox.run(swap).exits(7).error()["kind"], "refused");
    sandbox.run("purpose define x --title X --basis nonsense").exits(2);
    sandbox.run("purpose retire offers").ok();
    sandbox.run("purpose retire offers").exits(3);
    let list = sandbox.run("--json purpose list").ok().lines();
    assert_eq!(
        list[0],
        json!({"code": "offers", "title": "Offers", "basis": "consent", "class": null, "needs_consent": true,
            "active": false})
    );
    assert_eq!(one(&sandbox, "gate show"), json!({"mode": "open", "rules": []}));
    sandbox.run("gate rule add --when kind:message --for support").ok();
    sandbox.run("gate rule add --when * --for support").ok();
    sandbox.run("gate rule add --when * --for offers").exits(3);
    sandbox.run("gate set --mode quarantine").ok();
    sandbox.run("gate set --mode refuse").ok();
    let gate = one(&sandbox, "gate show");
    assert_eq!((&gate["mode"], &gate["rules"][1]["when"]), (&json!("refuse"), &json!("*")));
    assert!(sandbox.run("gate show").ok().out.contains("kind:message"));
    sandbox.run("gate rule clear").ok();
    assert_eq!(one(&sandbox, "gate show"), json!({"mode": "refuse", "rules": []}));
    sandbox.run("settings set").exits(2);
    sandbox.run("settings set --keep-evidence long").exits(2);
    sandbox.run("settings set --four-eyes on --keep-evidence 30d --grace 7d --deletion erase").ok();
    assert_eq!(
        one(&sandbox, "settings show"),
        json!({"gate": "refuse", "deletion": "erase", "four_eyes": true, "four_eyes_end_asked": false, "keep_evidence": "30d",
            "grace": "7d", "quarantine": "30d"})
    );
    assert!(sandbox.run("settings show").ok().out.contains("four eyes      on"));
}
