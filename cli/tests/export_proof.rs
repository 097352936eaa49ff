//! Exports with proof from the command line, and their check without a store.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use serde_json::{Value, json};
use support::{Run, Sandbox};

fn key(sandbox: &Sandbox) -> String {
    sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned()
}

fn manifest(sandbox: &Sandbox, file: &str) -> Value {
    serde_json::from_str(&sandbox.read(&format!("{file}.manifest.json"))).unwrap()
}

/// Checks without naming a store.
fn check(sandbox: &Sandbox, file: &str, key: &str) -> Run {
    sandbox.args(&["--json", "verify-export", file, "--key", key], "")
}

#[test]
fn an_export_is_signed_and_verifies_without_the_store() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let export = "--json --as dana --purpose access --case 2026-17 export --subject bob@example.org --output bob.jsonl";
    let told = sandbox.run(export).ok().lines()[0].clone();
    let says = manifest(&sandbox, "bob.jsonl");
    assert_eq!(says["asked"], json!({"subject": "bob@example.org"}));
    assert_eq!(
        [
            &says["version"],
            &says["signed"],
            &says["complete"],
            &says["actor"],
            &says["purpose"],
            &says["case"]
        ],
        [&json!(2), &json!(true), &json!(true), &json!("dana"), &json!("access"), &json!("2026-17")]
    );
    let bob = sandbox.run("--json subject show bob@example.org").ok().lines()[0].clone();
    assert_eq!(says["handle"], bob["handle"]);
    assert_eq!((&told["signed"], &told["proof_bytes"]), (&json!(true), &says["proof"]["bytes"]));
    assert_eq!(told["proof_bytes"], sandbox.read("bob.jsonl.proof").len());
    std::fs::rename(sandbox.folder.join("s"), sandbox.folder.join("gone")).unwrap();
    let seen = check(&sandbox, "bob.jsonl", &key).ok().lines()[0].clone();
    let names: Vec<&String> = seen.as_object().unwrap().keys().collect();
    let wanted = [
        "ok", "origin", "size", "root", "cosigned", "format", "count", "lines", "proved", "people", "named",
        "complete", "faults", "first",
    ];
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    assert_eq!(
        {
            let mut names = names.clone();
            names.sort_unstable();
            names
        },
        sorted
    );
    assert_eq!((&seen["ok"], &seen["proved"], &seen["people"]), (&json!(true), &json!(3), &json!(1)));
    let text = sandbox.args(&["verify-export", "bob.jsonl", "--key", &key], "").ok().out;
    for part in ["purpose: access", "proved: 3 of 3 lines", "not proved, but the signer's word"] {
        assert!(text.contains(part), "{text}");
    }
    // The files may get other names together.
    for ending in ["", ".proof", ".manifest.json"] {
        let at = |name: &str| sandbox.folder.join(format!("{name}{ending}"));
        std::fs::rename(at("bob.jsonl"), at("mine")).unwrap();
    }
    check(&sandbox, "mine", &key).ok();
}

#[test]
fn faults_are_named_by_line_and_end_with_exit_6() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    sandbox.run("export --query * --output e.jsonl").ok();
    let good = sandbox.read("e.jsonl");
    sandbox.write("e.jsonl", good.replace("invoice", "refund"));
    let run = check(&sandbox, "e.jsonl", &key).exits(6);
    let seen = run.lines()[0].clone();
    assert_eq!((&seen["ok"], &seen["faults"], &seen["proved"]), (&json!(false), &json!(1), &json!(3)));
    assert_eq!(seen["first"][0]["fault"], "changed");
    assert_eq!((&seen["first"][0]["line"], &seen["first"][0]["exported_line"]), (&json!(3), &json!(3)));
    assert_eq!(run.error()["kind"], "corrupt");
    let short = ["verify-export", "e.jsonl", "--key", &key, "--faults", "2"];
    sandbox.write("e.jsonl", "x\n".repeat(5));
    let text = sandbox.args(&short, "").exits(6).out;
    assert!(text.contains("line 1: changed") && text.contains("and 3 more"), "{text}");
    sandbox.write("e.jsonl", &good);
    check(&sandbox, "e.jsonl", &key).ok();
    // Files that are not there, other keys, and what was never signed.
    let other = Sandbox::with_sample();
    check(&sandbox, "e.jsonl", &self::key(&other)).exits(6);
    sandbox.args(&["verify-export", "e.jsonl"], "").exits(2);
    std::fs::remove_file(sandbox.folder.join("e.jsonl.proof")).unwrap();
    check(&sandbox, "e.jsonl", &key).exits(1);
    check(&sandbox, "nothing", &key).exits(1);
    sandbox.run("export --unsigned --query * --output u.jsonl").ok();
    assert_eq!(manifest(&sandbox, "u.jsonl")["signed"], false);
    assert!(!sandbox.has("u.jsonl.proof"));
    check(&sandbox, "u.jsonl", &key).exits(6);
}

/// Pages and tables are signed as a whole, and say so.
#[test]
fn other_formats_are_signed_without_proofs() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    for format in ["html", "csv"] {
        let told = sandbox.run(&format!("--json export --query * --format {format} --output e")).ok();
        assert_eq!(told.lines()[0]["proof_bytes"], Value::Null);
        assert_eq!(manifest(&sandbox, "e")["proof"], Value::Null);
        assert!(!sandbox.has("e.proof"));
        let text = sandbox.args(&["verify-export", "e", "--key", &key], "").ok().out;
        assert!(text.contains("one by one are not"), "{text}");
        let changed = sandbox.read("e").replacen("Lampe", "Lande", 1);
        sandbox.write("e", changed);
        assert_eq!(check(&sandbox, "e", &key).exits(6).lines()[0]["first"][0]["fault"], "file");
    }
}

/// What a shell has open it exports likewise; what is checked needs no store.
#[test]
fn a_shell_exports_and_checks() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let script = format!("export --query * --output e.jsonl\nverify-export e.jsonl --key {key}\n");
    let run = sandbox.run_with("shell", script).ok();
    assert!(run.out.contains("proved: 4 of 4 lines"), "{}", run.out);
}
