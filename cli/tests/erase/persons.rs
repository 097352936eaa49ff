//! Erasing asks first, plans without touching, and leaves no trace in any answer.

use crate::support::{SAMPLE, Sandbox};

#[test]
fn without_yes_and_a_terminal_nothing_happens() {
    let sandbox = Sandbox::with_sample();
    let run = sandbox.run("--json erase --subject anna@example.org").exits(2);
    assert!(run.error()["hint"].as_str().unwrap().contains("--yes"));
    assert_eq!(sandbox.count("*"), 4);
}

#[test]
fn a_plan_changes_nothing() {
    let sandbox = Sandbox::with_sample();
    let plan = &sandbox.run("--json erase --subject anna@example.org --plan").ok().lines()[0];
    // Two messages, and the records that say who she is and who answered her, of whom nothing else
    // tells: as many as the certificate will count.
    assert_eq!((&plan["records"], &plan["people"]), (&4.into(), &2.into()));
    assert!(plan["mentions"].is_array());
    // The detail of the act that tells of the plan names her.
    assert_eq!(plan["details"], 1);
    let text = sandbox.run("erase --subject anna@example.org --plan").ok().out;
    let row = text.lines().find(|line| line.starts_with("details of acts")).unwrap();
    assert!(row.ends_with(" 2"), "{row}");
    assert_eq!(sandbox.count("*"), 4);
    assert_eq!(sandbox.count("subject:anna@example.org"), 2);
}

#[test]
fn a_plan_says_what_the_certificate_will() {
    for what in ["--subject anna@example.org", "--conversation c1", "--record m1"] {
        let sandbox = Sandbox::with_sample();
        sandbox.run("get m1").ok();
        sandbox.run("subject show anna@example.org").ok();
        sandbox.run("conversation c1").ok();
        let plan = &sandbox.run(&format!("--json erase {what} --plan")).ok().lines()[0];
        let done = &sandbox.run(&format!("--json erase {what} --yes")).ok().lines()[0];
        let sum = plan["records"].as_u64().unwrap() + plan["details"].as_u64().unwrap();
        assert_eq!(done["records_removed"], sum, "{what}");
        assert_eq!(done["segments_rekeyed"], plan["segments"], "{what}");
    }
}

#[test]
fn an_erased_person_is_unknown() {
    let sandbox = Sandbox::with_sample();
    let run =
        sandbox.run("--json erase --subject anna@example.org --reason asked --certificate c.json --yes").ok();
    assert_eq!(run.lines().len(), 1);
    assert_eq!(run.lines()[0]["records_removed"], 4);
    assert_eq!(run.lines()[0]["people_forgotten"], 1);
    assert_eq!(sandbox.read("c.json"), run.out);
    assert!(!run.out.contains("anna@example.org"));
    assert_eq!(sandbox.count("*"), 2);
    assert_eq!(sandbox.count("subject:anna@example.org"), 0);
    for line in ["get m1", "get m2", "conversation c1", "subject show anna@example.org"] {
        let erased = sandbox.run(line).exits(3);
        let unknown = sandbox.run("get unknown").exits(3);
        assert_eq!(erased.out, unknown.out, "{line}");
    }
    assert_eq!(sandbox.run("get m1").err, sandbox.run("get unknown").err);
    sandbox.run("erase --subject anna@example.org --yes").exits(3);
    sandbox.run("verify --read-data").ok();
    // She may come back, as somebody new.
    sandbox.run_with("import --format jsonl -", SAMPLE).ok();
    assert_eq!(sandbox.count("subject:anna@example.org"), 2);
}

#[test]
fn conversations_and_records_go_alone() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("erase --conversation c2 --yes").ok();
    assert_eq!(sandbox.count("*"), 3);
    sandbox.run("erase --record m4 --in-conversation c3 --yes").ok();
    assert_eq!(sandbox.count("*"), 2);
    sandbox.run("get m4").exits(3);
    sandbox.run("subject show bob@example.org").ok();
    sandbox.run("subject show anna@example.org").ok();
}

#[test]
fn a_repeated_request_repeats_its_answer() {
    let sandbox = Sandbox::with_sample();
    let line = "erase --subject anna@example.org --request-id 000102030405060708090a0b0c0d0e0f --yes";
    let first = sandbox.run(line).ok();
    let again = sandbox.run(line).ok();
    assert_eq!(first.out, again.out);
}

#[test]
fn a_certificate_without_a_place_stops_the_erasure() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("erase --subject anna@example.org --certificate missing/c.json --yes").exits(1);
    assert_eq!(sandbox.count("*"), 4);
}

/// Survivors in a block that nothing opens any more leave the store with an erasure; it said nothing.
#[test]
fn what_was_lost_is_told() {
    // A name that no request id contains by chance.
    let sandbox = Sandbox::with_store();
    for i in 0..3 {
        let record = format!(
            r#"{{"id":"m{i}","conversation":"talk{i}","author":"anna@example.org","time":"2026-01-01T00:00:00Z","body":"b"}}"#
        );
        sandbox.run_with("add", record).ok();
    }
    sandbox.run("roll").ok();
    let files = std::fs::read_dir(sandbox.folder.join("s")).unwrap().map(|file| file.unwrap().path());
    let bodies: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
    assert_eq!(bodies.len(), 1);
    // The page of the bodies and its parity.
    let mut bytes = std::fs::read(&bodies[0]).unwrap();
    bytes[60..].fill(0);
    std::fs::write(&bodies[0], bytes).unwrap();
    let run = sandbox.run("erase --conversation talk1 --yes").ok();
    assert!(
        run.err.contains("found lost on the way: 3 records between positions 0 and 3 of segment 1"),
        "{}",
        run.err
    );
    assert!(!run.err.contains("anna") && !run.err.contains("talk1"), "{}", run.err);
    let whole = Sandbox::with_sample();
    assert!(!whole.run("erase --conversation c2 --yes").ok().err.contains("lost"));
}

/// Erasures had no author in the log, and a certificate of one that was done in part was read out as if it were whole.
#[test]
fn who_asked_and_what_stays_is_told() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("hold place h1 --query lampe --matter M-7 --ground claims").ok();
    sandbox.run("--as dana erase --subject anna@example.org --certificate c --yes").ok();
    let acts = sandbox.run("--json audit kind:erased").ok().lines();
    assert_eq!(acts[0]["actor"], "dana");
    let key = sandbox.run("key public").ok().out;
    let check = format!("verify-certificate c --key {}", key.trim());
    let told = sandbox.run(&check).ok().out;
    assert!(
        told.contains("in part: ") && told.contains(" records stay, restricted; a hold keeps some"),
        "{told}"
    );
    assert!(told.contains("asked for by the person of number "), "{told}");
    let told = &sandbox.run(&format!("--json {check}")).ok().lines()[0];
    assert!(told["partial"]["records_kept"].as_u64() > Some(0) && told["by"].as_u64() > Some(0), "{told}");
    // Nobody is named.
    sandbox.run("erase --subject bob@example.org --certificate d --yes").ok();
    assert!(!sandbox.run(&check.replace(" c ", " d ")).ok().out.contains("asked for"));
}
