//! A part of a record goes, the record stays.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::json;

use crate::support::Sandbox;

/// Whether a word stands in any file beside the store.
fn stands_anywhere(sandbox: &Sandbox, word: &str) -> bool {
    let mut folders = vec![sandbox.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap().windows(word.len()).any(|text| text == word.as_bytes()) {
                return true;
            }
        }
    }
    false
}

#[test]
fn spans_and_words_go_and_the_certificate_says_where_the_record_stands() {
    let sandbox = Sandbox::with_sample();
    let body = "Hallo, meine Lampe flackert";
    assert_eq!(sandbox.run("--json get m1").ok().lines()[0]["body"], body);
    let plan = &sandbox.run("--json redact m1 --span 7..18 --word flackert --plan").ok().lines()[0];
    assert_eq!(*plan, json!({"spans": 2, "characters": 19, "newest": true, "also_in": []}));
    assert!(sandbox.run("redact m1 --word Hallo --plan").ok().out.ends_with("Nothing was changed.\n"));
    let run = sandbox
        .run("--json --as dana redact m1 --span 7..18 --word flackert --reason r --certificate c --yes");
    let certificate = &run.ok().lines()[0];
    let after = sandbox.run("--json get m1").ok().lines().remove(0);
    assert_eq!(after["body"], "Hallo, █ █");
    assert_eq!(after["tags"], json!(["dept:sales", "lang:de"]));
    let said = &certificate["redaction"];
    assert_eq!((&said["position_after"], &said["spans"]), (&after["seq"], &json!(2)));
    assert_eq!((&certificate["erased"], &certificate["reason"]), (&json!("redaction"), &json!("r")));
    assert_eq!((sandbox.count("flackert"), sandbox.count("lampe"), sandbox.count("hallo")), (0, 0, 1));
    // Who did it stands in the log; the certificate is checked without the store.
    let acts = sandbox.run("--json audit kind:erased").ok().lines();
    assert_eq!(acts[0]["actor"], "dana");
    let key = sandbox.run("key public").ok().out;
    sandbox.run(&format!("verify-certificate c --key {}", key.trim())).ok();
    let printed = sandbox.run(&format!("--json certificate {}", certificate["request"].as_str().unwrap()));
    assert_eq!(printed.ok().lines()[0]["redaction"], *said);
    sandbox.run("proof m1").ok();
    sandbox.run("verify --read-data").ok();
    assert!(!stands_anywhere(&sandbox, "flackert"));
}

#[test]
fn a_redaction_is_refused_where_it_must_be() {
    let sandbox = Sandbox::with_sample();
    for (line, code) in [
        ("redact m1", 2),
        ("redact m1 --span 1..2", 2),
        ("redact m1 --span 2..1 --yes", 2),
        ("redact m1 --span 0..28 --yes", 2),
        ("redact m1 --word Lampen --yes", 2),
        ("redact m1 --word Lampen --plan", 2),
        ("redact m9 --word Lampe --yes", 3),
        ("redact m9 --word Lampe --plan", 3),
        ("redact m1 --word Lampe --conversation c2 --yes", 3),
        ("redact m1 --word Lampe --yes --request-id x", 2),
    ] {
        sandbox.run(line).exits(code);
    }
    sandbox.run("hold place h1 --query lampe --matter M-7 --ground claims").ok();
    let refused = sandbox.run("--json redact m1 --word Lampe --yes").exits(7);
    assert_eq!(refused.error()["kind"], "refused");
    assert_eq!((sandbox.count("lampe"), sandbox.count("kind:refused")), (1, 1));
    sandbox.run("hold release h1 --reason settled").ok();
    let id = "00112233445566778899aabbccddeeff";
    let line = format!("redact m1 --word Lampe --yes --request-id {id}");
    let first = sandbox.run(&line).ok().out;
    let again = sandbox.run(&line).ok();
    assert!(again.out == first && again.err.contains("nothing was erased now"), "{}", again.err);
}

#[test]
fn other_versions_with_the_same_words_are_named() {
    let sandbox = Sandbox::with_sample();
    sandbox.run_with("--as dana correct m1 --body-file -", "Die Lampe brummt").ok();
    let edit = sandbox.run("--json search brummt").ok().lines().remove(0)["id"].as_str().unwrap().to_owned();
    let plan = &sandbox.run("--json redact m1 --word Lampe --plan").ok().lines()[0];
    assert_eq!((&plan["newest"], &plan["also_in"]), (&json!(false), &json!([edit])));
    let run = sandbox.run("redact m1 --word Lampe --yes").ok();
    assert!(run.err.contains(&edit), "{}", run.err);
    assert_eq!((sandbox.count("lampe"), sandbox.count("version:all lampe")), (1, 1));
    sandbox.run(&format!("redact {edit} --word Lampe --yes")).ok();
    assert_eq!((sandbox.count("version:all lampe"), sandbox.count("brummt")), (0, 1));
}

#[test]
fn words_are_read_from_a_file_or_from_stdin() {
    let sandbox = Sandbox::with_sample();
    let body = |sandbox: &Sandbox| sandbox.run("--json get m1").ok().lines()[0]["body"].clone();
    std::fs::write(sandbox.folder.join("words"), "\u{feff}Hallo\r\n\nmeine Lampe\n").unwrap();
    let plan = &sandbox.run("--json redact m1 --words-file words --plan").ok().lines()[0];
    assert_eq!((&plan["spans"], &plan["characters"]), (&json!(2), &json!(16)));
    sandbox.run("redact m1 --words-file words --yes").ok();
    assert_eq!(body(&sandbox), "█, █ flackert");
    sandbox.run_with("redact m1 --words-file - --word , --yes", "flackert").ok();
    assert_eq!(body(&sandbox), "██ █ █");
    assert_eq!((sandbox.count("flackert"), sandbox.count("version:all lampe")), (0, 0));
    // One that stands nowhere, a file without words, and none.
    for (line, text) in [
        ("redact m1 --words-file - --yes", "nowhere"),
        ("redact m1 --words-file - --plan", "\n\r\n"),
        ("redact m1 --words-file missing --yes", ""),
    ] {
        assert_ne!(sandbox.run_with(line, text).code, 0, "{line}");
    }
    // Nobody is there to confirm, and stdin is not read for it.
    sandbox.run_with("redact m1 --words-file -", "flackert").exits(2);
    assert!(sandbox.run("redact --help").ok().out.contains("stays in the shell's history"));
}
