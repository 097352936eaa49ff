//! Requests are planned, approved, done or refused; what is done is what was approved.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::consents;
use crate::support::Sandbox;

fn one(sandbox: &Sandbox, line: &str) -> Value {
    let mut lines = sandbox.run(&format!("--json {line}")).ok().lines();
    assert_eq!(lines.len(), 1, "{line}");
    lines.remove(0)
}

fn receive(sandbox: &Sandbox, code: &str, kind: &str) {
    sandbox.run(&format!("--as dana request receive {code} --type {kind} --subject anna@example.org")).ok();
    sandbox.run(&format!("--as dana request identify {code} --method passport")).ok();
}

fn plan(sandbox: &Sandbox, code: &str) -> (Value, String) {
    let plan = one(sandbox, &format!("--as dana request plan {code}"));
    let hash = plan["sha256"].as_str().unwrap().to_owned();
    (plan, hash)
}

#[test]
fn an_erasure_is_planned_approved_by_another_and_proved() {
    let sandbox = consents::sandbox();
    sandbox.run("settings set --four-eyes on").ok();
    sandbox.run("consent give anna@example.org --for offers").ok();
    sandbox.run("--as dana request receive r1 --type erasure --subject anna@example.org").ok();
    sandbox.run("--as dana request plan r1").exits(7);
    // Who is not named may be anybody: with four eyes every step has a name.
    sandbox.run("request receive r0 --type erasure --subject anna@example.org").exits(2);
    for step in ["identify r1 --method passport", "plan r1", "refuse r1 --ground none"] {
        sandbox.run(&format!("request {step}")).exits(2);
    }
    sandbox.run("--as dana request identify r1 --method passport").ok();
    sandbox.run("--as dana request run r1 --yes").exits(7);
    let (plan_of, hash) = plan(&sandbox, "r1");
    // Its hash is that of its one form, sorted and without blanks: as this printer has it too.
    let canonical = serde_json::to_string(&plan_of["plan"]).unwrap();
    let of_it: String = Sha256::digest(canonical.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(of_it, hash);
    assert_eq!((&plan_of["plan"]["what"], &plan_of["plan"]["holds"]), (&json!("person"), &json!([])));
    assert_eq!(plan_of["plan"]["evidence"], json!({"consents": 1, "kept_for": "3y", "requests": 1}));
    assert!(sandbox.run("--as dana request plan r1").ok().out.ends_with(&format!("SHA-256 {hash}\n")));
    sandbox.run("--as dana request run r1 --yes").exits(7);
    sandbox.run(&format!("--as dana request approve r1 --hash {hash}")).exits(7);
    sandbox.run(&format!("request approve r1 --hash {hash}")).exits(2);
    sandbox.run(&format!("--as kim request approve r1 --hash {}", "0".repeat(64))).exits(7);
    sandbox.run(&format!("--as kim request approve r1 --hash {hash}")).ok();
    let shown = one(&sandbox, "request show r1");
    assert_eq!((&shown["state"], &shown["approvers"]), (&json!("approved"), &json!(["kim"])));
    sandbox.run("--as dana request run r1").exits(2);
    let certificate = one(&sandbox, "--as dana request run r1 --yes");
    assert_eq!(certificate["erased"], "person");
    let shown = one(&sandbox, "request show r1");
    assert_eq!((&shown["state"], &shown["outcome"]), (&json!("fulfilled"), &certificate["request"]));
    assert_eq!((&shown["person"], &shown["overdue"]), (&Value::Null, &json!(false)));
    assert_eq!(sandbox.count("subject:anna@example.org"), 0);
    sandbox.run("--as dana request run r1 --yes").exits(7);
    for line in ["request list", "request show r1", "--json request list"] {
        assert!(!sandbox.run(line).ok().out.contains("anna"), "{line}");
    }
}

/// Who is linked to who asks is the same person, and who was not named may be.
#[test]
fn nobody_approves_for_himself_by_another_name() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("request receive r0 --type erasure --subject anna@example.org").ok();
    receive(&sandbox, "r1", "erasure");
    sandbox.run("settings set --four-eyes on").ok();
    sandbox.run("--as dana request identify r0 --method passport").ok();
    let (_, nobodys) = plan(&sandbox, "r0");
    sandbox.run(&format!("--as dana request approve r0 --hash {nobodys}")).exits(7);
    let (_, hash) = plan(&sandbox, "r1");
    // One who approved first and is linked then does not count either.
    sandbox.run(&format!("--as DANA request approve r1 --hash {hash}")).ok();
    sandbox.run("--as x subject link DANA dana").ok();
    let (_, again) = plan(&sandbox, "r1");
    assert_eq!(hash, again);
    sandbox.run("--as dana request run r1 --yes").exits(7);
    sandbox.run("--as dana erase --subject anna@example.org --yes --approved r1").exits(7);
    sandbox.run(&format!("--as DANA request approve r1 --hash {hash}")).exits(7);
    sandbox.run("--as dana settings set --four-eyes off").ok();
    sandbox.run("--as DANA settings set --four-eyes off").exits(7);
    sandbox.run(&format!("--as kim request approve r1 --hash {hash}")).ok();
    sandbox.run("--as dana request run r1 --yes").ok();
}

/// What was approved is one change, once; an erasure that was approved is no redaction, and the other way round.
#[test]
fn an_approval_is_for_one_change_and_serves_once() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("settings set --four-eyes on").ok();
    let approve = |code: &str, hash: &Value| {
        sandbox.run(&format!("--as kim request approve {code} --hash {}", hash.as_str().unwrap())).ok();
    };
    receive(&sandbox, "r1", "erasure");
    approve("r1", &plan(&sandbox, "r1").0["sha256"]);
    let redact = "--as dana redact m1 --word Lampe --approved r1";
    let rename = "--as dana subject rename anna@example.org ann@example.org --approved r1";
    sandbox.run(&format!("{redact} --yes")).exits(7);
    sandbox.run(&format!("{rename} --yes")).exits(7);
    let agreed = one(&sandbox, &format!("{redact} --plan"));
    assert_eq!((&agreed["plan"]["does"], &agreed["plan"]["id"]), (&json!("redact"), &json!("m1")));
    let canonical = serde_json::to_string(&agreed["plan"]).unwrap();
    let of_it: String = Sha256::digest(canonical.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((of_it.as_str(), canonical.contains("Lampe")), (agreed["sha256"].as_str().unwrap(), false));
    sandbox.run(&format!("{redact} --yes")).exits(7);
    approve("r1", &agreed["sha256"]);
    sandbox.run("--as dana erase --subject anna@example.org --yes --approved r1").exits(7);
    sandbox.run("--as dana request run r1 --yes").exits(7);
    sandbox.run(&format!("{rename} --yes")).exits(7);
    sandbox.run(&format!("{redact} --yes")).ok();
    sandbox.run("--as dana redact m1 --span 0..1 --approved r1 --yes").exits(7);
    sandbox.run("subject rename anna@example.org ann@example.org --plan").exits(2);
    let agreed = one(&sandbox, &format!("{rename} --plan"));
    assert_eq!(
        (&agreed["plan"]["does"], &agreed["plan"]["new"]),
        (&json!("rename"), &json!("ann@example.org"))
    );
    approve("r1", &agreed["sha256"]);
    sandbox.run("--as dana subject rename anna@example.org other@example.org --approved r1 --yes").exits(7);
    sandbox.run(&format!("{rename} --yes")).ok();
    sandbox.run("--as dana subject rename ann@example.org anna@example.org --approved r1 --yes").exits(7);
}

#[test]
fn what_drifted_or_is_held_is_not_done() {
    let sandbox = Sandbox::with_sample();
    receive(&sandbox, "r1", "erasure");
    let (_, first) = plan(&sandbox, "r1");
    let record = r#"{"id":"m9","conversation":"c1","author":"anna@example.org","time":"2026-02-01T00:00:00Z","body":"more"}"#;
    sandbox.run_with("add", record).ok();
    let drift = sandbox.run("--json --as dana request run r1 --yes").exits(7);
    assert_eq!((&drift.error()["kind"], drift.out.as_str()), (&json!("refused"), ""));
    let (of_second, second) = plan(&sandbox, "r1");
    assert_ne!(first, second);
    // Another record in the place of one: nothing that is counted changes.
    sandbox.run("--as dana erase --record m9 --yes").ok();
    sandbox.run_with("add", record.replace("m9", "m8").replace("more", "less")).ok();
    sandbox.run("--as dana request run r1 --yes").exits(7);
    let (of_third, _) = plan(&sandbox, "r1");
    assert_eq!(of_second["plan"]["records"], of_third["plan"]["records"]);
    assert_eq!(of_third["plan"]["conversations"], of_second["plan"]["conversations"]);
    assert!(of_third["plan"]["conversations"]["c1"].as_u64().unwrap() >= 3);
    assert_ne!(of_second["plan"]["positions"], of_third["plan"]["positions"]);
    assert_eq!((&of_third["plan"]["classes"], &of_third["plan"]["backups"]), (&json!({}), &json!([])));
    sandbox.run("--as dana erase --record m8 --yes").ok();
    sandbox.run_with("add", record).ok();
    for place in ["--subject anna@example.org", "--conversation c1", "--query id:m9"] {
        sandbox.run(&format!("hold place h{} {place} --matter M --ground claims", place.len())).ok();
        let code = format!("h{}", place.len());
        let (held, _) = plan(&sandbox, "r1");
        assert_eq!(held["plan"]["holds"], json!([code]), "{place}");
        // Of the last one a part only is held: that is another end.
        if !place.starts_with("--query") {
            let refused = sandbox.run("--json --as dana request run r1 --yes").exits(7);
            assert!(refused.error()["message"].as_str().unwrap().contains(&code), "{place}");
            assert_eq!(one(&sandbox, "request show r1")["state"], "planned", "{place}");
            assert_eq!(sandbox.count("subject:anna@example.org"), 3);
        }
        sandbox.run(&format!("hold release {code} --reason settled")).ok();
    }
    sandbox.run("hold place other --conversation c2 --matter M --ground claims").ok();
    assert_eq!(plan(&sandbox, "r1").0["plan"]["holds"], json!([]));
    sandbox.run("--as dana request run r1 --yes").ok();
    assert_eq!(sandbox.count("subject:anna@example.org"), 0);
}

#[test]
fn an_answer_is_due_in_a_month_and_may_be_extended_once() {
    let sandbox = Sandbox::with_sample();
    let receive = "request receive old --type access --subject anna@example.org --received 2024-01-31";
    let made = one(&sandbox, receive);
    assert_eq!((&made["overdue"], &made["state"]), (&json!(true), &json!("received")));
    assert!(made["due"].as_str().unwrap().starts_with("2024-0"));
    sandbox.run(receive).exits(7);
    sandbox.run("request extend old --reason many").exits(7);
    sandbox.run("request receive new --type access --subject anna@example.org").ok();
    sandbox.run("request extend new --reason many").ok();
    sandbox.run("request extend new --reason many").exits(7);
    let overdue = sandbox.run("--json request list --overdue").ok().lines();
    assert_eq!(overdue.iter().map(|line| &line["code"]).collect::<Vec<_>>(), ["old"]);
    assert_eq!(sandbox.run("--json request list").ok().lines().len(), 2);
    assert!(sandbox.run("request list").ok().out.contains("(overdue)"));
    sandbox.run("request refuse old --ground unfounded").ok();
    sandbox.run("request refuse old --ground unfounded").exits(7);
    assert_eq!(sandbox.run("request list --overdue").ok().out, "");
    for (line, code) in [
        ("request receive x --type nonsense --subject anna@example.org", 2),
        ("request receive x --type access --subject nobody", 3),
        ("request receive x --type access --subject anna@example.org --received 2999-01-01", 2),
        ("request show x", 3),
        ("request plan x", 3),
        ("request run x", 3),
    ] {
        sandbox.run(line).exits(code);
    }
}

#[test]
fn others_are_done_in_the_registers_or_by_who_asks() {
    let sandbox = consents::sandbox();
    receive(&sandbox, "a1", "access");
    plan(&sandbox, "a1");
    let told = one(&sandbox, "request run a1");
    assert_eq!(told["person"], "anna@example.org");
    assert!(told["do"].as_str().unwrap().starts_with("escrow export --subject"));
    sandbox.run("export --subject anna@example.org --output e").ok();
    sandbox.run("request fulfil a1 --reference abc --partly later").ok();
    assert_eq!(one(&sandbox, "request show a1")["state"], "partly");
    sandbox.run("request fulfil a1 --reference abc").ok();
    assert_eq!(one(&sandbox, "request show a1")["state"], "fulfilled");
    sandbox.run("consent give anna@example.org --for offers").ok();
    receive(&sandbox, "w1", "withdrawal");
    assert_eq!(plan(&sandbox, "w1").0["plan"]["purposes"], json!(["offers"]));
    sandbox.run("request run w1").ok();
    let said = one(&sandbox, "consent show anna@example.org");
    assert_eq!(said["purposes"][0]["state"], "withdrawn");
    assert_eq!(one(&sandbox, "request show w1")["state"], "fulfilled");
    receive(&sandbox, "b1", "restriction");
    plan(&sandbox, "b1");
    sandbox.run("request run b1").ok();
    let placed = one(&sandbox, "restrict list");
    assert_eq!((&placed["code"], &placed["ground"]), (&json!("b1"), &json!("GDPR article 18")));
}

#[test]
fn what_was_done_in_part_is_fulfilled_when_the_rest_goes() {
    let sandbox = Sandbox::with_sample();
    let one_more = r#"{"id":"m9","conversation":"c9","author":"anna@example.org","time":"2026-02-03T09:00:00Z","body":"And a claim"}"#;
    sandbox.write("more.jsonl", one_more);
    sandbox.run("import more.jsonl").ok();
    sandbox.run("hold place claim --conversation c9 --matter M-7 --ground claims").ok();
    for code in ["r1", "r2"] {
        receive(&sandbox, code, "erasure");
    }
    plan(&sandbox, "r1");
    let certificate = one(&sandbox, "--as dana request run r1 --yes");
    assert_eq!(certificate["partial"]["records_kept"], 1);
    sandbox.run("--as dana request fulfil r2 --reference other --partly later").ok();
    let state = |code: &str| one(&sandbox, &format!("request show {code}"))["state"].clone();
    sandbox.run("retention run").ok();
    assert_eq!((state("r1"), state("r2")), (json!("partly"), json!("partly")));
    sandbox.run("hold release claim --reason settled").ok();
    assert_eq!(state("r1"), "partly");
    sandbox.run("retention run").ok();
    assert_eq!((state("r1"), state("r2")), (json!("fulfilled"), json!("partly")));
    assert!(sandbox.run("search conversation:c9").ok().err.contains("nothing found"));
}
